use std::io::{self, BufRead, BufReader, Chain, Cursor, Read};

use crate::flaw::Spot;

/// How much of a file is looked at before it is refused.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Bytes of the whole file.
    pub file: u64,
    /// Bytes of one piece: a tag with its attributes, a comment, the text of one element.
    pub piece: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            file: 16 << 30,
            piece: 64 << 10,
        }
    }
}

/// Bytes with the place where they stand; no piece and no file is longer than its limit.
#[derive(Debug)]
pub(crate) struct Source<R> {
    bytes: BufReader<Chain<Cursor<Vec<u8>>, R>>,
    limits: Limits,
    spot: Spot,
    /// Taken of the whole file, and of the piece in hand.
    taken: u64,
    piece: usize,
}

/// Travels inside of an [`io::Error`], because that is what a reader can say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TooLong {
    #[error("the file is longer than is read")]
    File,
    #[error("a piece of the file is longer than is kept")]
    Piece,
}

/// Bytes by which a file is known: its mark, its encoding, and whether it is XML.
const HEAD: u64 = 256;

impl<R: Read> Source<R> {
    pub fn open(mut bytes: R, limits: Limits) -> io::Result<Source<R>> {
        // A slow line gives a byte at a time, and a look at the first of them says nothing.
        let mut head = Vec::new();
        bytes.by_ref().take(HEAD).read_to_end(&mut head)?;
        let bytes = Cursor::new(head).chain(bytes);
        Ok(Source {
            bytes: BufReader::with_capacity(32 << 10, bytes),
            limits,
            spot: Spot { line: 1, column: 1 },
            taken: 0,
            piece: 0,
        })
    }

    /// Where the next byte stands.
    pub fn spot(&self) -> Spot {
        self.spot
    }

    pub fn kept(&self) -> usize {
        self.bytes.capacity()
    }

    pub fn taken(&self) -> u64 {
        self.taken
    }

    /// Begins a new piece.
    pub fn next_piece(&mut self) {
        self.piece = 0;
    }

    /// The first bytes of the file, of which nothing is taken; fewer where there are no more.
    pub fn peek(&mut self) -> io::Result<&[u8]> {
        self.bytes.fill_buf()
    }

    /// Passes by what is in no column: the mark at the beginning of a file.
    pub fn pass(&mut self, count: usize) {
        self.bytes.consume(count);
        self.taken += count as u64;
    }
}

impl<R: Read> BufRead for Source<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        let (file, piece) = (
            self.taken >= self.limits.file,
            self.piece >= self.limits.piece,
        );
        let available = self.bytes.fill_buf()?;
        if available.is_empty() || !(file || piece) {
            return Ok(available);
        }
        let reason = if file { TooLong::File } else { TooLong::Piece };
        Err(io::Error::other(reason))
    }

    fn consume(&mut self, count: usize) {
        let taken = &self.bytes.buffer()[..count];
        // In UTF-8 each character has one byte that does not continue another.
        let characters = |it: &[u8]| it.iter().filter(|it| (**it & 0xc0) != 0x80).count() as u64;
        if taken.contains(&b'\n') {
            let mut lines = taken.split(|it| *it == b'\n');
            let last = lines.next_back().unwrap_or_default();
            self.spot.line += lines.count() as u64;
            self.spot.column = 1 + characters(last);
        } else {
            self.spot.column += characters(taken);
        }
        self.taken += count as u64;
        self.piece += count;
        self.bytes.consume(count);
    }
}

impl<R: Read> Read for Source<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let available = self.fill_buf()?;
        let count = available.len().min(into.len());
        into[..count].copy_from_slice(&available[..count]);
        self.consume(count);
        Ok(count)
    }
}

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use csv_core::{ReadRecordResult, Reader};
use domain::Refusal;
use sha2::{Digest, Sha256};

use crate::Refused;

/// The longest line that is read; a longer one is skipped and refused, so that memory stays flat.
pub const LINE_BYTES_MAX: usize = 16 * 1024;

/// Why a file was refused as a whole, before its first row.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    #[error("the file cannot be read: {0}")]
    Io(#[from] io::Error),
    #[error("header_invalid: the header must be exactly {expected}")]
    Header { expected: String },
}

/// The rows of a CSV file in UTF-8 (with or without BOM), one line each.
#[derive(Debug)]
pub struct Rows<R> {
    reader: R,
    parser: Reader,
    columns: usize,
    line: u64,
    buffer: Vec<u8>,
    output: Vec<u8>,
    ends: Vec<usize>,
}

/// One row: as many fields as the header has columns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    pub line: u64,
    text: String,
    ends: Vec<usize>,
}

impl Row {
    pub fn field(&self, index: usize) -> &str {
        let start = if index == 0 { 0 } else { self.ends[index - 1] };
        &self.text[start..self.ends[index]]
    }
}

/// SHA-256 of a file's bytes: the same file again is known by it.
pub fn digest(path: &Path) -> Result<[u8; 32], FileError> {
    let mut file = File::open(path)?;
    let mut digest = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        let count = file.read(&mut buffer)?;
        if count == 0 {
            return Ok(digest.finalize().into());
        }
        digest.update(&buffer[..count]);
    }
}

/// Reads a file and hands its rows over in batches of `size`, so that a file of any length takes
/// the memory of a few; ends early where `take` says false.
pub fn read_batches<T>(
    path: &Path,
    header: &[&str],
    size: usize,
    parse: impl Fn(&Row) -> Result<T, Refused>,
    mut take: impl FnMut(Vec<Result<T, Refused>>) -> bool,
) -> Result<(), FileError> {
    let mut rows = Rows::open(path, header)?;
    let mut batch = Vec::with_capacity(size);
    while let Some(row) = rows.next_row()? {
        batch.push(row.and_then(|it| parse(&it)));
        if batch.len() == size && !take(std::mem::take(&mut batch)) {
            return Ok(());
        }
    }
    if !batch.is_empty() {
        take(batch);
    }
    Ok(())
}

impl Rows<BufReader<File>> {
    pub fn open(path: &Path, header: &[&str]) -> Result<Rows<BufReader<File>>, FileError> {
        Rows::new(BufReader::with_capacity(1 << 18, File::open(path)?), header)
    }
}

impl<R: BufRead> Rows<R> {
    pub fn new(reader: R, header: &[&str]) -> Result<Rows<R>, FileError> {
        let mut rows = Rows {
            reader,
            parser: Reader::new(),
            columns: header.len(),
            line: 0,
            buffer: Vec::new(),
            output: vec![0; LINE_BYTES_MAX],
            ends: vec![0; header.len() + 1],
        };
        let first = rows.next_row()?;
        let same = |row: &Row| {
            (0..header.len()).all(|it| row.field(it).trim_start_matches('\u{feff}') == header[it])
        };
        match first {
            Some(Ok(row)) if same(&row) => Ok(rows),
            _ => Err(FileError::Header {
                expected: header.join(","),
            }),
        }
    }

    /// The next row, the refusal of a line that is none, or `None` at the end.
    pub fn next_row(&mut self) -> Result<Option<Result<Row, Refused>>, FileError> {
        loop {
            self.buffer.clear();
            let limit = u64::try_from(LINE_BYTES_MAX).expect("16 KiB");
            let count = self
                .reader
                .by_ref()
                .take(limit)
                .read_until(b'\n', &mut self.buffer)?;
            if count == 0 {
                return Ok(None);
            }
            self.line += 1;
            if count == LINE_BYTES_MAX && !self.buffer.ends_with(b"\n") {
                self.reader.skip_until(b'\n')?;
                return Ok(Some(Err(
                    self.refused("line_too_long", "a line has at most 16 KiB")
                )));
            }
            if self.buffer.iter().any(|it| !it.is_ascii_whitespace()) {
                return Ok(Some(self.parse()));
            }
        }
    }

    fn parse(&mut self) -> Result<Row, Refused> {
        self.parser.reset();
        let line = &self.buffer[..];
        let (result, read, written, fields) =
            self.parser
                .read_record(line, &mut self.output, &mut self.ends);
        // Without a terminator the record ends with the line; an open quote ends here too.
        let (result, fields, written) = match result {
            ReadRecordResult::InputEmpty => {
                let (result, _, more, last) = self.parser.read_record(
                    &[],
                    &mut self.output[written..],
                    &mut self.ends[fields..],
                );
                (result, fields + last, written + more)
            }
            other => (other, fields, written),
        };
        let quotes = line.split(|it| *it == b'"').count() - 1;
        let open_quote = quotes % 2 == 1 && read == line.len();
        if open_quote {
            return Err(self.refused("quote_open", "a quotation mark is never closed"));
        }
        if !matches!(result, ReadRecordResult::Record) || fields != self.columns {
            let sentence = format!("a row has exactly {} fields", self.columns);
            return Err(self.refused("columns_invalid", &sentence));
        }
        match std::str::from_utf8(&self.output[..written]) {
            Ok(text) if text.contains('\0') => {
                Err(self.refused("encoding_invalid", "the row contains a NUL character"))
            }
            Ok(text) => Ok(Row {
                line: self.line,
                text: text.to_owned(),
                ends: self.ends[..fields].to_vec(),
            }),
            Err(_) => Err(self.refused("encoding_invalid", "the row is not UTF-8")),
        }
    }

    fn refused(&self, code: &'static str, sentence: &str) -> Refused {
        Refused::at(self.line, "row", Refusal::new(code, sentence))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: [&str; 3] = ["a", "b", "c"];

    fn read(text: &[u8]) -> Vec<Read> {
        let mut rows = Rows::new(text, &HEADER).unwrap();
        let mut all = Vec::new();
        while let Some(row) = rows.next_row().unwrap() {
            all.push(match row {
                Ok(row) => Ok((0..3).map(|it| row.field(it).to_owned()).collect()),
                Err(refused) => Err((refused.line, refused.code)),
            });
        }
        all
    }

    type Read = Result<Vec<String>, (u64, &'static str)>;

    #[expect(clippy::unnecessary_wraps, reason = "compared with what was read")]
    fn fields(texts: [&str; 3]) -> Read {
        Read::Ok(texts.map(str::to_owned).to_vec())
    }

    #[test]
    fn rows_are_read_with_and_without_bom_quotes_and_a_last_newline() {
        let plain = [fields(["1", "", "3"]), fields(["4", "5", "6"])];
        assert_eq!(read(b"a,b,c\n1,,3\n4,5,6\n"), plain);
        assert_eq!(read("\u{feff}a,b,c\r\n1,,3\r\n\r\n4,5,6".as_bytes()), plain);
        assert_eq!(
            read(b"a,b,c\n\"x,y\",2,\"z\"\n"),
            [fields(["x,y", "2", "z"])]
        );
    }

    #[test]
    fn a_bad_line_is_refused_alone() {
        let mut text = b"a,b,c\n1,2\n1,2,3,4\n\"open,2,3\n\xff,2,3\n".to_vec();
        text.extend(vec![b'x'; LINE_BYTES_MAX * 3]);
        text.extend(b"\n1,\0,3\n7,8,9\n");
        assert_eq!(
            read(&text),
            [
                Err((2, "columns_invalid")),
                Err((3, "columns_invalid")),
                Err((4, "quote_open")),
                Err((5, "encoding_invalid")),
                Err((6, "line_too_long")),
                Err((7, "encoding_invalid")),
                fields(["7", "8", "9"]),
            ]
        );
    }

    #[test]
    fn a_broken_header_stops_all() {
        for bad in ["", "a,b\n1,2\n", "a,c,b\n", "A,b,c\n", "\"a,b,c\n"] {
            let refused = Rows::new(bad.as_bytes(), &HEADER).map(|_| ()).unwrap_err();
            assert!(matches!(refused, FileError::Header { .. }), "{bad:?}");
        }
        let utf16: Vec<u8> = "a,b,c\n"
            .encode_utf16()
            .flat_map(u16::to_le_bytes)
            .collect();
        assert!(Rows::new(&utf16[..], &HEADER).is_err());
    }
}

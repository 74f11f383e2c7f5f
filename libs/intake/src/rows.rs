use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use csv_core::{ReadRecordResult, Reader};
use domain::Refusal;
use sha2::{Digest, Sha256};

use crate::{FileError, Refused};

/// The longest line that is read; a longer one is skipped and refused, so that memory stays flat.
pub const LINE_BYTES_MAX: usize = 16 * 1024;

/// The most columns that a file has.
pub const COLUMNS_MAX: usize = 256;

/// UTF-8's byte order mark, which some programs begin a file with.
const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// The rows of a CSV file in UTF-8 (with or without BOM), one line each.
#[derive(Debug)]
pub struct Rows<R> {
    reader: R,
    parser: Reader,
    /// `None` before the header has said how many there are.
    columns: Option<usize>,
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
    /// Empty where all fields are text, as in CSV.
    kinds: Vec<Kind>,
}

/// What a workbook keeps a field as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Kind {
    #[default]
    Text,
    /// Whole, below 2^53; leading zeros that somebody typed are lost.
    Number,
    /// The field is yyyy-mm-dd.
    Date,
}

/// A row that is none, and what stands there as far as fields can be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    pub refused: Refused,
    pub written: Vec<String>,
}

impl Row {
    pub(crate) fn of_cells<'a>(line: u64, cells: impl Iterator<Item = (&'a str, Kind)>) -> Row {
        let mut row = Row {
            line,
            text: String::new(),
            ends: Vec::new(),
            kinds: Vec::new(),
        };
        for (text, kind) in cells {
            row.text.push_str(text);
            row.ends.push(row.text.len());
            row.kinds.push(kind);
        }
        row
    }

    pub fn kind(&self, index: usize) -> Kind {
        self.kinds.get(index).copied().unwrap_or_default()
    }

    pub fn fields(&self) -> impl Iterator<Item = &str> {
        (0..self.ends.len()).map(|it| self.field(it))
    }

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
    /// A file whose header is known: exactly these columns.
    pub fn new(reader: R, header: &[&str]) -> Result<Rows<R>, FileError> {
        let expected = || FileError::Header {
            expected: header.join(","),
        };
        match Rows::headed(reader) {
            Ok((rows, found)) if found == header => Ok(rows),
            Ok(_) | Err(FileError::Columns { .. }) => Err(expected()),
            Err(error) => Err(error),
        }
    }

    /// A file that says itself which columns it has.
    pub fn headed(reader: R) -> Result<(Rows<R>, Vec<String>), FileError> {
        let mut rows = Rows {
            reader,
            parser: Reader::new(),
            columns: None,
            line: 0,
            buffer: Vec::new(),
            output: vec![0; LINE_BYTES_MAX],
            ends: vec![0; COLUMNS_MAX + 1],
        };
        match rows.next_line()? {
            Some(Ok(header)) => {
                rows.columns = Some(header.ends.len());
                let names = header.fields().map(str::to_owned).collect();
                Ok((rows, names))
            }
            _ => Err(FileError::Columns {
                sentence: format!("the first line names at most {COLUMNS_MAX} columns, in UTF-8"),
            }),
        }
    }

    /// The next row, the refusal of a line that is none, or `None` at the end.
    pub fn next_row(&mut self) -> Result<Option<Result<Row, Refused>>, FileError> {
        let line = self.next_line()?;
        Ok(line.map(|it| it.map_err(|broken| broken.refused)))
    }

    /// As [`Rows::next_row`], with what stands in a line that is no row.
    pub fn next_line(&mut self) -> Result<Option<Result<Row, Broken>>, FileError> {
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
                let sentence = "a line has at most 16 KiB";
                return Ok(Some(Err(self.broken("line_too_long", sentence))));
            }
            if self.line == 1 && self.buffer.starts_with(BYTE_ORDER_MARK) {
                self.buffer.drain(..BYTE_ORDER_MARK.len());
            }
            if self.buffer.iter().any(|it| !it.is_ascii_whitespace()) {
                return Ok(Some(self.parse()));
            }
        }
    }

    fn parse(&mut self) -> Result<Row, Broken> {
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
            return Err(self.broken("quote_open", "a quotation mark is never closed"));
        }
        let whole = matches!(result, ReadRecordResult::Record) && fields <= COLUMNS_MAX;
        if !whole || self.columns.is_some_and(|it| it != fields) {
            let columns = self.columns.unwrap_or(COLUMNS_MAX);
            let sentence = format!("a row has exactly {columns} fields");
            let mut broken = self.broken("columns_invalid", &sentence);
            if whole {
                broken.written = self.split(fields);
            }
            return Err(broken);
        }
        match std::str::from_utf8(&self.output[..written]) {
            Ok(text) if text.contains('\0') => {
                Err(self.broken("encoding_invalid", "the row contains a NUL character"))
            }
            Ok(text) => Ok(Row {
                line: self.line,
                text: text.to_owned(),
                ends: self.ends[..fields].to_vec(),
                kinds: Vec::new(),
            }),
            Err(_) => Err(self.broken("encoding_invalid", "the row is not UTF-8")),
        }
    }

    /// The fields of the line that was parsed last.
    fn split(&self, fields: usize) -> Vec<String> {
        let mut start = 0;
        let ends = self.ends[..fields].iter();
        ends.map(|end| {
            let field = String::from_utf8_lossy(&self.output[start..*end]).into_owned();
            start = *end;
            field
        })
        .collect()
    }

    /// The line is kept as one field.
    fn broken(&self, code: &'static str, sentence: &str) -> Broken {
        let line = String::from_utf8_lossy(&self.buffer);
        Broken {
            refused: Refused::at(self.line, "row", Refusal::new(code, sentence)),
            written: vec![line.trim_end_matches(['\r', '\n']).to_owned()],
        }
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

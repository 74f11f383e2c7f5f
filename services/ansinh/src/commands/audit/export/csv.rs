//! CSV for programs, and for spreadsheets that must not harm it: UTF-8 with a byte order mark. A text
//! has an apostrophe before it where a spreadsheet would run it as a formula or read it as another
//! number or a date, and where it has one of its own, so that taking one away gives it back.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::PathBuf;

use super::{Cell, Column, Control, Place, Rows, write_whole};
use crate::cli::Separator;

/// Digits that a spreadsheet's number keeps.
const DIGITS_MAX: usize = 15;

const MARK: &str = "\u{feff}";

pub(super) struct Csv {
    file: csv::Writer<BufWriter<File>>,
    is_id: Vec<bool>,
    control: PathBuf,
    separator: Separator,
}

impl Csv {
    pub fn begin(place: &Place, columns: &[Column]) -> anyhow::Result<Csv> {
        let mut file = BufWriter::new(File::create(place.part())?);
        file.write_all(MARK.as_bytes())?;
        let mut file = separated(place.separator).from_writer(file);
        file.write_record(columns.iter().map(|it| &it.name))?;
        Ok(Csv {
            file,
            is_id: columns.iter().map(Column::is_id).collect(),
            control: place.folder.join(format!("{}.control.csv", place.name)),
            separator: place.separator,
        })
    }
}

impl Rows for Csv {
    fn row(&mut self, row: Vec<Cell>) -> anyhow::Result<()> {
        for (cell, is_id) in row.iter().zip(&self.is_id) {
            let text = cell.text().unwrap_or_default();
            let is_name = *is_id || matches!(cell, Cell::Text(_));
            self.file
                .write_field(if is_name { escaped(text) } else { text })?;
        }
        Ok(self.file.write_record(None::<&[u8]>)?)
    }

    /// A row of totals among the rows would be one of them to a program: they stand in a file beside.
    fn end(mut self: Box<Self>, control: &[Control]) -> anyhow::Result<()> {
        self.file.flush()?;
        let mut beside = separated(self.separator).from_writer(MARK.as_bytes().to_vec());
        beside.write_record(["key", "vi", "value"])?;
        for it in control {
            beside.write_record([it.key, it.vi, &escaped(it.value.clone())])?;
        }
        let beside = beside
            .into_inner()
            .map_err(csv::IntoInnerError::into_error)?;
        write_whole(&self.control, &beside)
    }
}

fn separated(separator: Separator) -> csv::WriterBuilder {
    let mut builder = csv::WriterBuilder::new();
    builder.delimiter(match separator {
        Separator::Comma => b',',
        Separator::Semicolon => b';',
    });
    builder
}

fn escaped(text: String) -> String {
    let is_formula = text.starts_with(['=', '+', '-', '@', '\t', '\r', '\'']);
    if is_formula || is_misread(&text) {
        return format!("'{text}");
    }
    text
}

/// True for what looks like a number or a date and is not the digits that a spreadsheet gives back.
fn is_misread(text: &str) -> bool {
    let is_number = text.starts_with(|it: char| it.is_ascii_digit() || it == '.')
        && text
            .chars()
            .all(|it| it.is_ascii_digit() || "., /:-+eE%".contains(it));
    let is_plain = text.bytes().all(|it| it.is_ascii_digit())
        && text.len() <= DIGITS_MAX
        && (text.len() == 1 || !text.starts_with('0'));
    is_number && !is_plain
}

#[cfg(test)]
mod tests {
    use super::escaped;

    #[test]
    fn a_text_stays_what_it_is_in_a_spreadsheet() {
        for (text, expected) in [
            ("=1+1", "'=1+1"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("-540000", "'-540000"),
            ("+x", "'+x"),
            ("'tis", "''tis"),
            ("7/12", "'7/12"),
            ("2026-11", "'2026-11"),
            ("12345678e1234567", "'12345678e1234567"),
            ("1234567890123456", "'1234567890123456"),
            ("0042", "'0042"),
            ("123456789012345", "123456789012345"),
            ("5", "5"),
            ("0", "0"),
            ("HTXH", "HTXH"),
            ("R000001-07-0001-0042", "R000001-07-0001-0042"),
            ("1a2b", "1a2b"),
            ("", ""),
        ] {
            assert_eq!(escaped(text.to_owned()), expected);
        }
    }
}

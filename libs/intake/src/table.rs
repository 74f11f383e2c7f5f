use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufReader, Read, Seek};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use sha2::{Digest, Sha256};

use crate::rows::{Broken, Row, Rows, digest};
use crate::{FileError, Refused, workbook};

/// A file whose header says which columns it has: CSV, or a sheet of an Excel workbook. Which of
/// the two it is, its first bytes tell, not its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableFile {
    pub path: PathBuf,
    /// The first visible sheet where none is named; CSV has none.
    pub sheet: Option<String>,
}

/// A workbook is a ZIP archive (APPNOTE.TXT, "Local file header signature").
const ARCHIVE: &[u8] = b"PK\x03\x04";

/// A file whose sheet is not named.
impl<P: AsRef<Path> + ?Sized> From<&P> for TableFile {
    fn from(path: &P) -> TableFile {
        TableFile {
            path: path.as_ref().to_owned(),
            sheet: None,
        }
    }
}

impl TableFile {
    /// SHA-256 by which the same file, and the same sheet of it, is known again.
    pub fn digest(&self) -> Result<[u8; 32], FileError> {
        let file = digest(&self.path)?;
        Ok(match &self.sheet {
            None => file,
            Some(sheet) => Sha256::new()
                .chain_update(file)
                .chain_update(sheet)
                .finalize()
                .into(),
        })
    }

    /// Reads the header with `header`, then hands what that made of it and each row to `row`, until
    /// `row` says false. One row is in memory at a time; but a workbook keeps the texts of all its
    /// cells in one place, which is read whole.
    ///
    /// # Errors
    /// A workbook or its sheet that cannot be read, a column without a name or with that of
    /// another, and whatever `header` and `row` refuse.
    pub fn read<H>(
        &self,
        header: impl FnOnce(&[&'static str]) -> Result<H, FileError>,
        mut row: impl FnMut(&mut H, Result<Row, Broken>) -> Result<bool, FileError>,
    ) -> Result<H, FileError> {
        let mut file = File::open(&self.path)?;
        let mut signature = Vec::new();
        (&mut file)
            .take(ARCHIVE.len() as u64)
            .read_to_end(&mut signature)?;
        file.rewind()?;
        let file = BufReader::with_capacity(1 << 18, file);
        if signature == ARCHIVE {
            return workbook::read(file, self.sheet.as_deref(), header, row);
        }
        if self.sheet.is_some() {
            let sentence = "the file is no workbook, so it has no sheets".to_owned();
            return Err(FileError::Sheet { sentence });
        }
        let (mut rows, names) = Rows::headed(file)?;
        let mut header = header(&columns(&names)?)?;
        while let Some(line) = rows.next_line()? {
            if !row(&mut header, line)? {
                break;
            }
        }
        Ok(header)
    }

    /// As [`TableFile::read`], with the rows parsed and handed over in batches of `size`, so that
    /// a file of any length takes the memory of a few.
    pub fn read_batches<H, T>(
        &self,
        size: usize,
        header: impl FnOnce(&[&'static str]) -> Result<H, FileError>,
        parse: impl Fn(&H, &Row) -> Result<T, Refused>,
        mut take: impl FnMut(Vec<Result<T, Refused>>) -> bool,
    ) -> Result<(), FileError> {
        let mut batch = Vec::with_capacity(size);
        let mut listened = true;
        self.read(header, |header, line| {
            batch.push(match line {
                Ok(row) => parse(header, &row),
                Err(broken) => Err(broken.refused),
            });
            if batch.len() == size {
                listened = take(std::mem::take(&mut batch));
            }
            Ok(listened)
        })?;
        if listened && !batch.is_empty() {
            take(batch);
        }
        Ok(())
    }
}

/// The names of columns, each of them once.
pub(crate) fn columns(names: &[String]) -> Result<Vec<&'static str>, FileError> {
    let refused = |sentence: String| Err(FileError::Columns { sentence });
    let mut seen = BTreeSet::new();
    for (number, name) in (1..).zip(names) {
        if name.is_empty() {
            return refused(format!("column {number} has no name"));
        }
        if !name
            .bytes()
            .all(|it| it.is_ascii_lowercase() || it.is_ascii_digit() || it == b'_')
        {
            return refused(format!(
                "the name of column {number} is small letters, digits and _"
            ));
        }
        if !seen.insert(name) {
            return refused(format!("column {name} is there twice"));
        }
    }
    Ok(names.iter().map(|it| lasting(it)).collect())
}

/// The same text for as long as the process lives, as a refusal names its column. There are as
/// many as people have named columns, a few dozen.
fn lasting(name: &str) -> &'static str {
    static NAMES: Mutex<BTreeSet<&'static str>> = Mutex::new(BTreeSet::new());
    let mut names = NAMES.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = names.get(name) {
        return known;
    }
    let name = String::leak(name.to_owned());
    names.insert(name);
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_column_has_a_name_of_its_own() {
        let of = |names: &[&str]| {
            let names: Vec<String> = names.iter().map(|it| String::from(*it)).collect();
            columns(&names)
        };
        assert_eq!(of(&["a", "b_2"]).unwrap(), ["a", "b_2"]);
        for bad in [&["a", ""][..], &["a", "b", "a"], &["A"], &["a b"], &["tên"]] {
            let refused = of(bad).unwrap_err().to_string();
            assert!(refused.starts_with("header_invalid"), "{refused}");
        }
        let [first, again] = [lasting("same"), lasting("same")];
        assert!(std::ptr::eq(first, again));
    }
}

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rust_xlsxwriter::{Workbook, XlsxError};

/// The rows of a file as they were written, and beside them what is wrong: a file to correct by.
///
/// It is as personal as the file itself: nobody but its owner may read it, and a file that is
/// there is never overwritten.
#[derive(Debug)]
pub struct Mirror {
    path: PathBuf,
    columns: usize,
    pages: Pages,
}

/// What is wrong with a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    pub line: u64,
    pub column: String,
    pub code: String,
    pub sentence_vi: String,
    pub sentence_en: String,
}

#[derive(Debug, thiserror::Error)]
pub enum MirrorError {
    #[error("report_name: a report is named .csv or .xlsx")]
    Name,
    #[error("report_exists: there is a file of the report's name; name another")]
    Exists,
    #[error("the report cannot be written: {0}")]
    Io(#[from] io::Error),
    #[error("the report cannot be written: {0}")]
    Csv(#[from] csv::Error),
    #[error("the report cannot be written: {0}")]
    Workbook(#[from] XlsxError),
    #[error("report_too_long: a sheet has 1.048.576 rows; name a report .csv")]
    TooLong,
}

enum Pages {
    Csv(Box<csv::Writer<File>>),
    /// The workbook, and how many rows it has.
    Workbook(Box<Workbook>, u32),
}

const TOLD: [&str; 5] = ["line", "column", "code", "sentence_vi", "sentence_en"];
const SHEET_ROWS_MAX: u32 = 1_048_576;

impl Mirror {
    /// Says whether a report can be written there, before there is one.
    pub fn check(path: &Path) -> Result<(), MirrorError> {
        extension(path)?;
        if path.try_exists()? {
            return Err(MirrorError::Exists);
        }
        Ok(())
    }

    /// Begins a report: the file's header and what is told.
    ///
    /// # Errors
    /// A name that is neither .csv nor .xlsx, a file that is there, or the disk.
    pub fn create(path: &Path, header: &[&str]) -> Result<Mirror, MirrorError> {
        Mirror::check(path)?;
        let pages = if extension(path)? == "csv" {
            Pages::Csv(Box::new(csv::Writer::from_writer(new_file(path)?)))
        } else {
            let mut workbook = Workbook::new();
            workbook.add_worksheet_with_constant_memory()?;
            Pages::Workbook(Box::new(workbook), 0)
        };
        let mut mirror = Mirror {
            path: path.to_owned(),
            columns: header.len(),
            pages,
        };
        let names = header.iter().chain(&TOLD).copied();
        mirror.write(names)?;
        Ok(mirror)
    }

    /// Adds a row; one with more fields than the header keeps them all in its last column.
    pub fn row<'a>(
        &mut self,
        fields: impl Iterator<Item = &'a str>,
        told: Option<&Told>,
    ) -> Result<(), MirrorError> {
        let mut fields: Vec<&str> = fields.collect();
        let last = self.columns.saturating_sub(1);
        let rest = fields.get(last..).unwrap_or_default().join(",");
        fields.resize(self.columns, "");
        if let Some(place) = fields.last_mut() {
            *place = &rest;
        }
        let Some(told) = told else {
            return self.write(fields.into_iter().chain([""; TOLD.len()]));
        };
        let line = told.line.to_string();
        let said = [
            &line[..],
            &told.column,
            &told.code,
            &told.sentence_vi,
            &told.sentence_en,
        ];
        self.write(fields.into_iter().chain(said))
    }

    /// Brings the report to the disk.
    pub fn finish(self) -> Result<(), MirrorError> {
        match self.pages {
            Pages::Csv(mut writer) => Ok(writer.flush()?),
            Pages::Workbook(mut workbook, _) => Ok(workbook.save_to_writer(new_file(&self.path)?)?),
        }
    }

    fn write<'a>(&mut self, fields: impl Iterator<Item = &'a str>) -> Result<(), MirrorError> {
        match &mut self.pages {
            Pages::Csv(writer) => {
                for field in fields {
                    writer.write_field(inert(field).as_ref())?;
                }
                writer.write_record(None::<&[u8]>)?;
            }
            Pages::Workbook(workbook, rows) => {
                if *rows == SHEET_ROWS_MAX {
                    return Err(MirrorError::TooLong);
                }
                let sheet = workbook.worksheet_from_index(0)?;
                for (column, field) in (0..).zip(fields) {
                    sheet.write_string(*rows, column, field)?;
                }
                *rows += 1;
            }
        }
        Ok(())
    }
}

impl std::fmt::Debug for Pages {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Pages::Csv(_) => "Csv",
            Pages::Workbook(..) => "Workbook",
        })
    }
}

fn extension(path: &Path) -> Result<&'static str, MirrorError> {
    let found = path.extension().and_then(|it| it.to_str());
    let known = ["csv", "xlsx"].into_iter().find(|it| Some(*it) == found);
    known.ok_or(MirrorError::Name)
}

/// For its owner only, and new.
fn new_file(path: &Path) -> Result<File, MirrorError> {
    let file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path);
    file.map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => MirrorError::Exists,
        _ => MirrorError::Io(error),
    })
}

/// A field that a spreadsheet would run as a formula stands behind a quotation mark.
fn inert(field: &str) -> std::borrow::Cow<'_, str> {
    if field.starts_with(['=', '+', '-', '@', '\t', '\r']) {
        format!("'{field}").into()
    } else {
        field.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn told() -> Told {
        Told {
            line: 2,
            column: "full_name".to_owned(),
            code: "name_invalid".to_owned(),
            sentence_vi: "Họ tên không hợp lệ".to_owned(),
            sentence_en: "a name is words".to_owned(),
        }
    }

    #[test]
    fn a_report_is_its_owners_and_no_field_in_it_runs() {
        let folder = std::env::temp_dir().join(format!("intake-mirror-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        for name in ["out.csv", "out.xlsx"] {
            let path = folder.join(name);
            let mut mirror = Mirror::create(&path, &["number", "full_name"]).unwrap();
            let fields = ["001", "=cmd|' /C calc'!A0", "more"];
            mirror.row(fields.into_iter(), Some(&told())).unwrap();
            mirror.row(["002"].into_iter(), None).unwrap();
            mirror.finish().unwrap();
            let mode = std::fs::metadata(&path).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{name}");
            let again = Mirror::create(&path, &["number"]).unwrap_err();
            assert!(matches!(again, MirrorError::Exists));
        }
        let csv = std::fs::read_to_string(folder.join("out.csv")).unwrap();
        let expected = "number,full_name,line,column,code,sentence_vi,sentence_en\n\
            001,\"'=cmd|' /C calc'!A0,more\",2,full_name,name_invalid,Họ tên không hợp lệ,a name is words\n\
            002,,,,,,\n";
        assert_eq!(csv, expected);
        std::fs::remove_dir_all(&folder).unwrap();
        let misnamed = Mirror::check(Path::new("out.pdf")).unwrap_err();
        assert!(matches!(misnamed, MirrorError::Name));
    }
}

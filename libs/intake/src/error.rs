use std::io;

use crate::MirrorError;

/// Why a file was refused as a whole, before its first row, or could not be reported on.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    #[error("the file cannot be read: {0}")]
    Io(#[from] io::Error),
    #[error("header_invalid: the header must be exactly {expected}")]
    Header { expected: String },
    /// The file names its columns itself, and one of them is wrong, missing or there twice.
    #[error("header_invalid: {sentence}")]
    Columns { sentence: String },
    #[error("sheet_unknown: {sentence}")]
    Sheet { sentence: String },
    /// It begins as a workbook does, and is none that can be read.
    #[error("workbook_invalid: {0}")]
    Workbook(#[from] calamine::XlsxError),
    /// The report of its refused rows.
    #[error(transparent)]
    Mirror(#[from] MirrorError),
    #[error("file_changed: the file is not the one that was imported")]
    Changed,
    #[error("workbook_invalid: the archive of the workbook cannot be read: {0}")]
    Archive(#[from] zip::result::ZipError),
    /// What comes out of it is out of all proportion to what it is.
    #[error(
        "workbook_expands: {bytes} bytes would unpack to more than {allowed}; save it anew, or as CSV"
    )]
    Expands { bytes: u64, allowed: u64 },
    #[error("workbook_macros: the workbook carries a program; save it without macros")]
    Macros,
    #[error("workbook_invalid: row {row} of the sheet comes after row {after}")]
    RowOrder { row: u64, after: u64 },
}

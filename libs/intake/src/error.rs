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
    #[error("workbook_invalid: row {row} of the sheet comes after row {after}")]
    RowOrder { row: u64, after: u64 },
}

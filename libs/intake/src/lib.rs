//! Files of rows from outside: streamed, and every row accounted for.
//!
//! A row is accepted, refused with its line, column, code and sentence, or counted as a
//! duplicate; the three add up to the rows of the file, and so do their amounts. A refused row
//! never stops the others; a broken header stops all before the first row.

mod archive;
mod error;
mod mirror;
mod report;
mod rows;
mod table;
mod workbook;

pub use error::FileError;
pub use mirror::{Mirror, MirrorError, Told};
pub use report::{Refused, Report, Sums, Tally};
pub use rows::{Broken, COLUMNS_MAX, Kind, LINE_BYTES_MAX, Row, Rows, digest, read_batches};
pub use table::TableFile;

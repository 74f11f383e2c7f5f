//! Files of rows from outside: streamed, and every row accounted for.
//!
//! A row is accepted, refused with its line, column, code and sentence, or counted as a
//! duplicate; the three add up to the rows of the file, and so do their amounts. A refused row
//! never stops the others; a broken header stops all before the first row.

mod report;
mod rows;

pub use report::{Refused, Report, Sums, Tally};
pub use rows::{FileError, LINE_BYTES_MAX, Row, Rows, digest, read_batches};

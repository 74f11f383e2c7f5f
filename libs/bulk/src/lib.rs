//! Rows by the thousand into a table, and out of a query: PostgreSQL's binary `COPY`.
//!
//! It saves the server from parsing and joining arrays (a third of an insert's cost), and is for
//! tables that are only added to: it knows no `ON CONFLICT`. Statements stay in the store files
//! of those who own the tables.

mod out;

use sqlx::encode::{Encode, IsNull};
use sqlx::postgres::{PgArgumentBuffer, PgConnection, Postgres};

pub use out::{Fields, RowsOut};

/// The signature, no flags, no header extension (PostgreSQL manual, "COPY", "Binary Format").
const HEADER: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
const TRAILER: [u8; 2] = (-1i16).to_be_bytes();
const NULL: i32 = -1;

/// Rows on their way into one table.
///
/// A value is written as its Rust type has it, so the types are those of the columns exactly:
/// `i32` for `integer`, `i64` for `bigint`, `Decimal` for `numeric`.
#[derive(Debug)]
pub struct Rows {
    statement: &'static str,
    columns: i16,
    buffer: PgArgumentBuffer,
    rows: u64,
}

/// A row being written, column after column.
#[derive(Debug)]
pub struct Row<'a> {
    rows: &'a mut Rows,
    written: i16,
}

impl Rows {
    /// `statement` is `COPY table (columns) FROM STDIN (FORMAT binary)`.
    pub fn into(statement: &'static str, columns: i16) -> Rows {
        let mut buffer = PgArgumentBuffer::default();
        buffer.extend_from_slice(HEADER);
        Rows {
            statement,
            columns,
            buffer,
            rows: 0,
        }
    }

    pub fn row(&mut self) -> Row<'_> {
        self.buffer.extend_from_slice(&self.columns.to_be_bytes());
        self.rows += 1;
        Row {
            rows: self,
            written: 0,
        }
    }

    /// Sends all rows in one `COPY`; without a row nothing is sent.
    ///
    /// # Errors
    /// What the database says: a key that exists, a check that fails. Then none of the rows is
    /// there, and the transaction has failed.
    pub async fn send(mut self, tx: &mut PgConnection) -> Result<u64, sqlx::Error> {
        if self.rows == 0 {
            return Ok(0);
        }
        self.buffer.extend_from_slice(&TRAILER);
        let mut copy = tx.copy_in_raw(self.statement).await?;
        copy.send(&self.buffer[..]).await?;
        copy.finish().await
    }
}

impl Row<'_> {
    /// Adds the value of the next column.
    ///
    /// # Panics
    /// Where a value has no binary form, which none of our types lacks.
    #[must_use]
    pub fn with<'q, T: Encode<'q, Postgres>>(mut self, value: T) -> Self {
        let buffer = &mut self.rows.buffer;
        let at = buffer.len();
        buffer.extend_from_slice(&NULL.to_be_bytes());
        let is_null = value.encode(buffer).expect("a value with a binary form");
        if let IsNull::No = is_null {
            let length = i32::try_from(buffer.len() - at - 4).expect("a value is below 2 GiB");
            buffer[at..at + 4].copy_from_slice(&length.to_be_bytes());
        }
        self.written += 1;
        self
    }

    /// Ends the row.
    ///
    /// # Panics
    /// Where the row has not as many values as the statement names columns: a mistake in the code
    /// that every test of it meets.
    pub fn end(self) {
        assert_eq!(
            self.written, self.rows.columns,
            "a value for each column of {}",
            self.rows.statement
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_its_columns_with_their_lengths() {
        let mut rows = Rows::into("COPY t (a, b, c) FROM STDIN (FORMAT binary)", 3);
        rows.row().with(7i32).with(None::<&str>).with("đ").end();
        let written = &rows.buffer[HEADER.len()..];
        let expected: &[u8] = &[
            0, 3, 0, 0, 0, 4, 0, 0, 0, 7, 255, 255, 255, 255, 0, 0, 0, 2, 0xc4, 0x91,
        ];
        assert_eq!(written, expected);
    }

    #[test]
    #[should_panic(expected = "a value for each column")]
    fn a_row_with_a_missing_value_is_noticed() {
        let mut rows = Rows::into("COPY t (a, b) FROM STDIN (FORMAT binary)", 2);
        rows.row().with(7i32).end();
    }
}

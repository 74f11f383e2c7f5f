//! Rows by the million out of a query: PostgreSQL's binary `COPY … TO STDOUT`.

use std::fmt;

use bytes::Bytes;
use futures::TryStreamExt;
use futures::stream::BoxStream;
use sqlx::postgres::PgConnection;

use crate::HEADER;

/// Digits of `numeric` are groups of four.
const GROUP: i128 = 10_000;

/// Rows on their way out of a query, one at a time.
pub struct RowsOut<'c> {
    copied: BoxStream<'c, Result<Bytes, sqlx::Error>>,
    buffer: Vec<u8>,
    /// Where in the buffer the next row begins.
    at: usize,
    is_begun: bool,
}

/// The values of a row, read in the order of its columns.
#[derive(Debug)]
pub struct Fields<'a> {
    rest: &'a [u8],
}

impl fmt::Debug for RowsOut<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RowsOut")
            .field("buffered", &self.buffer.len())
            .finish_non_exhaustive()
    }
}

impl<'c> RowsOut<'c> {
    /// `statement` is `COPY (SELECT …) TO STDOUT (FORMAT binary)`; it takes no parameters, so it is built
    /// from numbers and constants alone. All rows are read, or the connection is of no use for a while.
    ///
    /// # Errors
    /// What the database says.
    pub async fn of(
        connection: &'c mut PgConnection,
        statement: &str,
    ) -> Result<RowsOut<'c>, sqlx::Error> {
        Ok(RowsOut {
            copied: connection.copy_out_raw(statement).await?,
            buffer: Vec::new(),
            at: 0,
            is_begun: false,
        })
    }

    /// The next row; `None` behind the last.
    ///
    /// # Errors
    /// What the database says, and where it says what is no row.
    pub async fn next(&mut self) -> Result<Option<Fields<'_>>, sqlx::Error> {
        loop {
            if !self.is_begun && self.buffer.len() >= HEADER.len() {
                if !self.buffer.starts_with(HEADER) {
                    return Err(malformed("a header"));
                }
                (self.at, self.is_begun) = (HEADER.len(), true);
            }
            let rest = self.buffer.get(self.at..).unwrap_or_default();
            match length_of(rest).filter(|_| self.is_begun) {
                Some(0) => return self.ended().await.map(|()| None),
                Some(length) => {
                    let begins = self.at;
                    self.at += length;
                    let rest = &self.buffer[begins + 2..self.at];
                    return Ok(Some(Fields { rest }));
                }
                None => {}
            }
            let Some(more) = self.copied.try_next().await? else {
                return Err(malformed("a trailer"));
            };
            self.buffer.drain(..self.at);
            self.at = 0;
            self.buffer.extend_from_slice(&more);
        }
    }

    /// What follows the trailer is the protocol's, and has to be read for the connection to go on.
    async fn ended(&mut self) -> Result<(), sqlx::Error> {
        while self.copied.try_next().await?.is_some() {}
        Ok(())
    }
}

impl<'a> Fields<'a> {
    /// The bytes of the next value; `None` is NULL.
    ///
    /// # Errors
    /// Where the row has no more values.
    pub fn bytes(&mut self) -> Result<Option<&'a [u8]>, sqlx::Error> {
        let (length, rest) = self
            .rest
            .split_first_chunk::<4>()
            .ok_or_else(|| malformed("a value"))?;
        let Ok(length) = usize::try_from(i32::from_be_bytes(*length)) else {
            self.rest = rest;
            return Ok(None);
        };
        let value = rest.get(..length).ok_or_else(|| malformed("a value"))?;
        self.rest = &rest[length..];
        Ok(Some(value))
    }

    fn of_width<const WIDTH: usize>(&mut self) -> Result<[u8; WIDTH], sqlx::Error> {
        let value = self.bytes()?.and_then(|it| it.try_into().ok());
        value.ok_or_else(|| malformed("a number of its column's width"))
    }

    /// # Errors
    /// Where the next value is no `bigint`.
    pub fn i64(&mut self) -> Result<i64, sqlx::Error> {
        self.of_width().map(i64::from_be_bytes)
    }

    /// # Errors
    /// Where the next value is no `integer`.
    pub fn i32(&mut self) -> Result<i32, sqlx::Error> {
        self.of_width().map(i32::from_be_bytes)
    }

    /// # Errors
    /// Where the next value is no whole `numeric` of at most 36 digits.
    pub fn whole(&mut self) -> Result<i128, sqlx::Error> {
        let value = self.bytes()?.and_then(whole);
        value.ok_or_else(|| malformed("a whole number"))
    }
}

/// How many bytes the row at the beginning has; 0 is the trailer, `None` that not all of it is there.
fn length_of(bytes: &[u8]) -> Option<usize> {
    let columns = i16::from_be_bytes(*bytes.first_chunk()?);
    let Ok(columns) = usize::try_from(columns) else {
        return Some(0);
    };
    let mut at = 2;
    for _ in 0..columns {
        let length = i32::from_be_bytes(*bytes.get(at..)?.first_chunk()?);
        at += 4 + usize::try_from(length).unwrap_or(0);
    }
    (at <= bytes.len()).then_some(at)
}

/// PostgreSQL's `numeric_send`: counts of groups, weight of the first, sign, digits behind the point, and
/// the groups of four digits.
fn whole(bytes: &[u8]) -> Option<i128> {
    let mut words = bytes
        .chunks_exact(2)
        .map(|it| i16::from_be_bytes([it[0], it[1]]));
    let (count, weight, sign, scale) = (words.next()?, words.next()?, words.next()?, words.next()?);
    if scale != 0 || weight > 8 || count > weight + 1 || ![0, 0x4000].contains(&sign) {
        return None;
    }
    let mut amount: i128 = 0;
    for _ in 0..=weight {
        amount = amount * GROUP + i128::from(words.next().unwrap_or_default());
    }
    Some(if sign == 0 { amount } else { -amount })
}

fn malformed(what: &str) -> sqlx::Error {
    sqlx::Error::Protocol(format!("binary COPY: {what} was expected"))
}

#[cfg(test)]
mod tests {
    use futures::{StreamExt, stream};

    use super::*;

    /// Two rows (7, NULL, 540000) and (-1, "đ", 0), as PostgreSQL sends them, torn after `size` bytes each.
    fn torn(size: usize) -> RowsOut<'static> {
        let mut sent = HEADER.to_vec();
        sent.extend([0, 3, 0, 0, 0, 4, 0, 0, 0, 7, 255, 255, 255, 255]);
        // 54 * 10000 + 0: one group of weight 1.
        sent.extend([0, 0, 0, 10, 0, 1, 0, 1, 0, 0, 0, 0, 0, 54]);
        sent.extend([0, 3, 0, 0, 0, 4, 255, 255, 255, 255, 0, 0, 0, 2, 0xc4, 0x91]);
        sent.extend([0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0]);
        sent.extend([255, 255]);
        let pieces: Vec<_> = sent
            .chunks(size)
            .map(|it| Ok(Bytes::copy_from_slice(it)))
            .collect();
        RowsOut {
            copied: stream::iter(pieces).boxed(),
            buffer: Vec::new(),
            at: 0,
            is_begun: false,
        }
    }

    #[test]
    fn rows_are_whole_however_they_arrive() {
        futures::executor::block_on(async {
            for size in [1, 2, 7, 19, 1000] {
                let mut rows = torn(size);
                let mut row = rows.next().await.unwrap().unwrap();
                assert_eq!(row.i32().unwrap(), 7);
                assert_eq!(row.bytes().unwrap(), None);
                assert_eq!(row.whole().unwrap(), 540_000);
                assert!(row.i32().is_err());
                let mut row = rows.next().await.unwrap().unwrap();
                assert_eq!(row.i32().unwrap(), -1);
                assert_eq!(row.bytes().unwrap(), Some("đ".as_bytes()));
                assert_eq!(row.whole().unwrap(), 0);
                assert!(rows.next().await.unwrap().is_none());
            }
        });
    }

    #[test]
    fn what_breaks_off_is_an_error_and_no_end() {
        futures::executor::block_on(async {
            let mut rows = torn(30);
            rows.copied = rows.copied.take(2).boxed();
            let mut read = 0;
            let error = loop {
                match rows.next().await {
                    Ok(Some(_)) => read += 1,
                    Ok(None) => panic!("an end"),
                    Err(error) => break error,
                }
            };
            assert_eq!((read, error.to_string().contains("trailer")), (1, true));
        });
    }

    #[test]
    fn a_number_with_a_fraction_is_no_whole_one() {
        // 12345678 in two groups, 0.5, NaN, -3.
        assert_eq!(
            whole(&[0, 2, 0, 1, 0, 0, 0, 0, 0x04, 0xd2, 0x16, 0x2e]),
            Some(12_345_678)
        );
        assert_eq!(whole(&[0, 1, 255, 255, 0, 0, 0, 1, 0x13, 0x88]), None);
        assert_eq!(whole(&[0, 0, 0, 0, 0xc0, 0, 0, 0]), None);
        assert_eq!(whole(&[0, 1, 0, 0, 0x40, 0, 0, 0, 0, 3]), Some(-3));
    }
}

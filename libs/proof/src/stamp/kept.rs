use chrono::{DateTime, Utc};
use futures::TryStreamExt;
use serde::Serialize;
use sha2::{Digest, Sha256};
use sqlx::{PgConnection, PgPool};

use super::{Stamp, Token};
use crate::Error;
use crate::store::stamps as store;
use crate::tiles::Log;
use crate::verify::Verified;

/// A time stamp on record.
#[derive(Debug, Clone, Serialize)]
pub struct KeptStamp {
    /// Of the checkpoint that is stamped.
    pub size: u64,
    /// One of several of this checkpoint.
    pub number: i16,
    pub authority: String,
    pub stamped_at: DateTime<Utc>,
    pub kept_at: DateTime<Utc>,
    #[serde(skip)]
    pub response: Vec<u8>,
    /// What is stamped: the checkpoint's note without the lines of witnesses.
    #[serde(skip)]
    pub note: String,
}

impl KeptStamp {
    /// In the log's folder; what is stamped lies beside it as `stamps/<size>.note`.
    pub fn file(&self) -> String {
        file(self.size, self.number)
    }
}

/// `openssl ts` reads it.
pub(crate) fn file(size: u64, number: i16) -> String {
    match number {
        1 => format!("stamps/{size}.tsr"),
        _ => format!("stamps/{size}.{number}.tsr"),
    }
}

/// What is stamped.
fn note_file(size: u64) -> String {
    format!("stamps/{size}.note")
}

/// The newest checkpoint, where this authority has not stamped it yet and has stamped none after
/// `before`.
///
/// # Errors
/// What the database says.
pub async fn stamp_due(
    pool: &PgPool,
    authority: &str,
    before: DateTime<Utc>,
) -> Result<Option<(u64, String)>, Error> {
    let mut connection = pool.acquire().await?;
    let last = store::last_stamp(&mut connection, authority).await?;
    if last.is_some_and(|(_, kept_at)| kept_at > before) {
        return Ok(None);
    }
    let newest = crate::store::last_checkpoint(&mut connection).await?;
    let newest = newest.filter(|(size, ..)| last.is_none_or(|(stamped, _)| stamped < *size));
    Ok(newest.map(|(size, _, note)| (size, note)))
}

/// Keeps a stamp of the checkpoint of `size` leaves, on record and as a file; `false` where this
/// authority's is kept already.
///
/// # Errors
/// What database and disk say: then nothing is on record.
pub async fn keep_stamp(
    pool: &PgPool,
    log: &Log,
    (size, authority): (u64, &str),
    stamp: &Stamp,
    now: DateTime<Utc>,
) -> Result<bool, Error> {
    let mut tx = pool.begin().await?;
    let Some((number, note)) = store::insert_stamp(&mut tx, (size, authority), stamp, now).await?
    else {
        return Ok(false);
    };
    // Before it is on record: what is on record is there as a file.
    log.write(&note_file(size), note.as_bytes())?;
    log.write(&file(size, number), &stamp.response)?;
    tx.commit().await?;
    Ok(true)
}

/// The time stamps on record, the newest first, so many at most.
///
/// # Errors
/// What the database says.
pub async fn stamps(pool: &PgPool, limit: i64) -> Result<Vec<KeptStamp>, Error> {
    store::stamps(pool, limit).await
}

/// Writes the file of each stamp on record; how many there are.
pub(crate) async fn restore(tx: &mut PgConnection, log: &Log) -> Result<u64, Error> {
    let (mut rows, mut restored) = (store::each_stamp(tx), 0);
    while let Some(it) = rows.try_next().await? {
        let size = it.size.unsigned_abs();
        log.write(&note_file(size), it.note.unwrap_or_default().as_bytes())?;
        log.write(&file(size, it.number), &it.response)?;
        restored += 1;
    }
    Ok(restored)
}

/// Each stamp on record is of the checkpoint on record, and lies beside the log as it was kept.
pub(crate) async fn verify(
    tx: &mut PgConnection,
    log: &Log,
    told: &mut Verified,
) -> Result<(), Error> {
    let mut rows = store::each_stamp(tx);
    while let Some(it) = rows.try_next().await? {
        told.time_stamps += 1;
        let path = file(it.size.unsigned_abs(), it.number);
        let token = Token::read(&it.response).ok();
        let imprint = token.as_ref().and_then(Token::imprint);
        let time = token.as_ref().and_then(|it| it.stamped_at().ok());
        let stamped = it.note.as_ref().map(|note| Sha256::digest(note).to_vec());
        let is_right = stamped.is_some()
            && imprint == stamped.as_deref()
            && time == Some(it.stamped_at)
            && log.read(&path).is_ok_and(|kept| kept == it.response);
        if !is_right {
            told.found("time_stamp_wrong", format!("{path} of {}", it.authority));
        }
    }
    Ok(())
}

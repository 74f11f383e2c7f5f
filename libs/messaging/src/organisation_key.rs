//! Keys by which organisations sign: registered by one officer, confirmed by another, ended by
//! whoever notices.

use chrono::{DateTime, TimeDelta, Utc};
use domain::Officer;
use sqlx::PgConnection;

use crate::organisation::Organisation;
use crate::store;
use crate::{Error, Problem};

pub use crate::store::KeyRow;

/// A key that holds later than this is a mistyped date.
const AHEAD_MAX: TimeDelta = TimeDelta::days(400);

/// A public key that somebody says is an organisation's.
#[derive(Debug, Clone)]
pub struct NewKey {
    pub organisation: Organisation,
    /// Ed25519 (RFC 8032).
    pub public_key: Vec<u8>,
    pub valid_from: DateTime<Utc>,
}

/// Keeps a key; gives back its number. Nothing stands by it before [`confirm_key`].
///
/// # Errors
/// `public_key_invalid`, `valid_from_invalid`, `key_known`.
pub async fn register_key(
    tx: &mut PgConnection,
    key: &NewKey,
    by: &Officer,
    now: DateTime<Utc>,
) -> Result<i64, Error> {
    if key.public_key.len() != 32 {
        let detail = "an Ed25519 public key is 32 bytes: 64 hex digits";
        return Err(Problem::new(422, "public_key_invalid", detail).into());
    }
    if key.valid_from - AHEAD_MAX > now {
        let detail = "a key is registered at most 400 days before it holds";
        return Err(Problem::new(422, "valid_from_invalid", detail).into());
    }
    let number = store::insert_organisation_key(tx, key, by, now).await?;
    number.ok_or_else(|| {
        let detail = "the key is registered already; a key is one organisation's, once";
        Problem::new(409, "key_known", detail).into()
    })
}

/// Another officer has seen whose key it is.
///
/// # Errors
/// `key_unknown`, `same_person`.
pub async fn confirm_key(
    tx: &mut PgConnection,
    key_no: i64,
    by: &Officer,
    now: DateTime<Utc>,
) -> Result<KeyRow, Error> {
    let key = store::organisation_key(tx, key_no).await?;
    let key = key.ok_or_else(|| key_unknown(key_no))?;
    if key.registered_by == by.as_str() {
        let detail = format!("{by} registered the key; another officer confirms it");
        return Err(Problem::new(403, "same_person", detail).into());
    }
    store::insert_key_confirmation(tx, key_no, by, now).await?;
    Ok(KeyRow {
        confirmed_by: Some(key.confirmed_by.unwrap_or_else(|| by.to_string())),
        ..key
    })
}

/// Nothing that is made at or after `ended_at` stands by the key; what was made before does.
///
/// # Errors
/// `key_unknown`, `reason_missing`, `end_in_past`.
pub async fn end_key(
    tx: &mut PgConnection,
    key_no: i64,
    ended_at: DateTime<Utc>,
    (by, reason): (&Officer, &str),
    now: DateTime<Utc>,
) -> Result<KeyRow, Error> {
    if reason.trim().is_empty() {
        return Err(Problem::new(422, "reason_missing", "a key ends for a reason").into());
    }
    if ended_at < now {
        let detail = "what stood when it came stands for ever: a key ends now or later";
        return Err(Problem::new(422, "end_in_past", detail).into());
    }
    let key = store::organisation_key(tx, key_no).await?;
    let key = key.ok_or_else(|| key_unknown(key_no))?;
    store::insert_key_end(tx, key_no, ended_at, (by, reason), now).await?;
    Ok(KeyRow {
        ended_at: Some(key.ended_at.map_or(ended_at, |it| it.min(ended_at))),
        ..key
    })
}

fn key_unknown(key_no: i64) -> Problem {
    Problem::new(404, "key_unknown", format!("there is no key {key_no}"))
}

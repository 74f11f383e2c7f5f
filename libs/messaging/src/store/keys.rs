//! Keys of organisations.

use chrono::{DateTime, Utc};
use domain::Officer;
use serde::Serialize;
use sqlx::{PgConnection, PgPool};

use crate::Error;
use crate::organisation::Organisation;
use crate::organisation_key::NewKey;

/// A key as its registration, confirmation and end say.
#[derive(Debug, Clone, Serialize)]
pub struct KeyRow {
    pub key_no: i64,
    pub organisation: String,
    /// Hex.
    pub public_key: String,
    pub valid_from: DateTime<Utc>,
    pub registered_by: String,
    pub confirmed_by: Option<String>,
    pub ended_at: Option<DateTime<Utc>>,
}

/// `None` where the key is registered already, for whomever.
pub(crate) async fn insert_organisation_key(
    tx: &mut PgConnection,
    key: &NewKey,
    registered_by: &Officer,
    now: DateTime<Utc>,
) -> Result<Option<i64>, Error> {
    Ok(sqlx::query_scalar!(
        r#"
        INSERT INTO messaging.organisation_keys
            (organisation, public_key, valid_from, registered_by, registered_at)
        VALUES ($1, $2, $3, $4, $5) ON CONFLICT (public_key) DO NOTHING RETURNING key_no
        "#,
        key.organisation.to_string(),
        &key.public_key,
        key.valid_from,
        registered_by.as_str(),
        now,
    )
    .fetch_optional(tx)
    .await?)
}

/// # Errors
/// What the database says.
pub async fn organisation_key(tx: &mut PgConnection, key_no: i64) -> Result<Option<KeyRow>, Error> {
    Ok(sqlx::query_as!(
        KeyRow,
        r#"
        SELECT key_no AS "key_no!", organisation AS "organisation!", encode(public_key, 'hex') AS "public_key!",
            valid_from AS "valid_from!", registered_by AS "registered_by!", confirmed_by, ended_at
        FROM messaging.keys WHERE key_no = $1
        "#,
        key_no,
    )
    .fetch_optional(tx)
    .await?)
}

/// The keys of one organisation or of all, in the order of their registration.
///
/// # Errors
/// What the database says.
pub async fn organisation_keys(
    pool: &PgPool,
    organisation: Option<Organisation>,
) -> Result<Vec<KeyRow>, Error> {
    Ok(sqlx::query_as!(
        KeyRow,
        r#"
        SELECT key_no AS "key_no!", organisation AS "organisation!", encode(public_key, 'hex') AS "public_key!",
            valid_from AS "valid_from!", registered_by AS "registered_by!", confirmed_by, ended_at
        FROM messaging.keys WHERE $1::text IS NULL OR organisation = $1 ORDER BY key_no
        "#,
        organisation.map(|it| it.to_string()),
    )
    .fetch_all(pool)
    .await?)
}

/// Confirmed twice is confirmed once.
pub(crate) async fn insert_key_confirmation(
    tx: &mut PgConnection,
    key_no: i64,
    confirmed_by: &Officer,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    sqlx::query!(
        r#"
        INSERT INTO messaging.organisation_key_confirmations (key_no, confirmed_by, confirmed_at)
        VALUES ($1, $2, $3) ON CONFLICT DO NOTHING
        "#,
        key_no,
        confirmed_by.as_str(),
        now,
    )
    .execute(tx)
    .await?;
    Ok(())
}

pub(crate) async fn insert_key_end(
    tx: &mut PgConnection,
    key_no: i64,
    ended_at: DateTime<Utc>,
    (ended_by, reason): (&Officer, &str),
    now: DateTime<Utc>,
) -> Result<(), Error> {
    sqlx::query!(
        r#"
        INSERT INTO messaging.organisation_key_ends
            (key_no, ended_at, ended_by, reason, recorded_at)
        VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING
        "#,
        key_no,
        ended_at,
        ended_by.as_str(),
        reason,
        now,
    )
    .execute(tx)
    .await?;
    Ok(())
}

//! Keys of officers, and what they signed.

use chrono::{DateTime, Utc};
use domain::Officer;
use sqlx::PgConnection;

use crate::Error;
use crate::approval::OfficerKey;

/// The key by which the officer signs now; `None` where none is registered, or it has ended.
pub(crate) async fn key_of(
    tx: &mut PgConnection,
    officer: &Officer,
) -> Result<Option<OfficerKey>, Error> {
    let row = sqlx::query!(
        r#"
        SELECT k.key_no, k.public_key FROM payments.officer_keys k
        WHERE k.officer = $1
            AND NOT EXISTS (SELECT FROM payments.officer_key_ends e WHERE e.key_no = k.key_no)
        ORDER BY k.key_no DESC LIMIT 1
        "#,
        officer.as_str(),
    )
    .fetch_optional(tx)
    .await?;
    Ok(row.map(|it| OfficerKey {
        key_no: it.key_no,
        public_key: it.public_key.try_into().expect("the table keeps 32 bytes"),
    }))
}

/// False where the key is registered already, for whomever.
pub(crate) async fn insert_key(
    tx: &mut PgConnection,
    (officer, public_key): (&Officer, &[u8; 32]),
    registered_by: &Officer,
    now: DateTime<Utc>,
) -> Result<bool, Error> {
    let done = sqlx::query!(
        r#"
        INSERT INTO payments.officer_keys (officer, public_key, registered_by, registered_at)
        VALUES ($1, $2, $3, $4) ON CONFLICT (public_key) DO NOTHING
        "#,
        officer.as_str(),
        &public_key[..],
        registered_by.as_str(),
        now,
    )
    .execute(tx)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// What was signed stays verifiable; nothing more is signed by the key.
pub(crate) async fn end_key(
    tx: &mut PgConnection,
    key_no: i64,
    (ended_by, reason): (&Officer, &str),
    now: DateTime<Utc>,
) -> Result<(), Error> {
    sqlx::query!(
        r#"
        INSERT INTO payments.officer_key_ends (key_no, ended_by, reason, ended_at)
        VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING
        "#,
        key_no,
        ended_by.as_str(),
        reason,
        now,
    )
    .execute(tx)
    .await?;
    Ok(())
}

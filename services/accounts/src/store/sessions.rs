use chrono::{DateTime, Utc};
use domain::PersonNo;
use privacy::Sealed;
use sqlx::PgConnection;

use crate::Error;

/// Uses a proof of identity; false where it was used before.
pub(crate) async fn use_token(
    tx: &mut PgConnection,
    token_hash: &[u8; 32],
    now: DateTime<Utc>,
) -> Result<bool, Error> {
    let used = sqlx::query!(
        r#"
        INSERT INTO accounts.identity_tokens (token_hash, used_at) VALUES ($1, $2)
        ON CONFLICT DO NOTHING
        "#,
        &token_hash[..],
        now,
    )
    .execute(tx)
    .await?;
    Ok(used.rows_affected() == 1)
}

pub(crate) async fn insert_session(
    tx: &mut PgConnection,
    session_hash: &[u8; 32],
    (person_no, number_sealed): (PersonNo, &Sealed),
    expires_at: DateTime<Utc>,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    sqlx::query!(
        r#"
        INSERT INTO accounts.sessions
            (session_hash, part, person_no, opened_at, expires_at, number_sealed)
        VALUES ($1, $2, $3, $4, $5, $6)
        "#,
        &session_hash[..],
        person_no.part().number(),
        person_no.0,
        now,
        expires_at,
        number_sealed.as_bytes(),
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Whose open session this is, with the sealed number that opened it.
pub(crate) async fn session(
    tx: &mut PgConnection,
    session_hash: &[u8; 32],
    now: DateTime<Utc>,
) -> Result<Option<(PersonNo, Sealed)>, Error> {
    let row = sqlx::query!(
        r#"
        SELECT person_no AS "person_no: PersonNo", number_sealed FROM accounts.sessions
        WHERE session_hash = $1 AND expires_at > $2 AND closed_at IS NULL
        "#,
        &session_hash[..],
        now,
    )
    .fetch_optional(tx)
    .await?;
    Ok(row.map(|it| (it.person_no, Sealed::from(it.number_sealed))))
}

pub(crate) async fn close_session(
    tx: &mut PgConnection,
    session_hash: &[u8; 32],
    now: DateTime<Utc>,
) -> Result<(), Error> {
    sqlx::query!(
        r#"
        UPDATE accounts.sessions SET closed_at = $2
        WHERE session_hash = $1 AND closed_at IS NULL
        "#,
        &session_hash[..],
        now,
    )
    .execute(tx)
    .await?;
    Ok(())
}

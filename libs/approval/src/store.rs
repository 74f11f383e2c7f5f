use std::collections::HashMap;

use chrono::{DateTime, Utc};
use domain::Officer;
use sqlx::{PgConnection, PgPool};

use crate::Error;
use crate::decision::Decided;
use crate::matter::{Decision, Kind};
use crate::signature::{OfficerKey, Signed};

/// A key that was registered, whether or not it has ended.
#[derive(Debug, Clone)]
pub struct RegisteredKey {
    pub officer: Officer,
    pub public_key: Vec<u8>,
    pub registered_by: Officer,
}

/// The key by which the officer signs now; `None` where none is registered, or it has ended.
pub async fn key_of(tx: &mut PgConnection, officer: &Officer) -> Result<Option<OfficerKey>, Error> {
    let row = sqlx::query!(
        r#"
        SELECT k.key_no, k.public_key FROM approval.officer_keys k
        WHERE k.officer = $1
            AND NOT EXISTS (SELECT FROM approval.officer_key_ends e WHERE e.key_no = k.key_no)
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

/// These keys by their numbers, for who verifies what was signed by them.
pub async fn keys(pool: &PgPool, numbers: &[i64]) -> Result<HashMap<i64, RegisteredKey>, Error> {
    let rows = sqlx::query!(
        r#"
        SELECT key_no, officer AS "officer: Officer", public_key,
            registered_by AS "registered_by: Officer"
        FROM approval.officer_keys WHERE key_no = ANY ($1)
        "#,
        numbers,
    )
    .fetch_all(pool)
    .await?;
    let numbered = rows.into_iter().map(|it| {
        let key = RegisteredKey {
            officer: it.officer,
            public_key: it.public_key,
            registered_by: it.registered_by,
        };
        (it.key_no, key)
    });
    Ok(numbered.collect())
}

/// False where the key is registered already, for whomever.
pub async fn insert_key(
    tx: &mut PgConnection,
    (officer, public_key): (&Officer, &[u8; 32]),
    registered_by: &Officer,
    now: DateTime<Utc>,
) -> Result<bool, Error> {
    let done = sqlx::query!(
        r#"
        INSERT INTO approval.officer_keys (officer, public_key, registered_by, registered_at)
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
pub async fn end_key(
    tx: &mut PgConnection,
    key_no: i64,
    (ended_by, reason): (&Officer, &str),
    now: DateTime<Utc>,
) -> Result<(), Error> {
    sqlx::query!(
        r#"
        INSERT INTO approval.officer_key_ends (key_no, ended_by, reason, ended_at)
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

/// False where the matter is decided, also by somebody at the same moment.
pub(crate) async fn insert_decision(
    tx: &mut PgConnection,
    decision: &Decision,
    signed: Option<&Signed>,
    now: DateTime<Utc>,
) -> Result<bool, Error> {
    let matter = &decision.matter;
    let done = sqlx::query!(
        r#"
        INSERT INTO approval.decisions (kind, key, maker, officer, is_accepted, reason, statement,
            key_no, signature, decided_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT DO NOTHING
        "#,
        matter.kind.as_str(),
        &matter.key,
        matter.maker.as_ref().map(Officer::as_str),
        decision.officer.as_str(),
        decision.is_accepted,
        decision.why.as_deref(),
        decision.to_string(),
        signed.map(|it| it.key_no),
        signed.map(|it| &it.signature[..]),
        now,
    )
    .execute(tx)
    .await?;
    Ok(done.rows_affected() == 1)
}

pub(crate) async fn decisions(
    pool: &PgPool,
    kind: Option<Kind>,
    limit: i64,
) -> Result<Vec<Decided>, Error> {
    let rows = sqlx::query!(
        r#"
        SELECT d.kind, d.key, d.maker AS "maker: Officer", d.officer AS "officer: Officer",
            d.is_accepted, d.reason, d.statement, d.signature, k.public_key AS "public_key?",
            d.decided_at
        FROM approval.decisions d LEFT JOIN approval.officer_keys k USING (key_no)
        WHERE $1::text IS NULL OR d.kind = $1
        ORDER BY d.decided_at DESC, d.kind, d.key LIMIT $2
        "#,
        kind.map(Kind::as_str),
        limit,
    )
    .fetch_all(pool)
    .await?;
    let decided = rows.into_iter().map(|it| {
        let kind = it.kind.parse::<Kind>();
        Ok(Decided {
            kind: kind.map_err(|it| sqlx::Error::Decode(it.into()))?,
            key: it.key,
            maker: it.maker,
            officer: it.officer,
            is_accepted: it.is_accepted,
            reason: it.reason,
            statement: it.statement,
            signature: it.signature,
            public_key: it.public_key,
            decided_at: it.decided_at,
        })
    });
    decided.collect()
}

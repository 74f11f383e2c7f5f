//! All SQL of messaging.

mod evidence;
mod files;
mod inbox;
mod keys;
mod leases;
mod outbox;

pub(crate) use evidence::{Kept, Refused, each_kept, insert_refused, receive};
pub use evidence::{RefusedRow, refused};
pub use files::{BankFile, insert_file};
pub(crate) use inbox::{
    Place, cursors, lock_cursors, move_cursors, open_cursors, park, unapplied_since,
};
pub use inbox::{caught_up, parked};
pub use keys::{KeyRow, organisation_key, organisation_keys};
pub(crate) use keys::{insert_key_confirmation, insert_key_end, insert_organisation_key};
pub use leases::{LeaseRow, leases};
pub(crate) use leases::{
    Standing, announce, bury, dead, give_back_leases, leave, lock_session, standings, take_leases,
};
pub(crate) use outbox::{
    Moved, OutboxRow, Outgoing, WAKE, insert_heads, insert_outbox, keep_plans, lock_heads,
    move_published, open_published, outgoing, pending, set_role, woken,
};

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, PgPool};

use crate::Error;

/// How far behind publishing and applying are, over all sequences.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lag {
    /// Events in the outbox that the relay has not published.
    pub unpublished: i64,
    /// Age of the oldest of them in whole seconds.
    pub oldest_seconds: i64,
}

pub async fn lag(pool: &PgPool) -> Result<Lag, Error> {
    let row = sqlx::query!(
        r#"
        SELECT coalesce(sum(h.seq - p.seq), 0)::bigint AS "unpublished!",
            coalesce(max(extract(epoch FROM now() - o.recorded_at))::bigint, 0) AS "oldest!"
        FROM messaging.heads h JOIN messaging.published p USING (speaker, part)
        LEFT JOIN messaging.outbox o
            ON (o.speaker, o.part, o.seq) = (p.speaker, p.part, p.seq + 1)
        WHERE h.seq > p.seq
        "#
    )
    .fetch_one(pool)
    .await?;
    Ok(Lag {
        unpublished: row.unpublished,
        oldest_seconds: row.oldest,
    })
}

/// An earlier answer to the same command, with the hash of the body it answered.
pub(crate) async fn answered(
    tx: &mut PgConnection,
    service: &str,
    key: &str,
) -> Result<Option<(Vec<u8>, String)>, Error> {
    let row = sqlx::query!(
        r#"
        SELECT body_hash, answer FROM messaging.commands
        WHERE service = $1 AND idempotency_key = $2
        "#,
        service,
        key,
    )
    .fetch_optional(tx)
    .await?;
    Ok(row.map(|it| (it.body_hash, it.answer)))
}

pub(crate) async fn insert_answer(
    tx: &mut PgConnection,
    service: &str,
    key: &str,
    command: &str,
    body_hash: &[u8],
    answer: &str,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    sqlx::query!(
        r#"
        INSERT INTO messaging.commands
            (service, idempotency_key, command, body_hash, answer, answered_at)
        VALUES ($1, $2, $3, $4, $5, $6)
        "#,
        service,
        key,
        command,
        body_hash,
        answer,
        now,
    )
    .execute(tx)
    .await?;
    Ok(())
}

pub(crate) fn hash_of(bytes: &[u8]) -> [u8; 32] {
    bytes
        .try_into()
        .expect("the schema keeps hashes at 32 bytes")
}

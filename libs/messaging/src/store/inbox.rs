//! How far each consumer has applied, and what it could not.

use chrono::{DateTime, Utc};
use domain::Part;
use sqlx::{PgConnection, PgPool};

use super::hash_of;
use crate::signature::OrganisationKey;
use crate::{Delivered, Error};

/// Where a sequence stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    pub seq: i64,
    pub hash: [u8; 32],
}

/// Makes the cursors of partitions where they are missing, and raises their fence: a transaction of an
/// earlier owner that is not committed yet is waited for, and later ones find no cursor. False where
/// the fence is higher already, because somebody else owns them by now.
pub(crate) async fn open_cursors(
    pool: &PgPool,
    (consumer, speaker): (&str, &str),
    parts: &[i16],
    epoch: Option<i64>,
) -> Result<bool, Error> {
    let opened = sqlx::query!(
        r#"
        INSERT INTO messaging.cursors AS c (consumer, speaker, part, hash, epoch)
        SELECT $1, $2, part, decode(repeat('00', 32), 'hex'), $4
        FROM unnest($3::smallint[]) AS part ORDER BY part
        ON CONFLICT (consumer, speaker, part) DO UPDATE SET epoch = excluded.epoch
        WHERE c.epoch <= excluded.epoch
        "#,
        consumer,
        speaker,
        parts,
        epoch.unwrap_or_default(),
    )
    .execute(pool)
    .await?;
    let all = u64::try_from(parts.len()).expect("there are 16");
    Ok(epoch.is_none() || opened.rows_affected() == all)
}

/// How far partitions are.
pub(crate) async fn cursors(
    pool: &PgPool,
    (consumer, speaker): (&str, &str),
    parts: &[i16],
) -> Result<Vec<(Part, i64)>, Error> {
    let rows = sqlx::query!(
        r#"
        SELECT part AS "part: Part", seq FROM messaging.cursors
        WHERE consumer = $1 AND speaker = $2 AND part = ANY ($3) ORDER BY part
        "#,
        consumer,
        speaker,
        parts,
    )
    .fetch_all(pool)
    .await?;
    Ok(rows.into_iter().map(|it| (it.part, it.seq)).collect())
}

/// Where a sequence stands, and the keys that its next messages name; `None` where a later owner than
/// that of the epoch has raised the fence.
pub(crate) async fn lock_cursor(
    tx: &mut PgConnection,
    consumer: &str,
    (speaker, part): (&str, Part),
    epoch: Option<i64>,
    key_nos: &[i64],
) -> Result<Option<(Place, Vec<OrganisationKey>)>, Error> {
    let rows = sqlx::query!(
        r#"
        SELECT c.seq, c.hash, k.key_no AS "key_no?", k.organisation AS "organisation?",
            k.public_key AS "public_key?", k.valid_from AS "valid_from?", k.confirmed_by,
            k.ended_at
        FROM messaging.cursors c LEFT JOIN messaging.keys k ON k.key_no = ANY ($4)
        WHERE c.consumer = $1 AND c.speaker = $2 AND c.part = $3
            AND ($5::bigint IS NULL OR c.epoch = $5)
        FOR NO KEY UPDATE OF c
        "#,
        consumer,
        speaker,
        part.number(),
        key_nos,
        epoch,
    )
    .fetch_all(tx)
    .await?;
    let Some(first) = rows.first() else {
        return Ok(None);
    };
    let place = Place {
        seq: first.seq,
        hash: hash_of(&first.hash),
    };
    let keys = rows.into_iter().filter_map(|it| {
        Some(OrganisationKey {
            key_no: it.key_no?,
            organisation: it.organisation?,
            public_key: it.public_key?,
            valid_from: it.valid_from?,
            is_confirmed: it.confirmed_by.is_some(),
            ended_at: it.ended_at,
        })
    });
    Ok(Some((place, keys.collect())))
}

pub(crate) async fn move_cursor(
    tx: &mut PgConnection,
    consumer: &str,
    speaker: &str,
    part: Part,
    place: Place,
) -> Result<(), Error> {
    sqlx::query!(
        r#"
        UPDATE messaging.cursors SET seq = $4, hash = $5
        WHERE consumer = $1 AND speaker = $2 AND part = $3
        "#,
        consumer,
        speaker,
        part.number(),
        place.seq,
        &place.hash[..],
    )
    .execute(tx)
    .await?;
    Ok(())
}

pub(crate) async fn park(
    tx: &mut PgConnection,
    consumer: &str,
    delivered: &Delivered,
    error: &str,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    sqlx::query!(
        r#"
        INSERT INTO messaging.parked
            (consumer, speaker, part, seq, event_id, subject, body, error, parked_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
        ON CONFLICT DO NOTHING
        "#,
        consumer,
        &delivered.speaker,
        delivered.part.number(),
        delivered.seq,
        delivered.event_id,
        &delivered.subject,
        &delivered.body[..],
        error,
        now,
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// True when `consumer` has applied all that `speaker` has said.
pub async fn caught_up(pool: &PgPool, consumer: &str, speaker: &str) -> Result<bool, Error> {
    let behind = sqlx::query_scalar!(
        r#"
        SELECT count(*) AS "behind!" FROM messaging.heads h
        LEFT JOIN messaging.cursors c
            ON c.consumer = $1 AND (c.speaker, c.part) = (h.speaker, h.part)
        WHERE h.speaker = $2 AND h.seq > coalesce(c.seq, 0)
        "#,
        consumer,
        speaker,
    )
    .fetch_one(pool)
    .await?;
    Ok(behind == 0)
}

/// How many events wait for a person, over all consumers.
pub async fn parked(pool: &PgPool) -> Result<i64, Error> {
    Ok(
        sqlx::query_scalar!(r#"SELECT count(*) AS "parked!" FROM messaging.parked"#)
            .fetch_one(pool)
            .await?,
    )
}

//! How far each consumer has applied, and what it could not.

use std::collections::BTreeMap;

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

/// When the first of what was said and is not applied was recorded, but not before `after`; now, where all
/// is applied.
pub(crate) async fn unapplied_since(
    pool: &PgPool,
    (consumer, speaker): (&str, &str),
    parts: &[i16],
    (after, now): (DateTime<Utc>, DateTime<Utc>),
) -> Result<DateTime<Utc>, Error> {
    let since = sqlx::query_scalar!(
        r#"
        SELECT min(o.recorded_at) AS since
        FROM messaging.cursors c CROSS JOIN LATERAL (
            SELECT n.recorded_at FROM messaging.outbox n
            WHERE (n.speaker, n.part, n.seq) = (c.speaker, c.part, c.seq + 1) OFFSET 0
        ) o
        WHERE c.consumer = $1 AND c.speaker = $2 AND c.part = ANY ($3)
        "#,
        consumer,
        speaker,
        parts,
    )
    .fetch_one(pool)
    .await?;
    Ok(since.map_or(now, |it| it.clamp(after, now)))
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

/// Where sequences of a speaker stand, in the order of their partitions, and the keys that their next
/// messages name; `None` where a later owner than that of the epoch has raised the fence of one.
pub(crate) async fn lock_cursors(
    tx: &mut PgConnection,
    (consumer, speaker): (&str, &str),
    parts: &[i16],
    epoch: Option<i64>,
    key_nos: &[i64],
) -> Result<Option<(BTreeMap<Part, Place>, Vec<OrganisationKey>)>, Error> {
    let rows = sqlx::query!(
        r#"
        SELECT c.part AS "part: Part", c.seq, c.hash, k.key_no AS "key_no?",
            k.organisation AS "organisation?", k.public_key AS "public_key?",
            k.valid_from AS "valid_from?", k.confirmed_by, k.ended_at
        FROM messaging.cursors c LEFT JOIN messaging.keys k ON k.key_no = ANY ($4)
        WHERE c.consumer = $1 AND c.speaker = $2 AND c.part = ANY ($3)
            AND ($5::bigint IS NULL OR c.epoch = $5)
        ORDER BY c.part
        FOR NO KEY UPDATE OF c
        "#,
        consumer,
        speaker,
        parts,
        key_nos,
        epoch,
    )
    .fetch_all(tx)
    .await?;
    let place = |seq, hash: &[u8]| Place {
        seq,
        hash: hash_of(hash),
    };
    let places = rows.iter().map(|it| (it.part, place(it.seq, &it.hash)));
    let places: BTreeMap<Part, Place> = places.collect();
    if places.len() < parts.len() {
        return Ok(None);
    }
    // Each key comes once for each partition.
    let keys = rows.into_iter().filter_map(|it| {
        let key = OrganisationKey {
            key_no: it.key_no?,
            organisation: it.organisation?,
            public_key: it.public_key?,
            valid_from: it.valid_from?,
            is_confirmed: it.confirmed_by.is_some(),
            ended_at: it.ended_at,
        };
        Some((key.key_no, key))
    });
    let keys: BTreeMap<i64, OrganisationKey> = keys.collect();
    Ok(Some((places, keys.into_values().collect())))
}

pub(crate) async fn move_cursors(
    tx: &mut PgConnection,
    (consumer, speaker): (&str, &str),
    places: &[(Part, Place)],
) -> Result<(), Error> {
    let parts: Vec<i16> = places.iter().map(|(part, _)| part.number()).collect();
    let seqs: Vec<i64> = places.iter().map(|(_, it)| it.seq).collect();
    let hashes: Vec<&[u8]> = places.iter().map(|(_, it)| &it.hash[..]).collect();
    sqlx::query!(
        r#"
        UPDATE messaging.cursors c SET seq = n.seq, hash = n.hash
        FROM unnest($3::smallint[], $4::bigint[], $5::bytea[]) AS n (part, seq, hash)
        WHERE c.consumer = $1 AND c.speaker = $2 AND c.part = n.part
        "#,
        consumer,
        speaker,
        &parts,
        &seqs,
        &hashes as &[&[u8]],
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

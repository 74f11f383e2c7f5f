//! What was said, and how far it is published.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use domain::Part;
use events::Event;
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use super::hash_of;
use crate::Error;
use crate::signature::Signature;

/// NOTIFY channel that wakes relays.
pub(crate) const WAKE: &str = "ansinh_outbox";

pub(crate) struct OutboxRow {
    pub seq: i64,
    pub event: Event,
    pub prev_hash: [u8; 32],
    pub hash: [u8; 32],
    pub trace: Option<String>,
    pub signature: Option<Signature>,
}

/// An outbox row as the relay publishes it.
#[derive(Debug)]
pub(crate) struct Outgoing {
    pub speaker: String,
    pub part: Part,
    pub seq: i64,
    pub event_id: Uuid,
    pub subject: String,
    pub body: Vec<u8>,
    pub trace: Option<String>,
    pub prev_hash: Vec<u8>,
    pub hash: Vec<u8>,
    pub recorded_at: DateTime<Utc>,
    pub key_no: Option<i64>,
    pub signature: Option<Vec<u8>>,
}

pub(crate) async fn insert_heads(pool: &PgPool, speakers: &[String]) -> Result<(), Error> {
    let mut tx = pool.begin().await?;
    sqlx::query!(
        r#"
        INSERT INTO messaging.heads (speaker, part, hash)
        SELECT speaker, part, decode(repeat('00', 32), 'hex')
        FROM unnest($1::text[]) AS speaker, generate_series(0, 15) AS part
        ORDER BY speaker, part
        ON CONFLICT DO NOTHING
        "#,
        speakers,
    )
    .execute(&mut *tx)
    .await?;
    sqlx::query!(
        r#"
        INSERT INTO messaging.published (speaker, part)
        SELECT speaker, part FROM unnest($1::text[]) AS speaker, generate_series(0, 15) AS part
        ORDER BY speaker, part
        ON CONFLICT DO NOTHING
        "#,
        speakers,
    )
    .execute(&mut *tx)
    .await?;
    Ok(tx.commit().await?)
}

/// Where a sequence ends, and the key by which its next message is to be signed.
pub(crate) struct Head {
    pub seq: i64,
    pub hash: [u8; 32],
    /// Number and public key; `None` where no held one holds now, or nothing is to be signed.
    pub key: Option<(i64, Vec<u8>)>,
}

pub(crate) type Heads = BTreeMap<(String, Part), Head>;

/// Locks sequences in the order of their keys, so that two transactions never wait in a ring. For
/// each that an organisation signs: which of the `candidates` is its newest key that holds `now`.
pub(crate) async fn lock_heads(
    tx: &mut PgConnection,
    keys: &[(String, Part)],
    (organisations, candidates): (&[Option<String>], &[Vec<u8>]),
    now: DateTime<Utc>,
) -> Result<Heads, Error> {
    let speakers: Vec<String> = keys.iter().map(|(speaker, _)| speaker.clone()).collect();
    let parts: Vec<i16> = keys.iter().map(|(_, part)| part.number()).collect();
    let rows = sqlx::query!(
        r#"
        SELECT h.speaker, h.part AS "part: Part", h.seq, h.hash,
            s.key_no AS "key_no?", s.public_key AS "public_key?"
        FROM messaging.heads h
        JOIN unnest($1::text[], $2::smallint[], $3::text[]) AS k (speaker, part, organisation)
            ON (h.speaker, h.part) = (k.speaker, k.part)
        LEFT JOIN LATERAL (
            SELECT s.key_no, s.public_key FROM messaging.keys s
            WHERE s.organisation = k.organisation AND s.public_key = ANY ($4)
                AND s.confirmed_by IS NOT NULL AND s.valid_from <= $5
                AND (s.ended_at IS NULL OR s.ended_at > $5)
            ORDER BY s.valid_from DESC, s.key_no DESC LIMIT 1
        ) s ON k.organisation IS NOT NULL
        ORDER BY h.speaker, h.part
        FOR NO KEY UPDATE OF h
        "#,
        &speakers,
        &parts,
        organisations as &[Option<String>],
        candidates,
        now,
    )
    .fetch_all(tx)
    .await?;
    let head = |seq, hash: &[u8], key_no: Option<i64>, public_key| Head {
        seq,
        hash: hash_of(hash),
        key: key_no.zip(public_key),
    };
    Ok(rows
        .into_iter()
        .map(|it| {
            let head = head(it.seq, &it.hash, it.key_no, it.public_key);
            ((it.speaker, it.part), head)
        })
        .collect())
}

/// Writes what is said, moves the sequences to its end, and tells relays in which of them something was
/// said once the transaction commits: one statement, as each waits for its answer.
pub(crate) async fn insert_outbox(
    tx: &mut PgConnection,
    rows: &[OutboxRow],
    heads: &Heads,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    let moved: Vec<String> = heads.keys().map(|(speaker, _)| speaker.clone()).collect();
    let moved_parts: Vec<i16> = heads.keys().map(|(_, part)| part.number()).collect();
    let moved_to: Vec<i64> = heads.values().map(|it| it.seq).collect();
    let moved_hashes: Vec<&[u8]> = heads.values().map(|it| &it.hash[..]).collect();
    let woken: Vec<String> = heads.keys().map(woken_by).collect();
    let speakers: Vec<String> = rows.iter().map(|it| it.event.speaker.clone()).collect();
    let parts: Vec<i16> = rows.iter().map(|it| it.event.part.number()).collect();
    let seqs: Vec<i64> = rows.iter().map(|it| it.seq).collect();
    let ids: Vec<Uuid> = rows.iter().map(|it| it.event.id).collect();
    let subjects: Vec<String> = rows.iter().map(|it| it.event.subject.clone()).collect();
    let bodies: Vec<&[u8]> = rows.iter().map(|it| &it.event.body[..]).collect();
    let traces: Vec<Option<String>> = rows.iter().map(|it| it.trace.clone()).collect();
    let prev_hashes: Vec<&[u8]> = rows.iter().map(|it| &it.prev_hash[..]).collect();
    let hashes: Vec<&[u8]> = rows.iter().map(|it| &it.hash[..]).collect();
    let signatures = rows.iter().map(|it| it.signature.as_ref());
    let key_nos: Vec<Option<i64>> = signatures.clone().map(|it| Some(it?.key_no)).collect();
    let signatures: Vec<Option<Vec<u8>>> = signatures.map(|it| Some(it?.bytes.clone())).collect();
    sqlx::query!(
        r#"
        WITH said AS (
            INSERT INTO messaging.outbox
                (speaker, part, seq, event_id, subject, body, trace, prev_hash, hash, key_no,
                signature, recorded_at)
            SELECT o.*, $12
            FROM unnest($1::text[], $2::smallint[], $3::bigint[], $4::uuid[], $5::text[],
                $6::bytea[], $7::text[], $8::bytea[], $9::bytea[], $10::bigint[],
                $11::bytea[]) AS o
        ), moved AS (
            UPDATE messaging.heads h SET seq = k.seq, hash = k.hash
            FROM unnest($13::text[], $14::smallint[], $15::bigint[], $16::bytea[])
                AS k (speaker, part, seq, hash)
            WHERE (h.speaker, h.part) = (k.speaker, k.part)
        )
        SELECT pg_notify($17, woken) FROM unnest($18::text[]) AS woken
        "#,
        &speakers,
        &parts,
        &seqs,
        &ids,
        &subjects,
        &bodies as &[&[u8]],
        &traces as &[Option<String>],
        &prev_hashes as &[&[u8]],
        &hashes as &[&[u8]],
        &key_nos as &[Option<i64>],
        &signatures as &[Option<Vec<u8>>],
        now,
        &moved,
        &moved_parts,
        &moved_to,
        &moved_hashes as &[&[u8]],
        WAKE,
        &woken,
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// How a notification names a sequence.
fn woken_by((speaker, part): &(String, Part)) -> String {
    format!("{speaker}/{}", part.number())
}

/// The sequence that a notification names; `None` where it is none that we write.
pub(crate) fn woken(payload: &str) -> Option<(String, Part)> {
    let (speaker, part) = payload.rsplit_once('/')?;
    let part = Part::try_from(part.parse::<i16>().ok()?).ok()?;
    Some((speaker.to_owned(), part))
}

/// Raises the fence of a speaker, so that an earlier owner moves nothing of it any more; gives back how
/// far it is published. Nothing where somebody else owns it by now.
pub(crate) async fn open_published(
    connection: &mut PgConnection,
    speaker: &str,
    epoch: i64,
) -> Result<Vec<(Part, i64)>, Error> {
    let rows = sqlx::query!(
        r#"
        UPDATE messaging.published SET epoch = $2 WHERE speaker = $1 AND epoch <= $2
        RETURNING part AS "part: Part", seq
        "#,
        speaker,
        epoch,
    )
    .fetch_all(connection)
    .await?;
    Ok(rows.into_iter().map(|it| (it.part, it.seq)).collect())
}

/// The sequences that have something after where they stand.
pub(crate) async fn pending(
    connection: &mut PgConnection,
    (speakers, parts, after): &(Vec<String>, Vec<i16>, Vec<i64>),
) -> Result<Vec<(String, Part)>, Error> {
    let rows = sqlx::query!(
        r#"
        SELECT h.speaker, h.part AS "part: Part" FROM messaging.heads h
        JOIN unnest($1::text[], $2::smallint[], $3::bigint[]) AS k (speaker, part, after)
            ON (h.speaker, h.part) = (k.speaker, k.part)
        WHERE h.seq > k.after
        -- Whoever waits longest is served first, so that no bank starves another.
        ORDER BY h.seq - k.after DESC
        "#,
        speakers,
        parts,
        after,
    )
    .fetch_all(connection)
    .await?;
    Ok(rows.into_iter().map(|it| (it.speaker, it.part)).collect())
}

/// Acts as the service's role; a role's name is ours and no input.
pub(crate) async fn set_role(connection: &mut PgConnection, role: &str) -> Result<(), Error> {
    sqlx::query!("SELECT set_config('role', $1, false)", role)
        .fetch_one(connection)
        .await?;
    Ok(())
}

/// Plans each statement once: these are few, and the same ones over and over.
pub(crate) async fn keep_plans(connection: &mut PgConnection) -> Result<(), Error> {
    sqlx::query!("SELECT set_config('plan_cache_mode', 'force_generic_plan', false)")
        .fetch_one(connection)
        .await?;
    Ok(())
}

/// The next events of each sequence after where it stands, at most `limit` of each.
pub(crate) async fn outgoing(
    connection: &mut PgConnection,
    (speakers, parts, after): &(Vec<String>, Vec<i16>, Vec<i64>),
    limit: i64,
) -> Result<Vec<Outgoing>, Error> {
    Ok(sqlx::query_as!(
        Outgoing,
        r#"
        SELECT o.speaker AS "speaker!", o.part AS "part!: Part", o.seq AS "seq!",
            o.event_id AS "event_id!", o.subject AS "subject!", o.body AS "body!", o.trace,
            o.prev_hash AS "prev_hash!", o.hash AS "hash!", o.recorded_at AS "recorded_at!",
            o.key_no, o.signature
        FROM unnest($1::text[], $2::smallint[], $3::bigint[]) AS k (speaker, part, after)
        CROSS JOIN LATERAL (
            SELECT * FROM messaging.outbox o
            WHERE o.speaker = k.speaker AND o.part = k.part AND o.seq > k.after
            ORDER BY o.seq LIMIT $4
        ) o
        "#,
        speakers,
        parts,
        after,
        limit,
    )
    .fetch_all(connection)
    .await?)
}

/// How far a sequence is published by the owner of an epoch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Moved {
    pub speaker: String,
    pub part: Part,
    pub seq: i64,
    pub epoch: i64,
}

/// Gives back the speakers of which somebody else has raised the fence; nothing of theirs moves.
pub(crate) async fn move_published(
    connection: &mut PgConnection,
    moved: &[Moved],
) -> Result<Vec<String>, Error> {
    let speakers: Vec<String> = moved.iter().map(|it| it.speaker.clone()).collect();
    let parts: Vec<i16> = moved.iter().map(|it| it.part.number()).collect();
    let seqs: Vec<i64> = moved.iter().map(|it| it.seq).collect();
    let epochs: Vec<i64> = moved.iter().map(|it| it.epoch).collect();
    let rows = sqlx::query!(
        r#"
        UPDATE messaging.published p SET seq = greatest(p.seq, k.seq)
        FROM unnest($1::text[], $2::smallint[], $3::bigint[], $4::bigint[])
            AS k (speaker, part, seq, epoch)
        WHERE (p.speaker, p.part, p.epoch) = (k.speaker, k.part, k.epoch)
        RETURNING p.speaker, p.part AS "part: Part"
        "#,
        &speakers,
        &parts,
        &seqs,
        &epochs,
    )
    .fetch_all(connection)
    .await?;
    let is_refused =
        |it: &&Moved| !(rows.iter()).any(|row| (&row.speaker, row.part) == (&it.speaker, it.part));
    let mut refused: Vec<String> = moved
        .iter()
        .filter(is_refused)
        .map(|it| it.speaker.clone())
        .collect();
    refused.dedup();
    Ok(refused)
}

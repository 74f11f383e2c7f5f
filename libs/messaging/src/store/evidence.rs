//! What was heard with its signature, what did not verify, and all of it for who verifies later.

use chrono::{DateTime, Utc};
use domain::{Institution, Part};
use futures::TryStreamExt;
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use super::Place;
use crate::Error;
use crate::delivered::{Delivered, Signed};
use crate::organisation::Organisation;
use crate::signature::{OrganisationKey, Unverified};

/// Messages of one speaker that are kept in a day although they did not verify. Each of them is
/// logged and counted, kept or not.
const REFUSED_A_DAY_MAX: i64 = 1_000;
const BODY_BYTES_MAX: usize = 64 << 10;

/// Keeps what was verified and moves the cursor behind it, in one statement.
pub(crate) async fn receive(
    tx: &mut PgConnection,
    (consumer, speaker, part): (&str, &str, Part),
    place: Place,
    events: &[(&Delivered, &Signed)],
    now: DateTime<Utc>,
) -> Result<(), Error> {
    let seqs: Vec<i64> = events.iter().map(|(it, _)| it.seq).collect();
    let ids: Vec<Uuid> = events.iter().map(|(it, _)| it.event_id).collect();
    let subjects: Vec<String> = events.iter().map(|(it, _)| it.subject.clone()).collect();
    let prev_hashes: Vec<&[u8]> = events.iter().map(|(_, it)| &it.prev_hash[..]).collect();
    let created: Vec<DateTime<Utc>> = events.iter().map(|(_, it)| it.created_at).collect();
    let hashes: Vec<&[u8]> = events.iter().map(|(_, it)| &it.body_sha256[..]).collect();
    // What the state said itself lies in its outbox.
    let body = |(it, signed): &(&'_ Delivered, &Signed)| {
        (signed.route.sender != Organisation::State).then(|| it.body.to_vec())
    };
    let bodies: Vec<Option<Vec<u8>>> = events.iter().map(body).collect();
    let key_nos: Vec<i64> = events.iter().map(|(_, it)| it.signature.key_no).collect();
    let signatures: Vec<&[u8]> = events
        .iter()
        .map(|(_, it)| &it.signature.bytes[..])
        .collect();
    sqlx::query!(
        r#"
        WITH moved AS (
            UPDATE messaging.cursors SET seq = $4, hash = $5
            WHERE consumer = $1 AND speaker = $2 AND part = $3
        )
        INSERT INTO messaging.received (consumer, speaker, part, seq, event_id, subject, prev_hash,
            created_at, body_sha256, body, key_no, signature, received_at)
        SELECT $1, $2, $3, r.*, $15
        FROM unnest($6::bigint[], $7::uuid[], $8::text[], $9::bytea[], $10::timestamptz[],
            $11::bytea[], $12::bytea[], $13::bigint[], $14::bytea[]) AS r
        "#,
        consumer,
        speaker,
        part.number(),
        place.seq,
        &place.hash[..],
        &seqs,
        &ids,
        &subjects,
        &prev_hashes as &[&[u8]],
        &created,
        &hashes as &[&[u8]],
        &bodies as &[Option<Vec<u8>>],
        &key_nos,
        &signatures as &[&[u8]],
        now,
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// A message that had no effect.
pub(crate) struct Refused<'a> {
    pub code: Unverified,
    pub subject: &'a str,
    pub headers: &'a str,
    pub body: &'a [u8],
    pub sha256: [u8; 32],
}

/// True where it is kept now; what was kept before, or is too much of a day, is not.
pub(crate) async fn insert_refused(
    pool: &PgPool,
    (consumer, speaker): (&str, &str),
    refused: &Refused<'_>,
    now: DateTime<Utc>,
) -> Result<bool, Error> {
    let head = &refused.body[..refused.body.len().min(BODY_BYTES_MAX)];
    let done = sqlx::query!(
        r#"
        INSERT INTO messaging.refused
            (consumer, speaker, code, subject, headers, body, body_bytes, sha256, refused_at)
        SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9::timestamptz
        WHERE $10 > (SELECT count(*) FROM messaging.refused
            WHERE speaker = $2 AND refused_at > $9::timestamptz - interval '1 day')
        ON CONFLICT (consumer, speaker, sha256) DO NOTHING
        "#,
        consumer,
        speaker,
        refused.code.code(),
        refused.subject,
        refused.headers,
        head,
        i64::try_from(refused.body.len()).unwrap_or(i64::MAX),
        &refused.sha256[..],
        now,
        REFUSED_A_DAY_MAX,
    )
    .execute(pool)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// A signed message as it is kept, with the key that it names.
pub(crate) struct Kept {
    /// Who heard it; `None` for what was said here.
    pub consumer: Option<String>,
    pub speaker: String,
    pub part: Part,
    pub seq: i64,
    pub event_id: Uuid,
    pub subject: String,
    pub prev_hash: Vec<u8>,
    pub created_at: DateTime<Utc>,
    pub body_sha256: Option<Vec<u8>>,
    pub body: Option<Vec<u8>>,
    pub signature: Vec<u8>,
    pub key: OrganisationKey,
}

/// Hands over every message between the state and one institution, or all of them, in the order of
/// their sequences; what was said stands before what was heard of it.
pub(crate) async fn each_kept(
    pool: &PgPool,
    institution: Option<Institution>,
    mut take: impl FnMut(Kept),
) -> Result<(), Error> {
    let mut rows = sqlx::query!(
        r#"
        SELECT m.consumer, m.speaker AS "speaker!", m.part AS "part!: Part", m.seq AS "seq!",
            m.event_id AS "event_id!", m.subject AS "subject!", m.prev_hash AS "prev_hash!",
            m.created_at AS "created_at!", m.body_sha256, m.body, m.signature AS "signature!",
            k.key_no AS "key_no!", k.organisation AS "organisation!",
            k.public_key AS "public_key!", k.valid_from AS "valid_from!", k.confirmed_by,
            k.ended_at
        FROM (
            SELECT NULL AS consumer, speaker, part, seq, event_id, subject, prev_hash,
                recorded_at AS created_at, NULL::bytea AS body_sha256, body, key_no, signature
            FROM messaging.outbox WHERE signature IS NOT NULL AND speaker LIKE $1
            UNION ALL
            SELECT consumer, speaker, part, seq, event_id, subject, prev_hash, created_at,
                body_sha256, body, key_no, signature
            FROM messaging.received WHERE speaker LIKE $1
        ) m JOIN messaging.keys k USING (key_no)
        ORDER BY m.speaker, m.part, m.seq, m.consumer NULLS FIRST
        "#,
        institution.map_or_else(|| "bank.%".to_owned(), |it| format!("bank.{it}.%")),
    )
    .fetch(pool);
    while let Some(it) = rows.try_next().await? {
        take(Kept {
            consumer: it.consumer,
            speaker: it.speaker,
            part: it.part,
            seq: it.seq,
            event_id: it.event_id,
            subject: it.subject,
            prev_hash: it.prev_hash,
            created_at: it.created_at,
            body_sha256: it.body_sha256,
            body: it.body,
            signature: it.signature,
            key: OrganisationKey {
                key_no: it.key_no,
                organisation: it.organisation,
                public_key: it.public_key,
                valid_from: it.valid_from,
                is_confirmed: it.confirmed_by.is_some(),
                ended_at: it.ended_at,
            },
        });
    }
    Ok(())
}

/// What did not verify, the newest first.
#[derive(Debug, Clone, serde::Serialize)]
pub struct RefusedRow {
    pub refused_no: i64,
    pub consumer: String,
    pub speaker: String,
    pub code: String,
    pub headers: String,
    pub body_bytes: i64,
    pub refused_at: DateTime<Utc>,
}

/// Messages of an institution that had no effect because they did not verify, the newest first.
///
/// # Errors
/// What the database says.
pub async fn refused(
    pool: &PgPool,
    institution: Institution,
    limit: i64,
) -> Result<Vec<RefusedRow>, Error> {
    Ok(sqlx::query_as!(
        RefusedRow,
        r#"
        SELECT refused_no, consumer, speaker, code, headers, body_bytes, refused_at
        FROM messaging.refused WHERE speaker LIKE $1 ORDER BY refused_no DESC LIMIT $2
        "#,
        format!("bank.{institution}.%"),
        limit,
    )
    .fetch_all(pool)
    .await?)
}

//! SQL of what banks were asked about accounts and have not answered yet.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use domain::Institution;
use events::{MalformedEvent, Verifications};
use sqlx::{PgConnection, PgPool};

use crate::Error;

/// Late messages sent at a time.
const LATE_MAX: i64 = 100;

/// Counts these questions and says how often each was asked by now. No id stands there twice.
pub(crate) async fn count_asked(
    tx: &mut PgConnection,
    institution: Institution,
    verification_ids: &[&str],
) -> Result<HashMap<String, i32>, Error> {
    let rows = sqlx::query!(
        r#"
        INSERT INTO sandbox.verifications AS v (institution, verification_id, asked)
        SELECT $1, a.verification_id, 1
        FROM unnest($2::text[]) AS a (verification_id) ORDER BY a.verification_id
        ON CONFLICT (institution, verification_id) DO UPDATE SET asked = v.asked + 1
        RETURNING verification_id, asked
        "#,
        institution.number(),
        verification_ids as &[&str],
    )
    .fetch_all(tx)
    .await?;
    let counted = rows.into_iter().map(|it| (it.verification_id, it.asked));
    Ok(counted.collect())
}

pub(crate) async fn insert_late(
    tx: &mut PgConnection,
    late: &Verifications,
    due_at: DateTime<Utc>,
) -> Result<(), Error> {
    let body = serde_json::to_string(late).expect("verifications serialize");
    sqlx::query!(
        r#"
        INSERT INTO sandbox.late_verifications (institution, part, message_id, due_at, body)
        VALUES ($1, $2, $3, $4, $5)
        "#,
        late.institution.number(),
        late.part.number(),
        late.message_id,
        due_at,
        body,
    )
    .execute(tx)
    .await?;
    Ok(())
}

pub(crate) async fn is_any_due(pool: &PgPool, now: DateTime<Utc>) -> Result<bool, Error> {
    Ok(sqlx::query_scalar!(
        r#"
        SELECT EXISTS (SELECT FROM sandbox.late_verifications WHERE NOT sent AND due_at <= $1)
            AS "due!"
        "#,
        now,
    )
    .fetch_one(pool)
    .await?)
}

/// Marks some due answers as sent and gives them back in the order in which they became due.
pub(crate) async fn take_due(
    tx: &mut PgConnection,
    now: DateTime<Utc>,
) -> Result<Vec<Verifications>, Error> {
    let bodies = sqlx::query_scalar!(
        r#"
        WITH due AS (
            SELECT institution, part, message_id FROM sandbox.late_verifications
            WHERE NOT sent AND due_at <= $1
            ORDER BY due_at, institution, part, message_id LIMIT $2
            FOR UPDATE SKIP LOCKED
        ), taken AS (
            UPDATE sandbox.late_verifications l SET sent = true FROM due
            WHERE (l.institution, l.part, l.message_id) =
                (due.institution, due.part, due.message_id)
            RETURNING l.due_at, l.institution, l.part, l.message_id, l.body
        )
        SELECT body FROM taken ORDER BY due_at, institution, part, message_id
        "#,
        now,
        LATE_MAX,
    )
    .fetch_all(tx)
    .await?;
    let read = bodies.iter().map(|it| serde_json::from_str(it));
    let read: Result<Vec<Verifications>, serde_json::Error> = read.collect();
    Ok(read.map_err(MalformedEvent::from)?)
}

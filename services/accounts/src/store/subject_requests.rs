use chrono::{DateTime, NaiveDate, Utc};
use domain::{Officer, PersonNo};
use privacy::Sealed;
use sqlx::PgConnection;

use crate::Error;
use crate::subject_request::Deadlines;

/// A request with where it stands.
#[derive(Debug, Clone)]
pub struct RequestRow {
    pub request_no: i64,
    pub person_no: PersonNo,
    pub kind: String,
    pub received_on: NaiveDate,
    pub acknowledge_by: NaiveDate,
    /// The day as last extended.
    pub answer_by: NaiveDate,
    /// `received`, or the state of its last step.
    pub state: String,
    pub steps: i16,
    pub extended: bool,
    pub detail_sealed: Option<Sealed>,
}

pub(crate) async fn insert_request(
    tx: &mut PgConnection,
    person_no: PersonNo,
    (kind, detail): (&str, Option<&Sealed>),
    received_on: NaiveDate,
    deadlines: Deadlines,
    now: DateTime<Utc>,
) -> Result<i64, Error> {
    Ok(sqlx::query_scalar!(
        r#"
        INSERT INTO accounts.subject_requests
            (part, person_no, kind, received_on, acknowledge_by, answer_by, recorded_at,
            detail_sealed)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8) RETURNING request_no
        "#,
        person_no.part().number(),
        person_no.0,
        kind,
        received_on,
        deadlines.acknowledge_by,
        deadlines.answer_by,
        now,
        detail.map(Sealed::as_bytes),
    )
    .fetch_one(tx)
    .await?)
}

/// Requests that are open, or all of a person; those to be answered first come first.
pub(crate) async fn requests(
    tx: &mut PgConnection,
    person_no: Option<PersonNo>,
    request_no: Option<i64>,
    at_most: i64,
) -> Result<Vec<RequestRow>, Error> {
    let rows = sqlx::query!(
        r#"
        SELECT r.request_no, r.person_no AS "person_no: PersonNo", r.kind, r.received_on,
            r.acknowledge_by, coalesce(s.answer_by, r.answer_by) AS "answer_by!",
            coalesce(s.state, 'received') AS "state!", coalesce(s.steps, 0)::smallint AS "steps!",
            coalesce(s.extended, false) AS "extended!", r.detail_sealed
        FROM accounts.subject_requests r
        LEFT JOIN LATERAL (
            SELECT (array_agg(state ORDER BY step DESC))[1] AS state, max(step) AS steps,
                max(answer_by) AS answer_by, bool_or(state = 'extended') AS extended
            FROM accounts.subject_request_steps s WHERE s.request_no = r.request_no
        ) s ON true
        WHERE ($1::bigint IS NOT NULL OR $2::bigint IS NOT NULL
                OR coalesce(s.state, 'received') NOT IN ('answered', 'refused'))
            AND ($1::bigint IS NULL OR (r.part = ($1 % 16)::smallint AND r.person_no = $1))
            AND ($2::bigint IS NULL OR r.request_no = $2)
        ORDER BY 6, r.request_no LIMIT $3
        "#,
        person_no.map(|it| it.0),
        request_no,
        at_most,
    )
    .fetch_all(tx)
    .await?;
    Ok(rows
        .into_iter()
        .map(|it| RequestRow {
            request_no: it.request_no,
            person_no: it.person_no,
            kind: it.kind,
            received_on: it.received_on,
            acknowledge_by: it.acknowledge_by,
            answer_by: it.answer_by,
            state: it.state,
            steps: it.steps,
            extended: it.extended,
            detail_sealed: it.detail_sealed.map(Sealed::from),
        })
        .collect())
}

pub(crate) async fn insert_request_step(
    tx: &mut PgConnection,
    (request_no, step): (i64, i16),
    state: &str,
    answer_by: Option<NaiveDate>,
    officer: &Officer,
    reason: &str,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    sqlx::query!(
        r#"
        INSERT INTO accounts.subject_request_steps
            (request_no, step, state, answer_by, officer, reason, recorded_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7)
        "#,
        request_no,
        step,
        state,
        answer_by,
        officer.as_str(),
        reason,
        now,
    )
    .execute(tx)
    .await?;
    Ok(())
}

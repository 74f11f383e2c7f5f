use chrono::{DateTime, Utc};
use domain::PersonNo;
use sqlx::PgConnection;

use super::Keys;
use crate::Error;
use crate::link::LinkId;

/// What somebody has to look at.
#[derive(Debug, Clone)]
pub(crate) struct NewReview {
    pub kind: &'static str,
    pub link: LinkId,
    pub detail: String,
}

/// A review as officers see it.
#[derive(Debug, Clone)]
pub struct ReviewRow {
    pub review_no: i64,
    pub kind: String,
    pub link: LinkId,
    pub detail: String,
    pub opened_at: DateTime<Utc>,
    pub due_at: DateTime<Utc>,
    pub decision: Option<String>,
    pub decided_by: Option<String>,
}

/// A change that the person is told of, at one of their places.
#[derive(Debug, Clone)]
pub(crate) struct Notice {
    pub about: LinkId,
    /// The link at whose place it is told.
    pub told_at: i16,
    pub what: &'static str,
}

/// Opens reviews; one of the kind that is open already stays as it is.
pub(crate) async fn open_reviews(
    tx: &mut PgConnection,
    reviews: &[NewReview],
    due: DateTime<Utc>,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    let keys = Keys::of(reviews.iter().map(|it| it.link.person_no));
    let links: Vec<i16> = reviews.iter().map(|it| it.link.link_no).collect();
    let kinds: Vec<&str> = reviews.iter().map(|it| it.kind).collect();
    let details: Vec<&str> = reviews.iter().map(|it| &it.detail[..]).collect();
    sqlx::query!(
        r#"
        INSERT INTO accounts.reviews (part, person_no, link_no, kind, detail, opened_at, due_at)
        SELECT n.*, $6, $7 FROM unnest($1::smallint[], $2::bigint[], $3::smallint[], $4::text[],
            $5::text[]) AS n
        ON CONFLICT DO NOTHING
        "#,
        &keys.parts,
        &keys.persons,
        &links,
        &kinds as &[&str],
        &details as &[&str],
        now,
        due,
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// The review as it stands. Decide about it with its person locked: who ends a link has the
/// person first and its reviews then.
pub(crate) async fn review(
    tx: &mut PgConnection,
    review_no: i64,
) -> Result<Option<ReviewRow>, Error> {
    let row = sqlx::query!(
        r#"
        SELECT kind, person_no AS "person_no: PersonNo", link_no, detail, opened_at, due_at,
            decision, decided_by
        FROM accounts.reviews WHERE review_no = $1
        "#,
        review_no,
    )
    .fetch_optional(tx)
    .await?;
    Ok(row.map(|it| ReviewRow {
        review_no,
        kind: it.kind,
        link: LinkId {
            person_no: it.person_no,
            link_no: it.link_no,
        },
        detail: it.detail,
        opened_at: it.opened_at,
        due_at: it.due_at,
        decision: it.decision,
        decided_by: it.decided_by,
    }))
}

/// Whether somebody has yet to look at the link.
pub(crate) async fn is_in_review(tx: &mut PgConnection, link: LinkId) -> Result<bool, Error> {
    Ok(sqlx::query_scalar!(
        r#"
        SELECT EXISTS (SELECT FROM accounts.reviews
            WHERE part = $1 AND person_no = $2 AND link_no = $3 AND decision IS NULL) AS "is!"
        "#,
        link.person_no.part().number(),
        link.person_no.0,
        link.link_no,
    )
    .fetch_one(tx)
    .await?)
}

/// Decides a review; false where somebody has decided it already.
pub(crate) async fn decide_review(
    tx: &mut PgConnection,
    review_no: i64,
    decision: &str,
    by: Option<&str>,
    reason: &str,
    now: DateTime<Utc>,
) -> Result<bool, Error> {
    let decided = sqlx::query!(
        r#"
        UPDATE accounts.reviews SET decision = $2, decided_by = $3, reason = $4, decided_at = $5
        WHERE review_no = $1 AND decision IS NULL
        "#,
        review_no,
        decision,
        by,
        reason,
        now,
    )
    .execute(tx)
    .await?;
    Ok(decided.rows_affected() == 1)
}

/// Reviews of these links that nobody needs to look at any more: the links have ended, or what
/// they were about is over.
pub(crate) async fn moot_reviews(
    tx: &mut PgConnection,
    links: &[LinkId],
    kind: Option<&str>,
    reason: &str,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    let keys = Keys::of(links.iter().map(|it| it.person_no));
    let numbers: Vec<i16> = links.iter().map(|it| it.link_no).collect();
    sqlx::query!(
        r#"
        UPDATE accounts.reviews r SET decision = 'moot', reason = $4, decided_at = $5
        FROM unnest($1::smallint[], $2::bigint[], $3::smallint[]) AS n (part, person_no, link_no)
        WHERE r.part = n.part AND r.person_no = n.person_no AND r.link_no = n.link_no
            AND r.decision IS NULL AND ($6::text IS NULL OR r.kind = $6)
        "#,
        &keys.parts,
        &keys.persons,
        &numbers,
        reason,
        now,
        kind,
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Open reviews, those due first; a bounded page behind the last one seen.
pub(crate) async fn open_reviews_page(
    tx: &mut PgConnection,
    behind: Option<(DateTime<Utc>, i64)>,
    at_most: i64,
) -> Result<Vec<ReviewRow>, Error> {
    let (due, number) = behind.unzip();
    let rows = sqlx::query!(
        r#"
        SELECT review_no, kind, person_no AS "person_no: PersonNo", link_no, detail, opened_at,
            due_at
        FROM accounts.reviews
        WHERE decision IS NULL
            AND ($1::timestamptz IS NULL OR (due_at, review_no) > ($1, $2::bigint))
        ORDER BY due_at, review_no LIMIT $3
        "#,
        due,
        number,
        at_most,
    )
    .fetch_all(tx)
    .await?;
    Ok(rows
        .into_iter()
        .map(|it| ReviewRow {
            review_no: it.review_no,
            kind: it.kind,
            link: LinkId {
                person_no: it.person_no,
                link_no: it.link_no,
            },
            detail: it.detail,
            opened_at: it.opened_at,
            due_at: it.due_at,
            decision: None,
            decided_by: None,
        })
        .collect())
}

/// Raises an alarm for each review whose deadline has passed, once; a bounded number at a time.
pub(crate) async fn alarm_overdue_reviews(
    tx: &mut PgConnection,
    now: DateTime<Utc>,
    at_most: i64,
) -> Result<u64, Error> {
    let raised = sqlx::query!(
        r#"
        WITH overdue AS (
            SELECT review_no FROM accounts.reviews
            WHERE decision IS NULL AND alarmed_at IS NULL AND due_at <= $1
            ORDER BY due_at LIMIT $2 FOR UPDATE SKIP LOCKED
        ), alarmed AS (
            UPDATE accounts.reviews r SET alarmed_at = $1 FROM overdue
            WHERE r.review_no = overdue.review_no RETURNING r.review_no
        )
        INSERT INTO accounts.alarms (kind, subject, count, raised_at)
        SELECT 'review_overdue', 'review ' || review_no, 1, $1 FROM alarmed
        ON CONFLICT DO NOTHING
        "#,
        now,
        at_most,
    )
    .execute(tx)
    .await?;
    Ok(raised.rows_affected())
}

pub(crate) async fn raise_alarm(
    tx: &mut PgConnection,
    kind: &str,
    subject: &str,
    count: i64,
    now: DateTime<Utc>,
) -> Result<bool, Error> {
    let raised = sqlx::query!(
        r#"
        INSERT INTO accounts.alarms (kind, subject, count, raised_at) VALUES ($1, $2, $3, $4)
        ON CONFLICT DO NOTHING
        "#,
        kind,
        subject,
        count,
        now,
    )
    .execute(tx)
    .await?;
    Ok(raised.rows_affected() == 1)
}

pub(crate) async fn insert_notices(
    tx: &mut PgConnection,
    notices: &[Notice],
    now: DateTime<Utc>,
) -> Result<(), Error> {
    let keys = Keys::of(notices.iter().map(|it| it.about.person_no));
    let told: Vec<i16> = notices.iter().map(|it| it.told_at).collect();
    let about: Vec<i16> = notices.iter().map(|it| it.about.link_no).collect();
    let what: Vec<&str> = notices.iter().map(|it| it.what).collect();
    sqlx::query!(
        r#"
        INSERT INTO accounts.notices (part, person_no, told_at, about, what, recorded_at)
        SELECT n.*, $6 FROM unnest($1::smallint[], $2::bigint[], $3::smallint[], $4::smallint[],
            $5::text[]) AS n
        "#,
        &keys.parts,
        &keys.persons,
        &told,
        &about,
        &what as &[&str],
        now,
    )
    .execute(tx)
    .await?;
    Ok(())
}

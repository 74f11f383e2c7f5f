use chrono::{DateTime, Utc};
use domain::{Institution, Part, PersonNo};
use events::VerificationRequest;
use privacy::Sealed;
use sqlx::PgConnection;

use super::Keys;
use crate::Error;
use crate::link::LinkId;

/// A question to a bank that is open, or was answered.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub link: LinkId,
    pub institution: Institution,
    /// The answer that counted, in words that later ones are held against.
    pub answer: Option<String>,
}

/// A question that has waited long enough.
#[derive(Debug, Clone)]
pub(crate) struct Overdue {
    pub link: LinkId,
    pub institution: Institution,
    pub account_sealed: Sealed,
    pub holder_sealed: Sealed,
    pub number_sealed: Sealed,
    pub attempts: i16,
    pub expires_at: DateTime<Utc>,
}

/// An answer that changed nothing.
#[derive(Debug)]
pub(crate) struct Refused {
    pub entry: i32,
    pub verification_id: String,
    pub code: &'static str,
}

pub(crate) async fn insert_verification(
    tx: &mut PgConnection,
    link: LinkId,
    institution: Institution,
    request: &VerificationRequest,
    (ask_again_at, expires_at): (DateTime<Utc>, DateTime<Utc>),
) -> Result<(), Error> {
    sqlx::query!(
        r#"
        INSERT INTO accounts.verifications (part, person_no, link_no, institution, account_sealed,
            holder_sealed, number_sealed, ask_again_at, expires_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
        "#,
        link.person_no.part().number(),
        link.person_no.0,
        link.link_no,
        institution.number(),
        request.account.as_bytes(),
        request.holder.as_bytes(),
        request.citizen_number.as_bytes(),
        ask_again_at,
        expires_at,
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// What was asked about these links, whether answered or not.
pub(crate) async fn asked(tx: &mut PgConnection, links: &[LinkId]) -> Result<Vec<Asked>, Error> {
    let keys = Keys::of(links.iter().map(|it| it.person_no));
    let numbers: Vec<i16> = links.iter().map(|it| it.link_no).collect();
    let rows = sqlx::query!(
        r#"
        SELECT v.person_no AS "person_no: PersonNo", v.link_no,
            v.institution AS "institution: Institution", v.answer
        FROM accounts.verifications v
        JOIN unnest($1::smallint[], $2::bigint[], $3::smallint[]) AS k (part, person_no, link_no)
            USING (part, person_no, link_no)
        "#,
        &keys.parts,
        &keys.persons,
        &numbers,
    )
    .fetch_all(tx)
    .await?;
    Ok(rows
        .into_iter()
        .map(|it| Asked {
            link: LinkId {
                person_no: it.person_no,
                link_no: it.link_no,
            },
            institution: it.institution,
            answer: it.answer,
        })
        .collect())
}

/// Keeps the answer that counted; false where there is one already.
pub(crate) async fn answer(
    tx: &mut PgConnection,
    link: LinkId,
    answer: &str,
    now: DateTime<Utc>,
) -> Result<bool, Error> {
    let answered = sqlx::query!(
        r#"
        UPDATE accounts.verifications SET answer = $4, answered_at = $5
        WHERE part = $1 AND person_no = $2 AND link_no = $3 AND answered_at IS NULL
        "#,
        link.person_no.part().number(),
        link.person_no.0,
        link.link_no,
        answer,
        now,
    )
    .execute(tx)
    .await?;
    Ok(answered.rows_affected() == 1)
}

/// Questions to ask again or to give up, a bounded number, those that have waited longest first.
pub(crate) async fn overdue(
    tx: &mut PgConnection,
    now: DateTime<Utc>,
    at_most: i64,
) -> Result<Vec<Overdue>, Error> {
    let rows = sqlx::query!(
        r#"
        SELECT person_no AS "person_no: PersonNo", link_no,
            institution AS "institution: Institution", account_sealed, holder_sealed,
            number_sealed, attempts, expires_at
        FROM accounts.verifications
        WHERE answered_at IS NULL AND ask_again_at <= $1
        ORDER BY ask_again_at, part, person_no LIMIT $2
        "#,
        now,
        at_most,
    )
    .fetch_all(tx)
    .await?;
    Ok(rows
        .into_iter()
        .map(|it| Overdue {
            link: LinkId {
                person_no: it.person_no,
                link_no: it.link_no,
            },
            institution: it.institution,
            account_sealed: Sealed::from(it.account_sealed),
            holder_sealed: Sealed::from(it.holder_sealed),
            number_sealed: Sealed::from(it.number_sealed),
            attempts: it.attempts,
            expires_at: it.expires_at,
        })
        .collect())
}

/// Notes that a question is asked once more; false where it was answered or asked meanwhile.
pub(crate) async fn ask_again(
    tx: &mut PgConnection,
    overdue: &Overdue,
    next: DateTime<Utc>,
) -> Result<bool, Error> {
    let link = overdue.link;
    let asked = sqlx::query!(
        r#"
        UPDATE accounts.verifications SET attempts = attempts + 1, ask_again_at = $5
        WHERE part = $1 AND person_no = $2 AND link_no = $3 AND attempts = $4
            AND answered_at IS NULL
        "#,
        link.person_no.part().number(),
        link.person_no.0,
        link.link_no,
        overdue.attempts,
        next,
    )
    .execute(tx)
    .await?;
    Ok(asked.rows_affected() == 1)
}

pub(crate) async fn insert_refused(
    tx: &mut PgConnection,
    (institution, part, message_id): (Institution, Part, &str),
    refused: &[Refused],
    now: DateTime<Utc>,
) -> Result<(), Error> {
    let entries: Vec<i32> = refused.iter().map(|it| it.entry).collect();
    let ids: Vec<&str> = refused.iter().map(|it| &it.verification_id[..]).collect();
    let codes: Vec<&str> = refused.iter().map(|it| it.code).collect();
    sqlx::query!(
        r#"
        INSERT INTO accounts.verification_refusals
            (institution, part, message_id, recorded_at, entry, verification_id, code)
        SELECT $1, $2, $3, $4, r.* FROM unnest($5::int[], $6::text[], $7::text[]) AS r
        ON CONFLICT DO NOTHING
        "#,
        institution.number(),
        part.number(),
        message_id,
        now,
        &entries,
        &ids as &[&str],
        &codes as &[&str],
    )
    .execute(tx)
    .await?;
    Ok(())
}

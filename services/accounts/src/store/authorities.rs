use std::collections::HashMap;

use chrono::{DateTime, NaiveDate, Utc};
use domain::{Money, Officer, PersonNo};
use sqlx::PgConnection;

use super::Keys;
use crate::Error;
use crate::authority::{Authority, AuthorityKind};

#[derive(Debug)]
pub(crate) struct NewAuthority {
    pub person_no: PersonNo,
    pub authority: Authority,
    pub kind: AuthorityKind,
    pub proof: String,
    pub valid_from: NaiveDate,
    pub valid_to: Option<NaiveDate>,
    pub granted_by: Officer,
}

/// Numbers of the authority that a person has now, and of the last that there was.
pub(crate) async fn authority_numbers(
    tx: &mut PgConnection,
    person_no: PersonNo,
) -> Result<(Option<i16>, i16), Error> {
    let row = sqlx::query!(
        r#"
        SELECT authority_no, (SELECT coalesce(max(a.authority_no), 0::smallint)
            FROM accounts.authorities a
            WHERE a.part = p.part AND a.person_no = p.person_no) AS "last!"
        FROM accounts.persons p WHERE part = $1 AND person_no = $2
        "#,
        person_no.part().number(),
        person_no.0,
    )
    .fetch_one(tx)
    .await?;
    Ok((row.authority_no, row.last))
}

pub(crate) async fn insert_authority(
    tx: &mut PgConnection,
    number: i16,
    granted: &NewAuthority,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    sqlx::query!(
        r#"
        INSERT INTO accounts.authorities (part, person_no, authority_no, payee_no, kind,
            programmes, amount_max, proof, valid_from, valid_to, granted_by, recorded_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
        "#,
        granted.person_no.part().number(),
        granted.person_no.0,
        number,
        granted.authority.payee_no.0,
        granted.kind.as_str(),
        &granted.authority.programmes,
        granted.authority.amount_max as Option<Money>,
        granted.proof,
        granted.valid_from,
        granted.valid_to,
        granted.granted_by.as_str(),
        now,
    )
    .execute(&mut *tx)
    .await?;
    set_authority(tx, granted.person_no, Some(number)).await
}

pub(crate) async fn end_authority(
    tx: &mut PgConnection,
    (person_no, number): (PersonNo, i16),
    ends_on: NaiveDate,
    reason: &str,
    by: &Officer,
    now: DateTime<Utc>,
) -> Result<bool, Error> {
    let ended = sqlx::query!(
        r#"
        INSERT INTO accounts.authority_ends
            (part, person_no, authority_no, ends_on, reason, ended_by, recorded_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING
        "#,
        person_no.part().number(),
        person_no.0,
        number,
        ends_on,
        reason,
        by.as_str(),
        now,
    )
    .execute(&mut *tx)
    .await?;
    Ok(ended.rows_affected() == 1)
}

async fn set_authority(
    tx: &mut PgConnection,
    person_no: PersonNo,
    number: Option<i16>,
) -> Result<(), Error> {
    sqlx::query!(
        "UPDATE accounts.persons SET authority_no = $3 WHERE part = $1 AND person_no = $2",
        person_no.part().number(),
        person_no.0,
        number,
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// The authorities of these people that hold on a day, the one granted last of each.
pub(crate) async fn authorities_on(
    tx: &mut PgConnection,
    persons: &[PersonNo],
    day: NaiveDate,
) -> Result<HashMap<PersonNo, Authority>, Error> {
    let keys = Keys::of(persons.iter().copied());
    let rows = sqlx::query!(
        r#"
        SELECT DISTINCT ON (a.person_no) a.person_no AS "person_no!: PersonNo",
            a.payee_no AS "payee_no: PersonNo", a.programmes, a.amount_max AS "amount_max: Money"
        FROM unnest($1::smallint[], $2::bigint[]) AS k (part, person_no)
        JOIN accounts.authorities a USING (part, person_no)
        LEFT JOIN accounts.authority_ends e USING (part, person_no, authority_no)
        WHERE a.valid_from <= $3 AND (a.valid_to IS NULL OR a.valid_to >= $3)
            AND (e.ends_on IS NULL OR e.ends_on > $3)
        ORDER BY a.person_no, a.authority_no DESC
        "#,
        &keys.parts,
        &keys.persons,
        day,
    )
    .fetch_all(tx)
    .await?;
    Ok(rows
        .into_iter()
        .map(|it| {
            let authority = Authority {
                payee_no: it.payee_no,
                programmes: it.programmes,
                amount_max: it.amount_max,
            };
            (it.person_no, authority)
        })
        .collect())
}

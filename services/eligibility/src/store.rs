//! All SQL of eligibility that runs write with; the registry's import has its own part.

mod registry;

pub(crate) use registry::{
    Current, NewEnrolment, NewPerson, current_enrolments, import_of, insert_enrolments,
    insert_import, insert_persons, insert_refusals, lock_registry, next_import_no,
    persons_by_index, take_person_numbers,
};

use chrono::{DateTime, NaiveDate, Utc};
use domain::{BirthDate, Money, Part, Period, PersonNo, Programme, Province, RunNo};
use events::RunOpened;
use rust_decimal::Decimal;
use sqlx::{PgConnection, PgPool};

use crate::determination::{Determination, Facts, Outcome};
use crate::registry::{Category, Enrolment};
use crate::{Error, Rate, Rates};

/// One partition of a run and how far its determination is.
#[derive(Debug, Clone)]
pub(crate) struct Freeze {
    pub run_no: RunNo,
    pub part: Part,
    pub programme: Programme,
    pub period: Period,
    pub business_date: NaiveDate,
    pub frozen_at: DateTime<Utc>,
    pub last_person: PersonNo,
    pub chunks: i32,
    pub lines: i64,
    pub total: Money,
    pub not_owed: i64,
    pub done: bool,
    pub trace: Option<String>,
}

/// A person as frozen for a run.
#[derive(Debug)]
pub(crate) struct Frozen {
    pub person_no: PersonNo,
    pub facts: Facts,
}

pub(crate) async fn load_rates(pool: &PgPool, rates: &Rates) -> Result<(), Error> {
    for rate in rates.iter() {
        sqlx::query!(
            r#"
            INSERT INTO eligibility.rates (rate_no, name, value, age_from, age_to, valid_from,
                valid_to, known_from, legal_basis, confidence)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
            ON CONFLICT DO NOTHING
            "#,
            rate.rate_no,
            rate.name,
            rate.value,
            rate.age_from,
            rate.age_to,
            rate.valid_from,
            rate.valid_to,
            rate.known_from,
            rate.legal_basis,
            rate.confidence,
        )
        .execute(pool)
        .await?;
    }
    let stored = self::rates(pool).await?;
    for rate in rates.iter() {
        if !stored.iter().any(|it| it == rate) {
            return Err(Error::RateChanged(rate.name.clone()));
        }
    }
    Ok(())
}

pub(crate) async fn rates(pool: &PgPool) -> Result<Rates, Error> {
    let rates = sqlx::query_as!(
        Rate,
        r#"
        SELECT rate_no, name, value, age_from, age_to, valid_from, valid_to, known_from,
            legal_basis, confidence
        FROM eligibility.rates ORDER BY rate_no
        "#
    )
    .fetch_all(pool)
    .await?;
    Ok(Rates::new(rates))
}

pub(crate) async fn insert_freeze(
    tx: &mut PgConnection,
    opened: &RunOpened,
    trace: Option<String>,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    sqlx::query!(
        r#"
        INSERT INTO eligibility.freezes
            (run_no, part, programme, period, business_date, frozen_at, trace)
        VALUES ($1, $2, $3, $4, $5, $6, $7)
        "#,
        opened.run_no.0,
        opened.part.number(),
        opened.programme.number(),
        opened.period.first_day(),
        opened.business_date,
        now,
        trace,
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// The next unfinished partition that no other worker holds, locked.
pub(crate) async fn take_freeze(
    tx: &mut PgConnection,
    now: DateTime<Utc>,
) -> Result<Option<Freeze>, Error> {
    let row = sqlx::query!(
        r#"
        SELECT run_no AS "run_no: RunNo", part AS "part: Part", programme,
            period AS "period: Period", business_date, frozen_at,
            last_person AS "last_person: PersonNo", chunks, lines, total AS "total: Money",
            not_owed, trace
        FROM eligibility.freezes WHERE NOT done AND (retry_at IS NULL OR retry_at <= $1)
        ORDER BY run_no, part LIMIT 1
        FOR UPDATE SKIP LOCKED
        "#,
        now,
    )
    .fetch_optional(tx)
    .await?;
    Ok(row.map(|it| Freeze {
        run_no: it.run_no,
        part: it.part,
        programme: programme_of(it.programme),
        period: it.period,
        business_date: it.business_date,
        frozen_at: it.frozen_at,
        last_person: it.last_person,
        chunks: it.chunks,
        lines: it.lines,
        total: it.total,
        not_owed: it.not_owed,
        done: false,
        trace: it.trace,
    }))
}

/// Puts a partition aside until `retry_at`, with what stands in its way.
pub(crate) async fn put_off(
    pool: &PgPool,
    freeze: &Freeze,
    obstacle: &str,
    retry_at: DateTime<Utc>,
) -> Result<(), Error> {
    sqlx::query!(
        r#"
        UPDATE eligibility.freezes SET obstacle = $3, retry_at = $4
        WHERE run_no = $1 AND part = $2
        "#,
        freeze.run_no.0,
        freeze.part.number(),
        obstacle,
        retry_at,
    )
    .execute(pool)
    .await?;
    Ok(())
}

pub(crate) async fn update_freeze(tx: &mut PgConnection, freeze: &Freeze) -> Result<(), Error> {
    sqlx::query!(
        r#"
        UPDATE eligibility.freezes
        SET last_person = $3, chunks = $4, lines = $5, total = $6, not_owed = $7, done = $8,
            obstacle = NULL, retry_at = NULL
        WHERE run_no = $1 AND part = $2
        "#,
        freeze.run_no.0,
        freeze.part.number(),
        freeze.last_person.0,
        freeze.chunks,
        freeze.lines,
        freeze.total as Money,
        freeze.not_owed,
        freeze.done,
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// The next people of a frozen partition, as they were known when it was frozen.
pub(crate) async fn frozen_people(
    tx: &mut PgConnection,
    freeze: &Freeze,
    limit: i64,
) -> Result<Vec<Frozen>, Error> {
    let rows = sqlx::query!(
        r#"
        SELECT e.person_no AS "person_no: PersonNo", e.province, e.granted_amount AS "granted: Money",
            e.category, e.household, p.birth_date, p.birth_year_only
        FROM eligibility.enrolments e JOIN eligibility.persons p USING (part, person_no)
        WHERE e.part = $1 AND e.programme = $2 AND e.person_no > $3
            AND e.known_from <= $4 AND (e.known_to IS NULL OR e.known_to > $4)
        ORDER BY e.person_no LIMIT $5
        "#,
        freeze.part.number(),
        freeze.programme.number(),
        freeze.last_person.0,
        freeze.frozen_at,
        limit,
    )
    .fetch_all(tx)
    .await?;
    let frozen = rows.into_iter().map(|it| Frozen {
        person_no: it.person_no,
        facts: Facts {
            birth_date: BirthDate::stored(it.birth_date, it.birth_year_only),
            enrolment: Enrolment {
                province: province_of(it.province),
                programme: freeze.programme,
                granted_amount: it.granted,
                category: it
                    .category
                    .and_then(|it| Category::stored(freeze.programme, &it)),
                household: it.household.and_then(|it| it.parse().ok()),
            },
        },
    });
    Ok(frozen.collect())
}

pub(crate) async fn insert_determinations(
    tx: &mut PgConnection,
    freeze: &Freeze,
    people: &[Frozen],
    decided: &[Determination],
) -> Result<(), Error> {
    let persons: Vec<i64> = people.iter().map(|it| it.person_no.0).collect();
    let mut amounts: Vec<Decimal> = Vec::with_capacity(decided.len());
    let mut reasons: Vec<Option<&str>> = Vec::with_capacity(decided.len());
    for determination in decided {
        let (amount, reason) = match determination.outcome {
            Outcome::Owed(amount) => (amount.decimal(), None),
            Outcome::NotOwed(reason) => (Decimal::ZERO, Some(reason.code())),
        };
        amounts.push(amount);
        reasons.push(reason);
    }
    let rates: Vec<Option<i32>> = decided.iter().map(|it| it.rate_no).collect();
    let second_rates: Vec<Option<i32>> = decided.iter().map(|it| it.second_rate_no).collect();
    let explanations: Vec<&str> = decided.iter().map(|it| &it.explanation[..]).collect();
    sqlx::query!(
        r#"
        INSERT INTO eligibility.determinations
            (run_no, part, determination_no, person_no, amount, reason, rate_no, second_rate_no,
             explanation)
        SELECT $1, $2, 1, d.*
        FROM unnest($3::bigint[], $4::numeric[], $5::text[], $6::int[], $7::int[], $8::text[]) AS d
        "#,
        freeze.run_no.0,
        freeze.part.number(),
        &persons,
        &amounts,
        &reasons as &[Option<&str>],
        &rates as &[Option<i32>],
        &second_rates as &[Option<i32>],
        &explanations as &[&str],
    )
    .execute(tx)
    .await?;
    Ok(())
}

fn programme_of(number: i16) -> Programme {
    Programme::from_number(number).expect("only programmes are stored")
}

fn province_of(number: i16) -> Province {
    Province::from_number(number).expect("only provinces are stored")
}

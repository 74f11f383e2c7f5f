//! All SQL of eligibility that runs write with; the registry's import has its own part.

mod determinations;
mod laws;
mod life_events;
mod people;
mod registry;
mod residences;
mod sealed;

pub(crate) use determinations::{
    Decided, Past, StoredDetermination, earlier_freezes, insert_determinations, insert_withdrawals,
    obligations, stored_determination, stored_determinations,
};
pub(crate) use laws::{
    approve_law, insert_law, latest_law_no, law_by_hash, law_files, laws, lock_laws, next_law_no,
};
pub(crate) use life_events::{
    EventKey, NewLifeEvent, NewRevocation, insert_life_events, insert_revocations, life_events,
    revocations,
};
pub(crate) use people::{Known, lock_news, next_people, people, people_with_news, programmes_of};
pub(crate) use registry::{
    Current, NewEnrolment, NewPerson, StoredRefusal, current_enrolments, import_of,
    insert_enrolments, insert_import, insert_persons, insert_refusals, lock_registry,
    next_import_no, persons_by_index, refusals, take_person_numbers,
};
pub(crate) use residences::{
    Author, NewResidence, Papers, Standing, insert_residences, papers, people_moving, standing,
};
pub(crate) use sealed::{replace_sealed, sealed_after};

use chrono::{DateTime, NaiveDate, Utc};
use domain::{Money, Part, Period, PersonNo, Programme, Province, RunNo};
use events::RunOpened;
use rust_decimal::Decimal;
use sqlx::{PgConnection, PgPool};

use crate::Error;

/// One partition of a run and how far its determination is.
#[derive(Debug, Clone)]
pub(crate) struct Freeze {
    pub run_no: RunNo,
    pub part: Part,
    pub programme: Programme,
    pub period: Period,
    pub business_date: NaiveDate,
    pub frozen_at: DateTime<Utc>,
    /// The law that was in force when it was frozen.
    pub law_no: i64,
    pub last_person: PersonNo,
    pub chunks: i32,
    pub lines: i64,
    pub total: Money,
    pub not_owed: i64,
    pub done: bool,
    pub trace: Option<String>,
}

impl Freeze {
    /// As an opened run begins in one partition.
    pub fn of(
        opened: &RunOpened,
        law_no: i64,
        trace: Option<String>,
        now: DateTime<Utc>,
    ) -> Freeze {
        Freeze {
            run_no: opened.run_no,
            part: opened.part,
            programme: opened.programme,
            period: opened.period,
            business_date: opened.business_date,
            frozen_at: now,
            law_no,
            // Before everybody.
            last_person: PersonNo(-1),
            chunks: 0,
            lines: 0,
            total: Money::ZERO,
            not_owed: 0,
            done: false,
            trace,
        }
    }
}

pub(crate) async fn insert_freezes(tx: &mut PgConnection, freezes: &[Freeze]) -> Result<(), Error> {
    let numbers = |of: fn(&Freeze) -> i64| freezes.iter().map(of).collect::<Vec<i64>>();
    let parts: Vec<i16> = freezes.iter().map(|it| it.part.number()).collect();
    let programmes: Vec<i16> = freezes.iter().map(|it| it.programme.number()).collect();
    let periods: Vec<NaiveDate> = freezes.iter().map(|it| it.period.first_day()).collect();
    let business_dates: Vec<NaiveDate> = freezes.iter().map(|it| it.business_date).collect();
    let frozen_at: Vec<DateTime<Utc>> = freezes.iter().map(|it| it.frozen_at).collect();
    let traces: Vec<Option<&str>> = freezes.iter().map(|it| it.trace.as_deref()).collect();
    let chunks: Vec<i32> = freezes.iter().map(|it| it.chunks).collect();
    let totals: Vec<Decimal> = freezes.iter().map(|it| it.total.decimal()).collect();
    let done: Vec<bool> = freezes.iter().map(|it| it.done).collect();
    sqlx::query!(
        r#"
        INSERT INTO eligibility.freezes
            (run_no, part, programme, period, business_date, frozen_at, trace, law_no,
            last_person, chunks, lines, total, not_owed, done)
        SELECT * FROM unnest($1::bigint[], $2::smallint[], $3::smallint[], $4::date[], $5::date[],
            $6::timestamptz[], $7::text[], $8::bigint[], $9::bigint[], $10::int[], $11::bigint[],
            $12::numeric[], $13::bigint[], $14::boolean[])
        "#,
        &numbers(|it| it.run_no.0),
        &parts,
        &programmes,
        &periods,
        &business_dates,
        &frozen_at,
        &traces as &[Option<&str>],
        &numbers(|it| it.law_no),
        &numbers(|it| it.last_person.0),
        &chunks,
        &numbers(|it| it.lines),
        &totals,
        &numbers(|it| it.not_owed),
        &done,
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
            period AS "period: Period", business_date, frozen_at, coalesce(law_no, 1) AS "law_no!",
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
        law_no: it.law_no,
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
        WHERE run_no = $1 AND part = $2 AND NOT done
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

/// How many partitions of runs there are to determine, and how many of them are done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    pub parts: i64,
    pub done: i64,
    /// Determinations made, of whatever outcome.
    pub determinations: i64,
}

/// How far the determination of all runs is.
pub async fn progress(pool: &PgPool) -> Result<Progress, Error> {
    Ok(sqlx::query_as!(
        Progress,
        r#"
        SELECT count(*) AS "parts!", count(*) FILTER (WHERE done) AS "done!",
            coalesce(sum(lines + not_owed), 0)::bigint AS "determinations!"
        FROM eligibility.freezes
        "#
    )
    .fetch_one(pool)
    .await?)
}

/// Nothing is written by this transaction.
pub(crate) async fn read_only(tx: &mut PgConnection) -> Result<(), Error> {
    sqlx::query!("SET TRANSACTION READ ONLY")
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

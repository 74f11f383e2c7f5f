//! The schedule: what is planned, what is due, what became of it, and alarms.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, Utc};
use domain::{Officer, Period, Programme, RunNo};
use sqlx::PgConnection;

use super::programme_of;
use crate::Error;
use crate::run::State;
use crate::schedule::{Key, Moment, MomentState, Month, Progress, Stored};

/// An opening whose time has come, held by this transaction.
#[derive(Debug)]
pub(crate) struct DueOpening {
    pub key: Key,
    pub due_at: DateTime<Utc>,
    pub pay_day: NaiveDate,
    pub maker: Officer,
    /// When its run would have to be out.
    pub release_by: DateTime<Utc>,
}

/// A deadline that has passed, held by this transaction.
#[derive(Debug)]
pub(crate) struct PassedDeadline {
    pub key: Key,
    pub due_at: DateTime<Utc>,
    pub progress: Progress,
}

/// What became of a moment.
#[derive(Debug, Clone)]
pub(crate) struct Settled {
    pub key: Key,
    pub state: MomentState,
    pub reason: Option<String>,
    pub run_no: Option<RunNo>,
}

/// Moments as columns, for `unnest`.
#[derive(Default)]
struct Moments {
    programmes: Vec<i16>,
    periods: Vec<NaiveDate>,
    moments: Vec<&'static str>,
}

impl Moments {
    fn push(&mut self, key: Key) {
        self.programmes.push(key.programme.number());
        self.periods.push(key.period.first_day());
        self.moments.push(key.moment.as_str());
    }
}

/// What is stored of these periods, held until the transaction ends.
pub(crate) async fn lock_schedule(
    tx: &mut PgConnection,
    programme: Programme,
    (first, last): (Period, Period),
) -> Result<BTreeMap<(Period, Moment), Stored>, Error> {
    let rows = sqlx::query!(
        r#"
        SELECT period AS "period: Period", moment AS "moment: Moment", due_at, pay_day,
            paid_with AS "paid_with: Period", state AS "state: MomentState"
        FROM payments.schedule WHERE programme = $1 AND period BETWEEN $2 AND $3
        ORDER BY period, moment FOR UPDATE
        "#,
        programme.number(),
        first.first_day(),
        last.first_day(),
    )
    .fetch_all(tx)
    .await?;
    let stored = rows.into_iter().map(|it| {
        let stored = Stored {
            due_at: it.due_at,
            pay_day: it.pay_day,
            paid_with: it.paid_with,
            state: it.state,
        };
        ((it.period, it.moment), stored)
    });
    Ok(stored.collect())
}

/// Programmes and years of which something is still to be opened.
pub(crate) async fn planned_years(tx: &mut PgConnection) -> Result<Vec<(Programme, i32)>, Error> {
    let rows = sqlx::query!(
        r#"
        SELECT DISTINCT programme, extract(year FROM period)::int AS "year!"
        FROM payments.schedule WHERE moment = 'open' AND state = 'planned' ORDER BY 1, 2
        "#
    )
    .fetch_all(tx)
    .await?;
    let planned = rows
        .into_iter()
        .map(|it| (programme_of(it.programme), it.year));
    Ok(planned.collect())
}

/// Plans months, or plans anew what of them is still to come; each row that changes gets a step.
pub(crate) async fn plan(
    tx: &mut PgConnection,
    programme: Programme,
    months: &[&Month],
    (officer, reason): (&Officer, &str),
    now: DateTime<Utc>,
) -> Result<(), Error> {
    let mut rows = Moments::default();
    let (mut due_at, mut pay_days, mut paid_with) = (Vec::new(), Vec::new(), Vec::new());
    for month in months {
        for (moment, at) in month.moments {
            rows.push(Key {
                programme,
                period: month.period,
                moment,
            });
            due_at.push(at);
            pay_days.push(month.pay_day);
            paid_with.push(month.paid_with.map(Period::first_day));
        }
    }
    sqlx::query!(
        r#"
        WITH written AS (
            INSERT INTO payments.schedule AS s
                (programme, period, moment, due_at, pay_day, paid_with, maker, planned_at)
            SELECT n.*, $7, $8 FROM unnest($1::smallint[], $2::date[], $3::text[],
                $4::timestamptz[], $5::date[], $6::date[]) AS n
            ON CONFLICT (programme, period, moment) DO UPDATE
            SET due_at = excluded.due_at, pay_day = excluded.pay_day,
                paid_with = excluded.paid_with, maker = excluded.maker,
                planned_at = excluded.planned_at
            WHERE s.state = 'planned' AND (s.due_at, s.pay_day, s.paid_with)
                IS DISTINCT FROM (excluded.due_at, excluded.pay_day, excluded.paid_with)
            -- A row that was there before was written by another transaction than this one.
            RETURNING s.*, xmax = 0 AS is_new
        )
        INSERT INTO payments.schedule_steps
            (programme, period, moment, step, due_at, pay_day, officer, reason, recorded_at)
        SELECT programme, period, moment, CASE WHEN is_new THEN 'planned' ELSE 'replanned' END,
            due_at, pay_day, $7, $9, $8
        FROM written ORDER BY period, due_at
        "#,
        &rows.programmes,
        &rows.periods,
        &rows.moments as &[&str],
        &due_at,
        &pay_days,
        &paid_with as &[Option<NaiveDate>],
        officer.as_str(),
        now,
        reason,
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// The next opening that is due, the longest due first. Who comes second waits for the first, and
/// finds that it is not planned any more.
pub(crate) async fn take_due_opening(
    tx: &mut PgConnection,
    now: DateTime<Utc>,
) -> Result<Option<DueOpening>, Error> {
    let row = sqlx::query!(
        r#"
        SELECT o.programme, o.period AS "period: Period", o.due_at, o.pay_day,
            o.maker AS "maker: Officer", r.due_at AS release_by
        FROM payments.schedule o
        JOIN payments.schedule r
            ON (r.programme, r.period, r.moment) = (o.programme, o.period, 'release')
        WHERE o.moment = 'open' AND o.state = 'planned' AND o.due_at <= $1
        ORDER BY o.due_at, o.programme, o.period LIMIT 1
        FOR UPDATE OF o
        "#,
        now,
    )
    .fetch_optional(tx)
    .await?;
    Ok(row.map(|it| DueOpening {
        key: Key {
            programme: programme_of(it.programme),
            period: it.period,
            moment: Moment::Open,
        },
        due_at: it.due_at,
        pay_day: it.pay_day,
        maker: it.maker,
        release_by: it.release_by,
    }))
}

pub(crate) async fn run_of(
    tx: &mut PgConnection,
    programme: Programme,
    period: Period,
) -> Result<Option<RunNo>, Error> {
    Ok(sqlx::query_scalar!(
        r#"
        SELECT run_no AS "run_no: RunNo" FROM payments.runs
        WHERE programme = $1 AND period = $2 AND series = 0
        "#,
        programme.number(),
        period.first_day(),
    )
    .fetch_optional(tx)
    .await?)
}

/// When a run is to be booked, and whether the schedule opened it.
pub(crate) async fn booked_on(
    tx: &mut PgConnection,
    run_no: RunNo,
) -> Result<(NaiveDate, bool), Error> {
    let row = sqlx::query!(
        r#"
        SELECT business_date, EXISTS (SELECT FROM payments.schedule s
            WHERE s.run_no = r.run_no AND s.state = 'fired') AS "is_scheduled!"
        FROM payments.runs r WHERE run_no = $1
        "#,
        run_no.0,
    )
    .fetch_one(tx)
    .await?;
    Ok((row.business_date, row.is_scheduled))
}

/// Deadlines that have passed, with what their runs did and when. Those that another process has
/// in hand are left to it.
pub(crate) async fn take_passed_deadlines(
    tx: &mut PgConnection,
    before: DateTime<Utc>,
    limit: i64,
) -> Result<Vec<PassedDeadline>, Error> {
    let rows = sqlx::query!(
        r#"
        SELECT s.programme, s.period AS "period: Period", s.moment AS "moment: Moment", s.due_at,
            r.state AS "state?: State", r.opened_at AS "opened_at?", r.closed_at,
            (SELECT max(acted_at) FROM payments.acts
                WHERE run_no = r.run_no AND act = 'approve' AND voided_at IS NULL) AS approved_at,
            (SELECT max(acted_at) FROM payments.acts
                WHERE run_no = r.run_no AND act = 'release') AS released_at
        FROM payments.schedule s LEFT JOIN payments.runs r
            ON (r.programme, r.period, r.series) = (s.programme, s.period, 0)
        WHERE s.moment <> 'open' AND s.state = 'planned' AND s.due_at <= $1
        ORDER BY s.due_at, s.programme, s.period LIMIT $2
        FOR UPDATE OF s SKIP LOCKED
        "#,
        before,
        limit,
    )
    .fetch_all(tx)
    .await?;
    let passed = rows.into_iter().map(|it| PassedDeadline {
        key: Key {
            programme: programme_of(it.programme),
            period: it.period,
            moment: it.moment,
        },
        due_at: it.due_at,
        progress: Progress {
            opened_at: it.opened_at,
            is_prepared: it.state.is_some_and(|it| it != State::Preparing),
            // One approval of several is none yet.
            approved_at: it
                .approved_at
                .filter(|_| it.state.is_some_and(State::is_approved)),
            released_at: it.released_at,
            closed_at: it.closed_at,
        },
    });
    Ok(passed.collect())
}

/// What was planned has become what it is; nothing changes it afterwards.
pub(crate) async fn settle(
    tx: &mut PgConnection,
    settled: &[Settled],
    now: DateTime<Utc>,
) -> Result<(), Error> {
    let mut rows = Moments::default();
    for it in settled {
        rows.push(it.key);
    }
    let states: Vec<&str> = settled.iter().map(|it| it.state.as_str()).collect();
    let reasons: Vec<Option<&str>> = settled.iter().map(|it| it.reason.as_deref()).collect();
    let run_nos: Vec<Option<i64>> = settled.iter().map(|it| it.run_no.map(|it| it.0)).collect();
    sqlx::query!(
        r#"
        WITH settled AS (
            UPDATE payments.schedule s
            SET state = n.state, reason = n.reason, run_no = n.run_no, settled_at = $7
            FROM unnest($1::smallint[], $2::date[], $3::text[], $4::text[], $5::text[],
                $6::bigint[]) AS n (programme, period, moment, state, reason, run_no)
            WHERE (s.programme, s.period, s.moment) = (n.programme, n.period, n.moment)
            RETURNING s.*
        )
        INSERT INTO payments.schedule_steps
            (programme, period, moment, step, due_at, pay_day, reason, run_no, recorded_at)
        SELECT programme, period, moment, state, due_at, pay_day, reason, run_no, $7
        FROM settled ORDER BY due_at, programme, period
        "#,
        &rows.programmes,
        &rows.periods,
        &rows.moments as &[&str],
        &states as &[&str],
        &reasons as &[Option<&str>],
        &run_nos as &[Option<i64>],
        now,
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Raises alarms, each once for what it is about.
pub(crate) async fn raise_alarms(
    tx: &mut PgConnection,
    alarms: &[(&'static str, String)],
    now: DateTime<Utc>,
) -> Result<(), Error> {
    let kinds: Vec<&str> = alarms.iter().map(|(kind, _)| *kind).collect();
    let subjects: Vec<&str> = alarms.iter().map(|(_, subject)| &subject[..]).collect();
    sqlx::query!(
        r#"
        INSERT INTO payments.alarms (kind, subject, raised_at)
        SELECT a.*, $3 FROM unnest($1::text[], $2::text[]) AS a
        ON CONFLICT ON CONSTRAINT one_alarm DO NOTHING
        "#,
        &kinds as &[&str],
        &subjects as &[&str],
        now,
    )
    .execute(tx)
    .await?;
    Ok(())
}

//! SQL that reads the schedule.

use chrono::{DateTime, NaiveDate, Utc};
use domain::{Officer, Period, Programme, RunNo};
use sqlx::PgPool;

use crate::report::{AlarmRow, OrderRow, ScheduleRow, StepRow};
use crate::store::{institution_of, programme_of};
use crate::{Error, Moment, MomentState};

struct Row {
    programme: i16,
    period: Period,
    moment: Moment,
    due_at: DateTime<Utc>,
    pay_day: NaiveDate,
    paid_with: Option<Period>,
    state: MomentState,
    reason: Option<String>,
    run_no: Option<RunNo>,
    maker: Officer,
}

impl From<Row> for ScheduleRow {
    fn from(row: Row) -> ScheduleRow {
        ScheduleRow {
            programme: programme_of(row.programme),
            period: row.period,
            moment: row.moment,
            due_at: row.due_at,
            pay_day: row.pay_day,
            paid_with: row.paid_with,
            state: row.state,
            reason: row.reason,
            run_no: row.run_no,
            maker: row.maker,
        }
    }
}

/// The schedule of a year's periods, by programme, period and time.
pub async fn schedule(
    pool: &PgPool,
    programme: Option<Programme>,
    year: i32,
) -> Result<Vec<ScheduleRow>, Error> {
    let rows = sqlx::query_as!(
        Row,
        r#"
        SELECT programme, period AS "period: Period", moment AS "moment: Moment", due_at, pay_day,
            paid_with AS "paid_with: Period", state AS "state: MomentState", reason,
            run_no AS "run_no: RunNo", maker AS "maker: Officer"
        FROM payments.schedule
        WHERE programme = coalesce($1, programme) AND extract(year FROM period)::int = $2
        ORDER BY programme, period, due_at
        "#,
        programme.map(Programme::number),
        year,
    )
    .fetch_all(pool)
    .await?;
    Ok(rows.into_iter().map(ScheduleRow::from).collect())
}

/// What comes next, and before it what is due and was not looked at yet.
pub async fn schedule_next(pool: &PgPool, limit: i64) -> Result<Vec<ScheduleRow>, Error> {
    let rows = sqlx::query_as!(
        Row,
        r#"
        SELECT programme, period AS "period: Period", moment AS "moment: Moment", due_at, pay_day,
            paid_with AS "paid_with: Period", state AS "state: MomentState", reason,
            run_no AS "run_no: RunNo", maker AS "maker: Officer"
        FROM payments.schedule WHERE state = 'planned'
        ORDER BY due_at, programme, period LIMIT $1
        "#,
        limit,
    )
    .fetch_all(pool)
    .await?;
    Ok(rows.into_iter().map(ScheduleRow::from).collect())
}

/// How a period's moments came to be as they are, the earliest step first.
pub async fn schedule_steps(
    pool: &PgPool,
    programme: Programme,
    period: Period,
) -> Result<Vec<StepRow>, Error> {
    Ok(sqlx::query_as!(
        StepRow,
        r#"
        SELECT moment AS "moment: Moment", step, due_at, pay_day, officer AS "officer: Officer",
            reason, run_no AS "run_no: RunNo", recorded_at
        FROM payments.schedule_steps WHERE programme = $1 AND period = $2 ORDER BY step_no
        "#,
        programme.number(),
        period.first_day(),
    )
    .fetch_all(pool)
    .await?)
}

/// The latest alarms, the newest first.
pub async fn alarms(pool: &PgPool, limit: i64) -> Result<Vec<AlarmRow>, Error> {
    Ok(sqlx::query_as!(
        AlarmRow,
        "SELECT kind, subject, raised_at FROM payments.alarms ORDER BY alarm_no DESC LIMIT $1",
        limit,
    )
    .fetch_all(pool)
    .await?)
}

/// Orders about days, pay days and cut-offs, the newest first.
pub async fn schedule_orders(pool: &PgPool, limit: i64) -> Result<Vec<OrderRow>, Error> {
    let rows = sqlx::query!(
        r#"
        SELECT order_no, kind, day, is_worked, programme, period AS "period: Period", institution,
            cut_off, reason, maker AS "maker: Officer", checker AS "checker: Officer"
        FROM payments.schedule_orders ORDER BY order_no DESC LIMIT $1
        "#,
        limit,
    )
    .fetch_all(pool)
    .await?;
    let shown = rows.into_iter().map(|it| OrderRow {
        order_no: it.order_no,
        kind: it.kind,
        day: it.day,
        is_worked: it.is_worked,
        programme: it.programme.map(programme_of),
        period: it.period,
        institution: it.institution.map(institution_of),
        cut_off: it.cut_off,
        reason: it.reason,
        maker: it.maker,
        checker: it.checker,
    });
    Ok(shown.collect())
}

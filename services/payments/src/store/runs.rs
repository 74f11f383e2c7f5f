//! Runs and who acted on them.

use approval::Signed;
use chrono::{DateTime, Utc};
use domain::{BudgetYear, Money, Officer, Part, Period, Programme, Province, RunNo};
use ledger::Root;
use messaging::Problem;
use sqlx::PgConnection;

use super::{preparation::run_root, programme_of, province_of};
use crate::Error;
use crate::command::{Appropriate, OpenRun};
use crate::run::{Run, State};
use crate::statement::Delegation;

/// What an officer does to a run.
#[derive(Debug, Clone)]
pub(crate) struct Act {
    pub run_no: RunNo,
    pub officer: Officer,
    pub act: &'static str,
    pub root: Option<Root>,
    pub lines: i64,
    pub total: Money,
    pub reason: Option<String>,
    pub signed: Option<Signed>,
    /// In whose place; who then has an act on the run as well.
    pub lent: Option<Delegation>,
}

/// Where the lines of a released run ended.
#[derive(Debug, Clone)]
pub(crate) struct Ends {
    pub released_lines: i64,
    pub released: Money,
    pub credited_lines: i64,
    pub credited: Money,
    pub returned_lines: i64,
    pub returned: Money,
    pub unknown_lines: i64,
    pub unknown: Money,
    pub matched_lines: i64,
    pub matched: Money,
    pub missing_lines: i64,
    pub missing: Money,
    pub held: Money,
}

impl Act {
    pub fn new(run_no: RunNo, officer: &Officer, act: &'static str) -> Act {
        let officer = officer.clone();
        Act {
            run_no,
            officer,
            act,
            root: None,
            lines: 0,
            total: Money::ZERO,
            reason: None,
            signed: None,
            lent: None,
        }
    }

    /// Binds the act to what the run is now.
    pub fn bound_to(self, run: &Run) -> Act {
        Act {
            root: run.root,
            lines: run.lines,
            total: run.total,
            ..self
        }
    }
}

/// False where the decision is recorded already.
pub(crate) async fn insert_appropriation(
    tx: &mut PgConnection,
    command: &Appropriate,
    now: DateTime<Utc>,
) -> Result<bool, Error> {
    let done = sqlx::query!(
        r#"
        INSERT INTO payments.appropriations
            (reference, programme, budget_year, amount, officer, recorded_at, province)
        VALUES ($1, $2, $3, $4, $5, $6, $7)
        ON CONFLICT DO NOTHING
        "#,
        command.reference,
        command.programme.number(),
        command.budget_year,
        command.amount as Money,
        command.officer.as_str(),
        now,
        command.province.map(Province::number),
    )
    .execute(tx)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// `None` where the programme has a run of the series for the period already.
pub(crate) async fn insert_run(
    tx: &mut PgConnection,
    command: &OpenRun,
    series: i16,
    approvals_required: i16,
    trace: Option<String>,
    now: DateTime<Utc>,
) -> Result<Option<RunNo>, Error> {
    let run_no = sqlx::query_scalar!(
        r#"
        INSERT INTO payments.runs
            (programme, period, business_date, state, maker, approvals_required, opened_at, trace,
            series)
        VALUES ($1, $2, $3, 'preparing', $4, $5, $6, $7, $8)
        ON CONFLICT ON CONSTRAINT one_run_a_period DO NOTHING
        RETURNING run_no AS "run_no: RunNo"
        "#,
        command.programme.number(),
        command.period.first_day(),
        command.business_date,
        command.officer.as_str(),
        approvals_required,
        now,
        trace,
        series,
    )
    .fetch_optional(&mut *tx)
    .await?;
    if let Some(run_no) = run_no {
        sqlx::query!(
            r#"
            INSERT INTO payments.run_parts (run_no, part)
            SELECT $1, part FROM generate_series(0, 15) AS part
            "#,
            run_no.0,
        )
        .execute(tx)
        .await?;
    }
    Ok(run_no)
}

/// The run, locked until the transaction ends.
pub(crate) async fn lock_run(tx: &mut PgConnection, run_no: RunNo) -> Result<Run, Error> {
    let row = sqlx::query!(
        r#"
        SELECT programme, period AS "period: Period", series, business_date,
            budget_year AS "budget_year: BudgetYear", state AS "state: State",
            approvals_required, lines, total AS "total: Money", root
        FROM payments.runs WHERE run_no = $1 FOR NO KEY UPDATE
        "#,
        run_no.0,
    )
    .fetch_optional(tx)
    .await?;
    let row =
        row.ok_or_else(|| Problem::new(404, "run_unknown", format!("there is no run {run_no}")))?;
    Ok(Run {
        run_no,
        programme: programme_of(row.programme),
        period: row.period,
        series: row.series,
        business_date: row.business_date,
        year: row.budget_year,
        state: row.state,
        approvals_required: row.approvals_required,
        lines: row.lines,
        total: row.total,
        root: row.root.and_then(|it| Root::from_slice(&it)),
    })
}

/// A run of a period, by its series.
#[derive(Debug)]
pub(crate) struct SeriesRun {
    pub run_no: RunNo,
    pub series: i16,
    pub state: State,
}

/// The runs of a programme's period, locked until the transaction ends: nobody opens another one.
pub(crate) async fn lock_series(
    tx: &mut PgConnection,
    programme: Programme,
    period: Period,
) -> Result<Vec<SeriesRun>, Error> {
    Ok(sqlx::query_as!(
        SeriesRun,
        r#"
        SELECT run_no AS "run_no: RunNo", series, state AS "state: State" FROM payments.runs
        WHERE programme = $1 AND period = $2 ORDER BY run_no FOR NO KEY UPDATE
        "#,
        programme.number(),
        period.first_day(),
    )
    .fetch_all(tx)
    .await?)
}

/// 0 also where there is no such run.
pub(crate) async fn series_of(tx: &mut PgConnection, run_no: RunNo) -> Result<i16, Error> {
    let series = sqlx::query_scalar!(
        "SELECT series FROM payments.runs WHERE run_no = $1",
        run_no.0
    );
    Ok(series.fetch_optional(tx).await?.unwrap_or(0))
}

/// Keeps reserving and releasing away from a partition of these runs until the transaction ends.
/// Taken before the runs themselves, as those who reserve and release do.
pub(crate) async fn lock_parts(
    tx: &mut PgConnection,
    part: Part,
    runs: &[RunNo],
) -> Result<(), Error> {
    let runs: Vec<i64> = runs.iter().map(|it| it.0).collect();
    sqlx::query!(
        r#"
        SELECT run_no FROM payments.run_parts WHERE run_no = ANY($1) AND part = $2
        ORDER BY run_no FOR NO KEY UPDATE
        "#,
        &runs,
        part.number(),
    )
    .fetch_all(tx)
    .await?;
    Ok(())
}

/// Locks those of the runs that are not out yet, in order: their state stands still.
pub(crate) async fn lock_unreleased(tx: &mut PgConnection, runs: &[RunNo]) -> Result<(), Error> {
    let runs: Vec<i64> = runs.iter().map(|it| it.0).collect();
    sqlx::query!(
        r#"
        SELECT run_no FROM payments.runs
        WHERE run_no = ANY($1) AND state NOT IN ('released', 'closed')
        ORDER BY run_no FOR NO KEY UPDATE
        "#,
        &runs,
    )
    .fetch_all(tx)
    .await?;
    Ok(())
}

pub(crate) async fn set_state(
    tx: &mut PgConnection,
    run_no: RunNo,
    state: State,
) -> Result<(), Error> {
    sqlx::query!(
        "UPDATE payments.runs SET state = $2 WHERE run_no = $1",
        run_no.0,
        state.as_str(),
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Count, sum and root of the run from its chunks.
pub(super) async fn sum_up_run(tx: &mut PgConnection, run_no: RunNo) -> Result<Run, Error> {
    let root = run_root(tx, run_no).await?;
    sqlx::query!(
        r#"
        UPDATE payments.runs r SET lines = c.lines, total = c.total, root = $2
        FROM (
            SELECT coalesce(sum(lines), 0)::bigint AS lines, coalesce(sum(total), 0) AS total
            FROM payments.chunks WHERE run_no = $1
        ) c
        WHERE r.run_no = $1
        "#,
        run_no.0,
        &root.0[..],
    )
    .execute(&mut *tx)
    .await?;
    lock_run(tx, run_no).await
}

/// What each province pays of the run's lines, without those held as in the run's total. Asked
/// while the run is locked and not approved yet.
pub(crate) async fn local_by_province(
    tx: &mut PgConnection,
    run_no: RunNo,
) -> Result<Vec<(Province, Money)>, Error> {
    let rows = sqlx::query!(
        r#"
        SELECT l.province, sum(l.local) AS "local!: Money" FROM payments.lines l
        WHERE l.run_no = $1 AND l.local > 0
            -- Spares reading the lines of a run that no province adds to.
            AND EXISTS (SELECT FROM payments.run_parts WHERE run_no = $1 AND local_total > 0)
            AND NOT EXISTS (
                SELECT FROM payments.exceptions x
                WHERE (x.run_no, x.part, x.chunk, x.line, x.kind)
                    = (l.run_no, l.part, l.chunk, l.line, 'held')
                    AND x.resolved_at IS NULL)
        GROUP BY l.province ORDER BY l.province
        "#,
        run_no.0,
    )
    .fetch_all(tx)
    .await?;
    Ok(rows
        .into_iter()
        .map(|it| (province_of(it.province), it.local))
        .collect())
}

/// The run's lines have changed. Where it awaits approval, it is another one now: approvals given
/// so far are void. Where it is prepared still, it is summed up at the end.
pub(crate) async fn restate_run(
    tx: &mut PgConnection,
    run_no: RunNo,
    now: DateTime<Utc>,
) -> Result<Run, Error> {
    let run = lock_run(tx, run_no).await?;
    if !matches!(run.state, State::AwaitingApproval | State::SentBack) {
        return Ok(run);
    }
    void_approvals(tx, run_no, now).await?;
    sum_up_run(tx, run_no).await
}

pub(crate) async fn close_run(
    tx: &mut PgConnection,
    run_no: RunNo,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    sqlx::query!(
        "UPDATE payments.runs SET state = 'closed', closed_at = $2 WHERE run_no = $1",
        run_no.0,
        now,
    )
    .execute(tx)
    .await?;
    Ok(())
}

pub(crate) async fn acts_of(
    tx: &mut PgConnection,
    run_no: RunNo,
    officer: &Officer,
) -> Result<Vec<String>, Error> {
    Ok(sqlx::query_scalar!(
        r#"
        SELECT act FROM payments.acts
        WHERE run_no = $1 AND officer = $2 AND voided_at IS NULL ORDER BY act_no
        "#,
        run_no.0,
        officer.as_str(),
    )
    .fetch_all(tx)
    .await?)
}

/// Who sent the run back last.
pub(crate) async fn sent_back_by(
    tx: &mut PgConnection,
    run_no: RunNo,
) -> Result<Option<Officer>, Error> {
    Ok(sqlx::query_scalar!(
        r#"
        SELECT officer AS "officer: Officer" FROM payments.acts
        WHERE run_no = $1 AND act = 'send_back' ORDER BY act_no DESC LIMIT 1
        "#,
        run_no.0,
    )
    .fetch_optional(tx)
    .await?)
}

pub(crate) async fn insert_act(
    tx: &mut PgConnection,
    act: &Act,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    sqlx::query!(
        r#"
        INSERT INTO payments.acts (run_no, officer, act, root, lines, total, reason, acted_at,
            key_no, statement, signature, principal, delegation_no)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
        "#,
        act.run_no.0,
        act.officer.as_str(),
        act.act,
        act.root.map(|it| it.0.to_vec()),
        act.lines,
        act.total as Money,
        act.reason,
        now,
        act.signed.as_ref().map(|it| it.key_no),
        act.signed.as_ref().map(|it| &it.statement),
        act.signed.as_ref().map(|it| &it.signature[..]),
        act.lent.as_ref().map(|it| it.principal.as_str()),
        act.lent.as_ref().map(|it| it.delegation_no),
    )
    .execute(tx)
    .await?;
    Ok(())
}

pub(crate) async fn count_approvals(tx: &mut PgConnection, run_no: RunNo) -> Result<i64, Error> {
    Ok(sqlx::query_scalar!(
        r#"
        SELECT count(*) AS "count!" FROM payments.acts
        WHERE run_no = $1 AND act = 'approve' AND voided_at IS NULL
        "#,
        run_no.0,
    )
    .fetch_one(tx)
    .await?)
}

pub(crate) async fn void_approvals(
    tx: &mut PgConnection,
    run_no: RunNo,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    sqlx::query!(
        r#"
        UPDATE payments.acts SET voided_at = $2
        WHERE run_no = $1 AND act IN ('approve', 'lend') AND voided_at IS NULL
        "#,
        run_no.0,
        now,
    )
    .execute(tx)
    .await?;
    Ok(())
}

pub(crate) async fn run_ends(tx: &mut PgConnection, run_no: RunNo) -> Result<Ends, Error> {
    Ok(sqlx::query_as!(
        Ends,
        r#"
        SELECT coalesce(sum(released_lines), 0)::bigint AS "released_lines!",
            coalesce(sum(released_total), 0) AS "released!: Money",
            coalesce(sum(credited_lines), 0)::bigint AS "credited_lines!",
            coalesce(sum(credited_total), 0) AS "credited!: Money",
            coalesce(sum(returned_lines), 0)::bigint AS "returned_lines!",
            coalesce(sum(returned_total), 0) AS "returned!: Money",
            coalesce(sum(unknown_lines), 0)::bigint AS "unknown_lines!",
            coalesce(sum(unknown_total), 0) AS "unknown!: Money",
            coalesce(sum(matched_lines), 0)::bigint AS "matched_lines!",
            coalesce(sum(matched_total), 0) AS "matched!: Money",
            coalesce(sum(missing_lines), 0)::bigint AS "missing_lines!",
            coalesce(sum(missing_total), 0) AS "missing!: Money",
            (SELECT coalesce(sum(held_total), 0) FROM payments.run_parts WHERE run_no = $1)
                AS "held!: Money"
        FROM payments.tallies WHERE run_no = $1
        "#,
        run_no.0,
    )
    .fetch_one(tx)
    .await?)
}

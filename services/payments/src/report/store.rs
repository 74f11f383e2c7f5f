//! SQL of the reports.

mod acts;
mod cash;
mod lineage;
mod overpayments;
mod preview;
mod progress;
mod proposals;
mod schedule;
mod unfunded;
mod unknown;

pub use acts::{acts, unsound_signatures};
pub use cash::cash_list;
pub use lineage::lineage;
pub use overpayments::{overpayment, overpayments};
pub use preview::preview;
pub use proposals::{lent_by, proposals, unsound_decisions};
pub use schedule::{alarms, schedule, schedule_next, schedule_orders, schedule_steps};
pub use unfunded::run_list;
pub use unknown::unknown;

use chrono::{DateTime, NaiveDate, Utc};
use domain::{Channel, ChunkNo, LineNo, Money, Officer, Part, Period, Position, RunNo};
use sqlx::{PgConnection, PgPool};

use super::{ExceptionRow, HeldRow, InstitutionRow, LineRow, Progress, RunSummary};
use crate::Error;
use crate::funding::Shortage;
use crate::run::State;
use crate::store::Ends;

/// `None` where there is no such run.
pub async fn run_summary(pool: &PgPool, run_no: RunNo) -> Result<Option<RunSummary>, Error> {
    // All on the connection in hand: many who each hold one and want a second would wait for ever.
    let mut connection = pool.acquire().await?;
    let row = sqlx::query_as!(
        RunColumns,
        r#"
        SELECT r.programme, r.period AS "period: Period", r.series, r.business_date,
            r.state AS "state: State", r.maker AS "maker: Officer", r.root,
            greatest(r.approvals_required, (SELECT max(approvals) FROM payments.levels_in_force
                WHERE from_total <= r.total)) AS "approvals_required!",
            r.lines, r.total AS "total: Money", r.opened_at, r.closed_at,
            (SELECT count(*) FROM payments.acts WHERE run_no = $1 AND act = 'approve'
                AND voided_at IS NULL) AS "approvals!",
            (SELECT count(*) FROM payments.breaks WHERE run_no = $1) AS "breaks!",
            (SELECT count(*) FROM payments.exceptions WHERE run_no = $1 AND resolved_at IS NULL)
                AS "open_exceptions!",
            (SELECT count(*) FROM payments.result_refusals
                WHERE starts_with(end_to_end_id, $2)) AS "refused_results!",
            b.lines AS "came_back_lines!", b.total AS "came_back_total!: Money",
            o.cases AS "overpayments!", o.total AS "overpayments_total!: Money",
            p.arrived AS "arrived!", p.not_owed AS "not_owed!", p.held_lines AS "held_lines!",
            p.held_total AS "held_total!: Money", p.arrears_lines AS "arrears_lines!",
            p.arrears_total AS "arrears_total!: Money", p.local_total AS "local_total!: Money",
            p.reserved AS "reserved!", p.chunks AS "chunks!",
            c.cash_lines AS "cash_lines!", c.cash_total AS "cash_total!: Money"
        FROM payments.runs r
        CROSS JOIN LATERAL (
            SELECT sum(lines + held_lines)::bigint AS arrived, sum(not_owed)::bigint AS not_owed,
                sum(held_lines)::bigint AS held_lines, sum(held_total) AS held_total,
                sum(arrears_lines)::bigint AS arrears_lines, sum(arrears_total) AS arrears_total,
                sum(local_total) AS local_total,
                sum(reserved)::bigint AS reserved, sum(chunks)::bigint AS chunks
            FROM payments.run_parts WHERE run_no = r.run_no
        ) p
        CROSS JOIN LATERAL (
            SELECT coalesce(sum(lines), 0)::bigint AS cash_lines,
                coalesce(sum(total), 0) AS cash_total
            FROM payments.chunks WHERE run_no = r.run_no AND channel = 'cash'
        ) c
        CROSS JOIN LATERAL (
            SELECT count(*) AS lines, coalesce(sum(amount), 0) AS total
            FROM payments.returns WHERE run_no = r.run_no
        ) b
        CROSS JOIN LATERAL (
            SELECT count(*) AS cases, coalesce(sum(amount), 0) AS total
            FROM payments.overpayments WHERE run_no = r.run_no AND state = 'open'
        ) o
        WHERE r.run_no = $1
        "#,
        run_no.0,
        format!("{run_no}-"),
    )
    .fetch_optional(&mut *connection)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let ends = crate::store::run_ends(&mut connection, run_no).await?;
    let held = held_by_reason(&mut connection, run_no).await?;
    let unfunded = unfunded::unfunded(&mut connection, run_no).await?;
    let programme = crate::store::programme_of(row.programme);
    let progress = progress::progress(&mut connection, run_no, programme).await?;
    Ok(Some(summary_of(
        run_no,
        row,
        &ends,
        (held, unfunded, progress),
    )))
}

async fn held_by_reason(
    connection: &mut PgConnection,
    run_no: RunNo,
) -> Result<Vec<HeldRow>, Error> {
    Ok(sqlx::query_as!(
        HeldRow,
        r#"
        SELECT detail AS reason, count(*) AS "lines!", sum(amount) AS "total!: Money"
        FROM payments.exceptions
        WHERE run_no = $1 AND kind IN ('held', 'obligation_exists') AND resolved_at IS NULL
        GROUP BY detail ORDER BY count(*) DESC, detail LIMIT 20
        "#,
        run_no.0,
    )
    .fetch_all(connection)
    .await?)
}

/// A run's own row and the sums of its partitions and chunks.
struct RunColumns {
    programme: i16,
    period: Period,
    series: i16,
    business_date: NaiveDate,
    state: State,
    maker: Officer,
    approvals_required: i16,
    root: Option<Vec<u8>>,
    lines: i64,
    total: Money,
    opened_at: DateTime<Utc>,
    closed_at: Option<DateTime<Utc>>,
    approvals: i64,
    breaks: i64,
    open_exceptions: i64,
    refused_results: i64,
    arrived: i64,
    not_owed: i64,
    held_lines: i64,
    held_total: Money,
    arrears_lines: i64,
    arrears_total: Money,
    local_total: Money,
    came_back_lines: i64,
    came_back_total: Money,
    overpayments: i64,
    overpayments_total: Money,
    reserved: i64,
    chunks: i64,
    cash_lines: i64,
    cash_total: Money,
}

fn summary_of(
    run_no: RunNo,
    row: RunColumns,
    ends: &Ends,
    (held, unfunded, progress): (Vec<HeldRow>, Vec<Shortage>, Progress),
) -> RunSummary {
    let answered = ends.credited_lines + ends.returned_lines + ends.unknown_lines;
    RunSummary {
        run_no,
        programme: domain::Programme::from_number(row.programme)
            .expect("only programmes are stored"),
        period: row.period,
        series: row.series,
        business_date: row.business_date,
        state: row.state.to_string(),
        allowed_actions: row
            .state
            .allowed_actions()
            .iter()
            .map(|it| it.as_str())
            .collect(),
        maker: row.maker,
        approvals: row.approvals,
        approvals_required: row.approvals_required,
        root: row.root.map(hex::encode),
        people: row.arrived + row.not_owed,
        not_owed: row.not_owed,
        lines: row.lines,
        total: row.total,
        held_lines: row.held_lines,
        held_total: row.held_total,
        held_by_reason: held,
        arrears_lines: row.arrears_lines,
        arrears_total: row.arrears_total,
        local_total: row.local_total,
        came_back_lines: row.came_back_lines,
        came_back_total: row.came_back_total,
        overpayments: row.overpayments,
        overpayments_total: row.overpayments_total,
        unfunded,
        progress,
        cash_lines: row.cash_lines,
        cash_total: row.cash_total,
        reserved_chunks: row.reserved,
        chunks: row.chunks,
        released_lines: ends.released_lines,
        released_total: ends.released,
        credited_lines: ends.credited_lines,
        credited_total: ends.credited,
        returned_lines: ends.returned_lines,
        returned_total: ends.returned,
        unknown_lines: ends.unknown_lines,
        unknown_total: ends.unknown,
        waiting_lines: ends.released_lines - answered,
        matched_lines: ends.matched_lines,
        matched_total: ends.matched,
        missing_lines: ends.missing_lines,
        breaks: row.breaks,
        open_exceptions: row.open_exceptions,
        refused_results: row.refused_results,
        opened_at: row.opened_at,
        closed_at: row.closed_at,
    }
}

/// All runs, the latest first, at most `limit`.
pub async fn runs(pool: &PgPool, limit: i64) -> Result<Vec<RunNo>, Error> {
    Ok(sqlx::query_scalar!(
        r#"SELECT run_no AS "run_no: RunNo" FROM payments.runs ORDER BY run_no DESC LIMIT $1"#,
        limit,
    )
    .fetch_all(pool)
    .await?)
}

pub async fn institutions(pool: &PgPool, run_no: RunNo) -> Result<Vec<InstitutionRow>, Error> {
    let rows = sqlx::query!(
        r#"
        SELECT institution, sum(released_lines)::bigint AS "released_lines!",
            sum(released_total) AS "released_total!: Money",
            sum(credited_lines)::bigint AS "credited_lines!",
            sum(returned_lines)::bigint AS "returned_lines!",
            sum(unknown_lines)::bigint AS "unknown_lines!",
            sum(matched_lines)::bigint AS "matched_lines!"
        FROM payments.tallies WHERE run_no = $1 GROUP BY institution ORDER BY institution
        "#,
        run_no.0,
    )
    .fetch_all(pool)
    .await?;
    let institution =
        |it| domain::Institution::from_number(it).expect("only institutions are stored");
    let row = rows.into_iter().map(|it| InstitutionRow {
        institution: institution(it.institution),
        released_lines: it.released_lines,
        released_total: it.released_total,
        credited_lines: it.credited_lines,
        returned_lines: it.returned_lines,
        unknown_lines: it.unknown_lines,
        matched_lines: it.matched_lines,
    });
    Ok(row.collect())
}

/// Lines after a position in the order of partition, chunk and line; all states or one of them.
#[expect(clippy::too_many_lines, reason = "one statement and what it gives")]
pub async fn lines(
    pool: &PgPool,
    run_no: RunNo,
    after: Option<Position>,
    state: Option<&str>,
    limit: i64,
) -> Result<Vec<LineRow>, Error> {
    let (part, chunk, line) =
        after.map_or((-1, 0, 0), |it| (it.part.number(), it.chunk.0, it.line.0));
    let rows = sqlx::query!(
        r#"
        SELECT part AS "part!: Part", chunk AS "chunk!: ChunkNo", line AS "line!: LineNo",
            person_no AS "person_no!", payee_no, amount AS "amount!: Money",
            deducted AS "deducted!: Money", institution AS "institution!",
            channel AS "channel!: Channel", state AS "state!", reason AS "reason?",
            rate_no AS "rate_no!", arrears_of AS "arrears_of: Period"
        FROM (
            SELECT l.part, l.chunk, l.line, l.person_no, l.payee_no, l.amount, l.deducted, c.institution,
                c.channel, a.reason, l.rate_no, nullif(l.period, r.period) AS arrears_of,
                CASE WHEN b.line IS NOT NULL THEN 'came_back'
                    WHEN a.status = 'credited' THEN 'credited'
                    WHEN a.status = 'rejected' THEN 'returned'
                    WHEN x.kind IS NOT NULL THEN x.kind
                    WHEN c.released_at IS NOT NULL AND NOT EXISTS (
                        SELECT FROM payments.later_lines n
                        WHERE (n.run_no, n.part, n.chunk, n.line)
                            = (l.run_no, l.part, l.chunk, l.line) AND n.message >= c.messages)
                        THEN 'in_transit'
                    ELSE 'planned' END AS state
            FROM payments.lines l
            JOIN payments.runs r USING (run_no)
            JOIN payments.chunks c USING (run_no, part, chunk)
            LEFT JOIN payments.results a USING (run_no, part, chunk, line)
            LEFT JOIN payments.returns b USING (run_no, part, chunk, line)
            LEFT JOIN LATERAL (
                -- A line may be held for more than one reason.
                SELECT x.kind FROM payments.exceptions x
                WHERE (x.run_no, x.part, x.chunk, x.line) = (l.run_no, l.part, l.chunk, l.line)
                    AND x.kind IN ('held', 'unknown', 'stopped') AND x.resolved_at IS NULL
                ORDER BY x.kind LIMIT 1
            ) x ON true
            WHERE l.run_no = $1 AND (l.part, l.chunk, l.line) > ($2, $3, $4)
        ) s
        WHERE $5::text IS NULL OR state = $5
        ORDER BY part, chunk, line LIMIT $6
        "#,
        run_no.0,
        part,
        chunk,
        line,
        state,
        limit,
    )
    .fetch_all(pool)
    .await?;
    let institution =
        |it| domain::Institution::from_number(it).expect("only institutions are stored");
    let row = rows.into_iter().map(|it| LineRow {
        end_to_end_id: Position {
            run: run_no,
            part: it.part,
            chunk: it.chunk,
            line: it.line,
        },
        person_no: it.person_no,
        payee_no: it.payee_no,
        amount: it.amount,
        deducted: it.deducted,
        institution: institution(it.institution),
        channel: it.channel,
        state: it.state,
        reason: it.reason,
        rate_no: it.rate_no,
        arrears_of: it.arrears_of,
    });
    Ok(row.collect())
}

pub async fn exceptions(
    pool: &PgPool,
    run_no: RunNo,
    limit: i64,
) -> Result<Vec<ExceptionRow>, Error> {
    let rows = sqlx::query!(
        r#"
        SELECT exception_no, part AS "part: Part", chunk AS "chunk: ChunkNo", line AS "line: LineNo",
            person_no, kind, amount AS "amount: Money", period AS "period: Period", detail,
            hold_until, opened_at, resolved_at
        FROM payments.exceptions WHERE run_no = $1 ORDER BY exception_no LIMIT $2
        "#,
        run_no.0,
        limit,
    )
    .fetch_all(pool)
    .await?;
    let row = rows.into_iter().map(|it| ExceptionRow {
        exception_no: it.exception_no,
        end_to_end_id: it.chunk.zip(it.line).map(|(chunk, line)| Position {
            run: run_no,
            part: it.part,
            chunk,
            line,
        }),
        person_no: it.person_no,
        kind: it.kind,
        amount: it.amount,
        period: it.period,
        detail: it.detail,
        hold_until: it.hold_until,
        opened_at: it.opened_at,
        resolved_at: it.resolved_at,
    });
    Ok(row.collect())
}

//! SQL of budgets: what was appropriated and where it is.

use chrono::{DateTime, Utc};
use domain::{BudgetYear, Money, Period, Programme, Province, RunNo};
use sqlx::{PgConnection, PgPool};

use crate::Error;
use crate::funding::{Fund, Shortage};
use crate::report::{BudgetRow, RunRow};
use crate::run::State;

/// Where the money of each programme, level and year is; `None` asks for all.
///
/// What a run has taken is found by its transfers: the year is the run's, and a line that a
/// province adds to is that province's as far as it adds.
pub async fn budget(
    pool: &PgPool,
    programme: Option<Programme>,
    year: Option<BudgetYear>,
) -> Result<Vec<BudgetRow>, Error> {
    let rows = sqlx::query!(
        r#"
        WITH funds AS (
            SELECT a.programme, coalesce(a.province, 0::smallint) AS level, a.budget_year AS year,
                sum(b.credits - b.debits) FILTER (WHERE a.kind = 'programme fund') AS left,
                sum(b.credits - b.debits) FILTER (WHERE a.kind = 'commitment') AS committed
            FROM ledger.balances b JOIN ledger.accounts a USING (account_no)
            WHERE a.budget_year IS NOT NULL GROUP BY 1, 2, 3
        ), appropriated AS (
            SELECT programme, coalesce(province, 0::smallint) AS level, budget_year AS year,
                sum(amount) AS appropriated
            FROM payments.appropriations GROUP BY 1, 2, 3
        ), moved AS (
            SELECT t.run_no, t.part, t.chunk, t.chunk_line AS line,
                CASE WHEN side.account_no / 10000000000 BETWEEN 40 AND 49 THEN 'payable'
                    WHEN side.account_no / 10000000000 BETWEEN 50 AND 59 THEN 'in_flight'
                    ELSE 'paid' END AS whereabouts,
                sum(side.amount) AS amount
            FROM ledger.transfers t
            CROSS JOIN LATERAL (VALUES (t.credit, t.amount), (t.debit, -t.amount))
                AS side (account_no, amount)
            WHERE t.chunk > 0 AND side.account_no / 10000000000 BETWEEN 40 AND 69
            GROUP BY 1, 2, 3, 4, 5 HAVING sum(side.amount) <> 0
        ), shared AS (
            SELECT r.programme, r.budget_year AS year, m.whereabouts, share.level, share.amount
            FROM moved m JOIN payments.runs r USING (run_no)
            JOIN payments.lines l USING (run_no, part, chunk, line)
            CROSS JOIN LATERAL (VALUES
                (l.province, least(l.local, m.amount)),
                (0::smallint, m.amount - least(l.local, m.amount))
            ) AS share (level, amount)
            WHERE share.amount <> 0
        ), taken AS (
            SELECT programme, level, year,
                sum(amount) FILTER (WHERE whereabouts = 'payable') AS payable,
                sum(amount) FILTER (WHERE whereabouts = 'in_flight') AS in_flight,
                sum(amount) FILTER (WHERE whereabouts = 'paid') AS paid
            FROM shared GROUP BY 1, 2, 3
        )
        SELECT programme AS "programme!", level AS "level!", year AS "year!: BudgetYear",
            coalesce(a.appropriated, 0) AS "appropriated!: Money",
            coalesce(t.paid, 0) AS "paid!: Money",
            coalesce(t.in_flight, 0) AS "in_flight!: Money",
            coalesce(t.payable, 0) AS "payable!: Money",
            coalesce(f.committed, 0) AS "committed!: Money",
            coalesce(f.left, 0) AS "left!: Money"
        FROM funds f FULL JOIN appropriated a USING (programme, level, year)
        FULL JOIN taken t USING (programme, level, year)
        WHERE ($1::smallint IS NULL OR programme = $1) AND ($2::smallint IS NULL OR year = $2)
        ORDER BY year, programme, level
        "#,
        programme.map(Programme::number),
        year.map(BudgetYear::number),
    )
    .fetch_all(pool)
    .await?;
    let row = rows.into_iter().map(|it| BudgetRow {
        fund: fund(it.programme, it.level, it.year),
        appropriated: it.appropriated,
        paid: it.paid,
        in_flight: it.in_flight,
        payable: it.payable,
        committed: it.committed,
        left: it.left,
    });
    Ok(row.collect())
}

/// The latest runs, of all states or one, with how long an unfunded one has waited for money.
pub async fn run_list(
    pool: &PgPool,
    state: Option<State>,
    now: DateTime<Utc>,
    limit: i64,
) -> Result<Vec<RunRow>, Error> {
    let rows = sqlx::query!(
        r#"
        SELECT r.run_no AS "run_no: RunNo", r.programme, r.period AS "period: Period",
            r.business_date, r.state AS "state: State", r.lines, r.total AS "total: Money",
            coalesce(n.unfunded, 0) AS "unfunded!: Money",
            (SELECT max(a.acted_at) FROM payments.acts a WHERE a.run_no = r.run_no
                AND a.act = 'approve' AND a.voided_at IS NULL) AS approved_at
        FROM payments.runs r
        LEFT JOIN LATERAL (
            SELECT sum(n.amount) - coalesce((SELECT sum(s.amount) FROM payments.funding_sums s
                WHERE s.run_no = r.run_no), 0) AS unfunded
            FROM payments.needs n WHERE n.run_no = r.run_no
        ) n ON true
        WHERE $1::text IS NULL OR r.state = $1
        ORDER BY r.run_no DESC LIMIT $2
        "#,
        state.map(State::as_str),
        limit,
    )
    .fetch_all(pool)
    .await?;
    let row = rows.into_iter().map(|it| RunRow {
        run_no: it.run_no,
        programme: crate::store::programme_of(it.programme),
        period: it.period,
        business_date: it.business_date,
        state: it.state.to_string(),
        lines: it.lines,
        total: it.total,
        unfunded: it.unfunded,
        unfunded_days: it
            .approved_at
            .filter(|_| it.state == State::Unfunded)
            .map(|since| (now - since).num_days()),
    });
    Ok(row.collect())
}

/// What an unfunded run needs of each fund, what is left there, and what is missing.
pub(super) async fn unfunded(
    connection: &mut PgConnection,
    run_no: RunNo,
) -> Result<Vec<Shortage>, Error> {
    let rows = sqlx::query!(
        r#"
        SELECT r.programme, n.province AS level, r.budget_year AS "year: BudgetYear",
            n.amount - coalesce(f.amount, 0) AS "needed!: Money",
            coalesce(l.left, 0) AS "left!: Money",
            greatest(n.amount - coalesce(f.amount, 0) - coalesce(l.left, 0), 0)
                AS "missing!: Money"
        FROM payments.runs r JOIN payments.needs n USING (run_no)
        LEFT JOIN LATERAL (
            SELECT sum(s.amount) AS amount FROM payments.funding_sums s
            WHERE (s.run_no, s.province) = (n.run_no, n.province)
        ) f ON true
        LEFT JOIN LATERAL (
            SELECT sum(b.credits - b.debits) AS left
            FROM ledger.accounts a JOIN ledger.balances b USING (account_no)
            WHERE a.kind = 'programme fund' AND a.programme = r.programme
                AND a.budget_year = r.budget_year AND coalesce(a.province, 0) = n.province
        ) l ON true
        WHERE r.run_no = $1 AND n.amount > coalesce(f.amount, 0)
        ORDER BY n.province
        "#,
        run_no.0,
    )
    .fetch_all(connection)
    .await?;
    let short = rows.into_iter().map(|it| Shortage {
        fund: fund(it.programme, it.level, it.year),
        needed: it.needed,
        left: it.left,
        missing: it.missing,
    });
    Ok(short.collect())
}

fn fund(programme: i16, level: i16, year: BudgetYear) -> Fund {
    Fund {
        programme: crate::store::programme_of(programme),
        province: Province::from_number(level),
        year,
    }
}

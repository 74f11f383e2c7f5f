//! SQL of budgets: reads the books and payments, and writes nothing.

use domain::{BudgetYear, Money, Programme, Province};
use payments::Fund;
use sqlx::PgPool;

use super::BudgetRow;

/// Where the money of each programme, level and year is; `None` asks for all.
///
/// What a run has taken is found by its transfers: the year is the run's, and a line that a
/// province adds to is that province's as far as it adds.
#[expect(
    clippy::too_many_lines,
    reason = "one statement, a part of it for each place of money"
)]
pub async fn budget(
    pool: &PgPool,
    programme: Option<Programme>,
    year: Option<BudgetYear>,
) -> anyhow::Result<Vec<BudgetRow>> {
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
        ), closed AS (
            SELECT programme, province AS level, year, sum(carried_in) AS carried_in,
                sum(carried_out) AS carried_out, sum(given_back) AS given_back
            FROM payments.year_closings y
            CROSS JOIN LATERAL (VALUES
                (y.budget_year, 0::numeric,
                    CASE y.how WHEN 'carried_over' THEN y.amount ELSE 0 END,
                    CASE y.how WHEN 'given_back' THEN y.amount ELSE 0 END),
                ((y.budget_year + 1)::smallint,
                    CASE y.how WHEN 'carried_over' THEN y.amount ELSE 0 END, 0, 0)
            ) AS c (year, carried_in, carried_out, given_back)
            WHERE y.amount IS NOT NULL GROUP BY 1, 2, 3
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
            UNION ALL
            -- Given back outside of any run, from the year in which it was.
            SELECT r.programme, extract(year FROM g.paid_on)::smallint, 'paid', 0::smallint, g.amount
            FROM payments.givings_back g JOIN payments.exceptions USING (exception_no)
            JOIN payments.runs r USING (run_no)
        ), taken AS (
            SELECT programme, level, year,
                sum(amount) FILTER (WHERE whereabouts = 'payable') AS payable,
                sum(amount) FILTER (WHERE whereabouts = 'in_flight') AS in_flight,
                sum(amount) FILTER (WHERE whereabouts = 'paid') AS paid
            FROM shared GROUP BY 1, 2, 3
        )
        SELECT programme AS "programme!", level AS "level!", year AS "year!: BudgetYear",
            coalesce(a.appropriated, 0) AS "appropriated!: Money",
            coalesce(c.carried_in, 0) AS "carried_in!: Money",
            coalesce(c.carried_out, 0) AS "carried_out!: Money",
            coalesce(c.given_back, 0) AS "given_back!: Money",
            coalesce(t.paid, 0) AS "paid!: Money",
            coalesce(t.in_flight, 0) AS "in_flight!: Money",
            coalesce(t.payable, 0) AS "payable!: Money",
            coalesce(f.committed, 0) AS "committed!: Money",
            coalesce(f.left, 0) AS "left!: Money"
        FROM funds f FULL JOIN appropriated a USING (programme, level, year)
        FULL JOIN taken t USING (programme, level, year)
        FULL JOIN closed c USING (programme, level, year)
        WHERE ($1::smallint IS NULL OR programme = $1) AND ($2::smallint IS NULL OR year = $2)
        ORDER BY year, programme, level
        "#,
        programme.map(Programme::number),
        year.map(BudgetYear::number),
    )
    .fetch_all(pool)
    .await?;
    let row = rows.into_iter().map(|it| BudgetRow {
        fund: Fund {
            programme: Programme::from_number(it.programme).expect("only programmes are stored"),
            province: Province::from_number(it.level),
            year: it.year,
        },
        appropriated: it.appropriated,
        carried_in: it.carried_in,
        carried_out: it.carried_out,
        given_back: it.given_back,
        paid: it.paid,
        in_flight: it.in_flight,
        payable: it.payable,
        committed: it.committed,
        left: it.left,
    });
    Ok(row.collect())
}

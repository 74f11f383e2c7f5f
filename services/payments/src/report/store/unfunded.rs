//! SQL of runs and the money that they wait for.

use chrono::{DateTime, Utc};
use domain::{BudgetYear, Money, Part, Period, Province, RunNo};
use ledger::AccountNo;
use sqlx::{PgConnection, PgPool};

use crate::Error;
use crate::funding::{Fund, Need, Shortage};
use crate::report::RunRow;
use crate::run::State;

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
            n.amount - coalesce(f.amount, 0) AS "needed!: Money"
        FROM payments.runs r JOIN payments.needs n USING (run_no)
        LEFT JOIN LATERAL (
            SELECT sum(s.amount) AS amount FROM payments.funding_sums s
            WHERE (s.run_no, s.province) = (n.run_no, n.province)
        ) f ON true
        WHERE r.run_no = $1 AND n.amount > coalesce(f.amount, 0)
        ORDER BY n.province
        "#,
        run_no.0,
    )
    .fetch_all(&mut *connection)
    .await?;
    let need = rows.into_iter().map(|it| Need {
        fund: Fund {
            programme: crate::store::programme_of(it.programme),
            province: Province::from_number(it.level),
            year: it.year,
        },
        amount: it.needed,
    });
    let needs: Vec<Need> = need.collect();
    let accounts: Vec<AccountNo> = needs.iter().map(|it| it.fund.account().number()).collect();
    let left = ledger::stands(connection, Part::ZERO, &accounts).await?;
    let short = needs.iter().zip(left).map(|(need, left)| Shortage {
        fund: need.fund,
        needed: need.amount,
        left,
        missing: need.amount.checked_sub(left).unwrap_or(Money::ZERO),
    });
    Ok(short.collect())
}

//! Closings of budget years.

use chrono::{DateTime, Utc};
use domain::{BudgetYear, Money, Officer, Province};
use messaging::Problem;
use sqlx::PgConnection;

use super::{programme_of, province_of};
use crate::Error;
use crate::command::CloseYear;
use crate::funding::Fund;
use crate::year_end::{Closing, Surplus};

/// `None` where the reference is taken.
pub(crate) async fn insert_closing(
    tx: &mut PgConnection,
    command: &CloseYear,
    now: DateTime<Utc>,
) -> Result<Option<i64>, Error> {
    Ok(sqlx::query_scalar!(
        r#"
        INSERT INTO payments.year_closings
            (programme, province, budget_year, how, reference, maker, ordered_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7)
        ON CONFLICT DO NOTHING RETURNING closing_no
        "#,
        command.programme.number(),
        command.province.map_or(0, Province::number),
        command.year.number(),
        command.surplus.as_str(),
        command.reference.trim(),
        command.officer.as_str(),
        now,
    )
    .fetch_optional(tx)
    .await?)
}

pub(crate) async fn lock_closing(tx: &mut PgConnection, closing_no: i64) -> Result<Closing, Error> {
    let row = sqlx::query!(
        r#"
        SELECT programme, province, budget_year AS "year: BudgetYear", how AS "how: Surplus",
            reference, maker AS "maker: Officer", checker AS "checker: Officer",
            amount AS "amount: Money"
        FROM payments.year_closings WHERE closing_no = $1 FOR UPDATE
        "#,
        closing_no,
    )
    .fetch_optional(tx)
    .await?;
    let detail = format!("there is no closing {closing_no}");
    let it = row.ok_or_else(|| Problem::new(404, "closing_unknown", detail))?;
    Ok(Closing {
        fund: Fund {
            programme: programme_of(it.programme),
            province: (it.province > 0).then(|| province_of(it.province)),
            year: it.year,
        },
        how: it.how,
        reference: it.reference,
        maker: it.maker,
        checker: it.checker,
        amount: it.amount,
    })
}

pub(crate) async fn approve_closing(
    tx: &mut PgConnection,
    closing_no: i64,
    (officer, amount): (&Officer, Money),
    now: DateTime<Utc>,
) -> Result<(), Error> {
    sqlx::query!(
        r#"
        UPDATE payments.year_closings SET checker = $2, approved_at = $3, amount = $4
        WHERE closing_no = $1
        "#,
        closing_no,
        officer.as_str(),
        now,
        amount as Money,
    )
    .execute(tx)
    .await?;
    Ok(())
}

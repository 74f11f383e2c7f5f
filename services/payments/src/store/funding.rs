//! What approved runs need of funds, and what was committed to them.

use chrono::{DateTime, Utc};
use domain::{Money, Officer, Province, RunNo};
use rust_decimal::Decimal;
use sqlx::PgConnection;

use super::province_of;
use crate::Error;
use crate::funding::{Fund, Need};
use crate::run::Run;

/// Money committed to a run.
#[derive(Debug)]
pub(crate) struct Funding<'a> {
    pub run_no: RunNo,
    pub step: i16,
    /// `None` where the last approval did it.
    pub officer: Option<&'a Officer>,
    pub rule: &'static str,
    pub provinces: Option<Vec<i16>>,
    pub lines: i64,
    pub sums: &'a [Need],
}

/// A fund's level as it is stored: 0 for the country's.
fn level(fund: Fund) -> i16 {
    fund.province.map_or(0, Province::number)
}

pub(crate) async fn insert_needs(
    tx: &mut PgConnection,
    run_no: RunNo,
    needs: &[Need],
) -> Result<(), Error> {
    let levels: Vec<i16> = needs.iter().map(|it| level(it.fund)).collect();
    let amounts: Vec<Decimal> = needs.iter().map(|it| it.amount.decimal()).collect();
    sqlx::query!(
        r#"
        INSERT INTO payments.needs (run_no, province, amount)
        SELECT $1, n.* FROM unnest($2::smallint[], $3::numeric[]) AS n
        "#,
        run_no.0,
        &levels,
        &amounts,
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// What no funding of the run has covered yet, by fund.
pub(crate) async fn open_needs(tx: &mut PgConnection, run: &Run) -> Result<Vec<Need>, Error> {
    let rows = sqlx::query!(
        r#"
        SELECT n.province, n.amount - coalesce(f.amount, 0) AS "amount!: Money"
        FROM payments.needs n
        LEFT JOIN (
            SELECT province, sum(amount) AS amount FROM payments.funding_sums
            WHERE run_no = $1 GROUP BY province
        ) f USING (province)
        WHERE n.run_no = $1 AND n.amount > coalesce(f.amount, 0)
        ORDER BY n.province
        "#,
        run.run_no.0,
    )
    .fetch_all(tx)
    .await?;
    let need = rows.into_iter().map(|it| Need {
        fund: Fund {
            programme: run.programme,
            province: (it.province > 0).then(|| province_of(it.province)),
            year: run.year,
        },
        amount: it.amount,
    });
    Ok(need.collect())
}

/// How many steps of funding the run has had, and the lines in them.
pub(crate) async fn funded(tx: &mut PgConnection, run_no: RunNo) -> Result<(i16, i64), Error> {
    let row = sqlx::query!(
        r#"
        SELECT coalesce(max(step), 0::smallint) AS "steps!",
            coalesce(sum(lines), 0)::bigint AS "lines!"
        FROM payments.fundings WHERE run_no = $1
        "#,
        run_no.0,
    )
    .fetch_one(tx)
    .await?;
    Ok((row.steps, row.lines))
}

pub(crate) async fn insert_funding(
    tx: &mut PgConnection,
    funding: &Funding<'_>,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    let total = Money::sum(funding.sums.iter().map(|it| it.amount));
    sqlx::query!(
        r#"
        INSERT INTO payments.fundings
            (run_no, step, officer, rule, provinces, lines, total, funded_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
        "#,
        funding.run_no.0,
        funding.step,
        funding.officer.map(Officer::as_str),
        funding.rule,
        funding.provinces.as_deref(),
        funding.lines,
        total as Money,
        now,
    )
    .execute(&mut *tx)
    .await?;
    let levels: Vec<i16> = funding.sums.iter().map(|it| level(it.fund)).collect();
    let amounts: Vec<Decimal> = funding.sums.iter().map(|it| it.amount.decimal()).collect();
    sqlx::query!(
        r#"
        INSERT INTO payments.funding_sums (run_no, step, province, amount)
        SELECT $1, $2, s.* FROM unnest($3::smallint[], $4::numeric[]) AS s
        "#,
        funding.run_no.0,
        funding.step,
        &levels,
        &amounts,
    )
    .execute(tx)
    .await?;
    Ok(())
}

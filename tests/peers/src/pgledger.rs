//! A function in the database that is called for each transfer; ours, in the shape of pgledger's.

use std::time::Duration;

use anyhow::ensure;
use domain::Province;
use sqlx::PgPool;

use crate::{AMOUNT, BATCH, CONNECTIONS, Plan, database, side_by_side};

pub async fn post(url: &str, plan: Plan) -> anyhow::Result<Duration> {
    let pool = database::pool(&database::fresh(url, "peer_pgledger").await?).await?;
    sqlx::raw_sql(include_str!("pgledger.sql"))
        .execute(&pool)
        .await?;
    let provinces: Vec<i16> = Province::all().map(Province::number).collect();
    let open = "INSERT INTO peer.accounts (name, may_be_negative)
        SELECT part || '/' || province, province = 0
        FROM generate_series(0, $1 - 1) AS part, unnest($2 || 0::smallint) AS province";
    sqlx::query(open)
        .bind(i32::from(CONNECTIONS))
        .bind(&provinces)
        .execute(&pool)
        .await?;
    let took = side_by_side(|part| post_part(&pool, part, plan)).await?;
    let stand =
        "SELECT count(*), -(SELECT sum(balance)::bigint FROM peer.accounts WHERE may_be_negative)
        FROM peer.transfers";
    let (count, moved): (i64, i64) = sqlx::query_as(stand).fetch_one(&pool).await?;
    let found = (count.unsigned_abs(), moved.unsigned_abs());
    ensure!(
        found == (plan.transfers().into(), plan.moved()),
        "{found:?}"
    );
    Ok(took)
}

/// A batch is one statement and one transaction.
async fn post_part(pool: &PgPool, part: i16, plan: Plan) -> anyhow::Result<()> {
    let accounts = "SELECT account_id FROM peer.accounts WHERE name LIKE $1 || '/%'
        ORDER BY may_be_negative DESC, account_id";
    let accounts: Vec<i64> = sqlx::query_scalar(accounts)
        .bind(part.to_string())
        .fetch_all(pool)
        .await?;
    let payees = accounts[1..].iter().copied().cycle();
    let payees: Vec<i64> = payees.take(BATCH as usize).collect();
    for _ in 0..plan.batches_each {
        sqlx::query("SELECT peer.move($1, payee, $3::numeric) FROM unnest($2) AS payee")
            .bind(accounts[0])
            .bind(&payees)
            .bind(i64::from(AMOUNT))
            .execute(pool)
            .await?;
    }
    Ok(())
}

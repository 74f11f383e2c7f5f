//! As payments posts: a journal of 1,000 lines a transaction, each connection a partition.

use std::path::Path;
use std::time::Duration;

use anyhow::ensure;
use chrono::Utc;
use domain::{ChunkNo, LineNo, Money, Part, PersonNo, Programme, Province, RunNo};
use ledger::{Account, Journal, JournalKind, Transfer, TransferLine};
use sqlx::PgPool;
use sqlx::migrate::Migrator;

use crate::{AMOUNT, BATCH, Plan, database, side_by_side};

const MIGRATIONS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../migrations");

pub async fn post(url: &str, plan: Plan) -> anyhow::Result<Duration> {
    let pool = database::pool(&database::fresh(url, "peer_ours").await?).await?;
    Migrator::new(Path::new(MIGRATIONS))
        .await?
        .run(&pool)
        .await?;
    let took = side_by_side(|part| post_part(&pool, part, plan)).await?;
    let stand = "SELECT count(*), sum(amount)::bigint FROM ledger.transfers";
    let (count, moved): (i64, i64) = sqlx::query_as(stand).fetch_one(&pool).await?;
    let found = (count.unsigned_abs(), moved.unsigned_abs());
    ensure!(
        found == (plan.transfers().into(), plan.moved()),
        "{found:?}"
    );
    Ok(took)
}

async fn post_part(pool: &PgPool, part: i16, plan: Plan) -> anyhow::Result<()> {
    let part = Part::try_from(part)?;
    for batch in 0..plan.batches_each {
        let journal = journal(part, i32::try_from(batch)?);
        let mut tx = pool.begin().await?;
        ledger::post(&mut tx, part, &[journal], Utc::now()).await?;
        tx.commit().await?;
    }
    Ok(())
}

fn journal(part: Part, batch: i32) -> Journal {
    let programme = Programme::SocialPension;
    let provinces: Vec<Province> = Province::all().collect();
    let lines = (1i32..).zip(provinces.iter().cycle());
    let transfers = lines.take(BATCH as usize).map(|(line, province)| Transfer {
        debit: Account::treasury_cash(),
        credit: Account::paid(programme, *province),
        amount: Money::dong(AMOUNT.into()),
        line: Some(TransferLine {
            person_no: PersonNo(i64::from(batch) * i64::from(BATCH) + i64::from(line)),
            chunk: ChunkNo(batch + 1),
            line: LineNo(line),
        }),
    });
    Journal {
        kind: JournalKind::Results,
        reference: format!("peer-{part}-{batch:06}"),
        run_no: RunNo(1),
        transfers: transfers.collect(),
    }
}

//! As payments posts: a journal of 1,000 lines a transaction, each connection a partition.

use std::ops::Range;
use std::path::Path;

use chrono::Utc;
use domain::{ChunkNo, LineNo, Money, Part, PersonNo, Programme, Province, RunNo};
use ledger::{Account, Journal, JournalKind, Transfer, TransferLine};
use sqlx::PgPool;
use sqlx::migrate::Migrator;

use crate::{AMOUNT, BATCH, database};

const MIGRATIONS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../migrations");

pub struct Books {
    pool: PgPool,
}

impl Books {
    pub async fn open(url: &str) -> anyhow::Result<Books> {
        let pool = database::pool(&database::fresh(url, "peer_ours").await?).await?;
        let migrator = Migrator::new(Path::new(MIGRATIONS)).await?;
        migrator.run(&pool).await?;
        Ok(Books { pool })
    }

    pub async fn post(&self, part: i16, batches: Range<u32>) -> anyhow::Result<()> {
        let part = Part::try_from(part)?;
        for batch in batches {
            let journal = journal(part, i32::try_from(batch)?);
            let mut tx = self.pool.begin().await?;
            ledger::post(&mut tx, part, &[journal], Utc::now()).await?;
            tx.commit().await?;
        }
        Ok(())
    }

    pub async fn moved(&self) -> anyhow::Result<u64> {
        let moved = "SELECT sum(amount)::bigint FROM ledger.transfers";
        let moved: i64 = sqlx::query_scalar(moved).fetch_one(&self.pool).await?;
        Ok(moved.unsigned_abs())
    }
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

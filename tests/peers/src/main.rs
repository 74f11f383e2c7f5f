//! The same two-sided transfers posted by our ledger, by cala-ledger, and by SQL in the shape of pgledger, on
//! one PostgreSQL, one after the other. `make bench-peers` runs it on a server that was just started.

mod cala;
mod database;
mod ours;
mod pgledger;

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};

/// Of each contender; each pays from an account of its own.
const CONNECTIONS: i16 = 2;
/// Transfers in one transaction.
const BATCH: u32 = 1_000;
/// Đồng, of every transfer.
const AMOUNT: u32 = 540_000;

/// What everybody posts.
#[derive(Debug, Clone, Copy)]
struct Plan {
    batches_each: u32,
}

impl Plan {
    fn transfers(self) -> u32 {
        self.batches_each * BATCH * u32::from(CONNECTIONS.unsigned_abs())
    }

    /// All that is moved.
    fn moved(self) -> u64 {
        u64::from(self.transfers()) * u64::from(AMOUNT)
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let url = std::env::var("DATABASE_URL").context("DATABASE_URL names the server")?;
    let wanted = std::env::args().nth(1);
    let wanted: u32 = wanted.as_deref().unwrap_or("50000").parse()?;
    let each = BATCH * u32::from(CONNECTIONS.unsigned_abs());
    let plan = Plan {
        batches_each: wanted.div_ceil(each),
    };
    ensure!(plan.batches_each > 0, "at least one transfer");
    println!(
        "{} transfers from {CONNECTIONS} accounts to the provinces', {CONNECTIONS} connections, {BATCH} a \
         transaction",
        plan.transfers(),
    );
    let ours = rate(plan, ours::post(&url, plan).await?);
    told("our ledger", ours, ours);
    told(
        "cala-ledger 0.33.3",
        rate(plan, cala::post(&url, plan).await?),
        ours,
    );
    told(
        "pgledger-shaped SQL",
        rate(plan, pgledger::post(&url, plan).await?),
        ours,
    );
    Ok(())
}

fn rate(plan: Plan, took: Duration) -> u128 {
    u128::from(plan.transfers()) * 1000 / took.as_millis().max(1)
}

fn told(name: &str, rate: u128, ours: u128) {
    let tenths = ours * 10 / rate.max(1);
    let (times, tenth) = (tenths / 10, tenths % 10);
    println!("{name:<20} {rate:>8} transfers/s · ours is {times},{tenth} times that");
}

/// How long until all connections are through.
async fn side_by_side<W>(work: impl Fn(i16) -> W) -> anyhow::Result<Duration>
where
    W: Future<Output = anyhow::Result<()>>,
{
    let begun = Instant::now();
    futures::future::try_join_all((0..CONNECTIONS).map(work)).await?;
    Ok(begun.elapsed())
}

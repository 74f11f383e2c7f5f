//! The same two-sided transfers posted by our ledger, by cala-ledger, and by SQL in the shape of pgledger, on
//! one PostgreSQL, one after the other. `make bench-peers` runs it on a server that was just started.

mod cala;
mod database;
mod ours;
mod pgledger;

use std::ops::Range;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};

/// Of each contender; each pays from an account of its own.
const CONNECTIONS: i16 = 2;
/// Transfers in one transaction.
const BATCH: u32 = 1_000;
/// Đồng, of every transfer.
const AMOUNT: u32 = 540_000;

/// They take turns, so that a machine that slows down slows all of them.
const ROUNDS: u32 = 5;

/// What everybody posts.
#[derive(Debug, Clone, Copy)]
struct Plan {
    /// Of each connection in each round.
    batches: u32,
}

impl Plan {
    fn transfers(self) -> u32 {
        self.batches * ROUNDS * BATCH * u32::from(CONNECTIONS.unsigned_abs())
    }

    /// The numbers of a round's batches.
    fn round(self, round: u32) -> Range<u32> {
        round * self.batches..(round + 1) * self.batches
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
    let each = BATCH * ROUNDS * u32::from(CONNECTIONS.unsigned_abs());
    let plan = Plan {
        batches: wanted.div_ceil(each),
    };
    ensure!(plan.batches > 0, "at least one transfer");
    println!(
        "{} transfers from {CONNECTIONS} accounts to the provinces', {CONNECTIONS} connections, {BATCH} a \
         transaction",
        plan.transfers(),
    );
    let (ours, cala, pgledger) = (
        ours::Books::open(&url).await?,
        cala::Books::open(&url).await?,
        pgledger::Books::open(&url).await?,
    );
    let mut took = [Duration::ZERO; 3];
    for round in 0..ROUNDS {
        let batches = plan.round(round);
        took[0] += side_by_side(|part| ours.post(part, batches.clone())).await?;
        took[1] += side_by_side(|part| cala.post(part, batches.clone())).await?;
        took[2] += side_by_side(|part| pgledger.post(part, batches.clone())).await?;
    }
    for found in [
        ours.moved().await?,
        cala.moved().await?,
        pgledger.moved().await?,
    ] {
        ensure!(found == plan.moved(), "{found} đồng were moved");
    }
    let rates = took.map(|it| rate(plan, it));
    let names = ["our ledger", "cala-ledger 0.33.3", "pgledger-shaped SQL"];
    for (name, rate) in names.into_iter().zip(rates) {
        told(name, rate, rates[0]);
    }
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

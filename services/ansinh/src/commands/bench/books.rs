//! The ledger's posting against a raw `COPY` of the same rows into a table of the same shape, in a database
//! of the bench's own.

use std::time::{Duration, Instant};

use anyhow::ensure;
use chrono::Utc;
use domain::{
    BudgetYear, ChunkNo, Institution, LineNo, Money, Part, PersonNo, Programme, Province,
};
use futures::future::try_join_all;
use ledger::{Account, Journal, JournalKind, Transfer, TransferLine};
use serde::Serialize;
use sqlx::PgPool;

use super::per_second;
use super::store::{self, OwnDatabase};
use crate::target::Target;

/// As many as payments has workers that post. Each posts to, or copies, a partition of its own.
const CONNECTIONS: i16 = 3;
/// The two take turns, so that a machine that slows down slows both.
const ROUNDS: i32 = 4;
/// Journals in one transaction, as payments posts them.
const AT_ONCE: i32 = 5;
const LINES: i32 = domain::CHUNK_LINES_MAX;
const STEPS: [JournalKind; 3] = [
    JournalKind::Reserve,
    JournalKind::Release,
    JournalKind::Results,
];
/// In both: what `AT_ONCE` chunks of each connection book in each round.
const TRANSFERS_MIN: u64 = 180_000;
const TRANSFERS_MAX: u64 = 1_000_000;

#[derive(Debug, Serialize)]
pub(super) struct Books {
    /// By each of the two.
    pub transfers: u64,
    pub connections: i16,
    pub posted_per_s: u64,
    /// Raw `COPY` of the same rows.
    pub copied_per_s: u64,
    pub posted_percent_of_copied: u64,
}

/// Posts two transfers a person, within bounds, and copies their rows.
pub(super) async fn books(target: &Target, people: u64) -> anyhow::Result<Books> {
    let own = OwnDatabase::create(target, "ansinh_bench_books").await?;
    let measured = measure(own.target(), people).await;
    own.drop().await?;
    measured
}

async fn measure(target: &Target, people: u64) -> anyhow::Result<Books> {
    target.migrate().await?;
    let pool = target.pool(None).await?;
    store::create_copied(&pool).await?;
    store::checkpoint(&pool).await?;
    let wanted = (people * 2).min(TRANSFERS_MAX);
    let times = i32::try_from((wanted / TRANSFERS_MIN).max(1))?;
    let transfers = TRANSFERS_MIN * u64::try_from(times)?;
    let (mut copying, mut posting) = (Duration::ZERO, Duration::ZERO);
    for round in 0..ROUNDS {
        let chunks: Vec<i32> = (0..times)
            .map(|it| (round * times + it) * AT_ONCE)
            .collect();
        copying += side_by_side(|part| copy(&pool, part, &chunks)).await?;
        posting += side_by_side(|part| post(&pool, part, &chunks)).await?;
    }
    let found = store::booked_and_copied(&pool).await?;
    ensure!(found == (transfers, transfers), "{found:?}");
    pool.close().await;
    let rate = |took: Duration| {
        per_second(
            transfers,
            u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
        )
    };
    Ok(Books {
        transfers,
        connections: CONNECTIONS,
        posted_per_s: rate(posting),
        copied_per_s: rate(copying),
        posted_percent_of_copied: rate(posting) * 100 / rate(copying).max(1),
    })
}

/// How long until all connections are through.
async fn side_by_side<W>(work: impl Fn(Part) -> W) -> anyhow::Result<Duration>
where
    W: Future<Output = anyhow::Result<()>>,
{
    let begun = Instant::now();
    let parts = (0..CONNECTIONS).map(|it| Part::try_from(it).expect("a few partitions"));
    try_join_all(parts.map(work)).await?;
    Ok(begun.elapsed())
}

async fn post(pool: &PgPool, part: Part, chunks: &[i32]) -> anyhow::Result<()> {
    for first in chunks {
        for step in STEPS {
            let journals: Vec<Journal> = (*first..first + AT_ONCE)
                .map(|chunk| journal(step, part, chunk))
                .collect();
            let mut tx = pool.begin().await?;
            ledger::post(&mut tx, part, &journals, Utc::now()).await?;
            tx.commit().await?;
        }
    }
    Ok(())
}

/// All in one statement: the most that a connection can do.
async fn copy(pool: &PgPool, part: Part, chunks: &[i32]) -> anyhow::Result<()> {
    let mut copied = store::Copied::begin(pool, part).await?;
    for first in chunks {
        for (step, kind) in (0..).zip(STEPS) {
            for at in 0..AT_ONCE {
                // Numbered as the ledger numbers them.
                let seq = first * i32::try_from(STEPS.len())? + step * AT_ONCE + at + 1;
                for transfer in transfers(kind, part, first + at) {
                    copied.add(i64::from(seq), &transfer).await?;
                }
            }
        }
    }
    copied.finish().await
}

fn journal(kind: JournalKind, part: Part, chunk: i32) -> Journal {
    Journal {
        kind,
        reference: format!("{}-{part}-{chunk:06}/{}", store::RUN, kind.as_str()),
        run_no: store::RUN,
        transfers: transfers(kind, part, chunk).collect(),
    }
}

/// A chunk goes to one bank, its people live in different provinces.
fn transfers(kind: JournalKind, part: Part, chunk: i32) -> impl Iterator<Item = Transfer> {
    let programme = Programme::SocialPension;
    let bank = Institution::connected().next().expect("a bank").institution;
    let provinces: Vec<Province> = Province::all().collect();
    let year = BudgetYear::try_from(2026).expect("a year");
    (1..=LINES).map(move |line| {
        let person_no = i64::from(chunk) * i64::from(LINES) + i64::from(line);
        let province = provinces[usize::try_from(line).unwrap_or_default() % provinces.len()];
        let (debit, credit) = match kind {
            JournalKind::Reserve => (
                Account::commitment(programme, year),
                Account::payable(programme),
            ),
            JournalKind::Release => (
                Account::payable(programme),
                Account::in_transit(programme, bank),
            ),
            _ => (
                Account::in_transit(programme, bank),
                Account::paid(programme, province),
            ),
        };
        Transfer {
            debit,
            credit,
            amount: Money::dong(store::AMOUNT),
            line: Some(TransferLine {
                person_no: PersonNo(
                    person_no * i64::from(domain::PARTS) + i64::from(part.number()),
                ),
                chunk: ChunkNo(chunk + 1),
                line: LineNo(line),
            }),
        }
    })
}

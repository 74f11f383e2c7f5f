//! Every stored determination, decided again from its frozen inputs.

use std::sync::Arc;

use chrono::NaiveDate;
use domain::{Money, Part, Period, PersonNo};
use futures::{StreamExt, TryStreamExt};
use rules::Bench;
use sha2::{Digest, Sha256};
use sqlx::PgPool;

use crate::Error;
use crate::determination::{Determination, decide, stored_inputs};
use crate::law::Laws;
use crate::store::{self, StoredDetermination};

/// Determinations read at a time.
const BATCH: i64 = 5_000;
/// Differences that are listed; the others are counted.
const LISTED_MAX: usize = 100;

/// How to go through the determinations. The result must not depend on it.
#[derive(Debug, Clone, Copy)]
pub struct Recompute {
    /// Partitions at the same time.
    pub workers: usize,
    /// Shuffles the partitions and the rows of each batch.
    pub seed: u64,
}

/// What came out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Recomputed {
    pub identical: u64,
    /// Decided before laws and inputs were kept; nothing to compare with.
    pub without_inputs: u64,
    pub different: u64,
    /// The first of those that differ.
    pub differences: Vec<Difference>,
}

/// A determination that does not follow from its inputs.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Difference {
    pub run_no: i64,
    pub part: Part,
    pub person_no: PersonNo,
    pub period: Period,
    pub determination_no: i16,
    /// What is another than stored: `amount`, `explanation`, `inputs`, …
    pub what: String,
}

/// Decides all stored determinations again and compares every byte.
pub async fn recompute(pool: &PgPool, how: Recompute) -> Result<Recomputed, Error> {
    let laws = Laws::default();
    let mut parts: Vec<Part> = Part::all().collect();
    parts.sort_by_key(|it| shuffled(how.seed, i64::from(it.number())));
    let of_part = |part| of_part(pool, laws.clone(), part, how.seed);
    let parts = futures::stream::iter(parts).map(of_part);
    let all: Vec<Recomputed> = parts
        .buffer_unordered(how.workers.max(1))
        .try_collect()
        .await?;
    let mut sum = Recomputed::default();
    for it in all {
        sum.identical += it.identical;
        sum.without_inputs += it.without_inputs;
        sum.different += it.different;
        sum.differences.extend(it.differences);
    }
    sum.differences.sort();
    sum.differences.truncate(LISTED_MAX);
    Ok(sum)
}

async fn of_part(pool: &PgPool, laws: Laws, part: Part, seed: u64) -> Result<Recomputed, Error> {
    let mut sum = Recomputed::default();
    // Before every run's; PostgreSQL has no year as early as chrono's first.
    let mut after = (0, PersonNo(-1), NaiveDate::default(), 0);
    loop {
        let mut connection = pool.acquire().await?;
        let mut rows = store::stored_determinations(&mut connection, part, after, BATCH).await?;
        let Some(last) = rows.last() else {
            return Ok(sum);
        };
        after = key(last);
        rows.sort_by_key(|it| shuffled(seed, it.person_no.0));
        let mut read = Vec::with_capacity(rows.len());
        for row in rows {
            let law = match row.law_no {
                Some(law_no) => Some(laws.numbered(&mut connection, law_no).await?),
                None => None,
            };
            read.push((row, law));
        }
        drop(connection);
        let compared = tokio::task::spawn_blocking(move || {
            let mut bench = Bench::new();
            let compare = |(row, law): (StoredDetermination, Option<crate::LawInForce>)| {
                let what = law.map(|law| different(&mut bench, &law.law, &row));
                (key(&row), what)
            };
            read.into_iter().map(compare).collect::<Vec<_>>()
        });
        let compared = compared.await.map_err(|it| Error::Inputs(it.to_string()))?;
        for ((run_no, person_no, period, determination_no), what) in compared {
            match what {
                None => sum.without_inputs += 1,
                Some(None) => sum.identical += 1,
                Some(Some(what)) => {
                    sum.different += 1;
                    if sum.differences.len() < LISTED_MAX {
                        sum.differences.push(Difference {
                            run_no,
                            part,
                            person_no,
                            period: Period::of(period),
                            determination_no,
                            what,
                        });
                    }
                }
            }
        }
    }
}

fn key(row: &StoredDetermination) -> (i64, PersonNo, NaiveDate, i16) {
    let day = row.period.first_day();
    (row.run_no, row.person_no, day, row.determination_no)
}

/// What of a stored determination does not follow from its inputs; `None` where all does.
fn different(
    bench: &mut Bench,
    law: &Arc<rules::Law>,
    row: &StoredDetermination,
) -> Option<String> {
    let frozen = match stored_inputs(law, &row.inputs) {
        Ok(frozen) => frozen,
        Err(error) => return Some(format!("inputs: {error}")),
    };
    if frozen.at.period != row.period {
        return Some("inputs: another period".to_owned());
    }
    let again = match decide(law, bench, frozen.programme, &frozen.inputs, frozen.at) {
        Ok(again) => again,
        Err(error) => return Some(error.to_string()),
    };
    let Determination {
        owed,
        local,
        reason,
        rule,
        rate_no,
        explanation,
    } = again;
    // Arrears obligate what is missing of the period; a month's determination all of it.
    let amount = if row.determination_no == 1 {
        owed
    } else {
        row.amount.min(owed)
    };
    let wrong = [
        (owed != row.owed, "owed"),
        (amount != row.amount, "amount"),
        (local != row.local, "local"),
        (reason != row.reason, "reason"),
        (Some(rule) != row.rule, "rule"),
        (Some(rate_no) != row.rate_no, "rate_no"),
        (explanation != row.explanation, "explanation"),
        (row.amount > Money::ZERO && row.reason.is_some(), "reason"),
    ];
    wrong.iter().find(|it| it.0).map(|it| it.1.to_owned())
}

/// A number that puts things in an order of its own for each seed.
fn shuffled(seed: u64, number: i64) -> [u8; 32] {
    Sha256::new()
        .chain_update(seed.to_be_bytes())
        .chain_update(number.to_be_bytes())
        .finalize()
        .into()
}

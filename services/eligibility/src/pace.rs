//! How fast the law decides, without reading and writing.

use std::time::{Duration, Instant};

use chrono::{DateTime, NaiveDate, Utc};
use domain::{Part, Period, PersonNo, Programme};
use futures::{StreamExt, TryStreamExt};
use rules::Bench;
use sqlx::PgPool;

use crate::determination::{decide, overlapping};
use crate::law::Laws;
use crate::past::at;
use crate::{Error, store};

const BATCH: i64 = 5_000;

/// What deciding everybody once has cost.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Pace {
    pub decisions: u64,
    /// Time within the decision alone, explanation included, over all workers.
    pub deciding: Duration,
    /// Formulas and cells that the rule engine ran.
    pub engine_runs: u64,
}

/// Decides a period for everybody in the registry on `workers` threads and writes nothing.
pub async fn pace(
    pool: &PgPool,
    (period, known): (Period, NaiveDate),
    now: DateTime<Utc>,
    workers: usize,
) -> Result<Pace, Error> {
    let laws = Laws::default();
    let keys = Programme::ALL
        .into_iter()
        .flat_map(|it| Part::all().map(move |part| (part, it)));
    let of_part = |key| {
        let (pool, laws) = (pool.clone(), laws.clone());
        let done = tokio::spawn(of_part(pool, laws, key, (period, known), now));
        async move { done.await.map_err(|it| Error::Inputs(it.to_string()))? }
    };
    let all: Vec<Pace> = futures::stream::iter(keys)
        .map(of_part)
        .buffer_unordered(workers.max(1))
        .try_collect()
        .await?;
    Ok(Pace {
        decisions: all.iter().map(|it| it.decisions).sum(),
        deciding: all.iter().map(|it| it.deciding).sum(),
        engine_runs: all.iter().map(|it| it.engine_runs).sum(),
    })
}

async fn of_part(
    pool: PgPool,
    laws: Laws,
    (part, programme): (Part, Programme),
    (period, known): (Period, NaiveDate),
    now: DateTime<Utc>,
) -> Result<Pace, Error> {
    let mut connection = pool.acquire().await?;
    let law = laws.in_force(&mut connection).await?.law;
    let mut programmes = overlapping(&law, programme);
    programmes.push(programme);
    let mut pace = Pace::default();
    let mut after = PersonNo(-1);
    loop {
        let key = (part, programme);
        let persons = store::next_people(&mut connection, key, after, now, BATCH).await?;
        let Some(last) = persons.last() else {
            return Ok(pace);
        };
        after = PersonNo(*last);
        let people = store::people(&mut connection, &law, part, &persons, &programmes, now).await?;
        let inputs = people.iter().filter_map(|it| it.inputs(programme, period));
        let inputs: Vec<_> = inputs.collect();
        let mut bench = Bench::new();
        let begun = Instant::now();
        for it in &inputs {
            decide(&law, &mut bench, programme, it, at(period, known))?;
        }
        pace.deciding += begun.elapsed();
        pace.decisions += u64::try_from(inputs.len()).expect("a batch is small");
        pace.engine_runs += bench.runs();
    }
}

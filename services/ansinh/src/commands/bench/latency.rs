//! How long one payment takes through the whole chain while nothing else is done.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use ::sandbox::people::{Plan, write_people};
use anyhow::{Context, bail};
use boot::{Health, Telemetry};
use chrono::Datelike;
use domain::RunNo;
use serde::Serialize;
use sqlx::PgPool;
use tokio::time::sleep;

use super::banks::Banks;
use super::store::{self, Stand};
use super::{Clock, HOME, PAYING, PROGRAMMES, evidence, import, month, pay_day, verdict};
use crate::check::check_all;
use crate::commands::payout::Payout;
use crate::output::{Failure, print, say, table};
use crate::process::start_some;
use crate::servers::Servers;
use crate::target::Target;

/// Before what is measured: connections are made, the law is read, plans are kept.
const WARM_UP: u32 = 5;
/// Between two looks at where the payment is: a stage seems longer by half of it. Looking takes its time
/// from the two cores that pay, so nobody looks before most of the shortest that a stage ever took is over.
const LOOK: Duration = Duration::from_millis(3);
/// Between two looks whether all is done of the payment before.
const LOOK_FOR_REST: Duration = Duration::from_millis(20);
const STEP_MAX: Duration = Duration::from_mins(1);
/// What one payment may take through the whole chain, in milliseconds.
const TARGET: [(u32, u64); 2] = [(50, 150), (99, 500)];

const STAGES: [&str; 6] = [
    "open the run → its root",
    "approve → reserved",
    "release → instruction out",
    "instruction out → answered",
    "whole: opened → answered",
    "ask for the statement → matched",
];
const WHOLE: usize = 4;

/// The shortest that something was waited for.
type Shortest = BTreeMap<&'static str, Duration>;

/// One payment's stages, in microseconds, as in `STAGES`.
type Sample = [u64; STAGES.len()];

#[derive(Debug, Serialize)]
struct Stage {
    name: &'static str,
    p50_us: u64,
    p90_us: u64,
    p99_us: u64,
    max_us: u64,
}

#[derive(Debug, Serialize)]
struct Measured {
    samples: usize,
    stages: Vec<Stage>,
    /// p50 and p99 of the whole are within what they may take.
    is_within: bool,
    invariants_hold: bool,
}

/// Pays one person month after month, each month by a run of its own, and nobody else.
pub(crate) async fn latency(samples: u32, seed: u64) -> Result<ExitCode, Failure> {
    let home = Path::new(HOME);
    crate::commands::demo::fresh_home(home)?;
    let servers = Servers::start(home).await?;
    let target = Target::embedded(&servers, home)?.with_settings(|it| {
        it.sandbox.delay_ms = 0;
        it.sandbox.seed = seed;
        if it.log.filter == boot::Settings::default().log.filter {
            it.log.filter = "error".to_owned();
        }
    });
    let telemetry = Telemetry::start("ansinh-bench", &target.settings)?;
    let measured = measure(&target, (samples, seed), home).await;
    telemetry.shutdown().await;
    servers.stop().await?;
    let measured = measured?;
    tell(&measured)?;
    verdict(measured.invariants_hold, "after the bench")
}

async fn measure(
    target: &Target,
    (samples, seed): (u32, u64),
    home: &Path,
) -> anyhow::Result<Measured> {
    target.migrate().await?;
    let (period, day) = month()?;
    let plan = Plan {
        programmes: PROGRAMMES.to_vec(),
        linked_permille: 1_000,
        ..Plan::new(1, seed, period)
    };
    let out = home.join("people");
    let written = tokio::task::spawn_blocking(move || write_people(&plan, &out)).await??;
    let pool = target.pool(None).await?;
    let services = start_some(&PAYING, &target.settings, &Health::default()).await?;
    let banks = Banks::start(target, &pool, home)?;
    let sealer = evidence::Sealer::start(target, &pool)?;
    let measured = async {
        import(target, &written, &mut Clock::default()).await?;
        let nats = target.nats().await?;
        let mut payout = Payout::of(pool.clone(), nats, (period, day))?;
        payout.register_keys().await?;
        let (mut all, mut shortest): (Vec<Sample>, _) = (Vec::new(), Shortest::new());
        let mut year = 0;
        for at in 0..WARM_UP + samples {
            if at > 0 {
                payout.period = payout.period.next();
            }
            payout.business_date = pay_day(payout.period);
            if payout.business_date.year() != year {
                year = payout.business_date.year();
                payout.appropriate(&PROGRAMMES).await?;
            }
            until_rest(&pool).await?;
            all.push(one_payment(&mut payout, &mut shortest).await?);
            if at % 50 == 49 {
                say(&format!("{} payments …", at + 1));
            }
        }
        sealer.stop().await?;
        let invariants_hold = check_all(&pool).await?.iter().all(crate::Invariant::holds);
        Measured::of(&all.split_off(WARM_UP.try_into()?), invariants_hold)
    };
    let measured = measured.await;
    services.stop().await;
    banks.stop().await?;
    measured
}

/// Opens, approves, releases and waits for the end, without a pause in between.
async fn one_payment(payout: &mut Payout, shortest: &mut Shortest) -> anyhow::Result<Sample> {
    payout.runs.clear();
    let begun = Instant::now();
    payout.open(&PROGRAMMES).await?;
    let run_no = *payout.runs.first().context("a run")?;
    let pool = payout.pool.clone();
    let mut until = async |what, done: fn(&Stand) -> bool| {
        until(&pool, run_no, (what, &mut *shortest), done).await
    };
    until("prepared", |it| it.state == "awaiting_approval").await?;
    let prepared = Instant::now();
    payout.approve().await?;
    until("reserved", |it| it.state == "reserved").await?;
    let reserved = Instant::now();
    payout.release().await?;
    until("released", |it| it.released > 0).await?;
    let out = Instant::now();
    until("answered", |it| it.answered == it.released).await?;
    let answered = Instant::now();
    payout.end_of_day().await?;
    until("matched", |it| it.matched == it.credited).await?;
    let microseconds =
        |from: Instant, to: Instant| u64::try_from((to - from).as_micros()).unwrap_or(u64::MAX);
    Ok([
        microseconds(begun, prepared),
        microseconds(prepared, reserved),
        microseconds(reserved, out),
        microseconds(out, answered),
        microseconds(begun, answered),
        microseconds(answered, Instant::now()),
    ])
}

/// The one payment's own partition is matched before the others are.
async fn until_rest(pool: &PgPool) -> anyhow::Result<()> {
    let begun = Instant::now();
    while begun.elapsed() < STEP_MAX {
        if store::is_at_rest(pool).await? {
            return Ok(());
        }
        sleep(LOOK_FOR_REST).await;
    }
    bail!("work is left after {} s", STEP_MAX.as_secs())
}

async fn until(
    pool: &PgPool,
    run_no: RunNo,
    (what, shortest): (&'static str, &mut Shortest),
    done: fn(&Stand) -> bool,
) -> anyhow::Result<()> {
    let begun = Instant::now();
    let mut connection = pool.acquire().await?;
    let usual = shortest.entry(what).or_default();
    sleep(*usual * 3 / 4).await;
    while begun.elapsed() < STEP_MAX {
        if done(&store::stand(&mut connection, run_no).await?) {
            if usual.is_zero() || begun.elapsed() < *usual {
                *usual = begun.elapsed();
            }
            return Ok(());
        }
        sleep(LOOK).await;
    }
    bail!("{run_no} is not {what} after {} s", STEP_MAX.as_secs())
}

impl Measured {
    fn of(samples: &[Sample], invariants_hold: bool) -> anyhow::Result<Measured> {
        let mut stages = Vec::new();
        let mut is_within = false;
        for (at, name) in STAGES.into_iter().enumerate() {
            let mut taken: Vec<u64> = samples.iter().map(|it| it[at]).collect();
            taken.sort_unstable();
            let max_us = *taken.last().context("a sample")?;
            if at == WHOLE {
                let within = |(of, at_most)| percentile(&taken, of) <= at_most * 1000;
                is_within = TARGET.into_iter().all(within);
            }
            stages.push(Stage {
                name,
                p50_us: percentile(&taken, 50),
                p90_us: percentile(&taken, 90),
                p99_us: percentile(&taken, 99),
                max_us,
            });
        }
        Ok(Measured {
            samples: samples.len(),
            stages,
            is_within,
            invariants_hold,
        })
    }
}

/// The smallest of sorted samples that is not exceeded by so many percent of them.
fn percentile(sorted: &[u64], of: u32) -> u64 {
    let rank = (sorted.len() * of as usize).div_ceil(100).max(1);
    sorted.get(rank - 1).copied().unwrap_or_default()
}

fn tell(measured: &Measured) -> Result<(), Failure> {
    let milliseconds = |it: u64| format!("{},{}", it / 1000, it % 1000 / 100);
    let rows = measured.stages.iter().map(|it| {
        let told = [it.p50_us, it.p90_us, it.p99_us, it.max_us].map(milliseconds);
        let [p50, p90, p99, max] = told;
        [it.name.to_owned(), p50, p90, p99, max]
    });
    let header = ["one payment at rest, ms", "p50", "p90", "p99", "max"];
    print(&table(&header, 1, rows).to_string());
    let [(_, half), (_, most)] = TARGET;
    print(&format!(
        "{} payments, one after the other · p50 within {half} ms and p99 within {most} ms: {}",
        measured.samples,
        if measured.is_within { "yes" } else { "no" },
    ));
    print(&serde_json::to_string(measured)?);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_a_sample() {
        let samples: Vec<u64> = (1..=200).collect();
        assert_eq!(percentile(&samples, 50), 100);
        assert_eq!(percentile(&samples, 99), 198);
        assert_eq!(percentile(&samples, 100), 200);
        assert_eq!(percentile(&[7], 50), 7);
    }
}

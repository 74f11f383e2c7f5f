//! What earlier runs in the tables cost the run of a month.

use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::Context as _;
use boot::{Health, Telemetry};
use chrono::{NaiveDate, Utc};
use domain::Period;
use serde::Serialize;
use sqlx::PgPool;

use super::banks::Banks;
use super::resources::Cpu;
use super::store::{self, analyze, checkpoint, database_bytes, history};
use super::{
    Clock, HOME, PAYING, PROGRAMMES, Phase, carry, elapsed, import, month, pay_day, per_second,
    settings, verdict, watched, write,
};
use crate::check::check_all;
use crate::commands::payout::Payout;
use crate::output::{Failure, grouped, print, say, table};
use crate::process::start_some;
use crate::servers::Servers;
use crate::target::Target;

/// How many runs, and how many lines of each.
#[derive(Debug, Clone, Copy)]
pub(crate) struct History {
    pub runs: u32,
    /// As many as the measured run has, if not said.
    pub lines: Option<u64>,
}

/// One month, opened to closed.
#[derive(Debug, Serialize)]
struct Month {
    payments: u64,
    phases: Vec<Phase>,
    chain_milliseconds: u64,
    payments_per_s: u64,
    /// Of ours, the servers' and NATS's.
    cpu_microseconds_per_payment: u64,
    cpu_milliseconds: Cpu,
}

#[derive(Debug, Serialize)]
struct Measured {
    people: u64,
    history_runs: u32,
    history_lines: u64,
    history_rows: u64,
    history_bytes: u64,
    fill_milliseconds: u64,
    without: Month,
    with: Month,
    /// Payments a second with the history for a hundred without.
    percent_of_without: u64,
    /// Before the history was made: nobody could hold that against anything.
    invariants_hold: bool,
}

/// Pays three months: one of which the history is made, one before it is there and one after.
pub(crate) async fn history(people: u64, seed: u64, history: History) -> Result<ExitCode, Failure> {
    let home = Path::new(HOME);
    crate::commands::demo::fresh_home(home)?;
    let servers = Servers::start(home).await?;
    let target = settings(Target::embedded(&servers, home)?, people, seed, false);
    let telemetry = Telemetry::start("ansinh-bench", &target.settings)?;
    let measured = measure(&target, &servers, (people, seed, history), home).await;
    telemetry.shutdown().await;
    servers.stop().await?;
    let measured = measured?;
    tell(&measured)?;
    verdict(measured.invariants_hold, "before the history")
}

async fn measure(
    target: &Target,
    servers: &Servers,
    (people, seed, history): (u64, u64, History),
    home: &Path,
) -> anyhow::Result<Measured> {
    target.migrate().await?;
    let (period, day) = month()?;
    let written = write((people, seed, period), home).await?;
    let pool = target.pool(None).await?;
    history::make_room(&pool, (history.runs, day)).await?;
    // What is made up has no evidence, so nothing has.
    store::enter_nothing(&pool).await?;
    let services = start_some(&PAYING, &target.settings, &Health::default()).await?;
    let banks = Banks::start(target, &pool, home)?;
    let measured = async {
        let mut clock = Clock::default();
        clock.watch(watched(servers, &banks));
        import(target, &written, &mut clock).await?;
        let nats = target.nats().await?;
        let mut payout = Payout::of(pool.clone(), nats, (period, day))?;
        payout.register_keys().await?;
        let since = Utc::now();
        pay(&mut payout, &mut clock, people).await?;
        let first = *payout.runs.first().context("a run")?;
        let lines = history.lines.unwrap_or(people);
        let history_lines = history::set_aside(&pool, first, (since, lines)).await?;
        settle(&pool).await?;
        next_month(&mut payout);
        let without = pay(&mut payout, &mut clock, people).await?;
        let invariants_hold = check_all(&pool).await?.iter().all(crate::Invariant::holds);
        let (before, begun) = (database_bytes(&pool).await?, Instant::now());
        let runs = history.runs;
        let told = |made: u32| {
            if made.is_multiple_of(10) {
                say(&format!("{made} of {runs} earlier runs …"));
            }
        };
        let history_rows = history::fill(&pool, first, runs, told).await?;
        let fill_milliseconds = elapsed(begun);
        let history_bytes = database_bytes(&pool).await?.saturating_sub(before);
        settle(&pool).await?;
        next_month(&mut payout);
        let with = pay(&mut payout, &mut clock, people).await?;
        anyhow::Ok(Measured {
            people,
            history_runs: runs,
            history_lines,
            history_rows,
            history_bytes,
            fill_milliseconds,
            percent_of_without: with.payments_per_s * 100 / without.payments_per_s.max(1),
            without,
            with,
            invariants_hold,
        })
    };
    let measured = measured.await;
    services.stop().await;
    banks.stop().await?;
    measured
}

/// Each month begins with tables that are analyzed and written out.
async fn settle(pool: &PgPool) -> anyhow::Result<()> {
    analyze(pool).await?;
    checkpoint(pool).await
}

fn next_month(payout: &mut Payout) {
    payout.runs.clear();
    payout.period = payout.period.next();
    payout.business_date = pay_day(payout.period);
}

/// One month from opening to closing.
async fn pay(payout: &mut Payout, clock: &mut Clock, people: u64) -> anyhow::Result<Month> {
    let Payout {
        period,
        business_date,
        ..
    } = payout;
    say(&month_line(*period, *business_date));
    payout.appropriate(&PROGRAMMES).await?;
    clock.phases.clear();
    let payments = carry(payout, clock, people).await?;
    let (chain_milliseconds, cpu) = (clock.chain(), clock.chain_cpu());
    Ok(Month {
        payments,
        phases: std::mem::take(&mut clock.phases),
        chain_milliseconds,
        payments_per_s: per_second(payments, chain_milliseconds),
        cpu_microseconds_per_payment: cpu.chain() * 1000 / payments.max(1),
        cpu_milliseconds: cpu,
    })
}

fn month_line(period: Period, day: NaiveDate) -> String {
    format!("Paying {period} on {day} …")
}

fn tell(measured: &Measured) -> Result<(), Failure> {
    let Measured { without, with, .. } = measured;
    let chain = (
        "opened to closed",
        (without.payments_per_s, with.payments_per_s),
        (
            without.cpu_microseconds_per_payment,
            with.cpu_microseconds_per_payment,
        ),
    );
    let of_line = |it: &Phase| {
        let cpu = it.cpu_milliseconds.map_or(0, Cpu::chain);
        cpu * 1000 / it.lines.max(1)
    };
    let phases = without.phases.iter().zip(&with.phases).map(|(a, b)| {
        let rates = (a.lines_per_s, b.lines_per_s);
        (a.name, rates, (of_line(a), of_line(b)))
    });
    let rows = phases.chain([chain]).map(|(name, rates, cpu)| {
        [
            name.to_owned(),
            grouped(rates.0),
            grouped(rates.1),
            grouped(cpu.0),
            grouped(cpu.1),
        ]
    });
    let header = [
        "phase",
        "lines/s without history",
        "with",
        "CPU, µs a line, without",
        "with",
    ];
    print(&table(&header, 1, rows).to_string());
    print(&format!(
        "{} earlier runs of {} lines: {} rows, {} MiB, made in {} s · with them {} payments/s for {} \
         without, {} % · the history is made up, so check was run before it was there",
        grouped(measured.history_runs),
        grouped(measured.history_lines),
        grouped(measured.history_rows),
        grouped(measured.history_bytes >> 20),
        grouped(measured.fill_milliseconds / 1000),
        grouped(with.payments_per_s),
        grouped(without.payments_per_s),
        measured.percent_of_without,
    ));
    print(&serde_json::to_string(measured)?);
    Ok(())
}

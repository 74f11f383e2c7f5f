//! A day of the banks with known mistakes in it, matched and compared with what was made.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use ::sandbox::bank_day::{BankDay, Injected, Plan};
use anyhow::ensure;
use boot::{Health, Telemetry};
use chrono::{NaiveDate, Utc};
use events::Event;
use messaging::{Leases, Relay, Wires};
use privacy::Keys;
use reconciliation::CaseFilter;
use serde::Serialize;
use sqlx::PgPool;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::store::yardstick;
use super::{Clock, HOME, Phase, peak_memory_mib, phase_table};
use crate::cli::ServiceName;
use crate::organisations::made_up_signers;
use crate::output::{Failure, grouped, print};
use crate::process::start_some;
use crate::servers::Servers;
use crate::target::Target;

const LOOK: Duration = Duration::from_millis(20);
/// How long anything may take before the bench gives up.
const WAIT_MAX: Duration = Duration::from_mins(10);
/// Messages said in one transaction.
const AT_ONCE: usize = 20;
/// One line in a hundred has a mistake.
const BREAK_EVERY: u64 = 100;

#[derive(Debug, Serialize)]
struct Measured {
    lines: u64,
    phases: Vec<Phase>,
    /// Statement entries held against payments and answers, from the last page to the last match.
    matched_per_s: u64,
    breaks_injected: usize,
    breaks_found: usize,
    /// Not found, found under another name, or found where nothing is wrong.
    breaks_wrong: usize,
    peak_memory_mib: u64,
    copy_rows_per_s: u64,
    /// Entries matched for a thousand rows of the yardstick.
    matched_per_thousand_copied: u64,
}

/// Reconciles so many lines of seven institutions.
pub(crate) async fn reconcile(lines: u64, seed: u64) -> Result<ExitCode, Failure> {
    let home = Path::new(HOME);
    crate::commands::demo::fresh_home(home)?;
    let servers = Servers::start(home).await?;
    let target = Target::embedded(&servers, home)?.with_settings(|it| {
        // All counterparts are there before the statements: nothing has to be waited for.
        it.reconciliation.grace_ms = 0;
        if it.log.filter == boot::Settings::default().log.filter {
            it.log.filter = "error".to_owned();
        }
    });
    let telemetry = Telemetry::start("ansinh-bench", &target.settings)?;
    let measured = measure(&target, lines, seed).await;
    telemetry.shutdown().await;
    servers.stop().await?;
    let measured = measured?;
    tell(&measured)?;
    if measured.breaks_wrong == 0 {
        Ok(ExitCode::SUCCESS)
    } else {
        Err(Failure::Broken(
            "bench: breaks are not those that were made".to_owned(),
        ))
    }
}

async fn measure(target: &Target, lines: u64, seed: u64) -> anyhow::Result<Measured> {
    target.migrate().await?;
    let keys: Keys = target.keys()?;
    let plan = Plan {
        seed,
        lines,
        break_every: BREAK_EVERY,
        chunk_lines: 1_000,
        date: NaiveDate::from_ymd_opt(2026, 12, 1).expect("a date"),
    };
    let day = BankDay::new(plan, &keys);
    let pool = target.pool(None).await?;
    messaging::register(&pool, &speakers(&day)).await?;
    let house = [ServiceName::Reconciliation];
    let services = start_some(&house, &target.settings, &Health::default()).await?;
    let stop = CancellationToken::new();
    let wires = wires(target, &pool, &stop).await?;
    let leases = tokio::spawn(wires.clone().keep_leases());
    let relay = tokio::spawn(Relay::new(wires, speakers(&day)).run());
    let measured = measure_day(&pool, &day, lines, plan.date).await;
    services.stop().await;
    stop.cancel();
    relay.await?;
    leases.await?;
    measured
}

async fn measure_day(
    pool: &PgPool,
    day: &BankDay<'_>,
    lines: u64,
    date: NaiveDate,
) -> anyhow::Result<Measured> {
    let mut clock = Clock::default();
    let told = (0..day.chunks()).map(|it| Event::of(&day.instructions(it), Utc::now()));
    say(pool, day, told).await?;
    clock.phase("hear instructions", lines);
    let told = (0..day.chunks()).map(|it| Event::of(&day.results(it), Utc::now()));
    say(pool, day, told).await?;
    clock.phase("hear results", lines);
    // A statement is nothing before its last page, so the last pages start the clock.
    let mut last = Vec::new();
    for bank in day.banks() {
        let mut pages = day
            .pages(*bank)
            .map(|it| Event::of(&it, Utc::now()))
            .peekable();
        let mut kept = None;
        say(
            pool,
            day,
            std::iter::from_fn(|| {
                let page = pages.next()?;
                if pages.peek().is_some() {
                    return Some(page);
                }
                kept = Some(page);
                None
            }),
        )
        .await?;
        last.extend(kept);
    }
    clock.phase("hear statements", lines);
    say(pool, day, last).await?;
    until_matched(pool, day, date).await?;
    let matched_per_s = clock.phase("match", lines);
    let memory = peak_memory_mib(std::process::id());
    let mut injected: Vec<Injected> = (0..day.chunks()).flat_map(|it| day.injected(it)).collect();
    let mut found = found(pool, date).await?;
    injected.sort_unstable();
    found.sort_unstable();
    let copy_rows_per_s = yardstick(pool).await?;
    Ok(Measured {
        lines,
        phases: std::mem::take(&mut clock.phases),
        matched_per_s,
        breaks_injected: injected.len(),
        breaks_found: found.len(),
        breaks_wrong: differences(&injected, &found),
        peak_memory_mib: memory,
        copy_rows_per_s,
        matched_per_thousand_copied: matched_per_s * 1000 / copy_rows_per_s.max(1),
    })
}

fn speakers(day: &BankDay<'_>) -> Vec<String> {
    let banks = day.banks().iter();
    let banks = banks.flat_map(|it| [events::bank_out(*it), events::bank_in_statement(*it)]);
    banks.chain([events::PAYMENTS.to_owned()]).collect()
}

async fn wires(target: &Target, pool: &PgPool, stop: &CancellationToken) -> anyhow::Result<Wires> {
    let nats = target.nats().await?;
    let settings: &Arc<boot::Settings> = &target.settings;
    Ok(Wires {
        pool: pool.clone(),
        database_url: target.database_url()?.to_owned(),
        role: None,
        jetstream: async_nats::jetstream::new(nats.clone()),
        nats,
        stop: stop.clone(),
        leases: Leases::new("bench"),
        watermark: Duration::from_millis(settings.messaging.watermark_ms),
        poll: Duration::from_millis(settings.messaging.poll_ms),
        replicas: settings.nats.replicas,
    })
}

/// Says events, a few a transaction, and waits until reconciliation has heard them.
async fn say(
    pool: &PgPool,
    day: &BankDay<'_>,
    told: impl IntoIterator<Item = Event>,
) -> anyhow::Result<()> {
    let mut told = told.into_iter();
    let signers = made_up_signers(day.keys());
    loop {
        let few: Vec<Event> = told.by_ref().take(AT_ONCE).collect();
        if few.is_empty() {
            break;
        }
        let mut tx = pool.begin().await?;
        messaging::append_signed(&mut tx, &signers, few, Utc::now()).await?;
        tx.commit().await?;
    }
    let begun = Instant::now();
    for speaker in speakers(day) {
        while !messaging::caught_up(pool, reconciliation::SERVICE, &speaker).await? {
            ensure!(begun.elapsed() < WAIT_MAX, "{speaker} is not heard");
            sleep(LOOK).await;
        }
    }
    Ok(())
}

async fn until_matched(pool: &PgPool, day: &BankDay<'_>, date: NaiveDate) -> anyhow::Result<()> {
    let begun = Instant::now();
    for bank in day.banks() {
        loop {
            let shown = reconciliation::day(pool, *bank, date).await?;
            if shown.statements.iter().any(|it| it.state == "matched") {
                break;
            }
            ensure!(
                begun.elapsed() < WAIT_MAX,
                "the day of {bank} is not matched"
            );
            sleep(LOOK).await;
        }
    }
    Ok(())
}

async fn found(pool: &PgPool, date: NaiveDate) -> anyhow::Result<Vec<Injected>> {
    let filter = CaseFilter {
        institution: None,
        kind: None,
        all: true,
        limit: i64::MAX,
    };
    let cases = reconciliation::cases(pool, filter, date).await?;
    let found = cases.into_iter().map(|it| Injected {
        kind: it.kind,
        institution: it.case.institution,
        line: it.line,
        amount: it.amount,
    });
    Ok(found.collect())
}

/// How many of two sorted lists are in one of them only.
fn differences(one: &[Injected], other: &[Injected]) -> usize {
    let (mut at, mut beside, mut different) = (0, 0, 0);
    while at < one.len() && beside < other.len() {
        match one[at].cmp(&other[beside]) {
            std::cmp::Ordering::Equal => (at, beside) = (at + 1, beside + 1),
            std::cmp::Ordering::Less => (at, different) = (at + 1, different + 1),
            std::cmp::Ordering::Greater => (beside, different) = (beside + 1, different + 1),
        }
    }
    different + one.len() - at + other.len() - beside
}

fn tell(measured: &Measured) -> Result<(), Failure> {
    print(&phase_table(&measured.phases, Vec::new()).to_string());
    print(&format!(
        "{} breaks of 14 kinds made, {} found, {} wrong · peak memory {} MiB · raw COPY {} rows/s \
         · {} entries matched for 1.000 rows copied",
        grouped(measured.breaks_injected),
        grouped(measured.breaks_found),
        grouped(measured.breaks_wrong),
        measured.peak_memory_mib,
        grouped(measured.copy_rows_per_s),
        measured.matched_per_thousand_copied,
    ));
    print(&serde_json::to_string(measured)?);
    Ok(())
}

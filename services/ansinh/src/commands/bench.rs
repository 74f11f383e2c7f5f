mod banks;
mod books;
mod clock;
mod determine;
mod evidence;
mod history;
mod latency;
mod links;
mod messages;
mod reconcile;
mod resources;
mod store;
mod yardsticks;

use std::path::Path;
use std::process::ExitCode;

use ::sandbox::people::{Plan, Written, write_people};
use anyhow::Context as _;
use boot::{Health, Telemetry};
use chrono::{NaiveDate, Utc};
use domain::calendar::WorkingDays;
use domain::{Period, Programme};
use serde::Serialize;

use super::payout::Payout;
use crate::check::check_all;
use crate::cli::ServiceName;
use crate::output::{Failure, grouped, print, say, table};
use crate::process::start_some;
use crate::servers::Servers;
use crate::target::Target;

use banks::Banks;
use clock::{Clock, Phase, elapsed, per_second, phase_table, row};
use resources::{Cpu, Watched};
use store::database_bytes;
use yardsticks::{Chain, Yardsticks, yardsticks};

pub(super) use resources::peak_memory_mib;

pub(super) use determine::determine;
pub(super) use history::{History, history};
pub(super) use latency::latency;
pub(super) use links::links;
pub(super) use reconcile::reconcile;

const HOME: &str = ".ansinh/bench";
const PROGRAMMES: [Programme; 1] = [Programme::SocialPension];
const DAY_MS: u64 = 86_400_000;
/// In this process; the banks are another.
const PAYING: [ServiceName; 4] = [
    ServiceName::Eligibility,
    ServiceName::Accounts,
    ServiceName::Payments,
    ServiceName::Reconciliation,
];

#[derive(Debug, Serialize)]
struct Measured {
    people: u64,
    payments: u64,
    phases: Vec<Phase>,
    /// From opening to closing, by who took it.
    cpu_milliseconds: Cpu,
    /// Of ours, the servers' and NATS's, from opening to closing.
    cpu_microseconds_per_payment: u64,
    wal_bytes_per_payment: u64,
    /// Said by services from opening to closing, and so through NATS.
    messages: u64,
    message_bytes_per_payment: u64,
    /// From opening the runs to their closing, the wait for silent banks left out.
    chain_milliseconds: u64,
    payments_per_s: u64,
    peak_memory_mib: PeakMemory,
    database_bytes_per_payment: u64,
    /// Whether evidence was entered and sealed meanwhile.
    is_sealed: bool,
    yardsticks: Yardsticks,
    invariants_hold: bool,
}

pub(super) async fn bench(people: u64, seed: u64, is_sealed: bool) -> Result<ExitCode, Failure> {
    let home = Path::new(HOME);
    super::demo::fresh_home(home)?;
    let servers = Servers::start(home).await?;
    let target = settings(Target::embedded(&servers, home)?, people, seed, is_sealed);
    let telemetry = Telemetry::start("ansinh-bench", &target.settings)?;
    let measured = measure(&target, &servers, (people, seed, is_sealed), home).await;
    telemetry.shutdown().await;
    servers.stop().await?;
    let measured = measured?;
    tell(&measured)?;
    verdict(measured.invariants_hold, "after the bench")
}

/// A bench is none where the books do not hold, however fast it was.
fn verdict(invariants_hold: bool, when: &str) -> Result<ExitCode, Failure> {
    if invariants_hold {
        return Ok(ExitCode::SUCCESS);
    }
    let told = format!("check: invariants are broken {when}");
    Err(Failure::Broken(told))
}

fn settings(target: Target, people: u64, seed: u64, is_sealed: bool) -> Target {
    target.with_settings(|it| {
        // Nobody is overdue while the clock runs; the silent lines are called unknown at the end.
        it.payments.result_sla_ms = 3_000 + people / 8;
        it.reconciliation.grace_ms = 60_000;
        it.sandbox.delay_ms = 200;
        if !is_sealed {
            // What was entered before nothing is any more is never sealed, and stops no money here.
            it.proof.wait_max_ms = DAY_MS;
        }
        it.sandbox.seed = seed;
        if it.log.filter == boot::Settings::default().log.filter {
            it.log.filter = "error".to_owned();
        }
    })
}

async fn measure(
    target: &Target,
    servers: &Servers,
    (people, seed, is_sealed): (u64, u64, bool),
    home: &Path,
) -> anyhow::Result<Measured> {
    target.migrate().await?;
    let (period, business_date) = month()?;
    let mut clock = Clock::default();
    let written = write((people, seed, period), home).await?;
    clock.phase("write people", written.people);
    let pool = target.pool(None).await?;
    let empty = database_bytes(&pool).await?;
    // All but who seals: that is measured here.
    let services = start_some(&PAYING, &target.settings, &Health::default()).await?;
    let banks = Banks::start(target, &pool, home)?;
    clock.watch(watched(servers, &banks));
    let sealer = if is_sealed {
        Some(evidence::Sealer::start(target, &pool)?)
    } else {
        store::enter_nothing(&pool).await?;
        None
    };
    clock.restart();
    let measured = async {
        import(target, &written, &mut clock).await?;
        let mut payout = Payout::of(pool.clone(), target.nats().await?, (period, business_date))?;
        payout.register_keys().await?;
        payout.appropriate(&PROGRAMMES).await?;
        let (wal, since) = (store::wal_bytes(&pool).await?, Utc::now());
        let payments = carry(&mut payout, &mut clock, people).await?;
        let wal = store::wal_bytes(&pool).await?.saturating_sub(wal);
        let said = store::said(&pool, since).await?;
        let used = database_bytes(&pool).await?.saturating_sub(empty);
        let memory = PeakMemory::of(servers, &banks);
        let run_no = *payout.runs.first().context("a run")?;
        if let Some(sealer) = sealer {
            evidence::evidence(target, &pool, &mut clock, sealer, (run_no, payments)).await?;
        }
        let invariants_hold = check_all(&pool).await?.iter().all(crate::Invariant::holds);
        let (chain, cpu) = (clock.chain(), clock.chain_cpu());
        let payments_per_s = per_second(payments, chain);
        // After the check: they write what is no part of the month.
        let chain_done = Chain {
            people,
            payments,
            payments_per_s,
            since,
        };
        let yardsticks = yardsticks(target, &pool, chain_done).await?;
        anyhow::Ok(Measured {
            people,
            payments,
            phases: std::mem::take(&mut clock.phases),
            chain_milliseconds: chain,
            payments_per_s,
            cpu_milliseconds: cpu,
            cpu_microseconds_per_payment: cpu.chain() * 1000 / payments.max(1),
            wal_bytes_per_payment: wal / payments.max(1),
            messages: said.messages,
            message_bytes_per_payment: said.bytes / payments.max(1),
            peak_memory_mib: memory,
            database_bytes_per_payment: used / payments.max(1),
            is_sealed,
            yardsticks,
            invariants_hold,
        })
    };
    let measured = measured.await;
    services.stop().await;
    banks.stop().await?;
    measured
}

/// That is paid, and the day on which it is.
fn month() -> anyhow::Result<(Period, NaiveDate)> {
    let day = NaiveDate::from_ymd_opt(2026, 12, 1).context("a date")?;
    Ok(("2026-12".parse()?, day))
}

/// A day early in the month on which banks work, as far as is known.
fn pay_day(period: Period) -> NaiveDate {
    let first = period.first_day();
    let days = WorkingDays::viet_nam();
    days.working_day_from(first).unwrap_or(first)
}

fn watched(servers: &Servers, banks: &Banks) -> Watched {
    Watched {
        postgres: servers.postgres_pid(),
        nats: servers.nats_pid(),
        sandbox: banks.pid(),
        of_sandbox: banks.connections(),
    }
}

/// One run of one programme: the month's largest in people.
async fn write((people, seed, period): (u64, u64, Period), home: &Path) -> anyhow::Result<Written> {
    let plan = Plan {
        programmes: PROGRAMMES.to_vec(),
        ..Plan::new(people, seed, period)
    };
    let out = home.join("people");
    Ok(tokio::task::spawn_blocking(move || write_people(&plan, &out)).await??)
}

async fn import(target: &Target, written: &Written, clock: &mut Clock) -> anyhow::Result<()> {
    let keys = target.keys()?;
    let registry = target.pool(Some("ansinh_eligibility")).await?;
    let law = eligibility::law_in_force(&registry, Utc::now()).await?.law;
    let file = &written.people_csv;
    eligibility::import_registry(&registry, &keys, &law, file, Utc::now()).await?;
    target
        .wait_until_heard(accounts::SERVICE, events::ELIGIBILITY)
        .await?;
    clock.phase("import registry", written.people);
    let links = target.pool(Some("ansinh_accounts")).await?;
    target.import_links(&links, &written.links_csv).await?;
    clock.phase("import links", written.linked);
    Ok(())
}

async fn carry(payout: &mut Payout, clock: &mut Clock, people: u64) -> anyhow::Result<u64> {
    clock.restart();
    payout.open(&PROGRAMMES).await?;
    payout.until_state("awaiting_approval").await?;
    clock.phase(Clock::CHAIN[0], people);
    let lines: i64 = payout.summaries().await?.iter().map(|it| it.lines).sum();
    let lines = lines.unsigned_abs();
    payout.approve().await?;
    payout.until_state("reserved").await?;
    clock.phase(Clock::CHAIN[1], lines);
    payout.release().await?;
    // One line of each run is never answered; a bank's silence is not our speed.
    payout.until_waiting(1).await?;
    clock.phase(Clock::CHAIN[2], lines);
    say("Waiting until the lines without an answer are overdue; the clock stands …");
    payout.until_answered().await?;
    clock.restart();
    payout.end_of_day().await?;
    payout.until_matched().await?;
    clock.phase(Clock::CHAIN[3], lines);
    payout.close().await?;
    clock.phase(Clock::CHAIN[4], lines);
    Ok(lines)
}

/// The most memory that each program has held, in MiB.
#[derive(Debug, Clone, Copy, Serialize)]
struct PeakMemory {
    ours: u64,
    nats: u64,
    sandbox: u64,
}

impl PeakMemory {
    fn of(servers: &Servers, banks: &Banks) -> PeakMemory {
        PeakMemory {
            ours: peak_memory_mib(std::process::id()),
            nats: peak_memory_mib(servers.nats_pid()),
            sandbox: peak_memory_mib(banks.pid()),
        }
    }
}

/// Microseconds of CPU for each line of a phase.
fn cpu_table(measured: &Measured) -> comfy_table::Table {
    let chain = (
        "opened to closed",
        measured.payments,
        measured.cpu_milliseconds,
    );
    let phases = measured.phases.iter();
    let phases = phases.filter_map(|it| Some((it.name, it.lines, it.cpu_milliseconds?)));
    let rows = phases.chain([chain]).map(|(name, lines, cpu)| {
        let of_line = |it: u64| {
            let tenths = it * 10_000 / lines.max(1);
            format!("{},{}", tenths / 10, tenths % 10)
        };
        [
            name.to_owned(),
            of_line(cpu.ours),
            of_line(cpu.postgres),
            of_line(cpu.nats),
            of_line(cpu.sandbox),
        ]
    });
    let header = ["CPU, µs a line", "ours", "PostgreSQL", "NATS", "the banks"];
    table(&header, 1, rows)
}

fn tell(measured: &Measured) -> Result<(), Failure> {
    let whole = row(
        "opened to closed",
        measured.payments,
        measured.chain_milliseconds,
        measured.payments_per_s,
    );
    print(&phase_table(&measured.phases, vec![whole]).to_string());
    print(&cpu_table(measured).to_string());
    print(&measured.yardsticks.table().to_string());
    let memory = measured.peak_memory_mib;
    print(&format!(
        "peak memory: ours {} MiB, NATS {}, the banks {} · a payment: {} bytes in PostgreSQL, {} of \
         WAL, {} in messages{}",
        memory.ours,
        memory.nats,
        memory.sandbox,
        grouped(measured.database_bytes_per_payment),
        grouped(measured.wal_bytes_per_payment),
        grouped(measured.message_bytes_per_payment),
        if measured.is_sealed {
            ""
        } else {
            " · no evidence entered or sealed"
        },
    ));
    print(&measured.yardsticks.sentence());
    print(&serde_json::to_string(measured)?);
    Ok(())
}

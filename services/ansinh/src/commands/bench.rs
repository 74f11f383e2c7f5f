mod banks;
mod determine;
mod evidence;
mod links;
mod reconcile;
mod resources;
mod store;

use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use ::sandbox::people::{Plan, Written, write_people};
use anyhow::Context as _;
use boot::{Health, Telemetry};
use chrono::{NaiveDate, Utc};
use domain::{Period, Programme};
use serde::Serialize;

use super::payout::{Payout, Signing};
use crate::check::check_all;
use crate::cli::ServiceName;
use crate::output::{Failure, grouped, print, say, table};
use crate::process::start_some;
use crate::servers::Servers;
use crate::target::Target;

use banks::Banks;
use resources::{Cpu, Watched};

pub(super) use resources::peak_memory_mib;
use store::{database_bytes, yardstick};

pub(super) use determine::determine;
pub(super) use links::links;
pub(super) use reconcile::reconcile;

const HOME: &str = ".ansinh/bench";
const PROGRAMMES: [Programme; 1] = [Programme::SocialPension];
/// In this process; the banks are another.
const PAYING: [ServiceName; 4] = [
    ServiceName::Eligibility,
    ServiceName::Accounts,
    ServiceName::Payments,
    ServiceName::Reconciliation,
];

/// One phase of the chain.
#[derive(Debug, Serialize)]
struct Phase {
    name: &'static str,
    lines: u64,
    milliseconds: u64,
    lines_per_s: u64,
    /// Where programs are watched.
    #[serde(skip_serializing_if = "Option::is_none")]
    cpu_milliseconds: Option<Cpu>,
}

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
    copy_rows_per_s: u64,
    /// Payments through the whole chain for a thousand rows of the yardstick.
    payments_per_thousand_copied: u64,
    invariants_hold: bool,
}

pub(super) async fn bench(people: u64, seed: u64, is_sealed: bool) -> Result<ExitCode, Failure> {
    let home = Path::new(HOME);
    super::demo::fresh_home(home)?;
    let servers = Servers::start(home).await?;
    let target = Target::embedded(&servers, home)?.with_settings(|it| {
        // Nobody is overdue while the clock runs; the silent lines are called unknown at the end.
        it.payments.result_sla_ms = 3_000 + people / 5;
        it.reconciliation.grace_ms = 60_000;
        it.sandbox.delay_ms = 200;
        it.sandbox.seed = seed;
        if it.log.filter == boot::Settings::default().log.filter {
            it.log.filter = "error".to_owned();
        }
    });
    let telemetry = Telemetry::start("ansinh-bench", &target.settings)?;
    let measured = measure(&target, &servers, (people, seed, is_sealed), home).await;
    telemetry.shutdown().await;
    servers.stop().await?;
    let measured = measured?;
    tell(&measured)?;
    if measured.invariants_hold {
        Ok(ExitCode::SUCCESS)
    } else {
        Err(Failure::Broken(
            "check: invariants are broken after the bench".to_owned(),
        ))
    }
}

async fn measure(
    target: &Target,
    servers: &Servers,
    (people, seed, is_sealed): (u64, u64, bool),
    home: &Path,
) -> anyhow::Result<Measured> {
    target.migrate().await?;
    let period: Period = "2026-12".parse()?;
    let mut clock = Clock::default();
    let written = write((people, seed, period), home).await?;
    clock.phase("write people", written.people);
    let pool = target.pool(None).await?;
    let empty = database_bytes(&pool).await?;
    // All but who seals: that is measured here.
    let services = start_some(&PAYING, &target.settings, &Health::default()).await?;
    let banks = Banks::start(target, home)?;
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
        let mut payout = Payout {
            pool: pool.clone(),
            nats: target.nats().await?,
            period,
            business_date: NaiveDate::from_ymd_opt(2026, 12, 1).context("a date")?,
            runs: Vec::new(),
            checker: Signing::as_officer("le.binh")?,
            releaser: Signing::as_officer("tran.chi")?,
        };
        let (wal, said) = (store::wal_bytes(&pool).await?, store::said(&pool).await?);
        let payments = carry(&mut payout, &mut clock, people).await?;
        let wal = store::wal_bytes(&pool).await?.saturating_sub(wal);
        let (messages, message_bytes) = store::said(&pool).await?;
        let message_bytes = message_bytes.saturating_sub(said.1);
        let used = database_bytes(&pool).await?.saturating_sub(empty);
        let memory = PeakMemory::of(servers, &banks);
        let copy_rows_per_s = yardstick(&pool).await?;
        let run_no = *payout.runs.first().context("a run")?;
        if let Some(sealer) = sealer {
            evidence::evidence(target, &pool, &mut clock, sealer, (run_no, payments)).await?;
        }
        let invariants_hold = check_all(&pool).await?.iter().all(crate::Invariant::holds);
        let (chain, cpu) = (clock.chain(), clock.chain_cpu());
        let payments_per_s = per_second(payments, chain);
        anyhow::Ok(Measured {
            people,
            payments,
            phases: std::mem::take(&mut clock.phases),
            chain_milliseconds: chain,
            payments_per_s,
            cpu_milliseconds: cpu,
            cpu_microseconds_per_payment: cpu.chain() * 1000 / payments.max(1),
            wal_bytes_per_payment: wal / payments.max(1),
            messages: messages.saturating_sub(said.0),
            message_bytes_per_payment: message_bytes / payments.max(1),
            peak_memory_mib: memory,
            database_bytes_per_payment: used / payments.max(1),
            is_sealed,
            copy_rows_per_s,
            payments_per_thousand_copied: payments_per_s * 1000 / copy_rows_per_s.max(1),
            invariants_hold,
        })
    };
    let measured = measured.await;
    services.stop().await;
    banks.stop().await?;
    measured
}

fn watched(servers: &Servers, banks: &Banks) -> Watched {
    Watched {
        postgres: servers.postgres_pid(),
        nats: servers.nats_pid(),
        sandbox: banks.pid(),
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
    payout.register_keys().await?;
    payout.appropriate(&PROGRAMMES).await?;
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

struct Clock {
    begun: Instant,
    phases: Vec<Phase>,
    watched: Option<(Watched, Cpu)>,
}

impl Default for Clock {
    fn default() -> Clock {
        Clock {
            begun: Instant::now(),
            phases: Vec::new(),
            watched: None,
        }
    }
}

impl Clock {
    const CHAIN: [&str; 5] = [
        "determine, resolve, lines and root",
        "approve and reserve",
        "release, pay, results",
        "statement and match",
        "close",
    ];

    /// From now on phases say who worked.
    fn watch(&mut self, watched: Watched) {
        self.watched = Some((watched, Cpu::of(watched)));
    }

    fn restart(&mut self) {
        self.begun = Instant::now();
        if let Some((watched, before)) = &mut self.watched {
            *before = Cpu::of(*watched);
        }
    }

    fn phase(&mut self, name: &'static str, lines: u64) -> u64 {
        let milliseconds = elapsed(self.begun);
        let lines_per_s = per_second(lines, milliseconds);
        say(&format!("{name}: {} lines/s", grouped(lines_per_s)));
        self.phases.push(Phase {
            name,
            lines,
            milliseconds,
            lines_per_s,
            cpu_milliseconds: self
                .watched
                .map(|(watched, before)| Cpu::of(watched) - before),
        });
        self.restart();
        lines_per_s
    }

    /// From opening to closing.
    fn chain(&self) -> u64 {
        let chain = self
            .phases
            .iter()
            .filter(|it| Clock::CHAIN.contains(&it.name));
        chain.map(|it| it.milliseconds).sum()
    }

    fn chain_cpu(&self) -> Cpu {
        let chain = self
            .phases
            .iter()
            .filter(|it| Clock::CHAIN.contains(&it.name));
        let cpu = chain.filter_map(|it| it.cpu_milliseconds);
        cpu.fold(Cpu::default(), Cpu::plus)
    }
}

fn elapsed(begun: Instant) -> u64 {
    u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX)
}

fn per_second(count: u64, milliseconds: u64) -> u64 {
    count * 1000 / milliseconds.max(1)
}

fn row(name: &str, lines: u64, milliseconds: u64, rate: u64) -> [String; 4] {
    let seconds = format!("{},{:03}", milliseconds / 1000, milliseconds % 1000);
    [name.to_owned(), grouped(lines), seconds, grouped(rate)]
}

fn phase_table(phases: &[Phase], more: Vec<[String; 4]>) -> comfy_table::Table {
    let phases = phases
        .iter()
        .map(|it| row(it.name, it.lines, it.milliseconds, it.lines_per_s));
    let rows = phases.chain(more);
    table(&["phase", "lines", "s", "lines/s"], 1, rows)
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
    let yardstick = row(
        "yardstick: raw COPY",
        store::YARDSTICK_ROWS,
        0,
        measured.copy_rows_per_s,
    );
    print(&phase_table(&measured.phases, vec![whole, yardstick]).to_string());
    print(&cpu_table(measured).to_string());
    let memory = measured.peak_memory_mib;
    print(&format!(
        "peak memory: ours {} MiB, NATS {}, the banks {} · a payment: {} bytes in PostgreSQL, {} of \
         WAL, {} in messages · {} payments for 1.000 rows copied{}",
        memory.ours,
        memory.nats,
        memory.sandbox,
        grouped(measured.database_bytes_per_payment),
        grouped(measured.wal_bytes_per_payment),
        grouped(measured.message_bytes_per_payment),
        measured.payments_per_thousand_copied,
        if measured.is_sealed {
            ""
        } else {
            " · no evidence entered or sealed"
        },
    ));
    print(&serde_json::to_string(measured)?);
    Ok(())
}

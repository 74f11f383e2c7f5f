//! Determining alone: mixed programmes, with what is stored and without.

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use ::sandbox::people::{PROGRAMMES, Plan, write_people};
use boot::{Health, Telemetry};
use chrono::Utc;
use serde::Serialize;
use tokio::time::sleep;

use super::store::yardstick;
use super::{Clock, HOME, Phase, peak_memory_mib, per_second, phase_table};
use crate::cli::ServiceName;
use crate::commands::payout::Payout;
use crate::output::{Failure, grouped, print};
use crate::process::start_some;
use crate::servers::Servers;
use crate::target::Target;

const LOOK: Duration = Duration::from_millis(50);
/// The reference machine has so many cores.
const CORES: usize = 2;

#[derive(Debug, Serialize)]
struct Measured {
    people: u64,
    phases: Vec<Phase>,
    /// Determinations with inputs and explanation stored, and told to the next service.
    stored_per_s: u64,
    /// The decision alone with its explanation, on two cores.
    decided_per_s: u64,
    /// Formulas and cells that the rule engine ran for a thousand decisions.
    engine_runs_per_thousand: u64,
    peak_memory_mib: u64,
    copy_rows_per_s: u64,
}

/// Determines so many people of all programmes that the sandbox has people of.
pub(crate) async fn determine(people: u64, seed: u64) -> Result<ExitCode, Failure> {
    let home = Path::new(HOME);
    crate::commands::demo::fresh_home(home)?;
    let servers = Servers::start(home).await?;
    let target = Target::embedded(&servers, home)?.with_settings(|it| {
        if it.log.filter == boot::Settings::default().log.filter {
            it.log.filter = "error".to_owned();
        }
    });
    let telemetry = Telemetry::start("ansinh-bench", &target.settings)?;
    let measured = measure(&target, people, seed, home).await;
    telemetry.shutdown().await;
    servers.stop().await?;
    tell(&measured?)?;
    Ok(ExitCode::SUCCESS)
}

async fn measure(target: &Target, people: u64, seed: u64, home: &Path) -> anyhow::Result<Measured> {
    target.migrate().await?;
    let (period, business_date) = super::month()?;
    let (plan, out) = (Plan::new(people, seed, period), home.join("people"));
    let mut clock = Clock::default();
    let written = tokio::task::spawn_blocking(move || write_people(&plan, &out)).await??;
    clock.phase("write people", written.people);
    // Nobody else: what the others cost is measured by the chain.
    let house = [ServiceName::Payments, ServiceName::Eligibility];
    let services = start_some(&house, &target.settings, &Health::default()).await?;
    let pool = target.pool(None).await?;
    let measured = async {
        clock.restart();
        let registry = target.pool(Some("ansinh_eligibility")).await?;
        let keys = target.keys()?;
        let law = eligibility::law_in_force(&registry, Utc::now()).await?.law;
        let file = &written.people_csv;
        eligibility::import_registry(&registry, &keys, &law, file, Utc::now()).await?;
        clock.phase("import registry", written.people);
        let mut payout = Payout::of(pool.clone(), target.nats().await?, (period, business_date))?;
        clock.restart();
        payout.open(&PROGRAMMES).await?;
        let stored = until_determined(&pool).await?;
        let stored_per_s = clock.phase("determine and store", stored);
        let at = (period, business_date);
        let pace = eligibility::pace(&pool, at, Utc::now(), CORES).await?;
        let cores = u64::try_from(CORES)?;
        let milliseconds = u64::try_from(pace.deciding.as_millis())? / cores;
        anyhow::Ok(Measured {
            people,
            phases: std::mem::take(&mut clock.phases),
            stored_per_s,
            decided_per_s: per_second(pace.decisions, milliseconds),
            engine_runs_per_thousand: pace.engine_runs * 1000 / pace.decisions.max(1),
            peak_memory_mib: peak_memory_mib(std::process::id()),
            copy_rows_per_s: yardstick(&pool).await?,
        })
    };
    let measured = measured.await;
    services.stop().await;
    measured
}

/// Waits until every partition of the opened runs is determined; gives back how many people.
async fn until_determined(pool: &sqlx::PgPool) -> anyhow::Result<u64> {
    let parts = i64::try_from(PROGRAMMES.len())? * i64::from(domain::PARTS);
    loop {
        let progress = eligibility::progress(pool).await?;
        if progress.done == parts {
            return Ok(u64::try_from(progress.determinations)?);
        }
        sleep(LOOK).await;
    }
}

fn tell(measured: &Measured) -> Result<(), Failure> {
    print(&phase_table(&measured.phases, Vec::new()).to_string());
    print(&format!(
        "decided {}/s on {CORES} cores, stored {}/s · {} runs of the rule engine for 1.000 \
         decisions · peak memory {} MiB · raw COPY {} rows/s",
        grouped(measured.decided_per_s),
        grouped(measured.stored_per_s),
        grouped(measured.engine_runs_per_thousand),
        measured.peak_memory_mib,
        grouped(measured.copy_rows_per_s),
    ));
    print(&serde_json::to_string(measured)?);
    Ok(())
}

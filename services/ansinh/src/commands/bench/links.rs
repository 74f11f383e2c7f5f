//! The register of accounts alone: links imported, people found.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use accounts::pace::{self, Crowd};
use anyhow::{Context, ensure};
use chrono::Utc;
use serde::Serialize;

use super::store::{analyze, database_bytes, yardstick};
use super::{Clock, HOME, Phase, peak_memory_mib, phase_table};
use crate::output::{Failure, grouped, print};
use crate::servers::Servers;
use crate::target::Target;

#[derive(Debug, Serialize)]
struct Measured {
    people: u64,
    phases: Vec<Phase>,
    links_per_s: u64,
    resolved_per_s: u64,
    /// A link with its step, its channel, what was said of it, and the person's row, on disk.
    bytes_per_link: u64,
    peak_memory_mib: u64,
    copy_rows_per_s: u64,
    /// Links, and people found, for a thousand rows of the yardstick.
    links_per_thousand_copied: u64,
    resolved_per_thousand_copied: u64,
}

/// Links so many people, then finds where each is paid.
pub(crate) async fn links(people: u64) -> Result<ExitCode, Failure> {
    let home = Path::new(HOME);
    crate::commands::demo::fresh_home(home)?;
    let servers = Servers::start(home).await?;
    let target = Target::embedded(&servers, home)?;
    let measured = measure(&target, people, home).await;
    servers.stop().await?;
    tell(&measured?)?;
    Ok(ExitCode::SUCCESS)
}

async fn measure(target: &Target, people: u64, home: &Path) -> anyhow::Result<Measured> {
    target.migrate().await?;
    let crowd = Crowd {
        count: i64::try_from(people)?,
        province: "01".parse()?,
    };
    let out = home.join("links.csv");
    let file = out.clone();
    let mut clock = Clock::default();
    tokio::task::spawn_blocking(move || write_links(&file, crowd.count)).await??;
    clock.phase("write links", people);
    let owner = target.pool(None).await?;
    let empty = database_bytes(&owner).await?;
    let pool = target.pool(Some("ansinh_accounts")).await?;
    let keys = target.keys()?;
    clock.restart();
    pace::register(&pool, &keys, crowd).await?;
    clock.phase("register people", people);
    let report = target.import_links(&pool, &out).await?;
    let links_per_s = clock.phase("import links", people);
    ensure!(report.sums.accepted.rows == people, "{:?}", report.sums);
    let used = database_bytes(&owner).await?.saturating_sub(empty);
    std::fs::remove_file(&out)?;
    analyze(&owner).await?;
    clock.restart();
    pace::resolve(&pool, crowd, Utc::now()).await?;
    let resolved_per_s = clock.phase("find where people are paid", people);
    let indicators = accounts::indicators(&pool, false).await?;
    clock.phase("indicators of Decision 826", people);
    let nation = indicators.nation;
    ensure!(
        nation.linked == crowd.count && nation.by_ssa == crowd.count,
        "{nation:?}"
    );
    let copy_rows_per_s = yardstick(&owner).await?;
    let of_copy = |rate: u64| rate * 1000 / copy_rows_per_s.max(1);
    Ok(Measured {
        people,
        phases: std::mem::take(&mut clock.phases),
        links_per_s,
        resolved_per_s,
        bytes_per_link: used / people.max(1),
        peak_memory_mib: peak_memory_mib(std::process::id()),
        copy_rows_per_s,
        links_per_thousand_copied: of_copy(links_per_s),
        resolved_per_thousand_copied: of_copy(resolved_per_s),
    })
}

fn write_links(out: &PathBuf, count: i64) -> anyhow::Result<()> {
    let file = File::create(out).with_context(|| format!("cannot create {}", out.display()))?;
    let mut file = BufWriter::with_capacity(1 << 18, file);
    writeln!(file, "{}", accounts::HEADER.join(","))?;
    for person in 1..=count {
        let number = Crowd::citizen_number(person);
        writeln!(file, "{number},970436,0{person:011},NGUYEN VAN AN")?;
    }
    Ok(file.flush()?)
}

fn tell(measured: &Measured) -> Result<(), Failure> {
    print(&phase_table(&measured.phases, Vec::new()).to_string());
    print(&format!(
        "{} bytes a link on disk · peak memory {} MiB · raw COPY {} rows/s · {} links and {} people \
         found for 1.000 rows copied",
        grouped(measured.bytes_per_link),
        measured.peak_memory_mib,
        grouped(measured.copy_rows_per_s),
        measured.links_per_thousand_copied,
        measured.resolved_per_thousand_copied,
    ));
    print(&serde_json::to_string(measured)?);
    Ok(())
}

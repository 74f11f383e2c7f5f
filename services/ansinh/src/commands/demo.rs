use std::io::ErrorKind;
use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use ::sandbox::people::{PROGRAMMES, Plan, write_people};
use anyhow::Context as _;
use boot::{Health, Telemetry};
use chrono::{NaiveDate, Utc};
use domain::{Money, Period};
use payments::RunSummary;
use serde_json::json;
use tokio::process::Command;

use super::payout::Payout;
use crate::check::check_all;
use crate::cli::Output;
use crate::output::{Failure, grouped, print, say};
use crate::process::start_services;
use crate::servers::{Servers, postgres_programs};
use crate::target::Target;

/// Fresh every time: a demo shows the whole, from nothing.
const HOME: &str = ".ansinh/demo";

/// One month's pay day of made-up people, on servers of its own, to the closed ledger.
pub(super) async fn demo(
    (people, seed): (u64, u64),
    checker: Option<&Path>,
    output: Output,
) -> Result<ExitCode, Failure> {
    let begun = Instant::now();
    let home = Path::new(HOME);
    fresh_home(home)?;
    let servers = Servers::start(home).await?;
    // A bank may take four seconds to answer here, not a day.
    let target = Target::embedded(&servers, home)?.with_settings(|it| {
        it.payments.result_sla_ms = 4_000;
        it.reconciliation.grace_ms = 5_000;
        it.sandbox.delay_ms = 500;
        it.sandbox.seed = seed;
        if it.log.filter == boot::Settings::default().log.filter {
            it.log.filter = "error".to_owned();
        }
    });
    let telemetry = Telemetry::start("ansinh-demo", &target.settings)?;
    let mut done = pay_day(&target, people, seed, home, output, begun).await;
    if let (Ok(_), Some(checker)) = (&done, checker) {
        done = done.and(check_credits(&target, checker).await);
    }
    telemetry.shutdown().await;
    servers.stop().await?;
    done
}

/// Whoever does not trust this program asks another one: it holds the banks' own books against what
/// was owed, and exits with 8 where they differ.
async fn check_credits(target: &Target, checker: &Path) -> Result<ExitCode, Failure> {
    let url = target.settings.database.url.as_deref().context("a URL")?;
    let ran = Command::new("python3")
        .arg(checker)
        .arg("--psql")
        .arg(postgres_programs().await?.join("psql"))
        .args(["--url", url])
        .status()
        .await;
    match ran {
        Ok(ran) if ran.success() => Ok(ExitCode::SUCCESS),
        Ok(ran) if ran.code() == Some(8) => {
            let told = "credits_differ: what banks paid is not what was owed";
            Err(Failure::Broken(told.to_owned()))
        }
        Ok(ran) => Err(anyhow::anyhow!("{} ended with {ran}", checker.display()).into()),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            say("There is no python3 here, so that nobody else has checked the banks' books.");
            Ok(ExitCode::SUCCESS)
        }
        Err(error) => Err(error.into()),
    }
}

/// Empties the folder of an earlier one; one that still runs is left alone.
pub(super) fn fresh_home(home: &Path) -> Result<(), Failure> {
    if crate::servers::running(home).is_some() {
        return Err(Failure::Refused(format!(
            "servers run in {} already",
            home.display()
        )));
    }
    if home.exists() {
        std::fs::remove_dir_all(home)?;
    }
    Ok(())
}

async fn pay_day(
    target: &Target,
    people: u64,
    seed: u64,
    home: &Path,
    output: Output,
    begun: Instant,
) -> Result<ExitCode, Failure> {
    target.migrate().await?;
    let period: Period = "2026-12".parse().context("a period")?;
    let business_date = NaiveDate::from_ymd_opt(2026, 12, 1).context("a date")?;
    let (plan, out) = (Plan::new(people, seed, period), home.join("people"));
    let written = tokio::task::spawn_blocking(move || write_people(&plan, &out)).await??;
    let services = start_services(&target.settings, &Health::default()).await?;
    let outcome = async {
        let pool = target.pool(Some("ansinh_eligibility")).await?;
        let keys = target.keys()?;
        let law = eligibility::law_in_force(&pool, Utc::now()).await?.law;
        let file = &written.people_csv;
        let registry = eligibility::import_registry(&pool, &keys, &law, file, Utc::now()).await?;
        step(
            begun,
            &format!(
                "registry: {} people imported",
                grouped(registry.sums.accepted.rows)
            ),
        );
        target
            .wait_until_heard(accounts::SERVICE, events::ELIGIBILITY)
            .await?;
        let pool = target.pool(Some("ansinh_accounts")).await?;
        let links = target.import_links(&pool, &written.links_csv).await?;
        step(
            begun,
            &format!(
                "accounts: {} people linked",
                grouped(links.sums.accepted.rows)
            ),
        );
        let pool = target.pool(None).await?;
        let nats = target.nats().await?;
        let mut payout = Payout::of(pool.clone(), nats, (period, business_date))?;
        carry(&mut payout, begun).await?;
        let summaries = payout.summaries().await?;
        let journals = ledger::trial_balance(&pool).await?;
        let invariants = check_all(&pool).await?;
        anyhow::Ok((summaries, journals, invariants))
    };
    let outcome = outcome.await;
    services.stop().await;
    let (summaries, balance, invariants) = outcome?;
    let debits = Money::sum(balance.iter().map(|it| it.debits));
    let credits = Money::sum(balance.iter().map(|it| it.credits));
    let journals = target.pool(None).await?;
    let journals = ledger::journal_count(&journals).await?;
    let seconds = begun.elapsed().as_secs();
    tell(
        output,
        &summaries,
        journals,
        debits.units() - credits.units(),
        seconds,
    )?;
    super::check::tell(&invariants);
    super::check::verdict(&invariants)
}

/// From the opened runs to the closed ones.
async fn carry(payout: &mut Payout, begun: Instant) -> anyhow::Result<()> {
    payout.register_keys().await?;
    payout.appropriate(&PROGRAMMES).await?;
    payout.open(&PROGRAMMES).await?;
    payout.until_state("awaiting_approval").await?;
    step(begun, "runs: determined, resolved, awaiting approval");
    payout.approve().await?;
    payout.until_state("reserved").await?;
    step(
        begun,
        "runs: approved by another person, reserved in the ledger",
    );
    payout.release().await?;
    payout.until_answered().await?;
    step(
        begun,
        "banks: all have answered; who did not within the time is unknown",
    );
    payout.end_of_day().await?;
    payout.until_matched().await?;
    step(begun, "reconciliation: statements matched");
    payout.close().await?;
    step(begun, "runs: closed");
    let (days, difference) = payout.close_days().await?;
    step(
        begun,
        &format!("bank days: {days} closed and signed, difference {difference} đồng"),
    );
    Ok(())
}

fn step(begun: Instant, what: &str) {
    say(&format!("[{:>3} s] {what}", begun.elapsed().as_secs()));
}

fn tell(
    output: Output,
    summaries: &[RunSummary],
    journals: i64,
    difference: i128,
    seconds: u64,
) -> Result<(), Failure> {
    let memory = super::bench::peak_memory_mib(std::process::id());
    if output == Output::Json {
        let value = json!({
            "runs": summaries, "journals": journals, "trial_balance": difference.to_string(),
            "seconds": seconds, "peak_memory_mib": memory,
        });
        print(&serde_json::to_string_pretty(&value)?);
        return Ok(());
    }
    let lines = |pick: fn(&RunSummary) -> i64| grouped(summaries.iter().map(pick).sum::<i64>());
    let total = |pick: fn(&RunSummary) -> Money| Money::sum(summaries.iter().map(pick)).vi();
    for it in summaries {
        print(&super::run::summary_table(it).to_string());
    }
    print(&format!("people         {}", lines(|it| it.people)));
    print(&format!("lines          {}", lines(|it| it.lines)));
    print(&format!("total          {}", total(|it| it.total)));
    print(&format!(
        "credited       {}  {}",
        lines(|it| it.credited_lines),
        total(|it| it.credited_total)
    ));
    print(&format!(
        "returned       {}  {}",
        lines(|it| it.returned_lines),
        total(|it| it.returned_total)
    ));
    print(&format!(
        "unknown        {}  {}",
        lines(|it| it.unknown_lines),
        total(|it| it.unknown_total)
    ));
    print(&format!(
        "cash list      {}  {}",
        lines(|it| it.cash_lines),
        total(|it| it.cash_total)
    ));
    print(&format!("breaks         {}", lines(|it| it.breaks)));
    print(&format!("journals       {}", grouped(journals)));
    print(&format!("trial balance  {difference}"));
    print(&format!(
        "cost           {seconds} s, peak memory {memory} MiB in one process"
    ));
    Ok(())
}

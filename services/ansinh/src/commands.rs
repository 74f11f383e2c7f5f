//! What each command does, one file a noun.

mod account;
mod audit;
mod bank;
mod bench;
mod cash;
mod check;
mod demo;
mod eligibility;
mod event;
mod instances;
mod iso;
mod keys;
mod ledger;
mod officer;
mod overpayment;
mod payout;
mod programme;
mod proposal;
mod recon;
mod registry;
mod reissue;
mod run;
mod sandbox;
mod schedule;
mod serve;
mod servers;
mod signer;
mod unknown;

use std::process::ExitCode;

use intake::Report;
use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

use crate::cli::{By, Cli, Output, Top};
use crate::output::{Failure, grouped, print, say, show, table};
use crate::target::Target;

pub(crate) async fn dispatch(cli: Cli) -> Result<ExitCode, Failure> {
    let Cli { command, shared } = cli;
    match command {
        Top::Serve { service } => serve::serve(service, &shared).await,
        Top::Up => serve::up(&shared).await,
        Top::Migrate => serve::migrate(&shared).await,
        Top::Demo {
            people,
            seed,
            checker,
        } => demo::demo((people, seed), checker.as_deref(), shared.output).await,
        Top::Bench {
            people,
            seed,
            history_runs: Some(runs),
            history_lines: lines,
            ..
        } => bench::history(people, seed, bench::History { runs, lines }).await,
        Top::Bench {
            people,
            seed,
            determine: false,
            accounts: false,
            reconcile: false,
            latency: false,
            unsealed,
            ..
        } => bench::bench(people, seed, !unsealed).await,
        Top::Bench {
            people,
            seed,
            reconcile: true,
            ..
        } => bench::reconcile(people, seed).await,
        Top::Bench {
            latency: true,
            samples,
            seed,
            ..
        } => bench::latency(samples, seed).await,
        Top::Bench {
            people,
            accounts: true,
            ..
        } => bench::links(people).await,
        Top::Bench { people, seed, .. } => bench::determine(people, seed).await,
        Top::Programme(command) => programme::programme(command, &shared).await,
        Top::Registry(command) => registry::registry(command, &shared).await,
        Top::Event(command) => event::event(command, &shared).await,
        Top::Eligibility(command) => eligibility::eligibility(command, &shared).await,
        Top::Account(command) => account::account(command, &shared).await,
        Top::Run(command) => run::run(command, &shared).await,
        Top::Proposal(command) => proposal::proposal(command, &shared).await,
        Top::Overpayment(command) => overpayment::overpayment(command, &shared).await,
        Top::Cash(command) => cash::cash(command, &shared).await,
        Top::Schedule(command) => schedule::schedule(command, &shared).await,
        Top::Audit(command) => audit::audit(command, &shared).await,
        Top::Recon(command) => recon::recon(command, &shared).await,
        Top::Bank(command) => bank::bank(command, &shared).await,
        Top::Ledger(command) => ledger::ledger(command, &shared).await,
        Top::Officer(command) => officer::officer(command, &shared).await,
        Top::Iso(command) => iso::iso(command, shared.output).await,
        Top::Keys(command) => keys::keys(command, &shared).await,
        Top::Check => check::check(&shared).await,
        Top::Instances => instances::instances(&shared).await,
        Top::Sandbox(command) => sandbox::sandbox(command, &shared).await,
        Top::Servers(command) => servers::servers(command).await,
    }
}

/// Asks payments to do something and shows the answer.
async fn ask(
    target: &Target,
    output: Output,
    command: &str,
    by: &By,
    body: &impl Serialize,
) -> Result<ExitCode, Failure> {
    ask_service(target, output, payments::SERVICE, command, by, body).await
}

/// Asks a service to do something and shows the answer.
async fn ask_service(
    target: &Target,
    output: Output,
    service: &str,
    command: &str,
    by: &By,
    body: &impl Serialize,
) -> Result<ExitCode, Failure> {
    let key = by
        .idempotency_key
        .clone()
        .unwrap_or_else(|| format!("cli-{}", Uuid::now_v7()));
    let nats = target.nats().await?;
    let answer = messaging::ask(&nats, service, command, &key, body).await?;
    say(&format!("Done ({command}, idempotency key {key})."));
    show(output, &answer, fields)?;
    Ok(ExitCode::SUCCESS)
}

/// An object as two columns.
fn fields(value: &Value) -> comfy_table::Table {
    let text = |it: &Value| it.as_str().map_or_else(|| it.to_string(), str::to_owned);
    let rows = value
        .as_object()
        .into_iter()
        .flatten()
        .map(|(key, it)| [key.clone(), text(it)]);
    table(&["field", "value"], 2, rows)
}

/// What became of a file: counts that add up, then the refusals with their places.
fn show_report(output: Output, what: &str, report: &Report) -> Result<ExitCode, Failure> {
    let sums = &report.sums;
    if output == Output::Json {
        print(&serde_json::to_string_pretty(report)?);
    } else {
        if report.repeated {
            print("This very file was imported before; nothing was changed. It had:");
        }
        let row =
            |name: &str, it: intake::Tally| [name.to_owned(), grouped(it.rows), grouped(it.amount)];
        let rows = [
            row("accepted", sums.accepted),
            row("refused", sums.refused),
            row("duplicates", sums.duplicates),
            row("rows of the file", sums.file),
        ];
        print(&table(&[what, "rows", "đồng"], 1, rows).to_string());
        for refused in &report.refusals {
            print(&format!(
                "line {}, {}: {} – {}",
                refused.line, refused.column, refused.code, refused.sentence
            ));
        }
        let untold = sums
            .refused
            .rows
            .saturating_sub(report.refusals.len() as u64);
        if untold > 0 && !report.repeated {
            print(&format!(
                "… and {} more, in the table of refusals",
                grouped(untold)
            ));
        }
    }
    if sums.refused.rows > 0 && !report.repeated {
        say(&format!(
            "{} rows were refused; the others are in.",
            grouped(sums.refused.rows)
        ));
        return Ok(ExitCode::from(3));
    }
    Ok(ExitCode::SUCCESS)
}

/// A broken header is the caller's input, not our failure.
fn file_refused<E>(error: E) -> Failure
where
    E: std::error::Error + Send + Sync + 'static,
{
    let error = anyhow::Error::from(error);
    let header = error
        .chain()
        .find_map(|it| it.downcast_ref::<intake::FileError>());
    match header {
        Some(file) => Failure::Refused(file.to_string()),
        None if error.to_string().starts_with("header_invalid") => {
            Failure::Refused(error.to_string())
        }
        None => Failure::Unexpected(error),
    }
}

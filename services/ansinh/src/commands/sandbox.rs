mod files;
mod store;

use std::path::PathBuf;
use std::process::ExitCode;

use ::sandbox::people::{Plan, write_people};
use ::sandbox::{BankList, BankListError, write_bank_list};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::cli::{Sandbox, Shared};
use crate::output::{Failure, grouped, print, show};
use crate::target::Target;

pub(super) async fn sandbox(command: Sandbox, shared: &Shared) -> Result<ExitCode, Failure> {
    match command {
        Sandbox::People {
            count,
            seed,
            out,
            period,
            programme,
        } => {
            let plan = Plan {
                programmes: programme,
                ..Plan::new(count, seed, period)
            };
            let written = tokio::task::spawn_blocking(move || write_people(&plan, &out)).await??;
            print(&format!(
                "{}: {} rows\n{}: {} rows",
                written.people_csv.display(),
                grouped(written.people),
                written.links_csv.display(),
                grouped(written.linked)
            ));
        }
        Sandbox::BankList {
            institution,
            links,
            out,
            date,
            seed,
            closed,
            restricted,
            renamed,
            moved,
        } => {
            let list = BankList {
                institution,
                links,
                date,
                seed,
                closed,
                restricted,
                renamed,
                moved,
            };
            write_list(list, out).await?;
        }
        Sandbox::Files {
            institution,
            date,
            out,
        } => {
            let target = Target::find(&shared.home)?;
            let written = files::write(&target, (institution, date), &out).await?;
            show(shared.output, &written, super::fields)?;
        }
        Sandbox::Bank {
            institution,
            scenario,
            seed,
            share_per_mille,
        } => {
            let body = json!({ "institution": institution, "scenario": scenario, "seed": seed,
                "share_per_mille": share_per_mille });
            ask(shared, "set-scenario", &body).await?;
        }
        Sandbox::EndOfDay { date } => ask(shared, "end-of-day", &json!({ "date": date })).await?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn ask(shared: &Shared, command: &str, body: &Value) -> Result<(), Failure> {
    let nats = Target::find(&shared.home)?.nats().await?;
    let key = format!("cli-{}", Uuid::now_v7());
    let answer = messaging::ask(&nats, "sandbox", command, &key, body).await?;
    show(shared.output, &answer, super::fields)
}

async fn write_list(list: BankList, out: PathBuf) -> Result<(), Failure> {
    let file = out.clone();
    let listed = tokio::task::spawn_blocking(move || write_bank_list(&list, &file));
    let listed = match listed.await? {
        Err(refused @ (BankListError::TooMany { .. } | BankListError::Header(_))) => {
            return Err(Failure::Refused(refused.to_string()));
        }
        listed => listed?,
    };
    print(&format!(
        "{}: {} accounts, {} of them changed",
        out.display(),
        grouped(listed.accounts),
        grouped(listed.changed)
    ));
    Ok(())
}

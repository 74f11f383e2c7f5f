use std::process::ExitCode;

use chrono::Utc;

use crate::cli::{Account, Shared};
use crate::output::Failure;
use crate::target::Target;

pub(super) async fn account(command: Account, shared: &Shared) -> Result<ExitCode, Failure> {
    match command {
        Account::Import { file } => {
            let target = Target::find(&shared.home)?;
            // People are linked by their numbers, which accounts hears from eligibility.
            target
                .wait_until_heard(accounts::SERVICE, events::ELIGIBILITY)
                .await?;
            let pool = target.pool(Some("ansinh_accounts")).await?;
            let report = accounts::import_links(&pool, &target.keys()?, &file, Utc::now()).await;
            let report = report.map_err(super::file_refused)?;
            super::show_report(shared.output, "links", &report)
        }
    }
}

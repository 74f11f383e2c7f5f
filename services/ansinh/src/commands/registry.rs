use std::process::ExitCode;

use chrono::Utc;

use crate::cli::{Registry, Shared};
use crate::output::{Failure, print};
use crate::target::Target;

pub(super) async fn registry(command: Registry, shared: &Shared) -> Result<ExitCode, Failure> {
    match command {
        Registry::Template => {
            print(eligibility::TEMPLATE.trim_end());
            Ok(ExitCode::SUCCESS)
        }
        Registry::Import { file } => {
            let target = Target::find(&shared.home)?;
            let pool = target.pool(Some("ansinh_eligibility")).await?;
            let report =
                eligibility::import_registry(&pool, &target.keys()?, &file, Utc::now()).await;
            let report = report.map_err(super::file_refused)?;
            super::show_report(shared.output, "registry", &report)
        }
    }
}

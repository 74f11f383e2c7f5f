use std::process::ExitCode;

use chrono::Utc;

use super::registry::{file_of, finish, in_force, open};
use crate::cli::{Events, Shared};
use crate::output::Failure;

pub(super) async fn event(command: Events, shared: &Shared) -> Result<ExitCode, Failure> {
    let Events::Import(intake) = command;
    let file = file_of(&intake)?;
    let (pool, keys) = open(shared).await?;
    let law = in_force(&pool).await?;
    let report = eligibility::import_events(&pool, &keys, &law, &file, Utc::now()).await;
    let report = report.map_err(super::file_refused)?;
    finish(&pool, &intake).await?;
    super::show_report(shared.output, "events", &report)
}

use std::process::ExitCode;

use chrono::Utc;
use eligibility::LawInForce;
use intake::{FileError, Mirror, TableFile};
use privacy::Keys;
use sqlx::PgPool;

use crate::cli::{Intake, Registry, Shared};
use crate::output::{Failure, print};
use crate::target::Target;

pub(super) async fn registry(command: Registry, shared: &Shared) -> Result<ExitCode, Failure> {
    match command {
        Registry::Template { programme } => {
            let template = if let Ok((pool, _)) = open(shared).await {
                eligibility::template(&in_force(&pool).await?.law, programme)
            } else {
                // Without servers it is the file of the law that the program ships.
                let law = eligibility::read_law(&eligibility::shipped_files());
                eligibility::template(&law.map_err(super::programme::told)?, programme)
            };
            print(template.trim_end());
            Ok(ExitCode::SUCCESS)
        }
        Registry::Import(intake) => {
            let file = file_of(&intake)?;
            let (pool, keys) = open(shared).await?;
            let law = in_force(&pool).await?;
            let report =
                eligibility::import_registry(&pool, &keys, &law.law, file, Utc::now()).await;
            let report = report.map_err(super::file_refused)?;
            finish(&pool, &intake).await?;
            super::show_report(shared.output, "registry", &report)
        }
    }
}

pub(super) async fn open(shared: &Shared) -> anyhow::Result<(PgPool, Keys)> {
    let target = Target::find(&shared.home)?;
    let pool = target.pool(Some("ansinh_eligibility")).await?;
    Ok((pool, target.keys()?))
}

pub(super) async fn in_force(pool: &PgPool) -> Result<LawInForce, Failure> {
    let law = eligibility::law_in_force(pool, Utc::now()).await;
    law.map_err(super::programme::told)
}

/// The file to import; where its report cannot be written, nothing is imported.
pub(super) fn file_of(intake: &Intake) -> Result<TableFile, Failure> {
    if let Some(out) = &intake.report {
        Mirror::check(out).map_err(|it| super::file_refused(FileError::from(it)))?;
    }
    Ok(TableFile {
        path: intake.file.clone(),
        sheet: intake.sheet.clone(),
    })
}

/// Writes the report that was asked for.
pub(super) async fn finish(pool: &PgPool, intake: &Intake) -> Result<(), Failure> {
    let Some(out) = &intake.report else {
        return Ok(());
    };
    let written = eligibility::write_mirror(pool, &file_of(intake)?, out, intake.all).await;
    written.map_err(super::file_refused)
}

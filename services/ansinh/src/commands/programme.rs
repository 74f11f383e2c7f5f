//! The law: what it says, what a folder would change in it, and who makes it hold.

mod difference;
mod folder;
mod laws;
mod shown;
mod version;
mod words;

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use eligibility::{files_of_law, read_law, shipped_files};
use rules::{Files, Flaw, Law, Version};
use serde::Serialize;
use sqlx::PgPool;

use crate::cli::{Output, Programmes, RuleName, Shared, WhichLaw};
use crate::output::{Failure, print};
use crate::target::Target;

pub(super) use folder::read as read_folder;
pub(super) use laws::told;

/// The service whose rights are enough for all that is done here.
pub(super) const ROLE: &str = "ansinh_eligibility";

/// A law with its texts, and its number where it is one of the database.
struct Chosen {
    law_no: Option<i64>,
    files: Files,
    law: Arc<Law>,
}

#[derive(Serialize)]
struct Valid {
    programmes: usize,
    versions: usize,
    parameters: usize,
    examples: usize,
}

#[derive(Serialize)]
pub(super) struct FlawView<'a> {
    file: &'a str,
    place: &'a str,
    code: &'static str,
    sentence: &'a str,
}

pub(super) async fn programme(command: Programmes, shared: &Shared) -> Result<ExitCode, Failure> {
    match command {
        Programmes::List { which } => shown::list(&chosen(which, shared).await?, shared.output),
        Programmes::Show { rule, which } => {
            show_rule(&chosen(which, shared).await?, &rule, shared.output)
        }
        Programmes::Validate { folder } => validate(&folder, shared.output),
        Programmes::Diff { folder, law } => {
            let pool = pool(shared).await?;
            let next = match (folder, law) {
                (Some(folder), _) => read_folder(&folder)?,
                (None, law) => files_of_law(&pool, law.unwrap_or_default())
                    .await
                    .map_err(told)?,
            };
            difference::diff(&pool, &next, shared.output).await
        }
        Programmes::Apply { folder, by, reason } => {
            let files = read_folder(&folder)?;
            laws::apply(&pool(shared).await?, &files, (&by, &reason), shared.output).await
        }
        Programmes::Approve { law, key, by } => {
            laws::approve(&pool(shared).await?, shared, law, (key, &by)).await
        }
        Programmes::Laws => laws::list(&pool(shared).await?, shared.output).await,
    }
}

async fn pool(shared: &Shared) -> anyhow::Result<PgPool> {
    Target::find(&shared.home)?.pool(Some(ROLE)).await
}

async fn chosen(which: WhichLaw, shared: &Shared) -> Result<Chosen, Failure> {
    if which.shipped {
        let files = shipped_files();
        let law = Arc::new(read_law(&files).map_err(told)?);
        return Ok(Chosen {
            law_no: None,
            files,
            law,
        });
    }
    let pool = pool(shared).await?;
    if let Some(law_no) = which.law {
        let files = files_of_law(&pool, law_no).await.map_err(told)?;
        let law = Arc::new(read_law(&files).map_err(told)?);
        return Ok(Chosen {
            law_no: Some(law_no),
            files,
            law,
        });
    }
    let in_force = laws::in_force(&pool).await?;
    let files = files_of_law(&pool, in_force.law_no).await.map_err(told)?;
    Ok(Chosen {
        law_no: Some(in_force.law_no),
        files,
        law: in_force.law,
    })
}

fn show_rule(chosen: &Chosen, rule: &RuleName, output: Output) -> Result<ExitCode, Failure> {
    let found = chosen.law.programme(rule.programme);
    let programme = found.ok_or_else(|| {
        Failure::Refused(format!(
            "programme_unknown: the law has no {}",
            rule.programme
        ))
    })?;
    let Some(id) = &rule.version else {
        return shown::programme(chosen, programme, output);
    };
    let version = programme.version(id).ok_or_else(|| {
        let ids: Vec<&str> = programme.versions().iter().map(Version::id).collect();
        Failure::Refused(format!(
            "version_unknown: {} has the versions {}",
            rule.programme,
            ids.join(", ")
        ))
    })?;
    version::show_version(chosen, version, output)
}

fn validate(folder: &Path, output: Output) -> Result<ExitCode, Failure> {
    let law = match Law::read(&read_folder(folder)?) {
        Ok(law) => law,
        Err(flaws) => return Err(tell_flaws(&flaws, output)?),
    };
    let valid = Valid {
        programmes: law.programmes().count(),
        versions: law.programmes().map(|it| it.versions().len()).sum(),
        parameters: law.parameters().count(),
        examples: law.examples(),
    };
    match output {
        Output::Json => print(&serde_json::to_string_pretty(&valid)?),
        Output::Table => print(&format!(
            "{} programmes, {} versions, {} parameters, {} examples",
            valid.programmes, valid.versions, valid.parameters, valid.examples
        )),
    }
    Ok(ExitCode::SUCCESS)
}

/// Prints every flaw and says how the command ends: the folder is refused.
pub(super) fn tell_flaws(flaws: &[Flaw], output: Output) -> Result<Failure, Failure> {
    match output {
        Output::Json => {
            let flaws: Vec<FlawView<'_>> = flaws.iter().map(flaw_view).collect();
            let body = serde_json::json!({ "flaws": flaws });
            print(&serde_json::to_string_pretty(&body)?);
        }
        Output::Table => {
            for it in flaws {
                print(&flaw_line(it));
            }
        }
    }
    let count = flaws.len();
    Ok(Failure::Refused(format!(
        "law_flawed: {count} {} in the folder; nothing was changed",
        if count == 1 { "flaw" } else { "flaws" }
    )))
}

fn flaw_line(it: &Flaw) -> String {
    format!("{}: {}: {}: {}", it.file, it.place, it.code, it.sentence)
}

fn flaw_view(it: &Flaw) -> FlawView<'_> {
    FlawView {
        file: &it.file,
        place: &it.place,
        code: it.code,
        sentence: &it.sentence,
    }
}

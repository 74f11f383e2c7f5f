use std::path::PathBuf;
use std::process::ExitCode;

use approval::Signing;
use chrono::{DateTime, Utc};
use domain::Officer;
use eligibility::{Error, LawInForce, LawRecord, Laws, law_hash};
use rules::{Files, Law};
use serde::Serialize;
use serde_json::json;
use sqlx::PgPool;

use crate::cli::{Output, Shared};
use crate::commands::signer::show_and_sign;
use crate::output::{Failure, print, say, show, table};
use crate::target::Target;

#[derive(Serialize)]
struct LawView {
    law_no: i64,
    state: &'static str,
    sha256: String,
    maker: String,
    reason: String,
    proposed_at: DateTime<Utc>,
    checker: Option<String>,
    approved_at: Option<DateTime<Utc>>,
}

/// What the caller can put right is refused with its code; anything else is our failure.
pub(in crate::commands) fn told(error: Error) -> Failure {
    let code = match &error {
        Error::Law(_) => "law_flawed",
        Error::LawRepeated(_) => "law_repeated",
        Error::LawUnknown(_) => "law_unknown",
        Error::LawApproved(_) => "illegal_transition",
        Error::LawSamePerson => "same_person",
        Error::Approval(approval::Error::Refused(problem)) => {
            return Failure::Refused(problem.to_string());
        }
        Error::NoLaw => {
            let sentence = "the services bring the shipped law, or look at it with --shipped";
            return Failure::Refused(format!("law_missing: {error}: {sentence}"));
        }
        _ => return Failure::Unexpected(error.into()),
    };
    Failure::Refused(format!("{code}: {error}"))
}

pub(super) async fn in_force(pool: &PgPool) -> Result<LawInForce, Failure> {
    let mut connection = pool.acquire().await?;
    Laws::default()
        .in_force(&mut connection)
        .await
        .map_err(told)
}

/// Proposes a law, whole or not at all.
pub(super) async fn apply(
    pool: &PgPool,
    files: &Files,
    (by, reason): (&Officer, &str),
    output: Output,
) -> Result<ExitCode, Failure> {
    if reason.trim().is_empty() {
        let sentence = "say which decree or decision the law follows";
        return Err(Failure::Refused(format!("reason_missing: {sentence}")));
    }
    if let Err(flaws) = Law::read(files) {
        return Err(super::tell_flaws(&flaws, output)?);
    }
    let now = Utc::now();
    // Law 1 is the shipped one and its own checker: nothing may take its place in a new database.
    eligibility::law_in_force(pool, now).await.map_err(told)?;
    let proposed = eligibility::propose_law(pool, files, by, reason, now).await;
    let law_no = proposed.map_err(told)?;
    let sha256 = hex::encode(law_hash(files));
    match output {
        Output::Json => {
            let body = json!({ "law_no": law_no, "sha256": sha256, "state": "proposed" });
            print(&serde_json::to_string_pretty(&body)?);
        }
        Output::Table => print(&format!("Law {law_no} is proposed, SHA-256 {sha256}.")),
    }
    say(&format!(
        "It holds for nobody until another officer approves it: \
         ansinh programme approve {law_no} --by OFFICER"
    ));
    Ok(ExitCode::SUCCESS)
}

pub(super) async fn approve(
    pool: &PgPool,
    shared: &Shared,
    law_no: i64,
    (key, by): (Option<PathBuf>, &Officer),
) -> Result<ExitCode, Failure> {
    let matter = {
        let mut connection = pool.acquire().await?;
        eligibility::law_matter(&mut connection, law_no).await
    };
    let decision = matter.map_err(told)?.decision(true, None, by);
    let signature = show_and_sign(shared, &decision, (key, by))?;
    let signing = Signing {
        signature: signature.as_deref(),
        is_required: Target::find(&shared.home)?
            .settings
            .approval
            .signatures_required,
    };
    let approved = eligibility::approve_law(pool, law_no, by, signing, Utc::now()).await;
    approved.map_err(told)?;
    let output = shared.output;
    let laws = views(eligibility::list_laws(pool).await.map_err(told)?);
    let law = laws.into_iter().find(|it| it.law_no == law_no);
    match (output, law) {
        (Output::Json, law) => print(&serde_json::to_string_pretty(&law)?),
        (Output::Table, law) => {
            let sha256 = law.map(|it| it.sha256).unwrap_or_default();
            print(&format!("Law {law_no} is in force, SHA-256 {sha256}."));
        }
    }
    say("Every run that opens from now on is decided by it.");
    Ok(ExitCode::SUCCESS)
}

pub(super) async fn list(pool: &PgPool, output: Output) -> Result<ExitCode, Failure> {
    let laws = views(eligibility::list_laws(pool).await.map_err(told)?);
    show(output, &laws, |laws| laws_table(laws))?;
    Ok(ExitCode::SUCCESS)
}

fn views(records: Vec<LawRecord>) -> Vec<LawView> {
    let approved = records.iter().filter(|it| it.approved_at.is_some());
    let latest = approved.map(|it| it.law_no).max().unwrap_or_default();
    let view = |it: LawRecord| LawView {
        law_no: it.law_no,
        state: match it.approved_at {
            Some(_) if it.law_no == latest => "in_force",
            Some(_) => "replaced",
            None if it.law_no < latest => "lapsed",
            None => "proposed",
        },
        sha256: hex::encode(it.sha256),
        maker: it.maker,
        reason: it.reason,
        proposed_at: it.proposed_at,
        checker: it.checker,
        approved_at: it.approved_at,
    };
    records.into_iter().map(view).collect()
}

fn laws_table(laws: &[LawView]) -> comfy_table::Table {
    let time = |it: DateTime<Utc>| it.format("%d/%m/%Y %H:%M").to_string();
    let rows = laws.iter().map(|it| {
        [
            it.law_no.to_string(),
            it.state.to_owned(),
            it.sha256[..16].to_owned(),
            it.maker.clone(),
            time(it.proposed_at),
            it.checker.clone().unwrap_or_default(),
            it.approved_at.map(time).unwrap_or_default(),
            it.reason.clone(),
        ]
    });
    let header = [
        "law",
        "state",
        "SHA-256",
        "maker",
        "proposed (UTC)",
        "checker",
        "approved (UTC)",
        "reason",
    ];
    table(&header, header.len(), rows)
}

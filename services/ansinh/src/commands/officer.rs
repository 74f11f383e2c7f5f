use std::process::ExitCode;

use chrono::{DateTime, Utc};
use payments::{EndKey, RegisterKey};
use serde::Serialize;

use crate::cli::{Officers, Shared};
use crate::matter::{Judged, Standing};
use crate::output::{Failure, print, say, show, table};
use crate::signing::OfficerKey;
use crate::target::Target;

/// A decision as it is shown: with what whoever verifies it needs.
#[derive(Serialize)]
struct DecisionRow<'a> {
    kind: &'static str,
    key: &'a str,
    maker: Option<&'a str>,
    officer: &'a str,
    is_accepted: bool,
    reason: Option<&'a str>,
    decided_at: DateTime<Utc>,
    standing: &'static str,
    statement: &'a str,
    signature: Option<String>,
    public_key: Option<String>,
}

impl DecisionRow<'_> {
    fn of(judged: &Judged) -> DecisionRow<'_> {
        let it = &judged.decided;
        DecisionRow {
            kind: it.kind.as_str(),
            key: &it.key,
            maker: it.maker.as_ref().map(domain::Officer::as_str),
            officer: it.officer.as_str(),
            is_accepted: it.is_accepted,
            reason: it.reason.as_deref(),
            decided_at: it.decided_at,
            standing: judged.standing.as_str(),
            statement: &it.statement,
            signature: it.signature.as_ref().map(hex::encode),
            public_key: it.public_key.as_ref().map(hex::encode),
        }
    }
}

fn decided(rows: &[DecisionRow<'_>]) -> comfy_table::Table {
    let rows = rows.iter().map(|it| {
        [
            it.kind.to_owned(),
            it.key.to_owned(),
            it.maker.unwrap_or_default().to_owned(),
            it.officer.to_owned(),
            if it.is_accepted {
                "accepted"
            } else {
                "refused"
            }
            .to_owned(),
            it.decided_at.format("%d/%m/%Y %H:%M").to_string(),
            it.standing.to_owned(),
        ]
    });
    let header = [
        "kind",
        "which",
        "maker",
        "decided by",
        "state",
        "decided (UTC)",
        "signature",
    ];
    table(&header, 7, rows)
}

pub(super) async fn officer(command: Officers, shared: &Shared) -> Result<ExitCode, Failure> {
    match command {
        Officers::New { owner, out } => {
            let file = out.unwrap_or_else(|| OfficerKey::place(&shared.home, &owner));
            let key = OfficerKey::generate()?;
            key.write(&file)?;
            say(&format!(
                "{} is the key of {owner}, and nobody else's. Another officer registers it with:",
                file.display()
            ));
            print(&format!("{} {}", key.public(), key.proof(&owner)));
            Ok(ExitCode::SUCCESS)
        }
        Officers::Register {
            owner,
            public_key,
            proof,
            by,
        } => {
            let body = RegisterKey {
                officer: by.by.clone(),
                owner,
                public_key,
                proof,
            };
            let target = Target::find(&shared.home)?;
            super::ask(&target, shared.output, "register-key", &by, &body).await
        }
        Officers::Decisions { kind, limit } => {
            let pool = Target::find(&shared.home)?.pool(None).await?;
            let judged = crate::matter::decisions(&pool, kind, i64::from(limit)).await?;
            let rows: Vec<DecisionRow> = judged.iter().map(DecisionRow::of).collect();
            show(shared.output, &rows, |rows| decided(rows))?;
            let broken = judged.iter().filter(|it| it.standing == Standing::Invalid);
            match broken.count() {
                0 => Ok(ExitCode::SUCCESS),
                count => Err(Failure::Broken(format!(
                    "{count} decisions are not what their officers signed"
                ))),
            }
        }
        Officers::End { owner, reason, by } => {
            let body = EndKey {
                officer: by.by.clone(),
                owner,
                reason,
            };
            let target = Target::find(&shared.home)?;
            super::ask(&target, shared.output, "end-key", &by, &body).await
        }
    }
}

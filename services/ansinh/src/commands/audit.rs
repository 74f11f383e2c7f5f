//! What an auditor holds the records against.

mod admission;
mod draw;
mod export;
mod pack;
mod payment;
mod query;
mod question;
mod sample;
mod store;

use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;
use proof::{Held, Log, LogKey, PaymentProof, Verified, Witness};
use serde_json::json;

use crate::cli::{Audit, Shared};
use crate::output::{Failure, grouped, print, say, show, table};
use crate::target::Target;

/// Something could not be covered.
const INCOMPLETE: u8 = 10;

/// Of all that are on record; every one lies in the log's folder.
const STAMPS_MAX: i64 = 1_000;

/// Said with every verification, in the words of who reads it.
const DOES_NOT_PROVE: [&str; 3] = [
    "KHÔNG chứng minh: dữ liệu nguồn là đúng sự thật khi được ghi",
    "KHÔNG chứng minh: không có việc gì đã xảy ra mà không được ghi",
    "KHÔNG chứng minh: máy chạy lệnh này không bị thay đổi (hãy kiểm tra bằng công cụ khác)",
];

#[expect(clippy::too_many_lines, reason = "one short arm a command")]
pub(super) async fn audit(command: Audit, shared: &Shared) -> Result<ExitCode, Failure> {
    match command {
        Audit::Verify { held, witness } => {
            let target = Target::find(&shared.home)?;
            let (log, key) = log_of(&target)?;
            let notes: Result<Vec<String>, Failure> = held.iter().map(|it| read(it)).collect();
            let witnesses = witness.iter().map(|it| Witness::of_key(it));
            let witnesses: Result<_, _> = witnesses.collect();
            let held = Held {
                notes: notes?,
                witnesses: witnesses
                    .map_err(|it: proof::Error| Failure::Refused(it.to_string()))?,
            };
            let pool = target.pool(None).await?;
            let told = proof::verify(&pool, &log, &key.verifier_key(), &held).await;
            verdict(&told.map_err(anyhow::Error::from)?, shared)
        }
        Audit::Proof { line, out } => {
            let target = Target::find(&shared.home)?;
            let (log, key) = log_of(&target)?;
            let pool = target.pool(None).await?;
            let made = proof::prove(&pool, &log, &key.verifier_key(), line).await;
            let made = made.map_err(refused)?;
            let text = serde_json::to_string_pretty(&made)?;
            let named = || format!("{} cannot be written", out.display());
            std::fs::write(&out, text).with_context(named)?;
            let told = json!({ "line": made.line, "steps": made.steps.len(), "file": out });
            show(shared.output, &told, |it| {
                let rows = [[it["line"].to_string(), it["steps"].to_string()]];
                table(&["payment", "journals"], 1, rows)
            })?;
            Ok(ExitCode::SUCCESS)
        }
        Audit::Payment { line, by } => {
            let target = Target::find(&shared.home)?;
            payment::payment(&target, shared.output, line, &by).await
        }
        Audit::Pack { run, out } => {
            let target = Target::find(&shared.home)?;
            let (log, key) = log_of(&target)?;
            let pool = target.pool(None).await?;
            let packed = pack::pack(&pool, &log, &key.verifier_key(), (run, &out)).await?;
            let told = json!(packed);
            show(shared.output, &packed, |_| {
                let rows = told.as_object().into_iter().flatten();
                table(
                    &["packed", ""],
                    1,
                    rows.map(|(what, it)| [what.clone(), it.to_string()]),
                )
            })?;
            let folder = out.display();
            say(&format!(
                "Verify it anywhere: python3 {folder}/data/verify.py {folder} --log-key …"
            ));
            Ok(ExitCode::SUCCESS)
        }
        Audit::Stamps => stamps(&Target::find(&shared.home)?, shared).await,
        Audit::Query { question: None, .. } => query::list(shared.output),
        Audit::Query {
            question: Some(question),
            sql: true,
            ..
        } => query::text(&question),
        Audit::Query {
            question: Some(question),
            sql: false,
            set,
            taken,
            by,
        } => {
            let target = Target::find(&shared.home)?;
            let by =
                by.ok_or_else(|| Failure::Refused("by_missing: who asks says so".to_owned()))?;
            query::query(&target, shared.output, (&question, &set), &taken, &by).await
        }
        Audit::Sample {
            run,
            method,
            size,
            seed,
            by_strata,
            taken,
            by,
        } => {
            let target = Target::find(&shared.home)?;
            let wanted = sample::Wanted {
                run,
                method,
                size,
                seed,
                by_strata,
            };
            sample::sample(&target, shared.output, wanted, &taken, &by).await
        }
        Audit::Admit {
            login,
            until,
            reason,
            out,
            by,
        } => {
            let target = Target::find(&shared.home)?;
            let decision = (&login, &reason[..], &by);
            admission::admit(&target, shared.output, decision, until, &out).await
        }
        Audit::Dismiss { login, reason, by } => {
            let target = Target::find(&shared.home)?;
            admission::dismiss(&target, (&login, &reason[..], &by)).await
        }
        Audit::Auditors => admission::list(&Target::find(&shared.home)?, shared.output).await,
        Audit::VerifyProof { file, log_key } => {
            let made: PaymentProof = serde_json::from_str(&read(&file)?).map_err(|it| {
                Failure::Broken(format!("proof_malformed: {}: {it}", file.display()))
            })?;
            let signed = proof::verify_proof(&made, &log_key);
            let signed = signed.map_err(|it| Failure::Broken(it.to_string()))?;
            let told = json!({
                "line": made.line,
                "steps": made.steps,
                "size": signed.size,
                "root": hex::encode(signed.root),
                "does_not_prove": made.does_not_prove,
            });
            show(shared.output, &told, |_| steps_table(&made))?;
            Ok(ExitCode::SUCCESS)
        }
        Audit::RestoreLog => restore(&Target::find(&shared.home)?, shared).await,
        Audit::Key => {
            let target = Target::find(&shared.home)?;
            let (log, key) = log_of(&target)?;
            let told = json!({ "folder": log.folder(), "key": key.verifier_key() });
            show(shared.output, &told, |it| {
                let row =
                    ["folder", "key"].map(|name| it[name].as_str().unwrap_or_default().to_owned());
                table(&["log", "verified by"], 2, [row])
            })?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

async fn restore(target: &Target, shared: &Shared) -> Result<ExitCode, Failure> {
    let (log, key) = log_of(target)?;
    let pool = target.pool(None).await?;
    let restored = proof::restore(&pool, &log, &key.verifier_key()).await;
    let restored = restored.map_err(|it| match it {
        proof::Error::Forked { .. } | proof::Error::Checkpoint(_) => {
            Failure::Broken(format!("not_what_was_signed: {it}; nothing was written"))
        }
        other => refused(other),
    })?;
    let told = json!({
        "folder": log.folder(),
        "leaves": restored.checkpoint.size,
        "root": hex::encode(restored.checkpoint.root),
        "checkpoints": restored.checkpoints,
        "time_stamps": restored.stamps,
    });
    show(shared.output, &told, |it| {
        let rows = it.as_object().into_iter().flatten();
        let rows = rows.map(|(what, it)| [what.clone(), it.to_string()]);
        table(&["restored", ""], 2, rows)
    })?;
    Ok(ExitCode::SUCCESS)
}

async fn stamps(target: &Target, shared: &Shared) -> Result<ExitCode, Failure> {
    let pool = target.pool(None).await?;
    let stamps = proof::stamps(&pool, STAMPS_MAX).await;
    let stamps = stamps.map_err(anyhow::Error::from)?;
    let told: Vec<_> = stamps
        .iter()
        .map(|it| {
            json!({
                "size": it.size,
                "stamped_at": it.stamped_at,
                "authority": it.authority,
                "kept_at": it.kept_at,
                "file": it.file(),
            })
        })
        .collect();
    show(shared.output, &told, |_| {
        let rows = stamps.iter().map(|it| {
            let time = it.stamped_at.to_rfc3339();
            [it.size.to_string(), time, it.authority.clone(), it.file()]
        });
        table(
            &["leaves", "stamped at", "authority", "in the log's folder"],
            4,
            rows,
        )
    })?;
    Ok(ExitCode::SUCCESS)
}

fn steps_table(made: &PaymentProof) -> comfy_table::Table {
    let rows = made.steps.iter().map(|it| {
        [
            it.leaf.key.clone(),
            it.transfer.debit.to_string(),
            it.transfer.credit.to_string(),
            it.transfer.amount.clone(),
        ]
    });
    table(&["journal", "debit", "credit", "đồng"], 3, rows)
}

pub(super) fn log_of(target: &Target) -> anyhow::Result<(Log, LogKey)> {
    let settings = &target.settings.proof;
    let folder = settings.log_dir.as_ref();
    let folder = folder.context("proof.log_dir names no folder of the transparency log")?;
    let signer = target.keys()?.signer(proof::PURPOSE);
    let key = LogKey::new(&settings.origin, signer)?;
    Ok((Log::open(folder)?, key))
}

/// The size and root that are published now; null before the first.
pub(super) fn checkpoint(target: &Target) -> anyhow::Result<serde_json::Value> {
    let (log, key) = log_of(target)?;
    let Some(note) = log.checkpoint()? else {
        return Ok(serde_json::Value::Null);
    };
    let signed = proof::SignedCheckpoint::open(&note, &key.verifier_key())?;
    Ok(json!({ "size": signed.size, "root": hex::encode(signed.root) }))
}

fn read(path: &Path) -> Result<String, Failure> {
    let named = || format!("{} cannot be read", path.display());
    Ok(std::fs::read_to_string(path).with_context(named)?)
}

fn refused(it: proof::Error) -> Failure {
    match it {
        proof::Error::Refused { .. } => Failure::Refused(it.to_string()),
        other => Failure::Unexpected(other.into()),
    }
}

fn verdict(told: &Verified, shared: &Shared) -> Result<ExitCode, Failure> {
    let covered = [
        ("journals", told.journals),
        ("transfers", told.transfers),
        ("entries of evidence", told.entries),
        ("leaves of the log", told.leaves),
        ("signed checkpoints", told.checkpoints),
        ("time stamps", told.time_stamps),
        ("not as recorded", told.tampered),
    ];
    show(shared.output, told, |_| {
        let rows = covered.map(|(what, count)| [what.to_owned(), grouped(count)]);
        table(&["recomputed", ""], 1, rows)
    })?;
    if shared.output == crate::cli::Output::Table {
        for it in &told.findings {
            print(&format!("{}  {}", it.code, it.place));
        }
    }
    for it in DOES_NOT_PROVE {
        say(it);
    }
    if told.tampered > 0 {
        let text = format!(
            "audit: {} places are not as they were recorded",
            told.tampered
        );
        return Err(Failure::Broken(text));
    }
    if !told.incomplete.is_empty() {
        for it in &told.incomplete {
            say(&format!("not covered: {it}"));
        }
        return Ok(ExitCode::from(INCOMPLETE));
    }
    say(&format!(
        "audit: {} leaves, root {}",
        grouped(told.size),
        told.root
    ));
    Ok(ExitCode::SUCCESS)
}

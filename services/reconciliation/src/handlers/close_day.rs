use chrono::{DateTime, Utc};
use messaging::Problem;
use privacy::Signer;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use sqlx::PgConnection;

use crate::Error;
use crate::closing::Facts;
use crate::command::CloseDay;
use crate::store::{self, Hindrances, Kept};

/// Closes a bank's day with a signed report. A closed day is answered with the report that it has:
/// what is known later is in the next one.
pub(super) async fn on_close_day(
    tx: &mut PgConnection,
    signer: &Signer,
    command: CloseDay,
    now: DateTime<Utc>,
) -> Result<Value, Error> {
    let CloseDay {
        institution, date, ..
    } = command;
    store::lock_cases(tx, institution).await?;
    if let Some(kept) = store::closing(tx, institution, date).await? {
        return shown(&kept, true);
    }
    allow(store::hindrances(tx, institution, date).await?, &command)?;
    let facts = Facts {
        institution,
        date,
        statements: store::stated(tx, institution, date).await?,
        equation: store::equation(tx, institution).await?,
        suspense: store::suspended(tx, institution).await?,
        books: store::books(tx, institution).await?,
        before: store::closing_before(tx, institution, date).await?,
    };
    let report = facts.report(&command.officer, now)?;
    let body = report.bytes();
    let kept = Kept {
        hash: Sha256::digest(&body).to_vec(),
        signature: signer.sign(&body),
        public_key: signer.public_key(),
        body,
    };
    store::insert_closing(tx, (&command, report.closing_no), &kept, now).await?;
    tracing::info!(%institution, %date, report.closing_no, "Closed a bank's day");
    shown(&kept, false)
}

fn allow(found: Hindrances, command: &CloseDay) -> Result<(), Error> {
    let (bank, date) = (command.institution, command.date);
    let refuse = |code, detail: String| Err(Problem::new(409, code, detail).into());
    if found.frozen {
        return refuse("day_frozen", format!("a statement froze {date} of {bank}"));
    }
    if found.later {
        return refuse("later_day_closed", format!("a day after {date} is closed"));
    }
    if found.unmatched > 0 {
        let detail = format!(
            "{} statements are not matched to their end",
            found.unmatched
        );
        return refuse("statement_open", detail);
    }
    if found.matched == 0 {
        return refuse("statement_missing", format!("{bank} has stated no {date}"));
    }
    if let Some(earlier) = found.earlier {
        return refuse("earlier_day_open", format!("{earlier} is not closed"));
    }
    Ok(())
}

fn shown(kept: &Kept, again: bool) -> Result<Value, Error> {
    let report: Value = serde_json::from_slice(&kept.body).map_err(Error::Report)?;
    Ok(json!({
        "institution": report["institution"],
        "date": report["date"],
        "closing_no": report["closing_no"],
        "difference": report["equation"]["difference"]["total"],
        "hash": hex::encode(&kept.hash),
        "public_key": hex::encode(&kept.public_key),
        "signature": hex::encode(&kept.signature),
        "closed_before": again,
    }))
}

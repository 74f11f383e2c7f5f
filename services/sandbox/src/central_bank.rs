//! The central bank's warning system (SIMO): what it tells of accounts.

use chrono::NaiveDate;
use domain::{BankAccount, Institution, Part};
use events::{SuspicionTold, SuspicionsTold};
use messaging::Problem;
use privacy::{Field, Keys};
use serde::Deserialize;

use crate::Error;

/// `{"message_id": "…", "suspicions": [{"suspicion_id": "…", "institution": "970436", "account": "…",
/// "kind": "mule_account", "raised_on": "2026-11-20"}]}`
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Telling {
    message_id: String,
    suspicions: Vec<Suspicion>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Suspicion {
    suspicion_id: String,
    institution: String,
    account: String,
    kind: String,
    raised_on: NaiveDate,
    #[serde(default)]
    cleared: bool,
}

/// Suspicions of one message.
const SUSPICIONS_MAX: usize = 1_000;

/// Reads what the central bank shall tell; account numbers leave it only as their keyed index.
///
/// # Errors
/// `body_invalid` where it is none of that form, and the code of a value that is none.
pub(crate) fn telling(keys: &Keys, body: &[u8]) -> Result<SuspicionsTold, Error> {
    let invalid = |_| {
        let detail = "the body is {\"message_id\", \"suspicions\": [{\"suspicion_id\", \
                      \"institution\", \"account\", \"kind\", \"raised_on\", \"cleared\"?}]}";
        Error::from(Problem::new(422, "body_invalid", detail))
    };
    let telling: Telling = serde_json::from_slice(body).map_err(invalid)?;
    if telling.suspicions.is_empty() || telling.suspicions.len() > SUSPICIONS_MAX {
        let detail = format!("a message has 1 to {SUSPICIONS_MAX} suspicions");
        return Err(Problem::new(422, "body_invalid", detail).into());
    }
    let refused = |it: domain::Refusal| Problem::new(422, it.code, it.sentence);
    let mut suspicions = Vec::with_capacity(telling.suspicions.len());
    for it in telling.suspicions {
        let institution: Institution = it.institution.parse().map_err(refused)?;
        let account: BankAccount = it.account.parse().map_err(refused)?;
        suspicions.push(SuspicionTold {
            suspicion_id: it.suspicion_id,
            institution,
            account_index: keys.index(Field::BankAccount, account.expose()),
            kind: it.kind,
            raised_on: it.raised_on,
            cleared: it.cleared,
        });
    }
    Ok(SuspicionsTold {
        part: Part::ZERO,
        message_id: telling.message_id,
        suspicions,
    })
}

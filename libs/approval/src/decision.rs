use chrono::{DateTime, Utc};
use domain::Officer;
use messaging::Problem;
use sqlx::{PgConnection, PgPool};

use crate::matter::{Decision, Kind, heading, verdict};
use crate::signature::{self, stands};
use crate::{Error, store};

/// What an officer gave with a decision, and whether it can do without.
#[derive(Debug, Clone, Copy)]
pub struct Signing<'a> {
    /// Hex.
    pub signature: Option<&'a str>,
    /// Whether also those sign who have no key.
    pub is_required: bool,
}

/// A decision as it was kept.
#[derive(Debug, Clone)]
pub struct Decided {
    pub kind: Kind,
    pub key: String,
    pub maker: Option<Officer>,
    pub officer: Officer,
    pub is_accepted: bool,
    pub reason: Option<String>,
    pub statement: String,
    pub signature: Option<Vec<u8>>,
    pub public_key: Option<Vec<u8>>,
    pub decided_at: DateTime<Utc>,
}

/// Keeps a decision with the signature under its text, in the transaction of what follows from it.
///
/// # Errors
/// `same_person`, `signature_missing`, `key_unknown`, `signature_malformed`, `signature_invalid`,
/// `matter_decided`.
pub async fn decide(
    tx: &mut PgConnection,
    decision: &Decision,
    signing: Signing<'_>,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    let (matter, officer) = (&decision.matter, &decision.officer);
    if matter.maker.as_ref() == Some(officer) {
        let detail = format!("{officer} proposed it and may not decide it as well");
        return Err(Problem::new(403, "same_person", detail).into());
    }
    let key = store::key_of(tx, officer).await?;
    let Signing {
        signature,
        is_required,
    } = signing;
    let signed = signature::signed(decision, officer, key, signature, is_required)?;
    if !store::insert_decision(tx, decision, signed.as_ref(), now).await? {
        let (kind, key) = (matter.kind.as_str(), &matter.key);
        let detail = format!("{kind} {key} is decided");
        return Err(Problem::new(409, "matter_decided", detail).into());
    }
    Ok(())
}

/// The latest decisions, or all of one kind; the latest first.
pub async fn decisions(
    pool: &PgPool,
    kind: Option<Kind>,
    limit: i64,
) -> Result<Vec<Decided>, Error> {
    store::decisions(pool, kind, limit).await
}

impl Decided {
    /// Whether the text is about this matter, as it was decided and by whom, and the signature
    /// stands under it; `None` where nobody had to sign and nobody did.
    pub fn is_sound(&self) -> Option<bool> {
        let signature = self.signature.as_deref()?;
        let key = self.public_key.as_deref().unwrap_or_default();
        let text = &self.statement;
        let by = format!("\nNgười ký: {}\n", self.officer);
        let is_of_row = text.starts_with(&heading(self.kind, &self.key))
            && text.lines().any(|it| it == verdict(self.is_accepted))
            && text.ends_with(&by);
        Some(is_of_row && stands(key, text, signature))
    }
}

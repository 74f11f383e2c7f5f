//! How an officer signs at the command line: with their own key, in their own place or another's.

use std::fmt;
use std::path::PathBuf;

use approval::Kind;
use chrono::Utc;
use domain::Officer;
use payments::{Delegation, Statement};

use crate::cli::{By, Deciding, Shared, Signing};
use crate::output::{Failure, say};
use crate::signing::OfficerKey;
use crate::target::Target;

/// With which key an officer signs, and in whose place.
pub(super) struct Signer {
    key: Option<OfficerKey>,
    lent: Option<Delegation>,
}

impl Signer {
    pub(super) async fn of(
        target: &Target,
        shared: &Shared,
        signing: Signing,
        by: &By,
    ) -> Result<Signer, Failure> {
        let key = own_key(shared, signing.key, &by.by)?;
        let lent = match signing.principal {
            None => None,
            Some(principal) => {
                let pool = target.pool(None).await?;
                let found = payments::lent_by(&pool, &principal, &by.by, Utc::now()).await?;
                Some(found.ok_or_else(|| {
                    let told =
                        format!("delegation_unknown: {principal} has lent {} nothing", by.by);
                    Failure::Refused(told)
                })?)
            }
        };
        Ok(Signer { key, lent })
    }

    pub(super) fn principal(&self) -> Option<Officer> {
        self.lent.as_ref().map(|it| it.principal.clone())
    }

    /// What is signed, and the signature; `None` without a key.
    pub(super) fn sign(&self, statement: Statement) -> Option<(Statement, String)> {
        let key = self.key.as_ref()?;
        let statement = statement.in_place_of(self.lent.clone());
        let signature = key.sign(&statement);
        Some((statement, signature))
    }
}

/// Shows what an officer decides, and signs it with their own key, where there is one.
pub(super) fn show_and_sign(
    shared: &Shared,
    said: &impl fmt::Display,
    (key, by): (Option<PathBuf>, &Officer),
) -> Result<Option<String>, Failure> {
    let key = own_key(shared, key, by)?;
    let how = if key.is_some() {
        "Signing"
    } else {
        "Deciding without a key"
    };
    say(&format!("{how}:\n{said}"));
    Ok(key.map(|it| it.sign(said)))
}

/// The officer's signature over a decision about a matter as it is stored.
pub(super) async fn sign_matter(
    target: &Target,
    shared: &Shared,
    (kind, number): (Kind, i64),
    (accept, why): (bool, Option<&str>),
    deciding: &Deciding,
) -> Result<Option<String>, Failure> {
    let pool = target.pool(None).await?;
    let matter = crate::matter::matter(&pool, kind, number).await?;
    let by = &deciding.by.by;
    let decision = matter.decision(accept, why, by);
    show_and_sign(shared, &decision, (deciding.key.clone(), by))
}

/// The key that was named, which must be there, or the one that lies in its place, if any.
pub(super) fn own_key(
    shared: &Shared,
    named: Option<PathBuf>,
    by: &Officer,
) -> Result<Option<OfficerKey>, Failure> {
    let place = OfficerKey::place(&shared.home, by);
    let file = named.or_else(|| place.exists().then_some(place));
    Ok(file.map(|it| OfficerKey::read(&it)).transpose()?)
}

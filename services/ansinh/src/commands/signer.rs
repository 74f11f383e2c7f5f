//! How an officer signs at the command line: with their own key, in their own place or another's.

use std::path::PathBuf;

use chrono::Utc;
use domain::Officer;
use payments::{Delegation, Statement};

use crate::cli::{By, Shared, Signing};
use crate::output::Failure;
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
        let key = own_key(shared, signing.key, by)?;
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

/// The key that was named, which must be there, or the one that lies in its place, if any.
pub(super) fn own_key(
    shared: &Shared,
    named: Option<PathBuf>,
    by: &By,
) -> Result<Option<OfficerKey>, Failure> {
    let place = OfficerKey::place(&shared.home, &by.by);
    let file = named.or_else(|| place.exists().then_some(place));
    Ok(file.map(|it| OfficerKey::read(&it)).transpose()?)
}

//! Organisations that are made up, and their keys, where keys are for development.

use chrono::{DateTime, Utc};
use domain::Officer;
use messaging::{NewKey, Organisation, Signers};
use privacy::Keys;
use sqlx::PgPool;

/// Whose word it is that a made-up bank's key is its own: nobody's.
const REGISTRAR: &str = "sandbox.registrar";
const WITNESS: &str = "sandbox.witness";

/// The state's keys and each made-up bank's: who holds them can say anything in any name.
pub fn made_up_signers(keys: &Keys) -> Signers {
    let state = keys.state_signers().iter();
    state.fold(sandbox::signers(keys), |signers, it| {
        signers.with(Organisation::State, it.clone())
    })
}

/// Registers and confirms them all, so that a demonstration needs no ceremony; harmless where they
/// are registered.
pub(crate) async fn introduce(
    pool: &PgPool,
    keys: &Keys,
    now: DateTime<Utc>,
) -> anyhow::Result<()> {
    let known = messaging::organisation_keys(pool, None).await?;
    let [registrar, witness]: [Officer; 2] = [REGISTRAR.parse()?, WITNESS.parse()?];
    let mut tx = pool.begin().await?;
    for (organisation, public_key) in made_up_signers(keys).held() {
        let hex = hex::encode(&public_key);
        if known.iter().any(|it| it.public_key == hex) {
            continue;
        }
        let key = NewKey {
            organisation,
            public_key,
            valid_from: now,
        };
        let key_no = messaging::register_key(&mut tx, &key, &registrar, now).await?;
        messaging::confirm_key(&mut tx, key_no, &witness, now).await?;
    }
    tx.commit().await?;
    Ok(())
}

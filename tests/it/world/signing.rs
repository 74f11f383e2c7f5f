//! Keys of made-up officers: the same name has the same key in every world.

use std::collections::BTreeMap;

use anyhow::Context;
use domain::RunNo;
use ed25519_dalek::{Signer, SigningKey};
use payments::{Guard, Guarded, RunSummary, SignedAct, Statement};

use super::{World, officer};

impl World {
    /// What an approver writes who has looked into every warning.
    pub async fn reasons(&self, run_no: RunNo) -> anyhow::Result<BTreeMap<Guard, String>> {
        let preview = payments::preview(&self.pool, run_no).await?;
        let warned = preview.context("the run exists")?.guards.into_iter();
        let warned = warned.filter(Guarded::warns);
        Ok(warned
            .map(|it| (it.guard, "đã rà soát".to_owned()))
            .collect())
    }

    /// An officer's signature over a run as it is shown; their key is registered if none was.
    pub async fn signature(
        &self,
        act: SignedAct,
        by: &str,
        run: &RunSummary,
    ) -> anyhow::Result<String> {
        self.register_key(by).await?;
        Ok(sign(&key_of(by), &Statement::seen(act, officer(by), run)))
    }

    pub async fn register_key(&self, by: &str) -> anyhow::Result<()> {
        sqlx::query(
            "INSERT INTO payments.officer_keys (officer, public_key, registered_by, registered_at)
            VALUES ($1, $2, 'bui.kiem', now()) ON CONFLICT DO NOTHING",
        )
        .bind(by)
        .bind(&key_of(by).verifying_key().to_bytes()[..])
        .execute(&self.pool)
        .await?;
        Ok(())
    }
}

pub fn key_of(name: &str) -> SigningKey {
    let mut seed = [0; 32];
    for (place, letter) in seed.iter_mut().zip(name.bytes()) {
        *place = letter;
    }
    SigningKey::from_bytes(&seed)
}

/// Hex.
pub fn sign(key: &SigningKey, statement: &impl std::fmt::Display) -> String {
    hex::encode(key.sign(statement.to_string().as_bytes()).to_bytes())
}

//! Keys of made-up officers: the same name has the same key in every world.

use std::collections::BTreeMap;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use anyhow::Context;
use approval::Kind;
use domain::{Officer, RunNo};
use ed25519_dalek::pkcs8::spki::der::pem::LineEnding;
use ed25519_dalek::pkcs8::{EncodePrivateKey, KeypairBytes};
use ed25519_dalek::{Signer, SigningKey};
use payments::{Guard, Guarded, RunSummary, SignedAct, Statement};
use serde_json::Value;
use sqlx::PgPool;

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

    /// A command as its officer would give it: a decision that has no signature yet is signed, where
    /// there is something to decide.
    pub async fn signed(&self, command: &str, mut body: Value) -> anyhow::Result<Value> {
        if body["signature"].is_string() {
            return Ok(body);
        }
        if let Some(decision) = self.decision(command, &body).await? {
            self.register_key(decision.officer.as_str()).await?;
            body["signature"] = sign(&key_of(decision.officer.as_str()), &decision).into();
        }
        Ok(body)
    }

    /// What a command decides, as it is stored; `None` where it decides nothing that there is.
    pub async fn decision(
        &self,
        command: &str,
        body: &Value,
    ) -> anyhow::Result<Option<approval::Decision>> {
        let (kind, number) = match command {
            "approve-limit" => (Kind::InstitutionLimit, "limit_no"),
            "approve-closing" => (Kind::YearClosing, "closing_no"),
            "approve-order" => (Kind::ScheduleOrder, "order_no"),
            "decide-unknown" => (Kind::Settlement, "settlement"),
            "confirm-organisation-key" => (Kind::OrganisationKey, "key_no"),
            "decide" => (Kind::Case, "proposal_no"),
            "decide-review" => (Kind::Review, "review"),
            "approve-law" => (Kind::Law, "law_no"),
            "appoint-officer" => (Kind::Appointment, ""),
            _ => return Ok(None),
        };
        let text = |name: &str| body[name].as_str().context("a text");
        let by: Officer = text("officer")?.parse()?;
        let number = match kind {
            Kind::Settlement => {
                payments::open_settlement(&self.pool, text("line")?.parse()?).await?
            }
            _ => body[number].as_i64(),
        };
        let matter = match (kind, number) {
            (Kind::Appointment, _) => {
                let province = body["province"].as_str().map(str::parse).transpose()?;
                let appointed = text("appointed")?.parse()?;
                let mut connection = self.pool.acquire().await?;
                Ok(accounts::appointment_matter(&mut connection, &appointed, province).await?)
            }
            (_, Some(number)) => ansinh::matter(&self.pool, kind, number).await,
            (_, None) => return Ok(None),
        };
        let accept = body["accept"].as_bool().unwrap_or(true);
        let why = body["reason"].as_str();
        Ok(matter.ok().map(|it| it.decision(accept, why, &by)))
    }

    /// Lays an officer's key where the command line finds it, and registers it.
    pub async fn hand_key(&self, by: &str) -> anyhow::Result<()> {
        self.register_key(by).await?;
        lay_key(&self.ground.home, by)
    }

    pub async fn register_key(&self, by: &str) -> anyhow::Result<()> {
        register_key(&self.pool, by).await
    }
}

pub async fn register_key(pool: &PgPool, by: &str) -> anyhow::Result<()> {
    sqlx::query(
        "INSERT INTO approval.officer_keys (officer, public_key, registered_by, registered_at)
        VALUES ($1, $2, CASE $1 WHEN 'bui.kiem' THEN 'pham.dung' ELSE 'bui.kiem' END, now())
        ON CONFLICT DO NOTHING",
    )
    .bind(by)
    .bind(&key_of(by).verifying_key().to_bytes()[..])
    .execute(pool)
    .await?;
    Ok(())
}

/// As `officer new-key` would.
pub fn lay_key(home: &Path, by: &str) -> anyhow::Result<()> {
    let pair = KeypairBytes {
        secret_key: key_of(by).to_bytes(),
        public_key: None,
    };
    let folder = home.join("officers");
    std::fs::create_dir_all(&folder)?;
    let file = folder.join(format!("{by}.pem"));
    let text = pair.to_pkcs8_pem(LineEnding::LF);
    std::fs::write(&file, text.map_err(|it| anyhow::anyhow!("{it}"))?)?;
    std::fs::set_permissions(&file, Permissions::from_mode(0o600))?;
    Ok(())
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

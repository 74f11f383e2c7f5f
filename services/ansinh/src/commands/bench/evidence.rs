use std::time::Duration;

use anyhow::ensure;
use chrono::Utc;
use domain::RunNo;
use proof::Held;
use sqlx::PgPool;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::{Clock, store};
use crate::commands::audit::log_of;
use crate::target::Target;

/// Payments that are proven one by one; fewer of a small run.
const PROVEN: i64 = 100;

/// Seals as the audit service does.
pub(super) struct Sealer {
    stop: CancellationToken,
    sealing: JoinHandle<anyhow::Result<()>>,
}

impl Sealer {
    pub(super) fn start(target: &Target, pool: &PgPool) -> anyhow::Result<Sealer> {
        let (log, key) = log_of(target)?;
        let pause = Duration::from_millis(target.settings.proof.seal_ms.max(1));
        let stop = CancellationToken::new();
        let (pool, stopped) = (pool.clone(), stop.clone());
        let sealing = tokio::spawn(async move {
            while !stopped.is_cancelled() {
                let sealed = proof::seal(&pool, &log, &key, Utc::now()).await?;
                if sealed.is_none_or(|it| !it.is_more) {
                    tokio::time::sleep(pause).await;
                }
            }
            Ok(())
        });
        Ok(Sealer { stop, sealing })
    }

    pub(super) async fn stop(self) -> anyhow::Result<()> {
        self.stop.cancel();
        self.sealing.await?
    }
}

/// What keeping and holding against each other costs, after the month is through.
pub(super) async fn evidence(
    target: &Target,
    pool: &PgPool,
    clock: &mut Clock,
    sealer: Sealer,
    (run_no, payments): (RunNo, u64),
) -> anyhow::Result<()> {
    sealer.stop().await?;
    let (log, key) = log_of(target)?;
    clock.restart();
    let mut waits = true;
    while waits {
        waits = proof::seal(pool, &log, &key, Utc::now()).await?.is_some();
    }
    let verifier_key = key.verifier_key();
    clock.restart();
    let told = proof::verify(pool, &log, &verifier_key, &Held::default()).await?;
    clock.phase("verify all evidence", payments);
    ensure!(told.tampered == 0 && told.incomplete.is_empty(), "{told:?}");
    store::analyze(pool).await?;
    let lines = store::some_lines(pool, run_no, PROVEN).await?;
    let proven = lines.len() as u64;
    clock.restart();
    for line in lines {
        let proof = proof::prove(pool, &log, &verifier_key, line).await?;
        proof::verify_proof(&proof, &verifier_key)?;
    }
    clock.phase("prove a payment", proven);
    Ok(())
}

use anyhow::{Context, ensure};
use chrono::Utc;
use domain::{ChunkNo, LineNo, Part, Position, RunNo};
use proof::Held;
use sqlx::PgPool;

use super::Clock;
use crate::commands::audit::log_of;
use crate::target::Target;

/// Payments that are proven one by one.
const PROVEN: i32 = 100;

/// What keeping and holding against each other costs, after the month is through.
pub(super) async fn evidence(
    target: &Target,
    pool: &PgPool,
    clock: &mut Clock,
    (run_no, payments): (RunNo, u64),
) -> anyhow::Result<()> {
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
    for line in 1..=PROVEN {
        let line = Position {
            run: run_no,
            part: Part::all().nth(7).context("a partition")?,
            chunk: ChunkNo(1),
            line: LineNo(line),
        };
        let proof = proof::prove(pool, &log, &verifier_key, line).await?;
        proof::verify_proof(&proof, &verifier_key)?;
    }
    clock.phase("prove a payment", PROVEN.unsigned_abs().into());
    Ok(())
}

//! Keeps evidence: seals what the others have recorded into the transparency log, and tells its
//! checkpoints.
//!
//! Owns the log's folder; reads schema `proof`'s entries and writes what of them is sealed. Says the
//! signed checkpoint on `audit.checkpoint`, as text, whenever the log has grown. One of several
//! instances seals at a time, and one that sleeps over it is waited for. Witnesses sign what is sealed, and authorities stamp it with their time,
//! now and then and beside it.
//!
//! Serves the log on `proof.listen`, over HTTP/1.1 without TLS: `/checkpoint` and `/tile/…`.

mod door;
mod stamps;
mod witnesses;

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use chrono::Utc;
use proof::{Log, LogKey};
use sqlx::PgPool;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use stamps::Authority;
use witnesses::Witnesses;

/// Where checkpoints are told: whoever hears one can hold it against the log later.
pub const SUBJECT: &str = "audit.checkpoint";
/// After a round that failed.
const PAUSE: Duration = Duration::from_secs(5);

/// Starts sealing as a task of `ctx` until it stops, and serving where the settings say.
///
/// # Errors
/// Where no folder is named, it cannot be made, the log's name is none, or the port is taken.
pub async fn start(ctx: &boot::Context) -> anyhow::Result<()> {
    let settings = &ctx.settings.proof;
    let folder = settings.log_dir.as_ref();
    let folder = folder.context("proof.log_dir names no folder for the transparency log")?;
    let key = LogKey::new(&settings.origin, ctx.keys.signer(proof::PURPOSE))?;
    tracing::info!(key = key.verifier_key(), "The log is verified by this key");
    let log = Log::open(folder)?;
    for it in &settings.time_stamps {
        let authority = Authority::new(it, &ctx.pool, &log)?;
        ctx.spawn("stamps", authority.run(ctx.stop.clone()));
    }
    let sealer = Sealer {
        pool: ctx.pool.clone(),
        nats: ctx.nats.clone(),
        log: log.clone(),
        key: Arc::new(key),
        witnesses: Witnesses::new(&settings.witnesses)?,
        pause: Duration::from_millis(settings.seal_ms.max(1)),
    };
    ctx.spawn("sealer", sealer.run(ctx.stop.clone()));
    if let Some(address) = settings.listen {
        let listener = boot::health::bind(address).await?;
        let serving = boot::callers::serve(listener, door::router(log), ctx.stop.clone());
        ctx.spawn("door", serving);
        tracing::info!(%address, "Serving the log");
    }
    Ok(())
}

struct Sealer {
    pool: PgPool,
    nats: async_nats::Client,
    log: Log,
    key: Arc<LogKey>,
    witnesses: Witnesses,
    pause: Duration,
}

impl Sealer {
    async fn run(mut self, stop: CancellationToken) {
        while !stop.is_cancelled() {
            let pause = match proof::seal(&self.pool, &self.log, &self.key, Utc::now()).await {
                Ok(Some(sealed)) => {
                    self.witnesses.sign(&self.log, &sealed.checkpoint).await;
                    self.tell(&sealed.checkpoint.note).await;
                    if sealed.is_more {
                        continue;
                    }
                    self.pause
                }
                Ok(None) => self.pause,
                Err(error) => {
                    tracing::error!(error = %error, "Evidence is not kept; money stops when it has waited too long");
                    PAUSE
                }
            };
            tokio::select! {
                () = stop.cancelled() => {}
                () = sleep(pause) => {}
            }
        }
    }

    /// Who does not hear it now finds it in the log's folder and with the next one.
    async fn tell(&self, note: &str) {
        let told = self.nats.publish(SUBJECT, note.to_owned().into()).await;
        if let Err(error) = told {
            tracing::warn!(error = %error, "A checkpoint was not told");
        }
    }
}

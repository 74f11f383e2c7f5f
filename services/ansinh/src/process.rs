use std::sync::Arc;

use anyhow::ensure;
use boot::{Context, Doorway, Health, Settings, keys};
use privacy::KeyPurpose;
use tokio_util::sync::CancellationToken;

use crate::cli::ServiceName;

/// Services that run in this process.
#[derive(Debug)]
pub struct Services {
    door: Option<Doorway>,
    contexts: Vec<Context>,
    stop: CancellationToken,
}

impl Services {
    /// Finishes the transactions in hand and gives everything back.
    pub async fn stop(self) {
        self.stop.cancel();
        let door = async {
            if let Some(door) = &self.door {
                door.shutdown().await;
            }
        };
        let contexts = futures::future::join_all(self.contexts.iter().map(Context::shutdown));
        futures::future::join(door, contexts).await;
    }

    /// Cancelled when a task has panicked.
    pub fn stopped(&self) -> CancellationToken {
        self.stop.clone()
    }
}

/// Starts all services in this process.
pub async fn start_services(settings: &Arc<Settings>, health: &Health) -> anyhow::Result<Services> {
    start_some(&[ServiceName::All], settings, health).await
}

/// Starts these services in this process.
pub async fn start_some(
    which: &[ServiceName],
    settings: &Arc<Settings>,
    health: &Health,
) -> anyhow::Result<Services> {
    let stop = CancellationToken::new();
    let mut services = Services {
        door: None,
        contexts: Vec::new(),
        stop: stop.clone(),
    };
    let wanted = |it| which.contains(&ServiceName::All) || which.contains(&it);
    let connect = async |name: &'static str| -> anyhow::Result<Context> {
        let ctx = Context::connect(name, settings.clone(), health.clone(), stop.clone()).await?;
        register_relay_check(health, &ctx);
        Ok(ctx)
    };
    if has_sandbox(which, settings)? {
        let ctx = connect("sandbox").await?;
        sandbox::start(&ctx).await?;
        services.contexts.push(ctx);
    }
    if wanted(ServiceName::Reconciliation) {
        let ctx = connect("reconciliation").await?;
        reconciliation::start(&ctx).await?;
        services.contexts.push(ctx);
    }
    if wanted(ServiceName::Payments) {
        let ctx = connect("payments").await?;
        payments::start(&ctx).await?;
        services.contexts.push(ctx);
    }
    if wanted(ServiceName::Accounts) {
        let ctx = connect("accounts").await?;
        accounts::start(&ctx).await?;
        services.contexts.push(ctx);
    }
    if wanted(ServiceName::Eligibility) {
        let ctx = connect("eligibility").await?;
        eligibility::start(&ctx).await?;
        services.contexts.push(ctx);
    }
    // With all the others it runs where the settings name a folder for it.
    let logged = settings.proof.log_dir.is_some();
    if which.contains(&ServiceName::All) && !logged {
        tracing::warn!(
            "Without proof.log_dir nothing is sealed here: where audit runs nowhere else, no money is released"
        );
    }
    if which.contains(&ServiceName::Audit) || wanted(ServiceName::Audit) && logged {
        let ctx = Context::connect("audit", settings.clone(), health.clone(), stop.clone()).await?;
        audit::start(&ctx).await?;
        services.contexts.push(ctx);
    }
    // With all the others it is served where the settings say; asked for by name it must be.
    let served = settings.console.listen.is_some();
    if which.contains(&ServiceName::Console) || wanted(ServiceName::Console) && served {
        let door = Doorway::connect("console", settings.clone(), health, stop.clone()).await?;
        console::start(&door).await?;
        services.door = Some(door);
    }
    Ok(services)
}

/// What is made up never stands beside what is real: with all the others the sandbox runs where the keys
/// are for development, and by its name it is refused where they are not.
fn has_sandbox(which: &[ServiceName], settings: &Settings) -> anyhow::Result<bool> {
    let by_name = which.contains(&ServiceName::Sandbox);
    if !by_name && !which.contains(&ServiceName::All) {
        return Ok(false);
    }
    let made_up = keys::read(settings)?.purpose() == KeyPurpose::Development;
    ensure!(
        made_up || !by_name,
        "sandbox_refused: these keys are for production, and all that the sandbox says is made up"
    );
    Ok(made_up)
}

/// A relay that falls behind is not ready: what was decided does not reach the others.
const RELAY_LAG_SECONDS_MAX: i64 = 60;

fn register_relay_check(health: &Health, ctx: &Context) {
    let pool = ctx.pool.clone();
    health.register(format!("{}.relay", ctx.service), move || {
        let pool = pool.clone();
        async move {
            let lag = messaging::lag(&pool).await.map_err(|it| it.to_string())?;
            if lag.oldest_seconds > RELAY_LAG_SECONDS_MAX {
                return Err(format!(
                    "{} events wait to be published, the oldest for {} s",
                    lag.unpublished, lag.oldest_seconds
                ));
            }
            Ok(())
        }
    });
}

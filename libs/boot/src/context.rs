use std::fmt;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use async_nats::connection::State;
use async_nats::jetstream;
use futures::FutureExt;
use messaging::Leases;
use privacy::Keys;
use sqlx::PgPool;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::Instrument;

use crate::{BootError, Health, Settings, database, keys, nats, shutdown, telemetry};

/// How long tasks may take to finish the transaction in hand.
const TASKS_TIMEOUT: Duration = Duration::from_secs(20);

/// How long connections may take to come back to their pool.
const POOL_TIMEOUT: Duration = Duration::from_secs(5);

/// What a service is given: its connections, its keys, and the word to stop.
#[derive(Clone)]
pub struct Context {
    pub service: &'static str,
    pub pool: PgPool,
    pub nats: async_nats::Client,
    pub jetstream: jetstream::Context,
    pub keys: Arc<Keys>,
    pub settings: Arc<Settings>,
    /// For connections outside of the pool, with [`database::options`]. It holds a password.
    pub database_url: Arc<str>,
    pub stop: CancellationToken,
    pub tasks: TaskTracker,
    pub health: Health,
    /// What this instance of the service does of its work.
    pub leases: Leases,
}

impl Context {
    /// Reads the keys, connects as database role `ansinh_<service>` and NATS client of the same
    /// name, refuses unsafe servers and registers the checks `<service>.database` and
    /// `<service>.nats`.
    ///
    /// # Errors
    ///
    /// [`BootError`], within half a minute.
    pub async fn connect(
        service: &'static str,
        settings: Arc<Settings>,
        health: Health,
        stop: CancellationToken,
    ) -> Result<Context, BootError> {
        let missing = |key, variable| BootError::Missing { key, variable };
        let database_url = settings.database.url.as_deref();
        let database_url = database_url.ok_or(missing("database.url", "DATABASE_URL"))?;
        let nats_url = settings.nats.url.as_deref();
        let nats_url = nats_url.ok_or(missing("nats.url", "NATS_URL"))?;
        let keys = keys::read(&settings)?;
        let name = format!("ansinh_{service}");
        let connections = settings.database.connections;
        let leases = Leases::new(service);
        let whose = (&name[..], leases.instance());
        let pool = database::connect_instance(database_url, whose, connections).await?;
        database::refuse_unsafe_server(&pool).await?;
        let client = nats::connect(nats_url, &settings.nats.login(), &name).await?;
        nats::refuse_unsafe_server(&client, settings.nats.monitor_url.as_deref()).await?;

        register_checks(service, &health, &pool, &client);
        let ctx = Context {
            service,
            jetstream: nats::jetstream(&client),
            pool,
            nats: client,
            keys: Arc::new(keys),
            database_url: database_url.into(),
            settings,
            stop,
            tasks: TaskTracker::new(),
            health,
            leases,
        };
        ctx.spawn("leases", ctx.wires().keep_leases());
        Ok(ctx)
    }

    /// Runs a task that [`Context::shutdown`] waits for; it has to watch `stop`.
    ///
    /// A task that panics takes the process down with it: half a service that looks alive is worse
    /// than none.
    pub fn spawn(&self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        watch(self.service, name, &self.stop, &self.tasks, task);
    }

    /// Says stop, waits for the tasks (20 s at most), then gives the connections back.
    pub async fn shutdown(&self) {
        let service = self.service;
        finish(service, &self.stop, &self.tasks).await;
        if timeout(POOL_TIMEOUT, self.pool.close()).await.is_err() {
            tracing::error!(
                service,
                "Connections of {service} did not come back in time"
            );
        }
        nats::drain(&self.nats).await;
        tracing::info!(service, "Stopped {service}");
    }
}

/// Runs a task that takes the process down with it when it panics.
pub(crate) fn watch(
    service: &'static str,
    name: &'static str,
    stop: &CancellationToken,
    tasks: &TaskTracker,
    task: impl Future<Output = ()> + Send + 'static,
) {
    let stop = stop.clone();
    let span = tracing::info_span!(
        target: telemetry::LOG_ONLY, "task", service = service, task = name
    );
    let watched = async move {
        // Nothing of the task is used after a panic, so nothing half-changed can be seen.
        if AssertUnwindSafe(task).catch_unwind().await.is_err() {
            shutdown::note_panic();
            tracing::error!("Task {name} panicked; the process stops");
            stop.cancel();
        }
    };
    tasks.spawn(watched.instrument(span));
}

/// Says stop and waits for the tasks.
pub(crate) async fn finish(service: &str, stop: &CancellationToken, tasks: &TaskTracker) {
    stop.cancel();
    tasks.close();
    if timeout(TASKS_TIMEOUT, tasks.wait()).await.is_err() {
        let left = tasks.len();
        tracing::error!(
            service,
            left,
            "{left} tasks of {service} did not stop in time"
        );
    }
}

fn register_checks(
    service: &'static str,
    health: &Health,
    pool: &PgPool,
    client: &async_nats::Client,
) {
    let pool = pool.clone();
    health.register(format!("{service}.database"), move || {
        let pool = pool.clone();
        async move {
            // A pool whose connections are all at work is busy, not broken.
            let busy = pool.num_idle() == 0 && pool.size() >= pool.options().get_max_connections();
            if busy && !pool.is_closed() {
                return Ok(());
            }
            let connection = pool.acquire().await;
            connection.map(drop).map_err(|it| it.to_string())
        }
    });
    register_nats_check(service, health, client);
}

pub(crate) fn register_nats_check(
    service: &'static str,
    health: &Health,
    client: &async_nats::Client,
) {
    let client = client.clone();
    health.register(format!("{service}.nats"), move || {
        let state = client.connection_state();
        async move {
            match state {
                State::Connected => Ok(()),
                state => Err(state.to_string()),
            }
        }
    });
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Context({})", self.service)
    }
}

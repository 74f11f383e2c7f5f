use std::fmt;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::context::{finish, register_nats_check, watch};
use crate::{BootError, Health, Settings, nats};

/// What a service is given that serves people and owns nothing: it can ask other services, and has
/// neither database nor keys, so that whoever breaks it open finds nothing inside.
#[derive(Clone)]
pub struct Doorway {
    pub service: &'static str,
    pub nats: async_nats::Client,
    pub settings: Arc<Settings>,
    pub stop: CancellationToken,
    pub tasks: TaskTracker,
}

impl Doorway {
    /// Connects as NATS client `ansinh_<service>` and registers the check `<service>.nats`.
    ///
    /// # Errors
    ///
    /// [`BootError`], within half a minute.
    pub async fn connect(
        service: &'static str,
        settings: Arc<Settings>,
        health: &Health,
        stop: CancellationToken,
    ) -> Result<Doorway, BootError> {
        let url = settings.nats.url.as_deref().ok_or(BootError::Missing {
            key: "nats.url",
            variable: "NATS_URL",
        })?;
        let client =
            nats::connect(url, &settings.nats.login(), &format!("ansinh_{service}")).await?;
        register_nats_check(service, health, &client);
        Ok(Doorway {
            service,
            nats: client,
            settings,
            stop,
            tasks: TaskTracker::new(),
        })
    }

    /// Runs a task that [`Doorway::shutdown`] waits for; it has to watch `stop`. A task that
    /// panics takes the process down with it.
    pub fn spawn(&self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        watch(self.service, name, &self.stop, &self.tasks, task);
    }

    /// Says stop, waits for the tasks, then closes the connection.
    pub async fn shutdown(&self) {
        let service = self.service;
        finish(service, &self.stop, &self.tasks).await;
        nats::drain(&self.nats).await;
        tracing::info!(service, "Stopped {service}");
    }
}

impl fmt::Debug for Doorway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Doorway({})", self.service)
    }
}

use std::time::Duration;

use messaging::Wires;

use crate::Context;

impl Context {
    /// What messaging needs of this service.
    pub fn wires(&self) -> Wires {
        let settings = &self.settings.messaging;
        Wires {
            pool: self.pool.clone(),
            database_url: self.database_url.to_string(),
            role: Some(format!("ansinh_{}", self.service)),
            nats: self.nats.clone(),
            jetstream: self.jetstream.clone(),
            stop: self.stop.clone(),
            leases: self.leases.clone(),
            watermark: Duration::from_millis(settings.watermark_ms),
            poll: Duration::from_millis(settings.poll_ms),
            replicas: self.settings.nats.replicas,
        }
    }
}

//! Whether the process lives, whether it can work, and what it counts.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use futures::future::join_all;
use serde::Serialize;
use tokio::net::TcpListener;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::BootError;

/// A check that takes longer has failed.
const CHECK_TIMEOUT: Duration = Duration::from_secs(2);

/// How long a stopping process waits for the callers that it still answers.
const STOP_TIMEOUT: Duration = Duration::from_secs(5);

type Answer = Pin<Box<dyn Future<Output = Result<(), String>> + Send>>;
type Check = Arc<dyn Fn() -> Answer + Send + Sync>;

/// The checks of one process, by name. Clones share them.
#[derive(Clone, Default)]
pub struct Health {
    checks: Arc<RwLock<BTreeMap<String, Check>>>,
}

/// The outcome of all checks, as `/readyz` shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Readiness {
    pub ready: bool,
    pub checks: Vec<Outcome>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Outcome {
    pub name: String,
    pub ok: bool,
    /// Why not; absent when it is well.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl Health {
    /// Adds a check, or puts another one in its place. Its error is shown to whoever can reach the
    /// health port: no secrets, no personal data.
    pub fn register<F, A>(&self, name: impl Into<String>, check: F)
    where
        F: Fn() -> A + Send + Sync + 'static,
        A: Future<Output = Result<(), String>> + Send + 'static,
    {
        let check: Check = Arc::new(move || Box::pin(check()));
        self.checks
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(name.into(), check);
    }

    /// Runs all checks at the same time, each within 2 seconds.
    ///
    /// A process without any check is still starting, and so not ready.
    pub async fn readiness(&self) -> Readiness {
        let checks = self
            .checks
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let outcomes = join_all(checks.into_iter().map(|(name, check)| async move {
            let reason = match timeout(CHECK_TIMEOUT, check()).await {
                Ok(outcome) => outcome.err(),
                Err(_) => Some(format!("no answer within {} s", CHECK_TIMEOUT.as_secs())),
            };
            Outcome {
                name,
                ok: reason.is_none(),
                reason,
            }
        }))
        .await;
        Readiness {
            ready: !outcomes.is_empty() && outcomes.iter().all(|it| it.ok),
            checks: outcomes,
        }
    }

    /// Serves `/healthz` (the process lives), `/readyz` (it can work, or 503) and `/metrics`
    /// (Prometheus text) until `stop`.
    pub async fn serve(
        self,
        listener: TcpListener,
        metrics: prometheus::Registry,
        stop: CancellationToken,
    ) -> Result<(), BootError> {
        let router = Router::new()
            .route("/healthz", get(|| async { "ok\n" }))
            .route("/readyz", get(readyz).with_state(self))
            .route("/metrics", get(show_metrics).with_state(metrics));
        let serving =
            axum::serve(listener, router).with_graceful_shutdown(stop.clone().cancelled_owned());
        let overdue = async {
            stop.cancelled().await;
            tokio::time::sleep(STOP_TIMEOUT).await;
        };
        tokio::select! {
            served = serving => served.map_err(BootError::Http),
            () = overdue => Ok(()), // a caller that does not let go
        }
    }
}

/// Takes the port now, so that a port that is taken stops the start and not a task.
pub async fn bind(address: SocketAddr) -> Result<TcpListener, BootError> {
    TcpListener::bind(address)
        .await
        .map_err(|source| BootError::Listen { address, source })
}

async fn readyz(State(health): State<Health>) -> Response {
    let readiness = health.readiness().await;
    let status = if readiness.ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (status, Json(readiness)).into_response()
}

async fn show_metrics(State(metrics): State<prometheus::Registry>) -> Response {
    match prometheus::TextEncoder::new().encode_to_string(&metrics.gather()) {
        Ok(text) => ([(header::CONTENT_TYPE, prometheus::TEXT_FORMAT)], text).into_response(),
        Err(error) => {
            tracing::error!(%error, "The metrics cannot be written");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

impl fmt::Debug for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let checks = self.checks.read().unwrap_or_else(PoisonError::into_inner);
        f.debug_set().entries(checks.keys()).finish()
    }
}

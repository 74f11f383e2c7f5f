//! HTTP for callers whom nobody knows: so many at a time, each for so long.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Connections at a time; others wait to be accepted.
const CONNECTIONS_MAX: usize = 128;
/// How long a caller may take to say what it asks for.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
/// Bytes of a request's head.
const HEADER_MAX: usize = 32 << 10;
/// How long a connection may last, whatever it does.
const CONNECTION_MAX: Duration = Duration::from_mins(5);
/// Wait after a connection could not be accepted (no file descriptor is free).
const PAUSE: Duration = Duration::from_millis(100);
const STOP_TIMEOUT: Duration = Duration::from_secs(5);

/// Serves until `stop`, then lets those finish who are being answered.
pub async fn serve(listener: TcpListener, router: Router, stop: CancellationToken) {
    let free = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let connections = TaskTracker::new();
    loop {
        let accepted = async {
            let place = free.clone().acquire_owned().await;
            (place, listener.accept().await)
        };
        let (place, accepted) = tokio::select! {
            () = stop.cancelled() => break,
            it = accepted => it,
        };
        match accepted {
            Ok((stream, _)) => {
                let (router, stop) = (router.clone(), stop.clone());
                connections.spawn(async move {
                    let _place = place;
                    answer(stream, router, stop).await;
                });
            }
            Err(error) => {
                tracing::warn!(kind = %error.kind(), "A connection was not accepted");
                sleep(PAUSE).await;
            }
        }
    }
    connections.close();
    if timeout(STOP_TIMEOUT, connections.wait()).await.is_err() {
        tracing::warn!("Callers do not let go");
    }
}

async fn answer(stream: TcpStream, router: Router, stop: CancellationToken) {
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .max_buf_size(HEADER_MAX)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => Some(ended),
        () = stop.cancelled() => None,
        () = sleep(CONNECTION_MAX) => None,
    };
    let ended = if let Some(ended) = ended {
        ended
    } else {
        connection.as_mut().graceful_shutdown();
        let ended = timeout(STOP_TIMEOUT, connection).await;
        ended.unwrap_or(Ok(()))
    };
    if ended.is_err() {
        tracing::debug!("A caller went away");
    }
}

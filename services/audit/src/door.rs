//! The log over HTTP, to be read only: C2SP tlog-tiles.

use axum::Router;
use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use proof::{Log, Served};

/// Who reads an old checkpoint believes that the log has stopped.
const CHECKPOINT: [&str; 2] = ["text/plain; charset=utf-8", "no-store"];
/// What is at the path of a tile never changes.
const TILE: [&str; 2] = [
    "application/octet-stream",
    "public, max-age=31536000, immutable",
];

/// All that is served: any other method is refused, any other path is nothing.
pub(crate) fn router(log: Log) -> Router {
    Router::new().fallback(get(read)).with_state(log)
}

async fn read(State(log): State<Log>, uri: Uri) -> Response {
    if uri.query().is_some() {
        return StatusCode::NOT_FOUND.into_response();
    }
    let path = uri.path().to_owned();
    let read = tokio::task::spawn_blocking(move || log.serve(&path)).await;
    let (kind, body) = match read {
        Ok(Ok(Some(Served::Checkpoint(note)))) => (CHECKPOINT, note.into_bytes()),
        Ok(Ok(Some(Served::Tile(bytes)))) => (TILE, bytes),
        Ok(Ok(None)) => return (StatusCode::NOT_FOUND, [no_store()]).into_response(),
        Ok(Err(error)) => {
            tracing::error!(error = %error, "The log cannot be read");
            return (StatusCode::INTERNAL_SERVER_ERROR, [no_store()]).into_response();
        }
        Err(_) => return (StatusCode::INTERNAL_SERVER_ERROR, [no_store()]).into_response(),
    };
    let headers = [
        (CONTENT_TYPE, kind[0]),
        (CACHE_CONTROL, kind[1]),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (headers, body).into_response()
}

/// What is not there now may be in a second.
fn no_store() -> (axum::http::HeaderName, &'static str) {
    (CACHE_CONTROL, "no-store")
}

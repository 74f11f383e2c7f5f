use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::DefaultBodyLimit;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Redirect};
use axum::routing::{get, post};
use axum::{Json, Router, middleware};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::door::{Door, Served};
use crate::refusal::{Reason, Refusal};
use crate::{api, guard, login, pages};

/// The longest form is a data request of 2,000 characters.
const BODY_BYTES_MAX: usize = 32 * 1024;

/// How long a stopping door waits for the callers that it still answers.
const STOP_TIMEOUT: Duration = Duration::from_secs(5);

const STYLE: &str = include_str!("../assets/citizen.css");

/// All that the door serves.
fn router(door: Arc<Door>) -> Router {
    let served = Served(door);
    let api = OpenApiRouter::with_openapi(api::document())
        .routes(routes!(api::my_links, api::request_link))
        .routes(routes!(api::unlink))
        .routes(routes!(api::my_access_log))
        .routes(routes!(api::my_requests, api::request_data));
    let (api, document) = api.split_for_parts();
    let document = Arc::new(document);
    let document = move || async move { Json(document.as_ref().clone()) };
    api.route("/v1/openapi.json", get(document))
        .route("/", get(|| async { Redirect::to("/citizen") }))
        .route("/citizen", get(pages::home))
        .route("/citizen/access-log", get(pages::access_log))
        .route("/citizen/login", get(login::begin))
        .route("/citizen/callback", get(login::come_back))
        .route("/citizen/logout", post(login::end))
        .route("/citizen/links", post(pages::request_link))
        .route("/citizen/links/{link}/unlink", post(pages::unlink))
        .route("/citizen/requests", post(pages::request_data))
        .route("/assets/citizen.css", get(style))
        .fallback(|| async { Refusal::from(Reason::NotFound) })
        .method_not_allowed_fallback(|| async { Refusal::from(Reason::MethodNotAllowed) })
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(middleware::from_fn_with_state(served.clone(), guard::guard))
        .with_state(served)
}

/// Serves until `stop`, and then whoever is being answered.
pub(crate) async fn serve(
    listener: TcpListener,
    door: Arc<Door>,
    stop: CancellationToken,
) -> Result<(), std::io::Error> {
    let router = router(door).into_make_service_with_connect_info::<SocketAddr>();
    let serving =
        axum::serve(listener, router).with_graceful_shutdown(stop.clone().cancelled_owned());
    let overdue = async {
        stop.cancelled().await;
        tokio::time::sleep(STOP_TIMEOUT).await;
    };
    tokio::select! {
        served = serving => served,
        () = overdue => Ok(()), // a caller that does not let go
    }
}

async fn style() -> impl IntoResponse {
    let headers = [
        (CONTENT_TYPE, "text/css; charset=utf-8"),
        (CACHE_CONTROL, "public, max-age=3600"),
    ];
    (headers, STYLE)
}

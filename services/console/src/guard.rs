//! What happens to every request, before and after it is served.

use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::time::{Duration, Instant};

use askama::Template;
use axum::Json;
use axum::extract::{ConnectInfo, MatchedPath, Request, State};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_LANGUAGE, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, ORIGIN,
    REFERRER_POLICY, RETRY_AFTER, SET_COOKIE, STRICT_TRANSPORT_SECURITY, X_CONTENT_TYPE_OPTIONS,
    X_FRAME_OPTIONS,
};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{Html, IntoResponse, Response};
use futures::FutureExt;
use tracing::Instrument;
use uuid::Uuid;

use crate::cookies;
use crate::door::{Door, Served};
use crate::language::Language;
use crate::origin::Origin;
use crate::pages::RefusalPage;
use crate::refusal::{Reason, Refusal};

/// A caller is told to ask again rather than kept waiting.
const ANSWER_MAX: Duration = Duration::from_secs(15);

/// Nothing from elsewhere, nothing inline: a piece of text that slipped into a page can do nothing.
const POLICY: &str = "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; \
    frame-ancestors 'none'; base-uri 'none'";

/// `same-origin`: with `no-referrer` browsers send `Origin: null` with our own forms.
const HEADERS: [(HeaderName, &str); 7] = [
    (CONTENT_SECURITY_POLICY, POLICY),
    (REFERRER_POLICY, "same-origin"),
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (X_FRAME_OPTIONS, "DENY"),
    (
        HeaderName::from_static("cross-origin-opener-policy"),
        "same-origin",
    ),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        "same-origin",
    ),
    (
        HeaderName::from_static("permissions-policy"),
        "camera=(), geolocation=(), microphone=(), payment=()",
    ),
];

/// Serves a request within bounds, says why where it was refused, and writes one line about it.
///
/// The line has the route and not the path, no query, no address: none of them is needed to run
/// the door, and each may be about somebody.
pub(crate) async fn guard(
    State(Served(door)): State<Served>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    request: Request,
    next: Next,
) -> Response {
    let began = Instant::now();
    let request_id = Uuid::now_v7().to_string();
    let language = Language::of(request.headers());
    let page = is_page(request.uri().path());
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>();
    let route = route.map_or("none", |it| it.as_str()).to_owned();
    let span = tracing::info_span!(
        "request",
        otel.name = format!("{method} {route}"),
        request_id
    );
    let served = serve(&door, peer, request, next).instrument(span).await;
    let mut response = match refusal(&served) {
        Some(refusal) => write(&door, &refusal, language, &request_id, page, &served),
        None => served,
    };
    dress(response.headers_mut(), &door.origin, &request_id);
    tracing::info!(
        %method,
        route,
        status = response.status().as_u16(),
        milliseconds = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX),
        request_id,
        "Served a request"
    );
    response
}

async fn serve(door: &Door, peer: SocketAddr, request: Request, next: Next) -> Response {
    if let Err(seconds) = door.limit.count(peer, request.headers()) {
        return Refusal::TooMany(seconds).into_response();
    }
    let Ok(_place) = door.places.try_acquire() else {
        return Refusal::from(Reason::Busy).into_response();
    };
    if !is_ours(request.method(), request.headers(), &door.origin) {
        return Refusal::from(Reason::CrossOrigin).into_response();
    }
    // Nothing of the request is used after a panic.
    let served = AssertUnwindSafe(next.run(request)).catch_unwind();
    match tokio::time::timeout(ANSWER_MAX, served).await {
        Ok(Ok(response)) => response,
        Ok(Err(_)) => {
            tracing::error!("A request made the door panic");
            Refusal::from(Reason::Broken).into_response()
        }
        Err(_) => Refusal::from(Reason::TooSlow).into_response(),
    }
}

/// Whether a request that may change something comes from a page of ours. Browsers always say so;
/// a program says it with `Origin`.
fn is_ours(method: &Method, headers: &HeaderMap, origin: &Origin) -> bool {
    if matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS) {
        return true;
    }
    let site = headers.get("sec-fetch-site");
    let from = headers.get(ORIGIN);
    let same_site = site.is_none_or(|it| it == "same-origin");
    let same_origin = from.is_none_or(|it| it == origin.as_str());
    (site.is_some() || from.is_some()) && same_site && same_origin
}

/// Why it was refused, also where the framework said so without our words.
fn refusal(response: &Response) -> Option<Refusal> {
    let status = response.status();
    let told = response.extensions().get::<Refusal>().cloned();
    let bare = response.headers().get(CONTENT_TYPE);
    let bare = bare.is_none_or(|it| it.as_bytes().starts_with(b"text/plain"));
    let failed = status.is_client_error() || status.is_server_error();
    told.or_else(|| (failed && bare).then(|| Refusal::of_status(status)))
}

fn write(
    door: &Door,
    refusal: &Refusal,
    language: Language,
    request_id: &str,
    page: bool,
    served: &Response,
) -> Response {
    let status = refusal.status();
    let mut response = if page {
        let page = RefusalPage::new(refusal, request_id).render();
        let page = page.expect("a page of ours renders");
        (status, Html(page)).into_response()
    } else {
        let told = refusal.told(language, request_id);
        let mut response = (status, Json(told)).into_response();
        let kind = HeaderValue::from_static("application/problem+json");
        response.headers_mut().insert(CONTENT_TYPE, kind);
        response
    };
    let headers = response.headers_mut();
    let language = if page { Language::Vietnamese } else { language };
    headers.insert(CONTENT_LANGUAGE, HeaderValue::from_static(language.tag()));
    if let Some(seconds) = refusal.retry_after() {
        headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    // What was said beside the refusal stands: cookies, and which methods are allowed.
    for (name, value) in served.headers() {
        if *name == SET_COOKIE || name == "allow" {
            headers.append(name, value.clone());
        }
    }
    if matches!(refusal, Refusal::Told(_)) && status == StatusCode::UNAUTHORIZED {
        let ended = cookies::session(&door.origin, None);
        let ended = HeaderValue::from_str(&ended).expect("a cookie of ours is ASCII");
        headers.append(SET_COOKIE, ended);
    }
    response
}

fn dress(headers: &mut HeaderMap, origin: &Origin, request_id: &str) {
    for (name, value) in HEADERS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if origin.is_https() {
        let year = HeaderValue::from_static("max-age=31536000");
        headers.insert(STRICT_TRANSPORT_SECURITY, year);
    }
    let id = HeaderValue::from_str(request_id).expect("a UUID is ASCII");
    headers.insert(HeaderName::from_static("x-request-id"), id);
    if !headers.contains_key(CACHE_CONTROL) {
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
}

fn is_page(path: &str) -> bool {
    path == "/" || path == "/citizen" || path.starts_with("/citizen/")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ours(method: &Method, headers: &[(&'static str, &'static str)]) -> bool {
        let origin = Origin::new(Some("https://a.vn"), "127.0.0.1:80".parse().unwrap()).unwrap();
        let headers = headers.iter().map(|(name, value)| {
            (
                HeaderName::from_static(name),
                HeaderValue::from_static(value),
            )
        });
        is_ours(method, &headers.collect(), &origin)
    }

    #[test]
    fn what_may_change_something_comes_from_our_own_pages() {
        let post = |headers: &[_]| ours(&Method::POST, headers);
        assert!(post(&[("origin", "https://a.vn")]));
        assert!(post(&[("sec-fetch-site", "same-origin")]));
        assert!(post(&[
            ("sec-fetch-site", "same-origin"),
            ("origin", "https://a.vn")
        ]));
        for foreign in [
            &[][..],
            &[("origin", "https://b.vn")],
            &[("origin", "http://a.vn")],
            &[("origin", "https://a.vn.b.vn")],
            &[("origin", "null")],
            &[("sec-fetch-site", "same-site")],
            &[("sec-fetch-site", "cross-site"), ("origin", "https://a.vn")],
            &[
                ("sec-fetch-site", "same-origin"),
                ("origin", "https://b.vn"),
            ],
            &[("sec-fetch-site", "none")],
        ] {
            assert!(!post(foreign), "{foreign:?}");
            assert!(!ours(&Method::DELETE, foreign), "{foreign:?}");
            assert!(ours(&Method::GET, foreign), "{foreign:?}");
        }
    }
}

use axum::body::Bytes;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use url::{Url, form_urlencoded};

use super::citizens::Found;
use super::grants::{Full, Grant, random_text};
use super::page;
use super::parameters::{Parameters, Repeated};
use super::request::{AuthorizationRequest, Invalid, Refusal};
use super::{Provider, Shared, unavailable};

/// Binds a form to the browser that it was shown in.
const COOKIE: &str = "vneid_browser";
/// How long somebody may look at the page, in seconds.
const PAGE_LIFE: i64 = 600;
const WORDS_MAX: usize = 100;

/// Proof that this server showed this request to this browser (against CSRF). Nothing is kept of
/// it here, so nobody fills the memory by asking for pages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ticket {
    /// Seconds of Unix time.
    pub issued_at: i64,
    pub token: String,
}

/// Makes tickets that others cannot make.
pub(crate) struct Tickets(Hmac<Sha256>);

/// Why a form is not taken.
enum Unusable {
    Here(StatusCode, &'static str),
    ToClient(Refusal),
    Failed,
}

/// `GET /authorize`, which shows the page.
pub(crate) async fn asked(
    State(provider): State<Shared>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    show(
        &provider,
        query.unwrap_or_default().as_bytes(),
        &headers,
        Utc::now(),
    )
    .await
}

/// `POST /authorize`, the same with its parameters in the body (OpenID Connect Core 1.0, 3.1.2.1).
pub(crate) async fn asked_by_form(
    State(provider): State<Shared>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    show(&provider, &body, &headers, Utc::now()).await
}

/// `POST /login`: a citizen was chosen, or none.
pub(crate) async fn chosen(
    State(provider): State<Shared>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    match choose(&provider, &Parameters::parse(&body), &headers, Utc::now()).await {
        Ok(location) => redirect(&location),
        Err(Unusable::ToClient(refusal)) => refuse(&provider, &refusal),
        Err(Unusable::Here(status, sentence)) => problem(status, sentence),
        Err(Unusable::Failed) => unavailable(),
    }
}

async fn show(
    provider: &Shared,
    parameters: &[u8],
    headers: &HeaderMap,
    now: DateTime<Utc>,
) -> Response {
    let parameters = Parameters::parse(parameters);
    let request = match AuthorizationRequest::read(&parameters, &provider.clients) {
        Ok(request) => request,
        Err(Invalid::Here(sentence)) => return problem(StatusCode::BAD_REQUEST, sentence),
        Err(Invalid::ToClient(refusal)) => return refuse(provider, &refusal),
    };
    let words = parameters.get("q").ok().flatten().unwrap_or_default();
    let words: String = words.chars().take(WORDS_MAX).collect();
    let Ok(found) = search(provider, words.clone()).await else {
        return unavailable();
    };
    let known = browser(headers);
    let browser = known.clone().unwrap_or_else(random_text);
    let ticket = provider.tickets.issue(&browser, &request, now);
    let html = page::choice(&request, &ticket, &words, &found);
    let target = Url::parse(&request.redirect_uri).map(|it| it.origin().ascii_serialization());
    let policy = page::content_security_policy(target.ok().as_deref());
    let mut response = (page_headers(policy), html).into_response();
    if known.is_none() {
        let cookie = format!("{COOKIE}={browser}; Path=/; HttpOnly; SameSite=Lax");
        let cookie = cookie.parse().expect("base64url stands in a header");
        response.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    response
}

/// Where the browser goes with the code.
async fn choose(
    provider: &Shared,
    form: &Parameters,
    headers: &HeaderMap,
    now: DateTime<Utc>,
) -> Result<String, Unusable> {
    let broken = "Biểu mẫu không hợp lệ. Hãy quay lại ứng dụng và đăng nhập lại.";
    let broken = |_: Repeated| Unusable::Here(StatusCode::BAD_REQUEST, broken);
    let field = |name| form.get(name).map_err(broken)?.ok_or(broken(Repeated));
    let request = Parameters::parse(field("request")?.as_bytes());
    let request = AuthorizationRequest::read(&request, &provider.clients);
    let request = request.map_err(|_| broken(Repeated))?;
    let ticket = Ticket {
        issued_at: field("issued_at")?.parse().map_err(|_| broken(Repeated))?,
        token: field("csrf")?.to_owned(),
    };
    let browser = browser(headers).unwrap_or_default();
    if !provider.tickets.verify(&ticket, &browser, &request, now) {
        let sentence = "Trang đã hết hạn hoặc không do trình duyệt này mở. \
                        Hãy quay lại ứng dụng và đăng nhập lại.";
        return Err(Unusable::Here(StatusCode::FORBIDDEN, sentence));
    }
    if field("action")? != "allow" {
        let refusal = request.refusal("access_denied", "the citizen did not agree");
        return Err(Unusable::ToClient(refusal));
    }
    let id: u64 = field("citizen")?.parse().map_err(|_| broken(Repeated))?;
    let citizen = find(provider, id).await.map_err(|()| Unusable::Failed)?;
    let citizen = citizen.ok_or(broken(Repeated))?;
    let grant = Grant {
        request: request.clone(),
        citizen,
        auth_time: now,
    };
    let code = provider.grants().issue(grant, now).map_err(|Full| {
        Unusable::ToClient(request.refusal("temporarily_unavailable", "too many logins wait"))
    })?;
    tracing::info!(client = request.client_id, "A test citizen logged in");
    let answer = [
        ("code", Some(&code[..])),
        ("state", request.state.as_deref()),
    ];
    Ok(location(&request.redirect_uri, &answer, &provider.issuer))
}

/// A search reads a whole file; one at a time does.
async fn search(provider: &Shared, words: String) -> Result<Vec<Found>, ()> {
    let _one = provider.searching.acquire().await.map_err(|_| ())?;
    ask(provider, move |it| it.citizens.search(&words)).await
}

async fn find(provider: &Shared, id: u64) -> Result<Option<super::Citizen>, ()> {
    ask(provider, move |it| it.citizens.find(id)).await
}

/// Reads the disk where that blocks nobody.
async fn ask<T: Send + 'static>(
    provider: &Shared,
    question: impl FnOnce(&Provider) -> std::io::Result<T> + Send + 'static,
) -> Result<T, ()> {
    let provider = provider.clone();
    let asked = tokio::task::spawn_blocking(move || question(&provider)).await;
    match asked {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(error)) => {
            tracing::warn!(kind = %error.kind(), "The citizens cannot be read");
            Err(())
        }
        Err(_) => Err(()),
    }
}

impl Tickets {
    /// # Panics
    /// When the kernel gives no random bytes.
    pub(crate) fn new() -> Tickets {
        let key = random_text();
        let mac = <Hmac<Sha256> as KeyInit>::new_from_slice(key.as_bytes());
        Tickets(mac.expect("HMAC takes a key of any length"))
    }

    fn issue(&self, browser: &str, request: &AuthorizationRequest, now: DateTime<Utc>) -> Ticket {
        let issued_at = now.timestamp();
        let mac = self.mac(issued_at, browser, request).finalize();
        Ticket {
            issued_at,
            token: URL_SAFE_NO_PAD.encode(mac.into_bytes()),
        }
    }

    fn verify(
        &self,
        ticket: &Ticket,
        browser: &str,
        request: &AuthorizationRequest,
        now: DateTime<Utc>,
    ) -> bool {
        let age = now.timestamp().saturating_sub(ticket.issued_at);
        let token = URL_SAFE_NO_PAD.decode(&ticket.token).unwrap_or_default();
        let mac = self.mac(ticket.issued_at, browser, request);
        (0..=PAGE_LIFE).contains(&age) && !browser.is_empty() && mac.verify_slice(&token).is_ok()
    }

    fn mac(&self, issued_at: i64, browser: &str, request: &AuthorizationRequest) -> Hmac<Sha256> {
        // Neither the time nor a cookie's value has a zero byte.
        self.0
            .clone()
            .chain_update(issued_at.to_string())
            .chain_update([0])
            .chain_update(browser)
            .chain_update([0])
            .chain_update(request.query())
    }
}

fn browser(headers: &HeaderMap) -> Option<String> {
    let cookies = headers.get_all(header::COOKIE).iter();
    let cookies = cookies.filter_map(|it| it.to_str().ok());
    let mut pairs = cookies.flat_map(|it| it.split(';'));
    pairs.find_map(|it| {
        let (name, value) = it.trim().split_once('=')?;
        (name == COOKIE && !value.is_empty()).then(|| value.to_owned())
    })
}

/// Sends a refusal to the client (RFC 6749, 4.1.2.1).
fn refuse(provider: &Provider, refusal: &Refusal) -> Response {
    let answer = [
        ("error", Some(refusal.error)),
        ("error_description", Some(refusal.description)),
        ("state", refusal.state.as_deref()),
    ];
    redirect(&location(&refusal.redirect_uri, &answer, &provider.issuer))
}

/// The client's address with the answer and who gives it (RFC 9207).
fn location(redirect_uri: &str, answer: &[(&str, Option<&str>)], issuer: &str) -> String {
    let present = answer.iter().filter_map(|(name, it)| Some((*name, (*it)?)));
    let mut query = form_urlencoded::Serializer::new(String::new());
    let query = query
        .extend_pairs(present)
        .append_pair("iss", issuer)
        .finish();
    let joined = if redirect_uri.contains('?') { '&' } else { '?' };
    format!("{redirect_uri}{joined}{query}")
}

fn redirect(location: &str) -> Response {
    let headers = [
        (header::LOCATION, location),
        (header::CACHE_CONTROL, "no-store"),
        (header::REFERRER_POLICY, "no-referrer"),
    ];
    (StatusCode::FOUND, headers).into_response()
}

fn problem(status: StatusCode, sentence: &str) -> Response {
    let policy = page::content_security_policy(None);
    (status, page_headers(policy), page::problem(sentence)).into_response()
}

fn page_headers(policy: String) -> [(header::HeaderName, String); 5] {
    [
        (header::CONTENT_TYPE, "text/html; charset=utf-8".to_owned()),
        (header::CONTENT_SECURITY_POLICY, policy),
        (header::CACHE_CONTROL, "no-store".to_owned()),
        (header::REFERRER_POLICY, "no-referrer".to_owned()),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff".to_owned()),
    ]
}

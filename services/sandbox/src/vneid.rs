//! VNeID's stand-in: an OpenID Connect provider of the authorization code flow with PKCE.
//!
//! The real VNeID's interface is not public; this one is what OpenID Connect Core 1.0, Discovery
//! 1.0, RFC 6749, RFC 7636 and RFC 9207 say of it, so that any client of theirs can log in. A page
//! to choose a citizen stands where the citizen's passcode would.
//!
//! Scope `citizen` gives `citizen_number` (12 digits), `name`, `birthdate` (a date, or a year where
//! no more is known) and, of those who had one, `old_id_number` (9 digits); `acr` is
//! `urn:vneid:level:1` or `:2`. A citizen of a file is of level 1 where the number ends in 00.

mod citizens;
mod client;
mod grants;
mod login;
mod metadata;
mod page;
mod parameters;
mod request;
mod signing;
#[cfg(test)]
mod tests;
mod token;

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::StatusCode;
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use boot::settings::Sandbox;
use privacy::Keys;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use url::Url;

pub use citizens::{Citizen, Level, built_in};

use citizens::Citizens;
use client::Clients;
use grants::Grants;
use login::Tickets;
use signing::IdTokenKey;

/// Bytes of a request's body: a form of a few parameters.
const BODY_MAX: usize = 32 << 10;
/// How long an answer may take, from the head of the request on.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

/// The provider, its port taken.
pub struct Vneid {
    listener: TcpListener,
    address: SocketAddr,
    provider: Shared,
}

/// Why the provider cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum VneidError {
    #[error("VNeID's stand-in lets anybody in as anybody: it listens on loopback, not on {0}")]
    Exposed(SocketAddr),
    #[error("cannot listen on {address}: {source}")]
    Listen {
        address: SocketAddr,
        source: io::Error,
    },
    #[error("an issuer is a scheme, a host and a port, without path, query and fragment")]
    Issuer,
    #[error("client {client_id:?} of VNeID: {what}")]
    Client {
        client_id: String,
        what: &'static str,
    },
    #[error("cannot read citizens from {path}: {source}")]
    Citizens { path: PathBuf, source: io::Error },
    #[error("no signing key could be made")]
    Key,
}

struct Provider {
    issuer: String,
    clients: Clients,
    citizens: Citizens,
    key: IdTokenKey,
    tickets: Tickets,
    grants: Mutex<Grants>,
    searching: Semaphore,
    keys: Arc<Keys>,
}

type Shared = Arc<Provider>;

impl Vneid {
    /// Takes the port of `vneid_listen` (a free one of 127.0.0.1 when absent) and makes the signing
    /// key. `keys` derive the pseudonyms of citizens.
    pub async fn bind(settings: &Sandbox, keys: Arc<Keys>) -> Result<Vneid, VneidError> {
        let address = settings.vneid_listen;
        let address = address.unwrap_or(SocketAddr::from(([127, 0, 0, 1], 0)));
        if !address.ip().is_loopback() {
            return Err(VneidError::Exposed(address));
        }
        let clients = Clients::of(&settings.vneid_clients)?;
        let citizens = Citizens::of(settings.vneid_citizens.as_deref())?;
        let taken = |source| VneidError::Listen { address, source };
        let listener = TcpListener::bind(address).await.map_err(taken)?;
        let address = listener.local_addr().map_err(taken)?;
        let issuer = match &settings.vneid_issuer {
            Some(issuer) => issuer_of(issuer)?,
            None => format!("http://{address}"),
        };
        let key = tokio::task::spawn_blocking(IdTokenKey::generate).await;
        let provider = Provider {
            issuer,
            clients,
            citizens,
            key: key.map_err(|_| VneidError::Key)??,
            tickets: Tickets::new(),
            grants: Mutex::default(),
            searching: Semaphore::new(1),
            keys,
        };
        Ok(Vneid {
            listener,
            address,
            provider: Arc::new(provider),
        })
    }

    /// What a client is given to find everything else.
    pub fn issuer(&self) -> &str {
        &self.provider.issuer
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub async fn serve(self, stop: CancellationToken) {
        boot::callers::serve(self.listener, router(self.provider), stop).await;
    }
}

impl Provider {
    fn grants(&self) -> MutexGuard<'_, Grants> {
        // Each change to them is one insertion or removal: a panic leaves nothing half done.
        self.grants.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn router(provider: Shared) -> Router {
    Router::new()
        .route("/.well-known/openid-configuration", get(configuration))
        .route("/jwks", get(jwks))
        .route("/authorize", get(login::asked).post(login::asked_by_form))
        .route("/login", post(login::chosen))
        .route("/token", post(token::exchange))
        .route("/userinfo", get(token::userinfo).post(token::userinfo))
        .layer(from_fn(answer_in_time))
        .layer(DefaultBodyLimit::max(BODY_MAX))
        .with_state(provider)
}

async fn configuration(State(provider): State<Shared>) -> Response {
    Json(metadata::metadata(&provider.issuer)).into_response()
}

async fn jwks(State(provider): State<Shared>) -> Response {
    Json(provider.key.jwks()).into_response()
}

async fn answer_in_time(request: Request, next: Next) -> Response {
    let answered = timeout(ANSWER_TIMEOUT, next.run(request)).await;
    answered.unwrap_or_else(|_| unavailable())
}

fn unavailable() -> Response {
    StatusCode::SERVICE_UNAVAILABLE.into_response()
}

fn issuer_of(text: &str) -> Result<String, VneidError> {
    let url = Url::parse(text).map_err(|_| VneidError::Issuer)?;
    let origin = url.origin().ascii_serialization();
    let http = matches!(url.scheme(), "http" | "https");
    // Clients compare it character by character.
    if !http || text != origin {
        return Err(VneidError::Issuer);
    }
    Ok(origin)
}

impl fmt::Debug for Vneid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Vneid({})", self.provider.issuer)
    }
}

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use chrono::{DateTime, Utc};
use openidconnect::core::{
    CoreAuthenticationFlow, CoreClient, CoreJsonWebKeySet, CoreProviderMetadata,
};
use openidconnect::url::Url;
use openidconnect::{
    AuthenticationContextClass, AuthorizationCode, ClientId, ClientSecret, CsrfToken,
    DiscoveryError, EndpointMaybeSet, EndpointNotSet, EndpointSet, IssuerUrl, Nonce,
    PkceCodeChallenge, PkceCodeVerifier, RedirectUrl, RequestTokenError, Scope,
};
use secrecy::ExposeSecret;
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::http::{self, HttpError};
use crate::party::is_safe;
use crate::token::{self, Citizen, LEVEL_MIN, LOGIN_AGE_MAX};
use crate::{Error, RelyingParty};

/// Tokens with made-up key ids must not make us ask the provider without end.
const REFRESH_MIN: Duration = Duration::from_secs(10);
/// A code is a random word.
const CODE_BYTES_MAX: usize = 2048;

type Client = CoreClient<
    EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointMaybeSet,
    EndpointMaybeSet,
>;

/// A provider whose metadata was read, with the keys that it signs with.
pub struct IdentityProvider {
    client: Client,
    metadata: CoreProviderMetadata,
    client_id: ClientId,
    http: reqwest::Client,
    keys: RwLock<Arc<CoreJsonWebKeySet>>,
    refreshed: Mutex<Instant>,
}

/// A login that has begun: where the citizen's browser goes, and what has to come back.
///
/// All but the URL stay with whoever began it, and are used once.
#[derive(Clone, PartialEq, Eq)]
pub struct Login {
    pub url: Url,
    pub state: String,
    pub nonce: String,
    pub code_verifier: String,
}

impl IdentityProvider {
    /// Reads the provider's metadata and keys.
    pub async fn discover(party: &RelyingParty) -> Result<IdentityProvider, Error> {
        let http = http::client()?;
        let issuer = IssuerUrl::new(party.issuer.clone());
        let issuer = issuer.map_err(|_| unavailable("the issuer is no URL"))?;
        let metadata =
            CoreProviderMetadata::discover_async(issuer, &|it| http::send(http.clone(), it))
                .await
                .map_err(|it| undiscovered(&it))?;
        if !is_safe(metadata.authorization_endpoint().url()) {
            return Err(unavailable("its authorization endpoint is not https"));
        }
        let client_id = ClientId::new(party.client_id.clone());
        let secret = party.client_secret.as_ref();
        let secret = secret.map(|it| ClientSecret::new(it.expose_secret().to_owned()));
        let client = Client::from_provider_metadata(metadata.clone(), client_id.clone(), secret);
        Ok(IdentityProvider {
            client,
            keys: RwLock::new(Arc::new(metadata.jwks().clone())),
            metadata,
            client_id,
            http,
            refreshed: Mutex::new(Instant::now() - REFRESH_MIN),
        })
    }

    /// As it stands in its tokens and in `iss` of its answers (RFC 9207).
    pub fn issuer(&self) -> &str {
        self.metadata.issuer()
    }

    /// Begins a login that comes back to `redirect`.
    pub fn begin(&self, redirect: &Url) -> Login {
        let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
        let level = format!("{}{LEVEL_MIN}", token::LEVEL);
        let (url, state, nonce) = self
            .client
            .authorize_url(
                CoreAuthenticationFlow::AuthorizationCode,
                CsrfToken::new_random,
                Nonce::new_random,
            )
            .set_redirect_uri(std::borrow::Cow::Owned(RedirectUrl::from_url(
                redirect.clone(),
            )))
            .add_scope(Scope::new("citizen".to_owned()))
            .add_auth_context_value(AuthenticationContextClass::new(level))
            .set_max_age(LOGIN_AGE_MAX)
            .set_pkce_challenge(challenge)
            .url();
        Login {
            url,
            state: state.secret().clone(),
            nonce: nonce.secret().clone(),
            code_verifier: verifier.secret().clone(),
        }
    }

    /// Gives a code back for the ID token, as it came: whoever relies on it verifies it.
    pub async fn exchange(
        &self,
        code: &str,
        code_verifier: &str,
        redirect: &Url,
    ) -> Result<String, Error> {
        if code.is_empty() || code.len() > CODE_BYTES_MAX {
            return Err(Error::CodeRefused);
        }
        let request = self
            .client
            .exchange_code(AuthorizationCode::new(code.to_owned()))
            .map_err(|_| unavailable("it has no token endpoint"))?
            .set_redirect_uri(std::borrow::Cow::Owned(RedirectUrl::from_url(
                redirect.clone(),
            )))
            .set_pkce_verifier(PkceCodeVerifier::new(code_verifier.to_owned()));
        let answer = request
            .request_async(&|it| http::send(self.http.clone(), it))
            .await;
        let answer = answer.map_err(|it| match it {
            RequestTokenError::ServerResponse(_) => Error::CodeRefused,
            RequestTokenError::Request(it) => Error::ProviderUnavailable(it.to_string()),
            // The texts of these may hold a piece of what was sent.
            RequestTokenError::Parse(..) | RequestTokenError::Other(_) => {
                unavailable("its token answer is not understood")
            }
        })?;
        let token = openidconnect::TokenResponse::id_token(&answer);
        token
            .map(ToString::to_string)
            .ok_or(unavailable("its token answer has no ID token"))
    }

    /// Who logged in, according to an ID token that answers `nonce`. No I/O: with the same keys
    /// and the same `now` it always says the same.
    pub fn verify(
        &self,
        id_token: &str,
        nonce: &str,
        now: DateTime<Utc>,
    ) -> Result<Citizen, Error> {
        let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
        let keys = keys.as_ref().clone();
        let verifier = token::verifier(
            self.client_id.clone(),
            self.metadata.issuer().clone(),
            keys,
            now,
        );
        token::verify(&verifier, &self.client_id, id_token, nonce, now)
    }

    /// The same for whoever may wait: a key that is not known is asked for once.
    pub async fn verify_fresh(
        &self,
        id_token: &str,
        nonce: &str,
        now: DateTime<Utc>,
    ) -> Result<Citizen, Error> {
        match self.verify(id_token, nonce, now) {
            Err(Error::KeyUnknown) => {
                self.refresh().await?;
                self.verify(id_token, nonce, now)
            }
            verified => verified,
        }
    }

    /// Fetches the keys again, once in ten seconds at most: `false` where it was too soon. What
    /// cannot be fetched, or is empty, leaves the keys as they were.
    pub async fn refresh(&self) -> Result<bool, Error> {
        let mut refreshed = self.refreshed.lock().await;
        if refreshed.elapsed() < REFRESH_MIN {
            return Ok(false);
        }
        *refreshed = Instant::now();
        let keys = CoreJsonWebKeySet::fetch_async(self.metadata.jwks_uri(), &|it| {
            http::send(self.http.clone(), it)
        })
        .await
        .map_err(|it| undiscovered(&it))?;
        if keys.keys().is_empty() {
            return Err(unavailable("its key set is empty"));
        }
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(keys);
        Ok(true)
    }
}

/// Where it failed, without the body of the answer: it is somebody else's text.
fn undiscovered(error: &DiscoveryError<HttpError>) -> Error {
    let sentence = match error {
        DiscoveryError::Request(it) => it.to_string(),
        DiscoveryError::Response(status, ..) => format!("it answered {}", status.as_u16()),
        DiscoveryError::Parse(it) => format!("its metadata is not understood at {}", it.path()),
        DiscoveryError::Validation(_) => "its metadata names another issuer".to_owned(),
        _ => "its metadata is not understood".to_owned(),
    };
    Error::ProviderUnavailable(sentence)
}

fn unavailable(sentence: &str) -> Error {
    Error::ProviderUnavailable(sentence.to_owned())
}

impl fmt::Debug for IdentityProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "IdentityProvider({})", self.issuer())
    }
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Login(••)")
    }
}

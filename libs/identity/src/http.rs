use std::time::Duration;

use openidconnect::http::Response;
use openidconnect::{HttpRequest, HttpResponse};
use reqwest::redirect::Policy;
use rustls::crypto::{CryptoProvider, ring};

use crate::Error;
use crate::party::is_safe;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);
/// Metadata, key sets and tokens are a few kilobytes.
const ANSWER_BYTES_MAX: usize = 256 * 1024;

/// Why a request to the provider has no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HttpError {
    #[error("{0}")]
    Request(#[from] reqwest::Error),
    #[error("the answer is longer than {ANSWER_BYTES_MAX} bytes")]
    TooLong,
    #[error("the provider names an address that is not https")]
    Unsafe,
    #[error("the answer is not HTTP: {0}")]
    Malformed(#[from] openidconnect::http::Error),
}

/// A client that follows no redirect: one could lead a code, or a secret, to another machine.
pub(crate) fn client() -> Result<reqwest::Client, Error> {
    if CryptoProvider::get_default().is_none()
        && ring::default_provider().install_default().is_err()
    {
        tracing::debug!("Another crypto provider was chosen at the same moment");
    }
    reqwest::Client::builder()
        .redirect(Policy::none())
        .connect_timeout(CONNECT_TIMEOUT)
        .timeout(ANSWER_TIMEOUT)
        .build()
        .map_err(|it| Error::ProviderUnavailable(it.to_string()))
}

/// Sends what `openidconnect` asks for and reads a bounded answer.
pub(crate) async fn send(
    client: reqwest::Client,
    request: HttpRequest,
) -> Result<HttpResponse, HttpError> {
    let request = reqwest::Request::try_from(request)?;
    if !is_safe(request.url()) {
        return Err(HttpError::Unsafe);
    }
    let failed = |it: reqwest::Error| HttpError::Request(it.without_url());
    let mut answer = client.execute(request).await.map_err(failed)?;
    let mut body = Vec::new();
    while let Some(piece) = answer.chunk().await.map_err(failed)? {
        if body.len() + piece.len() > ANSWER_BYTES_MAX {
            return Err(HttpError::TooLong);
        }
        body.extend_from_slice(&piece);
    }
    let mut response = Response::builder().status(answer.status());
    if let Some(headers) = response.headers_mut() {
        *headers = answer.headers().clone();
    }
    Ok(response.body(body)?)
}

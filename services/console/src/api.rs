//! `/v1/citizen`: what a citizen's page does, for programs that act in their browser's session.

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, SecurityScheme};
use utoipa::{IntoResponses, Modify, OpenApi};
use uuid::Uuid;

use crate::accounts::{
    AccessLog, DataRequest, DataRequests, LinkRequest, LinkState, Links, Receipt, Reference,
};
use crate::door::Served;
use crate::refusal::{Reason, Refusal, Told};
use crate::session::Session;

const KEY: &str = "idempotency-key";
const KEY_BYTES_MAX: usize = 200;

/// What each of these may be refused with.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "read by the document only")]
enum Refusals {
    /// The request is not well formed, or has no Idempotency-Key.
    #[response(status = 400, content_type = "application/problem+json")]
    Malformed(Told),
    /// Nobody is logged in, or the session has ended.
    #[response(status = 401, content_type = "application/problem+json")]
    NoSession(Told),
    /// Not permitted, or not sent from this site.
    #[response(status = 403, content_type = "application/problem+json")]
    Forbidden(Told),
    /// There is no such thing.
    #[response(status = 404, content_type = "application/problem+json")]
    NotFound(Told),
    /// Another method is meant.
    #[response(status = 405, content_type = "application/problem+json")]
    MethodNotAllowed(Told),
    /// The state does not allow it; `allowed_actions` says what it does.
    #[response(status = 409, content_type = "application/problem+json")]
    WrongState(Told),
    /// Too long.
    #[response(status = 413, content_type = "application/problem+json")]
    TooLarge(Told),
    /// Not JSON.
    #[response(status = 415, content_type = "application/problem+json")]
    UnsupportedMedia(Told),
    /// A field is missing, unknown or not valid, or the key was used for another request.
    #[response(status = 422, content_type = "application/problem+json")]
    Invalid(Told),
    /// Too many requests; `Retry-After` says when the next one is taken.
    #[response(status = 429, content_type = "application/problem+json")]
    TooMany(Told),
    /// Something is broken on our side.
    #[response(status = 500, content_type = "application/problem+json")]
    Broken(Told),
    /// A service cannot be reached; nothing was changed.
    #[response(status = 503, content_type = "application/problem+json")]
    Unavailable(Told),
    /// No answer in time; the same request with the same key is safe.
    #[response(status = 504, content_type = "application/problem+json")]
    TooSlow(Told),
}

#[derive(OpenApi)]
#[openapi(
    info(
        title = "An Sinh: citizens",
        description = "Where a citizen is paid, who looked at their data, and what they may ask \
            for. Refusals are RFC 9457 problems with a stable `code`; a POST carries an \
            `Idempotency-Key`, and methods that change something an `Origin`.",
        license(name = "Apache-2.0", identifier = "Apache-2.0")
    ),
    modifiers(&Cookie),
    tags((name = "citizen", description = "A citizen's own data"))
)]
struct Document;

struct Cookie;

impl Modify for Cookie {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let description =
            "Set by a login at /citizen/login; named ansinh_session over http on loopback.";
        let cookie = ApiKeyValue::with_description("__Host-ansinh_session", description);
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("session", SecurityScheme::ApiKey(ApiKey::Cookie(cookie)));
    }
}

pub(crate) fn document() -> utoipa::openapi::OpenApi {
    Document::openapi()
}

/// The key under which a request is done once, however often it is sent.
pub(crate) struct IdempotencyKey(String);

/// A JSON body.
pub(crate) struct Body<T>(T);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Before {
    before: Option<String>,
}

/// Where I am paid
#[utoipa::path(get, path = "/v1/citizen/links", tag = "citizen", security(("session" = [])),
    responses((status = 200, description = "In the order in which they are tried", body = Links),
        Refusals))]
pub(crate) async fn my_links(
    State(Served(door)): State<Served>,
    session: Session,
) -> Result<Json<Links>, Refusal> {
    Ok(Json(door.accounts.links(&session).await?))
}

/// Be paid at an account of mine
#[utoipa::path(post, path = "/v1/citizen/links", tag = "citizen", security(("session" = [])),
    params(("Idempotency-Key" = String, Header, description = "1 to 200 ASCII characters")),
    request_body = LinkRequest,
    responses((status = 202, description = "The institution is asked whose account it is",
        body = LinkState), Refusals))]
pub(crate) async fn request_link(
    State(Served(door)): State<Served>,
    session: Session,
    IdempotencyKey(key): IdempotencyKey,
    Body(wish): Body<LinkRequest>,
) -> Result<(StatusCode, Json<LinkState>), Refusal> {
    let state = door.accounts.request_link(&session, &key, &wish).await?;
    Ok((StatusCode::ACCEPTED, Json(state)))
}

/// Be paid there no longer
#[utoipa::path(delete, path = "/v1/citizen/links/{link}", tag = "citizen",
    security(("session" = [])), params(("link" = String, Path, description = "`link` of a link")),
    responses((status = 200, description = "The link has ended", body = LinkState), Refusals))]
pub(crate) async fn unlink(
    State(Served(door)): State<Served>,
    session: Session,
    Path(link): Path<String>,
) -> Result<Json<LinkState>, Refusal> {
    let link: Reference = link.parse()?;
    // Ended twice is ended once; a link of the same name may be ended again another day.
    let key = Uuid::now_v7().to_string();
    Ok(Json(door.accounts.unlink(&session, &key, &link).await?))
}

/// Who looked at my data
#[utoipa::path(get, path = "/v1/citizen/access-log", tag = "citizen", security(("session" = [])),
    params(("before" = Option<String>, Query, description = "`next` of the page before")),
    responses((status = 200, description = "A page, the latest first", body = AccessLog),
        Refusals))]
pub(crate) async fn my_access_log(
    State(Served(door)): State<Served>,
    session: Session,
    page: Result<Query<Before>, axum::extract::rejection::QueryRejection>,
) -> Result<Json<AccessLog>, Refusal> {
    let Query(Before { before }) = page.map_err(|_| Reason::Malformed)?;
    let before = before.map(|it| it.parse::<Reference>()).transpose();
    let before = before.map_err(|_| Reason::Malformed)?;
    let log = door.accounts.access_log(&session, before.as_ref()).await?;
    Ok(Json(log))
}

/// What I asked for about my data
#[utoipa::path(get, path = "/v1/citizen/requests", tag = "citizen", security(("session" = [])),
    responses((status = 200, description = "All of them, with their deadlines",
        body = DataRequests), Refusals))]
pub(crate) async fn my_requests(
    State(Served(door)): State<Served>,
    session: Session,
) -> Result<Json<DataRequests>, Refusal> {
    Ok(Json(door.accounts.requests(&session).await?))
}

/// Ask for something about my data
#[utoipa::path(post, path = "/v1/citizen/requests", tag = "citizen", security(("session" = [])),
    params(("Idempotency-Key" = String, Header, description = "1 to 200 ASCII characters")),
    request_body = DataRequest,
    responses((status = 202, description = "Taken, with its deadlines", body = Receipt), Refusals))]
pub(crate) async fn request_data(
    State(Served(door)): State<Served>,
    session: Session,
    IdempotencyKey(key): IdempotencyKey,
    Body(request): Body<DataRequest>,
) -> Result<(StatusCode, Json<Receipt>), Refusal> {
    let receipt = door.accounts.request_data(&session, &key, &request).await?;
    Ok((StatusCode::ACCEPTED, Json(receipt)))
}

impl FromRequestParts<Served> for IdempotencyKey {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &Served) -> Result<Self, Refusal> {
        let told = parts.headers.get(KEY).and_then(|it| it.to_str().ok());
        let key = told.filter(|it| (1..=KEY_BYTES_MAX).contains(&it.len()));
        let key = key.map(|it| IdempotencyKey(it.to_owned()));
        key.ok_or(Reason::KeyMissing.into())
    }
}

/// Refused without the parser's words, which repeat what was sent.
impl<T: DeserializeOwned> FromRequest<Served> for Body<T> {
    type Rejection = Refusal;

    async fn from_request(request: Request, door: &Served) -> Result<Self, Refusal> {
        match Json::<T>::from_request(request, door).await {
            Ok(Json(body)) => Ok(Body(body)),
            Err(JsonRejection::JsonDataError(_)) => Err(Reason::Invalid.into()),
            Err(other) => Err(Refusal::of_status(other.status())),
        }
    }
}

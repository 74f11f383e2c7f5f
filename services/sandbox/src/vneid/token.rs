use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use privacy::Field;
use serde_json::{Map, Value, json};

use super::client::Unproven;
use super::grants::{Grant, Redeemed, Shown, TOKEN_LIFE, Worthless};
use super::parameters::{Parameters, Repeated};
use super::signing::at_hash;
use super::{Provider, Shared};

/// Seconds for which an ID token tells that somebody has just logged in.
const ID_TOKEN_LIFE: i64 = 300;

/// What the token endpoint refuses (RFC 6749, 5.2).
struct Refused {
    error: &'static str,
    description: &'static str,
    /// The client showed itself in the header and is told to do so again.
    challenge: bool,
}

/// `POST /token`
pub(crate) async fn exchange(
    State(provider): State<Shared>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    match redeem(&provider, &headers, &body, Utc::now()) {
        Ok(answer) => unstored(StatusCode::OK, answer),
        Err(refused) => {
            let status = match refused.error {
                "invalid_client" => StatusCode::UNAUTHORIZED,
                _ => StatusCode::BAD_REQUEST,
            };
            let body = json!({
                "error": refused.error, "error_description": refused.description,
            });
            let mut response = unstored(status, body);
            if refused.challenge {
                let challenge = HeaderValue::from_static("Basic realm=\"vneid\"");
                response
                    .headers_mut()
                    .insert(header::WWW_AUTHENTICATE, challenge);
            }
            response
        }
    }
}

/// `GET` and `POST /userinfo` (OpenID Connect Core 1.0, 5.3).
pub(crate) async fn userinfo(State(provider): State<Shared>, headers: HeaderMap) -> Response {
    let Some(header) = headers.get(header::AUTHORIZATION) else {
        return unauthorized("Bearer realm=\"vneid\"");
    };
    let bearer = header.to_str().ok().and_then(|it| it.split_once(' '));
    let token = bearer.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
    let claims = token.and_then(|(_, token)| {
        let grants = provider.grants();
        let grant = grants.holder(token.trim(), Utc::now())?;
        Some(claims(&provider, grant))
    });
    match claims {
        Some(claims) => unstored(StatusCode::OK, claims.into()),
        // RFC 6750, 3.1
        None => unauthorized("Bearer realm=\"vneid\", error=\"invalid_token\""),
    }
}

fn redeem(
    provider: &Provider,
    headers: &HeaderMap,
    body: &[u8],
    now: DateTime<Utc>,
) -> Result<Value, Refused> {
    let content_type = headers
        .get(header::CONTENT_TYPE)
        .and_then(|it| it.to_str().ok());
    let content_type = content_type.and_then(|it| it.split(';').next());
    let form = "application/x-www-form-urlencoded";
    if !content_type.is_some_and(|it| it.trim().eq_ignore_ascii_case(form)) {
        return Err(Refused::request(
            "the body is application/x-www-form-urlencoded",
        ));
    }
    let body = Parameters::parse(body);
    let client = provider.clients.prove(headers, &body)?;
    match body.get("grant_type")? {
        Some("authorization_code") => {}
        None => return Err(Refused::request("grant_type is missing")),
        Some(_) => {
            let description = "grant_type is authorization_code";
            return Err(Refused::of("unsupported_grant_type", description));
        }
    }
    let missing = |description| move || Refused::request(description);
    let shown = Shown {
        code: body.get("code")?.ok_or_else(missing("code is missing"))?,
        client_id: &client.id,
        redirect_uri: body
            .get("redirect_uri")?
            .ok_or_else(missing("redirect_uri is missing"))?,
        verifier: body
            .get("code_verifier")?
            .filter(|it| is_verifier(it))
            .ok_or_else(missing("code_verifier is missing or malformed"))?,
    };
    let Redeemed {
        grant,
        access_token,
    } = provider.grants().redeem(&shown, now)?;
    Ok(json!({
        "access_token": access_token,
        "token_type": "Bearer",
        "expires_in": TOKEN_LIFE.num_seconds(),
        "scope": grant.request.scope.name(),
        "id_token": id_token(provider, &grant, &access_token, now),
    }))
}

fn id_token(provider: &Provider, grant: &Grant, access_token: &str, now: DateTime<Utc>) -> String {
    let mut claims = claims(provider, grant);
    let iat = now.timestamp();
    for (name, value) in [
        ("iss", json!(provider.issuer)),
        ("aud", json!(grant.request.client_id)),
        ("iat", json!(iat)),
        ("exp", json!(iat + ID_TOKEN_LIFE)),
        ("auth_time", json!(grant.auth_time.timestamp())),
        ("acr", json!(grant.citizen.level.acr())),
        ("at_hash", json!(at_hash(access_token))),
    ] {
        claims.insert(name.to_owned(), value);
    }
    if let Some(nonce) = &grant.request.nonce {
        claims.insert("nonce".to_owned(), json!(nonce));
    }
    provider.key.sign(&claims.into())
}

/// Who the citizen is, as far as it was asked.
fn claims(provider: &Provider, grant: &Grant) -> Map<String, Value> {
    let Grant {
        request, citizen, ..
    } = grant;
    let mut claims = Map::new();
    let mut claim = |name: &str, value: &str| claims.insert(name.to_owned(), json!(value));
    claim("sub", &subject(provider, grant));
    if request.scope.profile || request.scope.citizen {
        claim("name", citizen.name.expose());
        claim("birthdate", &citizen.birthdate());
    }
    if request.scope.citizen {
        claim("citizen_number", citizen.number.expose());
        if let Some(number) = &citizen.former_number {
            claim("old_id_number", number);
        }
    }
    claims
}

/// A pseudonym that is another with each client (OpenID Connect Core 1.0, 8.1) and stays the same
/// over restarts: it is derived with the installation's key.
fn subject(provider: &Provider, grant: &Grant) -> String {
    let whose = format!(
        "vneid/{}/{}",
        grant.request.client_id,
        grant.citizen.number.expose()
    );
    let index = provider.keys.index(Field::CitizenNumber, &whose);
    URL_SAFE_NO_PAD.encode(index.as_bytes())
}

/// 43 to 128 unreserved characters (RFC 7636, 4.1).
fn is_verifier(text: &str) -> bool {
    let unreserved = |it: u8| it.is_ascii_alphanumeric() || b"-._~".contains(&it);
    (43..=128).contains(&text.len()) && text.bytes().all(unreserved)
}

fn unstored(status: StatusCode, body: Value) -> Response {
    let headers = [
        (header::CACHE_CONTROL, "no-store"),
        (header::PRAGMA, "no-cache"),
    ];
    (status, headers, Json(body)).into_response()
}

fn unauthorized(challenge: &'static str) -> Response {
    let headers = [
        (header::WWW_AUTHENTICATE, challenge),
        (header::CACHE_CONTROL, "no-store"),
    ];
    (StatusCode::UNAUTHORIZED, headers).into_response()
}

impl Refused {
    fn of(error: &'static str, description: &'static str) -> Refused {
        Refused {
            error,
            description,
            challenge: false,
        }
    }

    fn request(description: &'static str) -> Refused {
        Refused::of("invalid_request", description)
    }
}

impl From<Repeated> for Refused {
    fn from(Repeated: Repeated) -> Refused {
        Refused::request("a parameter stands there twice")
    }
}

impl From<Unproven> for Refused {
    fn from(unproven: Unproven) -> Refused {
        match unproven {
            Unproven::Request(description) => Refused::request(description),
            Unproven::Client { by_header } => Refused {
                challenge: by_header,
                ..Refused::of(
                    "invalid_client",
                    "the client is unknown or did not prove itself",
                )
            },
        }
    }
}

impl From<Worthless> for Refused {
    fn from(worthless: Worthless) -> Refused {
        let description = match worthless {
            Worthless::Unknown => "the code is unknown, used or over",
            Worthless::UsedBefore => "the code was used before; what it was taken for is revoked",
            Worthless::AnotherClient => "the code is another client's",
            Worthless::AnotherRedirectUri => "the code was sent to another redirect_uri",
            Worthless::WrongVerifier => "code_verifier does not match code_challenge",
        };
        Refused::of("invalid_grant", description)
    }
}

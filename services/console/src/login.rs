//! How a citizen comes in through VNeID, and goes.

use std::time::Duration;

use axum::Form;
use axum::extract::{Query, State};
use axum::http::header::SET_COOKIE;
use axum::http::{HeaderName, HeaderValue};
use axum::response::{AppendHeaders, IntoResponse, Redirect, Response};
use axum_extra::extract::PrivateCookieJar;
use chrono::Utc;
use identity::IdentityProvider;
use serde::Deserialize;
use sha2::{Digest, Sha256};

use crate::cookies::{self, Begun};
use crate::door::{Door, Served};
use crate::refusal::{Reason, Refusal};
use crate::session::Session;

const CALLBACK: &str = "/citizen/callback";

/// What VNeID sends a browser back with. Only what is read; a name of it is never logged.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct Back {
    code: Option<String>,
    state: Option<String>,
    /// RFC 9207.
    iss: Option<String>,
    error: Option<String>,
}

#[derive(Deserialize)]
pub(crate) struct Leave {
    form_token: String,
}

/// Sends the browser to VNeID.
pub(crate) async fn begin(
    State(Served(door)): State<Served>,
    jar: PrivateCookieJar,
) -> Result<Response, Refusal> {
    let login = vneid(&door).await?.begin(&door.origin.at(CALLBACK));
    let to = Redirect::to(login.url.as_str());
    let jar = cookies::keep_login(jar, &door.origin, login, Utc::now());
    Ok((jar, to).into_response())
}

/// Takes the browser back: a session is opened for whom accounts finds in the ID token.
pub(crate) async fn come_back(
    State(Served(door)): State<Served>,
    before: Option<Session>,
    jar: PrivateCookieJar,
    back: Result<Query<Back>, axum::extract::rejection::QueryRejection>,
) -> Response {
    let (jar, begun) = cookies::take_login(jar, &door.origin, Utc::now());
    let Query(back) = back.unwrap_or_default();
    match open(&door, begun, back, before).await {
        Ok(cookie) => (jar, cookie, Redirect::to("/citizen")).into_response(),
        Err(refusal) => (jar, refusal).into_response(),
    }
}

type SetSession = AppendHeaders<[(HeaderName, HeaderValue); 1]>;

async fn open(
    door: &Door,
    begun: Option<Begun>,
    back: Back,
    before: Option<Session>,
) -> Result<SetSession, Refusal> {
    let begun = begun.ok_or(Reason::LoginLost)?;
    let state = back.state.as_deref().unwrap_or_default();
    if Sha256::digest(state) != Sha256::digest(&begun.state) {
        return Err(Reason::LoginLost.into());
    }
    let vneid = vneid(door).await?;
    if back.iss.is_some_and(|it| it != vneid.issuer()) {
        return Err(Reason::LoginLost.into());
    }
    if back.error.is_some() {
        return Err(Reason::LoginDenied.into());
    }
    let code = back.code.ok_or(Reason::LoginLost)?;
    let redirect = door.origin.at(CALLBACK);
    let id_token = vneid
        .exchange(&code, &begun.code_verifier, &redirect)
        .await?;
    let session = Session::begin();
    let accounts = &door.accounts;
    let expires_at = accounts
        .open_session(&session, &id_token, &begun.nonce)
        .await?;
    if let Some(before) = before {
        close(door, &before).await;
    }
    let rest = (expires_at - Utc::now()).to_std().unwrap_or(Duration::ZERO);
    Ok(set_session(door, Some((&session, rest))))
}

/// Ends the session here and in the register.
pub(crate) async fn end(
    State(Served(door)): State<Served>,
    session: Option<Session>,
    form: Result<Form<Leave>, axum::extract::rejection::FormRejection>,
) -> Result<Response, Refusal> {
    if let Some(session) = session {
        let Form(form) = form.map_err(|_| Reason::FormExpired)?;
        session.check_form_token(&form.form_token)?;
        close(&door, &session).await;
    }
    Ok((set_session(&door, None), Redirect::to("/citizen")).into_response())
}

/// A session that cannot be closed now ends by itself; the browser forgets it in any case.
async fn close(door: &Door, session: &Session) {
    if let Err(refusal) = door.accounts.close_session(session).await {
        tracing::warn!(code = refusal.code(), "A session was not closed");
    }
}

async fn vneid(door: &Door) -> Result<&IdentityProvider, Refusal> {
    let Some(port) = &door.vneid else {
        let sentence = "identity.issuer is not set".to_owned();
        return Err(identity::Error::Settings(sentence).into());
    };
    Ok(port.provider().await?)
}

fn set_session(door: &Door, session: Option<(&Session, Duration)>) -> SetSession {
    let cookie = cookies::session(&door.origin, session);
    let cookie = HeaderValue::from_str(&cookie).expect("a cookie of ours is ASCII");
    AppendHeaders([(SET_COOKIE, cookie)])
}

//! What is kept in a citizen's browser.
//!
//! The session cookie is `Lax`, not `Strict`: a login comes back from VNeID by redirects, on which a
//! `Strict` cookie is not sent, and so does who follows a link to their page. Nothing is changed by
//! a GET, and everything else is guarded by its origin and, in forms, by a token.
//!
//! A login that has begun is kept in an encrypted cookie of ten minutes, not in memory: it is bound
//! to the browser that began it, any door can go on with it, and who begins a million logins fills
//! their own browser and nothing of ours.

use std::time::Duration;

use axum_extra::extract::cookie::{Cookie, PrivateCookieJar};
use chrono::{DateTime, Utc};
use identity::Login;
use serde::{Deserialize, Serialize};

use crate::origin::Origin;
use crate::session::Session;

/// How long a citizen may take at VNeID.
const LOGIN_MAX: Duration = Duration::from_mins(10);

/// A login that has begun, as it waits in its cookie.
#[derive(Serialize, Deserialize)]
pub(crate) struct Begun {
    pub state: String,
    pub nonce: String,
    pub code_verifier: String,
    /// A browser may keep a cookie longer than it was told to.
    until: DateTime<Utc>,
}

pub(crate) fn session_name(origin: &Origin) -> &'static str {
    if origin.is_https() {
        "__Host-ansinh_session"
    } else {
        "ansinh_session"
    }
}

fn login_name(origin: &Origin) -> &'static str {
    if origin.is_https() {
        "__Host-ansinh_login"
    } else {
        "ansinh_login"
    }
}

/// The `Set-Cookie` of a session; `None` ends it.
pub(crate) fn session(origin: &Origin, session: Option<(&Session, Duration)>) -> String {
    let (value, rest) = session.map_or(("", Duration::ZERO), |(it, rest)| (it.expose(), rest));
    attributes(session_name(origin), value, rest, origin)
}

pub(crate) fn keep_login(
    jar: PrivateCookieJar,
    origin: &Origin,
    login: Login,
    now: DateTime<Utc>,
) -> PrivateCookieJar {
    let begun = Begun {
        state: login.state,
        nonce: login.nonce,
        code_verifier: login.code_verifier,
        until: now + LOGIN_MAX,
    };
    let mut cookie = empty_login(origin);
    cookie.set_value(serde_json::to_string(&begun).expect("strings serialize"));
    jar.add(cookie)
}

/// The login that has begun in this browser, which is then forgotten there: it is used once.
pub(crate) fn take_login(
    jar: PrivateCookieJar,
    origin: &Origin,
    now: DateTime<Utc>,
) -> (PrivateCookieJar, Option<Begun>) {
    let kept = jar.get(login_name(origin));
    let begun = kept.and_then(|it| serde_json::from_str::<Begun>(it.value()).ok());
    let begun = begun.filter(|it| now < it.until);
    (jar.remove(empty_login(origin)), begun)
}

fn empty_login(origin: &Origin) -> Cookie<'static> {
    let text = attributes(login_name(origin), "", LOGIN_MAX, origin);
    Cookie::parse(text).expect("a cookie of ours is well formed")
}

fn attributes(name: &str, value: &str, rest: Duration, origin: &Origin) -> String {
    let secure = if origin.is_https() { "; Secure" } else { "" };
    let seconds = rest.as_secs();
    format!("{name}={value}; Path=/; HttpOnly; SameSite=Lax; Max-Age={seconds}{secure}")
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderMap;
    use axum::http::header::{COOKIE, SET_COOKIE};
    use axum::response::IntoResponse;
    use axum_extra::extract::cookie::Key;
    use chrono::TimeDelta;

    use super::*;

    fn origin(url: &str) -> Origin {
        Origin::new(Some(url), "127.0.0.1:80".parse().unwrap()).unwrap()
    }

    #[test]
    fn a_session_cookie_stays_with_this_host_and_out_of_scripts() {
        let session = Session::begin();
        let kept = Some((&session, Duration::from_mins(15)));
        assert_eq!(
            super::session(&origin("https://a.vn"), kept),
            format!(
                "__Host-ansinh_session={}; Path=/; HttpOnly; SameSite=Lax; Max-Age=900; Secure",
                session.expose()
            )
        );
        assert_eq!(
            super::session(&origin("http://127.0.0.1:1"), None),
            "ansinh_session=; Path=/; HttpOnly; SameSite=Lax; Max-Age=0"
        );
    }

    #[test]
    fn a_login_goes_on_in_the_browser_that_began_it_for_ten_minutes() {
        let (origin, key, now) = (origin("https://a.vn"), Key::generate(), Utc::now());
        let login = Login {
            url: "https://vneid.vn/authorize".parse().unwrap(),
            state: "state-1".to_owned(),
            nonce: "nonce-1".to_owned(),
            code_verifier: "verifier-1".to_owned(),
        };
        let jar = PrivateCookieJar::new(key.clone());
        let response = keep_login(jar, &origin, login, now).into_response();
        let set = response.headers()[SET_COOKIE].to_str().unwrap();
        assert!(set.starts_with("__Host-ansinh_login="), "{set}");
        assert!(set.contains("HttpOnly") && set.contains("Secure") && set.contains("Max-Age=600"));
        assert!(!set.contains("verifier-1"), "{set}");

        let mut headers = HeaderMap::new();
        let (pair, _) = set.split_once(';').unwrap();
        headers.insert(COOKIE, pair.parse().unwrap());
        let taken = |key: &Key, now| {
            let jar = PrivateCookieJar::from_headers(&headers, key.clone());
            take_login(jar, &origin, now)
        };
        let (jar, begun) = taken(&key, now + TimeDelta::minutes(9));
        assert_eq!(begun.unwrap().nonce, "nonce-1");
        let response = jar.into_response();
        let forgotten = response.headers()[SET_COOKIE].to_str().unwrap();
        assert!(
            forgotten.contains("Max-Age=0") && forgotten.contains("Secure"),
            "{forgotten}"
        );
        assert!(taken(&key, now + TimeDelta::minutes(10)).1.is_none());
        assert!(taken(&Key::generate(), now).1.is_none());
    }
}

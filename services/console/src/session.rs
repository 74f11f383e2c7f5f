use std::convert::Infallible;
use std::fmt;

use axum::extract::{FromRequestParts, OptionalFromRequestParts};
use axum::http::request::Parts;
use axum_extra::extract::CookieJar;
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

use crate::cookies;
use crate::door::Served;
use crate::refusal::{Reason, Refusal};

const BYTES: usize = 32;

/// A citizen's session: 32 random bytes that only their browser and, as a hash, accounts know.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Session(String);

impl Session {
    /// One for each login, so that nobody can prepare a session for somebody else.
    pub(crate) fn begin() -> Session {
        let mut bytes = [0; BYTES];
        getrandom::fill(&mut bytes).expect("the system has randomness");
        Session(BASE64.encode(bytes))
    }

    pub(crate) fn expose(&self) -> &str {
        &self.0
    }

    /// What a form of this session carries. It follows from the session, so every door knows it,
    /// and tells nothing about it.
    pub(crate) fn form_token(&self) -> String {
        BASE64.encode(self.form_mac().finalize().into_bytes())
    }

    pub(crate) fn check_form_token(&self, token: &str) -> Result<(), Refusal> {
        let told = BASE64.decode(token).unwrap_or_default();
        let checked = self.form_mac().verify_slice(&told);
        checked.map_err(|_| Reason::FormExpired.into())
    }

    fn form_mac(&self) -> Hmac<Sha256> {
        <Hmac<Sha256> as KeyInit>::new_from_slice(self.0.as_bytes())
            .expect("HMAC takes a key of any length")
            .chain_update(b"form")
    }

    /// A caller's idempotency key as accounts gets it: nobody can use up somebody else's.
    pub(crate) fn key(&self, key: &str) -> String {
        let hash = Sha256::new()
            .chain_update(&self.0)
            .chain_update([0])
            .chain_update(key);
        hex::encode(hash.finalize())
    }
}

impl FromRequestParts<Served> for Session {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, door: &Served) -> Result<Session, Refusal> {
        let jar = CookieJar::from_headers(&parts.headers);
        let name = cookies::session_name(&door.0.origin);
        let told = jar.get(name).map(|it| it.value().to_owned());
        let whole = |it: &String| BASE64.decode(it).is_ok_and(|it| it.len() == BYTES);
        let session = told.filter(whole).map(Session);
        session.ok_or(Reason::SessionMissing.into())
    }
}

impl OptionalFromRequestParts<Served> for Session {
    type Rejection = Infallible;

    async fn from_request_parts(
        parts: &mut Parts,
        door: &Served,
    ) -> Result<Option<Session>, Infallible> {
        let session = <Session as FromRequestParts<Served>>::from_request_parts(parts, door);
        Ok(session.await.ok())
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Session(••)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_belongs_to_its_session() {
        let (mine, yours) = (Session::begin(), Session::begin());
        assert!(mine.check_form_token(&mine.form_token()).is_ok());
        for token in [yours.form_token(), String::new(), mine.0.clone()] {
            assert!(mine.check_form_token(&token).is_err());
        }
    }

    #[test]
    fn the_same_key_of_two_citizens_is_two_keys() {
        let (mine, yours) = (Session::begin(), Session::begin());
        assert_eq!(mine.key("1"), mine.key("1"));
        assert_ne!(mine.key("1"), mine.key("2"));
        assert_ne!(mine.key("1"), yours.key("1"));
        assert!(!mine.key("1").contains(&mine.0));
    }
}

use std::collections::HashMap;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, TimeDelta, Utc};
use sha2::{Digest, Sha256};

use super::citizens::Citizen;
use super::request::AuthorizationRequest;

/// Codes, and likewise tokens, that are remembered at a time.
const GRANTS_MAX: usize = 10_000;
const CODE_LIFE: TimeDelta = TimeDelta::seconds(60);
pub(crate) const TOKEN_LIFE: TimeDelta = TimeDelta::seconds(600);
/// Random bytes of a code or token.
const SECRET_BYTES: usize = 32;

/// Who may have what, found by hashes: what is in memory lets nobody in.
#[derive(Default)]
pub(crate) struct Grants {
    codes: Bounded<Code>,
    tokens: Bounded<Grant>,
}

/// A citizen let a client know who they are.
#[derive(Clone)]
pub(crate) struct Grant {
    pub request: AuthorizationRequest,
    pub citizen: Citizen,
    /// When the citizen was chosen.
    pub auth_time: DateTime<Utc>,
}

enum Code {
    Waiting(Box<Grant>),
    /// Kept as long as its token, so that a second use is seen and takes the token back.
    Used(Fingerprint),
}

/// What a code was redeemed for.
pub(crate) struct Redeemed {
    pub grant: Grant,
    pub access_token: String,
}

/// What a client shows to redeem a code.
pub(crate) struct Shown<'a> {
    pub code: &'a str,
    pub client_id: &'a str,
    pub redirect_uri: &'a str,
    /// PKCE.
    pub verifier: &'a str,
}

/// Why a code is worth nothing (`invalid_grant`, RFC 6749, 5.2). Whatever the reason, the code is
/// spent: nobody guesses twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Worthless {
    Unknown,
    UsedBefore,
    AnotherClient,
    AnotherRedirectUri,
    WrongVerifier,
}

/// More is asked for than is remembered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Full;

type Fingerprint = [u8; 32];

/// A map that forgets what is over, and holds so many at most.
struct Bounded<T>(HashMap<Fingerprint, (DateTime<Utc>, T)>);

impl Grants {
    /// Gives out a code for a citizen's word.
    pub(crate) fn issue(&mut self, grant: Grant, now: DateTime<Utc>) -> Result<String, Full> {
        let (code, fingerprint) = secret();
        let waiting = Code::Waiting(Box::new(grant));
        self.codes.insert(fingerprint, waiting, CODE_LIFE, now)?;
        Ok(code)
    }

    /// Takes a code for a token, once.
    pub(crate) fn redeem(
        &mut self,
        shown: &Shown,
        now: DateTime<Utc>,
    ) -> Result<Redeemed, Worthless> {
        let fingerprint = fingerprint(shown.code);
        let grant = match self.codes.remove(fingerprint, now) {
            None => return Err(Worthless::Unknown),
            Some(Code::Used(token)) => {
                self.tokens.remove(token, now);
                return Err(Worthless::UsedBefore);
            }
            Some(Code::Waiting(grant)) => grant,
        };
        let request = &grant.request;
        if request.client_id != shown.client_id {
            return Err(Worthless::AnotherClient);
        }
        if request.redirect_uri != shown.redirect_uri {
            return Err(Worthless::AnotherRedirectUri);
        }
        if challenge_of(shown.verifier) != request.challenge {
            return Err(Worthless::WrongVerifier);
        }
        let (access_token, token) = secret();
        // Where there is no room the code is spent all the same; the citizen logs in again.
        let kept = self
            .tokens
            .insert(token, Grant::clone(&grant), TOKEN_LIFE, now);
        let used = self
            .codes
            .insert(fingerprint, Code::Used(token), TOKEN_LIFE, now);
        kept.and(used).map_err(|Full| Worthless::Unknown)?;
        Ok(Redeemed {
            grant: *grant,
            access_token,
        })
    }

    /// Whose an access token is.
    pub(crate) fn holder(&self, token: &str, now: DateTime<Utc>) -> Option<&Grant> {
        self.tokens.get(fingerprint(token), now)
    }
}

impl<T> Bounded<T> {
    fn insert(
        &mut self,
        key: Fingerprint,
        value: T,
        life: TimeDelta,
        now: DateTime<Utc>,
    ) -> Result<(), Full> {
        if self.0.len() >= GRANTS_MAX {
            self.0.retain(|_, (until, _)| now < *until);
        }
        if self.0.len() >= GRANTS_MAX {
            return Err(Full);
        }
        self.0.insert(key, (now + life, value));
        Ok(())
    }

    fn get(&self, key: Fingerprint, now: DateTime<Utc>) -> Option<&T> {
        let (until, value) = self.0.get(&key)?;
        (now < *until).then_some(value)
    }

    fn remove(&mut self, key: Fingerprint, now: DateTime<Utc>) -> Option<T> {
        let (until, value) = self.0.remove(&key)?;
        (now < until).then_some(value)
    }
}

impl<T> Default for Bounded<T> {
    fn default() -> Bounded<T> {
        Bounded(HashMap::new())
    }
}

/// The S256 challenge of a verifier (RFC 7636, 4.2).
fn challenge_of(verifier: &str) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(verifier))
}

fn fingerprint(secret: &str) -> Fingerprint {
    Sha256::digest(secret).into()
}

fn secret() -> (String, Fingerprint) {
    let secret = random_text();
    let fingerprint = fingerprint(&secret);
    (secret, fingerprint)
}

/// 256 random bits in base64url.
///
/// # Panics
/// When the kernel gives no random bytes: nobody may be let in without them.
pub(crate) fn random_text() -> String {
    let mut bytes = [0; SECRET_BYTES];
    getrandom::fill(&mut bytes).expect("the kernel's random source does not fail once it is up");
    URL_SAFE_NO_PAD.encode(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vneid::citizens::built_in;
    use crate::vneid::request::Scope;

    const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
    const BACK: &str = "http://127.0.0.1:4000/callback";

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000 + seconds, 0).unwrap()
    }

    fn grant() -> Grant {
        Grant {
            request: AuthorizationRequest {
                client_id: "us".to_owned(),
                redirect_uri: BACK.to_owned(),
                scope: Scope {
                    profile: false,
                    citizen: true,
                },
                state: None,
                nonce: None,
                challenge: CHALLENGE.to_owned(),
            },
            citizen: built_in().swap_remove(0),
            auth_time: at(0),
        }
    }

    fn shown(code: &str) -> Shown<'_> {
        Shown {
            code,
            client_id: "us",
            redirect_uri: BACK,
            verifier: VERIFIER,
        }
    }

    fn refused(grants: &mut Grants, shown: &Shown, now: DateTime<Utc>) -> Worthless {
        grants.redeem(shown, now).map(|_| ()).unwrap_err()
    }

    #[test]
    fn a_code_is_redeemed_once_and_its_second_use_takes_the_token_back() {
        let mut grants = Grants::default();
        let code = grants.issue(grant(), at(0)).unwrap();
        let token = grants.redeem(&shown(&code), at(59)).unwrap().access_token;
        let other = grants.issue(grant(), at(59)).unwrap();
        let other = grants.redeem(&shown(&other), at(60)).unwrap().access_token;
        assert!(grants.holder(&token, at(300)).is_some());

        let again = refused(&mut grants, &shown(&code), at(301));
        assert_eq!(again, Worthless::UsedBefore);
        assert!(grants.holder(&token, at(302)).is_none());
        assert!(grants.holder(&other, at(302)).is_some());
    }

    #[test]
    fn codes_and_tokens_end() {
        let mut grants = Grants::default();
        let code = grants.issue(grant(), at(0)).unwrap();
        let late = refused(&mut grants, &shown(&code), at(60));
        assert_eq!(late, Worthless::Unknown);
        let code = grants.issue(grant(), at(0)).unwrap();
        let token = grants.redeem(&shown(&code), at(0)).unwrap().access_token;
        assert!(grants.holder(&token, at(599)).is_some());
        assert!(grants.holder(&token, at(600)).is_none());
        assert!(grants.holder("guessed", at(0)).is_none());
    }

    #[test]
    fn a_code_belongs_to_who_asked_for_it_and_a_wrong_try_spends_it() {
        for (wrong, why) in [
            (
                |it: &mut Shown| it.client_id = "others",
                Worthless::AnotherClient,
            ),
            (
                |it: &mut Shown| it.redirect_uri = "http://127.0.0.1:4001/callback",
                Worthless::AnotherRedirectUri,
            ),
            (
                |it: &mut Shown| it.verifier = CHALLENGE,
                Worthless::WrongVerifier,
            ),
        ] as [(fn(&mut Shown), Worthless); 3]
        {
            let mut grants = Grants::default();
            let code = grants.issue(grant(), at(0)).unwrap();
            let mut spoiled = shown(&code);
            wrong(&mut spoiled);
            assert_eq!(refused(&mut grants, &spoiled, at(1)), why);
            let spent = refused(&mut grants, &shown(&code), at(2));
            assert_eq!(spent, Worthless::Unknown, "{why:?}");
        }
    }

    #[test]
    fn no_more_are_remembered_than_there_is_room_for() {
        let mut grants = Grants::default();
        for _ in 0..GRANTS_MAX {
            grants.issue(grant(), at(0)).unwrap();
        }
        assert_eq!(grants.issue(grant(), at(59)), Err(Full));
        // When their time is over there is room again.
        assert!(grants.issue(grant(), at(60)).is_ok());
        assert_eq!(grants.codes.0.len(), 1);
    }
}

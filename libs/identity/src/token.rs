use std::fmt;
use std::time::Duration;

use chrono::{DateTime, Utc};
use domain::{BirthDate, CitizenNumber, OldNumber, PersonName, Refusal};
use openidconnect::core::{
    CoreGenderClaim, CoreIdTokenVerifier, CoreJsonWebKeySet, CoreJweContentEncryptionAlgorithm,
    CoreJwsSigningAlgorithm,
};
use openidconnect::{
    AdditionalClaims, AuthenticationContextClass, ClaimsVerificationError, ClientId, IdToken,
    IdTokenClaims, IssuerUrl, Nonce, SignatureVerificationError,
};
use serde::{Deserialize, Serialize};

use crate::Error;

/// The level of electronic identity that is needed, as in Decree 69/2024/NĐ-CP.
pub const LEVEL_MIN: u8 = 2;
/// How long ago the citizen may have proven who they are.
pub const LOGIN_AGE_MAX: Duration = Duration::from_mins(15);
/// How far the clocks of two machines may be apart.
pub const SKEW_MAX: Duration = Duration::from_mins(1);
/// An ID token with these claims has about a kilobyte.
pub const TOKEN_BYTES_MAX: usize = 16 * 1024;

/// An `acr` value is this and the level.
pub(crate) const LEVEL: &str = "urn:vneid:level:";

/// Signatures that only the provider can make. A shared secret would make ours as good as its.
const ALGORITHMS: [CoreJwsSigningAlgorithm; 3] = [
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha256,
    CoreJwsSigningAlgorithm::EcdsaP256Sha256,
    CoreJwsSigningAlgorithm::EdDsa,
];

/// A person as the identity service knows them. `Debug` shows the level only.
#[derive(Clone, PartialEq, Eq)]
pub struct Citizen {
    pub number: CitizenNumber,
    pub name: PersonName,
    pub birth_date: BirthDate,
    /// The number of the former identity card, under which a bank may know the person.
    pub old_number: Option<OldNumber>,
    /// Level of electronic identity, at least [`LEVEL_MIN`].
    pub level: u8,
}

/// Claims beside those of `OpenID` Connect.
#[derive(Clone, Deserialize, Serialize)]
pub(crate) struct CitizenClaims {
    citizen_number: Option<String>,
    old_id_number: Option<String>,
    /// Not before, in seconds (RFC 7519).
    nbf: Option<i64>,
}

impl AdditionalClaims for CitizenClaims {}

type Token = IdToken<
    CitizenClaims,
    CoreGenderClaim,
    CoreJweContentEncryptionAlgorithm,
    CoreJwsSigningAlgorithm,
>;
type Claims = IdTokenClaims<CitizenClaims, CoreGenderClaim>;

/// What is asked of each token.
pub(crate) fn verifier(
    client_id: ClientId,
    issuer: IssuerUrl,
    keys: CoreJsonWebKeySet,
    now: DateTime<Utc>,
) -> CoreIdTokenVerifier<'static> {
    CoreIdTokenVerifier::new_public_client(client_id, issuer, keys)
        .set_allowed_algs(ALGORITHMS)
        .set_time_fn(move || now - SKEW_MAX)
        .set_issue_time_verifier_fn(move |issued| {
            let future = issued > now + SKEW_MAX;
            if future { Err(String::new()) } else { Ok(()) }
        })
        .set_auth_context_verifier_fn(|acr| {
            let level = level(acr);
            if level >= LEVEL_MIN {
                Ok(())
            } else {
                Err(level.to_string())
            }
        })
        .set_auth_time_verifier_fn(move |at| {
            let in_time =
                |at: DateTime<Utc>| at <= now + SKEW_MAX && at >= now - LOGIN_AGE_MAX - SKEW_MAX;
            let recent = at.is_some_and(in_time);
            if recent { Ok(()) } else { Err(String::new()) }
        })
}

pub(crate) fn verify(
    verifier: &CoreIdTokenVerifier,
    client_id: &ClientId,
    id_token: &str,
    nonce: &str,
    now: DateTime<Utc>,
) -> Result<Citizen, Error> {
    if id_token.len() > TOKEN_BYTES_MAX {
        return Err(Error::TokenInvalid("too long"));
    }
    let token: Token = id_token
        .parse()
        .map_err(|_| Error::TokenInvalid("not an ID token"))?;
    let nonce = Nonce::new(nonce.to_owned());
    let claims = match token.claims(verifier, &nonce) {
        Ok(claims) => claims,
        Err(error) => return Err(refusal(&error)),
    };
    // Said to another party, whatever else is in the audience.
    let party = claims.authorized_party();
    if party.is_some_and(|it| it != client_id) {
        return Err(Error::TokenInvalid("authorized party"));
    }
    let begins = claims.additional_claims().nbf;
    if begins.is_some_and(|it| it > (now + SKEW_MAX).timestamp()) {
        return Err(Error::TokenInvalid("not valid yet"));
    }
    citizen(claims)
}

fn citizen(claims: &Claims) -> Result<Citizen, Error> {
    let own = claims.additional_claims();
    let invalid = |claim| {
        move |it: Refusal| Error::ClaimsInvalid {
            claim,
            code: it.code,
        }
    };
    let number = present("citizen_number", own.citizen_number.as_deref())?;
    let number = number.parse().map_err(invalid("citizen_number"))?;
    let name = claims.name().and_then(|it| it.get(None));
    let name = present("name", name.map(|it| it.as_str()))?;
    let name = name.parse().map_err(invalid("name"))?;
    let birth_date = present("birthdate", claims.birthdate().map(|it| it.as_str()))?;
    let birth_date = born(birth_date).map_err(invalid("birthdate"))?;
    let old_number = own.old_id_number.as_deref().map(str::parse).transpose();
    Ok(Citizen {
        number,
        name,
        birth_date,
        old_number: old_number.map_err(invalid("old_id_number"))?,
        level: level(claims.auth_context_ref()),
    })
}

fn present<'a>(claim: &'static str, value: Option<&'a str>) -> Result<&'a str, Error> {
    let code = "missing";
    value.ok_or(Error::ClaimsInvalid { claim, code })
}

/// `YYYY-MM-DD` or `YYYY`, as `OpenID` Connect writes a birthday.
fn born(text: &str) -> Result<BirthDate, Refusal> {
    let fields: Vec<&str> = text.split('-').collect();
    match fields[..] {
        [year, month, day] => format!("{day}/{month}/{year}").parse(),
        [year] if !year.contains('/') => year.parse(),
        _ => "".parse(),
    }
}

/// 0 where nothing, or nothing that is understood, is said.
fn level(acr: Option<&AuthenticationContextClass>) -> u8 {
    acr.and_then(|it| it.strip_prefix(LEVEL)?.parse().ok())
        .unwrap_or(0)
}

fn refusal(error: &ClaimsVerificationError) -> Error {
    match error {
        ClaimsVerificationError::SignatureVerification(
            SignatureVerificationError::NoMatchingKey,
        ) => Error::KeyUnknown,
        ClaimsVerificationError::SignatureVerification(_) => Error::TokenInvalid("signature"),
        ClaimsVerificationError::InvalidIssuer(_) => Error::TokenInvalid("issuer"),
        ClaimsVerificationError::InvalidAudience(_) => Error::TokenInvalid("audience"),
        ClaimsVerificationError::InvalidNonce(_) => Error::TokenInvalid("nonce"),
        ClaimsVerificationError::Expired(_) => Error::TokenInvalid("time"),
        ClaimsVerificationError::InvalidAuthContext(level) => {
            Error::LevelTooLow(level.parse().unwrap_or(0))
        }
        ClaimsVerificationError::InvalidAuthTime(_) => Error::LoginTooOld,
        _ => Error::TokenInvalid("form"),
    }
}

impl fmt::Debug for Citizen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Citizen(level {})", self.level)
    }
}

impl fmt::Debug for CitizenClaims {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CitizenClaims(••)")
    }
}

//! Tokens that must not be believed, one wrong thing in each.

use std::sync::Arc;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64;
use chrono::{DateTime, Utc};
use hmac::{Hmac, KeyInit, Mac};
use identity::{Error, IdentityProvider};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::login::found;
use crate::provider::{Key, Provider, unsigned};

const NONCE: &str = "nonce-1";

struct Ground {
    provider: Provider,
    vneid: IdentityProvider,
    now: DateTime<Utc>,
}

impl Ground {
    async fn new() -> Ground {
        let provider = Provider::start().await;
        let vneid = found(&provider).await;
        let now = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        Ground {
            provider,
            vneid,
            now,
        }
    }

    fn key(&self) -> Arc<Key> {
        self.provider.mood().keys[0].1.clone()
    }

    /// Good claims with these changes; `null` leaves a claim out.
    fn claims(&self, changes: &Value) -> Value {
        let mut claims = self.provider.claims(NONCE, self.now.timestamp());
        for (name, value) in changes.as_object().unwrap() {
            claims[name] = value.clone();
        }
        claims
            .as_object_mut()
            .unwrap()
            .retain(|_, it| !it.is_null());
        claims
    }

    fn verify(&self, token: &str) -> Result<u8, Error> {
        let citizen = self.vneid.verify(token, NONCE, self.now);
        citizen.map(|it| it.level)
    }

    /// A token that is signed as it should be, with changed claims.
    fn told(&self, changes: &Value) -> Result<u8, Error> {
        self.verify(&self.provider.token(&self.claims(changes)))
    }
}

fn header(algorithm: &str, kid: &str) -> Value {
    json!({"alg": algorithm, "kid": kid})
}

#[tokio::test]
async fn each_allowed_algorithm_is_verified() {
    let ground = Ground::new().await;
    for key in [Key::es256(), Key::eddsa(), Key::rs256()] {
        let algorithm = key.algorithm();
        ground.provider.mood().keys = vec![(algorithm.to_owned(), Arc::new(key))];
        let vneid = found(&ground.provider).await;
        let token = ground.provider.token(&ground.claims(&json!({})));
        assert!(
            vneid.verify(&token, NONCE, ground.now).is_ok(),
            "{algorithm}"
        );
        // The last letters of a signature carry bits that do not count; one in its middle does.
        let at = token.len() - 40;
        let letter = if &token[at..=at] == "A" { "B" } else { "A" };
        let mut forged = token.clone();
        forged.replace_range(at..=at, letter);
        let refused = vneid.verify(&forged, NONCE, ground.now);
        assert_eq!(
            refused,
            Err(Error::TokenInvalid("signature")),
            "{algorithm}"
        );
    }
}

#[tokio::test]
async fn a_signature_that_is_not_the_providers_is_worth_nothing() {
    let ground = Ground::new().await;
    let claims = ground.claims(&json!({}));
    let key = ground.key();
    let good = key.token(&header("ES256", "key-1"), &claims);
    assert_eq!(ground.verify(&good), Ok(2));
    let (body, signature) = good.rsplit_once('.').unwrap();
    let none = unsigned(&header("none", "key-1"), &claims);
    let jwk = key.jwk("key-1").to_string();
    let signed = unsigned(&header("HS256", "key-1"), &claims);
    let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(jwk.as_bytes()).unwrap();
    mac.update(signed.as_bytes());
    let shared = format!("{signed}.{}", BASE64.encode(mac.finalize().into_bytes()));
    let embedded = json!({"alg": "ES256", "kid": "key-1", "jwk": Key::es256().jwk("key-1")});
    let critical = json!({"alg": "ES256", "kid": "key-1", "crit": ["exp"]});
    let swapped = unsigned(
        &header("ES256", "key-1"),
        &ground.claims(&json!({"citizen_number": "079050000456"})),
    );
    for (why, token, expected) in [
        ("alg none", format!("{none}."), "signature"),
        (
            "alg none with a signature",
            format!("{none}.{signature}"),
            "signature",
        ),
        ("no signature", format!("{body}."), "signature"),
        ("HS256 with the public key", shared, "signature"),
        (
            "another key, the same id",
            Key::es256().token(&header("ES256", "key-1"), &claims),
            "signature",
        ),
        (
            "another key, brought along",
            Key::es256().token(&embedded, &claims),
            "signature",
        ),
        (
            "claims of somebody else",
            format!("{swapped}.{signature}"),
            "signature",
        ),
        (
            "ES384, which is not allowed",
            key.token(&header("ES384", "key-1"), &claims),
            "signature",
        ),
        (
            "a critical header that nobody knows",
            key.token(&critical, &claims),
            "form",
        ),
    ] {
        let refused = ground.verify(&token);
        assert_eq!(refused, Err(Error::TokenInvalid(expected)), "{why}");
    }
}

#[tokio::test]
async fn text_that_is_no_token_is_refused_before_it_costs_anything() {
    let ground = Ground::new().await;
    let good = ground.provider.token(&ground.claims(&json!({})));
    let (body, signature) = good.rsplit_once('.').unwrap();
    let much = "A".repeat(1 << 20);
    for (why, token, expected) in [
        ("two parts", body.to_owned(), "not an ID token"),
        (
            "four parts",
            format!("{good}.{signature}"),
            "not an ID token",
        ),
        ("nothing", String::new(), "not an ID token"),
        ("text", "ỗ".repeat(100), "not an ID token"),
        ("a megabyte", much.clone(), "too long"),
        (
            "a megabyte behind a good one",
            format!("{good}{much}"),
            "too long",
        ),
    ] {
        let refused = ground.verify(&token);
        assert_eq!(refused, Err(Error::TokenInvalid(expected)), "{why}");
    }
}

#[tokio::test]
async fn a_key_id_names_a_key_of_the_provider_and_nothing_else() {
    let ground = Ground::new().await;
    let (key, claims) = (ground.key(), ground.claims(&json!({})));
    for kid in [
        "../../../../etc/passwd",
        "key-2",
        "",
        "' OR 1=1 --",
        "http://127.0.0.1/keys",
    ] {
        let token = key.token(&header("ES256", kid), &claims);
        assert_eq!(ground.verify(&token), Err(Error::KeyUnknown), "{kid}");
    }
    // RS256 under the id of an elliptic key: there is no such key.
    let token = Key::rs256().token(&header("RS256", "key-1"), &claims);
    assert_eq!(ground.verify(&token), Err(Error::KeyUnknown));
}

#[tokio::test]
async fn a_token_for_another_place_or_time_is_refused() {
    let ground = Ground::new().await;
    let now = ground.now.timestamp();
    for (why, changes, expected) in [
        (
            "another audience",
            json!({"aud": "another-client"}),
            "audience",
        ),
        (
            "one audience more",
            json!({"aud": ["ansinh-accounts", "another"]}),
            "audience",
        ),
        ("no audience", json!({"aud": []}), "audience"),
        (
            "another party",
            json!({"azp": "another-client"}),
            "authorized party",
        ),
        (
            "another issuer",
            json!({"iss": "https://vneid.example.vn"}),
            "issuer",
        ),
        (
            "the issuer with a slash",
            json!({"iss": format!("{}/", ground.provider.issuer)}),
            "issuer",
        ),
        ("expired", json!({"exp": now - 61}), "time"),
        ("issued in the future", json!({"iat": now + 61}), "time"),
        ("not valid yet", json!({"nbf": now + 61}), "not valid yet"),
        ("another nonce", json!({"nonce": "nonce-2"}), "nonce"),
        ("no nonce", json!({"nonce": null}), "nonce"),
        ("no time of issue", json!({"iat": null}), "not an ID token"),
        ("no end", json!({"exp": null}), "not an ID token"),
        ("no subject", json!({"sub": null}), "not an ID token"),
        (
            "a number that is no text",
            json!({"citizen_number": 1_148_000_123}),
            "not an ID token",
        ),
    ] {
        assert_eq!(
            ground.told(&changes),
            Err(Error::TokenInvalid(expected)),
            "{why}"
        );
    }
    for within in [
        json!({"exp": now - 59}),
        json!({"iat": now + 59}),
        json!({"nbf": now + 59}),
        json!({"azp": "ansinh-accounts"}),
        json!({"auth_time": now - 959}),
    ] {
        assert_eq!(ground.told(&within), Ok(2), "{within}");
    }
    for auth_time in [json!(null), json!(now - 961), json!(now + 61)] {
        let changes = json!({ "auth_time": auth_time });
        assert_eq!(ground.told(&changes), Err(Error::LoginTooOld), "{changes}");
    }
}

#[tokio::test]
async fn level_two_is_the_least() {
    let ground = Ground::new().await;
    for (acr, expected) in [
        (json!("urn:vneid:level:3"), Ok(3)),
        (json!("urn:vneid:level:1"), Err(Error::LevelTooLow(1))),
        (json!("urn:vneid:level:0"), Err(Error::LevelTooLow(0))),
        (json!("urn:vneid:level:-2"), Err(Error::LevelTooLow(0))),
        (json!("urn:vneid:level:"), Err(Error::LevelTooLow(0))),
        (json!("2"), Err(Error::LevelTooLow(0))),
        (json!("urn:other:level:2"), Err(Error::LevelTooLow(0))),
        (json!(null), Err(Error::LevelTooLow(0))),
    ] {
        assert_eq!(ground.told(&json!({ "acr": acr })), expected, "{acr}");
    }
    let low = Error::LevelTooLow(1);
    assert_eq!((low.code(), low.status()), ("identity_level_too_low", 403));
}

#[tokio::test]
async fn claims_are_values_or_nothing() {
    let ground = Ground::new().await;
    for (claim, value, code) in [
        ("citizen_number", json!(null), "missing"),
        (
            "citizen_number",
            json!("00114800012"),
            "citizen_number_length",
        ),
        (
            "citizen_number",
            json!("003148000123"),
            "citizen_number_province",
        ),
        (
            "citizen_number",
            json!("0011480001２3"),
            "citizen_number_character",
        ),
        ("name", json!(null), "missing"),
        ("name", json!("Nguye\u{302}\u{303}n Mai"), "name_not_nfc"),
        ("name", json!("<script>"), "name_invalid"),
        ("birthdate", json!(null), "missing"),
        ("birthdate", json!("12/05/1948"), "birth_date_invalid"),
        ("birthdate", json!("1948-02-31"), "birth_date_invalid"),
        ("birthdate", json!("1948-05"), "birth_date_invalid"),
        ("birthdate", json!("0000"), "birth_date_invalid"),
        ("old_id_number", json!("01234567"), "old_number_invalid"),
    ] {
        let told = ground.told(&json!({ claim: value }));
        assert_eq!(
            told,
            Err(Error::ClaimsInvalid { claim, code }),
            "{claim} {value}"
        );
    }
    assert_eq!(ground.told(&json!({"old_id_number": null})), Ok(2));
    let token = ground
        .provider
        .token(&ground.claims(&json!({"birthdate": "1948"})));
    let citizen = ground.vneid.verify(&token, NONCE, ground.now).unwrap();
    assert!(citizen.birth_date.is_year_only());
    assert_eq!(format!("{citizen:?}"), "Citizen(level 2)");
}

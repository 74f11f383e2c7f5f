//! A provider on loopback: discovery, keys, authorize (nobody is asked), token with PKCE.
//!
//! It is made of axum and ring, without the crate that is tested.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};

use axum::extract::{Form, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair};
use rsa::pkcs1v15::SigningKey;
use rsa::signature::{SignatureEncoding, Signer};
use rsa::traits::PublicKeyParts;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

pub const CLIENT: &str = "ansinh-accounts";

/// A key that signs as the algorithm of its kind says.
pub enum Key {
    Es256(EcdsaKeyPair),
    EdDsa(Ed25519KeyPair),
    Rs256(Box<SigningKey<rsa::sha2::Sha256>>),
}

impl Key {
    pub fn es256() -> Key {
        let (random, way) = (SystemRandom::new(), &ECDSA_P256_SHA256_FIXED_SIGNING);
        let document = EcdsaKeyPair::generate_pkcs8(way, &random).unwrap();
        Key::Es256(EcdsaKeyPair::from_pkcs8(way, document.as_ref(), &random).unwrap())
    }

    pub fn eddsa() -> Key {
        let document = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
        Key::EdDsa(Ed25519KeyPair::from_pkcs8(document.as_ref()).unwrap())
    }

    pub fn rs256() -> Key {
        let key = rsa::RsaPrivateKey::new(&mut rsa::rand_core::OsRng, 2048).unwrap();
        Key::Rs256(Box::new(SigningKey::new(key)))
    }

    pub fn algorithm(&self) -> &'static str {
        match self {
            Key::Es256(_) => "ES256",
            Key::EdDsa(_) => "EdDSA",
            Key::Rs256(_) => "RS256",
        }
    }

    /// The public half as a JSON Web Key.
    pub fn jwk(&self, kid: &str) -> Value {
        let encode = |it: &[u8]| BASE64.encode(it);
        let mut jwk = match self {
            Key::Es256(key) => {
                let point = key.public_key().as_ref();
                let (x, y) = (encode(&point[1..33]), encode(&point[33..]));
                json!({"kty": "EC", "crv": "P-256", "x": x, "y": y})
            }
            Key::EdDsa(key) => {
                json!({"kty": "OKP", "crv": "Ed25519", "x": encode(key.public_key().as_ref())})
            }
            Key::Rs256(key) => {
                let key: &rsa::RsaPrivateKey = (**key).as_ref();
                let (n, e) = (key.n().to_bytes_be(), key.e().to_bytes_be());
                json!({"kty": "RSA", "n": encode(&n), "e": encode(&e)})
            }
        };
        jwk["use"] = json!("sig");
        jwk["alg"] = json!(self.algorithm());
        jwk["kid"] = json!(kid);
        jwk
    }

    /// A signed token with this header and these claims, whatever they say.
    pub fn token(&self, header: &Value, claims: &Value) -> String {
        let signed = unsigned(header, claims);
        let signature = match self {
            Key::Es256(key) => {
                let signature = key.sign(&SystemRandom::new(), signed.as_bytes()).unwrap();
                BASE64.encode(signature)
            }
            Key::EdDsa(key) => BASE64.encode(key.sign(signed.as_bytes())),
            Key::Rs256(key) => BASE64.encode(key.sign(signed.as_bytes()).to_bytes()),
        };
        format!("{signed}.{signature}")
    }
}

/// The first two parts of a token.
pub fn unsigned(header: &Value, claims: &Value) -> String {
    let encode = |it: &Value| BASE64.encode(it.to_string());
    format!("{}.{}", encode(header), encode(claims))
}

/// What the provider does and says next; tests change it.
pub struct Mood {
    pub keys: Vec<(String, Arc<Key>)>,
    /// Over the claims of the next tokens.
    pub claims: Value,
    /// Over the metadata.
    pub metadata: Value,
    /// What a caller asked for with a code that was not used yet.
    codes: HashMap<String, HashMap<String, String>>,
    pub key_fetches: usize,
}

#[derive(Clone)]
pub struct Provider {
    pub issuer: String,
    mood: Arc<Mutex<Mood>>,
}

impl Provider {
    /// Starts with one ES256 key, `key-1`.
    pub async fn start() -> Provider {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mood = Mood {
            keys: vec![("key-1".to_owned(), Arc::new(Key::es256()))],
            claims: json!({}),
            metadata: json!({}),
            codes: HashMap::new(),
            key_fetches: 0,
        };
        let provider = Provider {
            issuer: format!("http://{}", listener.local_addr().unwrap()),
            mood: Arc::new(Mutex::new(mood)),
        };
        let router = Router::new()
            .route("/.well-known/openid-configuration", get(metadata))
            .route("/keys", get(keys))
            .route("/authorize", get(authorize))
            .route("/token", post(token))
            .with_state(provider.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        provider
    }

    pub fn mood(&self) -> MutexGuard<'_, Mood> {
        self.mood.lock().unwrap()
    }

    /// Claims of Mrs Mai, who logged in a minute before `now`, with the mood's changes.
    pub fn claims(&self, nonce: &str, now: i64) -> Value {
        let mut claims = json!({
            "iss": self.issuer, "aud": CLIENT, "sub": "pairwise-1", "nonce": nonce,
            "iat": now, "exp": now + 300, "auth_time": now - 60, "acr": "urn:vneid:level:2",
            "citizen_number": "001148000123", "name": "Nguyễn Thị Mai",
            "birthdate": "1948-05-12", "old_id_number": "012345678",
        });
        for (name, value) in self.mood().claims.as_object().unwrap() {
            claims[name] = value.clone();
        }
        claims
    }

    /// A token with the newest key.
    pub fn token(&self, claims: &Value) -> String {
        let (kid, key) = self.mood().keys.last().cloned().unwrap();
        key.token(&json!({"alg": key.algorithm(), "kid": kid}), claims)
    }
}

async fn metadata(State(provider): State<Provider>) -> Json<Value> {
    let issuer = &provider.issuer;
    let mut metadata = json!({
        "issuer": issuer,
        "authorization_endpoint": format!("{issuer}/authorize"),
        "token_endpoint": format!("{issuer}/token"),
        "jwks_uri": format!("{issuer}/keys"),
        "response_types_supported": ["code"],
        "subject_types_supported": ["pairwise"],
        "id_token_signing_alg_values_supported": ["ES256", "RS256", "EdDSA"],
    });
    for (name, value) in provider.mood().metadata.as_object().unwrap() {
        metadata[name] = value.clone();
    }
    Json(metadata)
}

async fn keys(State(provider): State<Provider>) -> Json<Value> {
    let mut mood = provider.mood();
    mood.key_fetches += 1;
    let keys: Vec<Value> = mood.keys.iter().map(|(kid, key)| key.jwk(kid)).collect();
    Json(json!({ "keys": keys }))
}

async fn authorize(
    State(provider): State<Provider>,
    Query(asked): Query<HashMap<String, String>>,
) -> Redirect {
    let code = uuid::Uuid::now_v7().to_string();
    let (state, iss) = (&asked["state"], &provider.issuer);
    let to = format!(
        "{}?code={code}&state={state}&iss={iss}",
        asked["redirect_uri"]
    );
    provider.mood().codes.insert(code, asked);
    Redirect::to(&to)
}

async fn token(
    State(provider): State<Provider>,
    Form(asked): Form<HashMap<String, String>>,
) -> Response {
    let begun = provider.mood().codes.remove(&asked["code"]);
    let good = begun.filter(|begun| {
        let challenge = BASE64.encode(Sha256::digest(&asked["code_verifier"]));
        begun["code_challenge"] == challenge
            && begun["code_challenge_method"] == "S256"
            && begun["redirect_uri"] == asked["redirect_uri"]
            && begun["client_id"] == asked["client_id"]
    });
    let Some(begun) = good else {
        let refusal = json!({"error": "invalid_grant"});
        return (StatusCode::BAD_REQUEST, Json(refusal)).into_response();
    };
    let now = std::time::SystemTime::now();
    let now = now.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let claims = provider.claims(&begun["nonce"], i64::try_from(now).unwrap());
    let id_token = provider.token(&claims);
    Json(json!({"access_token": "unused", "token_type": "Bearer", "id_token": id_token}))
        .into_response()
}

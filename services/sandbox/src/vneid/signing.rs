use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rsa::RsaPrivateKey;
use rsa::pkcs1v15::SigningKey;
use rsa::rand_core::OsRng;
use rsa::sha2::Sha256 as SignedHash;
use rsa::signature::{SignatureEncoding, Signer};
use rsa::traits::PublicKeyParts;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::VneidError;

/// Bits of the modulus; RS256 takes no fewer (RFC 7518, 3.3).
const KEY_BITS: usize = 2_048;

/// The provider's RS256 key. It is made at each start and kept in memory alone: what it signed is
/// worth nothing after five minutes, and clients fetch a key that they do not know.
pub(crate) struct IdTokenKey {
    key: SigningKey<SignedHash>,
    id: String,
    public: Value,
}

impl IdTokenKey {
    /// Takes a fraction of a second of one processor; call it where that blocks nobody.
    pub(crate) fn generate() -> Result<IdTokenKey, VneidError> {
        let key = RsaPrivateKey::new(&mut OsRng, KEY_BITS).map_err(|_| VneidError::Key)?;
        let encoded = |it: Vec<u8>| URL_SAFE_NO_PAD.encode(it);
        let (n, e) = (
            encoded(key.n().to_bytes_be()),
            encoded(key.e().to_bytes_be()),
        );
        // RFC 7638: the members in this order, without spaces.
        let thumbprint = format!(r#"{{"e":"{e}","kty":"RSA","n":"{n}"}}"#);
        let id = URL_SAFE_NO_PAD.encode(Sha256::digest(thumbprint));
        let public = json!({
            "kty": "RSA", "use": "sig", "alg": "RS256", "kid": id, "n": n, "e": e,
        });
        Ok(IdTokenKey {
            key: SigningKey::new(key),
            id,
            public,
        })
    }

    /// The JWK set (RFC 7517, 5).
    pub(crate) fn jwks(&self) -> Value {
        json!({ "keys": [self.public] })
    }

    /// A signed token in compact form (RFC 7515, 3.1).
    pub(crate) fn sign(&self, claims: &Value) -> String {
        let header = json!({ "alg": "RS256", "typ": "JWT", "kid": self.id });
        let encoded = |it: &Value| URL_SAFE_NO_PAD.encode(it.to_string());
        let signed = format!("{}.{}", encoded(&header), encoded(claims));
        let signature = self.key.sign(signed.as_bytes());
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature.to_bytes()))
    }
}

/// Half of a token's hash, which binds it to an ID token (OpenID Connect Core 1.0, 3.1.3.6).
pub(crate) fn at_hash(access_token: &str) -> String {
    URL_SAFE_NO_PAD.encode(&Sha256::digest(access_token)[..16])
}

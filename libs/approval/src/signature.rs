use std::fmt;

use domain::Officer;
use ed25519_dalek::{Signature, VerifyingKey};
use messaging::Problem;

use crate::Error;

/// What an officer signs to show that a public key is theirs.
#[derive(Debug, Clone)]
pub struct KeyStatement {
    pub officer: Officer,
    /// Hex.
    pub public_key: String,
}

/// A key by which an officer signs now.
#[derive(Debug, Clone, Copy)]
pub struct OfficerKey {
    pub key_no: i64,
    pub public_key: [u8; 32],
}

/// A signature that was verified, with the text under it.
#[derive(Debug, Clone)]
pub struct Signed {
    pub key_no: i64,
    pub statement: String,
    pub signature: [u8; 64],
}

/// What an officer says with the signature under it, verified; `None` where nobody has to sign and
/// nobody did.
///
/// # Errors
/// `signature_missing`, `key_unknown`, `signature_malformed`, `signature_invalid`.
pub fn signed(
    said: &impl fmt::Display,
    officer: &Officer,
    key: Option<OfficerKey>,
    signature: Option<&str>,
    required: bool,
) -> Result<Option<Signed>, Error> {
    let Some(signature) = signature else {
        // Who has a key signs, whatever the settings ask of the others.
        if required || key.is_some() {
            let detail = format!("{officer} signs with a key of their own");
            return Err(Problem::new(403, "signature_missing", detail).into());
        }
        return Ok(None);
    };
    let key = key.ok_or_else(|| {
        let detail = format!("no key of {officer} is registered");
        Problem::new(403, "key_unknown", detail)
    })?;
    let statement = said.to_string();
    let signature = verified(&key.public_key, &statement, signature)?;
    Ok(Some(Signed {
        key_no: key.key_no,
        statement,
        signature,
    }))
}

impl KeyStatement {
    /// The key, if who holds it has signed this statement.
    ///
    /// # Errors
    /// `key_invalid` where it is no key or one that anybody can sign for, and as for signatures.
    pub fn proven(&self, proof: &str) -> Result<[u8; 32], Error> {
        let invalid = |detail: &str| Problem::new(422, "key_invalid", detail);
        let key = hex::decode(&self.public_key).ok();
        let key: Option<[u8; 32]> = key.and_then(|it| it.try_into().ok());
        let key = key.ok_or_else(|| invalid("a public key is 64 hexadecimal digits"))?;
        verified(&key, &self.to_string(), proof)?;
        Ok(key)
    }
}

impl fmt::Display for KeyStatement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "An Sinh · đăng ký khoá ký · v1")?;
        writeln!(f, "Khoá công khai: {}", self.public_key)?;
        writeln!(f, "Người ký: {}", self.officer)
    }
}

/// Whether a stored signature stands under its text (RFC 8032, strict: one key, one text).
pub fn stands(public_key: &[u8], statement: &str, signature: &[u8]) -> bool {
    let key = <[u8; 32]>::try_from(public_key).ok();
    let key = key.and_then(|it| VerifyingKey::from_bytes(&it).ok());
    let signature = Signature::from_slice(signature).ok();
    key.zip(signature)
        .is_some_and(|(key, signature)| key.verify_strict(statement.as_bytes(), &signature).is_ok())
}

fn verified(public_key: &[u8; 32], statement: &str, signature: &str) -> Result<[u8; 64], Error> {
    let bytes = hex::decode(signature).ok();
    let bytes: Option<[u8; 64]> = bytes.and_then(|it| it.try_into().ok());
    let bytes = bytes.ok_or_else(|| {
        let detail = "a signature is 128 hexadecimal digits";
        Problem::new(422, "signature_malformed", detail)
    })?;
    if !stands(public_key, statement, &bytes) {
        let detail = "the signature does not stand under what is asked, or is of another key";
        return Err(Problem::new(403, "signature_invalid", detail).into());
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use ed25519_dalek::{Signer, SigningKey};

    use super::*;

    const SAID: &str = "An Sinh · quyết định";

    fn code<T>(result: Result<T, Error>) -> Result<T, String> {
        result.map_err(|it| match it {
            Error::Refused(problem) => problem.code,
            Error::Database(error) => error.to_string(),
        })
    }

    #[test]
    fn a_signature_stands_under_one_text_of_one_key() {
        let officer: Officer = "le.binh".parse().unwrap();
        let key = SigningKey::from_bytes(&[7; 32]);
        let own = Some(OfficerKey {
            key_no: 1,
            public_key: key.verifying_key().to_bytes(),
        });
        let other = own.map(|it| OfficerKey {
            public_key: SigningKey::from_bytes(&[8; 32]).verifying_key().to_bytes(),
            ..it
        });
        let sign = |text: &str| hex::encode(key.sign(text.as_bytes()).to_bytes());
        let (good, elsewhere) = (sign(SAID), sign("An Sinh · đợt chi"));
        let told = |key, signature: Option<&str>, required| {
            code(signed(&SAID, &officer, key, signature, required)).map(|it| it.is_some())
        };
        let refused = |code: &str| Err(code.to_owned());
        assert_eq!(told(own, Some(&good), true), Ok(true));
        assert_eq!(told(None, None, false), Ok(false));
        assert_eq!(told(None, None, true), refused("signature_missing"));
        assert_eq!(told(own, None, false), refused("signature_missing"));
        assert_eq!(told(None, Some(&good), true), refused("key_unknown"));
        assert_eq!(told(own, Some("8a"), true), refused("signature_malformed"));
        assert_eq!(told(other, Some(&good), true), refused("signature_invalid"));
        assert_eq!(
            told(own, Some(&elsewhere), true),
            refused("signature_invalid")
        );
    }

    #[test]
    fn a_key_is_registered_by_who_holds_it_and_a_weak_one_by_nobody() {
        let key = SigningKey::from_bytes(&[7; 32]);
        let statement = KeyStatement {
            officer: "le.binh".parse().unwrap(),
            public_key: hex::encode(key.verifying_key().to_bytes()),
        };
        let proof = hex::encode(key.sign(statement.to_string().as_bytes()).to_bytes());
        assert_eq!(
            statement.proven(&proof).unwrap(),
            key.verifying_key().to_bytes()
        );
        let claimed = KeyStatement {
            officer: "vo.danh".parse().unwrap(),
            ..statement.clone()
        };
        assert_eq!(
            code(claimed.proven(&proof)),
            Err("signature_invalid".to_owned())
        );
        // The neutral point: everything would be signed by it.
        let weak = KeyStatement {
            public_key: "01".to_owned() + &"00".repeat(31),
            ..statement
        };
        let anything = "01".to_owned() + &"00".repeat(63);
        assert_eq!(
            code(weak.proven(&anything)),
            Err("signature_invalid".to_owned())
        );
    }
}

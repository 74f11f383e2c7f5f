use std::fmt;

use aes::Aes256;
use aes_gcm_siv::{AesGcmSiv, KeyInit};
use zeroize::Zeroizing;

use crate::keys::Field;
use crate::{PrivacyError, Sealed, Secret, cipher};

/// Values that travel to one institution are sealed with a key that it alone shares.
///
/// Wiped when dropped, as the cipher is.
pub struct ExchangeKey(AesGcmSiv<Aes256>);

/// The form of what is sealed; another form is another number.
const FORM: u8 = 1;

impl ExchangeKey {
    pub(crate) fn new(key: &[u8; 32]) -> ExchangeKey {
        ExchangeKey(AesGcmSiv::new(key.into()))
    }

    /// As an institution keeps it: 64 hexadecimal digits. `None` for anything else.
    pub fn from_hex(text: &str) -> Option<ExchangeKey> {
        let mut key = Zeroizing::new([0; 32]);
        hex::decode_to_slice(text, &mut *key).ok()?;
        Some(ExchangeKey::new(&key))
    }

    /// Seals a value for one place of one message; the same `context` opens it again.
    ///
    /// # Panics
    ///
    /// When the kernel gives no random bytes: nothing may be sealed without them.
    pub fn seal(&self, field: Field, context: &[u8], clear: &str) -> Sealed {
        cipher::seal(&self.0, (field, FORM, context), clear)
    }

    /// Opens what the other side sealed.
    ///
    /// # Errors
    ///
    /// [`PrivacyError::Refused`] for another key, field or context, or altered bytes.
    pub fn open(
        &self,
        field: Field,
        context: &[u8],
        sealed: &Sealed,
    ) -> Result<Secret, PrivacyError> {
        match sealed.as_bytes().split_first() {
            Some((&FORM, rest)) => cipher::open(&self.0, (field, FORM, context), rest),
            _ => Err(PrivacyError::Refused),
        }
    }
}

impl fmt::Debug for ExchangeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ExchangeKey(••)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_key_field_and_context_open_what_was_sealed() {
        let (ours, theirs) = (ExchangeKey::new(&[1; 32]), ExchangeKey::new(&[2; 32]));
        let sealed = ours.seal(Field::BankAccount, b"R000001-07-0001-0001", "0011004123456");
        let opened = |key: &ExchangeKey, field, context: &[u8]| {
            key.open(field, context, &sealed)
                .map(|it| it.expose().to_owned())
        };
        let clear = opened(&ours, Field::BankAccount, b"R000001-07-0001-0001");
        assert_eq!(clear.unwrap(), "0011004123456");
        for (key, field, context) in [
            (&theirs, Field::BankAccount, &b"R000001-07-0001-0001"[..]),
            (&ours, Field::PersonName, b"R000001-07-0001-0001"),
            (&ours, Field::BankAccount, b"R000001-07-0001-0002"),
        ] {
            let refused = opened(key, field, context).unwrap_err();
            assert!(matches!(refused, PrivacyError::Refused), "{refused}");
        }
    }
}

use aes::Aes256;
use aes_gcm_siv::aead::{Aead, Payload};
use aes_gcm_siv::{AesGcmSiv, Nonce};
use zeroize::{Zeroize, Zeroizing};

use crate::keys::Field;
use crate::nonce::{self, NONCE_BYTES};
use crate::{PrivacyError, Sealed, Secret};

/// What a value is bound to besides the key: its field, the key's version, the caller's context.
type Place<'a> = (Field, u8, &'a [u8]);

pub(crate) fn seal(cipher: &AesGcmSiv<Aes256>, place: Place<'_>, clear: &str) -> Sealed {
    let nonce = nonce::random();
    let payload = Payload {
        msg: clear.as_bytes(),
        aad: &associated(place),
    };
    let ciphertext = cipher
        .encrypt(&Nonce::from(nonce), payload)
        .expect("a text in memory is shorter than the cipher's 64 GiB");
    let mut bytes = Vec::with_capacity(1 + NONCE_BYTES + ciphertext.len());
    bytes.push(place.1);
    bytes.extend_from_slice(&nonce);
    bytes.extend_from_slice(&ciphertext);
    Sealed::from(bytes)
}

/// Opens what stands behind the version's byte.
pub(crate) fn open(
    cipher: &AesGcmSiv<Aes256>,
    place: Place<'_>,
    rest: &[u8],
) -> Result<Secret, PrivacyError> {
    let (&nonce, ciphertext) = rest
        .split_first_chunk::<NONCE_BYTES>()
        .ok_or(PrivacyError::Refused)?;
    let payload = Payload {
        msg: ciphertext,
        aad: &associated(place),
    };
    let clear = cipher
        .decrypt(&Nonce::from(nonce), payload)
        .map_err(|_| PrivacyError::Refused)?;
    match String::from_utf8(clear) {
        Ok(clear) => Ok(Secret::from(clear)),
        Err(error) => {
            error.into_bytes().zeroize();
            Err(PrivacyError::Refused)
        }
    }
}

/// Field name, NUL, key version, context.
fn associated((field, version, context): Place<'_>) -> Zeroizing<Vec<u8>> {
    let name = field.name().as_bytes();
    let mut bytes = Vec::with_capacity(name.len() + 2 + context.len());
    bytes.extend_from_slice(name);
    bytes.extend_from_slice(&[0, version]);
    bytes.extend_from_slice(context);
    Zeroizing::new(bytes)
}

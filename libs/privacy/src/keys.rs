use std::fmt;
use std::path::Path;

use aes::Aes256;
use aes_gcm_siv::{AesGcmSiv, KeyInit};
use hmac::{Hmac, Mac};
use sha2::Sha256;
use zeroize::{ZeroizeOnDrop, Zeroizing};

use crate::key_file::{self, Key, KeyMaterial};
use crate::{BlindIndex, ExchangeKey, PrivacyError, Sealed, Secret, Signer, cipher};

/// Which kind of personal value is sealed or looked up.
///
/// A value sealed as one kind does not open as another, and equal texts of two kinds have
/// different indexes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Field {
    CitizenNumber,
    PersonName,
    BankAccount,
    /// What a person wrote to us in their own words.
    Statement,
}

impl Field {
    pub const ALL: [Field; 4] = [
        Field::CitizenNumber,
        Field::PersonName,
        Field::BankAccount,
        Field::Statement,
    ];

    pub fn from_name(name: &str) -> Option<Field> {
        Field::ALL.into_iter().find(|it| it.name() == name)
    }

    /// Part of every sealed value and index: a changed name makes the old ones unreadable. It is
    /// also the field's code in the access log.
    pub fn name(self) -> &'static str {
        match self {
            Field::CitizenNumber => "citizen_number",
            Field::PersonName => "person_name",
            Field::BankAccount => "bank_account",
            Field::Statement => "statement",
        }
    }
}

/// What keys are for. Where the data of real people is, a development key is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum KeyPurpose {
    Production,
    /// Made by a demo, a test or a developer's machine, where nobody guards it.
    Development,
}

impl KeyPurpose {
    /// As the key file says it.
    pub fn code(self) -> &'static str {
        match self {
            KeyPurpose::Production => "production",
            KeyPurpose::Development => "development",
        }
    }
}

/// The keys of one installation: a ring of versions to seal and open with, and one to index with.
///
/// The current version seals; retired ones, at most 8, still open what they sealed. The index key
/// has no versions: an index is found only under the key that made it, and it cannot be made anew
/// without opening every number. To change it nevertheless: a second index column beside the
/// first, filled in the background from the opened numbers under the new key while both are asked
/// for; then the first column and the old key go.
///
/// Key schedules are prepared once and wiped when dropped. It is shared behind an `Arc`.
pub struct Keys {
    purpose: KeyPurpose,
    current: Version,
    /// The newest first.
    retired: Vec<Version>,
    index: Hmac<Sha256>,
    /// By which the state signs, the newest first.
    signers: Vec<Signer>,
}

struct Version {
    number: u8,
    cipher: AesGcmSiv<Aes256>,
}

// A keyed HMAC is two started hashes. This does not compile without the `zeroize` features.
const _: () = {
    const fn wipes_itself<T: ZeroizeOnDrop>() {}
    wipes_itself::<Aes256>();
    wipes_itself::<Sha256>();
};

impl Keys {
    /// Reads the keys from a file.
    ///
    /// # Errors
    ///
    /// [`PrivacyError::Exposed`] when its group or others have any right to it,
    /// [`PrivacyError::Malformed`] and [`PrivacyError::Unreadable`] when it holds no keys.
    pub fn from_file(path: &Path) -> Result<Keys, PrivacyError> {
        Ok(Keys::prepare(&KeyMaterial::read(path)?))
    }

    /// Makes new random keys of version 1 for production and keeps them in a new file of mode 0600.
    ///
    /// # Errors
    ///
    /// [`PrivacyError::Exists`] when there is a file already: losing keys is losing the data.
    pub fn generate(path: &Path) -> Result<Keys, PrivacyError> {
        Keys::generate_for(KeyPurpose::Production, path)
    }

    /// The same for a demo, a test or a developer's machine; the file says so.
    ///
    /// # Errors
    ///
    /// As [`Keys::generate`].
    pub fn generate_development(path: &Path) -> Result<Keys, PrivacyError> {
        Keys::generate_for(KeyPurpose::Development, path)
    }

    fn generate_for(purpose: KeyPurpose, path: &Path) -> Result<Keys, PrivacyError> {
        let material = KeyMaterial::random(purpose).map_err(|source| PrivacyError::Unreadable {
            path: path.to_owned(),
            source,
        })?;
        material.write_new(path)?;
        Ok(Keys::prepare(&material))
    }

    /// Adds a new random version to a file and makes it the current one. The version that was
    /// current is retired and kept; the file is replaced whole, and keeps its mode and owner.
    ///
    /// # Errors
    ///
    /// [`PrivacyError::Full`] when 8 versions are retired already, and those of
    /// [`Keys::from_file`].
    pub fn rotate(path: &Path) -> Result<Keys, PrivacyError> {
        Ok(Keys::prepare(&key_file::rotate(path)?))
    }

    /// Makes a new key the one by which the state signs and keeps the one before it, which signs
    /// until officers have registered and confirmed the new one.
    ///
    /// # Errors
    ///
    /// [`PrivacyError::Full`] where the file has no signing key of its own, and those of
    /// [`Keys::from_file`].
    pub fn rotate_signing(path: &Path) -> Result<Keys, PrivacyError> {
        Ok(Keys::prepare(&key_file::rotate_signing(path)?))
    }

    fn prepare(material: &KeyMaterial) -> Keys {
        let version = |number: u8, key: &Key| Version {
            number,
            cipher: AesGcmSiv::new((&***key).into()),
        };
        let retired = material.retired.iter();
        let mut keys = Keys {
            purpose: material.purpose,
            current: version(material.version, &material.sealing),
            retired: retired.map(|(it, key)| version(*it, key)).collect(),
            index: <Hmac<Sha256> as KeyInit>::new_from_slice(&**material.index)
                .expect("HMAC takes a key of any length"),
            signers: material.signing.iter().map(|it| Signer::new(it)).collect(),
        };
        if keys.signers.is_empty() {
            keys.signers = vec![keys.signer("organisation")];
        }
        keys
    }

    pub fn purpose(&self) -> KeyPurpose {
        self.purpose
    }

    /// The version that [`Keys::seal`] seals with: the first byte of what it makes.
    pub fn current_version(&self) -> u8 {
        self.current.number
    }

    /// The versions that are only opened with, the newest first.
    pub fn retired_versions(&self) -> Vec<u8> {
        self.retired.iter().map(|it| it.number).collect()
    }

    /// Seals a clear text for one field of one place; the same `context` opens it again.
    ///
    /// # Panics
    ///
    /// When the kernel gives no random bytes: nothing may be sealed without them.
    pub fn seal(&self, field: Field, context: &[u8], clear: &str) -> Sealed {
        let Version { number, cipher } = &self.current;
        cipher::seal(cipher, (field, *number, context), clear)
    }

    /// Opens what [`Keys::seal`] sealed for the same field and context, with whichever version.
    ///
    /// # Errors
    ///
    /// [`PrivacyError::KeyVersion`] for a version that is not held, [`PrivacyError::Refused`] for
    /// anything else that does not fit.
    pub fn open(
        &self,
        field: Field,
        context: &[u8],
        sealed: &Sealed,
    ) -> Result<Secret, PrivacyError> {
        let (&found, rest) = sealed
            .as_bytes()
            .split_first()
            .ok_or(PrivacyError::Refused)?;
        let mut held = std::iter::once(&self.current).chain(&self.retired);
        if let Some(it) = held.find(|it| it.number == found) {
            return cipher::open(&it.cipher, (field, found, context), rest);
        }
        let mut held = self.retired_versions();
        held.insert(0, self.current.number);
        Err(PrivacyError::KeyVersion { found, held })
    }

    /// The same clear text sealed with the current version; `None` where it is already.
    ///
    /// # Errors
    ///
    /// As [`Keys::open`].
    pub fn reseal(
        &self,
        field: Field,
        context: &[u8],
        sealed: &Sealed,
    ) -> Result<Option<Sealed>, PrivacyError> {
        if sealed.version() == Some(self.current.number) {
            return Ok(None);
        }
        let clear = self.open(field, context, sealed)?;
        Ok(Some(self.seal(field, context, clear.expose())))
    }

    /// The keyed fingerprint of a clear text; the caller has brought it to its one spelling.
    pub fn index(&self, field: Field, clear: &str) -> BlindIndex {
        let mac = self
            .index
            .clone()
            .chain_update(field.name())
            .chain_update([0]) // no field name holds it, so name and text cannot run together
            .chain_update(clear);
        BlindIndex::new(mac.finalize().into_bytes().into())
    }

    /// The key that this installation shares with an institution: what is sealed with it, the
    /// institution can open, and nothing else. It is derived, so it stays the same while the
    /// sealing key is rotated, and tells nothing of the keys that it comes from.
    pub fn exchange(&self, institution: &str) -> ExchangeKey {
        ExchangeKey::new(&self.exchange_bytes(institution))
    }

    /// The same key in hex, to be handed to the institution, which alone may keep it.
    pub fn exchange_secret(&self, institution: &str) -> Secret {
        hex::encode(*self.exchange_bytes(institution)).into()
    }

    fn exchange_bytes(&self, institution: &str) -> Zeroizing<[u8; 32]> {
        let mac = self
            .index
            .clone()
            .chain_update("exchange")
            .chain_update([0])
            .chain_update(institution);
        Zeroizing::new(mac.finalize().into_bytes().into())
    }

    /// The keys by which the state signs what it says to other organisations, the newest first.
    pub fn state_signers(&self) -> &[Signer] {
        &self.signers
    }

    /// What this installation signs for one purpose with. Derived as [`Keys::exchange`] is, so the
    /// public key stays the same while the sealing key is rotated.
    pub fn signer(&self, purpose: &str) -> Signer {
        let mac = self
            .index
            .clone()
            .chain_update("sign")
            .chain_update([0])
            .chain_update(purpose);
        let derived: Zeroizing<[u8; 32]> = Zeroizing::new(mac.finalize().into_bytes().into());
        Signer::new(&derived)
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keys(version {}, ••)", self.current.number)
    }
}

#[cfg(test)]
mod tests;

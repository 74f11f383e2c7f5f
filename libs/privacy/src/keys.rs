use std::fmt;
use std::path::Path;

use aes::Aes256;
use aes_gcm_siv::{AesGcmSiv, KeyInit};
use hmac::{Hmac, Mac};
use sha2::Sha256;
use zeroize::{ZeroizeOnDrop, Zeroizing};

use crate::key_file::KeyMaterial;
use crate::{BlindIndex, ExchangeKey, PrivacyError, Sealed, Secret, cipher};

/// Which kind of personal value is sealed or looked up.
///
/// A value sealed as one kind does not open as another, and equal texts of two kinds have
/// different indexes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Field {
    CitizenNumber,
    PersonName,
    BankAccount,
}

impl Field {
    /// Part of every sealed value and index: a changed name makes the old ones unreadable.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Field::CitizenNumber => "citizen_number",
            Field::PersonName => "person_name",
            Field::BankAccount => "bank_account",
        }
    }
}

/// The keys of one installation: one to seal with, one to index with, and their version.
///
/// Key schedules are prepared once and wiped when dropped. It is shared behind an `Arc`.
pub struct Keys {
    version: u8,
    sealing: AesGcmSiv<Aes256>,
    index: Hmac<Sha256>,
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

    /// Makes new random keys of version 1 and keeps them in a new file of mode 0600.
    ///
    /// # Errors
    ///
    /// [`PrivacyError::Exists`] when there is a file already: losing keys is losing the data.
    pub fn generate(path: &Path) -> Result<Keys, PrivacyError> {
        let material = KeyMaterial::random().map_err(|source| PrivacyError::Unreadable {
            path: path.to_owned(),
            source,
        })?;
        material.write_new(path)?;
        Ok(Keys::prepare(&material))
    }

    fn prepare(material: &KeyMaterial) -> Keys {
        Keys {
            version: material.version,
            sealing: AesGcmSiv::new((&material.sealing).into()),
            index: <Hmac<Sha256> as KeyInit>::new_from_slice(&material.index)
                .expect("HMAC takes a key of any length"),
        }
    }

    /// Seals a clear text for one field of one place; the same `context` opens it again.
    ///
    /// # Panics
    ///
    /// When the kernel gives no random bytes: nothing may be sealed without them.
    pub fn seal(&self, field: Field, context: &[u8], clear: &str) -> Sealed {
        cipher::seal(&self.sealing, (field, self.version, context), clear)
    }

    /// Opens what [`Keys::seal`] sealed for the same field and context.
    ///
    /// # Errors
    ///
    /// [`PrivacyError::KeyVersion`] for keys of another version, [`PrivacyError::Refused`] for
    /// anything else that does not fit.
    pub fn open(
        &self,
        field: Field,
        context: &[u8],
        sealed: &Sealed,
    ) -> Result<Secret, PrivacyError> {
        let (&version, rest) = sealed
            .as_bytes()
            .split_first()
            .ok_or(PrivacyError::Refused)?;
        if version != self.version {
            return Err(PrivacyError::KeyVersion {
                found: version,
                held: self.version,
            });
        }
        cipher::open(&self.sealing, (field, version, context), rest)
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
        let mac = self
            .index
            .clone()
            .chain_update("exchange")
            .chain_update([0])
            .chain_update(institution);
        let derived: Zeroizing<[u8; 32]> = Zeroizing::new(mac.finalize().into_bytes().into());
        ExchangeKey::new(&derived)
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keys(version {}, ••)", self.version)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nonce;

    const NUMBER: &str = "012345678901";

    fn keys(version: u8) -> Keys {
        Keys::prepare(&KeyMaterial {
            version,
            sealing: [1; 32],
            index: [2; 32],
        })
    }

    #[test]
    fn what_was_sealed_opens_in_its_own_place() {
        let keys = keys(3);
        for clear in ["", NUMBER, "Nguyễn Thị Mẫu", &"9".repeat(10_000)] {
            let sealed = keys.seal(Field::PersonName, b"persons/42", clear);
            assert_eq!(sealed.as_bytes()[0], 3);
            assert_eq!(sealed.as_bytes().len(), clear.len() + 29);
            let opened = keys
                .open(Field::PersonName, b"persons/42", &sealed)
                .unwrap();
            assert_eq!(opened.expose(), clear);
        }
    }

    #[test]
    fn a_value_does_not_open_in_another_place_or_as_another_field() {
        let keys = keys(1);
        let sealed = keys.seal(Field::CitizenNumber, b"persons/42", NUMBER);
        for (field, context) in [
            (Field::CitizenNumber, &b"persons/43"[..]),
            (Field::CitizenNumber, b""),
            (Field::BankAccount, b"persons/42"),
        ] {
            let error = keys.open(field, context, &sealed).unwrap_err();
            assert!(matches!(error, PrivacyError::Refused), "{error}");
        }
    }

    #[test]
    fn another_version_is_named_and_a_changed_version_is_refused() {
        let sealed = keys(1).seal(Field::CitizenNumber, b"", NUMBER);
        let error = keys(2)
            .open(Field::CitizenNumber, b"", &sealed)
            .unwrap_err();
        assert_eq!(
            error.to_string(),
            "sealed with key version 1, but the keys here are version 2"
        );

        let mut relabelled: Vec<u8> = sealed.into();
        relabelled[0] = 2; // the same key bytes under another version
        let error = keys(2)
            .open(Field::CitizenNumber, b"", &Sealed::from(relabelled))
            .unwrap_err();
        assert!(matches!(error, PrivacyError::Refused), "{error}");
    }

    #[test]
    fn an_altered_or_shortened_value_is_refused_wherever_it_is_altered() {
        let keys = keys(1);
        let whole: Vec<u8> = keys
            .seal(Field::BankAccount, b"x", "9704000012345678")
            .into();
        for at in 0..whole.len() {
            let mut altered = whole.clone();
            altered[at] ^= 1;
            let altered = Sealed::from(altered);
            keys.open(Field::BankAccount, b"x", &altered).unwrap_err();
            let short = Sealed::from(whole[..at].to_vec());
            keys.open(Field::BankAccount, b"x", &short).unwrap_err();
        }
    }

    #[test]
    fn the_same_value_never_looks_the_same_sealed() {
        let keys = keys(1);
        assert_ne!(
            keys.seal(Field::CitizenNumber, b"x", NUMBER),
            keys.seal(Field::CitizenNumber, b"x", NUMBER)
        );
    }

    #[test]
    fn an_index_is_stable_and_is_hmac_of_field_and_text() {
        // hmac.new(b"\x02" * 32, b"citizen_number\0" + b"012345678901", "sha256") in Python
        assert_eq!(
            hex::encode(keys(1).index(Field::CitizenNumber, NUMBER).as_bytes()),
            "0e619c23cdba07fd52fee6b8a85b69b6874a19e236b7c32dff703e0ed198eb2c"
        );
        assert_eq!(
            keys(1).index(Field::CitizenNumber, NUMBER),
            keys(1).index(Field::CitizenNumber, NUMBER)
        );
    }

    #[test]
    fn indexes_of_two_fields_or_keys_have_nothing_in_common() {
        let other = Keys::prepare(&KeyMaterial {
            version: 1,
            sealing: [1; 32],
            index: [3; 32],
        });
        let index = keys(1).index(Field::CitizenNumber, NUMBER);
        assert_ne!(index, keys(1).index(Field::BankAccount, NUMBER));
        assert_ne!(index, other.index(Field::CitizenNumber, NUMBER));
    }

    #[test]
    fn debug_tells_the_version_and_no_key() {
        assert_eq!(format!("{:?}", keys(5)), "Keys(version 5, ••)");
    }

    #[test]
    fn generated_keys_are_kept_for_their_owner_and_never_overwritten() {
        let folder = Folder::new();
        let path = folder.0.join("keys");
        let sealed = Keys::generate(&path)
            .unwrap()
            .seal(Field::PersonName, b"x", "Mẫu");

        let keys = Keys::from_file(&path).unwrap();
        let opened = keys.open(Field::PersonName, b"x", &sealed).unwrap();
        assert_eq!(opened.expose(), "Mẫu");

        let error = Keys::generate(&path).unwrap_err();
        assert!(matches!(error, PrivacyError::Exists { .. }), "{error}");
        let kept = Keys::from_file(&path).unwrap();
        kept.open(Field::PersonName, b"x", &sealed).unwrap();
        let files = std::fs::read_dir(&folder.0).unwrap().count();
        assert_eq!(files, 1, "a draft was left behind");
    }

    #[cfg(unix)]
    #[test]
    fn keys_that_others_can_read_are_refused() {
        use std::os::unix::fs::PermissionsExt;

        let folder = Folder::new();
        let path = folder.0.join("keys");
        Keys::generate(&path).unwrap();
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        for mode in [0o640, 0o604, 0o660] {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            let error = Keys::from_file(&path).unwrap_err();
            assert!(matches!(error, PrivacyError::Exposed { .. }), "{error}");
        }
    }

    #[test]
    fn keys_are_shared_between_threads() {
        fn shared<T: Send + Sync>() {}
        shared::<Keys>();
    }

    /// A folder of this test's own, gone with it.
    struct Folder(std::path::PathBuf);

    impl Folder {
        fn new() -> Folder {
            let name = format!("privacy-{}", hex::encode(nonce::random()));
            let folder = std::env::temp_dir().join(name);
            std::fs::create_dir(&folder).unwrap();
            Folder(folder)
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            std::fs::remove_dir_all(&self.0).unwrap();
        }
    }
}

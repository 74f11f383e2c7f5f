use zeroize::Zeroizing;

use super::*;
use crate::nonce;

const NUMBER: &str = "012345678901";

#[expect(
    clippy::unnecessary_box_returns,
    reason = "a key is boxed wherever it is"
)]
fn key(byte: u8) -> Key {
    Key::new(Zeroizing::new([byte; 32]))
}

/// Version 10 has a key of tens, and so on; every ring indexes alike.
fn ring(version: u8, retired: &[u8]) -> Keys {
    Keys::prepare(&KeyMaterial {
        purpose: KeyPurpose::Development,
        version,
        sealing: key(version),
        retired: retired.iter().map(|it| (*it, key(*it))).collect(),
        index: key(2),
        signing: Vec::new(),
    })
}

fn keys(version: u8) -> Keys {
    ring(version, &[])
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
        "sealed with key version 1, but the keys here are of [2]"
    );

    let mut relabelled: Vec<u8> = sealed.into();
    relabelled[0] = 2;
    let same_bytes_of_another_version = Keys::prepare(&KeyMaterial {
        purpose: KeyPurpose::Development,
        version: 2,
        sealing: key(1),
        retired: Vec::new(),
        index: key(9),
        signing: Vec::new(),
    });
    let error = same_bytes_of_another_version
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
        purpose: KeyPurpose::Development,
        version: 1,
        sealing: key(1),
        retired: Vec::new(),
        index: key(3),
        signing: Vec::new(),
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

#[test]
fn retired_versions_open_and_the_current_one_seals() {
    let of_first = ring(1, &[]).seal(Field::BankAccount, b"x", "0011004123456");
    let of_third = ring(3, &[1]).seal(Field::BankAccount, b"x", "0011004123456");
    assert_eq!((of_first.version(), of_third.version()), (Some(1), Some(3)));
    let keys = ring(4, &[3, 1]);
    assert_eq!(keys.current_version(), 4);
    assert_eq!(keys.retired_versions(), [3, 1]);
    for sealed in [&of_first, &of_third] {
        let opened = keys.open(Field::BankAccount, b"x", sealed).unwrap();
        assert_eq!(opened.expose(), "0011004123456");
    }
    let without = ring(4, &[3]);
    let error = without.open(Field::BankAccount, b"x", &of_first);
    assert_eq!(
        error.unwrap_err().to_string(),
        "sealed with key version 1, but the keys here are of [4, 3]"
    );
}

#[test]
fn resealing_changes_the_key_and_neither_the_text_nor_its_place() {
    let old = ring(1, &[]).seal(Field::PersonName, b"persons/42", "Mẫu");
    let keys = ring(2, &[1]);
    let reseal = |context: &[u8], it: &Sealed| keys.reseal(Field::PersonName, context, it);
    let new = reseal(b"persons/42", &old).unwrap().unwrap();
    assert_eq!(new.version(), Some(2));
    let opened = ring(2, &[]).open(Field::PersonName, b"persons/42", &new);
    assert_eq!(opened.unwrap().expose(), "Mẫu");

    assert_eq!(reseal(b"persons/42", &new).unwrap(), None);
    let elsewhere = reseal(b"persons/43", &old).unwrap_err();
    assert!(matches!(elsewhere, PrivacyError::Refused), "{elsewhere}");
    let nothing = reseal(b"persons/42", &Sealed::from(Vec::new())).unwrap_err();
    assert!(matches!(nothing, PrivacyError::Refused), "{nothing}");
}

#[test]
fn a_rotated_file_opens_what_each_version_sealed_and_indexes_alike() {
    let folder = Folder::new();
    let path = folder.0.join("keys");
    let mut keys = Keys::generate_development(&path).unwrap();
    let index = keys.index(Field::CitizenNumber, NUMBER);
    let mut sealed = Vec::new();
    for version in 1..=9 {
        assert_eq!(keys.current_version(), version);
        sealed.push(keys.seal(Field::CitizenNumber, b"x", NUMBER));
        if version < 9 {
            keys = Keys::rotate(&path).unwrap();
        }
    }
    let error = Keys::rotate(&path).unwrap_err();
    assert!(matches!(error, PrivacyError::Full { .. }), "{error}");

    let keys = Keys::from_file(&path).unwrap();
    assert_eq!(keys.purpose(), KeyPurpose::Development);
    assert_eq!(keys.retired_versions(), [8, 7, 6, 5, 4, 3, 2, 1]);
    assert_eq!(keys.index(Field::CitizenNumber, NUMBER), index);
    for it in &sealed {
        let opened = keys.open(Field::CitizenNumber, b"x", it).unwrap();
        assert_eq!(opened.expose(), NUMBER);
    }
    let files = std::fs::read_dir(&folder.0).unwrap().count();
    assert_eq!(files, 1, "a draft was left behind");
}

#[test]
fn the_former_signing_key_signs_on_and_a_file_without_one_signs_always_alike() {
    let folder = Folder::new();
    let path = folder.0.join("keys");
    let public = |keys: &Keys| -> Vec<Vec<u8>> {
        keys.state_signers()
            .iter()
            .map(Signer::public_key)
            .collect()
    };
    let first = public(&Keys::generate(&path).unwrap());
    assert_eq!(first.len(), 1);
    let second = public(&Keys::rotate_signing(&path).unwrap());
    assert_eq!((second.len(), &second[1]), (2, &first[0]));
    let third = public(&Keys::rotate_signing(&path).unwrap());
    assert_eq!((third.len(), &third[1]), (2, &second[0]));
    let sealing = Keys::rotate(&path).unwrap();
    assert_eq!(public(&sealing), third, "that is another key");

    assert_eq!(public(&keys(1)), public(&ring(10, &[1])));
    assert_eq!(public(&keys(1)).len(), 1);
}

#[test]
fn rotations_at_the_same_time_lose_no_version() {
    let folder = Folder::new();
    let path = folder.0.join("keys");
    Keys::generate(&path).unwrap();
    let rotations: Vec<_> = (0..6)
        .map(|_| {
            let path = path.clone();
            std::thread::spawn(move || {
                let keys = Keys::rotate(&path).unwrap();
                let sealed = keys.seal(Field::PersonName, b"x", "Mẫu");
                (keys.current_version(), sealed)
            })
        })
        .collect();
    let made: Vec<_> = rotations.into_iter().map(|it| it.join().unwrap()).collect();
    let keys = Keys::from_file(&path).unwrap();
    assert_eq!(keys.current_version(), 7);
    for (version, sealed) in made {
        let opened = keys.open(Field::PersonName, b"x", &sealed);
        assert_eq!(opened.unwrap().expose(), "Mẫu", "version {version}");
    }
}

#[cfg(unix)]
#[test]
fn a_rotation_keeps_the_mode_and_follows_a_link() {
    use std::os::unix::fs::PermissionsExt;

    let folder = Folder::new();
    let (path, link) = (folder.0.join("keys"), folder.0.join("link"));
    Keys::generate(&path).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o400)).unwrap();
    std::os::unix::fs::symlink(&path, &link).unwrap();
    Keys::rotate(&link).unwrap();
    let mode = std::fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o400);
    assert!(link.is_symlink());
    assert_eq!(Keys::from_file(&path).unwrap().current_version(), 2);
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

//! The key file: a few lines of text that only their owner can read.
//!
//! ```text
//! purpose = "production"
//! version = 2
//! sealing = "64 hex digits"
//! sealing.1 = "64 hex digits"
//! index = "64 hex digits"
//! signing = "64 hex digits"
//! signing.former = "64 hex digits"
//! ```
//!
//! `sealing` is the key of the current `version`; `sealing.1` is what version 1 was sealed with
//! and is still opened with. A file without a `purpose` is for production. `signing` is the seed of
//! the key by which the state signs; the former one signs until the new one is confirmed. A file
//! without it signs with a key that follows from `index`.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::{KeyPurpose, PrivacyError, nonce};

/// The most retired versions a file holds.
pub const RETIRED_MAX: usize = 8;

/// The key that signs, and the one that did before it.
const SIGNING: [&str; 2] = ["signing", "signing.former"];

/// Larger than any key file that could have a use; one that is larger is another file.
const FILE_BYTES_MAX: u64 = 64 << 10;

/// Boxed, so that moving the key about leaves no copies of it on the stack.
pub type Key = Box<Zeroizing<[u8; 32]>>;

/// What a key file says. Each key is wiped when dropped.
pub struct KeyMaterial {
    pub purpose: KeyPurpose,
    pub version: u8,
    pub sealing: Key,
    /// Older than the current version, the newest first.
    pub retired: Vec<(u8, Key)>,
    pub index: Key,
    /// Seeds of the keys by which the state signs, the newest first.
    pub signing: Vec<Key>,
}

impl KeyMaterial {
    pub fn random(purpose: KeyPurpose) -> Result<KeyMaterial, io::Error> {
        Ok(KeyMaterial {
            purpose,
            version: 1,
            sealing: random_key()?,
            retired: Vec::new(),
            index: random_key()?,
            signing: vec![random_key()?],
        })
    }

    pub fn read(path: &Path) -> Result<KeyMaterial, PrivacyError> {
        let (text, _) = read_text(path)?;
        parse_bytes(&text).map_err(malformed(path))
    }

    /// Writes the file so that it is there whole or not at all, and never in place of another.
    pub fn write_new(&self, path: &Path) -> Result<(), PrivacyError> {
        let draft = draft_path(path);
        let written = write_draft(&draft, &self.text(), None).and_then(|()| {
            // A link, unlike a rename, fails when the name is taken.
            fs::hard_link(&draft, path)
        });
        let removed = fs::remove_file(&draft);
        match written.and(removed).and_then(|()| sync_folder(path)) {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                Err(PrivacyError::Exists {
                    path: path.to_owned(),
                })
            }
            Err(source) => Err(unreadable(path)(source)),
        }
    }

    /// A new file's text; its room is taken at once, so that no copy is left where it grew.
    fn text(&self) -> Zeroizing<String> {
        let mut text = Zeroizing::new(String::with_capacity(512));
        text.push_str(&format!("purpose = \"{}\"\n", self.purpose.code()));
        text.push_str(&format!("version = {}\n", self.version));
        push_key(&mut text, "sealing", &self.sealing);
        push_key(&mut text, "index", &self.index);
        for (name, key) in SIGNING.iter().zip(&self.signing) {
            push_key(&mut text, name, key);
        }
        text
    }
}

/// Makes a new random version the current one; the former one is kept for opening.
///
/// The other lines stay as they are, comments too. Who reads meanwhile sees the file before or
/// after, never in between; two that rotate at the same time do so one after the other.
pub fn rotate(path: &Path) -> Result<KeyMaterial, PrivacyError> {
    replace(path, |text, old, full| {
        if old.retired.len() == RETIRED_MAX {
            return Err(full("it holds 8 retired ones"));
        }
        let version = old.version.checked_add(1);
        let version = version.ok_or_else(|| full("255 is the last version"))?;
        let fresh = random_key().map_err(unreadable(path))?;
        Ok(rotated(text, (old.version, version), &fresh))
    })
}

/// Makes a new random key the one that signs; the one before it signs until that is confirmed.
pub fn rotate_signing(path: &Path) -> Result<KeyMaterial, PrivacyError> {
    replace(path, |text, old, full| {
        let former = old.signing.first();
        let former = former.ok_or_else(|| full("it has no signing key of its own yet"))?;
        let fresh = random_key().map_err(unreadable(path))?;
        Ok(rotated_signing(text, former, &fresh))
    })
}

/// Puts a text that is made of the file's own in its place.
fn replace(
    path: &Path,
    make: impl FnOnce(
        &[u8],
        &KeyMaterial,
        &dyn Fn(&'static str) -> PrivacyError,
    ) -> Result<Zeroizing<String>, PrivacyError>,
) -> Result<KeyMaterial, PrivacyError> {
    // A link to the file stays a link: what it names is replaced.
    let path = &fs::canonicalize(path).map_err(unreadable(path))?;
    let _one_at_a_time = lock_folder(path).map_err(unreadable(path))?;
    let (text, metadata) = read_text(path)?;
    let old = parse_bytes(&text).map_err(malformed(path))?;
    let full = |reason| PrivacyError::Full {
        path: path.clone(),
        reason,
    };
    let text = make(&text, &old, &full)?;
    let new = parse(&text).map_err(malformed(path))?;
    let draft = draft_path(path);
    let replaced = write_draft(&draft, &text, Some(&metadata))
        .and_then(|()| fs::rename(&draft, path))
        .and_then(|()| sync_folder(path));
    if let Err(source) = replaced {
        // Gone already where it was the folder that could not be synced.
        let _gone = fs::remove_file(&draft);
        return Err(unreadable(path)(source));
    }
    Ok(new)
}

fn rotated(text: &[u8], (old, new): (u8, u8), fresh: &Key) -> Zeroizing<String> {
    let text = std::str::from_utf8(text).expect("it was parsed before");
    let mut rotated = Zeroizing::new(String::with_capacity(text.len() + 256));
    for line in text.lines() {
        match line.split_once('=') {
            Some((name, _)) if name.trim() == "version" => {
                rotated.push_str(&format!("version = {new}\n"));
            }
            Some((name, value)) if name.trim() == "sealing" => {
                push_key(&mut rotated, "sealing", fresh);
                for piece in ["sealing.", &old.to_string(), " = ", value.trim(), "\n"] {
                    rotated.push_str(piece);
                }
            }
            _ => {
                rotated.push_str(line);
                rotated.push('\n');
            }
        }
    }
    rotated
}

fn rotated_signing(text: &[u8], former: &Key, fresh: &Key) -> Zeroizing<String> {
    let text = std::str::from_utf8(text).expect("it was parsed before");
    let mut rotated = Zeroizing::new(String::with_capacity(text.len() + 256));
    let is_signing = |it: &str| {
        it.split_once('=')
            .is_some_and(|(name, _)| SIGNING.contains(&name.trim()))
    };
    for line in text.lines().filter(|it| !is_signing(it)) {
        rotated.push_str(line);
        rotated.push('\n');
    }
    push_key(&mut rotated, SIGNING[0], fresh);
    push_key(&mut rotated, SIGNING[1], former);
    rotated
}

fn random_key() -> Result<Key, io::Error> {
    let mut key = Key::new(Zeroizing::new([0; 32]));
    getrandom::fill(&mut **key).map_err(io::Error::other)?;
    Ok(key)
}

fn push_key(text: &mut String, name: &str, key: &Key) {
    let mut digits = Zeroizing::new([0; 64]);
    hex::encode_to_slice(key.as_slice(), &mut *digits).expect("a key of 32 bytes has 64 digits");
    let digits = std::str::from_utf8(&*digits).expect("digits are ASCII");
    for piece in [name, " = \"", digits, "\"\n"] {
        text.push_str(piece);
    }
}

fn unreadable(path: &Path) -> impl Fn(io::Error) -> PrivacyError + Copy {
    move |source| PrivacyError::Unreadable {
        path: path.to_owned(),
        source,
    }
}

fn malformed(path: &Path) -> impl Fn(&'static str) -> PrivacyError + Copy {
    move |reason| PrivacyError::Malformed {
        path: path.to_owned(),
        reason,
    }
}

/// The file's bytes, and what the system says of the very file that they were read from.
fn read_text(path: &Path) -> Result<(Zeroizing<Vec<u8>>, fs::Metadata), PrivacyError> {
    let mut file = File::open(path).map_err(unreadable(path))?;
    let metadata = file.metadata().map_err(unreadable(path))?;
    refuse_exposed(path, &metadata)?;
    if metadata.len() > FILE_BYTES_MAX {
        return Err(malformed(path)("it is longer than a key file"));
    }
    let length = usize::try_from(metadata.len()).expect("at most 64 KiB");
    let mut bytes = Zeroizing::new(vec![0; length]);
    file.read_exact(&mut bytes).map_err(unreadable(path))?;
    Ok((bytes, metadata))
}

/// Written and synced, with the rights and the owner of the file that it is to replace.
fn write_draft(draft: &Path, text: &str, like: Option<&fs::Metadata>) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(draft)?;
    if let Some(like) = like {
        keep_owner(&file, like)?;
        file.set_permissions(like.permissions())?;
    }
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

/// An administrator who rotates the keys of a service's account leaves them to that account.
#[cfg(unix)]
fn keep_owner(file: &File, like: &fs::Metadata) -> io::Result<()> {
    use std::os::unix::fs::{MetadataExt, fchown};

    let made = file.metadata()?;
    if (made.uid(), made.gid()) == (like.uid(), like.gid()) {
        return Ok(());
    }
    fchown(file, Some(like.uid()), Some(like.gid()))
}

#[cfg(not(unix))]
fn keep_owner(_file: &File, _like: &fs::Metadata) -> io::Result<()> {
    Ok(())
}

/// Beside the file itself, so that both are on one file system; its name is nobody else's.
fn draft_path(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.draft", hex::encode(nonce::random())));
    path.with_file_name(name)
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// Held until dropped, or until the process ends in whatever way.
fn lock_folder(path: &Path) -> io::Result<File> {
    let folder = File::open(folder_of(path))?;
    folder.lock()?;
    Ok(folder)
}

/// Without this, a power cut could take the name of a file whose bytes are safe.
fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(folder_of(path))?.sync_all()
}

#[cfg(unix)]
fn refuse_exposed(path: &Path, metadata: &fs::Metadata) -> Result<(), PrivacyError> {
    let mode = std::os::unix::fs::PermissionsExt::mode(&metadata.permissions()) & 0o777;
    let rights_of_others = mode & 0o077;
    if rights_of_others == 0 {
        return Ok(());
    }
    Err(PrivacyError::Exposed {
        path: path.to_owned(),
        mode,
    })
}

#[cfg(not(unix))]
fn refuse_exposed(_path: &Path, _metadata: &fs::Metadata) -> Result<(), PrivacyError> {
    Ok(())
}

fn parse_bytes(bytes: &[u8]) -> Result<KeyMaterial, &'static str> {
    parse(std::str::from_utf8(bytes).map_err(|_| "it is no text")?)
}

/// The reason says which line is wrong and never what it holds.
fn parse(text: &str) -> Result<KeyMaterial, &'static str> {
    let (mut purpose, mut version, mut sealing, mut index) = (None, None, None, None);
    let (mut signing, mut former) = (None, None);
    let mut retired: Vec<(u8, Key)> = Vec::with_capacity(RETIRED_MAX);
    for line in text.lines().map(str::trim) {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (name, value) = line.split_once('=').ok_or("a line is `name = value`")?;
        let value = value.trim().trim_matches('"');
        let again = match name.trim() {
            "purpose" => purpose.replace(parse_purpose(value)?).is_some(),
            "version" => version.replace(parse_version(value)?).is_some(),
            "sealing" => sealing.replace(parse_key(value)?).is_some(),
            "index" => index.replace(parse_key(value)?).is_some(),
            "signing" => signing.replace(parse_key(value)?).is_some(),
            "signing.former" => former.replace(parse_key(value)?).is_some(),
            name => {
                let number = name.strip_prefix("sealing.");
                let number =
                    number.ok_or("the names are purpose, version, sealing, index and signing")?;
                let number = parse_version(number)?;
                if retired.len() == RETIRED_MAX {
                    return Err("more than 8 versions are retired");
                }
                let again = retired.iter().any(|(it, _)| *it == number);
                retired.push((number, parse_key(value)?));
                again
            }
        };
        if again {
            return Err("a name stands there twice");
        }
    }
    retired.sort_by_key(|(it, _)| std::cmp::Reverse(*it));
    let material = KeyMaterial {
        purpose: purpose.unwrap_or(KeyPurpose::Production),
        version: version.ok_or("the version is missing")?,
        sealing: sealing.ok_or("the sealing key is missing")?,
        retired,
        index: index.ok_or("the index key is missing")?,
        signing: signing.into_iter().chain(former).collect(),
    };
    refuse_confusion(&material)?;
    Ok(material)
}

fn refuse_confusion(material: &KeyMaterial) -> Result<(), &'static str> {
    if material.sealing == material.index {
        return Err("the sealing key and the index key are the same");
    }
    let newest = material.retired.first().map_or(0, |(it, _)| *it);
    if newest >= material.version {
        return Err("a retired version is older than the current one");
    }
    let retired = material.retired.iter().map(|(_, key)| key);
    let mut keys: Vec<&Key> = retired
        .chain([&material.sealing, &material.index])
        .chain(&material.signing)
        .collect();
    keys.sort_unstable_by(|one, other| one.as_slice().cmp(other.as_slice()));
    if keys.windows(2).any(|it| it[0] == it[1]) {
        return Err("two versions have the same key");
    }
    Ok(())
}

fn parse_purpose(value: &str) -> Result<KeyPurpose, &'static str> {
    let known = [KeyPurpose::Production, KeyPurpose::Development];
    let found = known.into_iter().find(|it| it.code() == value);
    found.ok_or("purpose is production or development")
}

fn parse_version(value: &str) -> Result<u8, &'static str> {
    match value.parse() {
        Ok(0) | Err(_) => Err("version is a number from 1 to 255"),
        Ok(version) => Ok(version),
    }
}

fn parse_key(value: &str) -> Result<Key, &'static str> {
    let mut key = Key::new(Zeroizing::new([0; 32]));
    hex::decode_to_slice(value, &mut **key).map_err(|_| "a key is 64 hex digits")?;
    Ok(key)
}

#[cfg(test)]
mod tests;

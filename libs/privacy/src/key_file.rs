//! The key file: three lines of text that only their owner can read.
//!
//! ```text
//! version = 1
//! sealing = "64 hex digits"
//! index = "64 hex digits"
//! ```

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::PrivacyError;

/// What a key file says.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct KeyMaterial {
    pub version: u8,
    pub sealing: [u8; 32],
    pub index: [u8; 32],
}

impl KeyMaterial {
    pub fn random() -> Result<KeyMaterial, io::Error> {
        let mut material = KeyMaterial {
            version: 1,
            sealing: [0; 32],
            index: [0; 32],
        };
        getrandom::fill(&mut material.sealing).map_err(io::Error::other)?;
        getrandom::fill(&mut material.index).map_err(io::Error::other)?;
        Ok(material)
    }

    pub fn read(path: &Path) -> Result<KeyMaterial, PrivacyError> {
        let unreadable = |source| PrivacyError::Unreadable {
            path: path.to_owned(),
            source,
        };
        refuse_exposed(path, &fs::metadata(path).map_err(unreadable)?)?;
        let text = Zeroizing::new(fs::read_to_string(path).map_err(unreadable)?);
        parse(&text).map_err(|reason| PrivacyError::Malformed {
            path: path.to_owned(),
            reason,
        })
    }

    /// Writes the file so that it is there whole or not at all, and never in place of another.
    pub fn write_new(&self, path: &Path) -> Result<(), PrivacyError> {
        let draft = draft_path(path);
        let written = self.write_draft(&draft).and_then(|()| {
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
            Err(source) => Err(PrivacyError::Unreadable {
                path: path.to_owned(),
                source,
            }),
        }
    }

    fn write_draft(&self, draft: &Path) -> io::Result<()> {
        let sealing = Zeroizing::new(hex::encode(self.sealing));
        let index = Zeroizing::new(hex::encode(self.index));
        let text = Zeroizing::new(format!(
            "version = {}\nsealing = \"{}\"\nindex = \"{}\"\n",
            self.version, *sealing, *index
        ));
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(draft)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()
    }
}

/// Beside the file itself, so that both are on one file system; named by the process, so that two
/// processes do not write one draft.
fn draft_path(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.draft", std::process::id()));
    path.with_file_name(name)
}

/// Without this, a power cut could take the name of a file whose bytes are safe.
fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    File::open(folder)?.sync_all()
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

/// The reason says which line is wrong and never what it holds.
fn parse(text: &str) -> Result<KeyMaterial, &'static str> {
    let (mut version, mut sealing, mut index) = (None, None, None);
    for line in text.lines().map(str::trim) {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (name, value) = line.split_once('=').ok_or("a line is `name = value`")?;
        let value = value.trim().trim_matches('"');
        let again = match name.trim() {
            "version" => version.replace(parse_version(value)?).is_some(),
            "sealing" => sealing.replace(parse_key(value)?).is_some(),
            "index" => index.replace(parse_key(value)?).is_some(),
            _ => return Err("the names are version, sealing and index"),
        };
        if again {
            return Err("a name stands there twice");
        }
    }
    let sealing = sealing.ok_or("the sealing key is missing")?;
    let index = index.ok_or("the index key is missing")?;
    if sealing == index {
        return Err("the sealing key and the index key are the same");
    }
    Ok(KeyMaterial {
        version: version.ok_or("the version is missing")?,
        sealing: *sealing,
        index: *index,
    })
}

fn parse_version(value: &str) -> Result<u8, &'static str> {
    match value.parse() {
        Ok(0) | Err(_) => Err("version is a number from 1 to 255"),
        Ok(version) => Ok(version),
    }
}

fn parse_key(value: &str) -> Result<Zeroizing<[u8; 32]>, &'static str> {
    let mut key = Zeroizing::new([0; 32]);
    hex::decode_to_slice(value, &mut *key).map_err(|_| "a key is 64 hex digits")?;
    Ok(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(version: &str, sealing: &str, index: &str) -> String {
        format!("version = {version}\nsealing = \"{sealing}\"\nindex = \"{index}\"\n")
    }

    #[test]
    fn a_file_with_comments_and_spaces_is_read() {
        let text = format!(
            "# keys of the test\n\n{}",
            file("7", &"ab".repeat(32), &"cd".repeat(32))
        );
        let material = parse(&text).unwrap();
        assert_eq!(material.version, 7);
        assert_eq!(material.sealing, [0xab; 32]);
        assert_eq!(material.index, [0xcd; 32]);
    }

    #[test]
    fn a_malformed_file_is_refused_with_its_reason() {
        let (one, two) = (&"ab".repeat(32)[..], &"cd".repeat(32)[..]);
        let cases = [
            (file("0", one, two), "version is a number from 1 to 255"),
            (file("256", one, two), "version is a number from 1 to 255"),
            (file("1", &one[2..], two), "a key is 64 hex digits"),
            (
                file("1", one, one),
                "the sealing key and the index key are the same",
            ),
            (
                format!("{}index = \"{two}\"", file("1", one, two)),
                "a name stands there twice",
            ),
            (
                format!("sealing={one}\nindex={two}"),
                "the version is missing",
            ),
            (
                format!("version=1\nindex={two}"),
                "the sealing key is missing",
            ),
            (
                format!("version=1\nsealing={one}"),
                "the index key is missing",
            ),
            (
                "verison = 1".to_owned(),
                "the names are version, sealing and index",
            ),
            ("version".to_owned(), "a line is `name = value`"),
        ];
        for (text, reason) in cases {
            assert_eq!(parse(&text).err(), Some(reason), "{text}");
        }
    }
}

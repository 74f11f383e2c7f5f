//! The keys that a process may use.

use privacy::{KeyPurpose, Keys};

use crate::{BootError, Settings};

/// Reads the keys of the file that the settings name.
///
/// # Errors
///
/// [`BootError::Missing`] where they name none, [`BootError::DevelopmentKey`] where it holds keys
/// that only a demo or a test may use, [`BootError::Keys`] where it cannot be read.
pub fn read(settings: &Settings) -> Result<Keys, BootError> {
    let file = settings.keys.file.as_deref();
    let file = file.ok_or(BootError::Missing {
        key: "keys.file",
        variable: "ANSINH_KEYS__FILE",
    })?;
    let keys = Keys::from_file(file)?;
    if keys.purpose() == KeyPurpose::Development && !settings.keys.allow_development {
        return Err(BootError::DevelopmentKey {
            file: file.to_owned(),
        });
    }
    Ok(keys)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_development_key_is_refused_until_it_is_allowed() {
        let mut settings = Settings::default();
        let missing = read(&settings).unwrap_err().to_string();
        assert!(missing.contains("ANSINH_KEYS__FILE"), "{missing}");

        let file = std::env::temp_dir().join(format!("boot-ring-{}", std::process::id()));
        Keys::generate_development(&file).unwrap();
        settings.keys.file = Some(file.clone());
        let refused = read(&settings).unwrap_err();
        assert!(matches!(refused, BootError::DevelopmentKey { .. }));
        let sentence = refused.to_string();
        assert!(sentence.starts_with("development_key: "), "{sentence}");
        settings.keys.allow_development = true;
        read(&settings).unwrap();

        std::fs::remove_file(&file).unwrap();
        settings.keys.allow_development = false;
        Keys::generate(&file).unwrap();
        read(&settings).unwrap();
        std::fs::remove_file(&file).unwrap();
    }
}

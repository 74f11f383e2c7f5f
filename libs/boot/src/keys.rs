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

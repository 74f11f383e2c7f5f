use std::io;
use std::path::PathBuf;

/// Why keys could not be had or a value could not be opened.
///
/// No sentence repeats a key, a clear value or a context.
#[derive(Debug, thiserror::Error)]
pub enum PrivacyError {
    #[error("key file {path}: {source}", path = .path.display())]
    Unreadable { path: PathBuf, source: io::Error },

    #[error(
        "key file {path} is open to others (mode {mode:03o}); only its owner may read it (chmod 600)",
        path = .path.display()
    )]
    Exposed { path: PathBuf, mode: u32 },

    #[error("key file {path}: {reason}", path = .path.display())]
    Malformed { path: PathBuf, reason: &'static str },

    #[error("key file {path} exists already and is never overwritten", path = .path.display())]
    Exists { path: PathBuf },

    #[error("key file {path} takes no further version: {reason}", path = .path.display())]
    Full { path: PathBuf, reason: &'static str },

    #[error("sealed with key version {found}, but the keys here are of {held:?}")]
    KeyVersion { found: u8, held: Vec<u8> },

    /// Another key, field or context, or an altered byte: the cipher cannot tell them apart.
    #[error("a sealed value does not open: other key, field or context, or altered bytes")]
    Refused,

    #[error("a blind index is 32 bytes, not {found}")]
    IndexLength { found: usize },

    /// Who wants to see something must say so first, in full; `reason` says what is missing.
    #[error("the access is not recorded: {reason}")]
    AccessUnclear { reason: &'static str },

    /// What was recorded is not what is about to be shown.
    #[error("the recorded access does not cover this: {reason}")]
    NotGranted { reason: &'static str },

    #[error("the database did not answer as expected: {0}")]
    Database(#[from] sqlx::Error),
}

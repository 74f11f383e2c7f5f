use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use privacy::PrivacyError;

/// Why a process cannot start. Each sentence says what an operator has to change.
///
/// No sentence repeats a password, a token or a key.
#[derive(Debug, thiserror::Error)]
pub enum BootError {
    #[error("settings: {0}")]
    Settings(String),

    #[error("settings: {key} is missing (set it in ansinh.toml or as {variable})")]
    Missing {
        key: &'static str,
        variable: &'static str,
    },

    #[error("telemetry: {0}")]
    Telemetry(String),

    #[error("keys: {0}")]
    Keys(#[from] PrivacyError),

    /// Keys that a demo or a test made guard nobody's data.
    #[error(
        "development_key: {file} holds keys for development; make others with `ansinh keys \
         generate --file F`, or set keys.allow_development where nobody's data is real",
        file = .file.display()
    )]
    DevelopmentKey { file: PathBuf },

    #[error("a database role is lower-case letters and underscores, not {0:?}")]
    Role(String),

    #[error("database: no server took a connection at {0} in time")]
    NoDatabase(String),

    #[error("database: {0}")]
    Database(#[from] sqlx::Error),

    #[error("the database server may lose what it acknowledged: {0}")]
    UnsafeDatabase(String),

    #[error("NATS: {0}")]
    Nats(String),

    #[error("the NATS server may lose what it acknowledged: {0}")]
    UnsafeNats(String),

    #[error("cannot listen on {address}: {source}")]
    Listen {
        address: SocketAddr,
        source: io::Error,
    },

    #[error("HTTP: {0}")]
    Http(#[source] io::Error),
}

use std::io;
use std::path::PathBuf;

/// Why an embedded server could not be started, found or stopped.
///
/// The texts are for the person at the terminal: each says what to look at or to do next. None
/// holds a password.
#[derive(Debug, thiserror::Error)]
pub enum ServersError {
    /// A program is not installed, or too old.
    #[error("{program} {version_min} or newer was not found; run deploy/setup")]
    Missing {
        program: &'static str,
        version_min: &'static str,
    },

    /// The environment names a program that is not there or is too old.
    #[error("{variable} does not lead to {program} {version_min} or newer")]
    Override {
        variable: &'static str,
        program: &'static str,
        version_min: &'static str,
    },

    /// PostgreSQL refuses to run as root, and there is nobody else.
    #[error("PostgreSQL does not run as root and found no account to run as; run deploy/setup")]
    NoAccount,

    /// Another process owns the servers of this folder.
    #[error("the servers in {} are already running", home.display())]
    Taken { home: PathBuf },

    /// The data belong to another account than the one the server has to run as.
    #[error(
        "{} belongs to another account (uid {owner}); use that account or another folder",
        path.display()
    )]
    ForeignOwner { path: PathBuf, owner: u32 },

    /// The data are there, but PostgreSQL's account may not go through a folder above them.
    #[error("{} cannot be reached by PostgreSQL's account; make its parents searchable", path.display())]
    Unreachable { path: PathBuf },

    /// The cluster is there, but its password is not.
    #[error("the password of the database in {} is lost", path.display())]
    PasswordLost { path: PathBuf },

    /// The server ended before it answered.
    #[error("{server} ended before it answered; {} ends with:\n{tail}", log.display())]
    Exited {
        server: &'static str,
        log: PathBuf,
        tail: String,
    },

    /// The server runs, but did not answer in time.
    #[error("{server} did not answer within {seconds} s; see {}", log.display())]
    Silent {
        server: &'static str,
        seconds: u64,
        log: PathBuf,
    },

    /// A bank whose old credentials nobody takes back.
    #[error("bank {bank} has as many credentials as it may have; revoke one first")]
    Full { bank: domain::Institution },

    /// The server is still there after every way to end it.
    #[error("{server} (process {pid}) could not be ended")]
    Unstoppable { server: &'static str, pid: u32 },

    /// The cluster could not be created.
    #[error("initdb failed: {detail}")]
    Initdb { detail: String },

    /// The server answers, but the database could not be created.
    #[error("the database could not be created")]
    Database(#[from] sqlx::Error),

    /// The operating system refused something.
    #[error("could not {action}")]
    Io {
        action: String,
        #[source]
        source: io::Error,
    },
}

impl ServersError {
    /// For `map_err`: an I/O error with what was being done.
    pub(super) fn io(action: impl Into<String>) -> impl FnOnce(io::Error) -> ServersError {
        let action = action.into();
        move |source| ServersError::Io { action, source }
    }
}

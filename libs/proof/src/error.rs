/// Why evidence could not be kept or shown.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the database did not answer as expected: {0}")]
    Database(#[from] sqlx::Error),
    #[error("{path}: {error}")]
    File { path: String, error: std::io::Error },
    #[error("{path} is not the tile that the log's size asks for")]
    Tile { path: String },
    #[error("the tree cannot be computed: {0}")]
    Tree(String),
    /// What was signed is not what the log holds: nothing more is signed.
    #[error("the log holds another history than was signed at {size} leaves")]
    Forked { size: u64 },
    #[error("no checkpoint: {0}")]
    Checkpoint(&'static str),
    #[error("{0}")]
    Ledger(#[from] ledger::Error),
    #[error("{code}: {detail}")]
    Refused { code: &'static str, detail: String },
}

impl Error {
    pub(crate) fn file(path: &std::path::Path) -> impl FnOnce(std::io::Error) -> Error {
        let path = path.display().to_string();
        move |error| Error::File { path, error }
    }
}

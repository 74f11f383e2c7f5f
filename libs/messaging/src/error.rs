use crate::{Organisation, Problem};

/// Why messaging could not do its work.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the database did not answer as expected: {0}")]
    Database(#[from] sqlx::Error),
    #[error("{speaker} is not registered: nothing can be said in its name")]
    NotRegistered { speaker: String },
    #[error(
        "no key is held by which {organisation} signs now, registered and confirmed: nothing can be \
         said in its name"
    )]
    NotSigned { organisation: Organisation },
    #[error("{0}")]
    Refused(#[from] Box<Problem>),
    #[error("NATS: {0}")]
    Nats(String),
    #[error("stream {name} is configured otherwise: {detail}")]
    StreamDiffers { name: String, detail: String },
}

impl From<Problem> for Error {
    fn from(problem: Problem) -> Error {
        Error::Refused(Box::new(problem))
    }
}

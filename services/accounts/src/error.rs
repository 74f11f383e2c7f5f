use domain::PersonNo;
use messaging::{Judged, Verdict};

/// Why accounts could not do its work.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the database did not answer as expected: {0}")]
    Database(#[from] sqlx::Error),
    #[error(transparent)]
    Messaging(#[from] messaging::Error),
    #[error(transparent)]
    Event(#[from] events::MalformedEvent),
    #[error(transparent)]
    File(#[from] intake::FileError),
    #[error("person {} is owed money and was never registered here", .0.0)]
    PersonUnknown(PersonNo),
}

impl Judged for Error {
    fn verdict(&self) -> Verdict {
        match self {
            Error::Event(_) => Verdict::Park,
            Error::Database(_) | Error::Messaging(_) | Error::File(_) => Verdict::Retry,
            // Registered before determined in the same sequence: this is a broken record.
            Error::PersonUnknown(_) => Verdict::Halt,
        }
    }
}

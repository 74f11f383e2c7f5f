use messaging::{Judged, Verdict};

/// Why eligibility could not do its work.
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
    /// A law that does not read, with each of its flaws; or one that changes what stands.
    #[error("the law does not hold:\n{0}")]
    Law(String),
    #[error("the same law is there already as number {0}")]
    LawRepeated(i64),
    #[error("there is no law {0}")]
    LawUnknown(i64),
    #[error("law {0} is approved already, or a later one is; propose it again")]
    LawApproved(i64),
    #[error("the person who proposed a law does not approve it")]
    LawSamePerson,
    /// A law that its approver has not signed as it has to be.
    #[error(transparent)]
    Approval(#[from] approval::Error),
    #[error("no law is in force")]
    NoLaw,
    /// The law does not say, or a version of it is wrong.
    #[error(transparent)]
    Undecided(#[from] rules::Error),
    #[error("stored inputs of a determination cannot be read: {0}")]
    Inputs(String),
}

impl Judged for Error {
    fn verdict(&self) -> Verdict {
        match self {
            Error::Event(_) => Verdict::Park,
            Error::Database(_) | Error::Messaging(_) | Error::File(_) => Verdict::Retry,
            // Nothing is owed by guess: the run waits until the law says what.
            Error::Law(_)
            | Error::LawRepeated(_)
            | Error::LawUnknown(_)
            | Error::LawApproved(_)
            | Error::LawSamePerson
            | Error::Approval(_)
            | Error::NoLaw
            | Error::Undecided(_)
            | Error::Inputs(_) => Verdict::Halt,
        }
    }
}

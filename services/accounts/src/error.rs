use domain::{PersonNo, Refusal};
use messaging::{Judged, Problem, Verdict};
use privacy::PrivacyError;

use crate::link::InvalidTransition;

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
    #[error("a link stands in a state that this version does not know: {0}")]
    StateUnknown(String),
    #[error(transparent)]
    Transition(#[from] InvalidTransition),
    #[error(transparent)]
    Privacy(#[from] PrivacyError),
    #[error(transparent)]
    Identity(#[from] identity::Error),
    #[error(transparent)]
    Calendar(#[from] domain::calendar::CalendarError),
    /// A command that is refused; nothing has happened.
    #[error("{0}")]
    Refused(Box<Problem>),
}

impl Judged for Error {
    fn verdict(&self) -> Verdict {
        match self {
            Error::Event(_)
            | Error::Transition(_)
            | Error::Calendar(_)
            | Error::Identity(_)
            | Error::Privacy(PrivacyError::AccessUnclear { .. })
            | Error::Refused(_) => Verdict::Park,
            Error::Database(_)
            | Error::Messaging(_)
            | Error::File(_)
            | Error::Privacy(PrivacyError::Database(_)) => Verdict::Retry,
            // Registered before determined in the same sequence, states written by us, names
            // sealed by us: each of these is a broken record.
            Error::PersonUnknown(_) | Error::StateUnknown(_) | Error::Privacy(_) => Verdict::Halt,
        }
    }
}

impl From<Problem> for Error {
    fn from(problem: Problem) -> Error {
        Error::Refused(Box::new(problem))
    }
}

impl From<approval::Error> for Error {
    fn from(error: approval::Error) -> Error {
        match error {
            approval::Error::Refused(problem) => Error::Refused(problem),
            approval::Error::Database(error) => Error::Database(error),
        }
    }
}

/// A value of a command that is none.
impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Error {
        Problem::new(422, refusal.code, refusal.sentence).into()
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Problem {
        match error {
            Error::Refused(problem) => *problem,
            Error::Transition(it) => Problem::new(409, "illegal_transition", it.to_string()),
            // What is broken inside is for the log, not for whoever asks.
            Error::Privacy(it @ PrivacyError::AccessUnclear { .. }) => {
                Problem::new(422, "access_unclear", it.to_string())
            }
            other => {
                tracing::error!(error = %other, "A command failed");
                Problem::new(500, "internal", "the command failed; nothing has happened")
            }
        }
    }
}

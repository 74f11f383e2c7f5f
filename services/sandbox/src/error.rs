use messaging::{Judged, Problem, Verdict};

/// Why a sandbox bank did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the database did not answer as expected: {0}")]
    Database(#[from] sqlx::Error),
    #[error(transparent)]
    Messaging(#[from] messaging::Error),
    #[error(transparent)]
    Malformed(#[from] events::MalformedEvent),
    /// The bank carries out nothing of a message that does not agree with itself.
    #[error("the bank refuses message {message}: {detail}")]
    Instructions {
        message: String,
        detail: &'static str,
    },
    /// A scenario has it hear nothing; what is said to it waits.
    #[error("bank {0} is offline")]
    Offline(domain::Institution),
    /// A row was sealed with other keys, or changed.
    #[error("the books of bank {0} do not open")]
    Books(domain::Institution),
    /// The bank pays nothing of a message that was not sealed for it, line by line.
    #[error("account_unreadable: an account or a holder in message {message} does not open")]
    AccountUnreadable { message: String },
    #[error(transparent)]
    Boot(#[from] boot::BootError),
    #[error(transparent)]
    Refused(Box<Problem>),
    #[error(transparent)]
    Vneid(#[from] crate::VneidError),
}

impl Judged for Error {
    /// Exhaustive on purpose: a new variant must say whether waiting can help.
    fn verdict(&self) -> Verdict {
        match self {
            Error::Database(_) | Error::Messaging(_) | Error::Offline(_) | Error::Boot(_) => {
                Verdict::Retry
            }
            Error::Malformed(_)
            | Error::Instructions { .. }
            | Error::Books(_)
            | Error::AccountUnreadable { .. }
            | Error::Refused(_)
            | Error::Vneid(_) => Verdict::Park,
        }
    }
}

impl From<Problem> for Error {
    fn from(problem: Problem) -> Error {
        Error::Refused(Box::new(problem))
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Problem {
        match error {
            Error::Refused(problem) => *problem,
            Error::Database(_)
            | Error::Messaging(_)
            | Error::Offline(_)
            | Error::Boot(_)
            | Error::Vneid(_) => Problem::new(
                503,
                "unavailable",
                "the sandbox could not finish; ask again",
            ),
            Error::Books(_) => Problem::new(500, "books_unreadable", error.to_string()),
            Error::Malformed(_) | Error::Instructions { .. } | Error::AccountUnreadable { .. } => {
                Problem::new(422, "body_invalid", error.to_string())
            }
        }
    }
}

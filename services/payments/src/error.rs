use domain::calendar::CalendarError;
use messaging::{Judged, Problem, Verdict};

/// Why payments could not do its work.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A command that is refused; nothing has happened.
    #[error("{0}")]
    Refused(Box<Problem>),
    #[error("the database did not answer as expected: {0}")]
    Database(#[from] sqlx::Error),
    #[error(transparent)]
    Messaging(#[from] messaging::Error),
    #[error(transparent)]
    Event(#[from] events::MalformedEvent),
    #[error(transparent)]
    Ledger(#[from] ledger::Error),
    #[error(transparent)]
    Proof(#[from] proof::Error),
    #[error("sealed data does not open: {0}")]
    Privacy(#[from] privacy::PrivacyError),
    /// What arrived is not what was announced; nothing of the partition may be paid.
    #[error("partition {part} of {run}: {detail}")]
    ControlTotals {
        run: domain::RunNo,
        part: domain::Part,
        detail: String,
    },
    /// A withdrawal whose turn before was never heard; nothing of the message was applied.
    #[error("turn {turn} of an obligation came without the one before it")]
    TurnMissing { turn: i16 },
    #[error("the event comes from {0}, where it cannot")]
    WrongSpeaker(String),
    /// A bank's message that cannot be one; nothing of it was applied.
    #[error("the bank's message cannot be: {0}")]
    ImpossibleMessage(&'static str),
}

impl Judged for Error {
    fn verdict(&self) -> Verdict {
        match self {
            Error::Messaging(messaging::Error::Refused(_))
            | Error::Event(_)
            | Error::WrongSpeaker(_)
            | Error::TurnMissing { .. }
            | Error::ImpossibleMessage(_)
            | Error::Refused(_) => Verdict::Park,
            Error::Database(_)
            | Error::Messaging(_)
            | Error::Proof(_)
            | Error::Ledger(ledger::Error::Database(_)) => Verdict::Retry,
            // Ledger postings never park: they stop the partition and raise the alarm.
            Error::Ledger(_) | Error::ControlTotals { .. } | Error::Privacy(_) => Verdict::Halt,
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

impl From<CalendarError> for Error {
    fn from(error: CalendarError) -> Error {
        Problem::new(422, "calendar_unknown", error.to_string()).into()
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Problem {
        match error {
            Error::Refused(problem) | Error::Messaging(messaging::Error::Refused(problem)) => {
                *problem
            }
            Error::Ledger(ledger::Error::Overdrawn(account)) => Problem::new(
                409,
                "appropriation_exceeded",
                format!("account {account} has not enough for this"),
            ),
            other => {
                tracing::error!(error = %other, "A command failed");
                Problem::new(500, "internal", "the command failed; nothing has happened")
            }
        }
    }
}

use domain::EndToEndId;
use messaging::{Judged, Problem, Verdict};

/// Why reconciliation could not take an event or finish a statement.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the database did not answer as expected: {0}")]
    Database(#[from] sqlx::Error),
    #[error(transparent)]
    Messaging(#[from] messaging::Error),
    #[error(transparent)]
    Malformed(#[from] events::MalformedEvent),
    /// What a bank is told does not open with the key that it was sealed with.
    #[error("account_unreadable: an account of message {message} does not open")]
    AccountUnreadable { message: String },
    /// A message of instructions is of one chunk.
    #[error("other_chunk: message {message} instructs a line of another chunk")]
    OtherChunk { message: String },
    /// A line is instructed once, and answered once.
    #[error("told_again: something else was told of line {0} before")]
    ToldAgain(EndToEndId),
    /// A report that was kept and cannot be read.
    #[error("a kept report is unreadable: {0}")]
    Report(serde_json::Error),
    /// A command that the state of things does not allow.
    #[error(transparent)]
    Refused(Box<Problem>),
    /// The exact rule did not settle the entry, and none says why.
    #[error("no rule says why entry {0} settles nothing")]
    NoRule(i64),
    /// The page cannot be one of any statement; its numbers or texts are out of all bounds.
    #[error("page {page} of statement {statement_no} cannot be: {detail}")]
    ImpossiblePage {
        statement_no: i64,
        page: i32,
        detail: &'static str,
    },
}

impl Judged for Error {
    /// Exhaustive on purpose: a new variant must say whether waiting can help.
    fn verdict(&self) -> Verdict {
        match self {
            Error::Database(_) | Error::Messaging(_) | Error::ToldAgain(_) | Error::NoRule(_) => {
                Verdict::Retry
            }
            Error::Malformed(_)
            | Error::AccountUnreadable { .. }
            | Error::OtherChunk { .. }
            | Error::Refused(_)
            | Error::Report(_)
            | Error::ImpossiblePage { .. } => Verdict::Park,
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

impl From<Error> for Problem {
    fn from(error: Error) -> Problem {
        match error {
            Error::Refused(problem) => *problem,
            other => {
                tracing::error!(error = %other, "A command failed");
                Problem::new(500, "internal", "the command failed; nothing has happened")
            }
        }
    }
}

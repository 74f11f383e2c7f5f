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
    /// The programme data that ships with the program does not read; the program is broken.
    #[error("programme data: {0}")]
    Rates(String),
    #[error("rate {0} stands in the database with another content")]
    RateChanged(String),
    #[error("no rate {name} is valid for {period} and known on {known}")]
    NoRate {
        name: String,
        period: domain::Period,
        known: chrono::NaiveDate,
    },
}

impl Judged for Error {
    fn verdict(&self) -> Verdict {
        match self {
            Error::Event(_) => Verdict::Park,
            Error::Database(_) | Error::Messaging(_) | Error::File(_) => Verdict::Retry,
            // Nothing is owed by guess: the run waits until the law is in the tables.
            Error::Rates(_) | Error::RateChanged(_) | Error::NoRate { .. } => Verdict::Halt,
        }
    }
}

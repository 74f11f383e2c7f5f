use messaging::Problem;

/// Why a decision could not be taken.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Who decides may put it right; nothing has happened.
    #[error("{0}")]
    Refused(Box<Problem>),
    #[error("the database did not answer as expected: {0}")]
    Database(#[from] sqlx::Error),
}

impl From<Problem> for Error {
    fn from(problem: Problem) -> Error {
        Error::Refused(Box::new(problem))
    }
}

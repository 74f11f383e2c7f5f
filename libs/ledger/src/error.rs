use crate::AccountNo;

/// Why the books refused.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("journal {reference} exists with another content")]
    ReferenceReused { reference: String },
    #[error("journal {reference} has no transfer, or one of 0 đồng, or one within an account")]
    EmptyOrZero { reference: String },
    #[error("account {0} would be overdrawn")]
    Overdrawn(AccountNo),
    #[error("the database did not answer as expected: {0}")]
    Database(#[from] sqlx::Error),
}

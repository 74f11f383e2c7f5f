use chrono::NaiveDate;
use domain::{Period, Programme};
use rust_decimal::Decimal;

/// Why nothing could be decided. Waiting never helps: the law or the facts have to change.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("there are no rules of {programme}; add its folder")]
    NoProgramme { programme: Programme },
    #[error("no version of {programme} holds for {period} as known on {known}; add one")]
    NoVersion {
        programme: Programme,
        period: Period,
        known: NaiveDate,
    },
    #[error("parameter {name} has no value for {period} as known on {known}; add a row")]
    NoParameter {
        name: String,
        period: Period,
        known: NaiveDate,
    },
    #[error("{programme} has no fact {fact} of this kind; read facts by its evidence")]
    Fact { programme: Programme, fact: String },
    #[error("rows {rows:?} of table {table} in {rule} hit together where one alone may")]
    NotUnique {
        rule: String,
        table: String,
        rows: Vec<usize>,
    },
    #[error("{place} of {rule} cannot be computed: {message}")]
    Formula {
        rule: String,
        place: String,
        message: String,
    },
    #[error("{rule} comes to the negative amount {amount}; correct the version")]
    Negative { rule: String, amount: Decimal },
    #[error("{rule} comes to {amount}, above its maximum {maximum}; correct the version")]
    AboveMaximum {
        rule: String,
        amount: Decimal,
        maximum: Decimal,
    },
}

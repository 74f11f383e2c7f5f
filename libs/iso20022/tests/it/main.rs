//! Messages written, validated, read back, and refused, each with its place.

mod foreign;
mod mapped;
mod official;
mod orders;
mod properties;
mod recalls;
mod refused;
mod reports;
mod said;
mod statements;
mod streams;

use std::fmt::Debug;
use std::str::FromStr;

use domain::Institution;
use iso20022::Agent;

/// A value that the test writes itself.
fn of<T>(text: &str) -> T
where
    T: FromStr,
    T::Err: Debug,
{
    text.parse().expect("the test's own value is one")
}

/// A bank by its number.
fn bank(number: &str) -> Agent {
    of::<Institution>(number).into()
}

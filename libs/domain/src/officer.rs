use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::Refusal;

/// A person who acts for the state, by a stable personal id such as `nguyen.an`.
///
/// It names the person, not a login: maker, checker and releaser must be different persons.
#[derive(
    Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, sqlx::Type,
)]
#[serde(try_from = "String", into = "String")]
#[sqlx(transparent)]
pub struct Officer(String);

impl Officer {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Officer {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<Officer, Refusal> {
        let valid = (2..=64).contains(&text.len())
            && text.starts_with(|it: char| it.is_ascii_lowercase())
            && text
                .bytes()
                .all(|it| it.is_ascii_lowercase() || it.is_ascii_digit() || b".-".contains(&it));
        if valid {
            Ok(Officer(text.to_owned()))
        } else {
            Err(Refusal::new(
                "officer_invalid",
                "an officer is 2 to 64 of a-z, 0-9, point and hyphen, e.g. nguyen.an",
            ))
        }
    }
}

impl fmt::Display for Officer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for Officer {
    type Error = Refusal;

    fn try_from(text: String) -> Result<Officer, Refusal> {
        text.parse()
    }
}

impl From<Officer> for String {
    fn from(officer: Officer) -> String {
        officer.0
    }
}

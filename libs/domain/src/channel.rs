use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::Refusal;

/// The way money reaches a person; in the order in which a payment that came back tries them.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, sqlx::Type,
)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum Channel {
    BankAccount,
    Wallet,
    MobileMoney,
    Cash,
}

impl fmt::Display for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Channel::BankAccount => "bank_account",
            Channel::Wallet => "wallet",
            Channel::MobileMoney => "mobile_money",
            Channel::Cash => "cash",
        })
    }
}

/// Who carries the money: a bank or wallet by its six-digit NAPAS BIN, or a cash agent.
///
/// Cash agents have no BIN; their numbers start with 99.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, sqlx::Type,
)]
#[serde(try_from = "String", into = "String")]
#[sqlx(transparent)]
pub struct Institution(i32);

/// VNPost, which pays cash at communes.
pub const CASH_AGENT: Institution = Institution(990_001);

impl Institution {
    pub fn number(self) -> i32 {
        self.0
    }

    pub fn from_number(number: i32) -> Option<Institution> {
        (100_000..=999_999)
            .contains(&number)
            .then_some(Institution(number))
    }
}

impl FromStr for Institution {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<Institution, Refusal> {
        let refusal = || {
            Refusal::new(
                "institution_invalid",
                "an institution is a BIN of six digits, e.g. 970436",
            )
        };
        if text.len() != 6 || !text.bytes().all(|it| it.is_ascii_digit()) {
            return Err(refusal());
        }
        text.parse()
            .ok()
            .and_then(Institution::from_number)
            .ok_or_else(refusal)
    }
}

impl fmt::Display for Institution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:06}", self.0)
    }
}

impl TryFrom<String> for Institution {
    type Error = Refusal;

    fn try_from(text: String) -> Result<Institution, Refusal> {
        text.parse()
    }
}

impl From<Institution> for String {
    fn from(institution: Institution) -> String {
        institution.to_string()
    }
}

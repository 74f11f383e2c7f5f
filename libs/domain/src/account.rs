use std::fmt;
use std::str::FromStr;

use crate::Refusal;

/// An account number at a bank or wallet: 4 to 30 ASCII letters and digits, upper case.
///
/// `Debug` shows the last four characters only, and there is no `Display`: a number leaves this
/// type by [`BankAccount::expose`], which is easy to search for.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct BankAccount(String);

impl BankAccount {
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl FromStr for BankAccount {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<BankAccount, Refusal> {
        let valid = (4..=30).contains(&text.len())
            && text
                .bytes()
                .all(|it| it.is_ascii_digit() || it.is_ascii_uppercase());
        if valid {
            Ok(BankAccount(text.to_owned()))
        } else {
            Err(Refusal::new(
                "account_invalid",
                "an account number is 4 to 30 digits or capital letters without spaces",
            ))
        }
    }
}

impl fmt::Debug for BankAccount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BankAccount(••{})", &self.0[self.0.len() - 4..])
    }
}

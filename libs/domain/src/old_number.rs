use std::fmt;
use std::str::FromStr;

use crate::Refusal;

/// The nine-digit number of the identity card that the citizen number replaced (chứng minh nhân
/// dân, Decree 05/1999/NĐ-CP). Banks still hold accounts under it. `Debug` is masked.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct OldNumber(String);

impl OldNumber {
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl FromStr for OldNumber {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<OldNumber, Refusal> {
        if text.len() != 9 || !text.bytes().all(|it| it.is_ascii_digit()) {
            return Err(Refusal::new(
                "old_number_invalid",
                "an old identity card number has 9 digits",
            ));
        }
        Ok(OldNumber(text.to_owned()))
    }
}

impl fmt::Debug for OldNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OldNumber(••{})", &self.0[7..])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nine_digits_are_a_number_and_nothing_else_is() {
        let number: OldNumber = "012345678".parse().unwrap();
        assert_eq!(number.expose(), "012345678");
        for bad in [
            "",
            "01234567",
            "0123456789",
            "01234567a",
            "０１２３４５６７８",
        ] {
            let refusal = bad.parse::<OldNumber>().unwrap_err();
            assert_eq!(refusal.code, "old_number_invalid", "{bad}");
        }
    }

    #[test]
    fn debug_never_shows_the_number() {
        let number: OldNumber = "012345678".parse().unwrap();
        assert_eq!(format!("{number:?}"), "OldNumber(••78)");
    }
}

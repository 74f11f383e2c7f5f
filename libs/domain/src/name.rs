use std::fmt;
use std::str::FromStr;

use unicode_normalization::is_nfc;

use crate::{Letter, Refusal};

/// A person's full name in NFC, as on the papers. `Debug` is masked.
///
/// A name never identifies: among four million people thousands share name and year of birth.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct PersonName(String);

impl PersonName {
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// What banks print: unaccented capitals, single spaces, no apostrophes or hyphens.
    pub fn bank_form(&self) -> String {
        PersonName::bank_form_of(&self.0)
    }

    /// The bank form of a name that was checked before and kept as text.
    pub fn bank_form_of(name: &str) -> String {
        let letters = Letter::all_of(name).map(|it| it.plain);
        let plain: String = letters
            .filter(|it| !matches!(it, '\'' | '’' | '-'))
            .collect();
        plain.split_whitespace().collect::<Vec<_>>().join(" ")
    }
}

/// Letters (of any script's Latin range), single inner spaces, apostrophes and hyphens; NFC.
///
/// Text in NFD is refused, not repaired: the sender's other rows are then wrong too.
impl FromStr for PersonName {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<PersonName, Refusal> {
        if !is_nfc(text) {
            return Err(Refusal::new(
                "name_not_nfc",
                "names are in Unicode NFC (precomposed)",
            ));
        }
        let length = text.chars().count();
        let letters = text
            .chars()
            .all(|it| it.is_alphabetic() || matches!(it, ' ' | '\'' | '’' | '-'));
        let spaced = text == text.trim() && !text.contains("  ");
        if !(2..=100).contains(&length) || !letters || !spaced {
            return Err(Refusal::new(
                "name_invalid",
                "a name is 2 to 100 letters with single spaces, apostrophes or hyphens",
            ));
        }
        Ok(PersonName(text.to_owned()))
    }
}

impl fmt::Debug for PersonName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PersonName(••)")
    }
}

#[cfg(test)]
mod tests {
    use unicode_normalization::UnicodeNormalization;

    use super::*;

    #[test]
    fn the_bank_form_is_plain_capitals() {
        for (name, form) in [
            ("Nguyễn Thị Ánh", "NGUYEN THI ANH"),
            ("H' Hen Niê", "H HEN NIE"),
            ("Đặng Đình Ường", "DANG DINH UONG"),
            ("Giàng A Páo", "GIANG A PAO"),
        ] {
            assert_eq!(name.parse::<PersonName>().unwrap().bank_form(), form);
        }
    }

    #[test]
    fn wrong_text_is_refused_and_not_repaired() {
        let nfd: String = "Nguyễn".nfd().collect();
        assert_eq!(nfd.parse::<PersonName>().unwrap_err().code, "name_not_nfc");
        for bad in [
            "",
            "A",
            " An Bình",
            "An  Bình",
            "An\u{a0}Bình",
            "An\u{200b}",
            "An 2",
            "=An",
        ] {
            assert_eq!(
                bad.parse::<PersonName>().unwrap_err().code,
                "name_invalid",
                "{bad:?}"
            );
        }
    }
}

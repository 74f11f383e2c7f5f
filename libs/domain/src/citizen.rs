use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{BirthDate, Refusal};

/// As recorded in the population register.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Sex {
    Male,
    Female,
}

/// `nam` or `nữ`, as on Vietnamese papers.
impl FromStr for Sex {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<Sex, Refusal> {
        match text {
            "nam" => Ok(Sex::Male),
            "nữ" => Ok(Sex::Female),
            _ => Err(Refusal::new("sex_invalid", "sex is nam or nữ")),
        }
    }
}

/// The 12-digit citizen identification number `PPPGYYNNNNNN` (Decree 137/2015, Circular 59/2021).
///
/// `PPP` is where the birth was registered and survives mergers of provinces, `G` tells sex and
/// century, `YY` the year of birth. There is no check digit, so the fields are held against what
/// is declared ([`CitizenNumber::agrees_with`]). `Debug` is masked.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct CitizenNumber(String);

/// Codes of Circular 59/2021/TT-BCA, appendix: the 63 provinces of that time.
const BIRTH_PROVINCES: [u16; 63] = [
    1, 2, 4, 6, 8, 10, 11, 12, 14, 15, 17, 19, 20, 22, 24, 25, 26, 27, 30, 31, 33, 34, 35, 36, 37,
    38, 40, 42, 44, 45, 46, 48, 49, 51, 52, 54, 56, 58, 60, 62, 64, 66, 67, 68, 70, 72, 74, 75, 77,
    79, 80, 82, 83, 84, 86, 87, 89, 91, 92, 93, 94, 95, 96,
];

impl CitizenNumber {
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// The sex digit and the year digits must say what the papers say.
    pub fn agrees_with(&self, sex: Sex, birth: BirthDate) -> Result<(), Refusal> {
        let digit = i32::from(self.0.as_bytes()[3] - b'0');
        let declared = i32::from(sex == Sex::Female);
        if digit % 2 != declared {
            return Err(Refusal::new(
                "citizen_number_sex",
                "the fourth digit of the citizen number says another sex",
            ));
        }
        let year = 1900 + digit / 2 * 100 + self.0[4..6].parse::<i32>().expect("digits");
        if year != birth.year() {
            return Err(Refusal::new(
                "citizen_number_birth_year",
                "digits 4 to 6 of the citizen number say another year of birth",
            ));
        }
        Ok(())
    }
}

impl FromStr for CitizenNumber {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<CitizenNumber, Refusal> {
        if !text.bytes().all(|it| it.is_ascii_digit()) {
            return Err(Refusal::new(
                "citizen_number_character",
                "a citizen number has the digits 0 to 9 only, no spaces and no look-alikes",
            ));
        }
        if text.len() != 12 {
            return Err(Refusal::new(
                "citizen_number_length",
                "a citizen number has 12 digits",
            ));
        }
        let province: u16 = text[..3].parse().expect("three digits");
        // From 101 on the code names the country of a birth registered abroad.
        if !BIRTH_PROVINCES.contains(&province) && !(101..=399).contains(&province) {
            return Err(Refusal::new(
                "citizen_number_province",
                "the first three digits are no place of birth registration",
            ));
        }
        Ok(CitizenNumber(text.to_owned()))
    }
}

impl fmt::Debug for CitizenNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CitizenNumber(••{})", &self.0[10..])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(text: &str) -> &'static str {
        text.parse::<CitizenNumber>().unwrap_err().code
    }

    #[test]
    fn a_number_that_does_not_parse_says_why() {
        assert_eq!(code("00104800012"), "citizen_number_length");
        assert_eq!(code("0010480001234"), "citizen_number_length");
        assert_eq!(code("０01048000123"), "citizen_number_character");
        assert_eq!(code("001048000123\u{a0}"), "citizen_number_character");
        assert_eq!(code("0010480\u{200b}00123"), "citizen_number_character");
        assert_eq!(code("003048000123"), "citizen_number_province");
    }

    #[test]
    fn sex_and_year_are_held_against_the_papers() {
        let number: CitizenNumber = "002148000123".parse().unwrap();
        let born: BirthDate = "12/05/1948".parse().unwrap();
        assert_eq!(number.agrees_with(Sex::Female, born), Ok(()));
        assert_eq!(
            number.agrees_with(Sex::Male, born).unwrap_err().code,
            "citizen_number_sex"
        );
        let other: BirthDate = "1949".parse().unwrap();
        assert_eq!(
            number.agrees_with(Sex::Female, other).unwrap_err().code,
            "citizen_number_birth_year"
        );
    }

    #[test]
    fn debug_never_shows_the_number() {
        let number: CitizenNumber = "002148000123".parse().unwrap();
        assert_eq!(format!("{number:?}"), "CitizenNumber(••23)");
    }
}

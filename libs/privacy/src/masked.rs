use std::fmt;
use std::marker::PhantomData;

use domain::PersonNo;
use serde::{Serialize, Serializer};

use crate::{Field, Granted, PrivacyError, Secret};

/// A personal value of one person that shows its mask wherever it is printed or serialized, so
/// that no derived `Debug` or `Serialize` around it can tell more.
///
/// The clear value is reached by [`Masked::unmask`] alone, which asks for the record of an access.
/// It is wiped when dropped, and has no `Clone`.
pub struct Masked<K> {
    person_no: PersonNo,
    clear: Secret,
    kind: PhantomData<fn() -> K>,
}

/// `0310••••••42`: a citizen number with its first four and last two digits, which tell place of
/// birth, sex and century, and not the person. Another text than 12 digits shows nothing.
pub type MaskedNumber = Masked<Number>;

/// `•••• 6789`: the last four of an account number of eight or more; a shorter one shows nothing.
pub type MaskedAccount = Masked<Account>;

/// `N••• V••• A•••`: the first letter of each word, however long the word is.
pub type MaskedName = Masked<Name>;

/// Which [`Field`] a mask is of, and how it looks.
pub trait Kind {
    const FIELD: Field;

    fn mask(clear: &str) -> String;
}

#[derive(Debug, Clone, Copy)]
pub enum Number {}

#[derive(Debug, Clone, Copy)]
pub enum Account {}

#[derive(Debug, Clone, Copy)]
pub enum Name {}

const CITIZEN_NUMBER_DIGITS: usize = 12;
const ACCOUNT_SHOWN: usize = 4;
const ACCOUNT_LENGTH_MIN: usize = 8;

impl Kind for Number {
    const FIELD: Field = Field::CitizenNumber;

    fn mask(clear: &str) -> String {
        let digits = clear.bytes().all(|it| it.is_ascii_digit());
        match clear {
            it if digits && it.len() == CITIZEN_NUMBER_DIGITS => {
                format!("{}••••••{}", &it[..4], &it[10..])
            }
            _ => "••••••••••••".to_owned(),
        }
    }
}

impl Kind for Account {
    const FIELD: Field = Field::BankAccount;

    fn mask(clear: &str) -> String {
        if clear.is_ascii() && clear.len() >= ACCOUNT_LENGTH_MIN {
            format!("•••• {}", &clear[clear.len() - ACCOUNT_SHOWN..])
        } else {
            "••••".to_owned()
        }
    }
}

impl Kind for Name {
    const FIELD: Field = Field::PersonName;

    fn mask(clear: &str) -> String {
        let initials = clear.split_whitespace().filter_map(|it| it.chars().next());
        let words: Vec<String> = initials.map(|it| format!("{it}•••")).collect();
        words.join(" ")
    }
}

impl<K: Kind> Masked<K> {
    /// A value that was not opened here: told by the person, or by a file.
    pub fn new(person_no: PersonNo, clear: Secret) -> Masked<K> {
        Masked {
            person_no,
            clear,
            kind: PhantomData,
        }
    }

    /// The clear value, for whom it was recorded that they see it.
    ///
    /// # Errors
    ///
    /// [`PrivacyError::NotGranted`] where the record is of another person or field, or of masks.
    pub fn unmask(&self, granted: &Granted) -> Result<&str, PrivacyError> {
        granted.refuse_unmasking(self.person_no, K::FIELD)?;
        Ok(self.clear.expose())
    }
}

impl<K: Kind> fmt::Display for Masked<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&K::mask(self.clear.expose()))
    }
}

impl<K: Kind> fmt::Debug for Masked<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&K::mask(self.clear.expose()))
    }
}

impl<K: Kind> Serialize for Masked<K> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn masked<K: Kind>(clear: &str) -> Masked<K> {
        Masked::new(PersonNo(42), Secret::from(clear.to_owned()))
    }

    #[test]
    fn each_kind_shows_its_mask_and_no_more() {
        let numbers = [
            ("031048000042", "0310••••••42"),
            ("123456789", "••••••••••••"),
            ("03104800004O", "••••••••••••"),
            ("", "••••••••••••"),
        ];
        for (clear, mask) in numbers {
            assert_eq!(masked::<Number>(clear).to_string(), mask);
        }
        let accounts = [
            ("0011004126789", "•••• 6789"),
            ("12346789", "•••• 6789"),
            ("1234678", "••••"),
            ("1234", "••••"),
        ];
        for (clear, mask) in accounts {
            assert_eq!(masked::<Account>(clear).to_string(), mask);
        }
        let names = [
            ("Nguyễn Văn An", "N••• V••• A•••"),
            ("Đặng Ý", "Đ••• Ý•••"),
            ("H' Hen Niê", "H••• H••• N•••"),
            ("", ""),
        ];
        for (clear, mask) in names {
            assert_eq!(masked::<Name>(clear).to_string(), mask);
        }
    }

    /// As an answer would be written by somebody who thought of nothing.
    #[derive(Debug, Serialize)]
    struct Page {
        number: MaskedNumber,
        name: Option<MaskedName>,
        accounts: Vec<MaskedAccount>,
    }

    #[test]
    fn what_is_derived_around_masks_shows_masks() {
        let page = Page {
            number: masked("031048000042"),
            name: Some(masked("Nguyễn Văn An")),
            accounts: vec![masked("0011004126789")],
        };
        assert_eq!(
            serde_json::to_string(&page).unwrap(),
            "{\"number\":\"0310••••••42\",\"name\":\"N••• V••• A•••\",\
             \"accounts\":[\"•••• 6789\"]}"
        );
        assert_eq!(
            format!("{page:?}"),
            "Page { number: 0310••••••42, name: Some(N••• V••• A•••), accounts: [•••• 6789] }"
        );
    }
}

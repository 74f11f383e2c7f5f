use std::fmt;
use std::str::FromStr;

use domain::{BankAccount, Institution, Refusal};

/// Text of a message: 1 to `MAX` characters that XML can carry, none of them a control.
///
/// `Debug` is masked beyond 35 characters: what is longer than a reference may be a name.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Text<const MAX: usize>(String);

/// An identification or reference (`Max35Text`).
pub type Id = Text<35>;
/// A name, or one line of remittance text (`Max140Text`).
pub type Name = Text<140>;
/// What a bank says in words (`Max500Text`).
pub type Words = Text<500>;

/// An account number as a bank writes it (`Max34Text`); masked wherever it is shown.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct AccountNo(Text<34>);

/// One to four capital letters or digits: a status, reason or purpose of ISO's external lists.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Code([u8; 4]);

/// A code of ISO's external lists, or one that the bank made itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    Code(Code),
    Own(Id),
}

/// The institution of an account: by its BIC, or by its number in the national clearing (the BIN).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Agent {
    Bic(Bic),
    Member(Id),
}

/// A business identifier code, 8 or 11 characters.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Bic(String);

/// What XML 1.0 can carry at all.
pub(crate) fn is_xml(it: char) -> bool {
    !matches!(it, '\0'..='\u{8}' | '\u{b}' | '\u{c}' | '\u{e}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}')
}

impl<const MAX: usize> Text<MAX> {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<const MAX: usize> FromStr for Text<MAX> {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<Text<MAX>, Refusal> {
        if text.trim().is_empty() {
            return Err(Refusal::new("text_empty", "a text says something"));
        }
        // A character has one to four bytes: most texts need not be counted through.
        let long = text.len() > MAX;
        if long && (text.len() > MAX * 4 || text.chars().count() > MAX) {
            let sentence = format!("the text is at most {MAX} characters long");
            return Err(Refusal::new("text_too_long", sentence));
        }
        let plain = text.bytes().all(|it| (b' '..=b'~').contains(&it));
        if !plain && text.chars().any(|it| it.is_control() || !is_xml(it)) {
            let sentence = "a text has no control characters and none that XML cannot carry";
            return Err(Refusal::new("text_forbidden", sentence));
        }
        Ok(Text(text.to_owned()))
    }
}

impl<const MAX: usize> fmt::Display for Text<MAX> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<const MAX: usize> fmt::Debug for Text<MAX> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if MAX <= 35 {
            write!(f, "{:?}", self.0)
        } else {
            f.write_str("Text(••)")
        }
    }
}

impl AccountNo {
    pub fn expose(&self) -> &str {
        self.0.as_str()
    }

    /// The last four characters of a number that has more than twice as many.
    pub fn masked(&self) -> String {
        let characters = self.expose().chars().count();
        let shown = if characters > 8 {
            characters - 4
        } else {
            characters
        };
        let last: String = self.expose().chars().skip(shown).collect();
        format!("•••• {last}").trim_end().to_owned()
    }
}

impl FromStr for AccountNo {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<AccountNo, Refusal> {
        text.parse().map(AccountNo)
    }
}

impl From<&BankAccount> for AccountNo {
    fn from(account: &BankAccount) -> AccountNo {
        AccountNo(Text(account.expose().to_owned()))
    }
}

impl fmt::Debug for AccountNo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AccountNo({})", self.masked())
    }
}

impl Code {
    pub fn as_str(&self) -> &str {
        let length = self.0.iter().position(|it| *it == 0).unwrap_or(4);
        std::str::from_utf8(&self.0[..length]).expect("a code is ASCII")
    }
}

impl FromStr for Code {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<Code, Refusal> {
        let allowed = |it: u8| it.is_ascii_uppercase() || it.is_ascii_digit();
        if !(1..=4).contains(&text.len()) || !text.bytes().all(allowed) {
            let sentence = "a code is 1 to 4 capital letters or digits, e.g. AC04";
            return Err(Refusal::new("code_invalid", sentence));
        }
        let mut code = [0; 4];
        code[..text.len()].copy_from_slice(text.as_bytes());
        Ok(Code(code))
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Code({self})")
    }
}

impl Reason {
    pub fn as_str(&self) -> &str {
        match self {
            Reason::Code(code) => code.as_str(),
            Reason::Own(text) => text.as_str(),
        }
    }
}

/// A code where it has the form of one, else the bank's own.
impl FromStr for Reason {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<Reason, Refusal> {
        text.parse()
            .map(Reason::Code)
            .or_else(|_| text.parse().map(Reason::Own))
    }
}

impl Agent {
    pub fn as_str(&self) -> &str {
        match self {
            Agent::Bic(bic) => &bic.0,
            Agent::Member(number) => number.as_str(),
        }
    }
}

impl From<Institution> for Agent {
    fn from(institution: Institution) -> Agent {
        Agent::Member(Text(institution.to_string()))
    }
}

impl Bic {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Bic {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<Bic, Refusal> {
        let bytes = text.as_bytes();
        let capital = |it: &u8| it.is_ascii_uppercase() || it.is_ascii_digit();
        let country = |it: &[u8]| it.iter().all(u8::is_ascii_uppercase);
        if !matches!(bytes.len(), 8 | 11) || !bytes.iter().all(capital) || !country(&bytes[4..6]) {
            let sentence =
                "a BIC is 8 or 11 capital letters and digits with a country, e.g. BFTVVNVX";
            return Err(Refusal::new("agent_invalid", sentence));
        }
        Ok(Bic(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_as_long_as_its_type_in_characters_and_not_bytes() {
        let vietnamese = "Ẳ".repeat(35);
        assert_eq!(vietnamese.parse::<Id>().unwrap().as_str(), vietnamese);
        for (text, code) in [
            ("", "text_empty"),
            ("  ", "text_empty"),
            (&"x".repeat(36)[..], "text_too_long"),
            (&"Ẳ".repeat(36)[..], "text_too_long"),
            ("a\0b", "text_forbidden"),
            ("a\nb", "text_forbidden"),
            ("a\u{85}b", "text_forbidden"),
            ("a\u{ffff}", "text_forbidden"),
        ] {
            assert_eq!(text.parse::<Id>().unwrap_err().code, code, "{text:?}");
        }
    }

    #[test]
    fn a_code_and_a_bic_have_their_forms() {
        assert_eq!("AC04".parse::<Code>().unwrap().as_str(), "AC04");
        assert_eq!("G1".parse::<Code>().unwrap().as_str(), "G1");
        for bad in ["", "ac04", "AC045", "Á"] {
            assert!(bad.parse::<Code>().is_err(), "{bad}");
        }
        for (text, good) in [
            ("BFTVVNVX", true),
            ("BFTVVNVX001", true),
            ("BFTVVNV", false),
            ("BFTV1NVX", false),
            ("bftvvnvx", false),
        ] {
            assert_eq!(text.parse::<Bic>().is_ok(), good, "{text}");
        }
    }

    #[test]
    fn names_and_accounts_are_masked_when_they_are_looked_at() {
        let name: Name = "NGUYEN THI LAN".parse().unwrap();
        let account: AccountNo = "0011004123456".parse().unwrap();
        let short: AccountNo = "00110041".parse().unwrap();
        assert_eq!(format!("{name:?}"), "Text(••)");
        assert_eq!(format!("{account:?}"), "AccountNo(•••• 3456)");
        assert_eq!(short.masked(), "••••");
    }
}

use std::fmt;

/// Why a text from outside is not a value: a stable code for machines, a sentence for people.
///
/// The sentence never repeats a citizen number, a name or an account number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Stable `snake_case` code; part of the interface, never renamed.
    pub code: &'static str,
    /// One English sentence that says what was expected.
    pub sentence: String,
}

impl Refusal {
    pub fn new(code: &'static str, sentence: impl Into<String>) -> Refusal {
        Refusal {
            code,
            sentence: sentence.into(),
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.sentence)
    }
}

impl std::error::Error for Refusal {}

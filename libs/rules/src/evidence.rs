use std::collections::BTreeSet;
use std::sync::Arc;

use chrono::NaiveDate;
use domain::{Money, Refusal};
use rust_decimal::Decimal;

use crate::Text;
use crate::document::{Keys, iso_date};
use crate::sheet::exact;

/// A fact that a programme decides on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evidence {
    pub fact: Arc<str>,
    pub kind: FactKind,
    /// The codes there are; empty where any code will do.
    pub one_of: Vec<Arc<str>>,
    /// Without it nothing is owed (`evidence_missing`).
    pub required: bool,
    pub label: Text,
}

/// The kind of value a fact has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FactKind {
    Code,
    Codes,
    Integer,
    Decimal,
    Money,
    Date,
    Flag,
}

/// The value of a fact. Codes are letters, digits, `_`, `.` and `-`, so that none needs escaping.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    Code(Arc<str>),
    Codes(BTreeSet<Arc<str>>),
    Integer(i64),
    Decimal(Decimal),
    Money(Money),
    Date(NaiveDate),
    Flag(bool),
}

const KINDS: [(&str, FactKind); 7] = [
    ("code", FactKind::Code),
    ("codes", FactKind::Codes),
    ("integer", FactKind::Integer),
    ("decimal", FactKind::Decimal),
    ("money", FactKind::Money),
    ("date", FactKind::Date),
    ("flag", FactKind::Flag),
];

impl FactKind {
    pub fn code(self) -> &'static str {
        let found = KINDS.iter().find(|(_, kind)| *kind == self);
        found.map_or("", |(code, _)| code)
    }
}

impl Value {
    pub fn kind(&self) -> FactKind {
        match self {
            Value::Code(_) => FactKind::Code,
            Value::Codes(_) => FactKind::Codes,
            Value::Integer(_) => FactKind::Integer,
            Value::Decimal(_) => FactKind::Decimal,
            Value::Money(_) => FactKind::Money,
            Value::Date(_) => FactKind::Date,
            Value::Flag(_) => FactKind::Flag,
        }
    }
}

impl Evidence {
    pub(crate) fn read(keys: &Keys<'_>) -> Option<Evidence> {
        let fact = keys.text("fact");
        let kind = keys.word("type", &KINDS);
        let one_of = keys.texts("one_of");
        let required = keys.flag("required");
        let label = keys.both("label");
        keys.finish();
        if let Some(fact) = fact.filter(|it| !is_name(it)) {
            keys.flaw("fact", "name_invalid", format!("{fact} is no name: {NAME}"));
        }
        if let Some(code) = one_of.iter().find(|it| !is_code(it)) {
            keys.flaw(
                "one_of",
                "name_invalid",
                format!("{code} is no code: {CODE}"),
            );
        }
        let coded = matches!(kind, Some(FactKind::Code | FactKind::Codes));
        if !coded && keys.has("one_of") {
            let sentence = "only a fact of type code or codes has one_of";
            keys.flaw("one_of", "key_unknown", sentence);
        }
        Some(Evidence {
            fact: Arc::from(fact?),
            kind: kind?,
            one_of: one_of.into_iter().map(Arc::from).collect(),
            required,
            label: label?,
        })
    }

    /// Text from outside as a value: what an import, a form or an example has written.
    pub fn parse(&self, text: &str) -> Result<Value, Refusal> {
        let refuse = |expected: &str| {
            let sentence = format!("{} is {expected}", self.fact);
            Err(Refusal::new("fact_invalid", sentence))
        };
        match self.kind {
            FactKind::Code => self.code(text).map(Value::Code),
            FactKind::Codes => {
                let codes = text.split('|').map(str::trim).filter(|it| !it.is_empty());
                codes
                    .map(|it| self.code(it))
                    .collect::<Result<_, _>>()
                    .map(Value::Codes)
            }
            FactKind::Integer => match text.parse::<i64>() {
                Ok(number) if text.len() <= 9 && text.bytes().all(|it| it.is_ascii_digit()) => {
                    Ok(Value::Integer(number))
                }
                _ => refuse("1 to 9 ASCII digits"),
            },
            FactKind::Decimal => match exact(text) {
                Some(number) if !number.is_sign_negative() => Ok(Value::Decimal(number)),
                _ => refuse("a decimal of ASCII digits with at most one point, without sign"),
            },
            FactKind::Money => text.parse().map(Value::Money),
            FactKind::Date => match iso_date(text) {
                Some(date) => Ok(Value::Date(date)),
                None => refuse("a date, yyyy-mm-dd"),
            },
            FactKind::Flag => match text {
                "true" => Ok(Value::Flag(true)),
                "false" => Ok(Value::Flag(false)),
                _ => refuse("true or false"),
            },
        }
    }

    fn code(&self, text: &str) -> Result<Arc<str>, Refusal> {
        if self.one_of.is_empty() && is_code(text) {
            return Ok(Arc::from(text));
        }
        let found = self.one_of.iter().find(|it| &***it == text);
        found.cloned().ok_or_else(|| {
            let codes = self.one_of.join(", ");
            Refusal::new(
                "fact_code_unknown",
                format!("{} is one of {codes}", self.fact),
            )
        })
    }
}

pub(crate) const NAME: &str = "a small letter, then small letters, digits and _";
const CODE: &str = "letters, digits, and within it _ . -; not none";

/// What formulas can call a thing: a word that is no word of the formula language.
pub(crate) fn is_name(text: &str) -> bool {
    let reserved = ["and", "or", "not", "in", "true", "false", "null", "d"];
    text.len() <= 64
        && text.starts_with(|it: char| it.is_ascii_lowercase())
        && text
            .bytes()
            .all(|it| it.is_ascii_lowercase() || it.is_ascii_digit() || it == b'_')
        && !reserved.contains(&text)
}

/// `none` is what an absent code is called, so nothing present may be called so.
pub(crate) fn is_code(text: &str) -> bool {
    text.len() <= 64
        && text != "none"
        && text.starts_with(|it: char| it.is_ascii_alphanumeric())
        && text
            .bytes()
            .all(|it| it.is_ascii_alphanumeric() || b"_.-".contains(&it))
}

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Arc;

use domain::Refusal;

use crate::{ProgrammeRules, Value};

/// What is known of a person for a programme, by the names of its evidence.
///
/// Invariant: ordered by name, so that the same facts are the same text whoever wrote them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts(BTreeMap<Arc<str>, Value>);

impl Facts {
    pub fn get(&self, fact: &str) -> Option<&Value> {
        self.0.get(fact)
    }

    pub fn set(&mut self, fact: impl Into<Arc<str>>, value: Value) {
        self.0.insert(fact.into(), value);
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.0.iter().map(|(fact, value)| (&**fact, value))
    }

    /// Canonical JSON: names in order, numbers and dates as texts, codes in order.
    pub fn to_json(&self) -> String {
        let mut json = String::new();
        self.write_json(&mut json);
        json
    }

    /// Reads back what [`Facts::to_json`] wrote, by the evidence the programme has now.
    ///
    /// # Errors
    /// `facts_invalid` for a text that is no such JSON, `fact_unknown` for a name the programme
    /// does not have, and whatever [`ProgrammeRules::parse_fact`] refuses.
    pub fn stored(rules: &ProgrammeRules, text: &str) -> Result<Facts, Refusal> {
        use serde_json::Value as Json;
        let invalid = || Refusal::new("facts_invalid", "facts are a JSON object of texts");
        let Ok(Json::Object(members)) = serde_json::from_str(text) else {
            return Err(invalid());
        };
        let mut facts = Facts::default();
        for (fact, json) in members {
            let text = match json {
                Json::String(text) => text,
                Json::Bool(flag) => flag.to_string(),
                Json::Array(codes) => {
                    let codes: Option<Vec<&str>> = codes.iter().map(Json::as_str).collect();
                    codes.ok_or_else(invalid)?.join("|")
                }
                _ => return Err(invalid()),
            };
            let value = rules.parse_fact(&fact, &text)?;
            let evidence = rules.evidence_of(&fact).expect("parsed by it");
            facts.set(Arc::clone(&evidence.fact), value);
        }
        Ok(facts)
    }

    pub(crate) fn write_json(&self, json: &mut String) {
        json.push('{');
        for (index, (fact, value)) in self.iter().enumerate() {
            if index > 0 {
                json.push(',');
            }
            write!(json, "\"{fact}\":").expect("a String takes all");
            value.write_json(json);
        }
        json.push('}');
    }
}

impl Value {
    fn write_json(&self, json: &mut String) {
        match self {
            Value::Code(code) => write!(json, "\"{code}\""),
            Value::Codes(codes) => {
                json.push('[');
                for (index, code) in codes.iter().enumerate() {
                    let comma = if index > 0 { "," } else { "" };
                    write!(json, "{comma}\"{code}\"").expect("a String takes all");
                }
                json.push(']');
                Ok(())
            }
            Value::Integer(number) => write!(json, "\"{number}\""),
            Value::Decimal(number) => write!(json, "\"{}\"", number.normalize()),
            Value::Money(amount) => write!(json, "\"{amount}\""),
            Value::Date(date) => write!(json, "\"{date}\""),
            Value::Flag(flag) => write!(json, "{flag}"),
        }
        .expect("a String takes all");
    }
}

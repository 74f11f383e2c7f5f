//! Canned questions: a file of SQL each, with its titles, parameters and columns in the head.

use chrono::NaiveDate;
use serde_json::{Map, json};

/// By their ids.
const FILES: [(&str, &str); 30] = [
    ("Q01", include_str!("questions/q01.sql")),
    ("Q02", include_str!("questions/q02.sql")),
    ("Q03", include_str!("questions/q03.sql")),
    ("Q04", include_str!("questions/q04.sql")),
    ("Q05", include_str!("questions/q05.sql")),
    ("Q06", include_str!("questions/q06.sql")),
    ("Q07", include_str!("questions/q07.sql")),
    ("Q08", include_str!("questions/q08.sql")),
    ("Q09", include_str!("questions/q09.sql")),
    ("Q10", include_str!("questions/q10.sql")),
    ("Q11", include_str!("questions/q11.sql")),
    ("Q12", include_str!("questions/q12.sql")),
    ("Q13", include_str!("questions/q13.sql")),
    ("Q14", include_str!("questions/q14.sql")),
    ("Q15", include_str!("questions/q15.sql")),
    ("Q16", include_str!("questions/q16.sql")),
    ("Q17", include_str!("questions/q17.sql")),
    ("Q18", include_str!("questions/q18.sql")),
    ("Q19", include_str!("questions/q19.sql")),
    ("Q20", include_str!("questions/q20.sql")),
    ("Q21", include_str!("questions/q21.sql")),
    ("Q22", include_str!("questions/q22.sql")),
    ("Q23", include_str!("questions/q23.sql")),
    ("Q24", include_str!("questions/q24.sql")),
    ("Q25", include_str!("questions/q25.sql")),
    ("Q26", include_str!("questions/q26.sql")),
    ("Q27", include_str!("questions/q27.sql")),
    ("Q28", include_str!("questions/q28.sql")),
    ("Q29", include_str!("questions/q29.sql")),
    ("Q30", include_str!("questions/q30.sql")),
];

/// Not asked by itself: what samples are drawn from, in the order in which it is added up.
const POPULATION: &str = include_str!("questions/population.sql");
/// Its lines by stratum.
const STRATA: &str = include_str!("questions/strata.sql");

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Question {
    pub id: &'static str,
    pub vi: &'static str,
    pub en: &'static str,
    pub parameters: Vec<Parameter>,
    pub columns: Vec<&'static str>,
    pub sql: String,
    /// The whole file.
    pub text: &'static str,
}

/// What an auditor gives: `$1` is the first one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Parameter {
    pub name: &'static str,
    pub kind: &'static str,
    /// Left out, it is NULL.
    pub is_optional: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value {
    SmallInt(Option<i16>),
    Integer(Option<i32>),
    BigInt(Option<i64>),
    Date(Option<NaiveDate>),
    Text(Option<String>),
}

pub(super) fn questions() -> impl Iterator<Item = Question> {
    FILES.iter().map(|(id, text)| read(id, text))
}

pub(super) fn question(id: &str) -> Option<Question> {
    questions().find(|it| it.id.eq_ignore_ascii_case(id))
}

/// The payments of a run.
pub(super) fn population() -> Question {
    read("population", POPULATION)
}

/// How many of them each stratum has.
pub(super) fn strata() -> Question {
    read("strata", STRATA)
}

fn read(id: &'static str, text: &'static str) -> Question {
    let head = |name: &str| {
        let lines = text.lines().filter_map(|it| it.strip_prefix("-- "));
        let found = lines.filter_map(move |it| it.strip_prefix(name));
        found.map(str::trim).collect::<Vec<&'static str>>()
    };
    let parameter = |it: &&'static str| {
        let (name, kind) = it.split_once(' ').unwrap_or((it, "text"));
        Parameter {
            name,
            kind: kind.trim_end_matches('?'),
            is_optional: kind.ends_with('?'),
        }
    };
    let sql = text.lines().filter(|it| !it.starts_with("--"));
    Question {
        id,
        vi: head("vi:").first().copied().unwrap_or_default(),
        en: head("en:").first().copied().unwrap_or_default(),
        parameters: head("set ").iter().map(parameter).collect(),
        columns: head("columns:")
            .iter()
            .flat_map(|it| it.split(' '))
            .collect(),
        sql: sql.collect::<Vec<_>>().join("\n"),
        text,
    }
}

impl Question {
    /// Values by their parameters' names; one that was left out is null.
    pub fn named(&self, values: &[Value]) -> Map<String, serde_json::Value> {
        let pairs = self.parameters.iter().zip(values);
        pairs
            .map(|(parameter, it)| (parameter.name.to_owned(), it.json()))
            .collect()
    }

    /// The values of `name=value` texts, in the order of the parameters; or what is wrong, with its code.
    pub fn values(&self, given: &[String]) -> Result<Vec<Value>, String> {
        let pairs: Option<Vec<(&str, &str)>> = given.iter().map(|it| it.split_once('=')).collect();
        let pairs = pairs.ok_or("parameter_malformed: a parameter is written name=value")?;
        let known = |name: &str| self.parameters.iter().any(|it| it.name == name);
        if let Some((name, _)) = pairs.iter().find(|(name, _)| !known(name)) {
            return Err(format!(
                "parameter_unknown: {} has no parameter {name}",
                self.id
            ));
        }
        let of = |name: &str| {
            pairs
                .iter()
                .find(|(it, _)| *it == name)
                .map(|(_, value)| *value)
        };
        self.parameters
            .iter()
            .map(|it| it.value(of(it.name)))
            .collect()
    }
}

impl Value {
    fn json(&self) -> serde_json::Value {
        match self {
            Value::SmallInt(it) => json!(it),
            Value::Integer(it) => json!(it),
            Value::BigInt(it) => json!(it),
            Value::Date(it) => json!(it),
            Value::Text(it) => json!(it),
        }
    }
}

impl Parameter {
    fn value(self, text: Option<&str>) -> Result<Value, String> {
        let Parameter { name, kind, .. } = self;
        if text.is_none() && !self.is_optional {
            return Err(format!("parameter_missing: --set {name}=… is a {kind}"));
        }
        let wrong = || format!("parameter_invalid: {name} is a {kind}");
        Ok(match kind {
            "smallint" => Value::SmallInt(parsed(text).map_err(|()| wrong())?),
            "integer" => Value::Integer(parsed(text).map_err(|()| wrong())?),
            "bigint" => Value::BigInt(parsed(text).map_err(|()| wrong())?),
            "date" => Value::Date(parsed(text).map_err(|()| wrong())?),
            _ => Value::Text(text.map(str::to_owned)),
        })
    }
}

fn parsed<T: std::str::FromStr>(text: Option<&str>) -> Result<Option<T>, ()> {
    text.map(str::parse).transpose().map_err(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_question_says_what_it_is() {
        for it in questions().chain([population(), strata()]) {
            assert!(!it.vi.is_empty() && !it.en.is_empty(), "{}", it.id);
            assert!(
                !it.columns.is_empty() && it.sql.contains("SELECT"),
                "{}",
                it.id
            );
            for (number, _) in (1..).zip(&it.parameters) {
                assert!(
                    it.sql.contains(&format!("${number}")),
                    "{} ${number}",
                    it.id
                );
            }
        }
        assert_eq!(question("q10").unwrap().id, "Q10");
        assert_eq!(question("Q31"), None);
    }

    #[test]
    fn parameters_are_typed() {
        let set = |it: &str| vec![it.to_owned()];
        let shared = question("Q10").unwrap();
        assert_eq!(shared.values(&[]), Ok(vec![Value::SmallInt(None)]));
        assert_eq!(
            shared.values(&set("province=79")),
            Ok(vec![Value::SmallInt(Some(79))])
        );
        let named = |it: &Question, given: &[&str]| {
            let given: Vec<String> = given.iter().map(|it| (*it).to_owned()).collect();
            json!(it.named(&it.values(&given).unwrap())).to_string()
        };
        assert_eq!(named(&shared, &["province=79"]), r#"{"province":79}"#);
        assert_eq!(named(&shared, &[]), r#"{"province":null}"#);
        let grown = question("Q28").unwrap();
        assert_eq!(
            named(&grown, &["after=2026-12-01", "before=2026-11-01"]),
            r#"{"after":"2026-12-01","before":"2026-11-01"}"#
        );
        let code = |it: &Question, given: &[String]| {
            let told = it.values(given).unwrap_err();
            told.split(':').next().unwrap_or_default().to_owned()
        };
        assert_eq!(code(&shared, &set("province=x")), "parameter_invalid");
        assert_eq!(code(&shared, &set("provinces=79")), "parameter_unknown");
        assert_eq!(code(&shared, &set("province")), "parameter_malformed");
        assert_eq!(code(&question("Q13").unwrap(), &[]), "parameter_missing");
    }
}

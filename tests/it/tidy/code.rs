//! What production code may not do.

use super::source::{File, Finding, lines_with};
use super::structure::owner;

/// Floats that are no amounts, and why they must be there.
pub const FLOATS_ELSEWHERE: [(&str, &str); 2] = [
    (
        "libs/boot/src/log.rs",
        "tracing hands float fields over as f64",
    ),
    (
        "libs/boot/src/telemetry.rs",
        "OpenTelemetry takes histogram bounds, in seconds, as f64",
    ),
];

/// Files of services whose content is states and decisions.
const NOUNS: [&str; 14] = [
    "banks.rs",
    "determination.rs",
    "line.rs",
    "link.rs",
    "matching.rs",
    "posting.rs",
    "rate.rs",
    "recovery.rs",
    "registry.rs",
    "result.rs",
    "run.rs",
    "schedule.rs",
    "timetable.rs",
    "statement.rs",
];

const CLOCKS: [&str; 5] = [
    "Utc::now",
    "Local::now",
    "SystemTime",
    "Instant::now",
    "today_in_vietnam",
];

const EFFECTS: [&str; 5] = ["std::fs", "std::net", "std::env", "std::process", "tokio"];

/// Lines of production code in which one of `words` stands.
pub fn in_production(file: &File, words: &[&str]) -> Vec<Finding> {
    if !file.is_rust() || file.is_test() {
        return Vec::new();
    }
    let code = file.source().production();
    let mut found = Vec::new();
    for word in words {
        let lines = lines_with(&code, word).into_iter();
        found.extend(lines.map(|line| file.finding(line, *word)));
    }
    found.sort_by_key(|it| it.line);
    found
}

pub fn effects_in_domain(file: &File) -> Vec<Finding> {
    let forbidden: Vec<&str> = EFFECTS.iter().chain(&CLOCKS).copied().collect();
    match owner(file, "libs") {
        Some("domain") => in_production(file, &forbidden),
        _ => Vec::new(),
    }
}

pub fn clocks_in_nouns(file: &File) -> Vec<Finding> {
    let service = owner(file, "services").is_some_and(|it| it != "ansinh");
    let noun = service && NOUNS.contains(&file.name());
    if noun || matches!(owner(file, "libs"), Some("domain" | "ledger" | "events")) {
        in_production(file, &CLOCKS)
    } else {
        Vec::new()
    }
}

pub fn floats_in(file: &File) -> Vec<Finding> {
    in_production(
        file,
        &["f32", "f64", "to_f32", "to_f64", "from_f32", "from_f64"],
    )
}

pub fn floats(file: &File) -> Vec<Finding> {
    let excepted = FLOATS_ELSEWHERE.iter().any(|(it, _)| *it == file.path);
    if excepted {
        Vec::new()
    } else {
        floats_in(file)
    }
}

pub fn operators_on_money(file: &File) -> Vec<Finding> {
    if !file.is_rust() {
        return Vec::new();
    }
    let code = file.source().code;
    let operators = ["Add", "Sub", "Mul", "Div", "Rem", "Neg"];
    let overloads = (1..).zip(code.lines()).filter(|(_, line)| {
        let (head, target) = line.split_once(" for ").unwrap_or_default();
        let operator = head.rsplit([':', ' ']).next().unwrap_or_default();
        target.starts_with("Money") && operators.iter().any(|it| operator.starts_with(it))
    });
    overloads
        .map(|(line, it)| file.finding(line, it.trim()))
        .collect()
}

pub fn half_done(file: &File) -> Vec<Finding> {
    let shortcuts = [
        ".unwrap()",
        "todo!",
        "unimplemented!",
        "dbg!",
        "#[allow",
        "#![allow",
    ];
    let mut found = in_production(file, &shortcuts);
    let code = ["rs", "sql", "toml", "sh", "yaml", "yml"];
    if !file.is_test() && file.ends_in(&code) {
        for note in ["TODO", "FIXME", "XXX"] {
            let lines = lines_with(file.text(), note).into_iter();
            found.extend(lines.map(|line| file.finding(line, note)));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::tests::lines;

    const LIB: &str = "libs/domain/src/money.rs";
    const SERVICE: &str = "services/payments/src/work.rs";

    #[test]
    fn effects_and_clocks_are_found_in_the_domain_and_in_nouns() {
        let text = "use std::fs;\n// Utc::now\nlet now = Utc::now();\n";
        assert_eq!(lines(effects_in_domain, LIB, text), [1, 3]);
        assert!(lines(effects_in_domain, SERVICE, text).is_empty());
        let clocks = |path: &str| lines(clocks_in_nouns, path, text);
        assert_eq!(clocks("services/payments/src/run.rs"), [3]);
        assert_eq!(clocks("services/sandbox/src/banks.rs"), [3]);
        assert_eq!(clocks("libs/ledger/src/store.rs"), [3]);
        assert!(clocks(SERVICE).is_empty());
        assert!(clocks("services/ansinh/src/commands/run.rs").is_empty());
    }

    #[test]
    fn floats_are_found_and_words_about_them_are_not() {
        let text = "let a: f64 = 0.1;\n// f64\n\"f64\";\n#[cfg(test)]\nmod tests {\n    fn b(c: f32) {}\n}\n";
        let at = |path: &str| lines(floats, path, text);
        assert_eq!(at("services/ansinh/src/commands/bench.rs"), [1]);
        assert!(at("tests/it/golden.rs").is_empty());
        assert!(at(FLOATS_ELSEWHERE[0].0).is_empty());
    }

    #[test]
    fn an_operator_on_money_is_found() {
        let text = "impl Sub for Money {\n}\nimpl std::ops::AddAssign<Money> for Money {}\n\
                    impl From<Decimal> for Money {}\nimpl Add for Tally {}\n";
        assert_eq!(lines(operators_on_money, LIB, text), [1, 3]);
    }

    #[test]
    fn half_done_work_is_found() {
        let text = "a.unwrap();\ntodo!();\n#[allow(dead_code)]\n// FIXME\nb.unwrap_or(1);\n\
                    \"TODO\";\n#[cfg(test)]\nmod tests {\n    a.unwrap();\n}\n";
        assert_eq!(lines(half_done, SERVICE, text), [1, 2, 3, 6, 4]);
        assert_eq!(lines(half_done, "migrations/0001_a.sql", "-- XXX\n"), [1]);
        assert!(lines(half_done, "libs/boot/tests/it/main.rs", "a.unwrap();\n").is_empty());
    }
}

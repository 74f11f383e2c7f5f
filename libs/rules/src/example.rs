use chrono::NaiveDate;
use domain::{BirthDate, Money, Period, Province, Sex};

use crate::flaw::Flaws;
use crate::sheet::{Row, Sheet};
use crate::{At, Bench, Case, Facts, Files, Law, Outcome, ProgrammeRules, Version};

const COLUMNS: [&str; 9] = [
    "name",
    "period",
    "known",
    "birth_date",
    "sex",
    "province",
    "amount",
    "reason",
    "source",
];
/// Fewer prove nothing: what is owed, what is not, and where the line is.
const FEWEST: usize = 3;

/// What an example says, in the kinds of the domain.
struct Example {
    at: At,
    birth: BirthDate,
    sex: Sex,
    province: Province,
    facts: Facts,
    /// An amount or a reason, as written.
    expected: String,
}

/// Runs a version's examples against the law; whether each is one is told even where `sound` is
/// false, when deciding would only repeat other flaws. Gives how many there are.
pub(crate) fn run(
    law: &Law,
    rules: &ProgrammeRules,
    version: &Version,
    files: &Files,
    flaws: &Flaws,
    sound: bool,
) -> usize {
    let file = format!("{}/{}.examples.csv", rules.programme(), version.id());
    let Some(text) = files.0.get(&file) else {
        let sentence = "the version has no examples";
        flaws.add(&file, "header", "file_missing", sentence);
        return 0;
    };
    let Some(sheet) = Sheet::parse(&file, text, flaws) else {
        return 0;
    };
    sheet.refuse_others(|it| COLUMNS.contains(&it) || rules.evidence_of(it).is_some());
    if !sheet.require(&COLUMNS) {
        return 0;
    }
    let mut bench = Bench::new();
    let mut count = 0;
    for row in sheet.rows() {
        count += 1;
        let facts: Vec<&str> = sheet.columns().iter().map(String::as_str).collect();
        let facts: Vec<&str> = facts
            .into_iter()
            .filter(|it| !COLUMNS.contains(it))
            .collect();
        let example = Example::read(&row, rules, version, &facts);
        if let Some(example) = example.filter(|_| sound) {
            example.check(law, rules, version, &mut bench, &row);
        }
    }
    if count < FEWEST {
        let sentence = format!("a version has at least {FEWEST} examples, this one {count}");
        sheet.header_flaw("examples_too_few", sentence);
    }
    count
}

impl Example {
    fn read(
        row: &Row<'_>,
        rules: &ProgrammeRules,
        version: &Version,
        facts: &[&str],
    ) -> Option<Example> {
        row.text("name");
        let period = parsed::<Period>(row, "period");
        let known: Option<NaiveDate> = row.date("known");
        let birth = parsed::<BirthDate>(row, "birth_date");
        let sexes = [("male", Sex::Male), ("female", Sex::Female)];
        let sex = row.word("sex", &sexes);
        let province = parsed::<Province>(row, "province");
        let facts = read_facts(row, rules, facts);
        let expected = match (row.cell("amount"), row.cell("reason")) {
            ("", "") => None,
            (_, "") => parsed::<Money>(row, "amount").map(|it| it.to_string()),
            ("", reason) => known_reason(row, version, reason),
            _ => None,
        };
        if row.cell("amount").is_empty() == row.cell("reason").is_empty() {
            let sentence = "an example expects either an amount or a reason";
            row.flaw("amount", "example_invalid", sentence);
        }
        Some(Example {
            at: At {
                period: period?,
                known: known?,
            },
            birth: birth?,
            sex: sex?,
            province: province?,
            facts: facts?,
            expected: expected?,
        })
    }

    fn check(
        &self,
        law: &Law,
        rules: &ProgrammeRules,
        version: &Version,
        bench: &mut Bench,
        row: &Row<'_>,
    ) {
        let case = Case {
            programme: rules.programme(),
            birth: self.birth,
            sex: self.sex,
            province: self.province,
            facts: &self.facts,
            events: &[],
        };
        let decision = match law.decide(bench, &case, self.at) {
            Ok(decision) => decision,
            Err(error) => {
                row.flaw(
                    "",
                    "example_fails",
                    format!("expected {}: {error}", self.expected),
                );
                return;
            }
        };
        if decision.version.id() != version.id() {
            let sentence = format!("version {} holds for it, not this", decision.version.id());
            row.flaw("period", "example_of_other_version", sentence);
            return;
        }
        let got = match &decision.outcome {
            Outcome::Owed { amount, .. } => amount.to_string(),
            Outcome::NotOwed { reason } => reason.to_string(),
        };
        if got != self.expected {
            let sentence = format!("expected {}, got {got}", self.expected);
            row.flaw("", "example_fails", sentence);
        }
    }
}

fn parsed<T: std::str::FromStr<Err = domain::Refusal>>(row: &Row<'_>, column: &str) -> Option<T> {
    let parsed = row.text(column)?.parse::<T>();
    if let Err(refusal) = &parsed {
        row.flaw(column, "example_invalid", refusal.sentence.clone());
    }
    parsed.ok()
}

fn read_facts(row: &Row<'_>, rules: &ProgrammeRules, names: &[&str]) -> Option<Facts> {
    let mut facts = Facts::default();
    let mut sound = true;
    for name in names {
        let (text, Some(evidence)) = (row.cell(name), rules.evidence_of(name)) else {
            sound = false;
            continue;
        };
        match evidence.parse(text) {
            _ if text.is_empty() => {}
            Ok(value) => facts.set(evidence.fact.clone(), value),
            Err(refusal) => {
                row.flaw(name, "example_invalid", refusal.sentence);
                sound = false;
            }
        }
    }
    sound.then_some(facts)
}

fn known_reason(row: &Row<'_>, version: &Version, reason: &str) -> Option<String> {
    let own = ["not_born", "evidence_missing"].contains(&reason);
    if !own && !version.reasons().any(|(it, _)| it.as_str() == reason) {
        let sentence = format!("no step of the version gives the reason {reason}");
        row.flaw("reason", "reason_unknown", sentence);
        return None;
    }
    Some(reason.to_owned())
}

use std::path::Path;

use chrono::NaiveDate;
use domain::{Programme, Sex};
use rules::{At, Bench, Case, Decision, Error, Facts, Files, Law, LifeEvent, Outcome};

/// The tiny set as texts, ready to be broken.
pub fn tiny() -> Files {
    let mut files = Files::default();
    gather(
        &mut files,
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/tiny"),
        "",
    );
    files
}

fn gather(files: &mut Files, folder: &Path, prefix: &str) {
    for entry in std::fs::read_dir(folder).expect("the tiny set is there") {
        let entry = entry.expect("the tiny set is there");
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        if entry.file_type().expect("the tiny set is there").is_dir() {
            gather(files, &entry.path(), &format!("{name}/"));
        } else {
            files
                .0
                .insert(name, std::fs::read_to_string(entry.path()).expect("texts"));
        }
    }
}

pub fn law() -> Law {
    Law::read(&tiny()).expect("the tiny set is sound")
}

pub fn day(text: &str) -> NaiveDate {
    text.parse().expect("a date")
}

pub fn at(period: &str, known: &str) -> At {
    At {
        period: period.parse().expect("a period"),
        known: day(known),
    }
}

pub fn event(kind: &str, happened_on: &str, known_on: &str) -> LifeEvent {
    LifeEvent {
        kind: kind.parse().expect("an event"),
        happened_on: day(happened_on),
        known_on: day(known_on),
    }
}

/// A man, born on a day, with facts and events.
#[derive(Clone)]
pub struct Person {
    pub programme: Programme,
    pub birth: &'static str,
    pub province: &'static str,
    pub facts: Facts,
    pub events: Vec<LifeEvent>,
}

impl Person {
    pub fn of(law: &Law, code: &str, birth: &'static str, facts: &[(&str, &str)]) -> Person {
        let programme: Programme = code.parse().expect("a programme");
        let rules = law.programme(programme).expect("of the tiny set");
        let mut person = Person {
            programme,
            birth,
            province: "04",
            facts: Facts::default(),
            events: Vec::new(),
        };
        for (fact, text) in facts {
            person
                .facts
                .set(*fact, rules.parse_fact(fact, text).expect("a fact"));
        }
        person
    }

    pub fn decide<'l>(&self, law: &'l Law, at: At) -> Result<Decision<'l>, Error> {
        let case = Case {
            programme: self.programme,
            birth: self.birth.parse().expect("a date of birth"),
            sex: Sex::Male,
            province: self.province.parse().expect("a province"),
            facts: &self.facts,
            events: &self.events,
        };
        law.decide(&mut Bench::new(), &case, at)
    }

    /// The amount or the reason, as text.
    pub fn gets(&self, law: &Law, period: &str, known: &str) -> String {
        match self
            .decide(law, at(period, known))
            .expect("it is decided")
            .outcome
        {
            Outcome::Owed { amount, .. } => amount.to_string(),
            Outcome::NotOwed { reason } => reason.to_string(),
        }
    }
}

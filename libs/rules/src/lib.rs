//! Law as data: reads programmes from texts, finds what is wrong in them, decides and explains.
//!
//! No I/O, no clock, no SQL. A law is read whole or not at all: every flaw of every file is told,
//! and each version must agree with its own examples. Deciding is exact and pure; the bytes of an
//! explanation are the same on any machine and years later.

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;
use domain::{Period, Programme};
use unicode_normalization::is_nfc;

mod bench;
mod cell;
mod decide;
mod document;
mod effect;
mod error;
mod evidence;
mod example;
mod explain;
mod facts;
mod flaw;
mod formula;
mod name;
mod overlap;
mod parameter;
mod programme;
mod sheet;
mod table;
mod version;
mod working;

pub use bench::Bench;
pub use decide::{Case, Decision, Outcome};
pub use effect::{Beginning, Does, Effect, EventKind, LifeEvent};
pub use error::Error;
pub use evidence::{Evidence, FactKind, Value};
pub use explain::{Explained, explain};
pub use facts::Facts;
pub use flaw::{FLAW_CODES, Flaw};
pub use overlap::{Overlap, OverlapMode};
pub use parameter::{Confidence, Parameter};
pub use programme::{Frequency, ProgrammeRules, Rounding, RoundingMode};
pub use version::{ReasonCode, Version};

use flaw::Flaws;
use parameter::Parameters;

/// Texts by path relative to the folder of programmes: `HTXH/programme.toml`, `parameters.csv`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Files(pub BTreeMap<String, String>);

/// A text for people, in Vietnamese and in English.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text {
    pub vi: String,
    pub en: String,
}

/// The month something is owed for, and the day on which what is known counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct At {
    pub period: Period,
    pub known: NaiveDate,
}

/// All programmes with their parameters, read and without flaws.
#[derive(Debug)]
pub struct Law {
    programmes: Vec<ProgrammeRules>,
    parameters: Parameters,
    overlaps: Vec<Overlap>,
    examples: usize,
}

impl Law {
    /// Reads and checks a law, and runs the examples of each version.
    ///
    /// # Errors
    /// All flaws, sorted by file and place.
    pub fn read(files: &Files) -> Result<Law, Vec<Flaw>> {
        let flaws = Flaws::default();
        for (file, text) in &files.0 {
            if !is_nfc(text) {
                let sentence = "the text is not in normal form C of Unicode";
                flaws.add(file, "line 1", "text_not_nfc", sentence);
            }
        }
        let parameters = whole(files, "parameters.csv", &flaws, Parameters::read);
        let overlaps = whole(files, "overlaps.csv", &flaws, Overlap::read_all);
        let programmes = folders(files, &flaws)
            .into_iter()
            .filter_map(|programme| ProgrammeRules::read(programme, files, &parameters, &flaws));
        let mut law = Law {
            programmes: programmes.collect(),
            parameters,
            overlaps,
            examples: 0,
        };
        law.programmes.sort_by_key(|it| it.programme().number());
        law.examples = law.run_examples(files, &flaws);
        let flaws = flaws.sorted();
        if flaws.is_empty() {
            Ok(law)
        } else {
            Err(flaws)
        }
    }

    fn run_examples(&self, files: &Files, flaws: &Flaws) -> usize {
        let mut count = 0;
        for rules in &self.programmes {
            let concerns = |it: &str| {
                let folder = it.strip_prefix(rules.programme().code());
                it == "parameters.csv" || folder.is_some_and(|it| it.starts_with('/'))
            };
            let sound = !flaws.touch(concerns);
            for version in rules.versions() {
                count += example::run(self, rules, version, files, flaws, sound);
            }
        }
        count
    }

    /// In the order of their numbers.
    pub fn programmes(&self) -> impl Iterator<Item = &ProgrammeRules> {
        self.programmes.iter()
    }

    pub fn programme(&self, programme: Programme) -> Option<&ProgrammeRules> {
        self.programmes
            .iter()
            .find(|it| it.programme() == programme)
    }

    /// In file order.
    pub fn parameters(&self) -> impl Iterator<Item = &Parameter> {
        self.parameters.iter()
    }

    pub fn parameter(&self, rate_no: i32) -> Option<&Parameter> {
        self.parameters.by_number(rate_no)
    }

    /// The rows of a version's parameters that hold, [`Parameter::rate_no`], local ones included.
    pub fn rates_of(&self, version: &Version, at: At) -> Vec<i32> {
        let names = version.parameters();
        names
            .flat_map(|it| self.parameters.all_holding(it, at))
            .collect()
    }

    /// In file order.
    pub fn overlaps(&self) -> &[Overlap] {
        &self.overlaps
    }

    /// How many examples the law agrees with.
    pub fn examples(&self) -> usize {
        self.examples
    }
}

fn whole<T: Default>(
    files: &Files,
    file: &str,
    flaws: &Flaws,
    read: impl FnOnce(&str, &Flaws) -> T,
) -> T {
    let Some(text) = files.0.get(file) else {
        flaws.add(file, "header", "file_missing", format!("{file} is missing"));
        return T::default();
    };
    read(text, flaws)
}

/// The programmes that have a folder.
fn folders(files: &Files, flaws: &Flaws) -> BTreeSet<Programme> {
    let mut programmes = BTreeSet::new();
    let folders = files.0.keys().filter_map(|it| Some(it.split_once('/')?.0));
    for folder in folders.collect::<BTreeSet<&str>>() {
        if let Ok(programme) = folder.parse() {
            programmes.insert(programme);
        } else {
            let sentence = format!("{folder} is the code of no programme");
            flaws.add(folder, "line 1", "programme_unknown", sentence);
        }
    }
    programmes
}

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use chrono::NaiveDate;
use domain::Programme;

use crate::document::{Document, Keys};
use crate::evidence::{NAME, is_name};
use crate::flaw::Flaws;
use crate::formula::{Formula, Formulas};
use crate::name::{Kind, Names, Origin};
use crate::parameter::{CONFIDENCES, Confidence, Parameters};
use crate::table::Table;
use crate::{At, Evidence, Files, Text};

/// The rules of a programme for some time, as some law has set them.
#[derive(Debug)]
pub struct Version {
    pub(crate) programme: Programme,
    pub(crate) id: Arc<str>,
    pub(crate) legal_basis: String,
    pub(crate) valid_from: NaiveDate,
    pub(crate) valid_to: Option<NaiveDate>,
    pub(crate) known_from: NaiveDate,
    pub(crate) confidence: Confidence,
    pub(crate) parameters: Vec<Arc<str>>,
    pub(crate) names: Names,
    /// Slots of what is derived and read, by name; for the explanation.
    pub(crate) derived: Vec<usize>,
    pub(crate) steps: Vec<Step>,
    pub(crate) amount: usize,
    pub(crate) maximum: Formula,
}

#[derive(Debug)]
pub(crate) enum Step {
    Refuse {
        reason: ReasonCode,
        when: Formula,
        sentence: Text,
    },
    Table(Table),
    Value {
        slot: usize,
        formula: Formula,
        label: Text,
    },
}

/// Why nothing is owed: a stable `snake_case` code.
///
/// Besides those of the versions: `not_born`, `evidence_missing`, `stopped_<event>` and
/// `suspended_<event>`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReasonCode(Arc<str>);

/// What is at hand while a version is read.
pub(crate) struct Reading<'a> {
    pub(crate) folder: &'a str,
    pub(crate) id: &'a str,
    pub(crate) names: Names,
    pub(crate) formulas: Formulas,
    pub(crate) flaws: &'a Flaws,
    files: &'a Files,
    used: &'a RefCell<BTreeSet<String>>,
}

/// What all versions of a programme are read with.
pub(crate) struct Shelf<'a> {
    pub(crate) programme: Programme,
    pub(crate) evidence: &'a [Evidence],
    pub(crate) parameters: &'a Parameters,
    pub(crate) files: &'a Files,
    /// Files that something has read.
    pub(crate) used: &'a RefCell<BTreeSet<String>>,
    pub(crate) flaws: &'a Flaws,
}

impl ReasonCode {
    pub(crate) fn new(code: &str) -> ReasonCode {
        ReasonCode(Arc::from(code))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub(crate) fn read(keys: &Keys<'_>, key: &str, code: &str) -> Option<ReasonCode> {
        let own = ["not_born", "evidence_missing"].contains(&code)
            || code.starts_with("stopped_")
            || code.starts_with("suspended_");
        if own || !is_name(code) {
            let sentence = format!("a reason is {NAME}, and none of those every programme has");
            keys.flaw(key, "name_invalid", sentence);
            return None;
        }
        Some(ReasonCode::new(code))
    }
}

impl fmt::Display for ReasonCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Version {
    pub fn programme(&self) -> Programme {
        self.programme
    }

    /// The stem of its file, e.g. `2025-07`.
    pub fn id(&self) -> &str {
        &self.id
    }

    pub fn legal_basis(&self) -> &str {
        &self.legal_basis
    }

    pub fn valid_from(&self) -> NaiveDate {
        self.valid_from
    }

    /// Inclusive; `None` while no end is known.
    pub fn valid_to(&self) -> Option<NaiveDate> {
        self.valid_to
    }

    pub fn known_from(&self) -> NaiveDate {
        self.known_from
    }

    pub fn confidence(&self) -> Confidence {
        self.confidence
    }

    /// Names of the parameters it uses.
    pub fn parameters(&self) -> impl Iterator<Item = &str> {
        self.parameters.iter().map(|it| &**it)
    }

    /// The reasons it can give, with the sentence of each, in the order of its steps.
    pub fn reasons(&self) -> impl Iterator<Item = (&ReasonCode, &Text)> {
        self.steps.iter().filter_map(Step::reason)
    }

    /// How it is cited: `HTXH/2025-07`.
    pub fn rule(&self) -> String {
        format!("{}/{}", self.programme, self.id)
    }

    pub(crate) fn holds(&self, at: At) -> bool {
        let day = at.period.first_day();
        self.valid_from <= day
            && self.valid_to.is_none_or(|to| day <= to)
            && self.known_from <= at.known
    }

    pub(crate) fn read(id: &str, file: &str, text: &str, shelf: &Shelf<'_>) -> Option<Version> {
        let document = Document::parse(file, text, shelf.flaws)?;
        let keys = document.keys();
        let mut reading = Reading {
            folder: shelf.programme.code(),
            id,
            names: Names::of(shelf.evidence),
            formulas: Formulas::new(),
            flaws: shelf.flaws,
            files: shelf.files,
            used: shelf.used,
        };
        let legal_basis = keys.text("legal_basis");
        let (from, known) = (keys.date("valid_from"), keys.date("known_from"));
        let valid_to = keys.optional_date("valid_to");
        if valid_to.zip(from).is_some_and(|(to, from)| to < from) {
            keys.flaw("valid_to", "date_invalid", "valid_to is before valid_from");
        }
        let confidence = keys.word("confidence", &CONFIDENCES);
        let parameters = reading.parameters(&keys, shelf.parameters);
        let tables = keys.tables("step");
        let steps: Vec<Option<Step>> = tables
            .iter()
            .map(|it| Step::read(it, &mut reading))
            .collect();
        let sound = steps.iter().all(Option::is_some);
        // Where a step is broken, what it would have given is missing, and saying so misleads.
        let result = reading.result(&keys, sound);
        keys.finish();
        let (amount, maximum) = result?;
        Some(Version {
            programme: shelf.programme,
            id: Arc::from(id),
            legal_basis: legal_basis?.to_owned(),
            valid_from: from?,
            valid_to,
            known_from: known?,
            confidence: confidence?,
            parameters,
            derived: derived(&reading.names),
            names: reading.names,
            steps: steps.into_iter().collect::<Option<_>>()?,
            amount,
            maximum,
        })
    }
}

impl<'a> Reading<'a> {
    pub(crate) fn file(&self, path: &str) -> Option<&'a str> {
        self.used.borrow_mut().insert(path.to_owned());
        self.files.0.get(path).map(String::as_str)
    }

    fn parameters(&mut self, keys: &Keys<'_>, known: &Parameters) -> Vec<Arc<str>> {
        let mut parameters = Vec::new();
        for name in keys.texts("parameters") {
            if !known.knows(name) {
                let sentence = format!("{name} is no parameter of parameters.csv");
                keys.flaw("parameters", "parameter_unknown", sentence);
                // It still has a name, so that each use of it is not a flaw of its own.
            }
            let origin = Origin::Parameter(parameters.len());
            if self.names.add(name, Kind::Number, origin).is_none() {
                let sentence = format!("{name} is named twice, or is the name of a fact");
                keys.flaw("parameters", "name_duplicate", sentence);
            }
            parameters.push(Arc::from(name));
        }
        parameters
    }

    /// A new name for what a step gives.
    pub(crate) fn add_value(
        &mut self,
        keys: &Keys<'_>,
        key: &str,
        name: &str,
        kind: Kind,
    ) -> Option<usize> {
        if !is_name(name) {
            keys.flaw(key, "name_invalid", format!("{name} is no name: {NAME}"));
            return None;
        }
        let slot = self.names.add(name, kind, Origin::Step);
        if slot.is_none() {
            let sentence = format!("{name} is a fact, a parameter or an earlier value already");
            keys.flaw(key, "name_duplicate", sentence);
        }
        slot
    }

    fn formula(&mut self, keys: &Keys<'_>, key: &'static str, result: &Kind) -> Option<Formula> {
        let source = keys.text(key)?;
        match self.formulas.read(source, result, &mut self.names) {
            Ok(formula) => Some(formula),
            Err(faults) => {
                for (code, sentence) in faults {
                    keys.flaw(key, code, sentence);
                }
                None
            }
        }
    }

    fn result(&mut self, keys: &Keys<'_>, sound: bool) -> Option<(usize, Formula)> {
        if !keys.has("result") {
            let sentence = "a version says in [result] which value is the amount";
            keys.flaw("result", "amount_missing", sentence);
            return None;
        }
        let result = keys.table("result")?;
        let amount = result.optional_text("amount");
        if !sound {
            result.optional_text("maximum");
            result.finish();
            return None;
        }
        let maximum = self.formula(&result, "maximum", &Kind::Number);
        result.finish();
        let Some(amount) = amount else {
            result.flaw("amount", "amount_missing", "amount is missing");
            return None;
        };
        let slot = self.names.slot(amount);
        let number = slot.filter(|it| self.names.get(*it).kind == Kind::Number);
        if number.is_none() {
            let sentence = format!("{amount} is no value or parameter that is a number");
            result.flaw("amount", "value_unknown", sentence);
        }
        self.names.read(number?, false);
        Some((number?, maximum?))
    }
}

impl Step {
    fn read(keys: &Keys<'_>, reading: &mut Reading<'_>) -> Option<Step> {
        let step = Step::read_one(keys, reading);
        if step.is_none() {
            for name in [keys.glance("value"), keys.glance("outputs")].concat() {
                reading.names.spoil(name);
            }
        }
        step
    }

    fn read_one(keys: &Keys<'_>, reading: &mut Reading<'_>) -> Option<Step> {
        if keys.has("table") {
            return Table::read(keys, reading).map(Step::Table);
        }
        if keys.has("value") {
            let formula = reading.formula(keys, "formula", &Kind::Number);
            let (name, label) = (keys.text("value"), keys.both("label"));
            keys.finish();
            let slot = reading.add_value(keys, "value", name?, Kind::Number);
            return Some(Step::Value {
                slot: slot?,
                formula: formula?,
                label: label?,
            });
        }
        if !keys.has("refuse") {
            let sentence = "a step has one of refuse, table and value";
            keys.flaw("refuse", "key_missing", sentence);
            return None;
        }
        let reason = keys.text("refuse");
        let when = reading.formula(keys, "when", &Kind::Flag);
        let sentence = keys.both("sentence");
        keys.finish();
        Some(Step::Refuse {
            reason: ReasonCode::read(keys, "refuse", reason?)?,
            when: when?,
            sentence: sentence?,
        })
    }

    pub(crate) fn reason(&self) -> Option<(&ReasonCode, &Text)> {
        use crate::table::Otherwise;
        match self {
            Step::Refuse {
                reason, sentence, ..
            } => Some((reason, sentence)),
            Step::Table(table) => match &table.otherwise {
                Otherwise::Reason { reason, sentence } => Some((reason, sentence)),
                Otherwise::Default(_) => None,
            },
            Step::Value { .. } => None,
        }
    }
}

fn derived(names: &Names) -> Vec<usize> {
    let is_derived = |it: &usize| {
        let name = names.get(*it);
        name.read
            && !matches!(
                name.origin,
                Origin::Fact(_) | Origin::Parameter(_) | Origin::Step
            )
    };
    let mut slots: Vec<usize> = (0..names.len()).filter(is_derived).collect();
    slots.sort_by_key(|it| &names.get(*it).name);
    slots
}

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::rc::Rc;
use std::sync::Arc;

use zen_expression::variable::VariableType;

use crate::{Evidence, FactKind};

/// What a formula can call by name in a version, and where each comes from.
#[derive(Debug, Clone)]
pub(crate) struct Name {
    pub(crate) name: Arc<str>,
    pub(crate) kind: Kind,
    pub(crate) origin: Origin,
    /// Whether anything reads it: what nobody reads is not computed.
    pub(crate) read: bool,
    /// Whether a formula that the engine runs reads it.
    pub(crate) engine: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Kind {
    Number,
    Flag,
    /// With the codes there are; empty where any may come.
    Code(Vec<Arc<str>>),
    Codes(Vec<Arc<str>>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    /// By index in the programme's evidence.
    Fact(usize),
    MonthsSince(usize),
    YearsSince(usize),
    Age,
    AgeMonths,
    Period,
    Sex,
    /// By index in the version's parameters.
    Parameter(usize),
    Step,
}

/// What an absent code is called in formulas.
pub(crate) const ABSENT: &str = "none";

#[derive(Debug, Clone, Default)]
pub(crate) struct Names {
    list: Vec<Name>,
    slots: HashMap<Arc<str>, usize>,
    spoilt: HashSet<String>,
}

impl Names {
    /// The names every version of a programme has: its facts and what is derived from them.
    pub(crate) fn of(evidence: &[Evidence]) -> Names {
        let mut names = Names::default();
        let sexes = [Arc::from("male"), Arc::from("female")];
        let derived = [
            ("age", Kind::Number, Origin::Age),
            ("age_months", Kind::Number, Origin::AgeMonths),
            ("period", Kind::Number, Origin::Period),
            ("sex", Kind::Code(sexes.to_vec()), Origin::Sex),
        ];
        for (name, kind, origin) in derived {
            names.add(name, kind, origin);
        }
        for (index, it) in evidence.iter().enumerate() {
            let kind = match it.kind {
                FactKind::Code => Kind::Code(codes(it)),
                FactKind::Codes => Kind::Codes(it.one_of.clone()),
                FactKind::Flag => Kind::Flag,
                _ => Kind::Number,
            };
            names.add(&it.fact, kind, Origin::Fact(index));
            if it.kind == FactKind::Date {
                let months = format!("months_since_{}", it.fact);
                names.add(&months, Kind::Number, Origin::MonthsSince(index));
                let years = format!("years_since_{}", it.fact);
                names.add(&years, Kind::Number, Origin::YearsSince(index));
            }
        }
        names
    }

    /// The slot of a new name; `None` where the name is taken.
    pub(crate) fn add(&mut self, name: &str, kind: Kind, origin: Origin) -> Option<usize> {
        if self.slots.contains_key(name) {
            return None;
        }
        let (slot, name) = (self.list.len(), Arc::<str>::from(name));
        self.slots.insert(Arc::clone(&name), slot);
        self.list.push(Name {
            name,
            kind,
            origin,
            read: false,
            engine: false,
        });
        Some(slot)
    }

    pub(crate) fn slot(&self, name: &str) -> Option<usize> {
        self.slots.get(name).copied()
    }

    /// Remembers a name that a broken step would have given: what reads it is broken too, and
    /// saying so of each would bury the cause.
    pub(crate) fn spoil(&mut self, name: &str) {
        if self.slot(name).is_none() {
            self.spoilt.insert(name.to_owned());
        }
    }

    pub(crate) fn is_spoilt(&self, name: &str) -> bool {
        self.spoilt.contains(name)
    }

    pub(crate) fn get(&self, slot: usize) -> &Name {
        &self.list[slot]
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Name> {
        self.list.iter()
    }

    pub(crate) fn len(&self) -> usize {
        self.list.len()
    }

    pub(crate) fn read(&mut self, slot: usize, by_engine: bool) {
        let name = &mut self.list[slot];
        name.read = true;
        name.engine |= by_engine;
    }

    /// The types the engine checks formulas by; for a cell, `$` is the input's.
    pub(crate) fn types(&self, subject: Option<&Kind>) -> VariableType {
        let names = self
            .list
            .iter()
            .map(|it| (Rc::from(&*it.name), it.kind.checked()));
        let subject = subject.map(|it| (Rc::from("$"), it.element()));
        VariableType::Object(Rc::new(RefCell::new(names.chain(subject).collect())))
    }
}

impl Kind {
    fn checked(&self) -> VariableType {
        match self {
            Kind::Number => VariableType::Number,
            Kind::Flag => VariableType::Bool,
            Kind::Code(codes) => choice(codes),
            Kind::Codes(codes) => VariableType::Array(Rc::new(choice(codes))),
        }
    }

    /// What a cell is held against: of several codes, each in turn.
    fn element(&self) -> VariableType {
        match self {
            Kind::Codes(codes) => choice(codes),
            other => other.checked(),
        }
    }
}

fn choice(codes: &[Arc<str>]) -> VariableType {
    if codes.is_empty() {
        return VariableType::String;
    }
    VariableType::Enum(None, codes.iter().map(|it| Rc::from(&**it)).collect())
}

fn codes(evidence: &Evidence) -> Vec<Arc<str>> {
    let mut codes = evidence.one_of.clone();
    if !evidence.required && !codes.is_empty() {
        codes.push(Arc::from(ABSENT));
    }
    codes
}

use std::cell::RefCell;
use std::collections::BTreeSet;

use domain::{Programme, Refusal};
use rust_decimal::{Decimal, RoundingStrategy};

use crate::document::{Document, Keys};
use crate::flaw::Flaws;
use crate::name::Names;
use crate::parameter::Parameters;
use crate::version::Shelf;
use crate::{At, Effect, Evidence, Files, Text, Value, Version};

/// A programme: what it is, what it asks for, and its versions in time.
#[derive(Debug)]
pub struct ProgrammeRules {
    programme: Programme,
    name: Text,
    legal_basis: String,
    payer: Text,
    funding: Text,
    frequency: Frequency,
    payday: Text,
    rounding: Rounding,
    evidence: Vec<Evidence>,
    effects: Vec<Effect>,
    versions: Vec<Version>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Frequency {
    Monthly,
    OneOff,
    Campaign,
}

/// How the amount is rounded, once, at the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rounding {
    /// In đồng: 1 or 1000.
    pub unit: u32,
    pub mode: RoundingMode,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RoundingMode {
    HalfUp,
    HalfEven,
    Up,
    Down,
}

const FREQUENCIES: [(&str, Frequency); 3] = [
    ("monthly", Frequency::Monthly),
    ("one_off", Frequency::OneOff),
    ("campaign", Frequency::Campaign),
];
const MODES: [(&str, RoundingMode); 4] = [
    ("half_up", RoundingMode::HalfUp),
    ("half_even", RoundingMode::HalfEven),
    ("up", RoundingMode::Up),
    ("down", RoundingMode::Down),
];

impl Frequency {
    pub fn code(self) -> &'static str {
        let found = FREQUENCIES.iter().find(|(_, it)| *it == self);
        found.map_or("", |(code, _)| code)
    }
}

impl Rounding {
    /// `None` beyond the range of a decimal. Amounts are not negative, so up is away from zero.
    pub(crate) fn round(self, amount: Decimal) -> Option<Decimal> {
        let strategy = match self.mode {
            RoundingMode::HalfUp => RoundingStrategy::MidpointAwayFromZero,
            RoundingMode::HalfEven => RoundingStrategy::MidpointNearestEven,
            RoundingMode::Up => RoundingStrategy::AwayFromZero,
            RoundingMode::Down => RoundingStrategy::ToZero,
        };
        let unit = Decimal::from(self.unit);
        amount
            .checked_div(unit)?
            .round_dp_with_strategy(0, strategy)
            .checked_mul(unit)
    }

    fn read(keys: &Keys<'_>) -> Option<Rounding> {
        let keys = keys.table("rounding")?;
        let unit = keys.integer("unit");
        let mode = keys.word("mode", &MODES);
        keys.finish();
        let unit = unit.and_then(|it| match it {
            1 => Some(1),
            1000 => Some(1000),
            _ => {
                keys.flaw("unit", "word_unknown", "unit is 1 or 1000 đồng");
                None
            }
        });
        Some(Rounding {
            unit: unit?,
            mode: mode?,
        })
    }
}

impl ProgrammeRules {
    pub fn programme(&self) -> Programme {
        self.programme
    }

    pub fn name(&self) -> &Text {
        &self.name
    }

    pub fn legal_basis(&self) -> &str {
        &self.legal_basis
    }

    pub fn payer(&self) -> &Text {
        &self.payer
    }

    pub fn funding(&self) -> &Text {
        &self.funding
    }

    pub fn frequency(&self) -> Frequency {
        self.frequency
    }

    pub fn payday(&self) -> &Text {
        &self.payday
    }

    pub fn rounding(&self) -> Rounding {
        self.rounding
    }

    pub fn evidence(&self) -> &[Evidence] {
        &self.evidence
    }

    pub fn evidence_of(&self, fact: &str) -> Option<&Evidence> {
        self.evidence.iter().find(|it| &*it.fact == fact)
    }

    pub fn effects(&self) -> &[Effect] {
        &self.effects
    }

    /// By id.
    pub fn versions(&self) -> &[Version] {
        &self.versions
    }

    pub fn version(&self, id: &str) -> Option<&Version> {
        self.versions.iter().find(|it| it.id() == id)
    }

    /// Text from outside as the value of a fact.
    ///
    /// # Errors
    /// `fact_unknown`, and whatever [`Evidence::parse`] refuses.
    pub fn parse_fact(&self, fact: &str, text: &str) -> Result<Value, Refusal> {
        let Some(evidence) = self.evidence_of(fact) else {
            let sentence = format!("{} has no such fact", self.programme);
            return Err(Refusal::new("fact_unknown", sentence));
        };
        evidence.parse(text)
    }

    /// Of the versions valid on the period's first day and known by then, the one known last.
    pub fn holding(&self, at: At) -> Option<&Version> {
        let held = self.versions.iter().filter(|it| it.holds(at));
        held.max_by_key(|it| (it.known_from, it.valid_from))
    }

    pub(crate) fn read(
        programme: Programme,
        files: &Files,
        parameters: &Parameters,
        flaws: &Flaws,
    ) -> Option<ProgrammeRules> {
        let code = programme.code();
        let file = format!("{code}/programme.toml");
        let Some(text) = files.0.get(&file) else {
            flaws.add(
                &file,
                "line 1",
                "file_missing",
                "a programme has a programme.toml",
            );
            return None;
        };
        let document = Document::parse(&file, text, flaws)?;
        let keys = document.keys();
        if keys.text("code").is_some_and(|it| it != code) {
            keys.flaw(
                "code",
                "programme_mismatch",
                format!("the folder is that of {code}"),
            );
        }
        let (name, legal_basis) = (keys.both("name"), keys.text("legal_basis"));
        let (payer, funding) = (keys.both("payer"), keys.both("funding"));
        let frequency = keys.word("frequency", &FREQUENCIES);
        let (payday, rounding) = (keys.both("payday"), Rounding::read(&keys));
        let evidence = evidence(&keys);
        let effects = effects(&keys);
        keys.finish();
        let used = RefCell::default();
        let shelf = Shelf {
            programme,
            evidence: &evidence,
            parameters,
            files,
            used: &used,
            flaws,
        };
        let versions = versions(&shelf);
        unused(&shelf);
        Some(ProgrammeRules {
            programme,
            name: name?,
            legal_basis: legal_basis?.to_owned(),
            payer: payer?,
            funding: funding?,
            frequency: frequency?,
            payday: payday?,
            rounding: rounding?,
            evidence,
            effects,
            versions,
        })
    }
}

fn evidence(keys: &Keys<'_>) -> Vec<Evidence> {
    let mut evidence: Vec<Evidence> = Vec::new();
    for keys in keys.tables("evidence") {
        let Some(one) = Evidence::read(&keys) else {
            continue;
        };
        // The names that come with a date are names of their own.
        let before = Names::of(&evidence).len();
        evidence.push(one);
        let names = Names::of(&evidence).len() - before;
        let expected = match evidence.last() {
            Some(it) if it.kind == crate::FactKind::Date => 3,
            _ => 1,
        };
        if names != expected {
            let sentence = "another fact, or what is derived for all, has this name already";
            keys.flaw("fact", "evidence_duplicate", sentence);
        }
    }
    evidence
}

fn effects(keys: &Keys<'_>) -> Vec<Effect> {
    let mut effects: Vec<Effect> = Vec::new();
    for keys in keys.tables("effect") {
        let Some(effect) = Effect::read(&keys) else {
            continue;
        };
        if effects.iter().any(|it| it.event == effect.event) {
            let sentence = format!("another effect of {} stands above", effect.event);
            keys.flaw("event", "effect_duplicate", sentence);
        }
        effects.push(effect);
    }
    effects
}

/// `<CODE>/<id>.toml`, in the order of their ids.
fn versions(shelf: &Shelf<'_>) -> Vec<Version> {
    let code = shelf.programme.code();
    let mut versions = Vec::new();
    let mut files = 0;
    for (file, text) in &shelf.files.0 {
        let id = file.strip_prefix(code).and_then(|it| it.strip_prefix('/'));
        let id = id.and_then(|it| it.strip_suffix(".toml"));
        if let Some(id) = id.filter(|it| *it != "programme") {
            files += 1;
            if !id
                .bytes()
                .all(|it| it.is_ascii_alphanumeric() || b"-_".contains(&it))
            {
                let sentence = "the id of a version is letters, digits, - and _";
                shelf.flaws.add(file, "line 1", "name_invalid", sentence);
            }
            versions.extend(Version::read(id, file, text, shelf));
        }
    }
    if files == 0 {
        let file = format!("{code}/programme.toml");
        let sentence = "a programme has at least one version";
        shelf
            .flaws
            .add(&file, "line 1", "version_missing", sentence);
    }
    // With one of them unreadable, what follows what is not known.
    if versions.len() == files {
        check_times(code, &versions, shelf.flaws);
    }
    versions
}

fn check_times(code: &str, versions: &[Version], flaws: &Flaws) {
    for (index, it) in versions.iter().enumerate() {
        let meets = |other: &&Version| {
            other.known_from == it.known_from
                && other.valid_to.is_none_or(|to| it.valid_from <= to)
                && it.valid_to.is_none_or(|to| other.valid_from <= to)
        };
        if let Some(other) = versions[..index].iter().find(meets) {
            let sentence = format!(
                "{} holds at the same time, known from the same day",
                other.id
            );
            flaws.add(
                &format!("{code}/{}.toml", it.id),
                "line 1",
                "version_overlaps",
                sentence,
            );
        }
    }
    let mut in_time: Vec<&Version> = versions.iter().collect();
    in_time.sort_by_key(|it| (it.valid_from, it.valid_to.is_none(), it.valid_to));
    let mut reached = in_time.first().and_then(|it| it.valid_to);
    for pair in in_time.windows(2) {
        let Some(end) = reached else {
            return;
        };
        if end.succ_opt().is_some_and(|next| next < pair[1].valid_from) {
            let sentence = format!(
                "no version is valid between {end} and {}",
                pair[1].valid_from
            );
            let file = format!("{code}/{}.toml", pair[1].id);
            flaws.add(&file, "line 1", "version_gap", sentence);
        }
        reached = pair[1].valid_to.map(|it| it.max(end));
    }
}

/// A file that nothing reads is law without effect, which is nearly always a misspelt name.
fn unused(shelf: &Shelf<'_>) {
    let code = shelf.programme.code();
    let used: BTreeSet<String> = shelf.used.borrow().clone();
    let inside = |it: &str| it.strip_prefix(code).is_some_and(|it| it.starts_with('/'));
    // What could not be read has not told which files it needs.
    if shelf.flaws.touch(inside) {
        return;
    }
    for file in shelf.files.0.keys() {
        let Some(name) = file.strip_prefix(code).and_then(|it| it.strip_prefix('/')) else {
            continue;
        };
        let examples = name
            .strip_suffix(".examples.csv")
            .is_some_and(|it| shelf.files.0.contains_key(&format!("{code}/{it}.toml")));
        let table = name.strip_suffix(".csv").is_some();
        if table && !examples && !used.contains(file) {
            let sentence = "no version reads this file";
            shelf.flaws.add(file, "header", "file_unused", sentence);
        }
    }
}

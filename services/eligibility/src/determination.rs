//! What a person is owed: the law's decision, held against the person's other programmes.

use std::collections::BTreeMap;
use std::fmt::Write;

use chrono::NaiveDate;
use domain::{BirthDate, Money, Programme, Province, Sex};
use rules::{At, Bench, Case, Facts, Law, LifeEvent, Outcome, Overlap, OverlapMode};
use serde::Deserialize;

use crate::Error;

/// All that a decision about a person rests on, frozen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inputs {
    pub birth: BirthDate,
    pub sex: Sex,
    /// The programme decided on and those that overlap with it.
    pub enrolled: BTreeMap<Programme, Enrolled>,
    pub events: Vec<LifeEvent>,
}

/// What a programme knows of a person for one period.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Enrolled {
    pub province: Province,
    pub facts: Facts,
}

/// A decision with its reasons.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Determination {
    /// What the period owes in all; zero where nothing is owed.
    pub owed: Money,
    /// The part of it that is above the national level.
    pub local: Money,
    /// Why nothing is owed, a stable code.
    pub reason: Option<String>,
    /// The version of the rules that held: `HTXH/2025-07`.
    pub rule: String,
    /// The parameter that the amount rests on; 0 where a table alone gives it.
    pub rate_no: i32,
    /// Canonical JSON; the same inputs and law give the same bytes.
    pub explanation: String,
}

const ALL: &str = "a String takes all";

/// Decides on a person's programme for a period, as the law and the facts are known on a day.
///
/// Pure. Overlaps are looked at in the order of the law's file; another programme is decided by
/// itself, so that two programmes never wait for each other.
pub fn decide(
    law: &Law,
    bench: &mut Bench,
    programme: Programme,
    inputs: &Inputs,
    at: At,
) -> Result<Determination, Error> {
    let decision = alone(law, bench, programme, inputs, at)?;
    let (mut owed, mut local, mut reason) = match decision.outcome {
        Outcome::Owed { amount, local } => (amount, local, None),
        Outcome::NotOwed { reason } => (Money::ZERO, Money::ZERO, Some(reason.to_string())),
    };
    if owed.is_zero() && reason.is_none() {
        reason = Some("nothing_remains".to_owned());
    }
    let mut explanation = decision.explanation;
    let mut told = String::new();
    for overlap in law.overlaps().iter().filter(|it| it.holds(at)) {
        let Some(other) = other_of(overlap, programme) else {
            continue;
        };
        if reason.is_some() || !inputs.enrolled.contains_key(&other) {
            continue;
        }
        let other_owed = match alone(law, bench, other, inputs, at)?.outcome {
            Outcome::Owed { amount, .. } => amount,
            Outcome::NotOwed { .. } => Money::ZERO,
        };
        let effect = effect(overlap, programme, owed, other_owed);
        let mode = mode_code(overlap.mode);
        let comma = if told.is_empty() { "" } else { "," };
        write!(
            told,
            "{comma}[\"{}\",\"{other}\",\"{mode}\",\"{other_owed}\",\"{}\"]",
            overlap.family,
            effect.code()
        )
        .expect(ALL);
        match effect {
            Effect::Kept => {}
            Effect::Reduced(rest) => (owed, local) = (rest, local.min(rest)),
            Effect::Dropped(code) => {
                (owed, local) = (Money::ZERO, Money::ZERO);
                reason = Some(code.to_owned());
            }
        }
    }
    if !told.is_empty() {
        explanation.pop();
        write!(explanation, ",\"overlap\":[{told}],\"owed\":\"{owed}\"}}").expect(ALL);
    }
    Ok(Determination {
        owed,
        local,
        reason,
        rule: decision.version.rule(),
        rate_no: decision.rate_nos.first().copied().unwrap_or_default(),
        explanation,
    })
}

fn alone<'l>(
    law: &'l Law,
    bench: &mut Bench,
    programme: Programme,
    inputs: &Inputs,
    at: At,
) -> Result<rules::Decision<'l>, Error> {
    let enrolled = inputs.enrolled.get(&programme);
    let enrolled = enrolled.expect("only a programme of the person is decided on");
    let case = Case {
        programme,
        birth: inputs.birth,
        sex: inputs.sex,
        province: enrolled.province,
        facts: &enrolled.facts,
        events: &inputs.events,
    };
    Ok(law.decide(bench, &case, at)?)
}

/// The programmes that a decision on this one may have to look at.
pub fn overlapping(law: &Law, programme: Programme) -> Vec<Programme> {
    let others = law.overlaps().iter();
    let mut others: Vec<Programme> = others.filter_map(|it| other_of(it, programme)).collect();
    others.sort_unstable();
    others.dedup();
    others
}

fn other_of(overlap: &Overlap, programme: Programme) -> Option<Programme> {
    if overlap.programme == programme {
        Some(overlap.other)
    } else if overlap.other == programme && overlap.mode == OverlapMode::Highest {
        Some(overlap.programme)
    } else {
        None
    }
}

/// What an overlap leaves of an amount.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Effect {
    Kept,
    Reduced(Money),
    Dropped(&'static str),
}

impl Effect {
    fn code(self) -> &'static str {
        match self {
            Effect::Kept => "kept",
            Effect::Reduced(_) => "reduced",
            Effect::Dropped(_) => "dropped",
        }
    }
}

fn effect(overlap: &Overlap, programme: Programme, owed: Money, other: Money) -> Effect {
    match overlap.mode {
        OverlapMode::Both => Effect::Kept,
        _ if other.is_zero() => Effect::Kept,
        OverlapMode::Excludes => Effect::Dropped("overlap_excluded"),
        OverlapMode::Highest => {
            let wins = owed > other || owed == other && overlap.preferred == Some(programme);
            if wins {
                Effect::Kept
            } else {
                Effect::Dropped("overlap_lower")
            }
        }
        OverlapMode::Difference => match owed.checked_sub(other) {
            Some(rest) if !rest.is_zero() => Effect::Reduced(rest),
            _ => Effect::Dropped("overlap_no_difference"),
        },
    }
}

fn mode_code(mode: OverlapMode) -> &'static str {
    match mode {
        OverlapMode::Highest => "highest",
        OverlapMode::Difference => "difference",
        OverlapMode::Excludes => "excludes",
        OverlapMode::Both => "both",
    }
}

/// Inputs as they are stored, with what the decision was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FrozenInputs {
    pub programme: Programme,
    pub at: At,
    pub inputs: Inputs,
}

#[derive(Deserialize)]
struct Stored<'a> {
    programme: Programme,
    period: String,
    known: NaiveDate,
    birth: NaiveDate,
    year_only: bool,
    sex: String,
    #[serde(borrow)]
    enrolled: BTreeMap<Programme, (Province, &'a serde_json::value::RawValue)>,
    events: Vec<(String, NaiveDate, NaiveDate)>,
}

/// The inputs as canonical JSON: one order, no spaces, codes and digits only.
pub fn inputs_json(programme: Programme, inputs: &Inputs, at: At) -> String {
    let mut json = String::with_capacity(256);
    let sex = sex_code(inputs.sex);
    write!(
        json,
        "{{\"programme\":\"{programme}\",\"period\":\"{}\",\"known\":\"{}\",\"birth\":\"{}\",\
         \"year_only\":{},\"sex\":\"{sex}\",\"enrolled\":{{",
        at.period,
        at.known,
        inputs.birth.date(),
        inputs.birth.is_year_only(),
    )
    .expect(ALL);
    for (index, (code, enrolled)) in inputs.enrolled.iter().enumerate() {
        let comma = if index > 0 { "," } else { "" };
        let (province, facts) = (enrolled.province, enrolled.facts.to_json());
        write!(json, "{comma}\"{code}\":[\"{province}\",{facts}]").expect(ALL);
    }
    json.push_str("},\"events\":[");
    for (index, it) in inputs.events.iter().enumerate() {
        let comma = if index > 0 { "," } else { "" };
        let (kind, day, known) = (it.kind, it.happened_on, it.known_on);
        write!(json, "{comma}[\"{kind}\",\"{day}\",\"{known}\"]").expect(ALL);
    }
    json.push_str("]}");
    json
}

/// Reads back what [`inputs_json`] wrote.
///
/// # Errors
/// [`Error::Inputs`] for a text that is not of that form or names what the law does not know.
pub fn stored_inputs(law: &Law, json: &str) -> Result<FrozenInputs, Error> {
    let broken = |detail: &dyn std::fmt::Display| Error::Inputs(detail.to_string());
    let stored: Stored<'_> = serde_json::from_str(json).map_err(|it| broken(&it))?;
    let mut enrolled = BTreeMap::new();
    for (programme, (province, facts)) in stored.enrolled {
        let rules = law.programme(programme);
        let rules = rules.ok_or_else(|| broken(&format!("no rules of {programme}")))?;
        let facts = Facts::stored(rules, facts.get()).map_err(|it| broken(&it.sentence))?;
        enrolled.insert(programme, Enrolled { province, facts });
    }
    if !enrolled.contains_key(&stored.programme) {
        return Err(broken(&"the person is not in the programme decided on"));
    }
    let mut events = Vec::with_capacity(stored.events.len());
    for (kind, happened_on, known_on) in stored.events {
        events.push(LifeEvent {
            kind: kind
                .parse()
                .map_err(|it: domain::Refusal| broken(&it.sentence))?,
            happened_on,
            known_on,
        });
    }
    let period = stored.period.parse();
    Ok(FrozenInputs {
        programme: stored.programme,
        at: At {
            period: period.map_err(|it: domain::Refusal| broken(&it.sentence))?,
            known: stored.known,
        },
        inputs: Inputs {
            birth: BirthDate::stored(stored.birth, stored.year_only),
            sex: sex_of(&stored.sex).ok_or_else(|| broken(&"a sex is male or female"))?,
            enrolled,
            events,
        },
    })
}

pub(crate) fn sex_code(sex: Sex) -> &'static str {
    match sex {
        Sex::Male => "male",
        Sex::Female => "female",
    }
}

pub(crate) fn sex_of(code: &str) -> Option<Sex> {
    match code {
        "male" => Some(Sex::Male),
        "female" => Some(Sex::Female),
        _ => None,
    }
}

#[cfg(test)]
mod tests;

use std::fmt::Write;

use chrono::{Datelike, Months, NaiveDate};
use domain::{BirthDate, Money, Programme, Province, Sex};
use rust_decimal::Decimal;

use crate::bench::{Bench, Datum};
use crate::effect::{Standing, standing};
use crate::name::{ABSENT, Kind, Origin};
use crate::working::{Verdict, Working};
use crate::{
    At, Error, Facts, Law, LifeEvent, Parameter, ProgrammeRules, ReasonCode, Value, Version,
};

/// Whom to decide for, and by what.
#[derive(Debug, Clone, Copy)]
pub struct Case<'a> {
    pub programme: Programme,
    pub birth: BirthDate,
    pub sex: Sex,
    pub province: Province,
    pub facts: &'a Facts,
    /// Those not known by the day of knowledge do not count; revoked ones are left out.
    pub events: &'a [LifeEvent],
}

/// What is owed and by which law, or why nothing is.
#[derive(Debug, Clone)]
pub struct Decision<'l> {
    pub outcome: Outcome,
    pub version: &'l Version,
    /// The parameters it was decided by, [`Parameter::rate_no`]; local ones last.
    pub rate_nos: Vec<i32>,
    /// Facts and working as canonical JSON; deciding again gives the same bytes.
    pub explanation: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    Owed {
        amount: Money,
        /// The part of the amount that is above the national level.
        local: Money,
    },
    NotOwed {
        reason: ReasonCode,
    },
}

const ALL: &str = "a String takes all";

impl Law {
    /// Decides what one person is owed by one programme for one period, as the law is known on
    /// a day.
    ///
    /// Pure: the same case and law give the same bytes on any machine and in any order.
    ///
    /// # Errors
    /// Where the law for that time is not there nothing is guessed, and an amount that is
    /// negative or above the programme's maximum is never paid: see [`Error`].
    pub fn decide(
        &self,
        bench: &mut Bench,
        case: &Case<'_>,
        at: At,
    ) -> Result<Decision<'_>, Error> {
        let programme = case.programme;
        let rules = self
            .programme(programme)
            .ok_or(Error::NoProgramme { programme })?;
        let version = rules.holding(at).ok_or(Error::NoVersion {
            programme,
            period: at.period,
            known: at.known,
        })?;
        check_facts(rules, case.facts)?;
        let mut json = String::with_capacity(512);
        write!(json, "{{\"rule\":\"{programme}/{}\",\"facts\":", version.id).expect(ALL);
        case.facts.write_json(&mut json);
        if let Some(reason) = before_the_steps(rules, case, at, &mut json) {
            write!(json, ",\"reason\":\"{reason}\"}}").expect(ALL);
            return Ok(Decision {
                outcome: Outcome::NotOwed { reason },
                version,
                rate_nos: Vec::new(),
                explanation: json,
            });
        }
        let slots = slots(rules, version, case, at);
        write_derived(version, &slots, &mut json);
        let national = self.national(version, at)?;
        let mut rate_nos: Vec<i32> = national.iter().map(|it| it.rate_no).collect();
        let local = self.local(version, &national, case.province, at);
        let spare = local.as_ref().map(|_| slots.clone());
        let working = Working::new(version, slots, bench, &mut json);
        let mut outcome = outcome(working.run(&national, rules.rounding())?);
        if let Some((local, slots)) = local.zip(spare) {
            let mut part = String::with_capacity(256);
            let verdict = Working::new(version, slots, bench, &mut part);
            let verdict = verdict.run(&local, rules.rounding())?;
            if let Some(raised) = raised(&outcome, &verdict) {
                outcome = raised;
                write!(json, ",\"local\":{{{part}}}").expect(ALL);
                let local = local.iter().filter(|it| it.province.is_some());
                rate_nos.extend(local.map(|it| it.rate_no));
            }
        }
        json.push('}');
        Ok(Decision {
            outcome,
            version,
            rate_nos,
            explanation: json,
        })
    }

    fn national(&self, version: &Version, at: At) -> Result<Vec<&Parameter>, Error> {
        let found = version.parameters.iter().map(|name| {
            let found = self.parameters.holding(name, None, at);
            found.ok_or_else(|| Error::NoParameter {
                name: name.to_string(),
                period: at.period,
                known: at.known,
            })
        });
        found.collect()
    }

    /// The parameters with the province's own where those are higher; `None` where none is.
    fn local<'l>(
        &'l self,
        version: &Version,
        national: &[&'l Parameter],
        province: Province,
        at: At,
    ) -> Option<Vec<&'l Parameter>> {
        let mut local: Option<Vec<&Parameter>> = None;
        for (index, name) in version.parameters.iter().enumerate() {
            let own = self.parameters.holding(name, Some(province), at);
            if let Some(own) = own.filter(|it| it.value > national[index].value) {
                local.get_or_insert_with(|| national.to_vec())[index] = own;
            }
        }
        local
    }
}

fn outcome(verdict: Verdict) -> Outcome {
    match verdict {
        Verdict::Owed(amount) => Outcome::Owed {
            amount,
            local: Money::ZERO,
        },
        Verdict::NotOwed(reason) => Outcome::NotOwed { reason },
    }
}

/// The outcome by the local level, where it gives more.
fn raised(national: &Outcome, local: &Verdict) -> Option<Outcome> {
    let Verdict::Owed(amount) = *local else {
        return None;
    };
    let national = match national {
        Outcome::Owed { amount, .. } => *amount,
        Outcome::NotOwed { .. } => Money::ZERO,
    };
    let local = amount.checked_sub(national).filter(|it| !it.is_zero())?;
    Some(Outcome::Owed { amount, local })
}

/// Facts come typed; one of another kind is a mistake of whoever put it there.
fn check_facts(rules: &ProgrammeRules, facts: &Facts) -> Result<(), Error> {
    for (fact, value) in facts.iter() {
        if rules.evidence_of(fact).map(|it| it.kind) != Some(value.kind()) {
            return Err(Error::Fact {
                programme: rules.programme(),
                fact: fact.to_owned(),
            });
        }
    }
    Ok(())
}

/// The reasons that every programme has.
fn before_the_steps(
    rules: &ProgrammeRules,
    case: &Case<'_>,
    at: At,
    json: &mut String,
) -> Option<ReasonCode> {
    if case.birth.date() > at.period.last_day() {
        return Some(ReasonCode::new("not_born"));
    }
    let (kind, event) = match standing(rules.effects(), case.events, at) {
        Standing::Stopped(event) => ("stopped", event),
        Standing::Suspended(event) => ("suspended", event),
        Standing::PaidBack(event) => {
            let (kind, day) = (event.kind, event.happened_on);
            write!(json, ",\"paid_back\":[\"{kind}\",\"{day}\"]").expect(ALL);
            return missing(rules, case.facts, json);
        }
        Standing::InPayment => return missing(rules, case.facts, json),
    };
    let (day, known) = (event.happened_on, event.known_on);
    write!(
        json,
        ",\"event\":[\"{}\",\"{day}\",\"{known}\"]",
        event.kind
    )
    .expect(ALL);
    Some(ReasonCode::new(&format!("{kind}_{}", event.kind)))
}

fn missing(rules: &ProgrammeRules, facts: &Facts, json: &mut String) -> Option<ReasonCode> {
    let absent = rules
        .evidence()
        .iter()
        .filter(|it| it.required && facts.get(&it.fact).is_none());
    let mut any = false;
    for evidence in absent {
        json.push_str(if any { "," } else { ",\"missing\":[" });
        write!(json, "\"{}\"", evidence.fact).expect(ALL);
        any = true;
    }
    any.then(|| {
        json.push(']');
        ReasonCode::new("evidence_missing")
    })
}

/// Facts and what is derived from them; what nobody reads stays 0.
fn slots<'a>(
    rules: &'a ProgrammeRules,
    version: &Version,
    case: &Case<'a>,
    at: At,
) -> Vec<Datum<'a>> {
    let last = at.period.last_day();
    let evidence = rules.evidence();
    let date = |index: usize| match case.facts.get(&evidence[index].fact) {
        Some(Value::Date(date)) => Some(*date),
        _ => None,
    };
    let months = |index: usize| date(index).map_or(0, |it| full_months(it, last));
    let integer = |it: i32| Datum::Number(Decimal::from(it));
    let names = version.names.iter().map(|name| match name.origin {
        _ if !name.read => Datum::Number(Decimal::ZERO),
        Origin::Fact(index) => fact(case.facts.get(&evidence[index].fact), &name.kind),
        Origin::MonthsSince(index) => integer(months(index)),
        Origin::YearsSince(index) => integer(months(index) / 12),
        Origin::Age => integer(case.birth.age_on(last)),
        Origin::AgeMonths => integer(full_months(case.birth.date(), last)),
        Origin::Period => integer(last.year() * 100 + last.month().cast_signed()),
        Origin::Sex => Datum::Code(match case.sex {
            Sex::Male => "male",
            Sex::Female => "female",
        }),
        Origin::Parameter(_) | Origin::Step => Datum::Number(Decimal::ZERO),
    });
    names.collect()
}

fn fact<'a>(value: Option<&'a Value>, kind: &Kind) -> Datum<'a> {
    match (value, kind) {
        (Some(Value::Code(code)), _) => Datum::Code(code),
        (Some(Value::Codes(codes)), _) => Datum::Codes(Some(codes)),
        (Some(Value::Integer(number)), _) => Datum::Number(Decimal::from(*number)),
        (Some(Value::Decimal(number)), _) => Datum::Number(*number),
        (Some(Value::Money(amount)), _) => Datum::Number(amount.decimal()),
        (Some(Value::Date(date)), _) => {
            let day = date.day().cast_signed() + date.month().cast_signed() * 100;
            Datum::Number(Decimal::from(date.year() * 10_000 + day))
        }
        (Some(Value::Flag(flag)), _) => Datum::Flag(*flag),
        (None, Kind::Number) => Datum::Number(Decimal::ZERO),
        (None, Kind::Flag) => Datum::Flag(false),
        (None, Kind::Code(_)) => Datum::Code(ABSENT),
        (None, Kind::Codes(_)) => Datum::Codes(None),
    }
}

fn write_derived(version: &Version, slots: &[Datum<'_>], json: &mut String) {
    json.push_str(",\"derived\":{");
    for (index, slot) in version.derived.iter().enumerate() {
        let comma = if index > 0 { "," } else { "" };
        let name = &version.names.get(*slot).name;
        match slots[*slot] {
            Datum::Number(number) => write!(json, "{comma}\"{name}\":{number}"),
            Datum::Code(code) => write!(json, "{comma}\"{name}\":\"{code}\""),
            Datum::Flag(_) | Datum::Codes(_) => Ok(()),
        }
        .expect(ALL);
    }
    json.push_str("},");
}

/// Full months from one day to another; none where the first is later. A month from the 31st is
/// full on the last day of a shorter one.
fn full_months(from: NaiveDate, to: NaiveDate) -> i32 {
    let months =
        (to.year() - from.year()) * 12 + to.month().cast_signed() - from.month().cast_signed();
    let Ok(count) = u32::try_from(months) else {
        return 0;
    };
    let reached = from.checked_add_months(Months::new(count));
    let short = reached.is_none_or(|it| it > to);
    (months - i32::from(short)).max(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_month_is_full_on_its_day_or_the_last_of_a_shorter_one() {
        let day = |text: &str| text.parse::<NaiveDate>().unwrap();
        for (from, to, months) in [
            ("2026-01-31", "2026-02-28", 1),
            ("2026-01-15", "2026-02-14", 0),
            ("2026-01-15", "2026-02-15", 1),
            ("1952-02-29", "2027-02-28", 900),
            ("2026-03-01", "2026-02-28", 0),
            ("2027-03-01", "2026-02-28", 0),
        ] {
            assert_eq!(full_months(day(from), day(to)), months, "{from} to {to}");
        }
    }
}

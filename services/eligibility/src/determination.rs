use chrono::NaiveDate;
use domain::{BirthDate, Money, Period, Programme};
use rust_decimal::{Decimal, RoundingStrategy};

use crate::registry::{Category, Enrolment, Household};
use crate::{Error, Rate, Rates};

/// The frozen inputs of a decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Facts {
    pub birth_date: BirthDate,
    pub enrolment: Enrolment,
}

/// A decision: what is owed and by which law, or why nothing is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Determination {
    pub outcome: Outcome,
    /// Rate numbers: the standard or amount, and where there are two, the factor or floor.
    pub rate_no: Option<i32>,
    pub second_rate_no: Option<i32>,
    /// Inputs and working as canonical JSON; recomputing gives the same bytes.
    pub explanation: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    Owed(Money),
    NotOwed(NotOwed),
}

/// Why an enrolled person is owed nothing for a period.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotOwed {
    /// Born after the period.
    NotBorn,
    /// Younger than 70: Law 41/2024, Article 21.
    BelowAge,
    /// 70 to 74 and neither poor nor near poor.
    HouseholdNotPoor,
    /// The evidence that the programme pays on is missing.
    EvidenceMissing,
}

impl NotOwed {
    pub fn code(self) -> &'static str {
        match self {
            NotOwed::NotBorn => "not_born",
            NotOwed::BelowAge => "below_age",
            NotOwed::HouseholdNotPoor => "household_not_poor",
            NotOwed::EvidenceMissing => "evidence_missing",
        }
    }
}

/// An amount on its way, with what led to it.
struct Working<'a> {
    amount: Decimal,
    formula: String,
    rate: &'a Rate,
    second: Option<&'a Rate>,
}

/// Decides what one person is owed by one programme for one period, as the law is known on a day.
///
/// Pure: the same facts and rates give the same bytes on any machine and in any order.
///
/// # Errors
/// [`Error::NoRate`] where the law for that time is not in the tables: nothing is guessed.
pub fn decide(
    facts: &Facts,
    period: Period,
    known: NaiveDate,
    rates: &Rates,
) -> Result<Determination, Error> {
    let age = facts.birth_date.age_on(period.last_day());
    if age < 0 {
        return Ok(conclude(facts, age, &Err(NotOwed::NotBorn)));
    }
    let find = |name: &str| rates.holding(name, age, period, known);
    let working = match facts.enrolment.programme {
        Programme::SocialPension => match social_pension(age, facts.enrolment.household) {
            Some(reason) => Err(reason),
            None => Ok(flat(find("social_pension")?)),
        },
        Programme::RetirementPension => match facts.enrolment.granted_amount {
            Some(granted) => Ok(pension(granted, facts.enrolment.category, find)?),
            None => Err(NotOwed::EvidenceMissing),
        },
        Programme::SocialAssistance => match facts.enrolment.category {
            Some(category @ (Category::Severe | Category::ExtremelySevere)) => {
                let coefficient = find(&format!("coefficient/{}", category.code()))?;
                Ok(assistance(find("sa_standard")?, coefficient))
            }
            _ => Err(NotOwed::EvidenceMissing),
        },
        Programme::MeritAllowance => match facts.enrolment.category {
            Some(Category::Merit(code)) => Ok(flat(find(&format!("merit/{code}"))?)),
            _ => Err(NotOwed::EvidenceMissing),
        },
    };
    Ok(conclude(facts, age, &working))
}

/// Law 41/2024, Article 21: from 75; from 70 in poor and near-poor households.
fn social_pension(age: i32, household: Option<Household>) -> Option<NotOwed> {
    match (age, household) {
        (75.., _) | (70..75, Some(Household::Poor | Household::NearPoor)) => None,
        (70..75, None) => Some(NotOwed::HouseholdNotPoor),
        _ => Some(NotOwed::BelowAge),
    }
}

fn flat(rate: &Rate) -> Working<'_> {
    Working {
        amount: rate.value,
        formula: rate.value.to_string(),
        rate,
        second: None,
    }
}

/// Decree 20/2021, Article 6: the standard times the coefficient of the group.
fn assistance<'a>(standard: &'a Rate, coefficient: &'a Rate) -> Working<'a> {
    Working {
        amount: standard.value * coefficient.value,
        formula: format!("{} × {}", standard.value, coefficient.value),
        rate: standard,
        second: Some(coefficient),
    }
}

/// Decree 162/2026: the amount of June 2026 with the uplift; for those who retired before 1995 a
/// step on top up to a limit, and above it at least the floor.
fn pension<'a>(
    granted: Money,
    category: Option<Category>,
    find: impl Fn(&str) -> Result<&'a Rate, Error>,
) -> Result<Working<'a>, Error> {
    let uplift = find("pension_uplift")?;
    let factor = Decimal::ONE + uplift.value;
    let uplifted = round(granted.decimal() * factor);
    let formula = format!("{granted} × {factor}");
    if category != Some(Category::Pre1995) {
        return Ok(Working {
            amount: uplifted,
            formula,
            rate: uplift,
            second: None,
        });
    }
    let (floor, limit, step) = (
        find("pension_floor_pre1995")?,
        find("pension_floor_step_limit")?,
        find("pension_floor_step")?,
    );
    let (amount, formula) = if uplifted <= limit.value {
        (uplifted + step.value, format!("{formula} + {}", step.value))
    } else if uplifted < floor.value {
        (floor.value, format!("{formula} → {}", floor.value))
    } else {
        (uplifted, formula)
    };
    Ok(Working {
        amount,
        formula,
        rate: uplift,
        second: Some(floor),
    })
}

/// Once, at the end, to whole đồng, half away from zero: what statutes mean by rounding.
fn round(amount: Decimal) -> Decimal {
    amount.round_dp_with_strategy(0, RoundingStrategy::MidpointAwayFromZero)
}

fn conclude(facts: &Facts, age: i32, working: &Result<Working<'_>, NotOwed>) -> Determination {
    let enrolment = &facts.enrolment;
    // Written by hand in one fixed order: these bytes are compared years later. The texts in it
    // are codes and digits only, so nothing needs escaping.
    let mut explanation = format!("{{\"age\":{age}");
    let mut add = |name: &str, text: Option<&str>| {
        if let Some(text) = text {
            explanation.push_str(&format!(",\"{name}\":\"{text}\""));
        }
    };
    add(
        "granted_amount",
        enrolment.granted_amount.map(|it| it.to_string()).as_deref(),
    );
    add("category", enrolment.category.map(Category::code));
    add("household", enrolment.household.map(Household::code));
    match working {
        Ok(working) => add("working", Some(&working.formula)),
        Err(reason) => add("reason", Some(reason.code())),
    }
    explanation.push('}');
    match working {
        Ok(Working {
            amount,
            rate,
            second,
            ..
        }) => Determination {
            outcome: Outcome::Owed(
                Money::try_from(round(*amount)).expect("rates and grants are not negative"),
            ),
            rate_no: Some(rate.rate_no),
            second_rate_no: second.map(|it| it.rate_no),
            explanation,
        },
        Err(reason) => Determination {
            outcome: Outcome::NotOwed(*reason),
            rate_no: None,
            second_rate_no: None,
            explanation,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(programme: Programme, birth: &str) -> Facts {
        Facts {
            birth_date: birth.parse().unwrap(),
            enrolment: Enrolment {
                province: "01".parse().unwrap(),
                programme,
                granted_amount: None,
                category: None,
                household: None,
            },
        }
    }

    fn december(facts: &Facts) -> Determination {
        let known = NaiveDate::from_ymd_opt(2026, 11, 20).unwrap();
        decide(
            facts,
            "2026-12".parse().unwrap(),
            known,
            &Rates::embedded().unwrap(),
        )
        .unwrap()
    }

    fn pensioner(granted: u64, category: Option<Category>) -> Facts {
        let mut facts = facts(Programme::RetirementPension, "1940");
        facts.enrolment.granted_amount = Some(Money::dong(granted));
        facts.enrolment.category = category;
        facts
    }

    #[test]
    fn the_social_pension_is_owed_by_age_and_household() {
        let owed = Outcome::Owed(Money::dong(540_000));
        for (birth, household, outcome) in [
            ("31/12/1951", None, owed),
            (
                "01/01/1952",
                None,
                Outcome::NotOwed(NotOwed::HouseholdNotPoor),
            ),
            ("01/01/1952", Some(Household::NearPoor), owed),
            ("31/12/1956", Some(Household::Poor), owed),
            (
                "01/01/1957",
                Some(Household::Poor),
                Outcome::NotOwed(NotOwed::BelowAge),
            ),
        ] {
            let mut facts = facts(Programme::SocialPension, birth);
            facts.enrolment.household = household;
            assert_eq!(december(&facts).outcome, outcome, "{birth} {household:?}");
        }
    }

    /// The worked vectors of Circular 14/2026/TT-BNV's group before 1995.
    #[test]
    fn pensions_rise_by_eight_percent_and_old_ones_to_the_floor() {
        for (june, category, december_amount) in [
            (5_200_000, None, 5_616_000),
            (3_200_000, Some(Category::Pre1995), 3_756_000),
            (3_250_000, Some(Category::Pre1995), 3_800_000),
            (3_518_519, Some(Category::Pre1995), 3_800_001),
            (3_200_000, None, 3_456_000),
        ] {
            let outcome = december(&pensioner(june, category)).outcome;
            assert_eq!(
                outcome,
                Outcome::Owed(Money::dong(december_amount)),
                "{june}"
            );
        }
    }

    #[test]
    fn assistance_is_the_standard_times_the_coefficient_of_the_age() {
        for (birth, category, amount) in [
            ("2015", Category::Severe, 1_080_000),
            ("1990", Category::Severe, 810_000),
            ("1960", Category::Severe, 1_080_000),
            ("1990", Category::ExtremelySevere, 1_080_000),
            ("1960", Category::ExtremelySevere, 1_350_000),
        ] {
            let mut facts = facts(Programme::SocialAssistance, birth);
            facts.enrolment.category = Some(category);
            assert_eq!(
                december(&facts).outcome,
                Outcome::Owed(Money::dong(amount)),
                "{birth}"
            );
        }
    }

    /// No law speaks of their age, and a run of all the others does not wait for one.
    #[test]
    fn who_is_born_after_the_period_is_owed_nothing_for_it() {
        let mut facts = facts(Programme::SocialAssistance, "31/12/2026");
        facts.enrolment.category = Some(Category::Severe);
        assert_eq!(
            december(&facts).outcome,
            Outcome::Owed(Money::dong(1_080_000))
        );
        facts.birth_date = "01/01/2027".parse().unwrap();
        assert_eq!(december(&facts).outcome, Outcome::NotOwed(NotOwed::NotBorn));
    }

    #[test]
    fn the_merit_table_is_read_and_not_computed() {
        let mut facts = facts(Programme::MeritAllowance, "1950");
        facts.enrolment.category = Some(Category::Merit("martyr_relative_2"));
        assert_eq!(
            december(&facts).outcome,
            Outcome::Owed(Money::dong(6_024_000))
        );
    }

    #[test]
    fn missing_evidence_pays_nothing_and_says_so() {
        let determination = december(&facts(Programme::MeritAllowance, "1950"));
        assert_eq!(
            determination.outcome,
            Outcome::NotOwed(NotOwed::EvidenceMissing)
        );
        assert_eq!(
            determination.explanation,
            r#"{"age":76,"reason":"evidence_missing"}"#
        );
    }

    #[test]
    fn the_explanation_has_inputs_and_working() {
        let determination = december(&pensioner(3_200_000, Some(Category::Pre1995)));
        assert_eq!(
            determination.explanation,
            r#"{"age":86,"granted_amount":"3200000","category":"pre1995","working":"3200000 × 1.08 + 300000"}"#
        );
    }
}

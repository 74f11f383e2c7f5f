use std::str::FromStr;

use domain::{BirthDate, CitizenNumber, Money, PersonName, Programme, Province, Refusal, Sex};
use intake::{Refused, Row};

/// The columns of a registry file.
pub const HEADER: [&str; 9] = [
    "citizen_number",
    "full_name",
    "birth_date",
    "sex",
    "province",
    "programme",
    "granted_amount",
    "category",
    "household",
];

/// A row that was understood: who, and in which programme.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registration {
    pub line: u64,
    pub citizen_number: CitizenNumber,
    pub name: PersonName,
    pub birth_date: BirthDate,
    pub sex: Sex,
    pub enrolment: Enrolment,
}

/// What a programme knows of a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Enrolment {
    pub province: Province,
    pub programme: Programme,
    /// The monthly pension of June 2026; retirement pension only.
    pub granted_amount: Option<Money>,
    pub category: Option<Category>,
    pub household: Option<Household>,
}

/// The evidence on which a programme pays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Category {
    /// Retired before 1 January 1995 (Decree 162/2026).
    Pre1995,
    /// Severe or extremely severe disability (Decree 20/2021, Article 5 clause 6).
    Severe,
    ExtremelySevere,
    /// A row of the merit table (Decree 77/2024 and its successors).
    Merit(&'static str),
}

/// Result of the yearly poverty review.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Household {
    Poor,
    NearPoor,
}

/// The categories of the merit table; a test holds them against it.
const MERIT: [&str; 21] = [
    "agent_orange_21_40",
    "agent_orange_41_60",
    "agent_orange_61_80",
    "agent_orange_child_61_80",
    "agent_orange_child_81",
    "heroic_mother",
    "martyr_relative_1",
    "martyr_relative_2",
    "martyr_relative_3",
    "martyr_spouse_remarried",
    "prisoner_of_war",
    "resistance_hero",
    "revolution_helper",
    "sick_soldier_41_50",
    "sick_soldier_51_60",
    "sick_soldier_61_70",
    "wounded_21",
    "wounded_41",
    "wounded_61",
    "wounded_b_41",
    "wounded_relative_61",
];

/// Why a row is refused, or the row; with its amount in either case.
pub type Refusable = Result<Registration, Refused>;

impl Category {
    pub fn code(self) -> &'static str {
        match self {
            Category::Pre1995 => "pre1995",
            Category::Severe => "severe",
            Category::ExtremelySevere => "extremely_severe",
            Category::Merit(code) => code,
        }
    }
}

impl Household {
    pub fn code(self) -> &'static str {
        match self {
            Household::Poor => "poor",
            Household::NearPoor => "near_poor",
        }
    }
}

impl FromStr for Household {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<Household, Refusal> {
        match text {
            "poor" => Ok(Household::Poor),
            "near_poor" => Ok(Household::NearPoor),
            _ => Err(Refusal::new(
                "household_invalid",
                "household is poor, near_poor or empty",
            )),
        }
    }
}

impl Category {
    /// The category as its programme writes it, checked against what the programme needs.
    fn parse(programme: Programme, text: &str) -> Result<Option<Category>, Refusal> {
        let invalid = |sentence: &str| Err(Refusal::new("category_invalid", sentence));
        match (programme, text) {
            (Programme::SocialPension | Programme::RetirementPension, "") => Ok(None),
            (Programme::SocialPension, _) => invalid("HTXH has no category"),
            (Programme::RetirementPension, "pre1995") => Ok(Some(Category::Pre1995)),
            (Programme::RetirementPension, _) => {
                invalid("a category of LUONG_HUU is pre1995 or empty")
            }
            (Programme::SocialAssistance, "severe") => Ok(Some(Category::Severe)),
            (Programme::SocialAssistance, "extremely_severe") => {
                Ok(Some(Category::ExtremelySevere))
            }
            (Programme::SocialAssistance, _) => {
                invalid("a category of TCXH is severe or extremely_severe")
            }
            (Programme::MeritAllowance, code) => match MERIT.iter().find(|it| **it == code) {
                Some(code) => Ok(Some(Category::Merit(code))),
                None => invalid("a category of NCC_THANG is a row of the merit table"),
            },
        }
    }

    /// Reads back what was stored.
    pub(crate) fn stored(programme: Programme, code: &str) -> Option<Category> {
        Category::parse(programme, code).ok().flatten()
    }
}

impl Registration {
    /// Reads a row; the first column that is wrong is the one that is told.
    pub fn parse(row: &Row) -> Refusable {
        // Read first, so that a refused row still counts with its amount.
        let amount = row.field(6).parse::<Money>().unwrap_or_default();
        Registration::columns(row).map_err(|it| it.with_amount(amount))
    }

    pub fn amount(&self) -> Money {
        self.enrolment.granted_amount.unwrap_or_default()
    }

    fn columns(row: &Row) -> Refusable {
        let at = |column: usize| move |it: Refusal| Refused::at(row.line, HEADER[column], it);
        let citizen_number: CitizenNumber = row.field(0).parse().map_err(at(0))?;
        let name: PersonName = row.field(1).parse().map_err(at(1))?;
        let birth_date: BirthDate = row.field(2).parse().map_err(at(2))?;
        let sex: Sex = row.field(3).parse().map_err(at(3))?;
        citizen_number.agrees_with(sex, birth_date).map_err(at(0))?;
        let province: Province = row.field(4).parse().map_err(at(4))?;
        let programme: Programme = row.field(5).parse().map_err(at(5))?;
        let granted_amount = granted(programme, row.field(6)).map_err(at(6))?;
        let category = Category::parse(programme, row.field(7)).map_err(at(7))?;
        let household = match row.field(8) {
            "" => None,
            text => Some(text.parse().map_err(at(8))?),
        };
        let enrolment = Enrolment {
            province,
            programme,
            granted_amount,
            category,
            household,
        };
        Ok(Registration {
            line: row.line,
            citizen_number,
            name,
            birth_date,
            sex,
            enrolment,
        })
    }
}

/// Only a retirement pension has an amount of its own; the others are computed from the law.
fn granted(programme: Programme, text: &str) -> Result<Option<Money>, Refusal> {
    match (programme, text) {
        (Programme::RetirementPension, text) => {
            let amount: Money = text.parse()?;
            if amount.is_zero() {
                return Err(Refusal::new("amount_zero", "a pension of 0 đồng is none"));
            }
            Ok(Some(amount))
        }
        (_, "") => Ok(None),
        (_, _) => Err(Refusal::new(
            "amount_not_expected",
            "only LUONG_HUU has a granted amount; the others are computed",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Rates;

    #[test]
    fn the_merit_categories_are_those_of_the_table() {
        let rates = Rates::embedded().unwrap();
        let mut table: Vec<&str> = rates
            .iter()
            .filter_map(|it| it.name.strip_prefix("merit/"))
            .collect();
        table.sort_unstable();
        table.dedup();
        assert_eq!(table, MERIT);
    }
}

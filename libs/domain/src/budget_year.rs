use std::fmt;
use std::str::FromStr;

use chrono::{Datelike, NaiveDate};
use serde::{Deserialize, Serialize};

use crate::Refusal;

/// The year of the State's budget from which something is paid: January to December.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, sqlx::Type,
)]
#[serde(try_from = "i16", into = "i16")]
#[sqlx(transparent)]
pub struct BudgetYear(i16);

impl BudgetYear {
    /// The year of the day on which something is paid.
    ///
    /// # Errors
    /// `budget_year_invalid` for a day that is in none.
    pub fn of(date: NaiveDate) -> Result<BudgetYear, Refusal> {
        BudgetYear::try_from(i16::try_from(date.year()).unwrap_or_default())
    }

    pub fn from_number(number: i16) -> Option<BudgetYear> {
        (2000..=2099)
            .contains(&number)
            .then_some(BudgetYear(number))
    }

    pub fn number(self) -> i16 {
        self.0
    }

    pub fn last_day(self) -> NaiveDate {
        NaiveDate::from_ymd_opt(self.0.into(), 12, 31).expect("every year has a last day")
    }

    /// `None` behind the last one.
    pub fn next(self) -> Option<BudgetYear> {
        BudgetYear::from_number(self.0 + 1)
    }
}

impl TryFrom<i16> for BudgetYear {
    type Error = Refusal;

    fn try_from(number: i16) -> Result<BudgetYear, Refusal> {
        BudgetYear::from_number(number).ok_or_else(|| {
            Refusal::new(
                "budget_year_invalid",
                "a budget year lies between 2000 and 2099",
            )
        })
    }
}

impl From<BudgetYear> for i16 {
    fn from(year: BudgetYear) -> i16 {
        year.0
    }
}

impl FromStr for BudgetYear {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<BudgetYear, Refusal> {
        BudgetYear::try_from(text.parse::<i16>().unwrap_or_default())
    }
}

impl fmt::Display for BudgetYear {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_paid_from_its_year() {
        let of = |text: &str| BudgetYear::of(text.parse().unwrap()).unwrap().number();
        assert_eq!((of("2026-12-31"), of("2027-01-01")), (2026, 2027));
        let year: BudgetYear = "2026".parse().unwrap();
        assert_eq!(year.last_day().to_string(), "2026-12-31");
        assert_eq!(year.next(), BudgetYear::from_number(2027));
        for bad in ["", "26", "1999", "2100", "hai nghìn"] {
            let refused = bad.parse::<BudgetYear>().unwrap_err();
            assert_eq!(refused.code, "budget_year_invalid", "{bad}");
        }
    }
}

use std::fmt;
use std::str::FromStr;

use chrono::{Datelike, Months, NaiveDate};
use serde::{Deserialize, Serialize};

use crate::Refusal;

/// The month a payment is owed for, written `2026-12`; in SQL the first day of the month.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, sqlx::Type,
)]
#[serde(try_from = "String", into = "String")]
#[sqlx(transparent)]
pub struct Period(NaiveDate);

impl Period {
    pub fn of(date: NaiveDate) -> Period {
        Period(date.with_day(1).expect("every month has a first day"))
    }

    pub fn first_day(self) -> NaiveDate {
        self.0
    }

    pub fn last_day(self) -> NaiveDate {
        let next = self.next().0;
        next.pred_opt().expect("years stay in range")
    }

    pub fn next(self) -> Period {
        let next = self.0.checked_add_months(Months::new(1));
        Period(next.expect("years stay in range"))
    }

    pub fn before(self) -> Period {
        let before = self.0.checked_sub_months(Months::new(1));
        Period(before.expect("years stay in range"))
    }
}

impl FromStr for Period {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<Period, Refusal> {
        let refusal = || Refusal::new("period_invalid", "a period is written 2026-12");
        let (year, month) = text.split_once('-').ok_or_else(refusal)?;
        if year.len() != 4 || month.len() != 2 {
            return Err(refusal());
        }
        let year: i32 = year.parse().map_err(|_| refusal())?;
        let month: u32 = month.parse().map_err(|_| refusal())?;
        if !(1990..=2199).contains(&year) {
            return Err(refusal());
        }
        NaiveDate::from_ymd_opt(year, month, 1)
            .map(Period)
            .ok_or_else(refusal)
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.format("%Y-%m"))
    }
}

impl TryFrom<String> for Period {
    type Error = Refusal;

    fn try_from(text: String) -> Result<Period, Refusal> {
        text.parse()
    }
}

impl From<Period> for String {
    fn from(period: Period) -> String {
        period.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_period_is_a_month() {
        let period: Period = "2026-02".parse().unwrap();
        assert_eq!(
            period.last_day(),
            NaiveDate::from_ymd_opt(2026, 2, 28).unwrap()
        );
        assert_eq!(period.next().to_string(), "2026-03");
        assert_eq!(period.before().before().to_string(), "2025-12");
        for bad in ["2026-13", "2026-1", "26-01", "2026-02-01", "2026/02", ""] {
            assert_eq!(
                bad.parse::<Period>().unwrap_err().code,
                "period_invalid",
                "{bad}"
            );
        }
    }
}

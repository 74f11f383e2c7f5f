//! What becomes of money that a budget year leaves.

use chrono::NaiveDate;
use domain::{BudgetYear, Money, Officer};
use messaging::Problem;
use serde::{Deserialize, Serialize};

use crate::Error;
use crate::funding::Fund;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, sqlx::Type)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum Surplus {
    /// To the treasury, whose cash it is again.
    GivenBack,
    /// To the same fund of the next year, by a decision.
    CarriedOver,
}

/// A year's closing as it waits for its checker.
#[derive(Debug)]
pub(crate) struct Closing {
    pub fund: Fund,
    pub how: Surplus,
    pub reference: String,
    pub maker: Officer,
    pub checker: Option<Officer>,
    /// What it moved, once it is approved.
    pub amount: Option<Money>,
}

impl Surplus {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Surplus::GivenBack => "given_back",
            Surplus::CarriedOver => "carried_over",
        }
    }
}

/// Money of a year is its runs' until its last day is over; pure.
pub(crate) fn refuse_early(year: BudgetYear, today: NaiveDate) -> Result<(), Error> {
    if today > year.last_day() {
        return Ok(());
    }
    let detail = format!("the budget of {year} is spent until {}", year.last_day());
    Err(Problem::new(409, "year_not_over", detail).into())
}

impl Closing {
    /// Refuses a checker who may not be one, and one who comes second; pure.
    pub(crate) fn allow(&self, officer: &Officer) -> Result<(), Error> {
        if let Some(checker) = &self.checker {
            let detail = format!("{checker} has approved {} already", self.reference);
            return Err(Problem::new(409, "already_approved", detail).into());
        }
        if self.maker == *officer {
            let detail = format!("{officer} ordered it and may not approve it as well");
            return Err(Problem::new(403, "same_person", detail).into());
        }
        Ok(())
    }

    /// Where the surplus goes, where it is carried over.
    pub(crate) fn next(&self) -> Result<Fund, Error> {
        let year = self.fund.year.next();
        let year = year.ok_or_else(|| {
            Problem::new(422, "budget_year_invalid", "no budget follows that year")
        })?;
        Ok(Fund { year, ..self.fund })
    }
}

/// There is something to give back or to carry over.
pub(crate) fn refuse_nothing(left: Money) -> Result<(), Error> {
    if left.is_zero() {
        let detail = "nothing is left of the year";
        return Err(Problem::new(409, "nothing_left", detail).into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::Programme;

    #[test]
    fn a_year_is_closed_when_it_is_over_and_by_two() {
        let year = BudgetYear::from_number(2026).unwrap();
        let code = |result: Result<(), Error>| result.map_err(|it| Problem::from(it).code);
        let on = |day: &str| code(refuse_early(year, day.parse().unwrap()));
        assert_eq!(on("2026-12-31"), Err("year_not_over".to_owned()));
        assert_eq!(on("2027-01-01"), Ok(()));
        let officer = |name: &str| name.parse::<Officer>().unwrap();
        let mut closing = Closing {
            fund: Fund {
                programme: Programme::SocialPension,
                province: None,
                year,
            },
            how: Surplus::CarriedOver,
            reference: "QĐ 9/2027".to_owned(),
            maker: officer("pham.dung"),
            checker: None,
            amount: None,
        };
        assert_eq!(closing.next().unwrap().year.number(), 2027);
        let own = closing.allow(&officer("pham.dung"));
        assert_eq!(code(own), Err("same_person".to_owned()));
        assert_eq!(code(closing.allow(&officer("vo.hoa"))), Ok(()));
        closing.checker = Some(officer("vo.hoa"));
        let again = closing.allow(&officer("le.binh"));
        assert_eq!(code(again), Err("already_approved".to_owned()));
        assert_eq!(
            code(refuse_nothing(Money::ZERO)),
            Err("nothing_left".to_owned())
        );
    }
}

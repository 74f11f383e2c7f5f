use chrono::NaiveDate;
use domain::{Period, Programme};
use rust_decimal::Decimal;
use serde::Deserialize;

use crate::Error;

/// One value of the law on two time axes: from when it is owed, and from when it may be applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rate {
    /// The row's number in the embedded files and the database.
    pub rate_no: i32,
    /// `sa_standard`, `coefficient/severe`, `merit/martyr_relative_1`, …
    pub name: String,
    /// Đồng or a ratio, exact.
    pub value: Decimal,
    /// Full years of age for which it holds: from, and up to but without.
    pub age_from: Option<i32>,
    pub age_to: Option<i32>,
    pub valid_from: NaiveDate,
    pub valid_to: Option<NaiveDate>,
    pub known_from: NaiveDate,
    pub legal_basis: String,
    pub confidence: String,
}

/// All rates; asked for one, it gives the one that holds.
#[derive(Debug, Clone)]
pub struct Rates(Vec<Rate>);

const PARAMETERS: &str = include_str!("../programmes/parameters.csv");
const COEFFICIENTS: &str = include_str!("../programmes/coefficients.csv");
const MERIT: &str = include_str!("../programmes/merit.csv");

#[derive(Deserialize)]
struct Line {
    #[serde(alias = "parameter")]
    name: Option<String>,
    programme: Option<Programme>,
    category: Option<String>,
    age_from: Option<i32>,
    age_to: Option<i32>,
    #[serde(alias = "coefficient", alias = "amount")]
    value: String,
    valid_from: NaiveDate,
    valid_to: Option<NaiveDate>,
    known_from: NaiveDate,
    legal_basis: String,
    confidence: String,
}

impl Rates {
    /// The rates that ship with this version, numbered in file order.
    pub fn embedded() -> Result<Rates, Error> {
        let mut rates = Vec::new();
        for (file, text) in [
            ("parameters.csv", PARAMETERS),
            ("coefficients.csv", COEFFICIENTS),
            ("merit.csv", MERIT),
        ] {
            // Each file numbers from its own thousand, so that a new row moves no other number.
            let base = match file {
                "parameters.csv" => 1000,
                "coefficients.csv" => 2000,
                _ => 3000,
            };
            for (number, line) in
                (base..).zip(csv::Reader::from_reader(text.as_bytes()).deserialize::<Line>())
            {
                let broken = |it: &dyn std::fmt::Display| Error::Rates(format!("{file}: {it}"));
                rates.push(
                    line.map_err(|it| broken(&it))?
                        .rate(number)
                        .map_err(|it| broken(&it))?,
                );
            }
        }
        Ok(Rates(rates))
    }

    pub fn new(rates: Vec<Rate>) -> Rates {
        Rates(rates)
    }

    pub fn iter(&self) -> impl Iterator<Item = &Rate> {
        self.0.iter()
    }

    /// The rate of a name owed for the period, as known on a day: of those that are valid on the
    /// period's first day and known by then, the one that became known last.
    pub fn holding(
        &self,
        name: &str,
        age: i32,
        period: Period,
        known: NaiveDate,
    ) -> Result<&Rate, Error> {
        let day = period.first_day();
        let holds = |it: &&Rate| {
            it.name == name
                && it.valid_from <= day
                && it.valid_to.is_none_or(|to| day <= to)
                && it.known_from <= known
                && it.age_from.is_none_or(|from| from <= age)
                && it.age_to.is_none_or(|to| age < to)
        };
        let found = self
            .0
            .iter()
            .filter(holds)
            .max_by_key(|it| (it.known_from, it.valid_from));
        found.ok_or_else(|| Error::NoRate {
            name: name.to_owned(),
            period,
            known,
        })
    }
}

impl Line {
    fn rate(self, rate_no: i32) -> Result<Rate, String> {
        let name = match (self.name, self.programme, self.category) {
            (Some(name), ..) => name,
            (None, Some(_), Some(category)) => format!("coefficient/{category}"),
            (None, None, Some(category)) => format!("merit/{category}"),
            _ => return Err("a row names a parameter or a category".to_owned()),
        };
        let value = Decimal::from_str_exact(&self.value).map_err(|it| it.to_string())?;
        Ok(Rate {
            rate_no,
            name,
            value,
            age_from: self.age_from,
            age_to: self.age_to,
            valid_from: self.valid_from,
            valid_to: self.valid_to,
            known_from: self.known_from,
            legal_basis: self.legal_basis,
            confidence: self.confidence,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    #[test]
    fn a_decree_applies_from_the_day_it_is_known() {
        let rates = Rates::embedded().unwrap();
        let period: Period = "2026-07".parse().unwrap();
        let value = |known| {
            rates
                .holding("social_pension", 80, period, day(known))
                .unwrap()
                .value
        };
        assert_eq!(value("2026-08-01"), Decimal::from(500_000));
        assert_eq!(value("2026-10-05"), Decimal::from(540_000));
    }

    #[test]
    fn nothing_is_owed_by_a_law_that_is_not_in_force() {
        let rates = Rates::embedded().unwrap();
        let missing = rates.holding(
            "social_pension",
            80,
            "2020-01".parse().unwrap(),
            day("2026-12-01"),
        );
        assert!(matches!(missing, Err(Error::NoRate { .. })));
    }

    #[test]
    fn every_rate_has_its_law() {
        for rate in Rates::embedded().unwrap().iter() {
            assert!(rate.legal_basis.starts_with("Nghị định"), "{}", rate.name);
            assert!(
                rate.valid_to.is_none_or(|it| it >= rate.valid_from),
                "{}",
                rate.name
            );
        }
    }
}

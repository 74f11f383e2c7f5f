use std::str::FromStr;

use chrono::{Datelike, NaiveDate};

use crate::Refusal;

/// A date of birth, whose day and month may be unknown: many old people have a year only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BirthDate {
    date: NaiveDate,
    year_only: bool,
}

impl BirthDate {
    /// Puts together what was stored; an unknown day is the first of January.
    pub fn stored(date: NaiveDate, year_only: bool) -> BirthDate {
        BirthDate { date, year_only }
    }

    pub fn year(self) -> i32 {
        self.date.year()
    }

    pub fn date(self) -> NaiveDate {
        self.date
    }

    pub fn is_year_only(self) -> bool {
        self.year_only
    }

    /// As events carry it: `1948-05-12`, or `1948` where the papers know the year alone.
    pub fn to_iso(self) -> String {
        if self.year_only {
            format!("{:04}", self.date.year())
        } else {
            self.date.format("%Y-%m-%d").to_string()
        }
    }

    /// Full years of age on `day`. A birthday on 29 February counts from 28 February in other
    /// years; an unknown birthday counts as the first of January.
    pub fn age_on(self, day: NaiveDate) -> i32 {
        let birthday = self
            .date
            .with_year(day.year())
            .or_else(|| NaiveDate::from_ymd_opt(day.year(), 2, 28))
            .expect("28 February exists every year");
        day.year() - self.date.year() - i32::from(day < birthday)
    }
}

/// `dd/mm/yyyy` or `yyyy`.
impl FromStr for BirthDate {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<BirthDate, Refusal> {
        let refusal = || {
            Refusal::new(
                "birth_date_invalid",
                "a date of birth is written dd/mm/yyyy or yyyy",
            )
        };
        let digits =
            |it: &str, len: usize| it.len() == len && it.bytes().all(|b| b.is_ascii_digit());
        let fields: Vec<&str> = text.split('/').collect();
        let (day, month, year, year_only) = match fields[..] {
            [year] if digits(year, 4) => ("01", "01", year, true),
            [day, month, year] if digits(day, 2) && digits(month, 2) && digits(year, 4) => {
                (day, month, year, false)
            }
            _ => return Err(refusal()),
        };
        let number = |it: &str| it.parse::<u32>().expect("checked digits");
        let year: i32 = year.parse().expect("checked digits");
        if !(1900..=2199).contains(&year) {
            return Err(refusal());
        }
        let date = NaiveDate::from_ymd_opt(year, number(month), number(day)).ok_or_else(refusal)?;
        Ok(BirthDate { date, year_only })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn age_counts_full_years() {
        let day = |y, m, d| NaiveDate::from_ymd_opt(y, m, d).unwrap();
        let born: BirthDate = "29/02/1952".parse().unwrap();
        assert_eq!(born.age_on(day(2027, 2, 27)), 74);
        assert_eq!(born.age_on(day(2027, 2, 28)), 75);
        let year_only: BirthDate = "1951".parse().unwrap();
        assert_eq!(year_only.age_on(day(2026, 1, 1)), 75);
    }

    #[test]
    fn events_carry_no_more_than_the_papers_know() {
        for (papers, said) in [("12/05/1948", "1948-05-12"), ("1948", "1948")] {
            assert_eq!(papers.parse::<BirthDate>().unwrap().to_iso(), said);
        }
    }

    #[test]
    fn dates_that_do_not_exist_are_refused() {
        for bad in [
            "31/02/1950",
            "1/2/1950",
            "1950-01-01",
            "50",
            "12/1950",
            "1899",
            "",
        ] {
            assert_eq!(
                bad.parse::<BirthDate>().unwrap_err().code,
                "birth_date_invalid",
                "{bad}"
            );
        }
    }
}

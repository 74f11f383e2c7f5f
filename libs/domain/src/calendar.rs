//! Which days the State works: weekends, public holidays, days off in lieu, and the Saturdays that
//! are worked for them (Labour Code 45/2019/QH14, Articles 111 and 112, and the decision of each
//! year).

use std::collections::BTreeMap;
use std::sync::LazyLock;

use chrono::{Datelike, NaiveDate, Weekday};

/// The working days of the years whose holidays are known.
#[derive(Debug, Clone)]
pub struct WorkingDays {
    /// Days that are not what their weekday says, and holidays that fall on weekends.
    days: BTreeMap<NaiveDate, NamedDay>,
    /// What was decided since, before which the others give way.
    decided: BTreeMap<NaiveDate, NamedDay>,
    first_year: i32,
    last_year: i32,
}

/// A day that the calendar names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NamedDay {
    pub kind: DayKind,
    pub confidence: Confidence,
    /// In Vietnamese.
    pub name: &'static str,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DayKind {
    Holiday,
    /// Off because a holiday falls on a weekend, or for a Saturday that is worked.
    InLieu,
    /// A Saturday that is worked for a day off in lieu.
    Working,
}

/// How sure a day is, the surest last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Confidence {
    /// Computed from the law: the year's decision was not known and may move days.
    Low,
    /// Law or decision known at second hand.
    Medium,
    /// As decided for the year.
    High,
}

/// Why a day cannot be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CalendarError {
    /// A guess would be wrong around every Tết.
    #[error("the holidays of {year} are not known, only those of {first_year} to {last_year}")]
    UnknownYear {
        year: i32,
        first_year: i32,
        last_year: i32,
    },
}

/// How the calendar names the first day of the lunar year.
const TET: &str = "Tết Nguyên Đán";
/// The name of a day that is only what a decision made it.
const DECIDED: &str = "Theo quyết định";

static VIET_NAM: LazyLock<WorkingDays> = LazyLock::new(|| {
    let lines = include_str!("../data/working_days.csv").lines().skip(1);
    let days = lines.map(|it| named(it).expect("a row is day, kind, confidence and name"));
    WorkingDays::of(days.collect())
});

fn named(line: &'static str) -> Option<(NaiveDate, NamedDay)> {
    let mut fields = line.splitn(4, ',');
    let day = fields.next()?.parse().ok()?;
    let kind = match fields.next()? {
        "holiday" => DayKind::Holiday,
        "in_lieu" => DayKind::InLieu,
        "working" => DayKind::Working,
        _ => return None,
    };
    let confidence = Confidence::from_code(fields.next()?)?;
    let name = fields.next()?;
    let named = NamedDay {
        kind,
        confidence,
        name,
    };
    Some((day, named))
}

impl Confidence {
    pub fn from_code(code: &str) -> Option<Confidence> {
        let all = [Confidence::Low, Confidence::Medium, Confidence::High];
        all.into_iter().find(|it| it.as_str() == code)
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Confidence::Low => "low",
            Confidence::Medium => "medium",
            Confidence::High => "high",
        }
    }
}

impl WorkingDays {
    /// The calendar of Viet Nam that the program carries.
    pub fn viet_nam() -> &'static WorkingDays {
        &VIET_NAM
    }

    fn of(days: BTreeMap<NaiveDate, NamedDay>) -> WorkingDays {
        let year = |it: Option<(&NaiveDate, &NamedDay)>| it.map_or(0, |(day, _)| day.year());
        WorkingDays {
            first_year: year(days.first_key_value()),
            last_year: year(days.last_key_value()),
            days,
            decided: BTreeMap::new(),
        }
    }

    /// This calendar with what was decided since: days off, and days that are worked. Of years
    /// that are not known it says no more than before.
    pub fn with(&self, decided: impl IntoIterator<Item = (NaiveDate, DayKind)>) -> WorkingDays {
        let mut with = WorkingDays {
            days: self.days.clone(),
            decided: self.decided.clone(),
            ..*self
        };
        for (day, kind) in decided {
            // The feast stays what it is, whoever works on it.
            let name = self.days.get(&day).map_or(DECIDED, |it| it.name);
            let named = NamedDay {
                kind,
                confidence: Confidence::High,
                name,
            };
            with.decided.insert(day, named);
        }
        with
    }

    /// The first day of the lunar year, Mùng một Tết, that falls in `year`.
    ///
    /// # Errors
    /// [`CalendarError::UnknownYear`]
    pub fn tet(&self, year: i32) -> Result<NaiveDate, CalendarError> {
        self.known(year)?;
        let mut of_year = self.days.iter().filter(|(day, _)| day.year() == year);
        let tet = of_year.find(|(_, it)| it.name == TET);
        Ok(*tet.expect("each known year has its Tết").0)
    }

    /// # Errors
    /// [`CalendarError::UnknownYear`]
    pub fn is_working_day(&self, day: NaiveDate) -> Result<bool, CalendarError> {
        let weekend = matches!(day.weekday(), Weekday::Sat | Weekday::Sun);
        Ok(match self.named(day)?.map(|it| it.kind) {
            Some(DayKind::Working) => true,
            Some(DayKind::Holiday | DayKind::InLieu) => false,
            None => !weekend,
        })
    }

    /// The first working day after `day`, whatever `day` is.
    ///
    /// # Errors
    /// [`CalendarError::UnknownYear`], also where the search leaves the known years.
    pub fn next_working_day(&self, day: NaiveDate) -> Result<NaiveDate, CalendarError> {
        self.working_day_from(self.day_after(day)?)
    }

    /// `day` where it is worked, else the first working day after it: what is due on a day off is
    /// due then (Civil Code 91/2015/QH13, Article 148).
    ///
    /// # Errors
    /// [`CalendarError::UnknownYear`], also where the search leaves the known years.
    pub fn working_day_from(&self, day: NaiveDate) -> Result<NaiveDate, CalendarError> {
        let mut found = day;
        while !self.is_working_day(found)? {
            found = self.day_after(found)?;
        }
        Ok(found)
    }

    /// `day` where it is worked, else the last working day before it: for what has to be done
    /// *before* a day, which no day off makes later.
    ///
    /// # Errors
    /// [`CalendarError::UnknownYear`], also where the search leaves the known years.
    pub fn working_day_until(&self, day: NaiveDate) -> Result<NaiveDate, CalendarError> {
        let mut found = day;
        while !self.is_working_day(found)? {
            found = self.day_before(found)?;
        }
        Ok(found)
    }

    /// The working day that has `count` working days after it up to and with `day`, itself the
    /// last working day until then; for none as [`Self::working_day_until`].
    ///
    /// # Errors
    /// [`CalendarError::UnknownYear`], also where the search leaves the known years.
    pub fn working_days_before(
        &self,
        day: NaiveDate,
        count: u32,
    ) -> Result<NaiveDate, CalendarError> {
        let mut found = self.working_day_until(day)?;
        for _ in 0..count {
            found = self.working_day_until(self.day_before(found)?)?;
        }
        Ok(found)
    }

    /// The last day of a term of `count` working days. The day from which it is counted is not one
    /// of them (Civil Code, Article 147); a term of none ends as [`Self::working_day_from`].
    ///
    /// # Errors
    /// [`CalendarError::UnknownYear`], also where the term leaves the known years.
    pub fn add_working_days(&self, day: NaiveDate, count: u32) -> Result<NaiveDate, CalendarError> {
        if count == 0 {
            return self.working_day_from(day);
        }
        let mut last = day;
        for _ in 0..count {
            last = self.next_working_day(last)?;
        }
        Ok(last)
    }

    /// What the calendar says of a day by name; `None` where it is as its weekday is.
    ///
    /// # Errors
    /// [`CalendarError::UnknownYear`]
    pub fn named(&self, day: NaiveDate) -> Result<Option<NamedDay>, CalendarError> {
        self.known(day.year())?;
        let named = self.decided.get(&day).or_else(|| self.days.get(&day));
        Ok(named.copied())
    }

    /// How sure it is what a day is. A day without a name is as sure as its year: a decision that
    /// is to come may make it a day off, or a Saturday worked.
    ///
    /// # Errors
    /// [`CalendarError::UnknownYear`]
    pub fn confidence(&self, day: NaiveDate) -> Result<Confidence, CalendarError> {
        if let Some(named) = self.named(day)? {
            return Ok(named.confidence);
        }
        let of_year = self.days.iter().filter(|(it, _)| it.year() == day.year());
        let decided = of_year.map(|(_, it)| it.confidence).max();
        Ok(decided.unwrap_or(Confidence::Low))
    }

    fn known(&self, year: i32) -> Result<(), CalendarError> {
        if (self.first_year..=self.last_year).contains(&year) {
            return Ok(());
        }
        Err(CalendarError::UnknownYear {
            year,
            first_year: self.first_year,
            last_year: self.last_year,
        })
    }

    fn day_before(&self, day: NaiveDate) -> Result<NaiveDate, CalendarError> {
        self.known(day.year())?;
        Ok(day
            .pred_opt()
            .expect("a known year is not the first of all"))
    }

    fn day_after(&self, day: NaiveDate) -> Result<NaiveDate, CalendarError> {
        self.known(day.year())?;
        Ok(day.succ_opt().expect("a known year is not the last of all"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    #[test]
    fn days_are_worked_or_not() {
        for (text, worked) in [
            ("2025-04-26", true), // the Saturday for Friday 2 May
            ("2025-05-02", false),
            ("2026-01-02", false),
            ("2026-01-10", true), // for the day after New Year
            ("2026-02-13", true),
            ("2026-02-14", false), // Saturday before Tết
            ("2026-02-16", false),
            ("2026-02-17", false),
            ("2026-02-18", false),
            ("2026-02-19", false),
            ("2026-02-20", false),
            ("2026-02-23", true),
            ("2026-04-26", false), // Hung Kings on a Sunday
            ("2026-04-27", false), // and the Monday for it
            ("2026-04-28", true),
            ("2026-08-15", false), // a Saturday
            ("2026-08-22", true),  // the Saturday that is worked
            ("2026-08-23", false),
            ("2026-08-31", false), // for this Monday
            ("2026-09-03", true),
            ("2026-11-23", true),
            ("2026-11-24", false), // Vietnam Cultural Day, the first time
            ("2026-11-25", true),
            ("2025-11-24", true),
            ("2027-05-03", false),
            ("2028-12-29", true),
        ] {
            let is = WorkingDays::viet_nam().is_working_day(day(text)).unwrap();
            assert_eq!(is, worked, "{text}");
        }
    }

    #[test]
    fn terms_are_counted_in_working_days() {
        let days = WorkingDays::viet_nam();
        for (from, count, last) in [
            ("2026-12-01", 2, "2026-12-03"),
            ("2026-12-03", 2, "2026-12-07"), // Thursday, over a weekend
            ("2026-12-05", 2, "2026-12-08"), // heard on a Saturday
            ("2026-02-13", 2, "2026-02-24"), // over the whole of Tết
            ("2026-08-21", 1, "2026-08-22"), // to the Saturday that is worked
            ("2026-08-28", 1, "2026-09-03"), // over National Day
            ("2026-11-23", 2, "2026-11-26"),
            ("2026-12-30", 2, "2027-01-04"), // into a year that is computed
            ("2026-12-01", 0, "2026-12-01"),
            ("2026-12-05", 0, "2026-12-07"),
            ("2026-12-01", 10, "2026-12-15"),
        ] {
            let found = days.add_working_days(day(from), count);
            assert_eq!(found, Ok(day(last)), "{from} and {count}");
        }
    }

    #[test]
    fn what_is_due_before_a_day_is_done_on_a_working_day() {
        let days = WorkingDays::viet_nam();
        for (day_before, count, found) in [
            ("2026-12-24", 0, "2026-12-24"),
            ("2026-01-24", 0, "2026-01-23"), // a Saturday
            ("2026-02-19", 0, "2026-02-13"), // in the middle of Tết
            ("2026-08-23", 0, "2026-08-22"), // a Sunday after a Saturday that is worked
            ("2026-08-24", 1, "2026-08-22"),
            ("2026-09-03", 1, "2026-08-28"), // over National Day and its day in lieu
            ("2027-01-04", 1, "2026-12-31"), // out of the year
            ("2027-02-12", 3, "2027-02-02"), // over the Tết that is computed
        ] {
            let is = days.working_days_before(day(day_before), count);
            assert_eq!(is, Ok(day(found)), "{day_before} and {count}");
        }
        assert!(days.working_days_before(day("2025-01-03"), 3).is_err());
    }

    #[test]
    fn each_year_has_its_tet() {
        let tet = |year| WorkingDays::viet_nam().tet(year).map(|it| it.to_string());
        let found: Vec<String> = (2025..=2028).map(|it| tet(it).unwrap()).collect();
        assert_eq!(
            found,
            ["2025-01-29", "2026-02-17", "2027-02-06", "2028-01-26"]
        );
        assert!(tet(2029).is_err());
    }

    #[test]
    fn a_decision_makes_days_worked_or_off() {
        let decided = [
            (day("2027-02-13"), DayKind::Working), // a Saturday
            (day("2027-02-11"), DayKind::InLieu),  // for the day after Tết
            (day("2027-04-16"), DayKind::Working), // Hung Kings, worked after all
            (day("2029-01-02"), DayKind::Holiday),
        ];
        let days = WorkingDays::viet_nam().with(decided);
        let worked = |it| days.is_working_day(day(it));
        assert_eq!(worked("2027-02-13"), Ok(true));
        assert_eq!(worked("2027-02-11"), Ok(false));
        assert_eq!(worked("2027-04-16"), Ok(true));
        assert_eq!(worked("2027-02-12"), Ok(true));
        assert!(worked("2029-01-02").is_err());
        let confidence = |it| days.confidence(day(it));
        assert_eq!(confidence("2027-02-13"), Ok(Confidence::High));
        assert_eq!(confidence("2027-02-12"), Ok(Confidence::Low));
        assert_eq!(days.tet(2027), Ok(day("2027-02-06")));
        let before = WorkingDays::viet_nam().is_working_day(day("2027-02-13"));
        assert_eq!(before, Ok(false));
    }

    /// Pay day is the first working day of the month.
    #[test]
    fn a_pay_day_on_a_day_off_moves_to_the_next_working_day() {
        let days = WorkingDays::viet_nam();
        for (from, found, after) in [
            ("2026-01-01", "2026-01-05", "2026-01-05"),
            ("2026-05-01", "2026-05-04", "2026-05-04"),
            ("2026-09-01", "2026-09-03", "2026-09-03"),
            ("2026-10-01", "2026-10-01", "2026-10-02"),
            ("2028-01-01", "2028-01-04", "2028-01-04"),
        ] {
            assert_eq!(days.working_day_from(day(from)), Ok(day(found)), "{from}");
            assert_eq!(days.next_working_day(day(from)), Ok(day(after)), "{from}");
        }
    }

    #[test]
    fn a_year_that_is_not_known_is_no_guess() {
        let days = WorkingDays::viet_nam();
        let unknown = |year| CalendarError::UnknownYear {
            year,
            first_year: 2025,
            last_year: 2028,
        };
        assert_eq!(days.is_working_day(day("2024-12-31")), Err(unknown(2024)));
        assert_eq!(days.next_working_day(day("2024-12-31")), Err(unknown(2024)));
        assert_eq!(days.next_working_day(day("2028-12-29")), Err(unknown(2029)));
        let over = days.add_working_days(day("2028-12-28"), 2);
        assert_eq!(over, Err(unknown(2029)));
        assert_eq!(days.named(NaiveDate::MAX), Err(unknown(262_142)));
    }

    #[test]
    fn a_day_is_as_sure_as_its_source() {
        let sure = |text| WorkingDays::viet_nam().confidence(day(text)).unwrap();
        assert_eq!(sure("2026-02-17"), Confidence::High);
        assert_eq!(sure("2026-03-02"), Confidence::High);
        assert_eq!(sure("2026-11-24"), Confidence::Medium);
        assert_eq!(sure("2027-02-08"), Confidence::Low);
        assert_eq!(sure("2027-03-01"), Confidence::Low);
    }

    /// Each Saturday that is worked has its day off, or somebody forgot a row.
    #[test]
    fn saturdays_are_worked_for_a_day_off() {
        let days = &WorkingDays::viet_nam().days;
        let worked = days.iter().filter(|(_, it)| it.kind == DayKind::Working);
        for (saturday, _) in worked.clone() {
            assert_eq!(saturday.weekday(), Weekday::Sat, "{saturday}");
            let written = saturday.format("%d/%m/%Y").to_string();
            let off = days
                .values()
                .find(|it| it.kind == DayKind::InLieu && it.name.contains(&written));
            assert!(off.is_some(), "{saturday}");
        }
        assert_eq!(worked.count(), 3);
    }
}

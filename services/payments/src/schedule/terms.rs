//! The terms of pay days by programme and the cut-offs of institutions: data, with their sources.

use std::sync::LazyLock;

use chrono::{Datelike, NaiveDate, NaiveTime};
use domain::calendar::{CalendarError, Confidence, WorkingDays};
use domain::{Institution, Period, Programme};

/// When a programme pays and what has to be done before, from a period on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Terms {
    pub programme: Programme,
    pub valid_from: Period,
    /// The day of the month on which it is paid, where that is worked.
    pub day: u32,
    pub on_day_off: OnDayOff,
    /// The month after that of Tết is paid together with it.
    pub with_tet: bool,
    /// The list is frozen and handed over before this day of the month before.
    pub freeze_before: u32,
    /// What was paid is reported before this day of the month.
    pub report_before: u32,
    /// Working days from the opening until the list has to be frozen.
    pub open_lead: u32,
    /// Working days from the last approval to the pay day.
    pub approve_lead: u32,
    pub confidence: Confidence,
    pub source: &'static str,
}

/// What becomes of a pay day that is not worked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OnDayOff {
    Next,
    Previous,
}

/// Until when institutions take what is to be booked on a day, by the day from which it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CutOffs(Vec<CutOff>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct CutOff {
    institution: Institution,
    from: NaiveDate,
    at: NaiveTime,
}

static TERMS: LazyLock<Vec<Terms>> = LazyLock::new(|| {
    let lines = include_str!("../../data/pay_days.csv").lines().skip(1);
    let terms = lines.map(|it| terms_of(it).expect("a row is the terms of a programme"));
    terms.collect()
});

static CUT_OFFS: LazyLock<CutOffs> = LazyLock::new(|| {
    let lines = include_str!("../../data/cut_offs.csv").lines().skip(1);
    let cut_offs = lines.map(|it| cut_off_of(it).expect("a row is institution, day and time"));
    CutOffs(cut_offs.collect())
});

fn terms_of(line: &'static str) -> Option<Terms> {
    let mut fields = line.splitn(11, ',');
    let mut next = || fields.next();
    Some(Terms {
        programme: next()?.parse().ok()?,
        valid_from: next()?.parse().ok()?,
        day: next()?.parse().ok().filter(|it| (1..=28).contains(it))?,
        on_day_off: match next()? {
            "next" => OnDayOff::Next,
            "previous" => OnDayOff::Previous,
            _ => return None,
        },
        with_tet: match next()? {
            "yes" => true,
            "no" => false,
            _ => return None,
        },
        freeze_before: next()?.parse().ok().filter(|it| (2..=28).contains(it))?,
        report_before: next()?.parse().ok().filter(|it| (2..=28).contains(it))?,
        open_lead: next()?.parse().ok()?,
        approve_lead: next()?.parse().ok()?,
        confidence: Confidence::from_code(next()?)?,
        source: next()?,
    })
}

fn cut_off_of(line: &str) -> Option<CutOff> {
    let mut fields = line.splitn(5, ',');
    Some(CutOff {
        institution: fields.next()?.parse().ok()?,
        from: fields.next()?.parse().ok()?,
        at: NaiveTime::parse_from_str(fields.next()?, "%H:%M").ok()?,
    })
}

impl Terms {
    /// The terms that hold for a period; `None` where the programme does not pay by the month.
    pub fn of(programme: Programme, period: Period) -> Option<&'static Terms> {
        let of_programme = TERMS.iter().filter(|it| it.programme == programme);
        of_programme
            .filter(|it| it.valid_from <= period)
            .max_by_key(|it| it.valid_from)
    }

    /// When a period is paid by these terms alone.
    pub fn pay_day(&self, days: &WorkingDays, period: Period) -> Result<NaiveDate, CalendarError> {
        let day = day_of(period, self.day);
        match self.on_day_off {
            OnDayOff::Next => days.working_day_from(day),
            OnDayOff::Previous => days.working_day_until(day),
        }
    }
}

impl CutOffs {
    /// Those that the program carries.
    pub fn shipped() -> &'static CutOffs {
        &CUT_OFFS
    }

    /// These and what was decided since; of two for the same day the later decision holds.
    pub fn with(
        &self,
        decided: impl IntoIterator<Item = (Institution, NaiveDate, NaiveTime)>,
    ) -> CutOffs {
        let decided = decided.into_iter().map(|(institution, from, at)| CutOff {
            institution,
            from,
            at,
        });
        CutOffs(self.0.iter().cloned().chain(decided).collect())
    }

    /// `None` where nothing is known of the institution on the day.
    pub fn of(&self, institution: Institution, day: NaiveDate) -> Option<NaiveTime> {
        let of_institution = self.0.iter().filter(|it| it.institution == institution);
        let holding = of_institution.filter(|it| it.from <= day);
        holding.max_by_key(|it| it.from).map(|it| it.at)
    }

    /// Until when all institutions take what is to be booked on the day: a run goes to all.
    pub fn earliest(&self, day: NaiveDate) -> Option<NaiveTime> {
        let connected = Institution::connected().map(|it| self.of(it.institution, day));
        connected.collect::<Option<Vec<_>>>()?.into_iter().min()
    }
}

/// A day that every month has.
pub(super) fn day_of(period: Period, day: u32) -> NaiveDate {
    let of_month = period.first_day().with_day(day);
    of_month.expect("terms name days from 1 to 28")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pay_day_off_is_paid_before_or_after() {
        let days = WorkingDays::viet_nam();
        for (day, on_day_off, period, found) in [
            (1, OnDayOff::Next, "2027-08", "2027-08-02"), // a Sunday
            (1, OnDayOff::Previous, "2027-08", "2027-07-30"),
            (1, OnDayOff::Next, "2026-09", "2026-09-03"), // National Day
            (1, OnDayOff::Previous, "2026-09", "2026-08-28"),
            (22, OnDayOff::Next, "2026-08", "2026-08-22"), // a Saturday that is worked
            (17, OnDayOff::Next, "2026-02", "2026-02-23"), // Tết
            (17, OnDayOff::Previous, "2026-02", "2026-02-13"),
            (5, OnDayOff::Previous, "2027-01", "2027-01-05"),
        ] {
            let period = period.parse().unwrap();
            let terms = Terms {
                day,
                on_day_off,
                ..Terms::of(Programme::SocialPension, period).unwrap().clone()
            };
            let is = terms.pay_day(days, period);
            assert_eq!(is.unwrap().to_string(), found, "{day} of {period}");
        }
    }

    #[test]
    fn who_pays_by_the_month_has_terms_with_a_source() {
        for programme in Programme::ALL {
            let monthly = matches!(
                programme,
                Programme::SocialPension
                    | Programme::RetirementPension
                    | Programme::SocialAssistance
                    | Programme::MeritAllowance
                    | Programme::SurvivorAllowance
                    | Programme::CareSupport
            );
            let terms = Terms::of(programme, "2027-01".parse().unwrap());
            assert_eq!(terms.is_some(), monthly, "{programme}");
            assert!(terms.is_none_or(|it| it.source.len() > 20), "{programme}");
            assert_eq!(Terms::of(programme, "2024-12".parse().unwrap()), None);
        }
    }

    #[test]
    fn the_cut_off_is_the_one_that_holds_on_the_day() {
        let (day, time) = (
            |it: &str| it.parse().unwrap(),
            |it: &str| it.parse().unwrap(),
        );
        let (agribank, vnpost) = ("970405".parse().unwrap(), "990001".parse().unwrap());
        let cut_offs = CutOffs::shipped().with([
            (agribank, day("2027-03-01"), time("14:30:00")),
            (agribank, day("2027-03-01"), time("15:00:00")),
            (vnpost, day("2027-05-01"), time("11:00:00")),
        ]);
        for (on, of_agribank, earliest) in [
            ("2027-02-28", "16:00:00", "16:00:00"),
            ("2027-03-01", "15:00:00", "15:00:00"),
            ("2027-05-01", "15:00:00", "11:00:00"),
        ] {
            assert_eq!(
                cut_offs.of(agribank, day(on)),
                Some(time(of_agribank)),
                "{on}"
            );
            assert_eq!(cut_offs.earliest(day(on)), Some(time(earliest)), "{on}");
        }
        assert_eq!(cut_offs.earliest(day("2024-12-31")), None);
    }

    #[test]
    fn half_a_row_is_none() {
        let whole = "HTXH,2025-01,1,next,yes,25,20,3,1,low,source, with a comma";
        assert_eq!(terms_of(whole).unwrap().source, "source, with a comma");
        for (from, to) in [
            ("HTXH", "XTXH"),
            (",1,next", ",31,next"),
            ("next", "never"),
            ("yes", "maybe"),
            (",25,", ",1,"),
            ("low", "sure"),
            (",source, with a comma", ""),
        ] {
            let broken: &'static str = whole.replacen(from, to, 1).leak();
            assert_eq!(terms_of(broken), None, "{broken}");
        }
    }
}

//! The dates of a programme's months: rules and calendar in, moments out.

use std::collections::BTreeMap;

use boot::clock::from_vietnam;
use chrono::{DateTime, Datelike, NaiveDate, NaiveTime, TimeDelta, Utc};
use domain::calendar::WorkingDays;
use domain::{Period, Programme};
use messaging::Problem;

use super::terms::{CutOffs, Terms, day_of};
use super::{Moment, Month};
use crate::Error;
use crate::command::Ordered;

/// Months before its own in which a period may be paid: after a flood three were paid at once.
const AHEAD_MAX: u32 = 2;
/// When a run opens on its day, before the offices do.
const OPENING: NaiveTime = NaiveTime::from_hms_opt(7, 0, 0).expect("a time of day");

/// On what the dates of a programme rest: what the program carries and what was decided since.
#[derive(Debug, Clone)]
pub(crate) struct Timetable {
    pub programme: Programme,
    pub days: WorkingDays,
    pub cut_offs: CutOffs,
    /// Pay days that were decided for a period.
    pub pay_days: BTreeMap<Period, NaiveDate>,
}

impl Timetable {
    /// The twelve periods of a year.
    pub fn year(&self, year: i32) -> Result<Vec<Month>, Error> {
        let first = NaiveDate::from_ymd_opt(year, 1, 1).map(Period::of);
        let first = first.ok_or_else(|| Problem::new(422, "calendar_unknown", "no such year"))?;
        let periods = std::iter::successors(Some(first), |it| Some(it.next())).take(12);
        periods.map(|it| self.month(it)).collect()
    }

    pub fn month(&self, period: Period) -> Result<Month, Error> {
        let terms = self.terms(period)?;
        let pay_day = self.pay_day(period)?;
        let paid_with = self.paid_with(period, pay_day)?;
        // What is paid together is frozen and reported together, with the earliest of it.
        let anchor = paid_with.unwrap_or(period);
        let days = &self.days;
        let approve_by = days.working_days_before(pay_day, terms.approve_lead)?;
        let before = day_of(anchor.before(), terms.freeze_before);
        let freeze_by = days.working_day_until(before - TimeDelta::days(1))?;
        let in_time = days.working_days_before(approve_by, 1)?;
        let freeze_by = freeze_by.min(in_time);
        let open_on = days.working_days_before(freeze_by, terms.open_lead)?;
        let report_by = self.report_by(anchor, terms, pay_day)?;
        let end_of = |day: NaiveDate| from_vietnam(day + TimeDelta::days(1), NaiveTime::MIN);
        let sure = days.confidence(pay_day)?;
        Ok(Month {
            period,
            pay_day,
            paid_with,
            confidence: sure.min(terms.confidence),
            moments: [
                (Moment::Open, from_vietnam(open_on, OPENING)),
                (Moment::Freeze, end_of(freeze_by)),
                (Moment::Approve, self.cut_off(approve_by)?),
                (Moment::Release, self.cut_off(pay_day)?),
                (Moment::Report, end_of(report_by)),
            ],
        })
    }

    /// Why what institutions are to book on a day goes to them too late, by a code. Of a day
    /// that the calendar does not know only the hour is judged.
    pub fn too_late(&self, business_date: NaiveDate, now: DateTime<Utc>) -> Option<&'static str> {
        if self.days.is_working_day(business_date) == Ok(false) {
            return Some("not_a_working_day");
        }
        let cut_off = self.cut_off(business_date).ok()?;
        (now > cut_off).then_some("after_cut_off")
    }

    /// Refuses an order that could not be kept; `today` is the day in Viet Nam.
    pub fn allow(&self, ordered: Ordered, today: NaiveDate) -> Result<(), Error> {
        let day = ordered.day();
        if day <= today {
            let detail =
                format!("{day} has begun or is over; what is ordered holds from a later day");
            return Err(Problem::new(422, "order_too_late", detail).into());
        }
        match ordered {
            Ordered::Day { day, .. } => {
                self.days.named(day)?;
                Ok(())
            }
            Ordered::PayDay { period, day, .. } => {
                self.terms(period)?;
                let first = (0..AHEAD_MAX).fold(period, |it, _| it.before());
                if !(first.first_day()..=period.last_day()).contains(&day) {
                    let detail = format!("{period} is paid from {first} on and not after its end");
                    return Err(Problem::new(422, "pay_day_impossible", detail).into());
                }
                if !self.days.is_working_day(day)? {
                    let detail = format!("{day} is no working day");
                    return Err(Problem::new(422, "not_a_working_day", detail).into());
                }
                Ok(())
            }
            Ordered::CutOff { institution, .. } if institution.info().is_none() => {
                let detail = format!("{institution} is not connected");
                Err(Problem::new(422, "institution_unknown", detail).into())
            }
            Ordered::CutOff { .. } => Ok(()),
        }
    }

    fn terms(&self, period: Period) -> Result<&'static Terms, Error> {
        Terms::of(self.programme, period).ok_or_else(|| {
            let detail = format!("{} has no pay day by the month in {period}", self.programme);
            Problem::new(422, "no_pay_day", detail).into()
        })
    }

    /// When a period is paid: as decided, with the month of Tết before it, or by the terms.
    fn pay_day(&self, period: Period) -> Result<NaiveDate, Error> {
        if let Some(decided) = self.pay_days.get(&period) {
            return Ok(*decided);
        }
        let terms = self.terms(period)?;
        let before = period.before();
        if terms.with_tet && self.has_tet(before)? {
            let day = self.pay_day(before)?;
            // Where that month was paid ahead itself, nothing is paid in it.
            if Period::of(day) == before {
                return Ok(day);
            }
        }
        Ok(terms.pay_day(&self.days, period)?)
    }

    fn has_tet(&self, period: Period) -> Result<bool, Error> {
        let tet = self.days.tet(period.first_day().year())?;
        Ok(Period::of(tet) == period)
    }

    fn paid_with(&self, period: Period, pay_day: NaiveDate) -> Result<Option<Period>, Error> {
        let (mut with, mut before) = (None, period.before());
        for _ in 0..AHEAD_MAX {
            if self.pay_day(before)? != pay_day {
                break;
            }
            with = Some(before);
            before = before.before();
        }
        Ok(with)
    }

    /// The last working day before the day of the report, in the first month that has one after
    /// the pay day.
    fn report_by(
        &self,
        anchor: Period,
        terms: &Terms,
        pay_day: NaiveDate,
    ) -> Result<NaiveDate, Error> {
        let mut month = anchor;
        loop {
            let before = day_of(month, terms.report_before) - TimeDelta::days(1);
            let report_by = self.days.working_day_until(before)?;
            if report_by > pay_day {
                return Ok(report_by);
            }
            month = month.next();
        }
    }

    /// When the first institution takes nothing more for the day.
    fn cut_off(&self, day: NaiveDate) -> Result<DateTime<Utc>, Error> {
        let detail = format!("no cut-off of every institution is known for {day}");
        let at = self.cut_offs.earliest(day);
        let at = at.ok_or_else(|| Problem::new(422, "cut_off_unknown", detail))?;
        Ok(from_vietnam(day, at))
    }
}

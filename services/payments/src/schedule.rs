//! What has to happen for each month of a programme, and by when: the dates, and what becomes of
//! them. It reads no clock.

mod terms;
mod timetable;

pub(crate) use terms::CutOffs;
pub(crate) use timetable::Timetable;

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, Utc};
use domain::calendar::Confidence;
use domain::{Period, Programme, RunNo};
use serde::{Deserialize, Serialize};

/// What happens once for each period of a programme, in this order.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, sqlx::Type,
)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum Moment {
    /// The run is opened, by the engine itself.
    Open,
    /// By then its list stands still.
    Freeze,
    /// By then it is approved.
    Approve,
    /// By then it is on its way to the institutions, before the first of them cuts off.
    Release,
    /// By then it is closed, and with that reported.
    Report,
}

/// What became of a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, sqlx::Type)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum MomentState {
    Planned,
    /// Its run was opened.
    Fired,
    /// What was due by then was done by then.
    Kept,
    /// Nothing had to be done any more.
    Skipped,
    /// It passed, and somebody has to look.
    Missed,
}

/// A period with all its moments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Month {
    pub period: Period,
    /// When it is paid: the business date of its run.
    pub pay_day: NaiveDate,
    /// The earlier period on whose pay day it is paid as well.
    pub paid_with: Option<Period>,
    /// As sure as its pay day and its terms are.
    pub confidence: Confidence,
    pub moments: [(Moment, DateTime<Utc>); 5],
}

/// What of a programme and a period.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Key {
    pub programme: Programme,
    pub period: Period,
    pub moment: Moment,
}

/// A moment as it was planned, and what became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stored {
    pub due_at: DateTime<Utc>,
    pub pay_day: NaiveDate,
    pub paid_with: Option<Period>,
    pub state: MomentState,
}

/// What planning does to a month.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Change {
    New,
    Changed,
    Same,
    /// Its run is opened, or was not: it stays as it was planned.
    Settled,
    /// It would be paid in the past; who was not paid then is for a person.
    Past,
}

/// What is known of a period's run when a deadline of it is looked at.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Progress {
    pub opened_at: Option<DateTime<Utc>>,
    /// Whether count, sum and root stand still.
    pub is_prepared: bool,
    pub approved_at: Option<DateTime<Utc>>,
    pub released_at: Option<DateTime<Utc>>,
    pub closed_at: Option<DateTime<Utc>>,
}

/// What becomes of an opening that is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Opening {
    Open,
    /// Somebody opened this run by hand.
    Skip(RunNo),
    /// Its pay day is over: what to pay late, and when, is for a person to say.
    Miss,
}

impl Moment {
    pub const ALL: [Moment; 5] = [
        Moment::Open,
        Moment::Freeze,
        Moment::Approve,
        Moment::Release,
        Moment::Report,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Moment::Open => "open",
            Moment::Freeze => "freeze",
            Moment::Approve => "approve",
            Moment::Release => "release",
            Moment::Report => "report",
        }
    }

    /// The alarm that is raised when it passes and nothing was done.
    pub(crate) fn alarm(self) -> &'static str {
        match self {
            Moment::Open => "opening_missed",
            Moment::Freeze => "list_not_frozen",
            Moment::Approve => "not_approved",
            Moment::Release => "not_released",
            Moment::Report => "not_reported",
        }
    }
}

impl MomentState {
    pub fn as_str(self) -> &'static str {
        match self {
            MomentState::Planned => "planned",
            MomentState::Fired => "fired",
            MomentState::Kept => "kept",
            MomentState::Skipped => "skipped",
            MomentState::Missed => "missed",
        }
    }
}

impl Month {
    /// When the run has to be out: afterwards it cannot be paid on its day.
    pub fn release_by(&self) -> DateTime<Utc> {
        self.moments[3].1
    }

    /// What planning it does, where this is stored of it.
    pub fn change(
        &self,
        stored: &BTreeMap<(Period, Moment), Stored>,
        now: DateTime<Utc>,
    ) -> Change {
        let stored = |moment| stored.get(&(self.period, moment));
        let Some(opening) = stored(Moment::Open) else {
            return if now < self.release_by() {
                Change::New
            } else {
                Change::Past
            };
        };
        if opening.state != MomentState::Planned {
            return Change::Settled;
        }
        let is_as_planned = |(moment, at): (Moment, DateTime<Utc>)| {
            let it = stored(moment).map(|it| (it.due_at, it.pay_day, it.paid_with));
            it == Some((at, self.pay_day, self.paid_with))
        };
        if self.moments.into_iter().all(is_as_planned) {
            Change::Same
        } else if now < self.release_by() {
            Change::Changed
        } else {
            Change::Past
        }
    }
}

impl Progress {
    /// Whether what is due by a moment was done by then. It asks when things happened, not how they
    /// are when somebody comes to look.
    pub fn keeps(&self, moment: Moment, due_at: DateTime<Utc>) -> bool {
        let in_time = |at: Option<DateTime<Utc>>| at.is_some_and(|it| it <= due_at);
        match moment {
            Moment::Open => in_time(self.opened_at),
            Moment::Freeze => in_time(self.opened_at) && self.is_prepared,
            Moment::Approve => in_time(self.approved_at),
            Moment::Release => in_time(self.released_at),
            Moment::Report => in_time(self.closed_at),
        }
    }
}

impl Opening {
    /// `release_by` is when the run would have to be out.
    pub fn of(run: Option<RunNo>, release_by: DateTime<Utc>, now: DateTime<Utc>) -> Opening {
        match run {
            Some(run) => Opening::Skip(run),
            None if now < release_by => Opening::Open,
            None => Opening::Miss,
        }
    }
}

#[cfg(test)]
mod tests;

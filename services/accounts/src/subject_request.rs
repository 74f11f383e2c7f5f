use chrono::{Days, NaiveDate};
use domain::calendar::WorkingDays;
use serde::{Deserialize, Serialize};

use crate::Error;

/// What a person may ask of their data (Law 91/2025/QH15).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RequestKind {
    View,
    Copy,
    Correct,
    Restrict,
    Object,
    Withdraw,
    Delete,
}

/// By when a request is acknowledged and answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Deadlines {
    pub acknowledge_by: NaiveDate,
    pub answer_by: NaiveDate,
}

impl RequestKind {
    pub fn as_str(self) -> &'static str {
        match self {
            RequestKind::View => "view",
            RequestKind::Copy => "copy",
            RequestKind::Correct => "correct",
            RequestKind::Restrict => "restrict",
            RequestKind::Object => "object",
            RequestKind::Withdraw => "withdraw",
            RequestKind::Delete => "delete",
        }
    }

    pub fn read(text: &str) -> Option<RequestKind> {
        let kinds = [
            RequestKind::View,
            RequestKind::Copy,
            RequestKind::Correct,
            RequestKind::Restrict,
            RequestKind::Object,
            RequestKind::Withdraw,
            RequestKind::Delete,
        ];
        kinds.into_iter().find(|it| it.as_str() == text)
    }

    /// Days for an answer, and again as many where it is extended once (Decree 356/2025/NĐ-CP).
    fn days(self) -> u64 {
        match self {
            RequestKind::View | RequestKind::Copy | RequestKind::Correct => 10,
            RequestKind::Restrict | RequestKind::Object | RequestKind::Withdraw => 15,
            RequestKind::Delete => 20,
        }
    }

    /// A request is acknowledged within two working days and answered within the days of its kind.
    pub(crate) fn deadlines(self, received_on: NaiveDate) -> Result<Deadlines, Error> {
        let acknowledge_by = WorkingDays::viet_nam().add_working_days(received_on, 2)?;
        Ok(Deadlines {
            acknowledge_by,
            answer_by: received_on + Days::new(self.days()),
        })
    }

    /// The day to which an answer may be put off, once.
    pub(crate) fn extended(self, answer_by: NaiveDate) -> NaiveDate {
        answer_by + Days::new(self.days())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deadlines_are_those_of_the_law() {
        let day = |it: &str| it.parse::<NaiveDate>().unwrap();
        // A Friday; Monday 23 and Wednesday 25 November are worked, Tuesday is a holiday.
        let received = day("2026-11-20");
        for (kind, answer_by, extended) in [
            (RequestKind::View, "2026-11-30", "2026-12-10"),
            (RequestKind::Correct, "2026-11-30", "2026-12-10"),
            (RequestKind::Object, "2026-12-05", "2026-12-20"),
            (RequestKind::Delete, "2026-12-10", "2026-12-30"),
        ] {
            let deadlines = kind.deadlines(received).unwrap();
            assert_eq!(deadlines.acknowledge_by, day("2026-11-25"), "{kind:?}");
            assert_eq!(deadlines.answer_by, day(answer_by), "{kind:?}");
            assert_eq!(
                kind.extended(deadlines.answer_by),
                day(extended),
                "{kind:?}"
            );
            assert_eq!(RequestKind::read(kind.as_str()), Some(kind));
        }
    }
}

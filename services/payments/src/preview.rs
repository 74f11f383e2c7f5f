use std::collections::BTreeMap;

use domain::{Money, RunNo};
use ledger::Root;
use messaging::Problem;
use serde::{Deserialize, Serialize};

use crate::Error;

/// How a person's payment differs from the run before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, sqlx::Type)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum Bucket {
    New,
    Stopped,
    Up,
    Down,
    Unchanged,
    /// What is paid of past periods, beside the month's own.
    Arrears,
    /// Another account or another way; also counted where the amount says.
    ChannelChanged,
}

/// The people of one bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Difference {
    pub bucket: Bucket,
    pub persons: i64,
    pub before: Money,
    pub after: Money,
}

/// What an approver explains in writing where its limit is passed.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, sqlx::Type,
)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum Guard {
    /// The sum is off the run before by so many percent.
    TotalOffLast,
    /// Of those paid by the run before, so many percent are not paid now.
    ManyStopped,
    /// One line is so many times the average.
    AmountOutlier,
}

/// A guard and what it found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Guarded {
    pub guard: Guard,
    pub measured: i64,
    pub limit: i64,
}

/// What guards look at: counters, never lines.
#[derive(Debug, Clone)]
pub struct Measures {
    /// `None` for the programme's first run, which is compared with nothing.
    pub compared_with: Option<RunNo>,
    pub root: Option<Root>,
    pub differences: Vec<Difference>,
    pub lines: i64,
    pub total: Money,
    pub largest: Money,
    pub limits: BTreeMap<Guard, i64>,
}

impl Guard {
    pub fn as_str(self) -> &'static str {
        match self {
            Guard::TotalOffLast => "total_off_last",
            Guard::ManyStopped => "many_stopped",
            Guard::AmountOutlier => "amount_outlier",
        }
    }
}

impl Guarded {
    /// Whether a reason is needed.
    pub fn warns(&self) -> bool {
        self.measured > self.limit
    }
}

impl Measures {
    /// Every guard that has something to look at.
    pub fn guards(&self) -> Vec<Guarded> {
        let measured = [
            (Guard::TotalOffLast, self.total_off_last()),
            (Guard::ManyStopped, self.stopped()),
            (Guard::AmountOutlier, self.outlier()),
        ];
        let guarded = measured.into_iter().filter_map(|(guard, measured)| {
            Some(Guarded {
                guard,
                measured: measured?,
                limit: *self.limits.get(&guard)?,
            })
        });
        guarded.collect()
    }

    fn sums(&self, of: impl Fn(&Difference) -> bool) -> (i64, i128, i128) {
        let of = self.differences.iter().filter(|it| of(it));
        of.fold((0, 0, 0), |(persons, before, after), it| {
            (
                persons + it.persons,
                before + it.before.units(),
                after + it.after.units(),
            )
        })
    }

    /// The month's own amounts: arrears come and go by themselves.
    fn total_off_last(&self) -> Option<i64> {
        let (_, before, after) = self.sums(|it| it.bucket.is_of_the_month());
        percent((after - before).abs(), before)
    }

    fn stopped(&self) -> Option<i64> {
        let (paid_before, ..) =
            self.sums(|it| it.bucket.is_of_the_month() && it.bucket != Bucket::New);
        let (stopped, ..) = self.sums(|it| it.bucket == Bucket::Stopped);
        percent(stopped.into(), paid_before.into())
    }

    /// Rounded up, so that a limit of 20 is passed by anything above.
    fn outlier(&self) -> Option<i64> {
        let total = self.total.units();
        (total > 0).then(|| {
            let times = rounded_up(self.largest.units() * i128::from(self.lines), total);
            i64::try_from(times).unwrap_or(i64::MAX)
        })
    }
}

impl Bucket {
    /// Each person of this run or the one before stands in exactly one of these.
    fn is_of_the_month(self) -> bool {
        !matches!(self, Bucket::Arrears | Bucket::ChannelChanged)
    }
}

/// Of numbers that are not negative, and not by zero.
fn rounded_up(number: i128, by: i128) -> i128 {
    number / by + i128::from(number % by > 0)
}

/// Rounded up; nothing is a percentage of nothing.
fn percent(part: i128, whole: i128) -> Option<i64> {
    (whole > 0).then(|| i64::try_from(rounded_up(part * 100, whole)).unwrap_or(i64::MAX))
}

/// The warnings that this approver answers now.
///
/// # Errors
/// `guard_unanswered` names each warning that has no reason, from this approver or an earlier one.
pub(crate) fn answered(
    guards: &[Guarded],
    given: &BTreeMap<Guard, String>,
    before: &[Guard],
) -> Result<Vec<(Guarded, String)>, Error> {
    let mut answers = Vec::new();
    let mut missing = Vec::new();
    for it in guards.iter().filter(|it| it.warns()) {
        match given.get(&it.guard).map(|reason| reason.trim()) {
            Some(reason) if !reason.is_empty() => answers.push((*it, reason.to_owned())),
            _ if before.contains(&it.guard) => {}
            _ => missing.push(format!(
                "{} is {} where {} is usual",
                it.guard.as_str(),
                it.measured,
                it.limit
            )),
        }
    }
    if missing.is_empty() {
        return Ok(answers);
    }
    let detail = format!("a written reason is needed: {}", missing.join("; "));
    Err(Problem::new(409, "guard_unanswered", detail).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn difference(bucket: Bucket, persons: i64, before: u64, after: u64) -> Difference {
        Difference {
            bucket,
            persons,
            before: Money::dong(before),
            after: Money::dong(after),
        }
    }

    fn measures(differences: Vec<Difference>, lines: i64, total: u64, largest: u64) -> Measures {
        Measures {
            compared_with: Some(RunNo(1)),
            root: None,
            differences,
            lines,
            total: Money::dong(total),
            largest: Money::dong(largest),
            limits: BTreeMap::from([
                (Guard::TotalOffLast, 10),
                (Guard::ManyStopped, 5),
                (Guard::AmountOutlier, 20),
            ]),
        }
    }

    fn measured(measures: &Measures) -> Vec<(Guard, i64, bool)> {
        let guards = measures.guards().into_iter();
        guards
            .map(|it| (it.guard, it.measured, it.warns()))
            .collect()
    }

    #[test]
    fn guards_warn_just_beyond_their_limits() {
        use Guard::{AmountOutlier, ManyStopped, TotalOffLast};
        let steady = |stopped: i64, after: u64| {
            let unchanged = 100 - stopped;
            vec![
                difference(Bucket::Unchanged, unchanged, 1_000, after),
                difference(Bucket::Stopped, stopped, 0, 0),
                // Arrears and changed accounts move no guard of the month.
                difference(Bucket::Arrears, 9, 0, 5_000),
                difference(Bucket::ChannelChanged, 50, 1_000, 1_000),
            ]
        };
        let at_limit = measures(steady(5, 1_100), 100, 1_000, 200);
        assert_eq!(
            measured(&at_limit),
            [
                (TotalOffLast, 10, false),
                (ManyStopped, 5, false),
                (AmountOutlier, 20, false)
            ]
        );
        let beyond = measures(steady(6, 1_101), 100, 1_000, 201);
        assert_eq!(
            measured(&beyond),
            [
                (TotalOffLast, 11, true),
                (ManyStopped, 6, true),
                (AmountOutlier, 21, true)
            ]
        );
        let less = measures(steady(0, 899), 100, 1_000, 1);
        assert_eq!(measured(&less)[0], (TotalOffLast, 11, true));
    }

    #[test]
    fn a_first_run_is_compared_with_nothing() {
        let first = measures(Vec::new(), 3, 300, 100);
        assert_eq!(measured(&first), [(Guard::AmountOutlier, 1, false)]);
    }

    #[test]
    fn a_warning_needs_a_reason_and_one_is_enough() {
        let beyond = measures(Vec::new(), 100, 1_000, 201).guards();
        let reason = |text: &str| BTreeMap::from([(Guard::AmountOutlier, text.to_owned())]);
        let code = |given, before: &[Guard]| {
            answered(&beyond, &given, before)
                .map(|it| it.len())
                .map_err(|it| Problem::from(it).code)
        };
        let unanswered = Err("guard_unanswered".to_owned());
        assert_eq!(code(BTreeMap::new(), &[]), unanswered);
        assert_eq!(code(reason("  "), &[]), unanswered);
        assert_eq!(code(reason("truy lĩnh"), &[]), Ok(1));
        assert_eq!(code(BTreeMap::new(), &[Guard::AmountOutlier]), Ok(0));
    }
}

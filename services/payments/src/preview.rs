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
    /// The largest line is so many percent of that of the run before.
    LargestOffLast,
    /// The sum is off what the programme is expected to cost in the month by so many percent.
    TotalOffForecast,
    /// So many percent of the sum are not in the funds.
    OverBudget,
    /// 1 where the pay day is one on which no bank works.
    DayOff,
    /// Officers have freed so many lines that somebody held.
    FreedLines,
}

/// Beyond what a reason is needed, and beyond what no reason is enough.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    pub warn: i64,
    pub block: Option<i64>,
}

/// A guard and what it found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Guarded {
    pub guard: Guard,
    pub measured: i64,
    pub limit: i64,
    pub block: Option<i64>,
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
    /// Of the run that this one is compared with.
    pub largest_before: Option<Money>,
    pub forecast: Option<Money>,
    /// What the funds lack; `None` once money is committed.
    pub missing: Option<Money>,
    /// `None` for a year whose days off nobody has decided yet.
    pub is_day_off: Option<bool>,
    pub freed_lines: i64,
    pub limits: BTreeMap<Guard, Limit>,
}

impl Guard {
    pub fn as_str(self) -> &'static str {
        match self {
            Guard::TotalOffLast => "total_off_last",
            Guard::ManyStopped => "many_stopped",
            Guard::AmountOutlier => "amount_outlier",
            Guard::LargestOffLast => "largest_off_last",
            Guard::TotalOffForecast => "total_off_forecast",
            Guard::OverBudget => "over_budget",
            Guard::DayOff => "day_off",
            Guard::FreedLines => "freed_lines",
        }
    }
}

impl Guarded {
    /// Whether a reason is needed.
    pub fn warns(&self) -> bool {
        self.measured > self.limit
    }

    /// Whether nobody may approve.
    pub fn blocks(&self) -> bool {
        self.block.is_some_and(|it| self.measured > it)
    }
}

impl Measures {
    /// Every guard that has something to look at.
    pub fn guards(&self) -> Vec<Guarded> {
        let measured = [
            (Guard::TotalOffLast, self.total_off_last()),
            (Guard::ManyStopped, self.stopped()),
            (Guard::AmountOutlier, self.outlier()),
            (Guard::LargestOffLast, self.largest_off_last()),
            (Guard::TotalOffForecast, self.total_off_forecast()),
            (Guard::OverBudget, self.over_budget()),
            (Guard::DayOff, self.is_day_off.map(i64::from)),
            (Guard::FreedLines, Some(self.freed_lines)),
        ];
        let guarded = measured.into_iter().filter_map(|(guard, measured)| {
            let limit = self.limits.get(&guard)?;
            Some(Guarded {
                guard,
                measured: measured?,
                limit: limit.warn,
                block: limit.block,
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

    fn largest_off_last(&self) -> Option<i64> {
        percent(self.largest.units(), self.largest_before?.units())
    }

    fn total_off_forecast(&self) -> Option<i64> {
        let forecast = self.forecast?.units();
        percent((self.total.units() - forecast).abs(), forecast)
    }

    fn over_budget(&self) -> Option<i64> {
        percent(self.missing?.units(), self.total.units())
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
/// `guard_blocks` names what no reason is enough for; `guard_unanswered` each warning that has no
/// reason, from this approver or an earlier one.
pub(crate) fn answered(
    guards: &[Guarded],
    given: &BTreeMap<Guard, String>,
    before: &[Guard],
) -> Result<Vec<(Guarded, String)>, Error> {
    let blocking = guards.iter().filter(|it| it.blocks()).map(|it| {
        let guard = it.guard.as_str();
        let block = it.block.unwrap_or(it.limit);
        format!("{guard} is {}, beyond {block}", it.measured)
    });
    let blocking: Vec<String> = blocking.collect();
    if !blocking.is_empty() {
        let detail = format!("nobody approves this: {}", blocking.join("; "));
        return Err(Problem::new(409, "guard_blocks", detail).into());
    }
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
            largest_before: None,
            forecast: None,
            missing: None,
            is_day_off: None,
            freed_lines: 0,
            limits: BTreeMap::from([
                (Guard::TotalOffLast, limit(10, None)),
                (Guard::ManyStopped, limit(5, None)),
                (Guard::AmountOutlier, limit(20, Some(1_000))),
            ]),
        }
    }

    fn limit(warn: i64, block: Option<i64>) -> Limit {
        Limit { warn, block }
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
    fn what_is_not_a_matter_of_the_run_before_is_guarded_as_well() {
        let guards = [
            Guard::LargestOffLast,
            Guard::TotalOffForecast,
            Guard::OverBudget,
            Guard::DayOff,
            Guard::FreedLines,
        ];
        let mut run = measures(Vec::new(), 100, 1_000, 30);
        run.limits = guards.map(|it| (it, limit(0, None))).into();
        // Nothing to look at is no warning.
        assert_eq!(measured(&run), [(Guard::FreedLines, 0, false)]);
        run.largest_before = Some(Money::dong(20));
        run.forecast = Some(Money::dong(1_600));
        run.missing = Some(Money::dong(1));
        run.is_day_off = Some(true);
        run.freed_lines = 2;
        let expected = [150, 38, 1, 1, 2];
        let expected: Vec<_> = guards.into_iter().zip(expected).collect();
        let found: Vec<_> = run
            .guards()
            .iter()
            .map(|it| (it.guard, it.measured))
            .collect();
        assert_eq!(found, expected);
        run.missing = Some(Money::ZERO);
        run.is_day_off = Some(false);
        let warning = run.guards().into_iter().filter(Guarded::warns).count();
        assert_eq!(warning, 3);
    }

    #[test]
    fn no_reason_is_enough_for_what_is_blocked() {
        let reasons = BTreeMap::from([(Guard::AmountOutlier, "đã rà soát".to_owned())]);
        let told = |largest| {
            let guards = measures(Vec::new(), 10_000, 10_000, largest).guards();
            let answered = answered(&guards, &reasons, &[Guard::AmountOutlier]);
            answered
                .map(|it| it.len())
                .map_err(|it| Problem::from(it).code)
        };
        assert_eq!(told(1_000), Ok(1));
        assert_eq!(told(1_001), Err("guard_blocks".to_owned()));
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

//! A bank's day: what it was instructed is what became of it, to the đồng.

use chrono::{DateTime, NaiveDate, SecondsFormat, Utc};
use domain::{Institution, Money, Officer};
use events::{BreakKind, Suspense};
use messaging::Problem;
use serde::{Deserialize, Serialize};

use crate::Error;

/// The form of the report; another form is another number.
const FORM: &str = "bank-day.v1";

/// What the report is signed for; part of the key, so another purpose has another key.
pub const PURPOSE: &str = "bank-day";

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sum {
    pub lines: i64,
    pub total: Money,
}

/// What hangs on one kind of break.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Named {
    pub kind: BreakKind,
    pub lines: i64,
    pub total: Money,
}

/// `instructed = credited + returned + in flight + difference`, since the bank's first day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Equation {
    pub instructed: Sum,
    /// Settled: instruction, result and statement agree.
    pub credited: Sum,
    pub returned: Sum,
    /// Not due: without a result, or credited and on no statement yet.
    pub in_flight: InFlight,
    /// Every đồng of it has the name of a break.
    pub difference: Difference,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct InFlight {
    pub lines: i64,
    pub total: Money,
    pub without_result: Sum,
    pub awaiting_statement: Sum,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Difference {
    pub lines: i64,
    pub total: Money,
    pub named: Vec<Named>,
}

/// Since the closing before, so what went the other way meanwhile is negative; whole đồng.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flow {
    pub lines: i64,
    pub total: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OfTheDay {
    /// In flight or different at the closing before.
    pub carried: Sum,
    pub instructed: Flow,
    pub credited: Flow,
    pub returned: Flow,
}

/// A statement of the day as the bank gave it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stated {
    pub statement_no: i64,
    pub entries: i64,
    pub opening: Money,
    pub received: Money,
    pub returned: Money,
    pub debits: Money,
    pub closing: Money,
}

/// How the ledger's clearing accounts stood when payments last told of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Books {
    pub released: Money,
    /// Credited or returned by then.
    pub answered: Money,
    pub in_transit: Money,
    pub unknown: Money,
    pub settled: Money,
    pub suspense_debits: Money,
    pub suspense_credits: Money,
}

/// What is left of each clearing account when all that has a name is taken off.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Residuals {
    pub in_transit: String,
    pub settled: String,
    pub suspense: String,
}

/// The report of a closed day. Its JSON, fields in this order and nothing between them, is what is
/// hashed and signed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DayReport {
    pub form: String,
    pub institution: Institution,
    pub date: NaiveDate,
    /// From 1, without a gap.
    pub closing_no: i64,
    /// SHA-256 of the report of the closing before, in hex.
    pub previous: Option<String>,
    pub statements: Vec<Stated>,
    pub equation: Equation,
    pub of_the_day: OfTheDay,
    /// Open breaks whose money is in suspense.
    pub suspense: Vec<Named>,
    pub books: Books,
    pub residuals: Residuals,
    pub closed_by: Officer,
    pub closed_at: String,
}

/// The closing before this one.
#[derive(Debug, Clone)]
pub(crate) struct Before {
    pub report: DayReport,
    pub hash: Vec<u8>,
}

/// All that a report is made of.
#[derive(Debug, Clone)]
pub(crate) struct Facts {
    pub institution: Institution,
    pub date: NaiveDate,
    pub statements: Vec<Stated>,
    pub equation: Equation,
    pub suspense: Vec<Named>,
    pub books: Books,
    pub before: Option<Before>,
}

impl Equation {
    /// In lines and in đồng, and the difference is what its names add up to.
    pub(crate) fn holds(&self) -> bool {
        let Equation {
            instructed,
            credited,
            returned,
            in_flight,
            difference,
        } = self;
        let lines = credited.lines + returned.lines + in_flight.lines + difference.lines;
        let total = Money::sum([
            credited.total,
            returned.total,
            in_flight.total,
            difference.total,
        ]);
        let waiting = [in_flight.without_result, in_flight.awaiting_statement];
        let named = &difference.named;
        (lines, total) == (instructed.lines, instructed.total)
            && in_flight.lines == waiting.iter().map(|it| it.lines).sum::<i64>()
            && in_flight.total == Money::sum(waiting.iter().map(|it| it.total))
            && difference.lines == named.iter().map(|it| it.lines).sum::<i64>()
            && difference.total == Money::sum(named.iter().map(|it| it.total))
    }
}

impl Facts {
    fn residuals(&self) -> [i128; 3] {
        let books = self.books;
        let out = books.in_transit.units() + books.unknown.units();
        let due = books.released.units() - books.answered.units();
        let suspended = books.suspense_debits.units() - books.suspense_credits.units();
        let named: i128 = self
            .suspense
            .iter()
            .map(|it| match it.kind.suspense() {
                Suspense::Debit => it.total.units(),
                Suspense::Credit => -it.total.units(),
                Suspense::Nothing => 0,
            })
            .sum();
        let settled = self.equation.credited.total.units();
        [
            out - due,
            books.settled.units() - settled,
            suspended - named,
        ]
    }

    /// The report, or why the day cannot be closed.
    pub(crate) fn report(self, officer: &Officer, now: DateTime<Utc>) -> Result<DayReport, Error> {
        if !self.equation.holds() {
            let detail = "what became of the payments is not what was instructed";
            return Err(Problem::new(409, "equation_broken", detail).into());
        }
        let residuals = self.residuals();
        if residuals != [0; 3] {
            let [in_transit, settled, suspense] = residuals;
            let detail = format!(
                "in transit {in_transit}, settled {settled}, suspense {suspense} đồng without a \
                 name; the books may be behind: ask again"
            );
            return Err(Problem::new(409, "clearing_not_zero", detail).into());
        }
        let [in_transit, settled, suspense] = residuals.map(|it| it.to_string());
        let before = self.before.as_ref().map(|it| &it.report.equation);
        Ok(DayReport {
            form: FORM.to_owned(),
            institution: self.institution,
            date: self.date,
            closing_no: self.before.as_ref().map_or(0, |it| it.report.closing_no) + 1,
            previous: self.before.as_ref().map(|it| hex::encode(&it.hash)),
            statements: self.statements,
            of_the_day: of_the_day(&self.equation, before),
            equation: self.equation,
            suspense: self.suspense,
            books: self.books,
            residuals: Residuals {
                in_transit,
                settled,
                suspense,
            },
            closed_by: officer.clone(),
            closed_at: now.to_rfc3339_opts(SecondsFormat::Micros, true),
        })
    }
}

fn of_the_day(now: &Equation, before: Option<&Equation>) -> OfTheDay {
    let flow = |of: fn(&Equation) -> Sum| {
        let (now, before) = (of(now), before.map(of).unwrap_or_default());
        Flow {
            lines: now.lines - before.lines,
            total: (now.total.units() - before.total.units()).to_string(),
        }
    };
    let carried = before.map_or_else(Sum::default, |it| Sum {
        lines: it.in_flight.lines + it.difference.lines,
        total: Money::sum([it.in_flight.total, it.difference.total]),
    });
    OfTheDay {
        carried,
        instructed: flow(|it| it.instructed),
        credited: flow(|it| it.credited),
        returned: flow(|it| it.returned),
    }
}

impl DayReport {
    /// The bytes that are hashed and signed.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("a report serializes")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sum(lines: i64, total: u64) -> Sum {
        Sum {
            lines,
            total: Money::dong(total),
        }
    }

    fn facts() -> Facts {
        let named = Named {
            kind: BreakKind::AmountDiffers,
            lines: 1,
            total: Money::dong(5),
        };
        let waiting = (sum(1, 3), sum(2, 4));
        Facts {
            institution: "970436".parse().unwrap(),
            date: NaiveDate::from_ymd_opt(2026, 12, 1).unwrap(),
            statements: Vec::new(),
            equation: Equation {
                instructed: sum(10, 100),
                credited: sum(5, 80),
                returned: sum(1, 8),
                in_flight: InFlight {
                    lines: 3,
                    total: Money::dong(7),
                    without_result: waiting.0,
                    awaiting_statement: waiting.1,
                },
                difference: Difference {
                    lines: 1,
                    total: Money::dong(5),
                    named: vec![named],
                },
            },
            suspense: vec![Named {
                total: Money::dong(6),
                ..named
            }],
            books: Books {
                released: Money::dong(100),
                answered: Money::dong(97),
                in_transit: Money::dong(2),
                unknown: Money::dong(1),
                settled: Money::dong(80),
                suspense_debits: Money::dong(9),
                suspense_credits: Money::dong(3),
            },
            before: None,
        }
    }

    fn closed(facts: Facts) -> Result<DayReport, String> {
        let at = DateTime::UNIX_EPOCH;
        let report = facts.report(&"le.an".parse().unwrap(), at);
        report.map_err(|it| Problem::from(it).code)
    }

    #[test]
    fn a_day_that_adds_up_is_closed_the_same_each_time() {
        let (first, again) = (closed(facts()).unwrap(), closed(facts()).unwrap());
        assert_eq!(first.bytes(), again.bytes());
        assert_eq!((first.closing_no, first.previous.clone()), (1, None));
        assert_eq!(first.of_the_day.credited.total, "80");
        let mut next = facts();
        next.before = Some(Before {
            report: first.clone(),
            hash: vec![0xab],
        });
        let second = closed(next).unwrap();
        assert_eq!(
            (second.closing_no, &second.previous.unwrap()[..]),
            (2, "ab")
        );
        assert_eq!(
            second.of_the_day.credited,
            Flow {
                lines: 0,
                total: "0".to_owned()
            }
        );
        assert_eq!(second.of_the_day.carried, sum(4, 12));
        let read: DayReport = serde_json::from_slice(&first.bytes()).unwrap();
        assert_eq!(read, first);
    }

    #[test]
    fn a_dong_without_a_name_keeps_the_day_open() {
        type Case = (fn(&mut Facts), &'static str);
        let wrong: [Case; 9] = [
            (
                |it| it.equation.instructed.total = Money::dong(101),
                "equation_broken",
            ),
            (|it| it.equation.instructed.lines = 11, "equation_broken"),
            (
                |it| it.equation.in_flight.without_result.lines = 2,
                "equation_broken",
            ),
            (|it| it.equation.difference.named.clear(), "equation_broken"),
            (
                |it| it.equation.difference.named[0].lines = 2,
                "equation_broken",
            ),
            (
                |it| it.books.in_transit = Money::dong(3),
                "clearing_not_zero",
            ),
            (|it| it.books.settled = Money::dong(81), "clearing_not_zero"),
            (
                |it| it.books.suspense_credits = Money::dong(4),
                "clearing_not_zero",
            ),
            (|it| it.suspense.clear(), "clearing_not_zero"),
        ];
        for (spoil, code) in wrong {
            let mut facts = facts();
            spoil(&mut facts);
            assert_eq!(closed(facts).unwrap_err(), code);
        }
    }
}

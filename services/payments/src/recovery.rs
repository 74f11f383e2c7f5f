//! What was overpaid and how it comes back: repaid by instalments, netted from later months, or
//! given up.

use std::fmt;

use chrono::NaiveDate;
use domain::{Institution, Money, Part, PersonNo, Position, Programme, Province};
use messaging::Problem;
use serde::{Deserialize, Serialize};

use crate::Error;

/// Instalments of one decision: ten years of months.
const INSTALMENTS_MAX: usize = 120;
/// The longest number of a decision, or reference of a receipt, in characters.
const TEXT_MAX: usize = 64;

/// How a written decision lets what was overpaid come back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "way", rename_all = "snake_case", deny_unknown_fields)]
pub enum Way {
    /// The person pays back, at a bank or in cash.
    Repay { instalments: Vec<Instalment> },
    /// So much a month is taken off what the same programme pays, within the cap.
    Net { monthly: Money },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Instalment {
    pub due_on: NaiveDate,
    pub amount: Money,
}

/// What an institution gave for money that it took of a person, or gave to one; the same counts once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Receipt {
    pub institution: Institution,
    /// Its number at the institution.
    pub reference: String,
    pub paid_on: NaiveDate,
}

/// A sum that was recovered too much and waits to be given to the person.
#[derive(Debug, Clone, Copy)]
pub(crate) struct GivenBack {
    pub exception_no: i64,
    pub programme: Programme,
    pub province: Province,
    pub amount: Money,
}

/// A case with what has become of its amount.
#[derive(Debug, Clone)]
pub(crate) struct Case {
    pub case_no: i64,
    pub programme: Programme,
    pub province: Province,
    pub person_no: PersonNo,
    /// The line that was credited and is not owed.
    pub position: Position,
    pub amount: Money,
    /// The entitlement was restored: nothing is to be recovered.
    pub is_cancelled: bool,
    pub sums: Sums,
}

/// What has become of a case's amount.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Sums {
    pub repaid: Money,
    pub netted: Money,
    pub written_off: Money,
    /// Deducted from lines that nobody has been credited yet.
    pub pending: Money,
}

/// What a line pays less than is owed, and by which decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deduction {
    pub recovery_no: i64,
    pub amount: Money,
}

/// A decision by which a person's next month is netted.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Netting {
    pub recovery_no: i64,
    pub person_no: PersonNo,
    /// What of its sum is neither recovered nor on its way to be.
    pub left: Money,
    pub monthly: Money,
    pub cap_percent: i16,
}

impl Case {
    pub(crate) fn part(&self) -> Part {
        self.position.part
    }

    /// What is still to be recovered.
    pub(crate) fn open(&self) -> Money {
        let sums = &self.sums;
        let gone = Money::sum([sums.repaid, sums.netted, sums.written_off]);
        if self.is_cancelled {
            return Money::ZERO;
        }
        self.amount.checked_sub(gone).unwrap_or_default()
    }

    /// Of it what no line on its way is going to recover.
    pub(crate) fn free(&self) -> Money {
        self.open()
            .checked_sub(self.sums.pending)
            .unwrap_or_default()
    }

    /// Refuses to recover, or to give up, more than can be.
    ///
    /// # Errors
    /// `case_cancelled`, `more_than_open`.
    pub(crate) fn allow(&self, amount: Money) -> Result<(), Error> {
        let refused = |code, detail: String| Err(Problem::new(409, code, detail).into());
        let number = self.case_no;
        if self.is_cancelled {
            return refused("case_cancelled", format!("case {number} is owed after all"));
        }
        if amount > self.free() {
            let (open, pending) = (self.open(), self.sums.pending);
            let detail = format!(
                "{open} đồng of case {number} are open, of which {pending} are deducted from \
                 lines on their way"
            );
            return refused("more_than_open", detail);
        }
        Ok(())
    }
}

impl Receipt {
    /// Refuses what is none.
    ///
    /// # Errors
    /// `reference_invalid`, `institution_unknown`, `paid_on_invalid`.
    pub(crate) fn allow(&self, today: NaiveDate) -> Result<(), Error> {
        let refused = |code, detail: &str| Err(Problem::new(422, code, detail).into());
        if !readable(&self.reference) {
            return refused("reference_invalid", "a receipt has a number");
        }
        if self.institution.info().is_none() {
            let detail = "nobody is connected by that number";
            return refused("institution_unknown", detail);
        }
        if self.paid_on > today {
            let detail = "what was paid was not paid in days to come";
            return refused("paid_on_invalid", detail);
        }
        Ok(())
    }
}

impl Netting {
    /// What is deducted from a month's gross amount: never beyond the cap, and never all of it.
    pub(crate) fn deduction(&self, gross: Money) -> Option<Deduction> {
        let cap = gross.units() * i128::from(self.cap_percent) / 100;
        let cap = Money::try_from(rust_decimal::Decimal::from(cap)).ok()?;
        let amount = self.left.min(self.monthly).min(cap);
        (!amount.is_zero() && amount < gross).then_some(Deduction {
            recovery_no: self.recovery_no,
            amount,
        })
    }
}

impl Deduction {
    /// What is left of a gross amount, and of the part of it that a province pays: the programme's
    /// own part is reduced first.
    ///
    /// # Panics
    /// Where the deduction is not less than the amount.
    pub(crate) fn reduce(self, gross: Money, local: Money) -> (Money, Money) {
        let net = gross.checked_sub(self.amount);
        let net = net.expect("a deduction is less than what it is taken from");
        (net, local.min(net))
    }

    /// What of it recovers something, and the excess that is owed back, where so much is open.
    pub(crate) fn split(self, open: Money) -> (Money, Money) {
        let recovered = self.amount.min(open);
        let excess = self.amount.checked_sub(recovered);
        (recovered, excess.unwrap_or_default())
    }
}

/// Refuses a decision that could never be carried out.
///
/// # Errors
/// `decision_invalid`, `instalments_invalid`, `amount_zero`.
pub(crate) fn allow_decision(
    (decision_no, decided_on, today): (&str, NaiveDate, NaiveDate),
    amount: Money,
    way: &Way,
) -> Result<(), Error> {
    let refused = |code, detail: &str| Err(Problem::new(422, code, detail).into());
    if !readable(decision_no) || decided_on > today {
        let detail = "a recovery rests on a written decision, with its number and its day";
        return refused("decision_invalid", detail);
    }
    match way {
        _ if amount.is_zero() => refused("amount_zero", "0 đồng are not recovered"),
        Way::Net { monthly } if monthly.is_zero() => {
            refused("amount_zero", "0 đồng a month are not netted")
        }
        Way::Net { .. } => Ok(()),
        Way::Repay { instalments } => {
            let in_order = instalments.windows(2).all(|it| it[0].due_on < it[1].due_on);
            let is_sum = Money::sum(instalments.iter().map(|it| it.amount)) == amount;
            let has_zero = instalments.iter().any(|it| it.amount.is_zero());
            if instalments.len() > INSTALMENTS_MAX || !in_order || !is_sum || has_zero {
                let detail = "instalments have days of their own, in order, and add up to the sum";
                return refused("instalments_invalid", detail);
            }
            Ok(())
        }
    }
}

/// Whether a number, reference or basis is one: something that is printed on one line.
pub(crate) fn readable(text: &str) -> bool {
    let length = text.trim().chars().count();
    (1..=TEXT_MAX).contains(&length) && !text.chars().any(char::is_control)
}

/// What of each instalment is paid, where so much came in: the earliest first.
pub(crate) fn paid_of(instalments: &[Instalment], repaid: Money) -> Vec<Money> {
    let mut left = repaid;
    let paid = instalments.iter().map(|it| {
        let paid = it.amount.min(left);
        left = left.checked_sub(paid).unwrap_or_default();
        paid
    });
    paid.collect()
}

/// In the words of who decides on it.
impl fmt::Display for Receipt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Receipt {
            institution,
            reference,
            paid_on,
        } = self;
        let name = institution.info().map_or("", |it| it.name);
        let day = paid_on.format("%d/%m/%Y");
        let number = reference.trim();
        write!(f, "tại {institution} {name}, chứng từ {number} ngày {day}")
    }
}

/// In the words of who decides it.
impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Way::Net { monthly } => write!(f, "khấu trừ {} mỗi tháng", monthly.vi()),
            Way::Repay { instalments } => {
                write!(f, "trả dần {} kỳ:", instalments.len())?;
                for (index, it) in instalments.iter().enumerate() {
                    let comma = if index > 0 { "," } else { "" };
                    let day = it.due_on.format("%d/%m/%Y");
                    write!(f, "{comma} {} hạn {day}", it.amount.vi())?;
                }
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn case(amount: u64, sums: [u64; 4]) -> Case {
        let [repaid, netted, written_off, pending] = sums.map(Money::dong);
        Case {
            case_no: 3,
            programme: Programme::SocialPension,
            province: "79".parse().unwrap(),
            person_no: PersonNo(16),
            position: "R000001-00-0001-0001".parse().unwrap(),
            amount: Money::dong(amount),
            is_cancelled: false,
            sums: Sums {
                repaid,
                netted,
                written_off,
                pending,
            },
        }
    }

    fn code(result: Result<(), Error>) -> String {
        result.map_or_else(|it| Problem::from(it).code, |()| "done".to_owned())
    }

    #[test]
    fn no_more_is_recovered_than_is_open_and_not_on_its_way() {
        for (sums, amount, expected) in [
            ([0; 4], 100, "done"),
            ([0; 4], 101, "more_than_open"),
            ([20, 30, 40, 0], 10, "done"),
            ([20, 30, 40, 0], 11, "more_than_open"),
            ([20, 30, 40, 10], 1, "more_than_open"),
            ([20, 30, 40, 4], 6, "done"),
        ] {
            assert_eq!(code(case(100, sums).allow(Money::dong(amount))), expected);
        }
        let mut cancelled = case(100, [0; 4]);
        cancelled.is_cancelled = true;
        assert_eq!(code(cancelled.allow(Money::dong(1))), "case_cancelled");
        assert_eq!(cancelled.open(), Money::ZERO);
    }

    #[test]
    fn a_month_is_netted_within_the_cap_the_instalment_and_what_is_left() {
        let of = |left, monthly, cap_percent, gross| {
            let netting = Netting {
                recovery_no: 1,
                person_no: PersonNo(16),
                left: Money::dong(left),
                monthly: Money::dong(monthly),
                cap_percent,
            };
            let deduction = netting.deduction(Money::dong(gross));
            deduction.map_or(0, |it| it.amount.units())
        };
        assert_eq!(
            of(540_000, 200_000, 30, 540_001),
            162_000,
            "the cap, rounded down"
        );
        assert_eq!(of(540_000, 100_000, 30, 540_000), 100_000, "the instalment");
        assert_eq!(of(54_000, 100_000, 30, 540_000), 54_000, "what is left");
        assert_eq!(of(0, 100_000, 30, 540_000), 0);
        assert_eq!(
            of(540_000, 540_000, 100, 540_000),
            0,
            "nobody is paid nothing"
        );
        assert_eq!(of(540_000, 540_000, 30, 3), 0);
    }

    #[test]
    fn what_is_netted_is_the_programmes_before_the_provinces() {
        let deduction = Deduction {
            recovery_no: 1,
            amount: Money::dong(30),
        };
        for (local, expected) in [(0, 0), (50, 50), (70, 70), (80, 70)] {
            let reduced = deduction.reduce(Money::dong(100), Money::dong(local));
            assert_eq!(reduced, (Money::dong(70), Money::dong(expected)));
        }
        for (open, recovered) in [(100, 30), (30, 30), (10, 10), (0, 0)] {
            let (amount, excess) = deduction.split(Money::dong(open));
            assert_eq!(
                (amount, excess),
                (Money::dong(recovered), Money::dong(30 - recovered))
            );
        }
    }

    #[test]
    fn a_decision_has_a_number_a_day_and_instalments_that_add_up() {
        let day = |text: &str| text.parse::<NaiveDate>().unwrap();
        let today = day("2026-12-01");
        let repay = |of: &[(&str, u64)]| Way::Repay {
            instalments: of
                .iter()
                .map(|(it, amount)| Instalment {
                    due_on: day(it),
                    amount: Money::dong(*amount),
                })
                .collect(),
        };
        let net = |monthly| Way::Net {
            monthly: Money::dong(monthly),
        };
        let (first, second) = ("2026-12-10", "2027-01-10");
        for (number, decided, amount, way, expected) in [
            (
                "45/QĐ",
                "2026-11-20",
                30,
                repay(&[(first, 10), (second, 20)]),
                "done",
            ),
            ("45/QĐ", "2026-12-01", 30, net(1), "done"),
            (" ", "2026-11-20", 30, net(1), "decision_invalid"),
            ("45\n", "2026-11-20", 30, net(1), "decision_invalid"),
            ("45/QĐ", "2026-12-02", 30, net(1), "decision_invalid"),
            ("45/QĐ", "2026-11-20", 0, net(1), "amount_zero"),
            ("45/QĐ", "2026-11-20", 30, net(0), "amount_zero"),
            ("45/QĐ", "2026-11-20", 30, repay(&[]), "instalments_invalid"),
            (
                "45/QĐ",
                "2026-11-20",
                30,
                repay(&[(first, 29)]),
                "instalments_invalid",
            ),
            (
                "45/QĐ",
                "2026-11-20",
                30,
                repay(&[(second, 10), (first, 20)]),
                "instalments_invalid",
            ),
            (
                "45/QĐ",
                "2026-11-20",
                30,
                repay(&[(first, 30), (second, 0)]),
                "instalments_invalid",
            ),
        ] {
            let told = allow_decision((number, day(decided), today), Money::dong(amount), &way);
            assert_eq!(code(told), expected, "{number} {decided} {amount} {way}");
        }
        let paid = |repaid| {
            let Way::Repay { instalments } = repay(&[(first, 10), (second, 20)]) else {
                unreachable!()
            };
            paid_of(&instalments, Money::dong(repaid))
        };
        assert_eq!(paid(0), [0, 0].map(Money::dong));
        assert_eq!(paid(15), [10, 5].map(Money::dong));
        assert_eq!(paid(30), [10, 20].map(Money::dong));
        assert_eq!(
            repay(&[(first, 1_000), (second, 20)]).to_string(),
            "trả dần 2 kỳ: 1.000 đồng hạn 10/12/2026, 20 đồng hạn 10/01/2027"
        );
    }
}

use std::fmt;
use std::str::FromStr;

use chrono::NaiveDate;
use domain::{EndToEndId, Institution, Money, Part, Refusal};
use events::{BreakKind, Resolution, ResultStatus, Suspense};
use messaging::Problem;
use serde::{Deserialize, Serialize};

use crate::Error;

/// A break as people name it: institution, statement, partition and number, `970436-3-07-12`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct CaseNo {
    pub institution: Institution,
    pub statement_no: i64,
    pub part: Part,
    pub break_no: i32,
}

/// How long a break has been open, as worklists show it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum Age {
    #[serde(rename = "0-1")]
    UpToOne,
    #[serde(rename = "2-3")]
    UpToThree,
    #[serde(rename = "4-7")]
    UpToSeven,
    #[serde(rename = ">7")]
    Older,
}

/// Whether a line's instruction, result and statement agree; apart from how the payment stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LineState {
    /// Nothing to hold it against yet, or a break is open.
    Unreconciled,
    /// Instruction and result agree; the statement that shows it is not there yet.
    TentativelyReconciled,
    Reconciled,
}

/// What each of the three says of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LineStanding {
    pub line: EndToEndId,
    pub institution: Institution,
    pub amount: Money,
    pub status: Option<ResultStatus>,
    /// An entry settles it.
    pub matched: bool,
    /// A break of it is not resolved.
    pub broken: bool,
    /// A break says why its credit is not settled.
    pub unsettled: bool,
}

/// A break as far as deciding about it needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Case {
    pub no: CaseNo,
    pub kind: BreakKind,
    /// What it is about, where it is a payment of ours.
    pub line: Option<EndToEndId>,
    pub amount: Money,
    pub entry_no: Option<i64>,
    /// How it was closed.
    pub resolved: Option<Resolution>,
    /// The proposal that waits for another officer.
    pub proposed: Option<i64>,
}

/// What an officer wants a case to be closed with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Remedy {
    pub how: Resolution,
    pub lines: Vec<LineStanding>,
    pub against: Option<Case>,
}

impl Age {
    pub const ALL: [Age; 4] = [Age::UpToOne, Age::UpToThree, Age::UpToSeven, Age::Older];

    /// On `today`, of a break that a statement of `date` showed.
    pub fn of(date: NaiveDate, today: NaiveDate) -> Age {
        match (today - date).num_days() {
            ..=1 => Age::UpToOne,
            2..=3 => Age::UpToThree,
            4..=7 => Age::UpToSeven,
            _ => Age::Older,
        }
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Age::UpToOne => "0-1",
            Age::UpToThree => "2-3",
            Age::UpToSeven => "4-7",
            Age::Older => ">7",
        }
    }
}

impl LineStanding {
    /// Derived, never stored: a line's state follows from facts that only grow.
    pub(crate) fn state(&self) -> LineState {
        match (self.status, self.matched, self.broken) {
            (_, _, true) | (None, _, _) => LineState::Unreconciled,
            (Some(ResultStatus::Credited), false, _) => LineState::TentativelyReconciled,
            (Some(ResultStatus::Rejected), false, _) | (Some(_), true, _) => LineState::Reconciled,
        }
    }
}

impl Case {
    /// Refuses what would not add up. Asked when it is proposed and again when it is decided.
    pub(crate) fn allow(&self, remedy: &Remedy) -> Result<(), Error> {
        if let Some(how) = self.resolved {
            let detail = format!("{} is closed: {}", self.no, how.code());
            return Err(Problem::new(409, "case_resolved", detail).into());
        }
        match remedy.how {
            Resolution::Accepted => self.allow_acceptance(),
            Resolution::Matched | Resolution::Split => self.allow_lines(remedy),
            Resolution::Offset => self.allow_offset(remedy.against.as_ref()),
            Resolution::WrittenOff => self.require_suspense(),
            Resolution::OwedAgain => self.allow_owed_again(),
            Resolution::ShownLater | Resolution::LateResult => Err(Problem::new(
                422,
                "resolution_not_for_people",
                "only a later statement or result closes a case so",
            )
            .into()),
        }
    }

    fn allow_acceptance(&self) -> Result<(), Error> {
        if self.kind.suspense() == Suspense::Nothing {
            return Ok(());
        }
        let detail = format!(
            "{} đồng of {} are in suspense; match, split or write them off",
            self.amount, self.no
        );
        Err(Problem::new(409, "money_in_suspense", detail).into())
    }

    fn require_suspense(&self) -> Result<(), Error> {
        if self.kind.suspense() != Suspense::Nothing {
            return Ok(());
        }
        let detail = format!("no money of {} is in suspense", self.no);
        Err(Problem::new(409, "nothing_in_suspense", detail).into())
    }

    /// Only a whole payment that was settled and came back; what came back otherwise is no payment.
    fn allow_owed_again(&self) -> Result<(), Error> {
        if self.kind == BreakKind::ReturnedAfterCredit && self.line.is_some() {
            return Ok(());
        }
        let detail = format!("{} is no payment that came back", self.no);
        Err(Problem::new(409, "not_a_return", detail).into())
    }

    /// Payments that this institution was instructed to make and credited, that nothing settles
    /// yet, and that add up to the debit.
    fn allow_lines(&self, remedy: &Remedy) -> Result<(), Error> {
        if self.kind.suspense() != Suspense::Debit {
            let detail = format!("{} is no debit that could settle a payment", self.no);
            return Err(Problem::new(409, "not_a_debit", detail).into());
        }
        let wanted = if remedy.how == Resolution::Split {
            2..=SPLIT_MAX
        } else {
            1..=1
        };
        if !wanted.contains(&remedy.lines.len()) {
            let detail = format!("a match is of one line, a split of 2 to {SPLIT_MAX}");
            return Err(Problem::new(422, "lines_count", detail).into());
        }
        for it in &remedy.lines {
            let credited = it.status == Some(ResultStatus::Credited);
            if it.institution != self.no.institution || !credited || it.matched {
                let detail = format!(
                    "{} is not a payment that {} credited and no statement settles",
                    it.line, self.no.institution
                );
                return Err(Problem::new(409, "line_not_open", detail).into());
            }
        }
        let sum = Money::sum(remedy.lines.iter().map(|it| it.amount));
        if sum != self.amount {
            let detail = format!("the lines are {sum} đồng, the break is {}", self.amount);
            return Err(Problem::new(409, "amounts_differ", detail).into());
        }
        Ok(())
    }

    /// What went and what came back, at one institution and to the đồng.
    fn allow_offset(&self, other: Option<&Case>) -> Result<(), Error> {
        let fits = other.is_some_and(|it| {
            let sides = [self.kind.suspense(), it.kind.suspense()];
            sides.contains(&Suspense::Debit)
                && sides.contains(&Suspense::Credit)
                && it.no.institution == self.no.institution
                && it.amount == self.amount
                && it.resolved.is_none()
        });
        if fits {
            return Ok(());
        }
        let detail = format!(
            "{} is offset by an open case of its institution, of the same amount and the other side",
            self.no
        );
        Err(Problem::new(409, "not_an_offset", detail).into())
    }
}

/// The most payments of one debit.
const SPLIT_MAX: usize = 1_000;

impl fmt::Display for CaseNo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let CaseNo {
            institution,
            statement_no,
            part,
            break_no,
        } = self;
        write!(f, "{institution}-{statement_no}-{part}-{break_no}")
    }
}

impl FromStr for CaseNo {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<CaseNo, Refusal> {
        let refusal = || Refusal::new("case_invalid", "a case is written 970436-3-07-12");
        let pieces: Vec<&str> = text.split('-').collect();
        let [institution, statement_no, part, break_no] = pieces[..] else {
            return Err(refusal());
        };
        let part: i16 = part.parse().map_err(|_| refusal())?;
        Ok(CaseNo {
            institution: institution.parse()?,
            statement_no: statement_no.parse().map_err(|_| refusal())?,
            part: part.try_into()?,
            break_no: break_no.parse().map_err(|_| refusal())?,
        })
    }
}

impl TryFrom<String> for CaseNo {
    type Error = Refusal;

    fn try_from(text: String) -> Result<CaseNo, Refusal> {
        text.parse()
    }
}

impl From<CaseNo> for String {
    fn from(case: CaseNo) -> String {
        case.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn case(kind: BreakKind, amount: u64) -> Case {
        Case {
            no: "970436-3-07-12".parse().unwrap(),
            kind,
            line: Some("R000001-07-0001-0001".parse().unwrap()),
            amount: Money::dong(amount),
            entry_no: Some(1),
            resolved: None,
            proposed: None,
        }
    }

    fn line(amount: u64) -> LineStanding {
        LineStanding {
            line: "R000001-07-0001-0001".parse().unwrap(),
            institution: "970436".parse().unwrap(),
            amount: Money::dong(amount),
            status: Some(ResultStatus::Credited),
            matched: false,
            broken: true,
            unsettled: true,
        }
    }

    fn asked(case: &Case, how: Resolution, lines: &[LineStanding], other: Option<Case>) -> String {
        let remedy = Remedy {
            how,
            lines: lines.to_vec(),
            against: other,
        };
        let problem = case.allow(&remedy).err();
        problem.map_or("allowed".to_owned(), |it| Problem::from(it).code)
    }

    #[test]
    fn a_case_is_written_and_read() {
        let text = "970436-3-07-12";
        assert_eq!(text.parse::<CaseNo>().unwrap().to_string(), text);
        for wrong in [
            "",
            "970436-3-07",
            "970436-3-16-1",
            "970436-x-07-1",
            "1-1-1-1",
        ] {
            assert!(wrong.parse::<CaseNo>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn ages_are_counted_from_the_day_of_the_statement() {
        let day = |day| NaiveDate::from_ymd_opt(2026, 12, day).unwrap();
        let ages = [1, 2, 3, 4, 5, 8, 9].map(|it| Age::of(day(1), day(it)).as_str());
        assert_eq!(ages, ["0-1", "0-1", "2-3", "2-3", "4-7", "4-7", ">7"]);
    }

    #[test]
    fn a_line_is_reconciled_where_all_three_agree() {
        type Case = (Option<ResultStatus>, bool, bool, LineState);
        let cases: [Case; 7] = [
            (None, false, false, LineState::Unreconciled),
            (None, false, true, LineState::Unreconciled),
            (
                Some(ResultStatus::Credited),
                false,
                false,
                LineState::TentativelyReconciled,
            ),
            (
                Some(ResultStatus::Credited),
                true,
                false,
                LineState::Reconciled,
            ),
            (
                Some(ResultStatus::Credited),
                true,
                true,
                LineState::Unreconciled,
            ),
            (
                Some(ResultStatus::Rejected),
                false,
                false,
                LineState::Reconciled,
            ),
            (
                Some(ResultStatus::Rejected),
                false,
                true,
                LineState::Unreconciled,
            ),
        ];
        for (status, matched, broken, expected) in cases {
            let standing = LineStanding {
                status,
                matched,
                broken,
                ..line(1)
            };
            assert_eq!(standing.state(), expected, "{standing:?}");
        }
    }

    #[test]
    fn a_debit_settles_open_lines_that_add_up_to_it() {
        let debit = case(BreakKind::NotInstructed, 500);
        let (matched, split) = (Resolution::Matched, Resolution::Split);
        assert_eq!(asked(&debit, matched, &[line(500)], None), "allowed");
        assert_eq!(
            asked(&debit, split, &[line(300), line(200)], None),
            "allowed"
        );
        assert_eq!(
            asked(&debit, split, &[line(300), line(201)], None),
            "amounts_differ"
        );
        assert_eq!(asked(&debit, matched, &[line(499)], None), "amounts_differ");
        assert_eq!(asked(&debit, matched, &[], None), "lines_count");
        assert_eq!(asked(&debit, split, &[line(500)], None), "lines_count");
        let spoilt: [fn(&mut LineStanding); 3] = [
            |it| it.matched = true,
            |it| it.status = Some(ResultStatus::Rejected),
            |it| it.institution = "970405".parse().unwrap(),
        ];
        for spoil in spoilt {
            let mut closed = line(500);
            spoil(&mut closed);
            assert_eq!(asked(&debit, matched, &[closed], None), "line_not_open");
        }
        let back = case(BreakKind::ReturnedTwice, 500);
        assert_eq!(asked(&back, matched, &[line(500)], None), "not_a_debit");
    }

    #[test]
    fn money_in_suspense_is_not_accepted_away() {
        let accepted = |kind| asked(&case(kind, 5), Resolution::Accepted, &[], None);
        let written_off = |kind| asked(&case(kind, 5), Resolution::WrittenOff, &[], None);
        assert_eq!(accepted(BreakKind::NotOnStatement), "allowed");
        assert_eq!(accepted(BreakKind::FeeTaken), "money_in_suspense");
        assert_eq!(accepted(BreakKind::ReturnUnexplained), "money_in_suspense");
        assert_eq!(written_off(BreakKind::FeeTaken), "allowed");
        assert_eq!(written_off(BreakKind::DayDiffers), "nothing_in_suspense");
        let closed = Case {
            resolved: Some(Resolution::WrittenOff),
            ..case(BreakKind::FeeTaken, 5)
        };
        let again = asked(&closed, Resolution::WrittenOff, &[], None);
        assert_eq!(again, "case_resolved");
        let by_hand = asked(
            &case(BreakKind::NotOnStatement, 5),
            Resolution::ShownLater,
            &[],
            None,
        );
        assert_eq!(by_hand, "resolution_not_for_people");
    }

    #[test]
    fn only_a_payment_that_came_back_whole_is_owed_again() {
        for kind in BreakKind::ALL {
            let told = asked(&case(kind, 5), Resolution::OwedAgain, &[], None);
            let came_back = kind == BreakKind::ReturnedAfterCredit;
            let expected = if came_back { "allowed" } else { "not_a_return" };
            assert_eq!(told, expected, "{kind:?}");
        }
        let nobodys = Case {
            line: None,
            ..case(BreakKind::ReturnedAfterCredit, 5)
        };
        let told = asked(&nobodys, Resolution::OwedAgain, &[], None);
        assert_eq!(told, "not_a_return");
    }

    #[test]
    fn what_went_is_offset_by_what_came_back() {
        let went = case(BreakKind::DebitedThoughRejected, 500);
        let back = case(BreakKind::ReturnUnexplained, 500);
        let offset = |other| asked(&went, Resolution::Offset, &[], other);
        assert_eq!(offset(Some(back)), "allowed");
        assert_eq!(offset(None), "not_an_offset");
        assert_eq!(offset(Some(went)), "not_an_offset");
        assert_eq!(
            offset(Some(case(BreakKind::ReturnUnexplained, 499))),
            "not_an_offset"
        );
        let mut elsewhere = back;
        elsewhere.no.institution = "970405".parse().unwrap();
        assert_eq!(offset(Some(elsewhere)), "not_an_offset");
    }
}

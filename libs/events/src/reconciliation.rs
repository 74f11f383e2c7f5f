use chrono::NaiveDate;
use domain::{ChunkNo, EndToEndId, Institution, LineNo, Money, Part, RunNo};
use serde::{Deserialize, Serialize};

use crate::{Fact, RECONCILIATION};

/// One partition of one statement is matched to its end: every entry is matched or a named break.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct StatementMatched {
    pub institution: Institution,
    pub statement_no: i64,
    pub date: NaiveDate,
    pub part: Part,
    /// Matched on id, account, amount and status, by run.
    pub matched: Vec<MatchedRun>,
    /// All debits of the bank in this partition, matched or not.
    pub debits: Money,
    /// All that came back in this partition.
    #[serde(default, skip_serializing_if = "crate::is_nothing")]
    pub returned: Money,
    pub breaks: Vec<Break>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MatchedRun {
    pub run_no: RunNo,
    pub lines: i64,
    pub total: Money,
    /// Of them, lines for which an earlier statement had an unsettled break.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub found_lines: i64,
    #[serde(default, skip_serializing_if = "crate::is_nothing")]
    pub found_total: Money,
}

/// What instruction, result and statement say differently about one line or entry.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Break {
    pub kind: BreakKind,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_no: Option<RunNo>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chunk: Option<ChunkNo>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<LineNo>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entry_no: Option<i64>,
    pub amount: Money,
    /// What the line's result says was credited and no statement settles, for this reason. A line
    /// has one such break at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unsettled: Option<Money>,
}

#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, sqlx::Type,
)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum BreakKind {
    /// The statement debits a payment that nobody was instructed to make.
    NotInstructed,
    /// The statement debits a payment that another institution was instructed to make.
    WrongInstitution,
    /// The statement debits another amount than was instructed.
    AmountDiffers,
    /// The statement debits for another account than was instructed.
    AccountDiffers,
    /// The same payment is debited again.
    DebitedTwice,
    /// The bank rejected the payment and debited it all the same.
    DebitedThoughRejected,
    /// Debited, but the bank never sent a result.
    DebitedWithoutResult,
    /// The payment is settled, for another day than the bank's result said.
    DayDiffers,
    /// The bank took something for itself.
    FeeTaken,
    /// The bank said credited and debited it; then the money came back.
    ReturnedAfterCredit,
    /// The money of the same payment came back again.
    ReturnedTwice,
    /// Money came back that no settled payment explains.
    ReturnUnexplained,
    /// The bank said credited, but its statement of that day does not show it.
    NotOnStatement,
    /// A result of the bank contradicts what it was instructed, or what it said before.
    ContradictingResult,
}

/// Where a break's money stands in the books of suspense.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Suspense {
    /// Gone from the state's account without a payment of ours.
    Debit,
    /// Back in the state's account without a reason known.
    Credit,
    /// No money hangs on it.
    Nothing,
}

impl BreakKind {
    pub const ALL: [BreakKind; 14] = [
        BreakKind::NotInstructed,
        BreakKind::WrongInstitution,
        BreakKind::AmountDiffers,
        BreakKind::AccountDiffers,
        BreakKind::DebitedTwice,
        BreakKind::DebitedThoughRejected,
        BreakKind::DebitedWithoutResult,
        BreakKind::DayDiffers,
        BreakKind::FeeTaken,
        BreakKind::ReturnedAfterCredit,
        BreakKind::ReturnedTwice,
        BreakKind::ReturnUnexplained,
        BreakKind::NotOnStatement,
        BreakKind::ContradictingResult,
    ];

    /// Stable name, the same on the wire and in the tables.
    pub fn code(self) -> &'static str {
        match self {
            BreakKind::NotInstructed => "not_instructed",
            BreakKind::WrongInstitution => "wrong_institution",
            BreakKind::AmountDiffers => "amount_differs",
            BreakKind::AccountDiffers => "account_differs",
            BreakKind::DebitedTwice => "debited_twice",
            BreakKind::DebitedThoughRejected => "debited_though_rejected",
            BreakKind::DebitedWithoutResult => "debited_without_result",
            BreakKind::DayDiffers => "day_differs",
            BreakKind::FeeTaken => "fee_taken",
            BreakKind::ReturnedAfterCredit => "returned_after_credit",
            BreakKind::ReturnedTwice => "returned_twice",
            BreakKind::ReturnUnexplained => "return_unexplained",
            BreakKind::NotOnStatement => "not_on_statement",
            BreakKind::ContradictingResult => "contradicting_result",
        }
    }

    /// Money that a statement moved and that settles no payment of ours waits in suspense.
    pub fn suspense(self) -> Suspense {
        match self {
            BreakKind::NotInstructed
            | BreakKind::WrongInstitution
            | BreakKind::AmountDiffers
            | BreakKind::AccountDiffers
            | BreakKind::DebitedTwice
            | BreakKind::DebitedThoughRejected
            | BreakKind::DebitedWithoutResult
            | BreakKind::FeeTaken => Suspense::Debit,
            BreakKind::ReturnedAfterCredit
            | BreakKind::ReturnedTwice
            | BreakKind::ReturnUnexplained => Suspense::Credit,
            BreakKind::DayDiffers | BreakKind::NotOnStatement | BreakKind::ContradictingResult => {
                Suspense::Nothing
            }
        }
    }
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde asks with a reference"
)]
fn is_zero(number: &i64) -> bool {
    *number == 0
}

/// Cases of one statement and partition that are closed, and what becomes of their money.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct BreaksResolved {
    pub institution: Institution,
    pub statement_no: i64,
    pub part: Part,
    pub resolved: Vec<ResolvedBreak>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ResolvedBreak {
    /// The break's number in what the statement was matched to.
    pub break_no: i32,
    pub kind: BreakKind,
    pub how: Resolution,
    pub amount: Money,
    /// The payments that the money was after all, of whatever partition; of what is owed again the
    /// payment that came back.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lines: Vec<SettledLine>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SettledLine {
    pub end_to_end_id: EndToEndId,
    pub amount: Money,
    /// A break said until now why no statement settles the line.
    #[serde(default, skip_serializing_if = "is_false")]
    pub was_unsettled: bool,
}

/// How a case was closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, sqlx::Type)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum Resolution {
    /// No money hangs on it, and officers know why it is so.
    Accepted,
    /// The money was a payment of ours.
    Matched,
    /// The money was several payments of ours.
    Split,
    /// What went and what came back are the same money.
    Offset,
    /// Nobody will give or take it back.
    WrittenOff,
    /// What the bank had credited came back: the person is owed it again.
    OwedAgain,
    /// A later statement shows what this one lacked.
    ShownLater,
    /// The bank's result came after all, and says what the statement said.
    LateResult,
}

impl Resolution {
    /// Stable name, the same on the wire and in the tables.
    pub fn code(self) -> &'static str {
        match self {
            Resolution::Accepted => "accepted",
            Resolution::Matched => "matched",
            Resolution::Split => "split",
            Resolution::Offset => "offset",
            Resolution::WrittenOff => "written_off",
            Resolution::OwedAgain => "owed_again",
            Resolution::ShownLater => "shown_later",
            Resolution::LateResult => "late_result",
        }
    }
}

impl Fact for BreaksResolved {
    const NAME: &'static str = "breaks-resolved.v1";

    fn speaker(&self) -> String {
        RECONCILIATION.to_owned()
    }

    fn part(&self) -> Part {
        self.part
    }

    /// A break is resolved once, so the first one names the fact.
    fn key(&self) -> String {
        let first = self.resolved.first().map_or(0, |it| it.break_no);
        let BreaksResolved {
            institution,
            statement_no,
            part,
            ..
        } = self;
        format!("{institution}/{statement_no}/{part}/{first}")
    }
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde asks with a reference"
)]
fn is_false(it: &bool) -> bool {
    !it
}

impl Fact for StatementMatched {
    const NAME: &'static str = "statement-matched.v1";

    fn speaker(&self) -> String {
        RECONCILIATION.to_owned()
    }

    fn part(&self) -> Part {
        self.part
    }

    fn key(&self) -> String {
        format!("{}/{}/{}", self.institution, self.statement_no, self.part)
    }
}

use chrono::NaiveDate;
use domain::{ChunkNo, Institution, LineNo, Money, Part, RunNo};
use serde::{Deserialize, Serialize};

use crate::{Fact, RECONCILIATION};

/// One partition of one statement is matched to its end: every entry is matched or a named break.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct StatementMatched {
    pub institution: Institution,
    pub statement_no: i64,
    pub date: NaiveDate,
    pub part: Part,
    /// Matched on id, account and amount, by run.
    pub matched: Vec<MatchedRun>,
    /// All debits of the bank in this partition, matched or not.
    pub debits: Money,
    pub breaks: Vec<Break>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct MatchedRun {
    pub run_no: RunNo,
    pub lines: i64,
    pub total: Money,
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
}

#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, sqlx::Type,
)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum BreakKind {
    /// The statement debits a payment that was never instructed.
    NotInstructed,
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
    /// The bank said credited, but its statement of that day does not show it.
    NotOnStatement,
}

impl BreakKind {
    /// Stable name, the same on the wire and in the tables.
    pub fn code(self) -> &'static str {
        match self {
            BreakKind::NotInstructed => "not_instructed",
            BreakKind::AmountDiffers => "amount_differs",
            BreakKind::AccountDiffers => "account_differs",
            BreakKind::DebitedTwice => "debited_twice",
            BreakKind::DebitedThoughRejected => "debited_though_rejected",
            BreakKind::DebitedWithoutResult => "debited_without_result",
            BreakKind::NotOnStatement => "not_on_statement",
        }
    }

    /// True where the bank moved money that matches no payment of ours: it goes to suspense.
    pub fn is_unmatched_debit(self) -> bool {
        self != BreakKind::NotOnStatement
    }
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

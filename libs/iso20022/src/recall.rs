mod read;
mod write;

use chrono::{DateTime, Utc};
use domain::Money;

use crate::text::{Agent, Code, Id, Name, Reason, Text};
use crate::totals::Totals;

pub use read::{AnswerReader, RecallReader};
pub use write::{AnswerWriter, RecallWriter};

/// Asks a bank for money back (camt.056), without the payments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recall {
    pub id: Id,
    pub created_at: DateTime<Utc>,
    pub from: Side,
    pub to: Side,
    /// Announced, and refused where the payments come to anything else.
    pub totals: Totals,
}

/// One payment that is asked back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecallLine {
    /// Of this request alone; the answer repeats it.
    pub id: Id,
    /// The order that the payment stood in.
    pub order_id: Id,
    pub end_to_end_id: Id,
    pub amount: Money,
    /// ISO's external cancellation reason, e.g. `DUPL`, `CUST`, `UPAY`.
    pub reason: Reason,
    pub words: Option<Text<105>>,
}

/// What a bank answers to a request (camt.029), without the payments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    pub id: Id,
    pub created_at: DateTime<Utc>,
    pub from: Side,
    pub to: Side,
    /// `CNCL`, `RJCR`, `PDCR` or another of ISO's list; it does not speak for each payment.
    pub status: Code,
}

/// What becomes of one payment that was asked back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnswerLine {
    pub id: Option<Id>,
    pub end_to_end_id: Id,
    pub verdict: Verdict,
    pub reason: Option<Reason>,
    pub words: Option<Text<105>>,
    pub amount: Option<Money>,
}

/// The money itself comes back as a return, in a notification or statement; this announces it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// `ACCR`
    Accepted,
    /// `RJCR`
    Rejected,
    /// `PDCR`, or nothing said.
    Pending,
}

/// Who asks or answers: an institution, or the state by its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Side {
    Agent(Agent),
    Party(Name),
}

/// What a camt.056 says, piece by piece.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RecallItem {
    Recall(Recall),
    Line(RecallLine),
}

/// What a camt.029 says, piece by piece.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AnswerItem {
    Answer(Answer),
    Line(AnswerLine),
}

impl Verdict {
    pub fn code(self) -> &'static str {
        match self {
            Verdict::Accepted => "ACCR",
            Verdict::Rejected => "RJCR",
            Verdict::Pending => "PDCR",
        }
    }
}

mod read;
mod write;

use chrono::{DateTime, NaiveDate, Utc};
use domain::Money;

use crate::text::{Agent, Code, Id, Reason, Text};
use crate::totals::Totals;

pub use read::ReportReader;
pub use write::ReportWriter;

/// How an order stands (pain.002), without the lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    pub message_id: Id,
    pub created_at: DateTime<Utc>,
    /// The bank that says so, where it names itself.
    pub agent: Option<Agent>,
    pub original_message_id: Id,
    /// `pain.001.001.09`
    pub original_name: Id,
    /// What the bank took the order for, where it says so.
    pub original_totals: Option<Totals>,
    /// Of the whole message; without lines below it, it is all that is said.
    pub status: Option<Standing>,
}

/// How one group of payments stands; its lines follow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PaymentReport {
    pub original_payment_id: Id,
    pub status: Option<Standing>,
}

/// How one payment stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportLine {
    pub end_to_end_id: Id,
    pub status: Standing,
    /// As the bank repeats it.
    pub amount: Option<Money>,
    pub bank_ref: Option<Id>,
    /// The day on which the bank took or booked it.
    pub accepted_on: Option<NaiveDate>,
}

/// A status of ISO's external list, with the reason and words that come with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    pub status: Code,
    pub reason: Option<Reason>,
    pub words: Option<Text<105>>,
}

/// What a status means for the money.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meaning {
    /// It is in the account (`ACCC`, `ACSC`).
    Credited,
    /// It is not, and will not be (`RJCT`).
    Rejected,
    /// Neither is said: received, accepted, pending, and every status that is not known here.
    Open,
}

/// What a pain.002 says, piece by piece.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReportItem {
    Report(Report),
    Payment(PaymentReport),
    Line(ReportLine),
}

impl Standing {
    pub fn meaning(&self) -> Meaning {
        match self.status.as_str() {
            "ACCC" | "ACSC" => Meaning::Credited,
            "RJCT" => Meaning::Rejected,
            _ => Meaning::Open,
        }
    }
}

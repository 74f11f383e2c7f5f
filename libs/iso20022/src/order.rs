mod read;
mod write;

use chrono::{DateTime, NaiveDate, Utc};
use domain::Money;

use crate::text::{AccountNo, Agent, Code, Id, Name};
use crate::totals::Totals;

pub use read::OrderReader;
pub use write::OrderWriter;

/// What a bank is told to pay (pain.001), without the lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    pub message_id: Id,
    pub created_at: DateTime<Utc>,
    /// Of the payments below it; a message of ours has one, with the message's id.
    pub payment_id: Id,
    pub execution_date: NaiveDate,
    /// Who sends the message.
    pub initiator: Name,
    /// Whose money it is, the account it comes from, and where that is.
    pub debtor: Name,
    pub account: AccountNo,
    pub agent: Agent,
    /// Announced, and refused where the lines come to anything else.
    pub totals: Totals,
}

/// One person's payment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderLine {
    pub end_to_end_id: Id,
    pub amount: Money,
    pub creditor: Name,
    /// None where it is paid in cash.
    pub account: Option<AccountNo>,
    pub agent: Agent,
    /// ISO's external purpose, e.g. `PENS`, `SSBE`, `GOVT`.
    pub purpose: Option<Code>,
    pub remittance: Option<Name>,
}

/// What a pain.001 says, piece by piece: an order, then its lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OrderItem {
    Order(Order),
    Line(OrderLine),
}

mod check;
mod entry;
mod read;
mod write;

use chrono::{DateTime, NaiveDate, Utc};
use domain::Money;

use crate::schema::Kind;
use crate::text::{AccountNo, Agent, Code, Id, Name, Reason, Text, Words};
use crate::totals::Totals;

pub(crate) use check::Check;
pub use read::StatementReader;
pub use write::StatementWriter;

/// Which way the money goes, as seen by the owner of the account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    Credit,
    Debit,
}

/// A message of a bank about accounts (camt.053, camt.054, MT940).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountMessage {
    /// A statement, or a notification.
    pub kind: Kind,
    pub message_id: Id,
    /// Unknown in MT940.
    pub created_at: Option<DateTime<Utc>>,
}

/// One page of many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    pub number: u64,
    /// MT940 tells at the end of a page only, by its closing balance.
    pub last: Option<bool>,
}

/// What stands before the entries of an account's statement or notification.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    pub id: Id,
    /// The bank's running number.
    pub sequence: Option<u64>,
    pub page: Option<Page>,
    pub account: AccountNo,
    /// None in notifications.
    pub balances: Vec<Balance>,
    pub summary: Summary,
}

/// A balance of ISO's external list: `OPBD` opens a statement and `CLBD` closes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Balance {
    pub kind: Reason,
    pub amount: Money,
    pub direction: Direction,
    pub date: NaiveDate,
}

/// Control totals of a statement as announced, each where the bank says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Summary {
    pub all: Announced,
    pub credits: Announced,
    pub debits: Announced,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Announced {
    pub count: Option<u64>,
    pub sum: Option<Money>,
}

/// A booking. Its details follow where the bank gives any.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The bank's own reference of the entry (`NtryRef`).
    pub reference: Option<Id>,
    pub amount: Money,
    pub direction: Direction,
    /// It takes back an entry of the other direction.
    pub reversal: bool,
    pub status: EntryStatus,
    pub booked_on: Option<NaiveDate>,
    pub value_on: Option<NaiveDate>,
    /// The bank's reference of the transaction (`AcctSvcrRef`).
    pub bank_ref: Option<Id>,
    pub code: BankCode,
    /// What the bank took for it; its details may then come to another amount.
    pub charges: Option<Money>,
    pub batch: Option<Batch>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryStatus {
    Booked,
    /// Announced or pending: no money has moved, and no balance has it.
    NotBooked,
}

/// What kind of booking it is: `PMNT/ICDT/DMCT`, and the bank's own word.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct BankCode {
    pub domain: Option<[Code; 3]>,
    pub own: Option<Id>,
}

/// How many transactions an entry stands for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Batch {
    pub message_id: Option<Id>,
    pub payment_id: Option<Id>,
    pub count: Option<u64>,
    pub total: Option<Money>,
}

/// A transaction of the entry before it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Detail {
    pub message_id: Option<Id>,
    pub payment_id: Option<Id>,
    pub instruction_id: Option<Id>,
    pub end_to_end_id: Option<Id>,
    pub bank_ref: Option<Id>,
    pub amount: Option<Money>,
    /// That of the entry, where it is not said.
    pub direction: Option<Direction>,
    pub charges: Option<Money>,
    pub debtor: Party,
    pub creditor: Party,
    pub purpose: Option<Code>,
    /// Lines as the bank gives them, at most [`REMITTANCE_MAX`].
    pub remittance: Vec<Name>,
    /// A structured reference of the creditor.
    pub creditor_ref: Option<Id>,
    pub returned: Option<Return>,
    pub words: Option<Words>,
}

/// Lines of remittance text that are kept of one transaction.
pub const REMITTANCE_MAX: usize = 10;

/// One side of a transaction.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Party {
    pub name: Option<Name>,
    pub account: Option<AccountNo>,
    pub agent: Option<Agent>,
}

/// Why money came back (`RtrInf`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Return {
    pub reason: Option<Reason>,
    pub words: Option<Text<105>>,
}

/// What a bank says about accounts, piece by piece.
///
/// A message, then each statement: its entries, after an entry its details and its words, and the
/// end of the statement with what was found in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StatementItem {
    Message(AccountMessage),
    Statement(Statement),
    Entry(Entry),
    Detail(Box<Detail>),
    /// What the bank says in words about the entry before it.
    Words(Words),
    End(Ending),
}

/// What a statement came to, and what is said behind its entries.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Ending {
    pub found: Found,
    /// MT940 closes with them; ISO 20022 has all balances before the entries.
    pub balances: Vec<Balance>,
}

/// Count and sum of all entries, and of those that are booked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Found {
    pub credits: Totals,
    pub debits: Totals,
    pub booked_credits: Totals,
    pub booked_debits: Totals,
}

impl Direction {
    pub fn code(self) -> &'static str {
        match self {
            Direction::Credit => "CRDT",
            Direction::Debit => "DBIT",
        }
    }
}

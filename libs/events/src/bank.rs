use chrono::NaiveDate;
use domain::{ChunkNo, EndToEndId, Institution, Money, Part, RunNo};
use privacy::Sealed;
use serde::{Deserialize, Serialize};

use crate::Fact;

/// The sequence of what a bank is told.
pub fn bank_out(institution: Institution) -> String {
    format!("bank.{institution}.out")
}

/// The sequence of a bank's results.
pub fn bank_in_results(institution: Institution) -> String {
    format!("bank.{institution}.in.results")
}

/// The sequence of a bank's statements.
pub fn bank_in_statement(institution: Institution) -> String {
    format!("bank.{institution}.in.statement")
}

/// A chunk of credits for one bank to carry out (what pain.001 says in XML).
///
/// Accounts and holders are sealed with the key that the bank shares with us; the context of each
/// is the line's end-to-end id as it is written. What does not open is `account_unreadable`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Instructions {
    pub institution: Institution,
    pub run_no: RunNo,
    pub part: Part,
    pub chunk: ChunkNo,
    /// Which one of the chunk it is, where others have left before: none for the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<i16>,
    pub business_date: NaiveDate,
    /// Control totals: must equal what `lines` add up to.
    pub count: i32,
    pub total: Money,
    /// RFC 6962 Merkle root of the chunk's lines, as approved; hex.
    pub root: String,
    /// The newest checkpoint of the state's transparency log (C2SP signed note): who keeps it can show
    /// later that the log's history is another. None before the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checkpoint: Option<String>,
    pub lines: Vec<Instruction>,
}

#[derive(Clone, Serialize, Deserialize)]
pub struct Instruction {
    pub end_to_end_id: EndToEndId,
    pub amount: Money,
    /// The sealed number of the account to credit; none on a cash list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<Sealed>,
    /// The sealed holder in the banks' form: unaccented capitals.
    pub holder: Sealed,
}

/// A bank's answers; lines may repeat, come late and in any order.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Results {
    pub institution: Institution,
    pub part: Part,
    /// The bank's own id of this message, unique at the bank.
    pub message_id: String,
    pub lines: Vec<ResultLine>,
}

#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, sqlx::Type,
)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum ResultStatus {
    /// The money is in the account or in the person's hand (ISO 20022 `ACSC`/`ACCC`).
    Credited,
    /// The bank did not pay; the reason is an ISO 20022 external code (`RJCT`).
    Rejected,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ResultLine {
    pub end_to_end_id: EndToEndId,
    pub status: ResultStatus,
    /// ISO 20022 external status reason, e.g. `AC04`; for rejections.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    pub amount: Money,
    pub bank_ref: String,
    pub booked_on: NaiveDate,
}

/// One page of a bank's statement of the state's account (what camt.053 says in XML).
///
/// The statement counts as received when all its pages are there and its lines add up; else the
/// whole of it is refused. Accounts are sealed with the bank's exchange key as in [`Instructions`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct StatementPage {
    pub institution: Institution,
    pub part: Part,
    /// The bank's sequential number of the statement, from 1.
    pub statement_no: i64,
    pub date: NaiveDate,
    pub page: i32,
    pub pages: i32,
    pub opening: Money,
    /// Funds received from the treasury that day.
    pub received: Money,
    /// Sum of all debit entries of the whole statement.
    pub debits: Money,
    /// Sum of all entries that bring a payment's money back.
    #[serde(default, skip_serializing_if = "crate::is_nothing")]
    pub returned: Money,
    /// Count of all entries of the whole statement.
    pub entries_count: i64,
    pub closing: Money,
    pub entries: Vec<StatementEntry>,
}

#[derive(Clone, Serialize, Deserialize)]
pub struct StatementEntry {
    /// The bank's number of the entry within the statement, from 1.
    pub entry_no: i64,
    pub end_to_end_id: String,
    pub amount: Money,
    /// Sealed for this entry's end-to-end id; none for cash.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<Sealed>,
    pub bank_ref: String,
    #[serde(default, skip_serializing_if = "EntryKind::is_payment")]
    pub kind: EntryKind,
    /// The day for which it was booked, where the bank says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub booked_on: Option<NaiveDate>,
}

/// What an entry of a statement is; its direction follows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, sqlx::Type)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum EntryKind {
    /// A debit: the payment that the id names.
    #[default]
    Payment,
    /// A credit: the money of that payment came back.
    Return,
    /// A debit: what the bank takes for itself.
    Charge,
}

impl EntryKind {
    /// Stable name, the same on the wire and in the tables.
    pub fn code(self) -> &'static str {
        match self {
            EntryKind::Payment => "payment",
            EntryKind::Return => "return",
            EntryKind::Charge => "charge",
        }
    }

    #[expect(
        clippy::trivially_copy_pass_by_ref,
        reason = "serde asks with a reference"
    )]
    fn is_payment(&self) -> bool {
        *self == EntryKind::Payment
    }
}

impl std::fmt::Debug for Instruction {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Instruction({})", self.end_to_end_id)
    }
}

impl std::fmt::Debug for StatementEntry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "StatementEntry({})", self.entry_no)
    }
}

impl Fact for Instructions {
    const NAME: &'static str = "instructions.v2";

    fn speaker(&self) -> String {
        bank_out(self.institution)
    }

    fn part(&self) -> Part {
        self.part
    }

    fn key(&self) -> String {
        let chunk = format!("{}-{}-{:04}", self.run_no, self.part, self.chunk.0);
        self.message
            .map_or_else(|| chunk.clone(), |it| format!("{chunk}/{it}"))
    }

    fn subject(&self) -> String {
        format!("bank.{}.out.instructions.v2", self.institution)
    }
}

impl Fact for Results {
    const NAME: &'static str = "results.v1";

    fn speaker(&self) -> String {
        bank_in_results(self.institution)
    }

    fn part(&self) -> Part {
        self.part
    }

    fn key(&self) -> String {
        format!("{}/{}", self.part, self.message_id)
    }

    fn subject(&self) -> String {
        format!("bank.{}.in.results.v1", self.institution)
    }
}

impl Fact for StatementPage {
    const NAME: &'static str = "statement.v2";

    fn speaker(&self) -> String {
        bank_in_statement(self.institution)
    }

    fn part(&self) -> Part {
        self.part
    }

    fn key(&self) -> String {
        format!("{}/{}", self.statement_no, self.page)
    }

    fn subject(&self) -> String {
        format!("bank.{}.in.statement.v2", self.institution)
    }
}

use domain::{ChunkNo, LineNo, Money, Part, PersonNo, RunNo};

use crate::{Account, Root, leaf_hash, merkle_root};

/// Why a journal was written; the steps of a payment in the order they happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum JournalKind {
    /// An appropriation was received.
    Appropriate,
    /// A run was approved: its total is committed.
    Commit,
    /// What is left of a budget year went back to the treasury, or to the next year.
    CloseYear,
    /// Lines that did not go out are not paid by their run: their money is the fund's again.
    Stop,
    /// A chunk's lines are reserved for their persons.
    Reserve,
    /// A chunk was handed to an institution.
    Release,
    /// An institution's results: credited or returned.
    Results,
    /// What an institution had credited came back, and is owed again.
    Returned,
    /// An institution did not answer within its time.
    Overdue,
    /// What was credited is not owed, or is owed again after all.
    Overpayment,
    /// What was overpaid came back, or is given up.
    Recovery,
    /// Cash was not fetched for months, or is claimed after all.
    Unclaimed,
    /// An institution's statement.
    Statement,
    /// A break of a statement was resolved.
    Resolution,
}

impl JournalKind {
    pub fn as_str(self) -> &'static str {
        match self {
            JournalKind::Appropriate => "appropriate",
            JournalKind::Commit => "commit",
            JournalKind::CloseYear => "close-year",
            JournalKind::Stop => "stop",
            JournalKind::Reserve => "reserve",
            JournalKind::Release => "release",
            JournalKind::Results => "results",
            JournalKind::Returned => "returned",
            JournalKind::Overdue => "overdue",
            JournalKind::Overpayment => "overpayment",
            JournalKind::Recovery => "recovery",
            JournalKind::Unclaimed => "unclaimed",
            JournalKind::Statement => "statement",
            JournalKind::Resolution => "resolution",
        }
    }
}

/// Money from one account to another: debit one side, credit the other, by one amount.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Transfer {
    pub debit: Account,
    pub credit: Account,
    pub amount: Money,
    /// Whose money it is and which payment line; none on control transfers.
    pub line: Option<TransferLine>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TransferLine {
    pub person_no: PersonNo,
    pub chunk: ChunkNo,
    pub line: LineNo,
}

/// Transfers that belong together: one a chunk and step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Journal {
    pub kind: JournalKind,
    /// The idempotency key, unique within the partition, e.g. `R000123-07-0042/reserve`.
    pub reference: String,
    /// The run, 0 where the journal concerns none.
    pub run_no: RunNo,
    pub transfers: Vec<Transfer>,
}

impl Transfer {
    /// The transfer's canonical bytes, big-endian and fixed in width: the leaf of the journal's tree.
    pub(crate) fn leaf(&self, run_no: RunNo, part: Part) -> [u8; 32] {
        let (person_no, chunk, line) = self
            .line
            .map_or((0, 0, 0), |it| (it.person_no.0, it.chunk.0, it.line.0));
        canonical_leaf(
            run_no.0,
            part,
            self.debit.number().0,
            self.credit.number().0,
            self.amount,
            (person_no, chunk, line),
        )
    }
}

/// One spelling of a transfer's content, used when posting and when checking.
pub(crate) fn canonical_leaf(
    run_no: i64,
    part: Part,
    debit: i64,
    credit: i64,
    amount: Money,
    (person_no, chunk, line): (i64, i32, i32),
) -> [u8; 32] {
    let mut bytes = [0; 58];
    bytes[..8].copy_from_slice(&run_no.to_be_bytes());
    bytes[8..10].copy_from_slice(&part.number().to_be_bytes());
    bytes[10..18].copy_from_slice(&debit.to_be_bytes());
    bytes[18..26].copy_from_slice(&credit.to_be_bytes());
    bytes[26..42].copy_from_slice(&amount.units().to_be_bytes());
    bytes[42..50].copy_from_slice(&person_no.to_be_bytes());
    bytes[50..54].copy_from_slice(&chunk.to_be_bytes());
    bytes[54..58].copy_from_slice(&line.to_be_bytes());
    leaf_hash(&bytes)
}

impl Journal {
    pub fn total(&self) -> Money {
        Money::sum(self.transfers.iter().map(|it| it.amount))
    }

    pub fn root(&self, part: Part) -> Root {
        merkle_root(self.transfers.iter().map(|it| it.leaf(self.run_no, part)))
    }
}

use domain::{ChunkNo, LineNo, Money, Part, PersonNo, RunNo};

use crate::merkle::{sha256, sha256_of};
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

/// What a transfer says, beside the partition of its books.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TransferContent {
    pub run_no: i64,
    pub part: Part,
    pub debit: i64,
    pub credit: i64,
    pub amount: Money,
    /// 0 where the transfer concerns no person.
    pub person_no: i64,
    pub chunk: i32,
    pub chunk_line: i32,
}

impl TransferContent {
    /// Canonical bytes, big-endian and fixed in width.
    pub fn bytes(&self) -> [u8; 58] {
        let mut bytes = [0; 58];
        bytes[..8].copy_from_slice(&self.run_no.to_be_bytes());
        bytes[8..10].copy_from_slice(&self.part.number().to_be_bytes());
        bytes[10..18].copy_from_slice(&self.debit.to_be_bytes());
        bytes[18..26].copy_from_slice(&self.credit.to_be_bytes());
        bytes[26..42].copy_from_slice(&self.amount.units().to_be_bytes());
        bytes[42..50].copy_from_slice(&self.person_no.to_be_bytes());
        bytes[50..54].copy_from_slice(&self.chunk.to_be_bytes());
        bytes[54..58].copy_from_slice(&self.chunk_line.to_be_bytes());
        bytes
    }

    /// The leaf of the journal's tree: one spelling, used when posting and when checking. A salt
    /// behind the content keeps who sees the hash from finding the content by trying.
    pub fn leaf(&self, salt: Option<[u8; 32]>) -> [u8; 32] {
        match salt {
            Some(salt) => {
                let mut leaf = [0; 1 + 58 + 32];
                leaf[1..59].copy_from_slice(&self.bytes());
                leaf[59..].copy_from_slice(&salt);
                sha256_of(&leaf)
            }
            None => leaf_hash(&self.bytes()),
        }
    }
}

/// What salts the leaves of a journal: nobody finds one line's from another's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Salt([u8; 32]);

impl Salt {
    /// Of the journal with this number, by the secret of its partition's books.
    pub fn of_journal(secret: &[u8], part: Part, seq: i64) -> Salt {
        let (part, seq) = (part.number().to_be_bytes(), seq.to_be_bytes());
        Salt(sha256(&[secret, &part, &seq]))
    }

    /// Of one transfer by its line in the journal, from 1.
    pub fn of_line(self, line: i32) -> [u8; 32] {
        let mut salted = [0; 32 + 4];
        salted[..32].copy_from_slice(&self.0);
        salted[32..].copy_from_slice(&line.to_be_bytes());
        sha256_of(&salted)
    }
}

impl Transfer {
    fn content(&self, run_no: RunNo, part: Part) -> TransferContent {
        let of_person = self.line;
        TransferContent {
            run_no: run_no.0,
            part,
            debit: self.debit.number().0,
            credit: self.credit.number().0,
            amount: self.amount,
            person_no: of_person.map_or(0, |it| it.person_no.0),
            chunk: of_person.map_or(0, |it| it.chunk.0),
            chunk_line: of_person.map_or(0, |it| it.line.0),
        }
    }
}

impl Journal {
    pub fn total(&self) -> Money {
        Money::sum(self.transfers.iter().map(|it| it.amount))
    }

    /// Over all transfers; journals of before there were salts have none.
    pub(crate) fn root(&self, part: Part, salt: Option<Salt>) -> Root {
        let lines = (1..).zip(&self.transfers);
        merkle_root(lines.map(|(line, it)| {
            let salt = salt.map(|salt| salt.of_line(line));
            it.content(self.run_no, part).leaf(salt)
        }))
    }
}

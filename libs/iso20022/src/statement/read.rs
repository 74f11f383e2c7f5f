use std::io::Read;

use chrono::{DateTime, Utc};

use super::entry::{Behind, read_batch, read_detail, read_entry};
use super::{
    AccountMessage, Announced, Balance, Check, Direction, Ending, Page, Statement, StatementItem,
    Summary,
};
use crate::flaw::ReadError;
use crate::schema::Schema;
use crate::tree::Tree;

/// Balances of one statement; a day has half a dozen, and one for each page.
const BALANCES_MAX: usize = 100;

/// Reads camt.053 and camt.054, piece by piece, in memory of one entry or detail.
#[derive(Debug)]
pub struct StatementReader<R: Read> {
    tree: Tree<R>,
    schema: Schema,
    stage: Stage,
    check: Check,
}

/// Where the tree stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Header,
    /// Between statements.
    Statements,
    /// At the beginning of an entry, and between entries.
    Entry,
    Entries,
    /// In an entry behind its own fields, and between its details.
    EntryEnd,
    Details,
    /// At the beginning of a detail, and of the bank's words about an entry.
    Detail,
    Words,
    /// Behind the last entry, outside of the statement.
    StatementEnd,
    Done,
}

impl<R: Read> StatementReader<R> {
    pub(crate) fn new(tree: Tree<R>, schema: Schema) -> StatementReader<R> {
        StatementReader {
            tree,
            schema,
            stage: Stage::Header,
            check: Check::default(),
        }
    }

    /// The version that the bank speaks.
    pub fn schema(&self) -> Schema {
        self.schema
    }

    /// Bytes that are kept of the file, which do not grow with it.
    pub fn kept(&self) -> usize {
        self.tree.kept()
    }

    fn advance(&mut self) -> Result<Option<StatementItem>, ReadError> {
        loop {
            let item = match self.stage {
                Stage::Header => Some(self.header()?),
                Stage::Statements => {
                    if !self.tree.enter()? {
                        self.tree.end()?;
                        return Ok(None);
                    }
                    self.account()?
                }
                Stage::Entry => Some(self.entry()?),
                Stage::Entries => self.between_entries()?,
                Stage::EntryEnd => self.after_entry()?,
                Stage::Words => {
                    self.stage = Stage::EntryEnd;
                    self.tree.text_or_nothing()?.map(StatementItem::Words)
                }
                Stage::Details => self.between_details()?,
                Stage::Detail => Some(self.detail()?),
                Stage::StatementEnd => {
                    self.stage = Stage::Statements;
                    let found = self.check.end(&[]);
                    let found = found.map_err(|it| self.tree.refuse_last(it))?;
                    let balances = Vec::new();
                    Some(StatementItem::End(Ending { found, balances }))
                }
                Stage::Done => return Ok(None),
            };
            if item.is_some() {
                return Ok(item);
            }
        }
    }

    fn header(&mut self) -> Result<StatementItem, ReadError> {
        let tree = &mut self.tree;
        if !tree.enter()? || tree.name() != "GrpHdr" {
            return Err(tree.misplaced());
        }
        let here = tree.here();
        let (mut id, mut created): (_, Option<DateTime<Utc>>) = (None, None);
        while tree.enter()? {
            match tree.name() {
                "MsgId" => tree.put(&mut id, Tree::text)?,
                "CreDtTm" => tree.put(&mut created, Tree::moment)?,
                _ => tree.skip()?,
            }
        }
        self.stage = Stage::Statements;
        Ok(StatementItem::Message(AccountMessage {
            kind: self.schema.kind,
            message_id: tree.require(here, id, "MsgId")?,
            created_at: created,
        }))
    }

    /// The head of a statement, up to its first entry.
    fn account(&mut self) -> Result<Option<StatementItem>, ReadError> {
        let tree = &mut self.tree;
        if tree.name() != self.schema.kind.account_element() {
            if tree.name() == "GrpHdr" {
                return Err(tree.misplaced());
            }
            tree.skip()?;
            return Ok(None);
        }
        let here = tree.here();
        let (mut id, mut electronic, mut legal, mut page, mut account, mut summary) =
            (None, None, None, None, None, None);
        let mut balances = Vec::new();
        self.stage = Stage::StatementEnd;
        while tree.enter()? {
            match tree.name() {
                "Id" => tree.put(&mut id, Tree::text)?,
                "ElctrncSeqNb" => tree.put(&mut electronic, Tree::number)?,
                "LglSeqNb" => tree.put(&mut legal, Tree::number)?,
                "StmtPgntn" | "NtfctnPgntn" => tree.put(&mut page, read_page)?,
                "Acct" => tree.put(&mut account, Tree::account)?,
                "Bal" if balances.len() >= BALANCES_MAX => return Err(tree.repeated().into()),
                "Bal" => balances.push(read_balance(tree)?),
                "TxsSummry" => tree.put(&mut summary, read_summary)?,
                "Ntry" => {
                    self.stage = Stage::Entry;
                    break;
                }
                _ => tree.skip()?,
            }
        }
        let statement = Statement {
            id: tree.require(here, id, "Id")?,
            sequence: electronic.or(legal),
            page,
            account: tree.require(here, account.flatten(), "Acct")?,
            balances,
            summary: summary.unwrap_or_default(),
        };
        let checked = self.check.statement(&statement);
        checked.map_err(|it| self.tree.refuse(here, it))?;
        Ok(Some(StatementItem::Statement(statement)))
    }

    fn between_entries(&mut self) -> Result<Option<StatementItem>, ReadError> {
        if !self.tree.enter()? {
            self.stage = Stage::StatementEnd;
            return Ok(None);
        }
        match self.tree.name() {
            "Ntry" => self.stage = Stage::Entry,
            "Id" | "Acct" | "Bal" | "TxsSummry" | "StmtPgntn" | "NtfctnPgntn" => {
                return Err(self.tree.misplaced());
            }
            _ => self.tree.skip()?,
        }
        Ok(None)
    }

    fn entry(&mut self) -> Result<StatementItem, ReadError> {
        let here = self.tree.here();
        let (entry, behind) = read_entry(&mut self.tree)?;
        let checked = self.check.entry(&entry);
        checked.map_err(|it| self.tree.refuse(here, it))?;
        self.stage = match behind {
            Behind::Nothing => {
                self.end_entry()?;
                Stage::Entries
            }
            Behind::Detail => Stage::Detail,
            Behind::NoDetail => Stage::EntryEnd,
            Behind::Words => Stage::Words,
        };
        Ok(StatementItem::Entry(entry))
    }

    fn after_entry(&mut self) -> Result<Option<StatementItem>, ReadError> {
        if !self.tree.enter()? {
            self.end_entry()?;
            self.stage = Stage::Entries;
            return Ok(None);
        }
        match self.tree.name() {
            "NtryDtls" => {
                self.stage = Stage::Details;
                let next = self.check.batch(super::Batch::default());
                next.map_err(|it| self.tree.refuse_entered(it))?;
            }
            "AddtlNtryInf" => self.stage = Stage::Words,
            "Amt" | "CdtDbtInd" | "RvslInd" | "Sts" | "BookgDt" | "ValDt" | "BkTxCd" => {
                return Err(self.tree.misplaced());
            }
            _ => self.tree.skip()?,
        }
        Ok(None)
    }

    fn between_details(&mut self) -> Result<Option<StatementItem>, ReadError> {
        if !self.tree.enter()? {
            self.stage = Stage::EntryEnd;
            return Ok(None);
        }
        match self.tree.name() {
            "TxDtls" => self.stage = Stage::Detail,
            "Btch" => {
                let batch = read_batch(&mut self.tree)?;
                let next = self.check.batch(batch);
                next.map_err(|it| self.tree.refuse_last(it))?;
            }
            _ => self.tree.skip()?,
        }
        Ok(None)
    }

    fn detail(&mut self) -> Result<StatementItem, ReadError> {
        let detail = read_detail(&mut self.tree)?;
        let checked = self.check.detail(&detail);
        checked.map_err(|it| self.tree.refuse_last(it))?;
        self.stage = Stage::Details;
        Ok(StatementItem::Detail(Box::new(detail)))
    }

    /// The entry that was left last is complete.
    fn end_entry(&mut self) -> Result<(), ReadError> {
        let checked = self.check.end_entry();
        checked.map_err(|it| self.tree.refuse_last(it))
    }
}

impl<R: Read> Iterator for StatementReader<R> {
    type Item = Result<StatementItem, ReadError>;

    fn next(&mut self) -> Option<Result<StatementItem, ReadError>> {
        let next = self.advance().transpose();
        if !matches!(next, Some(Ok(_))) {
            self.stage = Stage::Done;
        }
        next
    }
}

fn read_page<R: Read>(tree: &mut Tree<R>) -> Result<Page, ReadError> {
    let here = tree.here();
    let (mut number, mut last) = (None, None);
    while tree.enter()? {
        match tree.name() {
            "PgNb" => tree.put(&mut number, Tree::number)?,
            "LastPgInd" => tree.put(&mut last, Tree::flag)?,
            _ => tree.skip()?,
        }
    }
    Ok(Page {
        number: tree.require(here, number, "PgNb")?,
        last: Some(tree.require(here, last, "LastPgInd")?),
    })
}

pub(super) fn read_direction<R: Read>(tree: &mut Tree<R>) -> Result<Direction, ReadError> {
    tree.value(|text| match text {
        "CRDT" => Ok(Direction::Credit),
        "DBIT" => Ok(Direction::Debit),
        _ => Err(domain::Refusal::new("code_invalid", "this is CRDT or DBIT")),
    })
}

fn read_balance<R: Read>(tree: &mut Tree<R>) -> Result<Balance, ReadError> {
    let here = tree.here();
    let (mut kind, mut amount, mut direction, mut date) = (None, None, None, None);
    while tree.enter()? {
        match tree.name() {
            "Tp" => tree.inside("CdOrPrtry", &mut kind, Tree::reason)?,
            "Amt" => tree.put(&mut amount, Tree::money)?,
            "CdtDbtInd" => tree.put(&mut direction, read_direction)?,
            "Dt" => tree.put(&mut date, Tree::day_inside)?,
            _ => tree.skip()?,
        }
    }
    Ok(Balance {
        kind: tree.require(here, kind, "Tp")?,
        amount: tree.require(here, amount, "Amt")?,
        direction: tree.require(here, direction, "CdtDbtInd")?,
        date: tree.require(here, date, "Dt")?,
    })
}

fn read_summary<R: Read>(tree: &mut Tree<R>) -> Result<Summary, ReadError> {
    let (mut all, mut credits, mut debits) = (None, None, None);
    while tree.enter()? {
        match tree.name() {
            "TtlNtries" => tree.put(&mut all, read_announced)?,
            "TtlCdtNtries" => tree.put(&mut credits, read_announced)?,
            "TtlDbtNtries" => tree.put(&mut debits, read_announced)?,
            _ => tree.skip()?,
        }
    }
    Ok(Summary {
        all: all.unwrap_or_default(),
        credits: credits.unwrap_or_default(),
        debits: debits.unwrap_or_default(),
    })
}

fn read_announced<R: Read>(tree: &mut Tree<R>) -> Result<Announced, ReadError> {
    let (mut count, mut sum) = (None, None);
    while tree.enter()? {
        match tree.name() {
            "NbOfNtries" => tree.put(&mut count, Tree::number)?,
            "Sum" => tree.put(&mut sum, Tree::sum)?,
            _ => tree.skip()?,
        }
    }
    Ok(Announced { count, sum })
}

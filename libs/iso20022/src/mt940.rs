mod entry;
mod field;

use std::collections::VecDeque;
use std::io::Read;

use domain::Refusal;

use crate::flaw::ReadError;
use crate::schema::Kind;
use crate::statement::{
    AccountMessage, Balance, Check, Direction, Ending, Page, Statement, StatementItem, Summary,
};
use crate::text::{AccountNo, Id, Reason};
use crate::tree::Source;
use field::{Cursor, Field, Fields, malformed};

/// Reads MT940 into the items of a statement, in memory of one field.
///
/// Several messages of a file, and the pages of one statement, come as one message.
#[derive(Debug)]
pub struct Mt940Reader<R: Read> {
    fields: Fields<R>,
    stage: Stage,
    check: Check,
    head: Head,
    /// At most an entry with its detail, or an end.
    ready: VecDeque<StatementItem>,
    said: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Before `:20:`, and behind the closing balance.
    Between,
    Head,
    Entries,
    Closed,
    Done,
}

/// What came of a message before its first entry.
#[derive(Debug, Default)]
struct Head {
    account: Option<AccountNo>,
    number: Option<(Id, u64, Option<u64>)>,
}

impl<R: Read> Mt940Reader<R> {
    pub(crate) fn open(source: Source<R>) -> Result<Mt940Reader<R>, ReadError> {
        Ok(Mt940Reader {
            fields: Fields::open(source)?,
            stage: Stage::Between,
            check: Check::default(),
            head: Head::default(),
            ready: VecDeque::new(),
            said: false,
        })
    }

    fn advance(&mut self) -> Result<Option<StatementItem>, ReadError> {
        loop {
            if let Some(item) = self.ready.pop_front() {
                return Ok(Some(item));
            }
            if self.stage == Stage::Done {
                return Ok(None);
            }
            match self.fields.next()? {
                Some(field) if field.ends => self.end_message(&field)?,
                Some(field) => self.field(&field)?,
                None => {
                    let nowhere = self.fields.nowhere();
                    self.end_message(&nowhere)?;
                    self.stage = Stage::Done;
                    if !self.said {
                        let sentence = "the file has no message";
                        return Err(nowhere.refuse(Refusal::new("element_missing", sentence)));
                    }
                }
            }
        }
    }

    fn field(&mut self, field: &Field) -> Result<(), ReadError> {
        let misplaced = || {
            let sentence = "this field stands before what has to precede it, or twice";
            Err(field.refuse(Refusal::new("element_misplaced", sentence)))
        };
        match (field.tag.as_str(), self.stage) {
            ("20", Stage::Between) => self.begin(field)?,
            ("20", Stage::Closed) => {
                self.end_message(field)?;
                self.begin(field)?;
            }
            ("25" | "25P", Stage::Head) if self.head.account.is_none() => {
                let number = field.first().rsplit('/').next().unwrap_or_default();
                self.head.account = Some(field.parse(number)?);
            }
            ("28" | "28C", Stage::Head) if self.head.number.is_none() => {
                self.head.number = Some(statement_number(field)?);
            }
            ("60F" | "60M", Stage::Head) => self.opening(field)?,
            ("61", Stage::Entries) => self.entry(field)?,
            ("62F" | "62M", Stage::Entries) => self.closing(field)?,
            ("20" | "25" | "25P" | "28" | "28C" | "60F" | "60M" | "61" | "62F" | "62M", _) => {
                return misplaced();
            }
            // Available balances, and words about the whole statement.
            (_, Stage::Head | Stage::Entries | Stage::Closed) => {}
            (_, Stage::Between | Stage::Done) => return misplaced(),
        }
        Ok(())
    }

    fn begin(&mut self, field: &Field) -> Result<(), ReadError> {
        let reference: Id = field.parse(field.first())?;
        if !self.said {
            self.said = true;
            self.ready.push_back(StatementItem::Message(AccountMessage {
                kind: Kind::Statement,
                message_id: reference,
                created_at: None,
            }));
        }
        self.head = Head::default();
        self.stage = Stage::Head;
        Ok(())
    }

    fn opening(&mut self, field: &Field) -> Result<(), ReadError> {
        let kind = if field.tag == "60F" { "OPBD" } else { "ITBD" };
        let balance = balance(field, kind)?;
        let head = std::mem::take(&mut self.head);
        let missing = |name: &str| {
            let sentence = format!("{name} is missing before the opening balance");
            field.refuse(Refusal::new("element_missing", sentence))
        };
        let (id, sequence, page) = head.number.ok_or_else(|| missing(":28C:"))?;
        let statement = Statement {
            id,
            sequence: Some(sequence),
            page: page.map(|number| Page { number, last: None }),
            account: head.account.ok_or_else(|| missing(":25:"))?,
            balances: vec![balance],
            summary: Summary::default(),
        };
        let checked = self.check.statement(&statement);
        checked.map_err(|it| field.refuse(it))?;
        self.ready.push_back(StatementItem::Statement(statement));
        self.stage = Stage::Entries;
        Ok(())
    }

    fn entry(&mut self, field: &Field) -> Result<(), ReadError> {
        let (entry, mut detail) = entry::booking(field)?;
        if let Some(words) = self.fields.next_if("86")? {
            entry::told(&words, entry.direction, &mut detail)?;
        }
        let checked = self.check.entry(&entry);
        let checked = checked.and_then(|()| self.check.detail(&detail));
        let checked = checked.and_then(|()| self.check.end_entry());
        checked.map_err(|it| field.refuse(it))?;
        self.ready.push_back(StatementItem::Entry(entry));
        self.ready
            .push_back(StatementItem::Detail(Box::new(detail)));
        Ok(())
    }

    fn closing(&mut self, field: &Field) -> Result<(), ReadError> {
        let kind = if field.tag == "62F" { "CLBD" } else { "ITBD" };
        let balances = vec![balance(field, kind)?];
        let found = self.check.end(&balances);
        let found = found.map_err(|it| field.refuse(it))?;
        let end = Ending { found, balances };
        self.ready.push_back(StatementItem::End(end));
        self.stage = Stage::Closed;
        Ok(())
    }

    /// A message ends with its closing balance, or it was cut off.
    fn end_message(&mut self, at: &Field) -> Result<(), ReadError> {
        match self.stage {
            Stage::Head | Stage::Entries => {
                let sentence = "the message ends before its closing balance, :62F: or :62M:";
                Err(at.refuse(Refusal::new("element_missing", sentence)))
            }
            Stage::Between | Stage::Closed | Stage::Done => {
                self.stage = Stage::Between;
                Ok(())
            }
        }
    }
}

impl<R: Read> Iterator for Mt940Reader<R> {
    type Item = Result<StatementItem, ReadError>;

    fn next(&mut self) -> Option<Result<StatementItem, ReadError>> {
        let next = self.advance().transpose();
        if !matches!(next, Some(Ok(_))) {
            self.ready.clear();
            self.stage = Stage::Done;
        }
        next
    }
}

/// `00123/00001`: the statement's number and the page's.
fn statement_number(field: &Field) -> Result<(Id, u64, Option<u64>), ReadError> {
    let (number, page) = match field.first().split_once('/') {
        Some((number, page)) => (number, Some(page)),
        None => (field.first(), None),
    };
    let parse = |text: &str| {
        let digits = (1..=5).contains(&text.len()) && text.bytes().all(|it| it.is_ascii_digit());
        text.parse::<u64>().ok().filter(|_| digits).ok_or_else(|| {
            let sentence = "a statement is numbered with 1 to 5 digits, and so are its pages";
            field.refuse(Refusal::new("number_invalid", sentence))
        })
    };
    let sequence = parse(number)?;
    let page = page.map(parse).transpose()?;
    Ok((field.parse(number)?, sequence, page))
}

/// `C261201VND1234567,`
fn balance(field: &Field, kind: &str) -> Result<Balance, ReadError> {
    let mut cursor = Cursor::new(field);
    let direction = match cursor.take(1) {
        Some("C") => Direction::Credit,
        Some("D") => Direction::Debit,
        _ => return Err(cursor.refuse(malformed("a balance begins with C or D"))),
    };
    let date = cursor.date()?;
    let currency = cursor.take(3);
    if currency != Some("VND") {
        let sentence = "accounts are in VND";
        return Err(cursor.refuse(Refusal::new("currency_invalid", sentence)));
    }
    let amount = cursor.amount()?;
    if !cursor.rest().is_empty() {
        return Err(cursor.refuse(malformed("nothing follows the amount of a balance")));
    }
    let kind: Reason = kind.parse().map_err(|it| field.refuse(it))?;
    Ok(Balance {
        kind,
        amount,
        direction,
        date,
    })
}

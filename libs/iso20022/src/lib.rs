//! What the state and its banks write to each other in files: ISO 20022, and MT940.
//!
//! No I/O of its own, no clock, no database: bytes come from any `Read` and go to any `Write`, one
//! record at a time, so that a file of a million entries takes no more memory than one of ten.
//! What is read is refused with a stable code and its place ([`Flaw`]); what is written adds up.
//! Of each kind of message the newest version of [`SCHEMAS`] is written, and all are read.

mod emit;
mod flaw;
pub mod mapping;
mod mt940;
mod order;
mod recall;
mod report;
mod said;
mod schema;
mod statement;
mod text;
mod totals;
mod tree;

use std::io::Read;

pub use flaw::{FLAW_CODES, Flaw, Place, ReadError, WriteError};
pub use mt940::Mt940Reader;
pub use order::{Order, OrderItem, OrderLine, OrderReader, OrderWriter};
pub use recall::{
    Answer, AnswerItem, AnswerLine, AnswerReader, AnswerWriter, Recall, RecallItem, RecallLine,
    RecallReader, RecallWriter, Side, Verdict,
};
pub use report::{
    Meaning, PaymentReport, Report, ReportItem, ReportLine, ReportReader, ReportWriter, Standing,
};
pub use said::{Heard, Said, Unsaid, each_message};
pub use schema::{Kind, SCHEMAS, Schema};
pub use statement::{
    AccountMessage, Announced, Balance, BankCode, Batch, Detail, Direction, Ending, Entry,
    EntryStatus, Found, Page, Party, REMITTANCE_MAX, Return, Statement, StatementItem,
    StatementReader, StatementWriter, Summary,
};
pub use text::{AccountNo, Agent, Bic, Code, Id, Name, Reason, Text, Words};
pub use totals::Totals;
pub use tree::Limits;

use tree::{Source, Tree};

/// A file, found out to be one of those that are read.
#[derive(Debug)]
pub enum Message<R: Read> {
    Order(OrderReader<R>),
    Report(ReportReader<R>),
    Statement(Box<StatementReader<R>>),
    Mt940(Box<Mt940Reader<R>>),
    Recall(RecallReader<R>),
    Answer(AnswerReader<R>),
}

impl<R: Read> Message<R> {
    /// Looks at the beginning of a file and reads it on from there.
    pub fn open(bytes: R, limits: Limits) -> Result<Message<R>, ReadError> {
        let mut source = Source::open(bytes, limits)?;
        if !tree::begins_as_xml(&mut source)? {
            return Mt940Reader::open(source).map(|it| Message::Mt940(Box::new(it)));
        }
        let (tree, schema) = Tree::open(source, limits)?;
        match schema.kind {
            Kind::Order => OrderReader::new(tree).map(Message::Order),
            Kind::Report => ReportReader::new(tree, schema).map(Message::Report),
            Kind::Recall => Ok(Message::Recall(RecallReader::new(tree))),
            Kind::Answer => Ok(Message::Answer(AnswerReader::new(tree))),
            Kind::Statement | Kind::Notification => {
                let reader = StatementReader::new(tree, schema);
                Ok(Message::Statement(Box::new(reader)))
            }
        }
    }

    /// What it is, by its name: `camt.053.001.08`, `MT940`.
    pub fn name(&self) -> &'static str {
        match self {
            Message::Order(_) => Kind::Order.written().name,
            Message::Report(reader) => reader.schema().name,
            Message::Statement(reader) => reader.schema().name,
            Message::Mt940(_) => "MT940",
            Message::Recall(_) => Kind::Recall.written().name,
            Message::Answer(_) => Kind::Answer.written().name,
        }
    }
}

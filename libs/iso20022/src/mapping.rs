//! The one mapping between what is said as events and what is written as files.
//!
//! | event | file |
//! |---|---|
//! | `Instructions` | pain.001: the chunk's key is `MsgId` and `PmtInfId`, a line's position `EndToEndId` |
//! | `Results` | pain.002: `ACSC` is credited, `RJCT` with its reason rejected, all else no result yet |
//! | `StatementPage` | camt.053: `OPBD`, the funds received as a credit, a debit a line, `CLBD` |
//!
//! Events carry accounts and names sealed for their line, files carry them open, so whoever maps
//! holds the key that bank and state share. The approval's root stands in events alone.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, Utc};
use domain::{EndToEndId, Institution, Money, Part, Refusal};
use events::{
    EntryKind, Fact, Instruction, Instructions, ResultLine, ResultStatus, Results, StatementEntry,
    StatementPage,
};
use privacy::{ExchangeKey, Field, Sealed};

use crate::emit::vietnam;
use crate::order::{Order, OrderLine};
use crate::report::{Meaning, PaymentReport, Report, ReportItem, ReportLine, Standing};
use crate::schema::Kind;
use crate::statement::{
    AccountMessage, Announced, Balance, BankCode, Detail, Direction, Ending, Entry, EntryStatus,
    Found, Party, Statement, StatementItem, Summary,
};
use crate::text::{AccountNo, Agent, Code, Id, Name};
use crate::totals::Totals;

/// Who pays: the state's side of every order to one institution.
#[derive(Debug, Clone)]
pub struct Payer {
    pub initiator: Name,
    pub debtor: Name,
    pub account: AccountNo,
    pub agent: Agent,
    pub purpose: Code,
    /// What a creditor reads on the statement.
    pub remittance: Name,
}

fn open(
    key: &ExchangeKey,
    field: Field,
    id: &str,
    sealed: &Sealed,
) -> Result<privacy::Secret, Refusal> {
    key.open(field, id.as_bytes(), sealed).map_err(|_| {
        let sentence = "a value was not sealed with the bank's key for the line in which it stands";
        Refusal::new("account_unreadable", sentence)
    })
}

/// The head of the pain.001 that says what a chunk's instructions say.
pub fn order(
    told: &Instructions,
    payer: &Payer,
    created_at: DateTime<Utc>,
) -> Result<Order, Refusal> {
    let id: Id = told.key().parse()?;
    Ok(Order {
        message_id: id.clone(),
        created_at,
        payment_id: id,
        execution_date: told.business_date,
        initiator: payer.initiator.clone(),
        debtor: payer.debtor.clone(),
        account: payer.account.clone(),
        agent: payer.agent.clone(),
        totals: Totals {
            count: u64::try_from(told.count).unwrap_or_default(),
            sum: told.total,
        },
    })
}

/// One instruction as a line of it.
pub fn order_line(
    told: &Instruction,
    institution: Institution,
    payer: &Payer,
    key: &ExchangeKey,
) -> Result<OrderLine, Refusal> {
    let id = told.end_to_end_id.to_string();
    let account = told.account.as_ref().map(|it| {
        let number = open(key, Field::BankAccount, &id, it)?;
        number.expose().parse()
    });
    let holder = open(key, Field::PersonName, &id, &told.holder)?;
    Ok(OrderLine {
        end_to_end_id: id.parse()?,
        amount: told.amount,
        creditor: holder.expose().parse()?,
        account: account.transpose()?,
        agent: institution.into(),
        purpose: Some(payer.purpose),
        remittance: Some(payer.remittance.clone()),
    })
}

/// A line of an order as the instruction that it is.
pub fn instruction(line: &OrderLine, key: &ExchangeKey) -> Result<Instruction, Refusal> {
    let end_to_end_id: EndToEndId = line.end_to_end_id.as_str().parse()?;
    let id = end_to_end_id.to_string();
    let seal = |field, clear| key.seal(field, id.as_bytes(), clear);
    Ok(Instruction {
        end_to_end_id,
        amount: line.amount,
        account: (line.account.as_ref()).map(|it| seal(Field::BankAccount, it.expose())),
        holder: seal(Field::PersonName, line.creditor.as_str()),
    })
}

/// A bank's results as a report, its lines by the chunk whose order they answer.
pub fn report(told: &Results, created_at: DateTime<Utc>) -> Result<Vec<ReportItem>, Refusal> {
    let mut chunks: BTreeMap<String, Vec<&ResultLine>> = BTreeMap::new();
    for line in &told.lines {
        let EndToEndId {
            run, part, chunk, ..
        } = line.end_to_end_id;
        let order = format!("{run}-{part}-{:04}", chunk.0);
        chunks.entry(order).or_default().push(line);
    }
    let Some(first) = chunks.keys().next() else {
        let sentence = "a report is about an order";
        return Err(Refusal::new("element_missing", sentence));
    };
    let mut items = vec![ReportItem::Report(Report {
        message_id: told.message_id.parse()?,
        created_at,
        agent: Some(told.institution.into()),
        original_message_id: first.parse()?,
        original_name: Kind::Order.written().name.parse()?,
        original_totals: None,
        status: None,
    })];
    for (order, lines) in &chunks {
        items.push(ReportItem::Payment(PaymentReport {
            original_payment_id: order.parse()?,
            status: None,
        }));
        for line in lines {
            items.push(ReportItem::Line(report_line(line)?));
        }
    }
    Ok(items)
}

fn report_line(told: &ResultLine) -> Result<ReportLine, Refusal> {
    let status = match told.status {
        ResultStatus::Credited => "ACSC",
        ResultStatus::Rejected => "RJCT",
    };
    Ok(ReportLine {
        end_to_end_id: told.end_to_end_id.to_string().parse()?,
        status: Standing {
            status: status.parse()?,
            reason: told.reason.as_deref().map(str::parse).transpose()?,
            words: None,
        },
        amount: Some(told.amount),
        bank_ref: Some(told.bank_ref.as_str())
            .filter(|it| !it.is_empty())
            .map(str::parse)
            .transpose()?,
        accepted_on: Some(told.booked_on),
    })
}

/// A line of a report as a result; `None` while the bank has not decided.
///
/// # Errors
/// Where the line is none of ours, or its amount is not said.
pub fn result_line(line: &ReportLine, of: &Report) -> Result<Option<ResultLine>, Refusal> {
    let status = match line.status.meaning() {
        Meaning::Credited => ResultStatus::Credited,
        Meaning::Rejected => ResultStatus::Rejected,
        Meaning::Open => return Ok(None),
    };
    let amount = line.amount.ok_or_else(|| {
        let sentence = "a result repeats its amount, in OrgnlTxRef";
        Refusal::new("element_missing", sentence)
    })?;
    let said_on = of.created_at.with_timezone(&vietnam()).date_naive();
    Ok(Some(ResultLine {
        end_to_end_id: line.end_to_end_id.as_str().parse()?,
        status,
        reason: line.status.reason.as_ref().map(|it| it.as_str().to_owned()),
        amount,
        bank_ref: line
            .bank_ref
            .as_ref()
            .map_or_else(String::new, Id::to_string),
        booked_on: line.accepted_on.unwrap_or(said_on),
    }))
}

/// Lines of a report as the messages they are: one for each partition.
pub fn results(institution: Institution, of: &Report, lines: Vec<ResultLine>) -> Vec<Results> {
    let mut parts: BTreeMap<Part, Vec<ResultLine>> = BTreeMap::new();
    for line in lines {
        parts.entry(line.end_to_end_id.part).or_default().push(line);
    }
    let message_id = of.message_id.to_string();
    let parts = parts.into_iter().map(|(part, lines)| Results {
        institution,
        part,
        message_id: message_id.clone(),
        lines,
    });
    parts.collect()
}

/// What stands before the lines of a day's statement: any of its pages says so of the whole.
pub fn statement_head(
    told: &StatementPage,
    account: &AccountNo,
    created_at: DateTime<Utc>,
) -> Result<Vec<StatementItem>, Refusal> {
    let id: Id = format!("{}-{}", told.institution, told.statement_no).parse()?;
    let balance = |kind: &str, amount| -> Result<Balance, Refusal> {
        Ok(Balance {
            kind: kind.parse()?,
            amount,
            direction: Direction::Credit,
            date: told.date,
        })
    };
    let found = found(told, 0);
    // A page counts the whole's entries together: how many came back, it does not say.
    let counted = told.returned.is_zero();
    let announced = |it: Totals| Announced {
        count: counted.then_some(it.count),
        sum: Some(it.sum),
    };
    let mut items = vec![
        StatementItem::Message(AccountMessage {
            kind: Kind::Statement,
            message_id: id.clone(),
            created_at: Some(created_at),
        }),
        StatementItem::Statement(Statement {
            id,
            sequence: u64::try_from(told.statement_no).ok(),
            page: None,
            account: account.clone(),
            balances: vec![
                balance("OPBD", told.opening)?,
                balance("CLBD", told.closing)?,
            ],
            summary: Summary {
                all: Announced::default(),
                credits: announced(found.credits),
                debits: announced(found.debits),
            },
        }),
    ];
    if !told.received.is_zero() {
        let funds = booking(told.received, Direction::Credit, told.date, "RCDT")?;
        items.push(StatementItem::Entry(funds));
    }
    Ok(items)
}

/// A line of a statement as an entry with its detail.
pub fn statement_entry(
    told: &StatementEntry,
    date: NaiveDate,
    key: &ExchangeKey,
) -> Result<[StatementItem; 2], Refusal> {
    let (direction, family) = match told.kind {
        EntryKind::Payment | EntryKind::Charge => (Direction::Debit, "ICDT"),
        EntryKind::Return => (Direction::Credit, "RCDT"),
    };
    let date = told.booked_on.unwrap_or(date);
    let mut entry = booking(told.amount, direction, date, family)?;
    entry.reference = Some(told.entry_no.to_string().parse()?);
    let bank_ref = Some(told.bank_ref.as_str()).filter(|it| !it.is_empty());
    entry.bank_ref = bank_ref.map(str::parse).transpose()?;
    let account = told.account.as_ref().map(|it| {
        let number = open(key, Field::BankAccount, &told.end_to_end_id, it)?;
        number.expose().parse()
    });
    let detail = Detail {
        end_to_end_id: Some(told.end_to_end_id.parse()?),
        bank_ref: entry.bank_ref.clone(),
        amount: Some(told.amount),
        creditor: Party {
            account: account.transpose()?,
            ..Party::default()
        },
        ..Detail::default()
    };
    let detail = StatementItem::Detail(Box::new(detail));
    Ok([StatementItem::Entry(entry), detail])
}

/// What ends a day's statement; `returns` of its entries brought money back, which no page counts.
pub fn statement_end(told: &StatementPage, returns: u64) -> StatementItem {
    StatementItem::End(Ending {
        found: found(told, returns),
        balances: Vec::new(),
    })
}

/// What a booking of a bank's file is on the page of a statement.
#[derive(Debug)]
pub enum Booked {
    /// A payment, what came back of one, or what the bank took for itself.
    Entry(StatementEntry),
    /// Money of the treasury that came.
    Received(Money),
    /// Announced only, or pending: no money has moved.
    Nothing,
}

/// A booking, or one of its transactions, as an entry of a statement.
///
/// A debit that names a line is its payment, and a credit that does is its money come back (by
/// `RtrInf`, as a reversal, or told by nothing but its id). A debit without an id is a charge.
///
/// # Errors
/// `booking_unclear` where it takes back a credit, or stands for several without saying which:
/// nobody can say whose money that is.
pub fn booked(
    entry: &Entry,
    detail: Option<&Detail>,
    entry_no: i64,
    key: &ExchangeKey,
) -> Result<Booked, Refusal> {
    if entry.status != EntryStatus::Booked {
        return Ok(Booked::Nothing);
    }
    let direction = detail.and_then(|it| it.direction);
    let direction = direction.unwrap_or(entry.direction);
    let amount = detail.and_then(|it| it.amount).unwrap_or(entry.amount);
    let id = detail.and_then(|it| it.end_to_end_id.as_ref());
    let several = entry.batch.as_ref().and_then(|it| it.count);
    let unclear = |sentence: &str| Err(Refusal::new("booking_unclear", sentence));
    match (direction, id) {
        (Direction::Debit, _) if entry.reversal => {
            unclear("a reversal takes back a credit, which nobody but the treasury gave")
        }
        (_, None) if detail.is_none() && several.is_some_and(|it| it > 1) => {
            unclear("a booking of several transactions names each of them")
        }
        (Direction::Credit, None) => Ok(Booked::Received(amount)),
        (direction, id) => {
            let kind = match (direction, id) {
                (Direction::Credit, _) => EntryKind::Return,
                (Direction::Debit, Some(_)) => EntryKind::Payment,
                (Direction::Debit, None) => EntryKind::Charge,
            };
            let bank_ref = detail.and_then(|it| it.bank_ref.as_ref());
            let bank_ref = bank_ref.or(entry.bank_ref.as_ref());
            let bank_ref = bank_ref.map_or_else(String::new, Id::to_string);
            let own = || {
                entry
                    .reference
                    .as_ref()
                    .map_or(bank_ref.clone(), Id::to_string)
            };
            let end_to_end_id = id.map_or_else(own, Id::to_string);
            let account = detail.and_then(|it| it.creditor.account.as_ref());
            let account = account.filter(|_| kind == EntryKind::Payment);
            let context = end_to_end_id.as_bytes();
            Ok(Booked::Entry(StatementEntry {
                entry_no,
                amount,
                account: account.map(|it| key.seal(Field::BankAccount, context, it.expose())),
                end_to_end_id: end_to_end_id.clone(),
                bank_ref,
                kind,
                booked_on: entry.booked_on,
            }))
        }
    }
}

fn found(told: &StatementPage, returns: u64) -> Found {
    let entries = u64::try_from(told.entries_count).unwrap_or_default();
    let credits = Totals {
        count: u64::from(!told.received.is_zero()) + returns,
        sum: Money::sum([told.received, told.returned]),
    };
    let debits = Totals {
        count: entries.saturating_sub(returns),
        sum: told.debits,
    };
    Found {
        credits,
        debits,
        booked_credits: credits,
        booked_debits: debits,
    }
}

fn booking(
    amount: Money,
    direction: Direction,
    date: NaiveDate,
    family: &str,
) -> Result<Entry, Refusal> {
    Ok(Entry {
        reference: None,
        amount,
        direction,
        reversal: false,
        status: EntryStatus::Booked,
        booked_on: Some(date),
        value_on: Some(date),
        bank_ref: None,
        code: BankCode {
            domain: Some(["PMNT".parse()?, family.parse()?, "DMCT".parse()?]),
            own: None,
        },
        charges: None,
        batch: None,
    })
}

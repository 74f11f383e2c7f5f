use std::io::{self, Write};

use domain::Refusal;

use super::{
    AccountMessage, Announced, Balance, Batch, Check, Detail, Ending, Entry, EntryStatus, Party,
    Statement, StatementItem,
};
use crate::emit::Xml;
use crate::flaw::WriteError;
use crate::schema::Kind;
use crate::totals::require_amount;

/// Writes camt.053 and camt.054 from the items that a reader gives, in memory of one of them.
#[derive(Debug)]
pub struct StatementWriter<W> {
    xml: Xml<W>,
    kind: Kind,
    stage: Stage,
    check: Check,
}

/// What is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Begin,
    Message,
    Statement,
    Entry,
    Details,
    /// An entry whose words are said, which end it.
    Words,
}

impl<W: Write> StatementWriter<W> {
    pub fn begin(out: W, kind: Kind) -> Result<StatementWriter<W>, WriteError> {
        Ok(StatementWriter {
            xml: Xml::begin(out, kind.written())?,
            kind,
            stage: Stage::Begin,
            check: Check::default(),
        })
    }

    /// # Errors
    /// Where the item may not stand here, or what is complete by it does not add up.
    pub fn item(&mut self, item: &StatementItem) -> Result<(), WriteError> {
        use Stage::{Begin, Details, Message, Statement, Words};
        self.end_what_ends(item)?;
        match (item, self.stage) {
            (StatementItem::Message(it), Begin) if it.kind == self.kind => {
                self.xml.line()?;
                message(&mut self.xml, it)?;
                self.stage = Message;
            }
            (StatementItem::Statement(it), Message) => {
                require_balances(self.kind, it)?;
                self.check.statement(it)?;
                self.xml.line()?;
                self.xml.open(self.kind.account_element())?;
                statement(&mut self.xml, self.kind, it)?;
                self.stage = Statement;
            }
            (StatementItem::Entry(it), Statement) => {
                require_amount(it.amount)?;
                self.check.entry(it)?;
                self.xml.line()?;
                self.xml.open("Ntry")?;
                entry(&mut self.xml, it)?;
                self.stage = Stage::Entry;
                if let Some(batch) = &it.batch {
                    self.xml.open("NtryDtls")?;
                    write_batch(&mut self.xml, batch)?;
                    self.stage = Details;
                }
            }
            (StatementItem::Detail(it), Stage::Entry | Details) => {
                it.amount.map_or(Ok(()), require_amount)?;
                self.check.detail(it)?;
                if self.stage == Stage::Entry {
                    self.xml.open("NtryDtls")?;
                }
                self.xml.line()?;
                self.xml.inside("TxDtls", |xml| detail(xml, it))?;
                self.stage = Details;
            }
            (StatementItem::Words(words), Stage::Entry) => {
                self.xml.text("AddtlNtryInf", words.as_str())?;
                self.stage = Words;
            }
            (StatementItem::End(end), Statement) => {
                self.end_statement(end)?;
            }
            _ => {
                let sentence = "a message is written before its statements, these before entries, \
                                and these before details";
                return Err(Refusal::new("element_misplaced", sentence).into());
            }
        }
        Ok(())
    }

    /// Closes details before words, and the entry before the next one.
    fn end_what_ends(&mut self, item: &StatementItem) -> Result<(), WriteError> {
        if self.stage == Stage::Details && !matches!(item, StatementItem::Detail(_)) {
            self.xml.close()?;
            self.stage = Stage::Entry;
        }
        let within = matches!(item, StatementItem::Detail(_) | StatementItem::Words(_));
        if matches!(self.stage, Stage::Entry | Stage::Words) && !within {
            self.check.end_entry()?;
            self.xml.close()?;
            self.stage = Stage::Statement;
        }
        Ok(())
    }

    fn end_statement(&mut self, end: &Ending) -> Result<(), WriteError> {
        if !end.balances.is_empty() {
            let sentence = "balances stand before the entries";
            return Err(Refusal::new("element_misplaced", sentence).into());
        }
        if self.check.end(&[])? != end.found {
            let sentence = "the statement is not what is said at its end";
            return Err(Refusal::new("control_total_mismatch", sentence).into());
        }
        self.xml.line()?;
        self.xml.close()?;
        self.stage = Stage::Message;
        Ok(())
    }

    pub fn finish(mut self) -> Result<W, WriteError> {
        if self.stage != Stage::Message {
            let sentence = "the message ends before its last statement does";
            return Err(Refusal::new("element_missing", sentence).into());
        }
        self.xml.line()?;
        Ok(self.xml.end()?)
    }
}

fn require_balances(kind: Kind, statement: &Statement) -> Result<(), Refusal> {
    if statement.page.is_some_and(|it| it.last.is_none()) {
        let sentence = "a page says whether it is the last one";
        return Err(Refusal::new("element_missing", sentence));
    }
    match (kind, statement.balances.is_empty()) {
        (Kind::Statement, true) => Err(Refusal::new("element_missing", "a statement has balances")),
        (Kind::Notification, false) => {
            let sentence = "a notification has no balances";
            Err(Refusal::new("element_misplaced", sentence))
        }
        _ => Ok(()),
    }
}

fn message<W: Write>(xml: &mut Xml<W>, message: &AccountMessage) -> io::Result<()> {
    xml.inside("GrpHdr", |xml| {
        xml.text("MsgId", message.message_id.as_str())?;
        match message.created_at {
            Some(moment) => xml.moment("CreDtTm", moment),
            None => Ok(()),
        }
    })
}

fn statement<W: Write>(xml: &mut Xml<W>, kind: Kind, statement: &Statement) -> io::Result<()> {
    xml.text("Id", statement.id.as_str())?;
    if let Some(page) = statement.page {
        let name = match kind {
            Kind::Notification => "NtfctnPgntn",
            _ => "StmtPgntn",
        };
        xml.inside(name, |xml| {
            xml.plain("PgNb", page.number)?;
            xml.plain("LastPgInd", page.last.unwrap_or(true))
        })?;
    }
    if let Some(sequence) = statement.sequence {
        xml.plain("ElctrncSeqNb", sequence)?;
    }
    xml.inside("Acct", |xml| {
        xml.account_id(&statement.account)?;
        xml.plain("Ccy", "VND")
    })?;
    for balance in &statement.balances {
        write_balance(xml, balance)?;
    }
    let summary = statement.summary;
    if summary == super::Summary::default() {
        return Ok(());
    }
    xml.inside("TxsSummry", |xml| {
        announced(xml, "TtlNtries", summary.all)?;
        announced(xml, "TtlCdtNtries", summary.credits)?;
        announced(xml, "TtlDbtNtries", summary.debits)
    })
}

fn announced<W: Write>(xml: &mut Xml<W>, name: &'static str, it: Announced) -> io::Result<()> {
    if it == Announced::default() {
        return Ok(());
    }
    xml.inside(name, |xml| {
        it.count.map_or(Ok(()), |it| xml.plain("NbOfNtries", it))?;
        it.sum.map_or(Ok(()), |it| xml.plain("Sum", it))
    })
}

fn write_balance<W: Write>(xml: &mut Xml<W>, balance: &Balance) -> io::Result<()> {
    xml.inside("Bal", |xml| {
        xml.inside("Tp", |xml| xml.reason("CdOrPrtry", &balance.kind))?;
        xml.amount("Amt", balance.amount)?;
        xml.plain("CdtDbtInd", balance.direction.code())?;
        xml.day("Dt", balance.date)
    })
}

fn entry<W: Write>(xml: &mut Xml<W>, entry: &Entry) -> io::Result<()> {
    xml.maybe("NtryRef", entry.reference.as_ref())?;
    xml.amount("Amt", entry.amount)?;
    xml.plain("CdtDbtInd", entry.direction.code())?;
    if entry.reversal {
        xml.plain("RvslInd", true)?;
    }
    let status = match entry.status {
        EntryStatus::Booked => "BOOK",
        EntryStatus::NotBooked => "PDNG",
    };
    xml.inside("Sts", |xml| xml.plain("Cd", status))?;
    for (name, day) in [("BookgDt", entry.booked_on), ("ValDt", entry.value_on)] {
        day.map_or(Ok(()), |it| xml.day(name, it))?;
    }
    xml.maybe("AcctSvcrRef", entry.bank_ref.as_ref())?;
    xml.inside("BkTxCd", |xml| {
        if let Some([domain, family, sub]) = entry.code.domain {
            xml.inside("Domn", |xml| {
                xml.plain("Cd", domain)?;
                xml.inside("Fmly", |xml| {
                    xml.plain("Cd", family)?;
                    xml.plain("SubFmlyCd", sub)
                })
            })?;
        }
        match &entry.code.own {
            Some(own) => xml.inside("Prtry", |xml| xml.text("Cd", own.as_str())),
            None => Ok(()),
        }
    })?;
    charges(xml, entry.charges)
}

fn charges<W: Write>(xml: &mut Xml<W>, charges: Option<domain::Money>) -> io::Result<()> {
    match charges {
        Some(total) => xml.inside("Chrgs", |xml| xml.amount("TtlChrgsAndTaxAmt", total)),
        None => Ok(()),
    }
}

fn write_batch<W: Write>(xml: &mut Xml<W>, batch: &Batch) -> io::Result<()> {
    xml.inside("Btch", |xml| {
        xml.maybe("MsgId", batch.message_id.as_ref())?;
        xml.maybe("PmtInfId", batch.payment_id.as_ref())?;
        batch.count.map_or(Ok(()), |it| xml.plain("NbOfTxs", it))?;
        batch.total.map_or(Ok(()), |it| xml.amount("TtlAmt", it))
    })
}

fn detail<W: Write>(xml: &mut Xml<W>, detail: &Detail) -> io::Result<()> {
    let refs = [
        ("MsgId", &detail.message_id),
        ("AcctSvcrRef", &detail.bank_ref),
        ("PmtInfId", &detail.payment_id),
        ("InstrId", &detail.instruction_id),
        ("EndToEndId", &detail.end_to_end_id),
    ];
    if refs.iter().any(|(_, it)| it.is_some()) {
        xml.inside("Refs", |xml| {
            let mut refs = refs.into_iter();
            refs.try_for_each(|(name, it)| xml.maybe(name, it.as_ref()))
        })?;
    }
    detail.amount.map_or(Ok(()), |it| xml.amount("Amt", it))?;
    if let Some(direction) = detail.direction {
        xml.plain("CdtDbtInd", direction.code())?;
    }
    charges(xml, detail.charges)?;
    parties(xml, &detail.debtor, &detail.creditor)?;
    if let Some(purpose) = detail.purpose {
        xml.inside("Purp", |xml| xml.plain("Cd", purpose))?;
    }
    if !detail.remittance.is_empty() || detail.creditor_ref.is_some() {
        xml.inside("RmtInf", |xml| {
            for line in &detail.remittance {
                xml.text("Ustrd", line.as_str())?;
            }
            match &detail.creditor_ref {
                Some(reference) => xml.inside("Strd", |xml| {
                    xml.inside("CdtrRefInf", |xml| xml.text("Ref", reference.as_str()))
                }),
                None => Ok(()),
            }
        })?;
    }
    if let Some(returned) = &detail.returned {
        xml.inside("RtrInf", |xml| {
            if let Some(reason) = &returned.reason {
                xml.reason("Rsn", reason)?;
            }
            xml.maybe("AddtlInf", returned.words.as_ref())
        })?;
    }
    xml.maybe("AddtlTxInf", detail.words.as_ref())
}

fn parties<W: Write>(xml: &mut Xml<W>, debtor: &Party, creditor: &Party) -> io::Result<()> {
    let sides = [
        (debtor, "Dbtr", "DbtrAcct", "DbtrAgt"),
        (creditor, "Cdtr", "CdtrAcct", "CdtrAgt"),
    ];
    if sides
        .iter()
        .any(|(it, ..)| it.name.is_some() || it.account.is_some())
    {
        xml.inside("RltdPties", |xml| {
            for (party, name, account, _) in sides {
                if let Some(it) = &party.name {
                    xml.inside(name, |xml| xml.named("Pty", it.as_str()))?;
                }
                if let Some(it) = &party.account {
                    xml.account(account, it)?;
                }
            }
            Ok(())
        })?;
    }
    if sides.iter().any(|(it, ..)| it.agent.is_some()) {
        xml.inside("RltdAgts", |xml| {
            for (party, _, _, agent) in sides {
                if let Some(it) = &party.agent {
                    xml.agent(agent, it)?;
                }
            }
            Ok(())
        })?;
    }
    Ok(())
}

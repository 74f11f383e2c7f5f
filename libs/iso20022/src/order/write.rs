use std::io::{self, Write};

use super::{Order, OrderLine};
use crate::emit::Xml;
use crate::flaw::WriteError;
use crate::schema::Kind;
use crate::totals::{Totals, require_amount};

/// Writes a pain.001 line by line, in memory of one line.
#[derive(Debug)]
pub struct OrderWriter<W> {
    xml: Xml<W>,
    announced: Totals,
    written: Totals,
}

impl<W: Write> OrderWriter<W> {
    /// Writes the heads of the message and of its one group of payments.
    pub fn begin(out: W, order: &Order) -> Result<OrderWriter<W>, WriteError> {
        require_amount(order.totals.sum)?;
        let mut xml = Xml::begin(out, Kind::Order.written())?;
        xml.line()?;
        group_header(&mut xml, order)?;
        xml.line()?;
        xml.open("PmtInf")?;
        payment_header(&mut xml, order)?;
        Ok(OrderWriter {
            xml,
            announced: order.totals,
            written: Totals::default(),
        })
    }

    pub fn line(&mut self, line: &OrderLine) -> Result<(), WriteError> {
        require_amount(line.amount)?;
        self.written.add(line.amount)?;
        self.xml.line()?;
        self.xml.inside("CdtTrfTxInf", |xml| {
            xml.inside("PmtId", |xml| {
                xml.text("EndToEndId", line.end_to_end_id.as_str())
            })?;
            xml.inside("Amt", |xml| xml.amount("InstdAmt", line.amount))?;
            xml.agent("CdtrAgt", &line.agent)?;
            xml.named("Cdtr", line.creditor.as_str())?;
            if let Some(account) = &line.account {
                xml.account("CdtrAcct", account)?;
            }
            if let Some(purpose) = line.purpose {
                xml.inside("Purp", |xml| xml.plain("Cd", purpose))?;
            }
            match &line.remittance {
                Some(text) => xml.inside("RmtInf", |xml| xml.text("Ustrd", text.as_str())),
                None => Ok(()),
            }
        })?;
        Ok(())
    }

    /// Ends the message, if its lines are what was announced.
    pub fn finish(mut self) -> Result<W, WriteError> {
        self.written.require(self.announced)?;
        self.xml.line()?;
        Ok(self.xml.end()?)
    }
}

fn group_header<W: Write>(xml: &mut Xml<W>, order: &Order) -> io::Result<()> {
    xml.inside("GrpHdr", |xml| {
        xml.text("MsgId", order.message_id.as_str())?;
        xml.moment("CreDtTm", order.created_at)?;
        totals(xml, order.totals)?;
        xml.named("InitgPty", order.initiator.as_str())
    })
}

fn payment_header<W: Write>(xml: &mut Xml<W>, order: &Order) -> io::Result<()> {
    xml.text("PmtInfId", order.payment_id.as_str())?;
    xml.plain("PmtMtd", "TRF")?;
    // Each line is a debit of its own, because the statement is matched line by line.
    xml.plain("BtchBookg", false)?;
    totals(xml, order.totals)?;
    xml.day("ReqdExctnDt", order.execution_date)?;
    xml.named("Dbtr", order.debtor.as_str())?;
    xml.account("DbtrAcct", &order.account)?;
    xml.agent("DbtrAgt", &order.agent)
}

fn totals<W: Write>(xml: &mut Xml<W>, totals: Totals) -> io::Result<()> {
    xml.plain("NbOfTxs", totals.count)?;
    xml.plain("CtrlSum", totals.sum)
}

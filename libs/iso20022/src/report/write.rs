use std::io::{self, Write};

use domain::Refusal;

use super::{PaymentReport, Report, ReportItem, ReportLine, Standing};
use crate::emit::Xml;
use crate::flaw::WriteError;
use crate::schema::Kind;
use crate::totals::require_amount;

/// Writes a pain.002 line by line, in memory of one line.
#[derive(Debug)]
pub struct ReportWriter<W> {
    xml: Xml<W>,
    stage: Stage,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Message,
    Payments,
    Lines,
}

impl<W: Write> ReportWriter<W> {
    pub fn begin(out: W) -> Result<ReportWriter<W>, WriteError> {
        let xml = Xml::begin(out, Kind::Report.written())?;
        let stage = Stage::Message;
        Ok(ReportWriter { xml, stage })
    }

    /// The report itself comes first, then groups of payments, each with its lines.
    pub fn item(&mut self, item: &ReportItem) -> Result<(), WriteError> {
        self.xml.line()?;
        match (item, self.stage) {
            (ReportItem::Report(report), Stage::Message) => {
                head(&mut self.xml, report)?;
                self.stage = Stage::Payments;
            }
            (ReportItem::Payment(payment), Stage::Payments | Stage::Lines) => {
                if self.stage == Stage::Lines {
                    self.xml.close()?;
                }
                self.xml.open("OrgnlPmtInfAndSts")?;
                payment_head(&mut self.xml, payment)?;
                self.stage = Stage::Lines;
            }
            (ReportItem::Line(it), Stage::Lines) => {
                it.amount.map_or(Ok(()), require_amount)?;
                line(&mut self.xml, it)?;
            }
            _ => {
                let sentence = "a report is written before its payments, and these before lines";
                return Err(Refusal::new("element_misplaced", sentence).into());
            }
        }
        Ok(())
    }

    pub fn finish(mut self) -> Result<W, WriteError> {
        if self.stage == Stage::Message {
            return Err(Refusal::new("element_missing", "a report says what it is about").into());
        }
        self.xml.line()?;
        Ok(self.xml.end()?)
    }
}

fn head<W: Write>(xml: &mut Xml<W>, report: &Report) -> io::Result<()> {
    xml.inside("GrpHdr", |xml| {
        xml.text("MsgId", report.message_id.as_str())?;
        xml.moment("CreDtTm", report.created_at)?;
        match &report.agent {
            Some(agent) => xml.agent("DbtrAgt", agent),
            None => Ok(()),
        }
    })?;
    xml.inside("OrgnlGrpInfAndSts", |xml| {
        xml.text("OrgnlMsgId", report.original_message_id.as_str())?;
        xml.text("OrgnlMsgNmId", report.original_name.as_str())?;
        if let Some(totals) = report.original_totals {
            xml.plain("OrgnlNbOfTxs", totals.count)?;
            xml.plain("OrgnlCtrlSum", totals.sum)?;
        }
        standing(xml, "GrpSts", report.status.as_ref())
    })
}

fn payment_head<W: Write>(xml: &mut Xml<W>, payment: &PaymentReport) -> io::Result<()> {
    xml.text("OrgnlPmtInfId", payment.original_payment_id.as_str())?;
    standing(xml, "PmtInfSts", payment.status.as_ref())
}

fn line<W: Write>(xml: &mut Xml<W>, line: &ReportLine) -> io::Result<()> {
    xml.inside("TxInfAndSts", |xml| {
        xml.text("OrgnlEndToEndId", line.end_to_end_id.as_str())?;
        standing(xml, "TxSts", Some(&line.status))?;
        if let Some(day) = line.accepted_on {
            // A bank's day is Viet Nam's, and the schema has room for a moment alone.
            xml.plain("AccptncDtTm", format_args!("{day}T00:00:00+07:00"))?;
        }
        xml.maybe("AcctSvcrRef", line.bank_ref.as_ref())?;
        match line.amount {
            Some(amount) => xml.inside("OrgnlTxRef", |xml| {
                xml.inside("Amt", |xml| xml.amount("InstdAmt", amount))
            }),
            None => Ok(()),
        }
    })
}

fn standing<W: Write>(
    xml: &mut Xml<W>,
    name: &'static str,
    standing: Option<&Standing>,
) -> io::Result<()> {
    let Some(standing) = standing else {
        return Ok(());
    };
    xml.plain(name, standing.status)?;
    if standing.reason.is_none() && standing.words.is_none() {
        return Ok(());
    }
    xml.inside("StsRsnInf", |xml| {
        if let Some(reason) = &standing.reason {
            xml.reason("Rsn", reason)?;
        }
        xml.maybe("AddtlInf", standing.words.as_ref())
    })
}

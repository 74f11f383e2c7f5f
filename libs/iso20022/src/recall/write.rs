use std::io::{self, Write};

use chrono::{DateTime, Utc};

use super::{Answer, AnswerLine, Recall, RecallLine, Side};
use crate::emit::Xml;
use crate::flaw::WriteError;
use crate::schema::Kind;
use crate::text::{Id, Reason, Text};
use crate::totals::{Totals, require_amount};

/// Writes a camt.056 payment by payment, in memory of one.
#[derive(Debug)]
pub struct RecallWriter<W> {
    xml: Xml<W>,
    announced: Totals,
    written: Totals,
}

/// Writes a camt.029 payment by payment, in memory of one.
#[derive(Debug)]
pub struct AnswerWriter<W> {
    xml: Xml<W>,
}

impl<W: Write> RecallWriter<W> {
    pub fn begin(out: W, recall: &Recall) -> Result<RecallWriter<W>, WriteError> {
        require_amount(recall.totals.sum)?;
        let mut xml = Xml::begin(out, Kind::Recall.written())?;
        xml.line()?;
        assignment(
            &mut xml,
            &recall.id,
            (&recall.from, &recall.to),
            recall.created_at,
        )?;
        xml.inside("CtrlData", |xml| {
            xml.plain("NbOfTxs", recall.totals.count)?;
            xml.plain("CtrlSum", recall.totals.sum)
        })?;
        xml.open("Undrlyg")?;
        Ok(RecallWriter {
            xml,
            announced: recall.totals,
            written: Totals::default(),
        })
    }

    pub fn line(&mut self, line: &RecallLine) -> Result<(), WriteError> {
        require_amount(line.amount)?;
        self.written.add(line.amount)?;
        self.xml.line()?;
        self.xml.inside("TxInf", |xml| {
            xml.text("CxlId", line.id.as_str())?;
            xml.inside("OrgnlGrpInf", |xml| {
                xml.text("OrgnlMsgId", line.order_id.as_str())?;
                xml.plain("OrgnlMsgNmId", Kind::Order.written().name)
            })?;
            xml.text("OrgnlEndToEndId", line.end_to_end_id.as_str())?;
            xml.amount("OrgnlIntrBkSttlmAmt", line.amount)?;
            reasons(xml, "CxlRsnInf", Some(&line.reason), line.words.as_ref())
        })?;
        Ok(())
    }

    /// Ends the message, if its payments are what was announced.
    pub fn finish(mut self) -> Result<W, WriteError> {
        self.written.require(self.announced)?;
        self.xml.line()?;
        Ok(self.xml.end()?)
    }
}

impl<W: Write> AnswerWriter<W> {
    pub fn begin(out: W, answer: &Answer) -> Result<AnswerWriter<W>, WriteError> {
        let mut xml = Xml::begin(out, Kind::Answer.written())?;
        xml.line()?;
        assignment(
            &mut xml,
            &answer.id,
            (&answer.from, &answer.to),
            answer.created_at,
        )?;
        xml.inside("Sts", |xml| xml.plain("Conf", answer.status))?;
        xml.open("CxlDtls")?;
        Ok(AnswerWriter { xml })
    }

    pub fn line(&mut self, line: &AnswerLine) -> Result<(), WriteError> {
        line.amount.map_or(Ok(()), require_amount)?;
        self.xml.line()?;
        self.xml.inside("TxInfAndSts", |xml| {
            xml.maybe("CxlStsId", line.id.as_ref())?;
            xml.text("OrgnlEndToEndId", line.end_to_end_id.as_str())?;
            xml.plain("TxCxlSts", line.verdict.code())?;
            if line.reason.is_some() || line.words.is_some() {
                reasons(
                    xml,
                    "CxlStsRsnInf",
                    line.reason.as_ref(),
                    line.words.as_ref(),
                )?;
            }
            let amount = line.amount;
            amount.map_or(Ok(()), |it| xml.amount("OrgnlIntrBkSttlmAmt", it))
        })?;
        Ok(())
    }

    pub fn finish(mut self) -> Result<W, WriteError> {
        self.xml.line()?;
        Ok(self.xml.end()?)
    }
}

fn assignment<W: Write>(
    xml: &mut Xml<W>,
    id: &Id,
    (from, to): (&Side, &Side),
    created_at: DateTime<Utc>,
) -> io::Result<()> {
    xml.inside("Assgnmt", |xml| {
        xml.text("Id", id.as_str())?;
        for (name, side) in [("Assgnr", from), ("Assgne", to)] {
            xml.inside(name, |xml| match side {
                Side::Agent(agent) => xml.agent("Agt", agent),
                Side::Party(party) => xml.named("Pty", party.as_str()),
            })?;
        }
        xml.moment("CreDtTm", created_at)
    })
}

fn reasons<W: Write>(
    xml: &mut Xml<W>,
    name: &'static str,
    reason: Option<&Reason>,
    words: Option<&Text<105>>,
) -> io::Result<()> {
    xml.inside(name, |xml| {
        if let Some(reason) = reason {
            xml.reason("Rsn", reason)?;
        }
        xml.maybe("AddtlInf", words)
    })
}

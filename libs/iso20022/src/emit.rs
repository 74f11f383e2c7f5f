use std::fmt::Display;
use std::io::{self, Write};

use chrono::{DateTime, FixedOffset, NaiveDate, SecondsFormat, Utc};
use domain::Money;
use quick_xml::escape::partial_escape;

use crate::schema::Schema;
use crate::text::{AccountNo, Agent, Reason, Text};

/// Writes elements as they come; nothing is kept but the names of those that are open.
#[derive(Debug)]
pub(crate) struct Xml<W> {
    out: W,
    open: Vec<&'static str>,
}

/// Viet Nam's time, in which banks and the state write and read each other's messages.
pub(crate) fn vietnam() -> FixedOffset {
    FixedOffset::east_opt(7 * 3_600).expect("seven hours are less than a day")
}

impl<W: Write> Xml<W> {
    /// Begins a message: its namespace and the element that says what it is.
    pub fn begin(mut out: W, schema: Schema) -> io::Result<Xml<W>> {
        out.write_all(b"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n")?;
        write!(out, "<Document xmlns=\"{}\">", schema.namespace())?;
        let open = vec!["Document"];
        let mut xml = Xml { out, open };
        xml.open(schema.kind.element())?;
        Ok(xml)
    }

    pub fn open(&mut self, name: &'static str) -> io::Result<()> {
        self.open.push(name);
        write!(self.out, "<{name}>")
    }

    /// Closes the element that was opened last.
    pub fn close(&mut self) -> io::Result<()> {
        let name = self.open.pop().expect("what is closed was opened");
        write!(self.out, "</{name}>")
    }

    /// A record stands on a line of its own, so that a place in the file says something.
    pub fn line(&mut self) -> io::Result<()> {
        self.out.write_all(b"\n")
    }

    pub fn inside(
        &mut self,
        name: &'static str,
        content: impl FnOnce(&mut Xml<W>) -> io::Result<()>,
    ) -> io::Result<()> {
        self.open(name)?;
        content(self)?;
        self.close()
    }

    pub fn text(&mut self, name: &'static str, text: &str) -> io::Result<()> {
        write!(self.out, "<{name}>{}</{name}>", partial_escape(text))
    }

    /// A number, a date, an indicator: what needs no escape.
    pub fn plain(&mut self, name: &'static str, value: impl Display) -> io::Result<()> {
        write!(self.out, "<{name}>{value}</{name}>")
    }

    pub fn maybe<const MAX: usize>(
        &mut self,
        name: &'static str,
        text: Option<&Text<MAX>>,
    ) -> io::Result<()> {
        text.map_or(Ok(()), |it| self.text(name, it.as_str()))
    }

    pub fn amount(&mut self, name: &'static str, amount: Money) -> io::Result<()> {
        write!(self.out, "<{name} Ccy=\"VND\">{amount}</{name}>")
    }

    pub fn moment(&mut self, name: &'static str, moment: DateTime<Utc>) -> io::Result<()> {
        let local = moment.with_timezone(&vietnam());
        self.plain(name, local.to_rfc3339_opts(SecondsFormat::AutoSi, false))
    }

    /// `<ReqdExctnDt><Dt>…</Dt></ReqdExctnDt>`, where a time could stand instead.
    pub fn day(&mut self, name: &'static str, day: NaiveDate) -> io::Result<()> {
        self.inside(name, |xml| xml.plain("Dt", day))
    }

    pub fn named(&mut self, name: &'static str, party: &str) -> io::Result<()> {
        self.inside(name, |xml| xml.text("Nm", party))
    }

    pub fn account(&mut self, name: &'static str, account: &AccountNo) -> io::Result<()> {
        self.inside(name, |xml| xml.account_id(account))
    }

    pub fn account_id(&mut self, account: &AccountNo) -> io::Result<()> {
        self.inside("Id", |xml| {
            xml.inside("Othr", |xml| xml.text("Id", account.expose()))
        })
    }

    pub fn agent(&mut self, name: &'static str, agent: &Agent) -> io::Result<()> {
        self.inside(name, |xml| {
            xml.inside("FinInstnId", |xml| match agent {
                Agent::Bic(bic) => xml.text("BICFI", bic.as_str()),
                Agent::Member(number) => {
                    xml.inside("ClrSysMmbId", |xml| xml.text("MmbId", number.as_str()))
                }
            })
        })
    }

    /// `<Rsn><Cd>AC04</Cd></Rsn>`, or `Prtry` for a bank's own.
    pub fn reason(&mut self, name: &'static str, reason: &Reason) -> io::Result<()> {
        self.inside(name, |xml| match reason {
            Reason::Code(code) => xml.plain("Cd", code),
            Reason::Own(text) => xml.text("Prtry", text.as_str()),
        })
    }

    /// Closes all that is open and gives back what was written to.
    pub fn end(mut self) -> io::Result<W> {
        while !self.open.is_empty() {
            self.close()?;
        }
        self.line()?;
        self.out.flush()?;
        Ok(self.out)
    }
}

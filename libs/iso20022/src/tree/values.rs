//! What stands in an element, by its type in the schemas.

use std::io::Read;

use chrono::{DateTime, NaiveDate, NaiveDateTime, Utc};
use domain::{Money, Refusal};

use super::{Step, Tree, event};
use crate::emit::vietnam;
use crate::flaw::ReadError;
use crate::text::{AccountNo, Agent, Reason};
use crate::totals::require_amount;

/// `<Sts>BOOK</Sts>` of older versions, `<Sts><Cd>BOOK</Cd></Sts>` of newer ones.
pub(crate) struct Choice {
    pub text: String,
    pub own: bool,
}

impl<R: Read> Tree<R> {
    pub fn choice(&mut self) -> Result<Choice, ReadError> {
        let mut found: Option<Choice> = None;
        self.text.clear();
        loop {
            match self.step()? {
                Step::Inside => {}
                Step::Start if self.way.is_foreign() => self.skip()?,
                Step::Start if !self.text.trim().is_empty() => return Err(self.misplaced()),
                Step::Start => {
                    let own = self.name() == "Prtry";
                    if !own && self.name() != "Cd" {
                        self.skip()?;
                    } else if found.is_some() {
                        return Err(self.repeated().into());
                    } else {
                        let text = self.value(|it| Ok(it.to_owned()))?;
                        found = Some(Choice { text, own });
                    }
                    self.text.clear();
                }
                Step::End | Step::Eof => break,
            }
        }
        let text = self.text.trim();
        match found {
            Some(_) if !text.is_empty() => {
                let sentence = "text stands behind a code";
                Err(self.refuse_last(Refusal::new("element_misplaced", sentence)))
            }
            Some(found) => Ok(found),
            None => Ok(Choice {
                text: text.to_owned(),
                own: false,
            }),
        }
    }

    pub fn reason(&mut self) -> Result<Reason, ReadError> {
        let choice = self.choice()?;
        let reason = if choice.own {
            choice.text.parse().map(Reason::Own)
        } else {
            choice.text.parse().map(Reason::Code)
        };
        reason.map_err(|it| self.way.flaw_of_last(it).into())
    }

    /// An amount of đồng, which may be 0; the currency is said.
    pub fn money(&mut self) -> Result<Money, ReadError> {
        if self.currency != "VND" {
            let sentence = "amounts are in VND, and say so";
            let refusal = Refusal::new("currency_invalid", sentence);
            return Err(self.refuse_entered(refusal).into());
        }
        self.value(event::whole_dong)
    }

    /// An amount of đồng that is paid or booked, which is more than 0.
    pub fn payment(&mut self) -> Result<Money, ReadError> {
        let amount = self.money()?;
        require_amount(amount).map_err(|it| self.refuse_last(it))?;
        Ok(amount)
    }

    /// The sum of control totals, which has no currency.
    pub fn sum(&mut self) -> Result<Money, ReadError> {
        self.value(event::whole_dong)
    }

    pub fn number(&mut self) -> Result<u64, ReadError> {
        self.value(event::number)
    }

    pub fn flag(&mut self) -> Result<bool, ReadError> {
        self.value(event::flag)
    }

    /// A date, or the date of a moment, as the bank wrote it.
    pub fn day(&mut self) -> Result<NaiveDate, ReadError> {
        self.value(event::day)
    }

    /// `Dt` or `DtTm` below the element.
    pub fn day_inside(&mut self) -> Result<NaiveDate, ReadError> {
        let (here, mut found) = (self.here(), None);
        while self.enter()? {
            match self.name() {
                "Dt" | "DtTm" => found = Some(self.day()?),
                _ => self.skip()?,
            }
        }
        self.require(here, found, "Dt")
    }

    /// A moment; without an offset it is Viet Nam's time.
    pub fn moment(&mut self) -> Result<DateTime<Utc>, ReadError> {
        self.value(|text| {
            if let Ok(moment) = DateTime::parse_from_rfc3339(text) {
                return Ok(moment.to_utc());
            }
            let local = NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f")
                .ok()
                .and_then(|it| it.and_local_timezone(vietnam()).single());
            let sentence = "a moment is written 2026-12-01T08:00:00+07:00";
            local
                .map(|it| it.to_utc())
                .ok_or_else(|| Refusal::new("date_invalid", sentence))
        })
    }

    /// The number of an account; its currency, where it is said, is VND.
    pub fn account(&mut self) -> Result<Option<AccountNo>, ReadError> {
        let mut found = None;
        while self.enter()? {
            match self.name() {
                "Id" => {
                    while self.enter()? {
                        match self.name() {
                            "IBAN" => self.put(&mut found, |it| it.value(str::parse))?,
                            "Othr" => self.account_id(&mut found)?,
                            _ => self.skip()?,
                        }
                    }
                }
                "Ccy" => self.value(event::currency)?,
                _ => self.skip()?,
            }
        }
        Ok(found)
    }

    fn account_id(&mut self, found: &mut Option<AccountNo>) -> Result<(), ReadError> {
        while self.enter()? {
            match self.name() {
                "Id" => self.put(found, |it| it.value(str::parse))?,
                _ => self.skip()?,
            }
        }
        Ok(())
    }

    /// A bank by its BIC where it has one, else by its number in the clearing.
    pub fn agent(&mut self) -> Result<Option<Agent>, ReadError> {
        let (mut bic, mut member) = (None, None);
        while self.enter()? {
            if self.name() != "FinInstnId" {
                self.skip()?;
                continue;
            }
            while self.enter()? {
                match self.name() {
                    "BICFI" | "BIC" => self.put(&mut bic, |it| it.value(str::parse))?,
                    "ClrSysMmbId" => {
                        while self.enter()? {
                            match self.name() {
                                "MmbId" => self.put(&mut member, Tree::text)?,
                                _ => self.skip()?,
                            }
                        }
                    }
                    _ => self.skip()?,
                }
            }
        }
        Ok(bic.map(Agent::Bic).or(member.map(Agent::Member)))
    }
}

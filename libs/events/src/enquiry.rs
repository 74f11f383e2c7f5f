use chrono::NaiveDate;
use domain::{EndToEndId, Institution, Money, Part};
use serde::{Deserialize, Serialize};

use crate::{Fact, bank_out};

/// The sequence of a bank's words on payments that it has not answered.
pub fn bank_in_standings(institution: Institution) -> String {
    format!("bank.{institution}.in.standings")
}

/// A bank is asked what became of payments that it has not answered (what pacs.028 says in XML).
///
/// It instructs nothing: who has not heard of a payment before does not make it. The answer is a
/// result where the bank knows the end, or a standing.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Enquiries {
    pub institution: Institution,
    pub part: Part,
    /// Unique at the asker; what is asked again comes in a message of its own.
    pub message_id: String,
    pub lines: Vec<Enquiry>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Enquiry {
    /// That of the instruction, and never another one.
    pub end_to_end_id: EndToEndId,
    pub amount: Money,
    /// The day for which it was instructed.
    pub business_date: NaiveDate,
    /// How often it has been asked about, this time included.
    pub round: i16,
}

/// How payments stand of which a bank cannot tell the end.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Standings {
    pub institution: Institution,
    pub part: Part,
    /// The bank's own id of this message, unique at the bank.
    pub message_id: String,
    pub lines: Vec<StandingLine>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct StandingLine {
    pub end_to_end_id: EndToEndId,
    pub standing: StandingAtBank,
}

/// None of them is an end: a payment stands where it stood.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, sqlx::Type)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum StandingAtBank {
    /// The bank has the instruction (ISO 20022 `RCVD`).
    Received,
    /// The bank finds no such instruction; that is no rejection, it may still come up.
    NotReceived,
    /// The bank is at it (ISO 20022 `PDNG`).
    Pending,
}

impl StandingAtBank {
    /// Stable name, the same on the wire and in the tables.
    pub fn code(self) -> &'static str {
        match self {
            StandingAtBank::Received => "received",
            StandingAtBank::NotReceived => "not_received",
            StandingAtBank::Pending => "pending",
        }
    }
}

impl Fact for Enquiries {
    const NAME: &'static str = "enquiries.v1";

    /// In the sequence of the instructions: a bank hears of a payment before it is asked about it.
    fn speaker(&self) -> String {
        bank_out(self.institution)
    }

    fn part(&self) -> Part {
        self.part
    }

    fn key(&self) -> String {
        format!("{}/{}", self.part, self.message_id)
    }

    fn subject(&self) -> String {
        format!("bank.{}.out.enquiries.v1", self.institution)
    }
}

impl Fact for Standings {
    const NAME: &'static str = "standings.v1";

    fn speaker(&self) -> String {
        bank_in_standings(self.institution)
    }

    fn part(&self) -> Part {
        self.part
    }

    fn key(&self) -> String {
        format!("{}/{}", self.part, self.message_id)
    }

    fn subject(&self) -> String {
        format!("bank.{}.in.standings.v1", self.institution)
    }
}

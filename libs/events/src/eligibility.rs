use chrono::NaiveDate;
use domain::{ChunkNo, LineNo, Money, Part, Period, PersonNo, Programme, Province, RunNo};
use privacy::{BlindIndex, Sealed};
use serde::{Deserialize, Serialize};

use crate::{ELIGIBILITY, Fact};

/// People who came into the registry, told to whoever keeps something by person.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PersonsRegistered {
    pub import_no: i64,
    pub part: Part,
    /// The batch within the import.
    pub batch: i64,
    pub persons: Vec<RegisteredPerson>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RegisteredPerson {
    pub person_no: PersonNo,
    /// Keyed blind index of the citizen number, hex.
    pub citizen_index: BlindIndex,
    /// Sealed name, base64; its context is the person number.
    pub name: Sealed,
}

/// Who is owed what: one chunk of one partition of a run.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct EntitlementsDetermined {
    pub run_no: RunNo,
    pub part: Part,
    pub chunk: ChunkNo,
    pub programme: Programme,
    pub period: Period,
    /// The rates that the lines cite, with their law and dates.
    pub rates: Vec<RateCited>,
    pub lines: Vec<EntitlementLine>,
    pub total: Money,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RateCited {
    pub rate_no: i32,
    pub name: String,
    pub value: String,
    pub legal_basis: String,
    pub valid_from: NaiveDate,
    pub valid_to: Option<NaiveDate>,
    pub known_from: NaiveDate,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct EntitlementLine {
    pub line: LineNo,
    pub person_no: PersonNo,
    /// 1 is the month's amount, 2… are arrears.
    pub determination_no: i16,
    pub amount: Money,
    pub province: Province,
    pub rate_no: i32,
}

/// A partition of a run is determined to its end; the control totals of all its chunks.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PartDetermined {
    pub run_no: RunNo,
    pub part: Part,
    pub chunks: i32,
    pub lines: i64,
    pub total: Money,
    /// Enrolled people who are owed nothing for the period, each with a stored reason.
    pub not_owed: i64,
}

impl Fact for PersonsRegistered {
    const NAME: &'static str = "persons-registered.v1";

    fn speaker(&self) -> String {
        ELIGIBILITY.to_owned()
    }

    fn part(&self) -> Part {
        self.part
    }

    fn key(&self) -> String {
        format!("I{:06}-{}-{:06}", self.import_no, self.part, self.batch)
    }
}

impl Fact for EntitlementsDetermined {
    const NAME: &'static str = "entitlements-determined.v1";

    fn speaker(&self) -> String {
        ELIGIBILITY.to_owned()
    }

    fn part(&self) -> Part {
        self.part
    }

    fn key(&self) -> String {
        format!("{}-{}-{:04}", self.run_no, self.part, self.chunk.0)
    }
}

impl Fact for PartDetermined {
    const NAME: &'static str = "part-determined.v1";

    fn speaker(&self) -> String {
        ELIGIBILITY.to_owned()
    }

    fn part(&self) -> Part {
        self.part
    }

    fn key(&self) -> String {
        format!("{}-{}", self.run_no, self.part)
    }
}

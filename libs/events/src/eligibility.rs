use chrono::NaiveDate;
use domain::{ChunkNo, LineNo, Money, Part, Period, PersonNo, Programme, Province, RunNo};
use privacy::{BlindIndex, Sealed};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::{ELIGIBILITY, Fact};

/// People who came into the registry or whose residence changed, told to whoever keeps something
/// by person: who is known already is brought up to date.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PersonsRegistered {
    /// The import, or a number of the same sequence for moves that were told as life events.
    pub import_no: i64,
    pub part: Part,
    /// The message within the import.
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
    /// Where the person lives, by the registry; a move is told as the person registered again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub province: Option<Province>,
    /// Five-digit code of the commune (xã, phường, đặc khu) within the province.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commune: Option<i32>,
    /// `1948-05-12`, or `1948` where the papers know the year alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub birth_date: Option<String>,
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
    /// The part of it that the province pays above the national level; absent where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub local: Option<Money>,
    pub province: Province,
    /// The parameter that the amount rests on; 0 where a table alone gives it.
    pub rate_no: i32,
    /// The past period whose arrears this is; the run's own where it is not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub period: Option<Period>,
    /// The version of the rules that held: `HTXH/2025-07`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// Facts, working and law of the decision, as stored with the determination.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub explanation: Option<Box<RawValue>>,
}

/// What was obligated before and is not owed after all, or is owed again.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct EntitlementsWithdrawn {
    pub part: Part,
    pub lines: Vec<WithdrawnLine>,
}

/// One obligation, by its key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WithdrawnLine {
    pub person_no: PersonNo,
    pub programme: Programme,
    pub period: Period,
    pub determination_no: i16,
    /// Odd numbers withdraw, even ones restore what the one before withdrew.
    pub turn: i16,
    pub amount: Money,
    /// `stopped_death`, `suspended_detained`, `rule_changed`, …
    pub reason: String,
}

impl WithdrawnLine {
    pub fn is_restored(&self) -> bool {
        self.turn % 2 == 0
    }
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

impl Fact for EntitlementsWithdrawn {
    const NAME: &'static str = "entitlements-withdrawn.v1";

    fn speaker(&self) -> String {
        ELIGIBILITY.to_owned()
    }

    fn part(&self) -> Part {
        self.part
    }

    fn key(&self) -> String {
        withdrawal_key(&self.lines)
    }
}

/// A withdrawal is said once: its first line with its turn tells it from all others.
pub(crate) fn withdrawal_key(lines: &[WithdrawnLine]) -> String {
    lines.first().map_or_else(String::new, |it| {
        let WithdrawnLine {
            person_no,
            programme,
            period,
            determination_no,
            turn,
            ..
        } = it;
        format!(
            "{programme}/{period}/{}/{determination_no}/{turn}",
            person_no.0
        )
    })
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

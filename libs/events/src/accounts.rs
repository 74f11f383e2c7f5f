use domain::{
    Channel, ChunkNo, Institution, LineNo, Money, Part, Period, PersonNo, Programme, Province,
    RunNo,
};
use privacy::{BlindIndex, Sealed};
use serde::{Deserialize, Serialize};

use crate::eligibility::{WithdrawnLine, withdrawal_key};
use crate::{ACCOUNTS, Fact};

/// Where each line of a determined chunk is to be paid; positions are eligibility's.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PayeesResolved {
    pub run_no: RunNo,
    pub part: Part,
    pub chunk: ChunkNo,
    pub programme: Programme,
    pub period: Period,
    pub lines: Vec<PayeeLine>,
    pub total: Money,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PayeeLine {
    pub line: LineNo,
    pub person_no: PersonNo,
    pub determination_no: i16,
    pub amount: Money,
    /// The part of it that the province pays above the national level; absent where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub local: Option<Money>,
    pub province: Province,
    pub rate_no: i32,
    /// The past period whose arrears this is; the run's own where it is not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub period: Option<Period>,
    pub channel: Channel,
    pub institution: Institution,
    /// Sealed account number, base64; none for cash. Its context is the person number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<Sealed>,
    /// Keyed blind index of the account number, hex; none for cash.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account_index: Option<BlindIndex>,
    /// Sealed name of the holder, base64; its context is the person number.
    pub holder: Sealed,
}

/// All chunks of a partition are resolved; carries eligibility's control totals on.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PartResolved {
    pub run_no: RunNo,
    pub part: Part,
    pub chunks: i32,
    pub lines: i64,
    pub total: Money,
    pub not_owed: i64,
}

/// What eligibility withdrew or restored, told on in the order of the lines it concerns.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PayeesWithdrawn {
    pub part: Part,
    pub lines: Vec<WithdrawnLine>,
}

impl Fact for PayeesWithdrawn {
    const NAME: &'static str = "payees-withdrawn.v1";

    fn speaker(&self) -> String {
        ACCOUNTS.to_owned()
    }

    fn part(&self) -> Part {
        self.part
    }

    fn key(&self) -> String {
        withdrawal_key(&self.lines)
    }
}

impl Fact for PayeesResolved {
    const NAME: &'static str = "payees-resolved.v1";

    fn speaker(&self) -> String {
        ACCOUNTS.to_owned()
    }

    fn part(&self) -> Part {
        self.part
    }

    fn key(&self) -> String {
        format!("{}-{}-{:04}", self.run_no, self.part, self.chunk.0)
    }
}

impl Fact for PartResolved {
    const NAME: &'static str = "part-resolved.v1";

    fn speaker(&self) -> String {
        ACCOUNTS.to_owned()
    }

    fn part(&self) -> Part {
        self.part
    }

    fn key(&self) -> String {
        format!("{}-{}", self.run_no, self.part)
    }
}

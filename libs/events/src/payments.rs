use chrono::NaiveDate;
use domain::{
    Channel, ChunkNo, EndToEndId, Institution, LineNo, Money, Part, Period, PersonNo, Programme,
    Province, RunNo,
};
use privacy::BlindIndex;
use serde::{Deserialize, Serialize};

use crate::{Fact, PAYMENTS, ResultStatus};

/// A payout run began; said once to each partition.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RunOpened {
    pub run_no: RunNo,
    pub part: Part,
    pub programme: Programme,
    pub period: Period,
    /// The day as of which rates are known and ages count; data, not a clock.
    pub business_date: NaiveDate,
}

/// What is to be paid again in one partition of a run, a chunk of it: accounts finds each another way.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ReissuesOpened {
    pub run_no: RunNo,
    pub part: Part,
    /// From 1 to `chunks`.
    pub chunk: ChunkNo,
    pub programme: Programme,
    pub period: Period,
    pub lines: Vec<ReissueLine>,
    pub total: Money,
    /// Control totals of the whole partition; a partition without lines has one empty chunk.
    pub chunks: i32,
    pub part_lines: i64,
    pub part_total: Money,
}

/// What is owed still, as it was determined once, and the ways that have failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReissueLine {
    pub line: LineNo,
    pub person_no: PersonNo,
    pub determination_no: i16,
    pub amount: Money,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub local: Option<Money>,
    pub province: Province,
    pub rate_no: i32,
    /// The past period whose arrears this is; the run's own where it is not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub period: Option<Period>,
    /// The latest last; at most the latest four.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failed: Vec<FailedWay>,
}

/// A way that did not bring the money to its person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailedWay {
    pub channel: Channel,
    pub institution: Institution,
    /// Keyed blind index of the account number, hex; none for cash.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account_index: Option<BlindIndex>,
    /// The ISO 20022 reason; none where it was never handed over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl FailedWay {
    /// The reason of what was credited and came back: told in words to who decided it (ISO 20022
    /// `NARR`).
    pub const CAME_BACK: &'static str = "NARR";
}

/// What a bank's message changed in the books, and what of it contradicts them.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ResultsApplied {
    pub part: Part,
    pub institution: Institution,
    /// The bank's own message id.
    pub message_id: String,
    pub lines: Vec<AppliedResult>,
    /// Lines that changed nothing because they contradict what is known; what only repeats or
    /// cannot be read is not in it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub refused: Vec<RefusedResult>,
}

/// A word of a bank against what it was told or said before: the first word stands.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RefusedResult {
    pub end_to_end_id: EndToEndId,
    /// `unknown_payment`, `not_your_payment`, `amount_mismatch` or `contradicting_result`.
    pub code: String,
    pub status: ResultStatus,
    pub amount: Money,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct AppliedResult {
    pub run_no: RunNo,
    pub chunk: ChunkNo,
    pub line: LineNo,
    pub status: ResultStatus,
    pub amount: Money,
    pub booked_on: NaiveDate,
}

/// A run is closed: each line is credited, returned, or in a named exception.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RunClosed {
    pub run_no: RunNo,
    pub lines: i64,
    pub total: Money,
    pub credited: Money,
    pub returned: Money,
    pub unknown: Money,
    pub held: Money,
}

/// How an institution's clearing accounts stand in one partition of the books, right after what
/// reconciliation told of was posted.
///
/// All results that it counts were told before it in this sequence, and none that it does not.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ClearingTold {
    pub part: Part,
    pub institution: Institution,
    /// What was posted: `statement/970436/3`, `resolution/970436/3/12`.
    pub after: String,
    /// All that was ever handed to it.
    pub released: Money,
    pub in_transit: Money,
    pub unknown: Money,
    /// What its statements settled.
    pub settled: Money,
    pub suspense_debits: Money,
    pub suspense_credits: Money,
}

impl Fact for ClearingTold {
    const NAME: &'static str = "clearing-told.v1";

    fn speaker(&self) -> String {
        PAYMENTS.to_owned()
    }

    fn part(&self) -> Part {
        self.part
    }

    fn key(&self) -> String {
        format!("{}/{}", self.part, self.after)
    }
}

impl Fact for RunOpened {
    const NAME: &'static str = "run-opened.v1";

    fn speaker(&self) -> String {
        PAYMENTS.to_owned()
    }

    fn part(&self) -> Part {
        self.part
    }

    fn key(&self) -> String {
        format!("{}-{}", self.run_no, self.part)
    }
}

impl Fact for ReissuesOpened {
    const NAME: &'static str = "reissues-opened.v1";

    fn speaker(&self) -> String {
        PAYMENTS.to_owned()
    }

    fn part(&self) -> Part {
        self.part
    }

    fn key(&self) -> String {
        format!("{}-{}-{:04}", self.run_no, self.part, self.chunk.0)
    }
}

impl Fact for ResultsApplied {
    const NAME: &'static str = "results-applied.v1";

    fn speaker(&self) -> String {
        PAYMENTS.to_owned()
    }

    fn part(&self) -> Part {
        self.part
    }

    fn key(&self) -> String {
        format!("{}/{}/{}", self.institution, self.part, self.message_id)
    }
}

impl Fact for RunClosed {
    const NAME: &'static str = "run-closed.v1";

    fn speaker(&self) -> String {
        PAYMENTS.to_owned()
    }

    fn part(&self) -> Part {
        Part::ZERO
    }

    fn key(&self) -> String {
        self.run_no.to_string()
    }
}

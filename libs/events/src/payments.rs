use chrono::NaiveDate;
use domain::{ChunkNo, EndToEndId, Institution, LineNo, Money, Part, Period, Programme, RunNo};
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

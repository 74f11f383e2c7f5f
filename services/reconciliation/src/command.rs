use chrono::NaiveDate;
use domain::{EndToEndId, Institution, Officer};
use events::Resolution;
use serde::{Deserialize, Serialize};

use crate::CaseNo;

/// `reconciliation.do.propose`: what a case is to be closed with. Another officer decides.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Propose {
    pub officer: Officer,
    pub case: CaseNo,
    pub how: Resolution,
    /// The payments that the money was, of a match or a split.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lines: Vec<EndToEndId>,
    /// The other case of an offset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub against: Option<CaseNo>,
    pub reason: String,
}

/// `reconciliation.do.decide`: by another officer than who proposed it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Decide {
    pub officer: Officer,
    pub proposal_no: i64,
    pub accept: bool,
    /// Why it is refused; an acceptance needs none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Of the officer's key over the [`Decision`](approval::Decision), in hex.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<String>,
}

/// `reconciliation.do.thaw-day`: goes on with a bank's day that a statement froze.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ThawDay {
    pub officer: Officer,
    pub institution: Institution,
    pub date: NaiveDate,
    pub reason: String,
}

/// `reconciliation.do.close-day`: a bank's day with a statement, in the order of days.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CloseDay {
    pub officer: Officer,
    pub institution: Institution,
    pub date: NaiveDate,
}

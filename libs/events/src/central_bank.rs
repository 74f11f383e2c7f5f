use chrono::NaiveDate;
use domain::{Institution, Part};
use privacy::BlindIndex;
use serde::{Deserialize, Serialize};

use crate::{CENTRAL_BANK, Fact};

/// What the central bank's warning system tells of accounts (SIMO), by the blind index of their
/// numbers.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SuspicionsTold {
    /// Where the feed puts the message; the accounts in it may belong to people of any partition.
    pub part: Part,
    /// The feed's own number of the message.
    pub message_id: String,
    pub suspicions: Vec<SuspicionTold>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SuspicionTold {
    /// The feed's own number of the warning, for ever.
    pub suspicion_id: String,
    pub institution: Institution,
    /// Keyed blind index of the account number, hex.
    pub account_index: BlindIndex,
    /// `fraud_report`, `mule_account`, `unverified_owner`, …
    pub kind: String,
    pub raised_on: NaiveDate,
    /// The warning with this number is withdrawn.
    #[serde(default)]
    pub cleared: bool,
}

impl Fact for SuspicionsTold {
    const NAME: &'static str = "suspicions-told.v1";

    fn speaker(&self) -> String {
        CENTRAL_BANK.to_owned()
    }

    fn part(&self) -> Part {
        self.part
    }

    fn key(&self) -> String {
        self.message_id.clone()
    }
}

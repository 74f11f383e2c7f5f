use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, NaiveTime, Utc};
use domain::{EndToEndId, Institution, Money, Officer, Period, Programme, Province, RunNo};
use serde::{Deserialize, Serialize};

use crate::preview::Guard;

/// `payments.do.appropriate`: money that a programme may spend, or a province for its own level.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Appropriate {
    pub officer: Officer,
    pub programme: Programme,
    /// Whose fund it is; none for the programme's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub province: Option<Province>,
    pub budget_year: i16,
    pub amount: Money,
    /// Number of the decision; the same one counts once.
    pub reference: String,
}

/// `payments.do.open-run`
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OpenRun {
    pub officer: Officer,
    pub programme: Programme,
    pub period: Period,
    /// The day as of which the law is known and the banks are to book.
    pub business_date: NaiveDate,
}

/// `payments.do.hold-line`: sets a line aside before the run is approved.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HoldLine {
    pub officer: Officer,
    pub line: EndToEndId,
    pub reason: String,
}

/// `payments.do.free-line`: ends the holds of a line that a person may end, before the run is
/// approved. What is not owed stays held until that is taken back.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FreeLine {
    /// None of those who changed where the line is paid.
    pub officer: Officer,
    pub line: EndToEndId,
    pub reason: String,
}

/// `payments.do.approve-run`: binds the approver to what they saw.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApproveRun {
    pub officer: Officer,
    pub run_no: RunNo,
    /// Hex.
    pub root: String,
    pub lines: i64,
    pub total: Money,
    /// Why the run is right, for each guard that warns.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub reasons: BTreeMap<Guard, String>,
    /// Of the officer's key over the [`Statement`](crate::Statement) of this run, in hex.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<String>,
}

/// `payments.do.register-key`: the public key by which another officer signs.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RegisterKey {
    /// Who has seen whose key it is; not its owner.
    pub officer: Officer,
    pub owner: Officer,
    /// Ed25519 (RFC 8032), in hex.
    pub public_key: String,
    /// The owner's signature over the [`KeyStatement`](crate::KeyStatement), in hex.
    pub proof: String,
}

/// `payments.do.end-key`: nothing more is signed by the officer's key.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EndKey {
    pub officer: Officer,
    pub owner: Officer,
    pub reason: String,
}

/// `payments.do.register-organisation-key`: by which the state, or a bank, signs its messages.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RegisterOrganisationKey {
    pub officer: Officer,
    /// `state`, or the bank's six digits.
    pub organisation: String,
    /// Ed25519 (RFC 8032), in hex.
    pub public_key: String,
    /// At once where left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_from: Option<DateTime<Utc>>,
}

/// `payments.do.confirm-organisation-key`: another officer has seen whose key it is.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConfirmOrganisationKey {
    pub officer: Officer,
    pub key_no: i64,
}

/// `payments.do.end-organisation-key`: nothing that is made later stands by it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EndOrganisationKey {
    pub officer: Officer,
    pub key_no: i64,
    pub reason: String,
    /// At once where left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<DateTime<Utc>>,
}

/// `payments.do.release-run`
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReleaseRun {
    pub officer: Officer,
    pub run_no: RunNo,
    /// As of an approval.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<String>,
}

/// `payments.do.release-late`: a release that is refused without a reason, because its day is not
/// worked or its cut-off is over.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReleaseLate {
    pub release: ReleaseRun,
    pub reason: String,
}

/// `payments.do.close-run`
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CloseRun {
    pub officer: Officer,
    pub run_no: RunNo,
}

/// `payments.do.plan-schedule`: a programme's year, or what of it has changed and is still to come.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlanSchedule {
    /// The maker of the runs that the schedule opens.
    pub officer: Officer,
    pub programme: Programme,
    pub year: i32,
    /// Why what was planned before is planned anew; needed where something is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Only tell what would be planned.
    #[serde(default)]
    pub dry_run: bool,
}

/// `payments.do.order-schedule`: what was decided about a day, a pay day or a cut-off. It holds
/// when another officer has approved it, for what is planned afterwards.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OrderSchedule {
    pub officer: Officer,
    pub ordered: Ordered,
    /// The decision's number, or what else it rests on.
    pub reason: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Ordered {
    /// A day that is worked, or a day off.
    Day { day: NaiveDate, is_worked: bool },
    /// When a programme pays a period.
    PayDay {
        programme: Programme,
        period: Period,
        day: NaiveDate,
    },
    /// Until when an institution takes what is to be booked on the same day.
    CutOff {
        institution: Institution,
        from: NaiveDate,
        at: NaiveTime,
    },
}

/// `payments.do.approve-order`
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApproveOrder {
    /// Not who ordered it.
    pub officer: Officer,
    pub order_no: i64,
}

impl Ordered {
    pub(crate) fn kind(self) -> &'static str {
        match self {
            Ordered::Day { .. } => "day",
            Ordered::PayDay { .. } => "pay_day",
            Ordered::CutOff { .. } => "cut_off",
        }
    }

    /// The first day for which it makes a difference.
    pub(crate) fn day(self) -> NaiveDate {
        match self {
            Ordered::Day { day, .. } | Ordered::PayDay { day, .. } => day,
            Ordered::CutOff { from, .. } => from,
        }
    }
}

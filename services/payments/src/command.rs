mod keys;

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, NaiveTime, Utc};
use domain::{
    BudgetYear, EndToEndId, Institution, Money, Officer, Period, Programme, Province, RunNo,
};
use events::ResultStatus;
use serde::{Deserialize, Serialize};

use crate::funding::FundingOrder;
use crate::preview::Guard;
use crate::proposal::Proposed;
use crate::release::{Scope, Waves};
use crate::year_end::Surplus;

pub use keys::{
    ConfirmOrganisationKey, EndKey, EndOrganisationKey, RegisterKey, RegisterOrganisationKey,
};

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

/// `payments.do.open-reissue`: a run that pays again what runs of the same period have left unpaid.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OpenReissue {
    pub officer: Officer,
    pub programme: Programme,
    pub period: Period,
    /// The day on which the banks are to book.
    pub business_date: NaiveDate,
    /// Only these; all that can be paid where none is named.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lines: Vec<EndToEndId>,
    /// Only what these runs have left.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub from: Vec<RunNo>,
}

/// `payments.do.take-cash`: an entry of a cash list was paid at the commune.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TakeCash {
    pub officer: Officer,
    pub line: EndToEndId,
    /// Number of the receipt that was signed for it.
    pub receipt: String,
    pub paid_on: NaiveDate,
}

/// `payments.do.move-cash`: an entry of a cash list is not to be paid in cash any more.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MoveCash {
    pub officer: Officer,
    pub line: EndToEndId,
    pub moved_on: NaiveDate,
}

/// `payments.do.age-cash`: cash that was not fetched for as long as terms say is set aside as unclaimed.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AgeCash {
    pub officer: Officer,
    /// The day that counts.
    pub as_of: NaiveDate,
}

/// `payments.do.cash-return`: an agent's list comes back, rows and their control totals.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CashReturn {
    /// Who signs it.
    pub officer: Officer,
    pub institution: Institution,
    pub run_no: RunNo,
    /// The agent's number of it; the same one counts once.
    pub return_no: String,
    pub paid_on: NaiveDate,
    pub handed_over: Money,
    pub paid: Money,
    /// Handed over less paid.
    pub balance: Money,
    pub rows: Vec<CashRow>,
    /// Of the officer's key over the [`CashStatement`](crate::CashStatement), in hex.
    pub signature: Option<String>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CashRow {
    pub line: EndToEndId,
    pub is_paid: bool,
    pub amount: Money,
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
    /// In whose place the officer acts; who has lent the right.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub principal: Option<Officer>,
}

/// `payments.do.send-back-run`: an approver does not approve, and says why. Approvals given so far
/// are void.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SendBackRun {
    pub officer: Officer,
    pub run_no: RunNo,
    pub reason: String,
}

/// `payments.do.submit-run`: a run that was sent back awaits approval again.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SubmitRun {
    /// Not who sent it back.
    pub officer: Officer,
    pub run_no: RunNo,
    /// What was done about it.
    pub reason: String,
}

/// `payments.do.propose`: what holds once another officer has accepted it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Propose {
    pub officer: Officer,
    pub proposed: Proposed,
    /// The decision's number, or what else it rests on.
    pub reason: String,
}

/// `payments.do.decide-proposal`
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DecideProposal {
    /// Neither who proposed it nor whom it concerns.
    pub officer: Officer,
    pub proposal_no: i64,
    pub accept: bool,
    /// Needed where it is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Of the officer's key over the [`Decision`](crate::Decision), in hex.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<String>,
}

/// `payments.do.end-delegation`: nobody acts by it any more; by whoever sees why.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EndDelegation {
    pub officer: Officer,
    pub proposal_no: i64,
    pub reason: String,
}

/// `payments.do.fund-run`: money has come for an approved run that was short of it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FundRun {
    pub officer: Officer,
    pub run_no: RunNo,
    /// Only what fits, in this order; all or nothing where it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partial: Option<FundingOrder>,
}

/// `payments.do.close-year`: what becomes of what a fund has left when its year is over.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CloseYear {
    pub officer: Officer,
    pub programme: Programme,
    /// Whose fund it is; none for the programme's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub province: Option<Province>,
    pub year: BudgetYear,
    pub surplus: Surplus,
    /// Number of the decision, or of the treasury's document; the same one counts once.
    pub reference: String,
}

/// `payments.do.approve-closing`
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApproveClosing {
    /// Not who ordered it.
    pub officer: Officer,
    pub closing_no: i64,
    /// Of the officer's key over the [`Decision`](approval::Decision), in hex.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<String>,
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
    /// As of an approval.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub principal: Option<Officer>,
}

/// `payments.do.release-late`: a release that is refused without a reason, because its day is not
/// worked or its cut-off is over.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReleaseLate {
    pub release: ReleaseRun,
    pub reason: String,
}

/// `payments.do.settle-unknown`: what became of a line that its institution does not answer.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SettleUnknown {
    pub officer: Officer,
    pub line: EndToEndId,
    #[serde(rename = "as")]
    pub settled_as: ResultStatus,
    /// What it rests on: a letter, a statement.
    pub evidence: String,
    /// When the institution booked it; the run's business date where left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub booked_on: Option<NaiveDate>,
}

/// `payments.do.decide-unknown`: by another officer than who said what became of the line.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DecideUnknown {
    pub officer: Officer,
    pub line: EndToEndId,
    pub accept: bool,
    /// Why it is refused; an acceptance needs none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Of the officer's key over the [`Decision`](approval::Decision), in hex.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<String>,
}

/// `payments.do.release-in-waves`: one signed act over the whole run, which goes out in portions.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReleaseInWaves {
    pub release: ReleaseRun,
    pub waves: Waves,
    /// As of a late release.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// `payments.do.continue-run`: the next wave may go out.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ContinueRun {
    pub officer: Officer,
    pub run_no: RunNo,
}

/// `payments.do.pause`, `.resume`, `.stop`: what of released runs goes out.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OrderRelease {
    pub officer: Officer,
    pub scope: Scope,
    pub reason: String,
}

/// `payments.do.limit-institution`: how many lines a minute it is sent.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LimitInstitution {
    pub officer: Officer,
    pub institution: Institution,
    pub lines_per_minute: i32,
    pub holds_from: DateTime<Utc>,
    pub reason: String,
}

/// `payments.do.approve-limit`
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApproveLimit {
    /// Not who ordered it.
    pub officer: Officer,
    pub limit_no: i64,
    /// Of the officer's key over the [`Decision`](approval::Decision), in hex.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<String>,
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
    /// Of the officer's key over the [`Decision`](approval::Decision), in hex.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<String>,
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

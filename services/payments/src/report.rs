//! Reading runs; counters only, no listing of millions.

mod overpayments;
mod store;
mod unknown;

pub use overpayments::{
    InstalmentRow, OverpaymentCase, OverpaymentFilter, OverpaymentRow, RecoveredRow, RecoveryRow,
};
pub use unknown::UnknownRow;

pub use store::{
    acts, alarms, cash_list, exceptions, institutions, lent_by, lineage, lines, overpayment,
    overpayments, preview, proposals, run_list, run_summary, runs, schedule, schedule_next,
    schedule_orders, schedule_steps, unknown, unsound_decisions, unsound_signatures,
};

use chrono::{DateTime, NaiveDate, NaiveTime, Utc};
use domain::{Channel, Institution, Money, Officer, Period, Position, Programme, RunNo};
use serde::Serialize;

use crate::funding::Shortage;
use crate::preview::{Difference, Guard, Guarded};
use crate::proposal::{Decision, Proposed};
use crate::{Moment, MomentState};

/// A run on one screen; the parts add up to the lines.
#[derive(Debug, Clone, Serialize)]
pub struct RunSummary {
    pub run_no: RunNo,
    pub programme: Programme,
    pub period: Period,
    /// 0 is the regular run of its period; the others pay again what was not paid.
    pub series: i16,
    pub business_date: NaiveDate,
    pub state: String,
    pub allowed_actions: Vec<&'static str>,
    pub maker: Officer,
    pub approvals: i64,
    pub approvals_required: i16,
    pub root: Option<String>,
    /// Enrolled people, of whom `not_owed` are owed nothing.
    pub people: i64,
    pub not_owed: i64,
    pub lines: i64,
    pub total: Money,
    /// Of the lines to pay without those held, those of past periods.
    pub arrears_lines: i64,
    pub arrears_total: Money,
    /// Of the sum to pay without lines held, what provinces pay from funds of their own.
    pub local_total: Money,
    pub held_lines: i64,
    pub held_total: Money,
    /// The held lines by why, the most frequent first; at most twenty reasons.
    pub held_by_reason: Vec<HeldRow>,
    /// What no funding has covered yet of an approved run, by fund.
    pub unfunded: Vec<Shortage>,
    pub progress: Progress,
    pub cash_lines: i64,
    pub cash_total: Money,
    pub reserved_chunks: i64,
    pub chunks: i64,
    pub released_lines: i64,
    pub released_total: Money,
    pub credited_lines: i64,
    pub credited_total: Money,
    pub returned_lines: i64,
    pub returned_total: Money,
    /// Of the credited lines, those whose money came back and is owed again.
    pub came_back_lines: i64,
    pub came_back_total: Money,
    pub unknown_lines: i64,
    pub unknown_total: Money,
    /// Released, no answer yet, within its time.
    pub waiting_lines: i64,
    pub matched_lines: i64,
    pub matched_total: Money,
    pub missing_lines: i64,
    pub breaks: i64,
    pub open_exceptions: i64,
    /// Lines that were credited and are not owed, to be recovered.
    pub overpayments: i64,
    pub overpayments_total: Money,
    pub refused_results: i64,
    pub opened_at: DateTime<Utc>,
    pub closed_at: Option<DateTime<Utc>>,
}

/// What of a run is not out, and why.
#[derive(Debug, Clone, Serialize)]
pub struct Progress {
    /// To go out: reserved or being reserved, or behind a wave, a pause or a limit.
    pub waiting_lines: i64,
    pub stopped_lines: i64,
    pub stopped_total: Money,
    /// Waves that may go out, of those planned.
    pub wave: i16,
    pub waves: i64,
    /// What is paused now and touches the run, by whom and why.
    pub paused: Vec<String>,
}

/// A run among others.
#[derive(Debug, Clone, Serialize)]
pub struct RunRow {
    pub run_no: RunNo,
    pub programme: Programme,
    pub period: Period,
    pub business_date: NaiveDate,
    pub state: String,
    pub lines: i64,
    pub total: Money,
    /// Approved, and no money there for it.
    pub unfunded: Money,
    /// Since the last approval, where it waits for money.
    pub unfunded_days: Option<i64>,
}

/// What an approver looks at first: counters, by what changed since the run before.
#[derive(Debug, Clone, Serialize)]
pub struct Preview {
    pub run_no: RunNo,
    pub lines: i64,
    pub total: Money,
    /// `None` for the programme's first run.
    pub compared_with: Option<RunNo>,
    pub differences: Vec<Difference>,
    pub guards: Vec<Guarded>,
    /// Guards that warn and were answered for the run as it is now.
    pub answered: Vec<Guard>,
}

/// What an officer did to a run, and whether their signature stands under it.
#[derive(Debug, Clone, Serialize)]
pub struct ActRow {
    pub act_no: i64,
    pub act: String,
    pub officer: Officer,
    /// In whose place, if not in their own.
    pub principal: Option<Officer>,
    pub at: DateTime<Utc>,
    pub voided_at: Option<DateTime<Utc>>,
    pub lines: i64,
    pub total: Money,
    pub reason: Option<String>,
    /// `valid`, `invalid`, or nothing where nothing was signed.
    pub signature: Option<&'static str>,
    /// Who saw whose key it is, and the key itself in hex.
    pub key_registered_by: Option<Officer>,
    pub public_key: Option<String>,
    pub statement: Option<String>,
}

/// What was proposed and what became of it.
#[derive(Debug, Clone, Serialize)]
pub struct ProposalRow {
    pub proposal_no: i64,
    pub proposed: Proposed,
    pub maker: Officer,
    pub reason: String,
    pub proposed_at: DateTime<Utc>,
    /// `proposed`, `accepted`, `refused`, `ended`.
    pub state: &'static str,
    pub decided_by: Option<Officer>,
    pub decided_at: Option<DateTime<Utc>>,
    /// As of an act.
    pub signature: Option<&'static str>,
    pub statement: Option<String>,
}

impl ProposalRow {
    /// What is signed by who decides it so.
    pub fn decision(&self, is_accepted: bool, officer: Officer) -> Decision {
        Decision {
            proposal_no: self.proposal_no,
            proposed: self.proposed.clone(),
            maker: self.maker.clone(),
            reason: self.reason.clone(),
            is_accepted,
            officer,
        }
    }
}

/// Lines set aside for one reason: the code of a withdrawal or of a hold, or what a person wrote. A
/// line that is held for two stands under both.
#[derive(Debug, Clone, Serialize)]
pub struct HeldRow {
    pub reason: String,
    pub lines: i64,
    pub total: Money,
}

#[derive(Debug, Clone, Serialize)]
pub struct InstitutionRow {
    pub institution: Institution,
    pub released_lines: i64,
    pub released_total: Money,
    pub credited_lines: i64,
    pub returned_lines: i64,
    pub unknown_lines: i64,
    pub matched_lines: i64,
}

/// Whose list is asked for, and by whom.
#[derive(Debug, Clone)]
pub struct CashListQuery {
    pub officer: Officer,
    pub run_no: RunNo,
    /// All communes where none is named.
    pub commune: Option<i32>,
    /// Names in clear.
    pub unmask: bool,
}

/// What a run pays in cash at a commune, or at all of them.
#[derive(Debug, Clone, Serialize)]
pub struct CashList {
    pub run_no: RunNo,
    pub programme: Programme,
    pub period: Period,
    pub place: String,
    pub entries: Vec<CashEntry>,
    pub total: Money,
    pub in_words: String,
}

#[derive(Debug, Clone, Serialize)]
pub struct CashEntry {
    pub line: Position,
    pub commune: Option<i32>,
    pub place: String,
    /// Of who signs for it: masked, where it was not asked for in clear.
    pub name: String,
    pub state: String,
    pub amount: Money,
}

/// An attempt at an obligation, for people.
#[derive(Debug, Clone, Serialize)]
pub struct AttemptRow {
    pub attempt: i16,
    pub end_to_end_id: Position,
    pub series: i16,
    pub run_state: String,
    pub institution: Institution,
    pub channel: Channel,
    pub amount: Money,
    pub state: String,
    pub reason: Option<String>,
    pub booked_on: Option<NaiveDate>,
}

/// A line for people: no name, no account.
#[derive(Debug, Clone, Serialize)]
pub struct LineRow {
    pub end_to_end_id: Position,
    pub person_no: i64,
    /// Whose account it is, where that is not the beneficiary's own.
    pub payee_no: Option<i64>,
    /// What is paid.
    pub amount: Money,
    /// What it pays less than is owed, for an overpayment.
    pub deducted: Money,
    /// The past period that it pays; none where it pays the run's own.
    pub arrears_of: Option<Period>,
    pub institution: Institution,
    pub channel: Channel,
    pub state: String,
    pub reason: Option<String>,
    pub rate_no: i32,
}

#[derive(Debug, Clone, Serialize)]
pub struct ExceptionRow {
    pub exception_no: i64,
    pub end_to_end_id: Option<Position>,
    pub person_no: i64,
    pub kind: String,
    pub amount: Money,
    /// What was owed for, where no line says it.
    pub period: Option<Period>,
    pub detail: String,
    /// When a hold ends by itself.
    pub hold_until: Option<DateTime<Utc>>,
    pub opened_at: DateTime<Utc>,
    pub resolved_at: Option<DateTime<Utc>>,
}

/// A moment of the schedule and what became of it.
#[derive(Debug, Clone, Serialize)]
pub struct ScheduleRow {
    pub programme: Programme,
    pub period: Period,
    pub moment: Moment,
    pub due_at: DateTime<Utc>,
    pub pay_day: NaiveDate,
    /// The earlier period on whose pay day this one is paid as well.
    pub paid_with: Option<Period>,
    pub state: MomentState,
    /// Why it was skipped or missed.
    pub reason: Option<String>,
    pub run_no: Option<RunNo>,
    pub maker: Officer,
}

/// Who, or time, did what to a moment.
#[derive(Debug, Clone, Serialize)]
pub struct StepRow {
    pub moment: Moment,
    pub step: String,
    pub due_at: DateTime<Utc>,
    pub pay_day: NaiveDate,
    pub officer: Option<Officer>,
    pub reason: Option<String>,
    pub run_no: Option<RunNo>,
    pub recorded_at: DateTime<Utc>,
}

/// Something that somebody has to look at.
#[derive(Debug, Clone, Serialize)]
pub struct AlarmRow {
    pub kind: String,
    pub subject: String,
    pub raised_at: DateTime<Utc>,
}

/// What was decided about a day, a pay day or a cut-off; without a checker it does not hold yet.
#[derive(Debug, Clone, Serialize)]
pub struct OrderRow {
    pub order_no: i64,
    pub kind: String,
    pub day: NaiveDate,
    pub is_worked: Option<bool>,
    pub programme: Option<Programme>,
    pub period: Option<Period>,
    pub institution: Option<Institution>,
    pub cut_off: Option<NaiveTime>,
    pub reason: String,
    pub maker: Officer,
    pub checker: Option<Officer>,
}

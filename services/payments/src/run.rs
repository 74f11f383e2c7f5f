use std::fmt;
use std::str::FromStr;

use chrono::NaiveDate;
use domain::{BudgetYear, Money, Period, Refusal, RunNo};
use ledger::Root;
use messaging::Problem;

use crate::Error;

/// Where a payout run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::Type)]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum State {
    /// Entitlements are determined and payees found.
    Preparing,
    /// Count, sum and root stand still until somebody approves or holds a line.
    AwaitingApproval,
    /// An approver did not approve, and said why; it awaits what is done about it.
    SentBack,
    /// Approved, but a fund is short: it waits for money, under the approvals that it has.
    Unfunded,
    /// Approved and committed; its chunks are being reserved.
    Approved,
    /// Every line's money is set aside.
    Reserved,
    /// Chunks go out to institutions.
    Releasing,
    /// Everything is out; answers come in.
    Released,
    /// Every line is credited, returned, or in a named exception.
    Closed,
}

/// What a person may do to a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    Hold,
    Free,
    Approve,
    SendBack,
    Submit,
    Fund,
    Release,
    Continue,
    Pause,
    Stop,
    Close,
}

/// A run as its commands see it.
#[derive(Debug, Clone)]
pub(crate) struct Run {
    pub run_no: RunNo,
    pub programme: domain::Programme,
    pub period: Period,
    /// 0 is the regular run of its period; the others pay again what was not paid.
    pub series: i16,
    pub business_date: NaiveDate,
    /// Of which budget it is paid.
    pub year: BudgetYear,
    pub state: State,
    pub approvals_required: i16,
    pub lines: i64,
    pub total: Money,
    pub root: Option<Root>,
}

/// What an approver saw; the approval holds for exactly this.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seen {
    pub root: Root,
    pub lines: i64,
    pub total: Money,
}

impl State {
    pub const ALL: [State; 9] = [
        State::Preparing,
        State::AwaitingApproval,
        State::SentBack,
        State::Unfunded,
        State::Approved,
        State::Reserved,
        State::Releasing,
        State::Released,
        State::Closed,
    ];

    /// The whole of what people may do, on one screen; the console and every refusal show it.
    pub fn allowed_actions(self) -> &'static [Action] {
        match self {
            State::Preparing => &[Action::Free],
            State::AwaitingApproval => &[
                Action::Approve,
                Action::Hold,
                Action::Free,
                Action::SendBack,
            ],
            State::SentBack => &[Action::Submit, Action::Hold, Action::Free],
            State::Unfunded => &[Action::Fund, Action::Stop],
            State::Reserved => &[Action::Release, Action::Stop],
            State::Releasing => &[Action::Continue, Action::Pause, Action::Stop],
            State::Released => &[Action::Close],
            State::Approved | State::Closed => &[],
        }
    }

    pub fn as_str(self) -> &'static str {
        match self {
            State::Preparing => "preparing",
            State::AwaitingApproval => "awaiting_approval",
            State::SentBack => "sent_back",
            State::Unfunded => "unfunded",
            State::Approved => "approved",
            State::Reserved => "reserved",
            State::Releasing => "releasing",
            State::Released => "released",
            State::Closed => "closed",
        }
    }

    /// Whether what is to be paid was approved, and so is no longer to be changed.
    pub(crate) fn is_approved(self) -> bool {
        !matches!(
            self,
            State::Preparing | State::AwaitingApproval | State::SentBack
        )
    }

    /// Refuses what the state does not allow; the buttons only mirror this.
    pub(crate) fn allow(self, action: Action) -> Result<(), Error> {
        if self.allowed_actions().contains(&action) {
            return Ok(());
        }
        let detail = format!("a run that is {self} cannot be subject to {action}");
        let allowed = self.allowed_actions().iter().map(|it| it.as_str());
        Err(Problem::new(409, "illegal_transition", detail)
            .allowing(allowed)
            .into())
    }
}

impl Action {
    pub fn as_str(self) -> &'static str {
        match self {
            Action::Hold => "hold",
            Action::Free => "free",
            Action::Approve => "approve",
            Action::SendBack => "send_back",
            Action::Submit => "submit",
            Action::Fund => "fund",
            Action::Release => "release",
            Action::Continue => "continue",
            Action::Pause => "pause",
            Action::Stop => "stop",
            Action::Close => "close",
        }
    }
}

/// Refuses a period that nobody can mean to pay on that day: a mistyped year is found before the
/// law is asked. A month is paid two months ahead at most (Tết), and up to a year late.
///
/// # Errors
/// `period_implausible`.
pub(crate) fn plausible(period: Period, business_date: NaiveDate) -> Result<(), Error> {
    let days = (business_date - period.first_day()).num_days();
    if (-62..=366).contains(&days) {
        return Ok(());
    }
    let detail =
        format!("{period} is not paid on {business_date}: that is {days} days after its first day");
    Err(Problem::new(422, "period_implausible", detail).into())
}

impl Run {
    /// An approval is bound to what the approver saw: another root, count or sum is another run.
    pub(crate) fn is_as_seen(&self, seen: &Seen) -> Result<(), Error> {
        if self.lines == 0 {
            return Err(Problem::new(409, "run_empty", "the run has nothing to pay").into());
        }
        let is = (self.root, self.lines, self.total);
        if is == (Some(seen.root), seen.lines, seen.total) {
            return Ok(());
        }
        let detail = format!(
            "the run has changed since you looked: it is now {} lines, {} đồng, root {}",
            self.lines,
            self.total,
            self.root.map_or_else(|| "none".to_owned(), |it| it.hex()),
        );
        Err(Problem::new(409, "run_changed", detail).into())
    }
}

impl FromStr for State {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<State, Refusal> {
        let state = State::ALL.into_iter().find(|it| it.as_str() == text);
        state.ok_or_else(|| Refusal::new("run_state_invalid", "no run is in a state of this name"))
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_period_is_paid_near_its_time() {
        let period: Period = "2027-03".parse().unwrap();
        for (day, is_plausible) in [
            ("2026-12-28", false),
            ("2026-12-29", true),
            ("2027-03-01", true),
            ("2028-03-01", true),
            ("2028-03-02", false),
        ] {
            let told = plausible(period, day.parse().unwrap());
            assert_eq!(told.is_ok(), is_plausible, "{day}");
        }
    }

    #[test]
    fn every_pair_of_state_and_action_is_decided() {
        use Action::{
            Approve, Close, Continue, Free, Fund, Hold, Pause, Release, SendBack, Stop, Submit,
        };
        use State::{
            AwaitingApproval, Preparing, Released, Releasing, Reserved, SentBack, Unfunded,
        };
        let allowed = [
            (AwaitingApproval, Approve),
            (AwaitingApproval, Hold),
            (AwaitingApproval, Free),
            (AwaitingApproval, SendBack),
            (SentBack, Submit),
            (SentBack, Hold),
            (SentBack, Free),
            (Preparing, Free),
            (Unfunded, Fund),
            (Unfunded, Stop),
            (Reserved, Stop),
            (Releasing, Continue),
            (Releasing, Pause),
            (Releasing, Stop),
            (Reserved, Release),
            (Released, Close),
        ];
        for state in State::ALL {
            for action in [
                Hold, Free, Approve, SendBack, Submit, Fund, Release, Continue, Pause, Stop, Close,
            ] {
                let expected = allowed.contains(&(state, action));
                assert_eq!(state.allow(action).is_ok(), expected, "{state} {action}");
            }
        }
    }
}

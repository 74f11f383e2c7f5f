use std::fmt;

use chrono::NaiveDate;
use domain::{Money, RunNo};
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
    Release,
    Close,
}

/// A run as its commands see it.
#[derive(Debug, Clone)]
pub(crate) struct Run {
    pub run_no: RunNo,
    pub programme: domain::Programme,
    pub period: domain::Period,
    /// 0 is the regular run of its period; the others pay again what was not paid.
    pub series: i16,
    pub business_date: NaiveDate,
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
    /// The whole of what people may do, on one screen; the console and every refusal show it.
    pub fn allowed_actions(self) -> &'static [Action] {
        match self {
            State::Preparing => &[Action::Free],
            State::AwaitingApproval => &[Action::Approve, Action::Hold, Action::Free],
            State::Reserved => &[Action::Release],
            State::Released => &[Action::Close],
            State::Approved | State::Releasing | State::Closed => &[],
        }
    }

    pub fn as_str(self) -> &'static str {
        match self {
            State::Preparing => "preparing",
            State::AwaitingApproval => "awaiting_approval",
            State::Approved => "approved",
            State::Reserved => "reserved",
            State::Releasing => "releasing",
            State::Released => "released",
            State::Closed => "closed",
        }
    }

    /// Whether what is to be paid was approved, and so is no longer to be changed.
    pub(crate) fn is_approved(self) -> bool {
        !matches!(self, State::Preparing | State::AwaitingApproval)
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
            Action::Release => "release",
            Action::Close => "close",
        }
    }
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
    fn every_pair_of_state_and_action_is_decided() {
        use Action::{Approve, Close, Free, Hold, Release};
        use State::{Approved, AwaitingApproval, Closed, Preparing, Released, Releasing, Reserved};
        let allowed = [
            (AwaitingApproval, Approve),
            (AwaitingApproval, Hold),
            (AwaitingApproval, Free),
            (Preparing, Free),
            (Reserved, Release),
            (Released, Close),
        ];
        for state in [
            Preparing,
            AwaitingApproval,
            Approved,
            Reserved,
            Releasing,
            Released,
            Closed,
        ] {
            for action in [Hold, Free, Approve, Release, Close] {
                let expected = allowed.contains(&(state, action));
                assert_eq!(state.allow(action).is_ok(), expected, "{state} {action}");
            }
        }
    }
}

//! What it does to a line that its obligation is withdrawn, or restored.

use domain::{Money, Position, Province};
use events::{ResultStatus, WithdrawnLine};

use crate::result::Standing;

/// One turn of an obligation as it is on record.
#[derive(Debug, Clone)]
pub(crate) struct Turn {
    pub withdrawal_no: i64,
    pub told: WithdrawnLine,
}

/// The line that an obligation became.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Obligated {
    pub position: Position,
    /// What was owed: what the line pays and what was deducted from it.
    pub amount: Money,
    pub province: Province,
    pub is_arrears: bool,
}

/// What a withdrawal does to the line of its obligation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Consequence {
    /// Stays here: set aside whole, whatever the amount.
    Hold,
    /// Asked back at the institution; its answer decides what comes of it.
    Recall,
    /// Not paid, and not to be issued again.
    Withdraw,
    /// Paid: somebody has to get it back.
    Overpayment,
}

/// What is still open of a withdrawal when it is restored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Open {
    Held {
        /// The line is held for another reason as well.
        has_others: bool,
        /// The release of the partition has passed the line's chunk.
        is_gone: bool,
        is_approved: bool,
        /// What was approved counts the line.
        after_approval: bool,
    },
    Recall,
    Withdrawn,
    Overpayment,
}

/// What undoes a withdrawal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Undoing {
    /// Paid with its chunk as if nothing had been.
    SetFree,
    /// Stays set aside: its chunk is gone, or what was approved does not count it.
    IssueAgain,
    /// Nothing more to be done for this withdrawal; what else holds the line goes on.
    Resolve,
    CancelCase,
}

/// Decides what a withdrawal does to a line by where it stands; pure. `None` where the obligation
/// never became a line. One that is held already gets a hold more while it can be set free, and
/// else did not leave with its chunk, whatever has become of that.
pub(crate) fn consequence(standing: Option<Standing>, is_held: bool) -> Consequence {
    match standing {
        Some(Standing::NotReleased) => Consequence::Hold,
        _ if is_held => Consequence::Withdraw,
        None | Some(Standing::Answered(ResultStatus::Rejected)) => Consequence::Withdraw,
        Some(Standing::InTransit | Standing::Unknown) => Consequence::Recall,
        Some(Standing::Answered(ResultStatus::Credited)) => Consequence::Overpayment,
    }
}

/// Decides how a withdrawal is undone by what is open of it; pure.
pub(crate) fn undoing(open: Open) -> Undoing {
    match open {
        Open::Held {
            has_others: true, ..
        }
        | Open::Recall
        | Open::Withdrawn => Undoing::Resolve,
        Open::Held { is_gone: true, .. }
        | Open::Held {
            is_approved: true,
            after_approval: false,
            ..
        } => Undoing::IssueAgain,
        Open::Held { .. } => Undoing::SetFree,
        Open::Overpayment => Undoing::CancelCase,
    }
}

/// Cuts a message where an obligation comes again, so that each piece has it once.
pub(crate) fn pieces(lines: &[WithdrawnLine]) -> Vec<&[WithdrawnLine]> {
    let key = |it: &WithdrawnLine| (it.programme, it.period, it.person_no, it.determination_no);
    let mut seen = std::collections::HashSet::new();
    let (mut pieces, mut start) = (Vec::new(), 0);
    for (index, line) in lines.iter().enumerate() {
        if !seen.insert(key(line)) {
            pieces.push(&lines[start..index]);
            start = index;
            seen = [key(line)].into();
        }
    }
    pieces.push(&lines[start..]);
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::{PersonNo, Programme};

    #[test]
    fn a_withdrawal_follows_the_money() {
        use Consequence::{Hold, Overpayment, Recall, Withdraw};
        use ResultStatus::{Credited, Rejected};
        for (standing, expected) in [
            (Some(Standing::NotReleased), Hold),
            (Some(Standing::InTransit), Recall),
            (Some(Standing::Unknown), Recall),
            (Some(Standing::Answered(Credited)), Overpayment),
            (Some(Standing::Answered(Rejected)), Withdraw),
            (None, Withdraw),
        ] {
            assert_eq!(consequence(standing, false), expected, "{standing:?}");
            let held = if expected == Hold { Hold } else { Withdraw };
            assert_eq!(consequence(standing, true), held, "{standing:?}, held");
        }
    }

    #[test]
    fn only_a_line_that_was_approved_and_is_still_here_is_set_free() {
        let held = |is_gone, is_approved, after_approval| Open::Held {
            has_others: false,
            is_gone,
            is_approved,
            after_approval,
        };
        for (open, expected) in [
            (held(false, false, false), Undoing::SetFree),
            (held(false, true, true), Undoing::SetFree),
            (held(false, true, false), Undoing::IssueAgain),
            (held(true, true, true), Undoing::IssueAgain),
            (held(true, true, false), Undoing::IssueAgain),
            (
                Open::Held {
                    has_others: true,
                    is_gone: true,
                    is_approved: true,
                    after_approval: true,
                },
                Undoing::Resolve,
            ),
            (Open::Recall, Undoing::Resolve),
            (Open::Withdrawn, Undoing::Resolve),
            (Open::Overpayment, Undoing::CancelCase),
        ] {
            assert_eq!(undoing(open), expected, "{open:?}");
        }
    }

    #[test]
    fn an_obligation_comes_once_in_each_piece() {
        let line = |person: i64, turn: i16| WithdrawnLine {
            person_no: PersonNo(person),
            programme: Programme::SocialPension,
            period: "2026-07".parse().unwrap(),
            determination_no: 1,
            turn,
            amount: Money::dong(1),
            reason: "stopped_death".to_owned(),
        };
        let lines = [line(1, 1), line(2, 1), line(1, 2), line(2, 2), line(2, 3)];
        let lengths: Vec<usize> = pieces(&lines).iter().map(|it| it.len()).collect();
        assert_eq!(lengths, [2, 2, 1]);
    }
}

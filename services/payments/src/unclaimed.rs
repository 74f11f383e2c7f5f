//! Cash that nobody has fetched for months: its money waits under a name of its own.

use domain::{Money, PersonNo, Position, Programme, RunNo};
use ledger::{Account, Journal, JournalKind, Transfer};

use crate::posting::transfer_line;

/// Lines that one command sets aside.
pub(crate) const AGED_MAX: i64 = 10_000;

/// A line whose money is set aside, or claimed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Unfetched {
    pub position: Position,
    pub programme: Programme,
    pub person_no: PersonNo,
    pub is_arrears: bool,
    pub amount: Money,
}

/// Set aside in one journal a run.
pub(crate) fn set_aside(lines: &[Unfetched]) -> Vec<Journal> {
    journals(lines, "unclaimed", false)
}

/// The way back, for the run that pays it.
pub(crate) fn claimed(by: RunNo, lines: &[Unfetched]) -> Vec<Journal> {
    journals(lines, &format!("claimed/{by}"), true)
}

fn journals(lines: &[Unfetched], step: &str, is_claimed: bool) -> Vec<Journal> {
    let of_run = lines.chunk_by(|a, b| a.position.run == b.position.run);
    let journal = |lines: &[Unfetched]| {
        let (run_no, first) = (lines[0].position.run, lines[0].position);
        Journal {
            kind: JournalKind::Unclaimed,
            // A line is set aside once, so the first of them names the journal.
            reference: format!("{run_no}/{step}/{first}"),
            run_no,
            transfers: lines.iter().map(|it| transfer(it, is_claimed)).collect(),
        }
    };
    of_run.map(journal).collect()
}

fn transfer(it: &Unfetched, is_claimed: bool) -> Transfer {
    let payable = if it.is_arrears {
        Account::payable_arrears(it.programme)
    } else {
        Account::payable(it.programme)
    };
    let unclaimed = Account::unclaimed(it.programme);
    let (debit, credit) = if is_claimed {
        (unclaimed, payable)
    } else {
        (payable, unclaimed)
    };
    Transfer {
        debit,
        credit,
        amount: it.amount,
        line: Some(transfer_line(it.person_no, it.position)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ledger::AccountKind::{Payable, PayableArrears, Unclaimed};

    #[test]
    fn what_is_claimed_goes_back_where_it_came_from() {
        for (is_arrears, payable) in [(false, Payable), (true, PayableArrears)] {
            let line = Unfetched {
                position: "R000001-07-0001-0001".parse().unwrap(),
                programme: Programme::SocialPension,
                person_no: PersonNo(7),
                is_arrears,
                amount: Money::dong(540_000),
            };
            let sides = |journals: Vec<Journal>| {
                let it = journals[0].transfers[0];
                (it.debit.kind, it.credit.kind, it.amount)
            };
            assert_eq!(sides(set_aside(&[line])), (payable, Unclaimed, line.amount));
            assert_eq!(
                sides(claimed(RunNo(2), &[line])),
                (Unclaimed, payable, line.amount)
            );
        }
    }
}

//! What was credited and is not owed, or came back.

use domain::{Money, PersonNo, Position, Programme, Province, RunNo};
use events::{BreaksResolved, WithdrawnLine};
use ledger::{Account, Journal, JournalKind, Transfer};

use super::{control, moved, owed, paid, transfer_line};
use crate::funding::Fund;
use crate::recovery::{Case, GivenBack, Receipt};
use crate::withdrawal::Obligated;

/// A payment that was credited and came back.
#[derive(Debug, Clone)]
pub(crate) struct CameBack {
    pub position: Position,
    pub programme: Programme,
    pub province: Province,
    pub person_no: PersonNo,
    pub is_arrears: bool,
    pub amount: Money,
    /// Where what was overpaid of it stands, whose case ends with it.
    pub overpaid: Vec<(Account, Money)>,
}

/// What was credited is not owed after all.
///
/// Paid is a credit account: it says where the appropriated money went. So an overpayment leaves
/// it by a debit and stands as a credit on what is to be recovered. The other direction would add
/// to paid what no bank has settled; this way both together stay what the banks settled.
pub(crate) fn overpayment(told: &WithdrawnLine, line: &Obligated, amount: Money) -> Journal {
    let paid = paid(told.programme, line.province, line.is_arrears);
    let receivable = Account::receivable(told.programme, line.province);
    turned(told, line, vec![(paid, receivable, amount)])
}

/// It is owed after all: what is open of the case, and what was given up of it, is paid again. `None`
/// where all of it came back.
pub(crate) fn restored(
    told: &WithdrawnLine,
    line: &Obligated,
    (open, forgone): (Money, Money),
) -> Option<Journal> {
    let paid = paid(told.programme, line.province, line.is_arrears);
    let from = [
        (Account::receivable(told.programme, line.province), open),
        (Account::forgone(told.programme, line.province), forgone),
    ];
    let from = from.into_iter().filter(|(_, amount)| !amount.is_zero());
    let transfers: Vec<_> = from.map(|(from, amount)| (from, paid, amount)).collect();
    (!transfers.is_empty()).then(|| turned(told, line, transfers))
}

/// A turn of an obligation in the books of its line.
fn turned(
    told: &WithdrawnLine,
    line: &Obligated,
    transfers: Vec<(Account, Account, Money)>,
) -> Journal {
    let transfers = transfers
        .into_iter()
        .map(|(debit, credit, amount)| Transfer {
            debit,
            credit,
            amount,
            line: Some(transfer_line(told.person_no, line.position)),
        });
    let run_no = line.position.run;
    let (programme, period, person) = (told.programme, told.period, told.person_no.0);
    let (number, turn) = (told.determination_no, told.turn);
    Journal {
        kind: JournalKind::Overpayment,
        reference: format!("{run_no}/overpayment/{programme}/{period}/{person}/{number}/{turn}"),
        run_no,
        transfers: transfers.collect(),
    }
}

/// The person paid back: it lies with who took it.
pub(crate) fn repayment(case: &Case, amount: Money, receipt: &Receipt) -> Journal {
    let repaid = Account::repaid(case.programme, receipt.institution, case.province);
    let (institution, number) = (receipt.institution, receipt.reference.trim());
    let reference = format!("repayment/{institution}/{number}");
    recovery(case, reference, repaid, amount)
}

/// What was taken too much was given to the person, from what its fund has now. Whose it is says the
/// exception: a fund has one partition, and the person another.
pub(crate) fn given_back(fund: Fund, of: &GivenBack, receipt: &Receipt) -> Journal {
    let given = Account::given_back(fund.programme, receipt.institution, of.province);
    let reference = format!("given-back/{}", of.exception_no);
    let transfers = vec![moved(fund.account(), given, of.amount)];
    control(JournalKind::Recovery, reference, RunNo(0), transfers)
}

/// What is given up of a case.
pub(crate) fn write_off(case: &Case, amount: Money, proposal_no: i64) -> Journal {
    let forgone = Account::forgone(case.programme, case.province);
    recovery(case, format!("write-off/{proposal_no}"), forgone, amount)
}

fn recovery(case: &Case, reference: String, to: Account, amount: Money) -> Journal {
    let transfer = Transfer {
        debit: Account::receivable(case.programme, case.province),
        credit: to,
        amount,
        line: Some(transfer_line(case.person_no, case.position)),
    };
    let run_no = case.position.run;
    control(JournalKind::Recovery, reference, run_no, vec![transfer])
}

/// What its institution had credited is owed again. What was overpaid of it is so no more, whatever
/// had become of it: the money is back, and kept as that of a line that is not owed.
pub(crate) fn returned(of: &BreaksResolved, break_no: i32, back: &CameBack) -> Journal {
    let CameBack {
        position,
        programme,
        province,
        ..
    } = *back;
    let paid = paid(programme, province, back.is_arrears);
    let overpaid = back
        .overpaid
        .iter()
        .map(|(at, amount)| (*at, paid, *amount));
    let moved = overpaid.filter(|(at, _, amount)| *at != paid && !amount.is_zero());
    let again = (paid, owed(programme, back.is_arrears), back.amount);
    let transfers = moved
        .chain([again])
        .map(|(debit, credit, amount)| Transfer {
            debit,
            credit,
            amount,
            line: Some(transfer_line(back.person_no, position)),
        });
    let (run_no, institution, statement_no) = (position.run, of.institution, of.statement_no);
    let reference = format!("{run_no}/returned/{institution}/{statement_no}/{break_no}");
    control(
        JournalKind::Returned,
        reference,
        run_no,
        transfers.collect(),
    )
}

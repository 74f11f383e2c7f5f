//! Which journal each step of a payment writes: the table of the books.

mod recovery;

pub(crate) use recovery::{
    CameBack, given_back, overpayment, repayment, restored, returned, write_off,
};

use std::collections::HashMap;

use domain::{
    BudgetYear, ChunkNo, Institution, Money, Part, PersonNo, Position, Programme, Province, RunNo,
};
use events::{BreaksResolved, Resolution, ResolvedBreak, ResultStatus, StatementMatched, Suspense};
use ledger::{Account, Journal, JournalKind, Transfer, TransferLine};

use crate::Error;
use crate::funding::{Fund, Need};
use crate::line::Line;
use crate::recovery::Deduction;
use crate::reissue::cash_by_place;
use crate::store::Begun;
use crate::year_end::{Closing, Surplus};

/// A payment whose money moves because of an answer or its absence.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Answered {
    pub line: TransferLine,
    pub run_no: RunNo,
    pub programme: Programme,
    pub institution: Institution,
    pub province: Province,
    pub is_arrears: bool,
    pub amount: Money,
    /// What the line pays less than is owed.
    pub deduction: Option<Deduction>,
    pub was_unknown: bool,
    pub status: ResultStatus,
}

/// A credited line that recovers what was overpaid in a province.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Netted {
    pub answer: Answered,
    pub province: Province,
    pub amount: Money,
}

impl Answered {
    pub(crate) fn position(&self, part: Part) -> Position {
        Position {
            run: self.run_no,
            part,
            chunk: self.line.chunk,
            line: self.line.line,
        }
    }
}

/// Money that a level may spend in a year.
pub(crate) fn appropriation(fund: Fund, amount: Money, reference: &str) -> Journal {
    control(
        JournalKind::Appropriate,
        format!("appropriation/{reference}"),
        RunNo(0),
        vec![moved(Account::treasury_cash(), fund.account(), amount)],
    )
}

/// What is left of a year goes back to the treasury, or to the next year's fund.
pub(crate) fn year_closing(closing: &Closing, left: Money) -> Result<Journal, Error> {
    let to = match closing.how {
        Surplus::GivenBack => Account::treasury_cash(),
        Surplus::CarriedOver => closing.next()?.account(),
    };
    let reference = format!("close-year/{}", closing.reference);
    let transfers = vec![moved(closing.fund.account(), to, left)];
    Ok(control(
        JournalKind::CloseYear,
        reference,
        RunNo(0),
        transfers,
    ))
}

/// A journal each fund that pays for the run, so that a refusal names the one that is short.
pub(crate) fn commitments(run_no: RunNo, step: i16, needs: &[Need]) -> Vec<Journal> {
    let journal = |it: &Need| {
        let mut reference = format!("{run_no}/commit");
        if step > 1 {
            reference.push_str(&format!("-{step}"));
        }
        if let Some(province) = it.fund.province {
            reference.push_str(&format!("/{province}"));
        }
        let transfers = vec![moved(it.fund.account(), it.fund.commitment(), it.amount)];
        control(JournalKind::Commit, reference, run_no, transfers)
    };
    needs.iter().map(journal).collect()
}

/// One payable a line, from the programme's commitment and from that of the line's province.
pub(crate) fn reservation(
    (programme, year): (Programme, BudgetYear),
    step: i16,
    chunk: &[Line],
) -> Journal {
    let national = |it: &Line| Transfer {
        debit: Account::commitment(programme, year),
        credit: payable(programme, it),
        amount: it
            .amount
            .checked_sub(it.local)
            .expect("the schema keeps the local part within the amount"),
        line: Some(transfer_line(it.person_no, it.position)),
    };
    let local = |it: &Line| Transfer {
        debit: Account::commitment_of(programme, it.province, year),
        amount: it.local,
        ..national(it)
    };
    let transfers = chunk.iter().flat_map(|it| [national(it), local(it)]);
    let transfers = transfers.filter(|it| !it.amount.is_zero()).collect();
    // What was funded later is reserved later.
    of_chunk(
        JournalKind::Reserve,
        &nth("reserve", step - 1),
        chunk,
        transfers,
    )
}

/// The lines go out, and the treasury's cash for them goes with them, from where an earlier attempt
/// has left it.
pub(crate) fn release(
    programme: Programme,
    messages: i16,
    chunk: &[Line],
    begun: &HashMap<Position, Begun>,
) -> Journal {
    let institution = chunk[0].institution;
    let in_transit = Account::in_transit(programme, institution);
    let transfer = |it: &Line| Transfer {
        debit: payable(programme, it),
        credit: in_transit,
        amount: it.amount,
        line: Some(transfer_line(it.person_no, it.position)),
    };
    let mut transfers: Vec<Transfer> = chunk.iter().map(transfer).collect();
    let mut cash = cash_by_place(chunk, begun);
    cash.remove(&Some(institution));
    let at_institution = Account::treasury_cash_at(institution);
    transfers.extend(cash.into_iter().map(|(lies_at, sum)| {
        let from = lies_at.map_or(Account::treasury_cash(), Account::treasury_cash_at);
        moved(at_institution, from, sum)
    }));
    of_chunk(
        JournalKind::Release,
        &nth("release", messages),
        chunk,
        transfers,
    )
}

/// The step of a chunk, with a number where it was taken before for other lines of it.
fn nth(step: &str, before: i16) -> String {
    if before > 0 {
        format!("{step}-{}", before + 1)
    } else {
        step.to_owned()
    }
}

/// Lines that do not go out are owed to nobody by this run: back to the commitments, of the country
/// and of each line's province. `None` where there are none.
pub(crate) fn stop((programme, year): (Programme, BudgetYear), lines: &[&Line]) -> Option<Journal> {
    let first = lines.first()?;
    let transfers = lines.iter().flat_map(|it| {
        let national = it.amount.checked_sub(it.local);
        let national = national.expect("the schema keeps the local part within the amount");
        let of_province = Account::commitment_of(programme, it.province, year);
        [
            (Account::commitment(programme, year), national),
            (of_province, it.local),
        ]
        .map(|(credit, amount)| Transfer {
            debit: payable(programme, it),
            credit,
            amount,
            line: Some(transfer_line(it.person_no, it.position)),
        })
    });
    let transfers = transfers.filter(|it| !it.amount.is_zero()).collect();
    let at = first.position;
    let reference = format!("{}-{}-{:04}/stop", at.run, at.part, at.chunk.0);
    Some(control(JournalKind::Stop, reference, at.run, transfers))
}

/// All that an order took back of a run is the funds' again; `None` where that is nothing.
pub(crate) fn give_back(run_no: RunNo, order_no: i64, sums: &[Need]) -> Option<Journal> {
    let sums = sums.iter();
    let transfers: Vec<Transfer> = sums
        .map(|it| moved(it.fund.commitment(), it.fund.account(), it.amount))
        .collect();
    let reference = format!("{run_no}/stop/{order_no}");
    (!transfers.is_empty()).then(|| control(JournalKind::Stop, reference, run_no, transfers))
}

/// One journal a run that a bank's message speaks of. What is netted is the payment of that month
/// and no receivable any more.
pub(crate) fn results(message_id: &str, answered: &[Answered], netted: &[Netted]) -> Vec<Journal> {
    let mut journals: Vec<Journal> = Vec::new();
    for answer in answered {
        let from = if answer.was_unknown {
            Account::unknown(answer.programme, answer.institution)
        } else {
            Account::in_transit(answer.programme, answer.institution)
        };
        let to = match answer.status {
            ResultStatus::Credited => paid(answer.programme, answer.province, answer.is_arrears),
            ResultStatus::Rejected => owed(answer.programme, answer.is_arrears),
        };
        let transfer = Transfer {
            debit: from,
            credit: to,
            amount: answer.amount,
            line: Some(answer.line),
        };
        match journals.iter_mut().find(|it| it.run_no == answer.run_no) {
            Some(journal) => journal.transfers.push(transfer),
            None => journals.push(Journal {
                kind: JournalKind::Results,
                reference: format!(
                    "{}/results/{}/{message_id}",
                    answer.run_no, answer.institution
                ),
                run_no: answer.run_no,
                transfers: vec![transfer],
            }),
        }
    }
    for it in netted {
        let answer = &it.answer;
        let of_run = journals
            .iter_mut()
            .find(|journal| journal.run_no == answer.run_no);
        let journal = of_run.expect("what is netted was credited by the same message");
        journal.transfers.push(Transfer {
            debit: Account::receivable(answer.programme, it.province),
            credit: paid(answer.programme, answer.province, answer.is_arrears),
            amount: it.amount,
            line: Some(answer.line),
        });
    }
    journals
}

/// No answer is no failure: the money waits under a name of its own.
pub(crate) fn overdue(
    programme: Programme,
    institution: Institution,
    chunk: (RunNo, Part, ChunkNo),
    lines: &[(TransferLine, Money)],
) -> Journal {
    let (debit, credit) = (
        Account::in_transit(programme, institution),
        Account::unknown(programme, institution),
    );
    let transfer = |(line, amount): &(TransferLine, Money)| Transfer {
        debit,
        credit,
        amount: *amount,
        line: Some(*line),
    };
    let (run_no, part, number) = chunk;
    Journal {
        kind: JournalKind::Overdue,
        reference: format!("{run_no}-{part}-{:04}/overdue", number.0),
        run_no,
        transfers: lines.iter().map(transfer).collect(),
    }
}

/// What the bank says it debited and took back, and to suspense what settles no payment; `None`
/// where the statement has nothing in this partition.
pub(crate) fn statement(matched: &StatementMatched) -> Option<Journal> {
    let institution = matched.institution;
    let (cash, settlement, suspense) = (
        Account::treasury_cash_at(institution),
        Account::settlement(institution),
        Account::suspense(institution),
    );
    let mut transfers = vec![
        moved(settlement, cash, matched.debits),
        moved(cash, settlement, matched.returned),
    ];
    for found in &matched.breaks {
        match found.kind.suspense() {
            Suspense::Debit => transfers.push(moved(suspense, settlement, found.amount)),
            Suspense::Credit => transfers.push(moved(settlement, suspense, found.amount)),
            Suspense::Nothing => {}
        }
    }
    transfers.retain(|it| !it.amount.is_zero());
    let reference = format!("statement/{institution}/{}", matched.statement_no);
    (!transfers.is_empty()).then(|| control(JournalKind::Statement, reference, RunNo(0), transfers))
}

/// What a resolved break takes out of suspense; `None` where its money stays or it has none.
pub(crate) fn resolution(of: &BreaksResolved, resolved: &ResolvedBreak) -> Option<Journal> {
    let institution = of.institution;
    let suspense = Account::suspense(institution);
    let other = match resolved.how {
        Resolution::Matched
        | Resolution::Split
        | Resolution::LateResult
        | Resolution::OwedAgain => Account::settlement(institution),
        Resolution::WrittenOff => Account::written_off(institution),
        // Both sides of an offset are in suspense, and add up to nothing there.
        Resolution::Offset | Resolution::Accepted | Resolution::ShownLater => return None,
    };
    let transfer = match resolved.kind.suspense() {
        Suspense::Debit => moved(other, suspense, resolved.amount),
        Suspense::Credit => moved(suspense, other, resolved.amount),
        Suspense::Nothing => return None,
    };
    let (statement_no, number) = (of.statement_no, resolved.break_no);
    let reference = format!("resolution/{institution}/{statement_no}/{number}");
    let (kind, none) = (JournalKind::Resolution, RunNo(0));
    Some(control(kind, reference, none, vec![transfer]))
}

/// What is owed to the person of a line; past periods apart.
fn payable(programme: Programme, line: &Line) -> Account {
    owed(programme, line.arrears_of.is_some())
}

fn owed(programme: Programme, is_arrears: bool) -> Account {
    if is_arrears {
        Account::payable_arrears(programme)
    } else {
        Account::payable(programme)
    }
}

fn paid(programme: Programme, province: Province, is_arrears: bool) -> Account {
    if is_arrears {
        Account::paid_arrears(programme, province)
    } else {
        Account::paid(programme, province)
    }
}

fn moved(debit: Account, credit: Account, amount: Money) -> Transfer {
    Transfer {
        debit,
        credit,
        amount,
        line: None,
    }
}

fn control(
    kind: JournalKind,
    reference: String,
    run_no: RunNo,
    transfers: Vec<Transfer>,
) -> Journal {
    Journal {
        kind,
        reference,
        run_no,
        transfers,
    }
}

fn of_chunk(kind: JournalKind, step: &str, chunk: &[Line], transfers: Vec<Transfer>) -> Journal {
    let at = chunk[0].position;
    let reference = format!("{}-{}-{:04}/{step}", at.run, at.part, at.chunk.0);
    control(kind, reference, at.run, transfers)
}

pub(crate) fn transfer_line(person_no: PersonNo, position: Position) -> TransferLine {
    TransferLine {
        person_no,
        chunk: position.chunk,
        line: position.line,
    }
}

#[cfg(test)]
mod tests;

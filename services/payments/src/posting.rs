//! Which journal each step of a payment writes: the table of the books.

use domain::{ChunkNo, Institution, Money, Part, PersonNo, Programme, Province, RunNo};
use events::{BreakKind, ResultStatus, StatementMatched};
use ledger::{Account, Journal, JournalKind, Transfer, TransferLine};

use crate::line::Line;

/// A payment whose money moves because of an answer or its absence.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Answered {
    pub line: TransferLine,
    pub run_no: RunNo,
    pub programme: Programme,
    pub institution: Institution,
    pub province: Province,
    pub amount: Money,
    pub was_unknown: bool,
    pub status: ResultStatus,
}

pub(crate) fn appropriation(programme: Programme, amount: Money, reference: &str) -> Journal {
    control(
        JournalKind::Appropriate,
        format!("appropriation/{reference}"),
        RunNo(0),
        vec![moved(
            Account::treasury_cash(),
            Account::programme_fund(programme),
            amount,
        )],
    )
}

pub(crate) fn commitment(run_no: RunNo, programme: Programme, total: Money) -> Journal {
    let transfer = moved(
        Account::programme_fund(programme),
        Account::commitment(programme),
        total,
    );
    control(
        JournalKind::Commit,
        format!("{run_no}/commit"),
        run_no,
        vec![transfer],
    )
}

pub(crate) fn reservation(programme: Programme, chunk: &[Line]) -> Journal {
    let (debit, credit) = (Account::commitment(programme), Account::payable(programme));
    by_line(JournalKind::Reserve, "reserve", chunk, debit, credit)
}

/// The lines go out, and the treasury's cash for them goes with them.
pub(crate) fn release(programme: Programme, chunk: &[Line]) -> Journal {
    let institution = chunk[0].institution;
    let (debit, credit) = (
        Account::payable(programme),
        Account::in_transit(programme, institution),
    );
    let mut journal = by_line(JournalKind::Release, "release", chunk, debit, credit);
    let total = Money::sum(chunk.iter().map(|it| it.amount));
    let at_institution = Account::treasury_cash_at(institution);
    journal
        .transfers
        .push(moved(at_institution, Account::treasury_cash(), total));
    journal
}

/// One journal a run that a bank's message speaks of.
pub(crate) fn results(message_id: &str, answered: &[Answered]) -> Vec<Journal> {
    let mut journals: Vec<Journal> = Vec::new();
    for answer in answered {
        let from = if answer.was_unknown {
            Account::unknown(answer.programme, answer.institution)
        } else {
            Account::in_transit(answer.programme, answer.institution)
        };
        let to = match answer.status {
            ResultStatus::Credited => Account::paid(answer.programme, answer.province),
            ResultStatus::Rejected => Account::payable(answer.programme),
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

/// What the bank says it debited, and to suspense what matches no payment; `None` where the
/// statement has nothing in this partition.
pub(crate) fn statement(matched: &StatementMatched) -> Option<Journal> {
    let institution = matched.institution;
    let settlement = Account::settlement(institution);
    let mut transfers = Vec::new();
    if !matched.debits.is_zero() {
        transfers.push(moved(
            settlement,
            Account::treasury_cash_at(institution),
            matched.debits,
        ));
    }
    for unmatched in matched
        .breaks
        .iter()
        .filter(|it| BreakKind::is_unmatched_debit(it.kind))
    {
        transfers.push(moved(
            Account::suspense(institution),
            settlement,
            unmatched.amount,
        ));
    }
    let reference = format!("statement/{institution}/{}", matched.statement_no);
    (!transfers.is_empty()).then(|| control(JournalKind::Statement, reference, RunNo(0), transfers))
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

fn by_line(
    kind: JournalKind,
    step: &str,
    chunk: &[Line],
    debit: Account,
    credit: Account,
) -> Journal {
    let at = chunk[0].position;
    let transfer = |it: &Line| Transfer {
        debit,
        credit,
        amount: it.amount,
        line: Some(transfer_line(it.person_no, it.position)),
    };
    Journal {
        kind,
        reference: format!("{}-{}-{:04}/{step}", at.run, at.part, at.chunk.0),
        run_no: at.run,
        transfers: chunk.iter().map(transfer).collect(),
    }
}

pub(crate) fn transfer_line(person_no: PersonNo, position: domain::Position) -> TransferLine {
    TransferLine {
        person_no,
        chunk: position.chunk,
        line: position.line,
    }
}

//! Which journal each step of a payment writes: the table of the books.

use std::collections::HashMap;

use domain::{ChunkNo, Institution, Money, Part, PersonNo, Position, Programme, Province, RunNo};
use events::{
    BreaksResolved, Resolution, ResolvedBreak, ResultStatus, StatementMatched, Suspense,
    WithdrawnLine,
};
use ledger::{Account, Journal, JournalKind, Transfer, TransferLine};

use crate::line::Line;
use crate::reissue::cash_by_place;
use crate::store::Begun;
use crate::withdrawal::Obligated;

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
    pub was_unknown: bool,
    pub status: ResultStatus,
}

/// To the programme's fund, or to that of a province.
pub(crate) fn appropriation(
    programme: Programme,
    province: Option<Province>,
    amount: Money,
    reference: &str,
) -> Journal {
    let fund = province.map_or(Account::programme_fund(programme), |it| {
        Account::programme_fund_of(programme, it)
    });
    control(
        JournalKind::Appropriate,
        format!("appropriation/{reference}"),
        RunNo(0),
        vec![moved(Account::treasury_cash(), fund, amount)],
    )
}

/// A journal each fund that pays for the run, so that a refusal names the one that is short: the
/// programme's for what is national, each province's for what is its own.
pub(crate) fn commitments(
    run_no: RunNo,
    programme: Programme,
    national: Money,
    local: &[(Province, Money)],
) -> Vec<Journal> {
    let mut funds = vec![(
        format!("{run_no}/commit"),
        Account::programme_fund(programme),
        Account::commitment(programme),
        national,
    )];
    funds.extend(local.iter().map(|(province, amount)| {
        (
            format!("{run_no}/commit/{province}"),
            Account::programme_fund_of(programme, *province),
            Account::commitment_of(programme, *province),
            *amount,
        )
    }));
    funds.retain(|(_, _, _, amount)| !amount.is_zero());
    let journal = |(reference, fund, commitment, amount)| {
        let transfers = vec![moved(fund, commitment, amount)];
        control(JournalKind::Commit, reference, run_no, transfers)
    };
    funds.into_iter().map(journal).collect()
}

/// One payable a line, from the programme's commitment and from that of the line's province.
pub(crate) fn reservation(programme: Programme, chunk: &[Line]) -> Journal {
    let national = |it: &Line| Transfer {
        debit: Account::commitment(programme),
        credit: payable(programme, it),
        amount: it
            .amount
            .checked_sub(it.local)
            .expect("the schema keeps the local part within the amount"),
        line: Some(transfer_line(it.person_no, it.position)),
    };
    let local = |it: &Line| Transfer {
        debit: Account::commitment_of(programme, it.province),
        amount: it.local,
        ..national(it)
    };
    let transfers = chunk.iter().flat_map(|it| [national(it), local(it)]);
    let transfers = transfers.filter(|it| !it.amount.is_zero()).collect();
    of_chunk(JournalKind::Reserve, "reserve", chunk, transfers)
}

/// The lines go out, and the treasury's cash for them goes with them, from where an earlier attempt
/// has left it.
pub(crate) fn release(
    programme: Programme,
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
    of_chunk(JournalKind::Release, "release", chunk, transfers)
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
            ResultStatus::Credited => paid(answer.programme, answer.province, answer.is_arrears),
            ResultStatus::Rejected if answer.is_arrears => {
                Account::payable_arrears(answer.programme)
            }
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

/// What was credited is not owed after all; where the turn restores, it is owed again.
///
/// Paid is a credit account: it says where the appropriated money went. So an overpayment leaves
/// it by a debit and stands as a credit on what is to be recovered. The other direction would add
/// to paid what no bank has settled; this way both together stay what the banks settled.
pub(crate) fn overpayment(told: &WithdrawnLine, line: &Obligated, amount: Money) -> Journal {
    let paid = paid(told.programme, line.province, line.is_arrears);
    let receivable = Account::receivable(told.programme, line.province);
    let (debit, credit) = if told.is_restored() {
        (receivable, paid)
    } else {
        (paid, receivable)
    };
    let transfer = Transfer {
        debit,
        credit,
        amount,
        line: Some(transfer_line(told.person_no, line.position)),
    };
    let run_no = line.position.run;
    let (programme, period, person) = (told.programme, told.period, told.person_no.0);
    let (number, turn) = (told.determination_no, told.turn);
    Journal {
        kind: JournalKind::Overpayment,
        reference: format!("{run_no}/overpayment/{programme}/{period}/{person}/{number}/{turn}"),
        run_no,
        transfers: vec![transfer],
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
        Resolution::Matched | Resolution::Split | Resolution::LateResult => {
            Account::settlement(institution)
        }
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
    match line.arrears_of {
        Some(_) => Account::payable_arrears(programme),
        None => Account::payable(programme),
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
mod tests {
    use super::*;
    use domain::LineNo;
    use ledger::AccountKind::{
        Commitment, InTransit, Paid, PaidArrears, Payable, PayableArrears, Receivable, TreasuryCash,
    };

    const PROGRAMME: Programme = Programme::SocialPension;

    fn line(number: i32, arrears_of: Option<&str>, amount: u64) -> Line {
        Line {
            position: Position {
                run: RunNo(9),
                part: Part::ZERO,
                chunk: ChunkNo(1),
                line: LineNo(number),
            },
            institution: "970436".parse().unwrap(),
            person_no: PersonNo(16),
            payee_no: None,
            determination_no: 1,
            arrears_of: arrears_of.map(|it| it.parse().unwrap()),
            amount: Money::dong(amount),
            local: Money::ZERO,
            province: "79".parse().unwrap(),
            rate_no: 1,
            account: None,
            account_index: None,
            holder: privacy::Sealed::from(Vec::new()),
            commune: None,
        }
    }

    fn sides(journal: &Journal) -> Vec<(ledger::AccountKind, ledger::AccountKind, i128)> {
        let transfers = journal.transfers.iter();
        transfers
            .map(|it| (it.debit.kind, it.credit.kind, it.amount.units()))
            .collect()
    }

    #[test]
    fn a_chunk_keeps_the_month_and_its_arrears_apart() {
        let chunk = [line(1, None, 540_000), line(2, Some("2026-07"), 40_000)];
        assert_eq!(
            sides(&reservation(PROGRAMME, &chunk)),
            [
                (Commitment, Payable, 540_000),
                (Commitment, PayableArrears, 40_000),
            ]
        );
        assert_eq!(
            sides(&release(PROGRAMME, &chunk, &HashMap::new())),
            [
                (Payable, InTransit, 540_000),
                (PayableArrears, InTransit, 40_000),
                (TreasuryCash, TreasuryCash, 580_000),
            ]
        );
        let answered = |line: &Line, status| Answered {
            line: transfer_line(line.person_no, line.position),
            run_no: RunNo(9),
            programme: PROGRAMME,
            institution: line.institution,
            province: line.province,
            is_arrears: line.arrears_of.is_some(),
            amount: line.amount,
            was_unknown: false,
            status,
        };
        for (status, month, past) in [
            (ResultStatus::Credited, Paid, PaidArrears),
            (ResultStatus::Rejected, Payable, PayableArrears),
        ] {
            let answers = chunk.each_ref().map(|it| answered(it, status));
            assert_eq!(
                sides(&results("M1", &answers)[0]),
                [(InTransit, month, 540_000), (InTransit, past, 40_000)]
            );
        }
    }

    #[test]
    fn a_province_pays_its_own_part_from_a_fund_of_its_own() {
        let province = |number: &str| number.parse::<Province>().unwrap();
        let mut chunk = [
            line(1, None, 650_000),
            line(2, Some("2026-07"), 40_000),
            line(3, None, 540_000),
        ];
        (chunk[0].local, chunk[1].local) = (Money::dong(110_000), Money::dong(40_000));
        let journal = reservation(PROGRAMME, &chunk);
        let national = Account::commitment(PROGRAMME);
        let local = Account::commitment_of(PROGRAMME, province("79"));
        let month = Account::payable(PROGRAMME);
        let past = Account::payable_arrears(PROGRAMME);
        let moved = journal.transfers.iter();
        let moved: Vec<_> = moved
            .map(|it| {
                let line = it.line.unwrap().line.0;
                (it.debit, it.credit, it.amount.units(), line)
            })
            .collect();
        let expected = [
            (national, month, 540_000, 1),
            (local, month, 110_000, 1),
            (local, past, 40_000, 2),
            (national, month, 540_000, 3),
        ];
        assert_eq!(moved, expected);
        assert_eq!(
            sides(&release(PROGRAMME, &chunk, &HashMap::new())).len(),
            3 + 1
        );

        let of_provinces = [
            (province("01"), Money::dong(7)),
            (province("79"), Money::dong(150_000)),
        ];
        let committed = |national: u64| {
            let journals = commitments(RunNo(9), PROGRAMME, Money::dong(national), &of_provinces);
            let line = |it: Journal| {
                assert_eq!(it.transfers.len(), 1);
                let moved = it.transfers[0];
                let sides = [moved.debit, moved.credit].map(|it| it.number().to_string());
                (it.reference, sides.join(" "), moved.amount.units())
            };
            journals.into_iter().map(line).collect::<Vec<_>>()
        };
        let line = |reference: &str, sides: &str, amount: i128| {
            (reference.to_owned(), sides.to_owned(), amount)
        };
        let of_provinces = [
            line("R000009/commit/01", "20-01-000000-01 30-01-000000-01", 7),
            line(
                "R000009/commit/79",
                "20-01-000000-79 30-01-000000-79",
                150_000,
            ),
        ];
        let whole = line("R000009/commit", "20-01-000000-00 30-01-000000-00", 1);
        assert_eq!(committed(1), [&[whole][..], &of_provinces].concat());
        assert_eq!(committed(0), of_provinces);
    }

    #[test]
    fn an_overpayment_moves_from_paid_and_back_under_references_of_its_own() {
        for (is_arrears, from) in [(false, Paid), (true, PaidArrears)] {
            let paid_line = Obligated {
                position: line(1, None, 1).position,
                amount: Money::dong(540_000),
                province: "79".parse().unwrap(),
                is_arrears,
            };
            let told = |turn: i16| WithdrawnLine {
                person_no: PersonNo(16),
                programme: PROGRAMME,
                period: "2026-07".parse().unwrap(),
                determination_no: 2,
                turn,
                amount: Money::dong(40_000),
                reason: "stopped_death".to_owned(),
            };
            let opened = overpayment(&told(1), &paid_line, Money::dong(40_000));
            let cancelled = overpayment(&told(2), &paid_line, Money::dong(40_000));
            assert_eq!(sides(&opened), [(from, Receivable, 40_000)]);
            assert_eq!(sides(&cancelled), [(Receivable, from, 40_000)]);
            assert_eq!(opened.reference, "R000009/overpayment/HTXH/2026-07/16/2/1");
            assert_ne!(cancelled.reference, opened.reference);
            let of = opened.transfers[0].line.unwrap();
            assert_eq!(
                (of.person_no, of.chunk, of.line),
                (PersonNo(16), ChunkNo(1), LineNo(1))
            );
        }
    }
}

use super::*;
use crate::withdrawal::Obligated;
use domain::LineNo;
use events::WithdrawnLine;
use ledger::AccountKind::{
    Commitment, Forgone, InTransit, Paid, PaidArrears, Payable, PayableArrears, Receivable,
    TreasuryCash,
};

const PROGRAMME: Programme = Programme::SocialPension;

fn year() -> BudgetYear {
    BudgetYear::from_number(2026).unwrap()
}

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
        deduction: None,
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
        sides(&reservation((PROGRAMME, year()), 1, &chunk)),
        [
            (Commitment, Payable, 540_000),
            (Commitment, PayableArrears, 40_000),
        ]
    );
    assert_eq!(
        sides(&release(PROGRAMME, 0, &chunk, &HashMap::new())),
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
        deduction: None,
        was_unknown: false,
        status,
    };
    for (status, month, past) in [
        (ResultStatus::Credited, Paid, PaidArrears),
        (ResultStatus::Rejected, Payable, PayableArrears),
    ] {
        let answers = chunk.each_ref().map(|it| answered(it, status));
        assert_eq!(
            sides(&results("M1", &answers, &[])[0]),
            [(InTransit, month, 540_000), (InTransit, past, 40_000)]
        );
    }
}

#[test]
#[expect(clippy::too_many_lines, reason = "one table of journals")]
fn a_province_pays_its_own_part_from_a_fund_of_its_own() {
    let province = |number: &str| number.parse::<Province>().unwrap();
    let mut chunk = [
        line(1, None, 650_000),
        line(2, Some("2026-07"), 40_000),
        line(3, None, 540_000),
    ];
    (chunk[0].local, chunk[1].local) = (Money::dong(110_000), Money::dong(40_000));
    let journal = reservation((PROGRAMME, year()), 1, &chunk);
    let national = Account::commitment(PROGRAMME, year());
    let local = Account::commitment_of(PROGRAMME, province("79"), year());
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
        sides(&release(PROGRAMME, 0, &chunk, &HashMap::new())).len(),
        3 + 1
    );
    let lines: Vec<&Line> = chunk.iter().collect();
    let stopped = stop((PROGRAMME, year()), &lines).unwrap();
    let back = stopped.transfers.iter();
    let back: Vec<_> = back
        .map(|it| {
            let line = it.line.unwrap().line.0;
            (it.credit, it.debit, it.amount.units(), line)
        })
        .collect();
    assert_eq!(back, expected, "what was reserved, the other way");
    assert_eq!(stop((PROGRAMME, year()), &[]), None);

    let need = |province, dong| Need {
        fund: Fund {
            programme: PROGRAMME,
            province,
            year: year(),
        },
        amount: Money::dong(dong),
    };
    let needs = [
        need(None, 1),
        need(Some(province("01")), 7),
        need(Some(province("79")), 150_000),
    ];
    let committed = |step: i16| {
        let journals = commitments(RunNo(9), step, &needs);
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
    let expected = |commit: &str| {
        [("", "00", 1), ("/01", "01", 7), ("/79", "79", 150_000)].map(|(of, level, dong)| {
            let sides = format!("20-01-002026-{level} 30-01-002026-{level}");
            line(&format!("R000009/{commit}{of}"), &sides, dong)
        })
    };
    assert_eq!(committed(1), expected("commit"));
    assert_eq!(committed(2), expected("commit-2"));
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
        let sums = (Money::dong(30_000), Money::dong(10_000));
        let cancelled = restored(&told(2), &paid_line, sums).unwrap();
        assert!(restored(&told(2), &paid_line, (Money::ZERO, Money::ZERO)).is_none());
        assert_eq!(sides(&opened), [(from, Receivable, 40_000)]);
        assert_eq!(
            sides(&cancelled),
            [(Receivable, from, 30_000), (Forgone, from, 10_000)]
        );
        assert_eq!(opened.reference, "R000009/overpayment/HTXH/2026-07/16/2/1");
        assert_ne!(cancelled.reference, opened.reference);
        let of = opened.transfers[0].line.unwrap();
        assert_eq!(
            (of.person_no, of.chunk, of.line),
            (PersonNo(16), ChunkNo(1), LineNo(1))
        );
    }
}

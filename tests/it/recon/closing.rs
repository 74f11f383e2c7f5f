//! A bank's day is closed when every đồng has a name, and the report says so for ever.

use domain::{Institution, Money};
use events::{BreakKind, Resolution, StatementEntry};
use reconciliation::{CloseDay, Named};
use serde_json::Value;

use super::{CHECKER, answered_run, ask, case_of, decision, first_day, proposal, propose, refused};
use crate::world::{World, entry, institution, officer, pension, statement};

const OURS: &str = "970436";

#[tokio::test(flavor = "multi_thread")]
async fn a_bank_day_is_closed_once_with_every_dong_named() -> anyhow::Result<()> {
    let (world, _, ours) = answered_run().await?;
    let bank = institution(OURS);

    let first = first_day(&world, &ours)?;
    let day = closing(bank, &first);
    assert_eq!(
        refused(&world, "close-day", &day).await?.code,
        "statement_missing"
    );
    let mut wrong = first.clone();
    wrong.closing = Money::ZERO;
    assert!(world.state(&wrong).await?.starts_with("refused"));
    assert_eq!(refused(&world, "close-day", &day).await?.code, "day_frozen");
    let mut right = first.clone();
    right.statement_no = 2;
    assert_eq!(world.state(&right).await?, "matched");
    let answer = closed(&world, &day).await?;
    the_report_names_every_dong(&world, &day).await?;
    closed_again_it_is_the_same(&world, &day, &answer).await?;

    // The day after: the fee is given up, the missing one is shown.
    let fee = case_of(&world, BreakKind::FeeTaken, Money::dong(11)).await?;
    let number = propose(&world, &proposal(fee, Resolution::WrittenOff, vec![])).await?;
    ask(&world, "decide", &decision(number, CHECKER, true)).await?;
    let entries: Vec<StatementEntry> = vec![entry(&ours[5])];
    let mut second = statement(bank, 3, (first.closing, Money::ZERO), entries);
    second.date = first.date.succ_opt().expect("there is a next day");
    assert_eq!(world.state(&second).await?, "matched");
    let next = closing(bank, &second);
    closed(&world, &next).await?;
    the_next_report_goes_on_from_the_first(&world, &day, &next).await?;
    a_changed_report_is_found(&world, bank).await?;
    // What somebody forged above is evident.
    world
        .close_with_changed(&["bank-day 970436/2026-12-01"])
        .await
}

fn closing(institution: Institution, of: &events::StatementPage) -> CloseDay {
    CloseDay {
        officer: officer("tran.chi"),
        institution,
        date: of.date,
    }
}

/// Once the books have told how they stand.
async fn closed(world: &World, day: &CloseDay) -> anyhow::Result<Value> {
    world
        .until_heard("payments", events::RECONCILIATION)
        .await?;
    world
        .until_heard("reconciliation", events::PAYMENTS)
        .await?;
    ask(world, "close-day", day).await
}

async fn the_report_names_every_dong(world: &World, day: &CloseDay) -> anyhow::Result<()> {
    let signed = reconciliation::report(&world.pool, day.institution, day.date).await?;
    let report = signed.expect("the day is closed").report;
    let named = |kind, lines, total| Named { kind, lines, total };
    let sum = |numbers: &[usize]| Money::sum(numbers.iter().map(|it| pension(*it)));
    let it = &report.equation;
    assert_eq!(
        (it.instructed.lines, it.instructed.total),
        (8, sum(&[1, 2, 3, 4, 5, 6, 7, 8]))
    );
    assert_eq!((it.credited.lines, it.credited.total), (2, sum(&[7, 8])));
    assert_eq!((it.returned.lines, it.in_flight.lines), (0, 0));
    assert_eq!(
        it.difference.named,
        [
            named(BreakKind::DebitedThoughRejected, 1, pension(4)),
            named(BreakKind::DebitedWithoutResult, 1, pension(5)),
            named(BreakKind::NotOnStatement, 4, sum(&[1, 2, 3, 6])),
        ]
    );
    assert_eq!(
        report.suspense,
        [
            named(BreakKind::DebitedThoughRejected, 1, pension(4)),
            named(BreakKind::DebitedWithoutResult, 1, pension(5)),
            named(BreakKind::FeeTaken, 1, Money::dong(11)),
            named(BreakKind::NotInstructed, 2, sum(&[1, 2, 3])),
            named(BreakKind::ReturnUnexplained, 1, pension(4)),
        ]
    );
    assert_eq!(report.books.settled, it.credited.total);
    assert_eq!(report.books.unknown, pension(5));
    let left = &report.residuals;
    assert_eq!(
        [&left.in_transit, &left.settled, &left.suspense],
        ["0", "0", "0"]
    );
    Ok(())
}

/// By another officer, later, with other things known: byte for byte.
async fn closed_again_it_is_the_same(
    world: &World,
    day: &CloseDay,
    answer: &Value,
) -> anyhow::Result<()> {
    let report = async || {
        let signed = reconciliation::report(&world.pool, day.institution, day.date).await?;
        anyhow::Ok(signed.expect("the day is closed"))
    };
    let before = report().await?;
    let by_another = CloseDay {
        officer: officer("pham.dung"),
        ..day.clone()
    };
    let again = closed(world, &by_another).await?;
    assert_eq!(
        (&again["hash"], &again["signature"]),
        (&answer["hash"], &answer["signature"])
    );
    assert_eq!(
        (&answer["closed_before"], &again["closed_before"]),
        (&false.into(), &true.into())
    );
    let after = report().await?;
    assert_eq!(
        (before.body, before.signature),
        (after.body, after.signature)
    );
    Ok(())
}

async fn the_next_report_goes_on_from_the_first(
    world: &World,
    day: &CloseDay,
    next: &CloseDay,
) -> anyhow::Result<()> {
    let first = reconciliation::report(&world.pool, day.institution, day.date).await?;
    let first = first.expect("the day is closed");
    let second = reconciliation::report(&world.pool, next.institution, next.date).await?;
    let report = second.expect("the day is closed").report;
    assert_eq!(
        (report.closing_no, report.previous),
        (2, Some(hex::encode(&first.hash)))
    );
    let carried = &first.report.equation;
    let total = Money::sum([carried.in_flight.total, carried.difference.total]);
    assert_eq!(
        (
            report.of_the_day.carried.lines,
            report.of_the_day.carried.total
        ),
        (6, total)
    );
    let flow = &report.of_the_day.credited;
    assert_eq!(
        (flow.lines, &flow.total),
        (1, &pension(6).units().to_string())
    );
    assert_eq!(report.of_the_day.instructed.lines, 0);
    let fee = report
        .suspense
        .iter()
        .find(|it| it.kind == BreakKind::FeeTaken);
    assert_eq!(fee, None);
    let problem = refused(
        world,
        "close-day",
        &CloseDay {
            date: day.date.pred_opt().expect("there is a day before"),
            ..day.clone()
        },
    )
    .await?;
    assert_eq!(problem.code, "later_day_closed");
    Ok(())
}

/// What was signed cannot be changed by a service; where the owner does it, verifying finds it.
async fn a_changed_report_is_found(world: &World, bank: Institution) -> anyhow::Result<()> {
    let sound = reconciliation::verify(&world.pool, bank, None).await?;
    assert_eq!((sound.reports, sound.broken.len()), (2, 0));
    let ours = world
        .target
        .keys()?
        .signer(reconciliation::PURPOSE)
        .public_key();
    let sound = reconciliation::verify(&world.pool, bank, Some(&ours[..])).await?;
    assert!(sound.broken.is_empty(), "{:?}", sound.broken);
    let another = reconciliation::verify(&world.pool, bank, Some(&[7; 32])).await?;
    assert_eq!(another.broken.len(), 2);
    for statement in [
        "ALTER TABLE reconciliation.closings DISABLE TRIGGER append_only",
        "UPDATE reconciliation.closings SET body = b.body, hash = sha256(b.body) FROM (
            SELECT convert_to(replace(convert_from(body, 'UTF8'), 'tran.chi', 'tran.che'), 'UTF8')
                AS body FROM reconciliation.closings WHERE closing_no = 1
        ) b WHERE closing_no = 1",
    ] {
        sqlx::query(statement).execute(&world.pool).await?;
    }
    let forged = reconciliation::verify(&world.pool, bank, None).await?;
    let what: Vec<&str> = (forged.broken.iter())
        .map(|it| it.split(": ").last().unwrap_or_default())
        .collect();
    assert_eq!(
        what,
        [
            "the signature is not of this report",
            "it does not follow the report before"
        ]
    );
    Ok(())
}

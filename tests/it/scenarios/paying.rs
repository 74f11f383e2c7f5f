//! A bank that pays otherwise than it was told: twice, another amount, or not for good.

use domain::{EndToEndId, Money};
use events::BreakKind;
use ledger::Account;
use sandbox::{Deviation, ScenarioKind};

use super::{Town, day, named, scenario, sum, typed};

#[tokio::test(flavor = "multi_thread")]
async fn what_a_bank_pays_twice_is_in_suspense_until_officers_give_it_up() -> anyhow::Result<()> {
    let town = Town::released(300, scenario(ScenarioKind::PaysTwice, 2, 60), 60_000).await?;
    let hit = town.hit();
    assert!(!hit.is_empty(), "{hit:?}");
    town.until_answered_but(0).await?;
    town.end_day(day(&town, 0)).await?;
    let expected = named(BreakKind::DebitedTwice, hit.keys().copied());
    assert_eq!(town.breaks().await?, expected);
    let twice = sum(&town.told, |it| hit.contains_key(&it.end_to_end_id));
    assert_eq!(suspense(&town).await?, twice.units());
    for case in town.cases(false).await? {
        town.resolve(&case, &["write-off"]).await?;
    }
    town.world
        .until_heard("payments", events::RECONCILIATION)
        .await?;
    assert_eq!(suspense(&town).await?, 0);
    let it = town.close().await?;
    assert_eq!((it.credited_lines, it.missing_lines), (it.matched_lines, 0));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_amount_is_found_whether_the_bank_admits_it_or_not() -> anyhow::Result<()> {
    let town = Town::released(300, scenario(ScenarioKind::WrongAmount, 4, 80), 3_000).await?;
    let hit = town.hit();
    let says_so = |it: &Deviation| matches!(it, Deviation::WrongAmount { admitted: true, .. });
    let admitted: Vec<EndToEndId> = (hit.iter())
        .filter(|(_, it)| says_so(it))
        .map(|(id, _)| *id)
        .collect();
    assert!(
        !admitted.is_empty() && hit.len() > admitted.len(),
        "{hit:?}"
    );
    // A result with another amount answers nothing, however often the bank is asked.
    let open = town.until_answered_but(admitted.len()).await?;
    assert!(open.iter().all(|it| admitted.contains(&it.end_to_end_id)));
    town.end_day(day(&town, 0)).await?;
    let mut expected = named(BreakKind::AmountDiffers, hit.keys().copied());
    expected.extend(named(
        BreakKind::ContradictingResult,
        admitted.iter().copied(),
    ));
    assert_eq!(town.breaks().await?, expected);
    let paid = hit.values().filter_map(|it| match it {
        Deviation::WrongAmount { paid, .. } => Some(*paid),
        _ => None,
    });
    assert_eq!(suspense(&town).await?, Money::sum(paid).units());
    for case in town.cases(false).await? {
        let verb = match case.kind {
            BreakKind::AmountDiffers => "write-off",
            _ => "resolve",
        };
        town.resolve(&case, &[verb]).await?;
    }
    town.world
        .until_heard("payments", events::RECONCILIATION)
        .await?;
    assert_eq!(suspense(&town).await?, 0);
    assert!(town.cases(false).await?.is_empty());
    // Nobody knows whether those people are content with what they got: they stay named.
    let open = town.unknown().await?;
    assert!(open.iter().all(|it| it.on_statement));
    let it = town.close().await?;
    let admitted = i64::try_from(admitted.len())?;
    let missing = i64::try_from(hit.len())? - admitted;
    assert_eq!((it.unknown_lines, it.missing_lines), (admitted, missing));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_back_on_a_later_day_is_owed_again_and_paid_another_way() -> anyhow::Result<()> {
    let town = Town::released(300, scenario(ScenarioKind::ReturnsLate, 6, 60), 60_000).await?;
    let hit = town.hit();
    assert!(!hit.is_empty(), "{hit:?}");
    town.until_answered_but(0).await?;
    town.end_day(day(&town, 0)).await?;
    assert!(town.breaks().await?.is_empty());
    town.end_day(day(&town, 1)).await?;
    let expected = named(BreakKind::ReturnedAfterCredit, hit.keys().copied());
    assert_eq!(town.breaks().await?, expected);
    let back = sum(&town.told, |it| hit.contains_key(&it.end_to_end_id));
    let books = "SELECT sum(amount)::bigint FROM sandbox.movements
        WHERE entry_kind = 'return' AND statement_no = 2";
    assert_eq!(i128::from(town.world.number(books).await?), back.units());
    assert_eq!(suspense(&town).await?, -back.units());
    for case in town.cases(false).await? {
        town.resolve(&case, &["owed-again"]).await?;
    }
    town.world
        .until_heard("payments", events::RECONCILIATION)
        .await?;
    assert_eq!(suspense(&town).await?, 0);
    let it = town.summary().await?;
    let count = i64::try_from(hit.len())?;
    assert_eq!((it.came_back_lines, it.came_back_total), (count, back));

    let again = town.paid_again(count + it.returned_lines).await?;
    // Those accounts gave the money back: nobody tries them again.
    let by_channel = "SELECT count(*) FROM payments.attempts a
        JOIN payments.returns k ON (k.run_no, k.part, k.chunk, k.line)
            = (a.before_run_no, a.part, a.before_chunk, a.before_line)
        JOIN payments.chunks c ON (c.run_no, c.part, c.chunk) = (a.run_no, a.part, a.chunk)
        WHERE c.channel = 'cash'";
    assert_eq!(town.world.number(by_channel).await?, count);
    town.end_day(day(&town, 2)).await?;
    for number in 0..3 {
        town.close_day(day(&town, number)).await?;
    }
    let lineage = payments::lineage(&town.world.pool, *hit.keys().next().expect("one")).await?;
    let states: Vec<&str> = lineage.iter().map(|it| &it.state[..]).collect();
    assert_eq!(states[0], "came_back");
    assert_eq!(states.len(), 2);
    let matched = ["--state", "came_back", "--limit", "1000"];
    let run = town.run_no.to_string();
    let shown = typed(
        &town.world,
        &[&["run", "lines", &run], &matched[..]].concat(),
    )
    .await?;
    assert_eq!(shown.as_array().map(Vec::len), Some(hit.len()));
    town.world.close_run(again).await?;
    town.close().await?;
    Ok(())
}

/// What stands there without a payment of ours.
async fn suspense(town: &Town) -> anyhow::Result<i128> {
    Ok(-town.world.balance(Account::suspense(town.bank())).await?)
}

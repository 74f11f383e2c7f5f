//! What is tiresome and allowed: late, lost, repeated, away for a while. Nobody has to do a thing.

use std::collections::BTreeSet;

use domain::EndToEndId;
use sandbox::{Deviation, ScenarioKind};

use super::{Town, day, scenario, set, typed};

#[tokio::test(flavor = "multi_thread")]
async fn month_end_answers_come_late_backwards_and_again_and_nothing_is_left() -> anyhow::Result<()>
{
    let town = Town::released(400, scenario(ScenarioKind::MonthEnd, 11, 200), 2_000).await?;
    let hit = town.hit();
    let count = |of: Deviation| hit.values().filter(|it| **it == of).count();
    let (late, again) = (count(Deviation::Late), count(Deviation::Repeated));
    assert!(
        late > 20 && again > 5 && count(Deviation::Lost) > 0,
        "{hit:?}"
    );
    // The answers that were lost come when they are asked for.
    town.until_answered_but(0).await?;
    town.end_day(day(&town, 0)).await?;
    assert!(town.breaks().await?.is_empty());

    let lost = hit.iter().filter(|(_, it)| **it == Deviation::Lost);
    let lost: BTreeSet<EndToEndId> = lost.map(|(id, _)| *id).collect();
    let asked: Vec<String> = sqlx::query_scalar(
        "SELECT 'R' || lpad(run_no::text, 6, '0') || '-' || lpad(part::text, 2, '0') || '-'
            || lpad(chunk::text, 4, '0') || '-' || lpad(line::text, 4, '0')
        FROM payments.enquiries",
    )
    .fetch_all(&town.world.pool)
    .await?;
    let asked: BTreeSet<EndToEndId> = asked
        .iter()
        .map(|it| it.parse())
        .collect::<Result<_, _>>()?;
    assert!(lost.is_subset(&asked), "{lost:?} {asked:?}");

    let said = town.result_lines().await?;
    let lines: BTreeSet<EndToEndId> = said.iter().map(|(_, it)| *it).collect();
    assert_eq!(lines.len(), 400);
    let repeated = i64::try_from(said.len() - lines.len())?;
    assert!(repeated >= i64::try_from(again)?);
    let refused = town.refusals().await?;
    assert_eq!(refused.get("duplicate_result"), Some(&repeated));
    assert_eq!(refused.len(), 1, "{refused:?}");

    let it = town.close().await?;
    assert_eq!((it.unknown_lines, it.breaks, it.missing_lines), (0, 0, 0));
    assert!(it.returned_lines > 0, "some are rejected: {it:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn each_message_three_times_pays_each_line_once() -> anyhow::Result<()> {
    let kind = ScenarioKind::Duplicates;
    let town = Town::released(300, scenario(kind, 3, 0), 60_000).await?;
    town.until_answered_but(0).await?;
    let said = town.result_lines().await?;
    let again = said.iter().filter(|(id, _)| id.ends_with("-again"));
    assert_eq!((said.len(), again.count()), (900, 300));
    town.world
        .until_heard("payments", &events::bank_in_results(town.bank()))
        .await?;
    let refused = town.refusals().await?;
    assert_eq!(
        refused.into_iter().collect::<Vec<_>>(),
        [("duplicate_result".to_owned(), 600)]
    );
    town.end_day(day(&town, 0)).await?;
    assert!(town.breaks().await?.is_empty());
    let it = town.close().await?;
    assert_eq!((it.unknown_lines, it.breaks), (0, 0));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bank_that_was_away_pays_once_what_it_missed() -> anyhow::Result<()> {
    let town = Town::released(300, scenario(ScenarioKind::Offline, 1, 0), 1_000).await?;
    let open = town.until_answered_but(300).await?;
    assert!(open.iter().all(|it| it.said.is_none() && it.enquiries == 2));
    let booked = "SELECT count(*) FROM sandbox.entries WHERE institution = 970436";
    assert_eq!(town.world.number(booked).await?, 0);
    assert_eq!(town.world.instructions(town.bank()).await?.len(), 300);

    set(&town.world, None).await?;
    // As ever, this bank leaves the first line of the run out, and knows nothing of it.
    let open = town.until_answered_but(1).await?;
    let mut first: Vec<EndToEndId> = town.told.iter().map(|it| it.end_to_end_id).collect();
    first.sort_unstable();
    assert_eq!(open[0].end_to_end_id, first[0]);
    town.world
        .until("it has answered what it was asked", async || {
            Ok(town.unknown().await?[0].said.is_some())
        })
        .await?;
    assert_eq!(town.world.number(booked).await?, 300);
    town.end_day(day(&town, 0)).await?;
    assert!(town.breaks().await?.is_empty());

    let shown = typed(&town.world, &["run", "unknown", &town.run_no.to_string()]).await?;
    assert_eq!(shown[0]["said"], "not_received", "{shown}");
    let it = town.close().await?;
    assert_eq!((it.unknown_lines, it.breaks), (1, 0));
    Ok(())
}

//! A bank that takes back its word: the first one stands.

use std::collections::BTreeSet;

use domain::EndToEndId;
use events::BreakKind;
use sandbox::{Deviation, ScenarioKind};

use super::{Town, day, named, scenario};

#[tokio::test(flavor = "multi_thread")]
async fn what_a_bank_says_against_its_first_word_is_a_case_and_moves_nothing() -> anyhow::Result<()>
{
    let kind = ScenarioKind::Contradicts;
    let town = Town::released(300, scenario(kind, 9, 80), 60_000).await?;
    let hit = town.hit();
    let contradicted: BTreeSet<EndToEndId> = (hit.iter())
        .filter(|(_, it)| **it == Deviation::Contradicted)
        .map(|(id, _)| *id)
        .collect();
    let others = hit.len() - contradicted.len();
    assert!(!contradicted.is_empty() && others > 0, "{hit:?}");
    town.until_answered_but(0).await?;
    let refused = i64::try_from(hit.len())?;
    town.world
        .until("its second words have come", async || {
            Ok(town.refusals().await?.values().sum::<i64>() == refused)
        })
        .await?;
    let codes = town.refusals().await?;
    let count = |it: usize| i64::try_from(it).ok();
    assert_eq!(
        codes.get("contradicting_result").copied(),
        count(contradicted.len())
    );
    assert_eq!(codes.get("amount_mismatch").copied(), count(others));

    town.end_day(day(&town, 0)).await?;
    let expected = named(BreakKind::ContradictingResult, hit.keys().copied());
    assert_eq!(town.breaks().await?, expected);
    let exceptions = payments::exceptions(&town.world.pool, town.run_no, 10_000).await?;
    let named = exceptions.iter().filter(|it| it.kind == "contradicted");
    let named: BTreeSet<EndToEndId> = named.filter_map(|it| it.end_to_end_id).collect();
    assert_eq!(named, contradicted);
    for case in town.cases(false).await? {
        town.resolve(&case, &["resolve"]).await?;
    }
    assert!(town.cases(false).await?.is_empty());
    let it = town.close().await?;
    assert_eq!((it.credited_lines, it.missing_lines), (it.matched_lines, 0));
    Ok(())
}

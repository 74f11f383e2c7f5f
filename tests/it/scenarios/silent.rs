//! A bank that never answers some lines: half of them it has paid.

use domain::EndToEndId;
use events::{BreakKind, StandingAtBank};
use sandbox::{Deviation, ScenarioKind};

use super::{CHECKER, MAKER, Town, day, named, scenario, sum, typed};

#[tokio::test(flavor = "multi_thread")]
async fn what_a_silent_bank_paid_and_did_not_pay_is_settled_by_officers() -> anyhow::Result<()> {
    let town = Town::released(400, scenario(ScenarioKind::Silent, 5, 40), 3_000).await?;
    let hit = town.hit();
    let of = |deviation: Deviation| -> Vec<EndToEndId> {
        let those = hit.iter().filter(|(_, it)| **it == deviation);
        those.map(|(id, _)| *id).collect()
    };
    let (withheld, dropped) = (of(Deviation::Withheld), of(Deviation::Dropped));
    assert!(!withheld.is_empty() && !dropped.is_empty(), "{hit:?}");
    let open = town.until_answered_but(hit.len()).await?;
    let mut lines: Vec<EndToEndId> = open.iter().map(|it| it.end_to_end_id).collect();
    lines.sort_unstable();
    assert_eq!(lines, hit.keys().copied().collect::<Vec<_>>());
    town.world
        .until_heard("payments", &events::bank_in_standings(town.bank()))
        .await?;
    for it in town.unknown().await? {
        let knows_nothing = it.said == Some(StandingAtBank::NotReceived);
        assert_eq!(knows_nothing, dropped.contains(&it.end_to_end_id), "{it:?}");
        assert_eq!((it.enquiries, it.waits_for()), (2, "officer"));
    }

    town.end_day(day(&town, 0)).await?;
    let expected = named(BreakKind::DebitedWithoutResult, withheld.iter().copied());
    assert_eq!(town.breaks().await?, expected);
    let run = town.run_no.to_string();
    let shown = typed(&town.world, &["run", "unknown", &run, "--limit", "1000"]).await?;
    let shown = shown.as_array().map_or(&[][..], Vec::as_slice);
    let stated = shown.iter().filter(|it| it["on_statement"] == true);
    assert_eq!((shown.len(), stated.count()), (hit.len(), withheld.len()));

    for (lines, end) in [(&withheld, "credited"), (&dropped, "rejected")] {
        for line in lines {
            settle(&town, *line, end).await?;
        }
    }
    town.world
        .until_heard("reconciliation", events::PAYMENTS)
        .await?;
    for case in town.cases(false).await? {
        let line = case.line.expect("it is of a line").to_string();
        town.resolve(&case, &["match", "--line", &line]).await?;
    }
    town.world
        .until_heard("payments", events::RECONCILIATION)
        .await?;
    let unpaid = sum(&town.told, |it| dropped.contains(&it.end_to_end_id));
    let it = town.summary().await?;
    assert_eq!((it.unknown_lines, it.open_exceptions), (0, 0));
    assert!(it.returned_total >= unpaid);
    assert!(town.cases(false).await?.is_empty());
    let it = town.close().await?;
    assert_eq!(it.credited_lines, it.matched_lines);
    Ok(())
}

async fn settle(town: &Town, line: EndToEndId, end: &str) -> anyhow::Result<()> {
    town.world.hand_key(CHECKER).await?;
    let line = line.to_string();
    let said = [
        "run",
        "settle-unknown",
        &line,
        "--as",
        end,
        "--evidence",
        "CV 12/NH",
    ];
    typed(&town.world, &[&said[..], &["--by", MAKER]].concat()).await?;
    let accepted = ["run", "settle-unknown", &line, "--approve", "--by", CHECKER];
    typed(&town.world, &accepted).await?;
    Ok(())
}

//! Paid again, and with a second message: the banks' own books show each obligation once.

use anyhow::Context;
use domain::Programme;
use sandbox::ScenarioKind;
use serde_json::json;

use super::{SOUND, Town, credits_checked, day, scenario};
use crate::world::World;

#[tokio::test(flavor = "multi_thread")]
async fn what_a_bank_rejected_is_paid_another_way_and_by_one_of_them() -> anyhow::Result<()> {
    let town = Town::released(300, scenario(ScenarioKind::MonthEnd, 5, 200), 2_000).await?;
    town.until_answered_but(0).await?;
    town.end_day(day(&town, 0)).await?;
    let first = town.summary().await?;
    assert!(first.returned_lines > 0, "{first:?}");

    let again = town.paid_again(first.returned_lines).await?;
    let world = &town.world;
    let second = world.summary(again).await?;
    assert!(second.credited_lines > 0, "{second:?}");
    town.end_day(day(&town, 1)).await?;
    assert!(town.breaks().await?.is_empty());
    let lineage = "SELECT count(*) FROM payments.attempts a
        JOIN payments.results r USING (run_no, part, chunk, line)
        JOIN payments.results b ON (b.run_no, b.part, b.chunk, b.line)
            = (a.before_run_no, a.part, a.before_chunk, a.before_line)
        WHERE r.status = 'credited' AND b.status = 'rejected'";
    assert_eq!(world.number(lineage).await?, second.credited_lines);
    world.close_run(again).await?;
    town.close().await?;
    Ok(())
}

/// A line that waited for its province comes after its chunk; the statement shows neither twice.
#[tokio::test(flavor = "multi_thread")]
async fn a_chunk_that_comes_with_two_messages_is_stated_once() -> anyhow::Result<()> {
    let world = World::with(|it| {
        it.payments.result_sla_ms = 60_000;
    })
    .await?;
    let mut registry = "citizen_number,full_name,birth_date,sex,province,programme\n".to_owned();
    let mut links = "citizen_number,institution,account_number,holder_name\n".to_owned();
    for number in 1..=34 {
        let province = if number <= 2 { "01" } else { "04" };
        registry.push_str(&format!(
            "004048{number:06},Lý Văn Ba,12/05/1948,nam,{province},HTXH\n"
        ));
        links.push_str(&format!(
            "004048{number:06},{SOUND},0011004{number:06},LY VAN BA\n"
        ));
    }
    world.register(registry).await?;
    world.link(links).await?;
    let run_no = world.reserved(Programme::SocialPension).await?;
    let order =
        |by: &str| json!({ "officer": by, "scope": { "province": "01" }, "reason": "lũ lụt" });
    world.ask("pause", "pause", &order("vo.hoa")).await?;
    world.release(run_no).await?;
    world
        .until(
            "two lines are kept back and the others answered",
            async || {
                let it = world.summary(run_no).await?;
                Ok((it.released_lines, it.held_lines, it.waiting_lines) == (32, 2, 0))
            },
        )
        .await?;
    world.end_of_day().await?;
    first_statement_is_matched(&world).await?;
    world.ask("resume", "resume", &order("bui.kiem")).await?;
    world.until_state(run_no, "released").await?;
    world
        .until("all are answered", async || {
            Ok(world.summary(run_no).await?.waiting_lines == 0)
        })
        .await?;
    let twice = "SELECT count(*) FROM payments.chunks WHERE messages = 2";
    assert_eq!(world.number(twice).await?, 2);
    let next = world.business_date.succ_opt().context("a day follows")?;
    let body = json!({ "date": next });
    let ended = messaging::ask(&world.nats, "sandbox", "end-of-day", "next", &body).await?;
    let credited = world.summary(run_no).await?.credited_lines;
    world
        .until("each credit is on a statement", async || {
            Ok(world.summary(run_no).await?.matched_lines == credited)
        })
        .await?;
    let it = world.summary(run_no).await?;
    let breaks: Vec<String> = sqlx::query_scalar(
        "SELECT kind || ' ' || to_jsonb(b) FROM reconciliation.breaks b ORDER BY 1",
    )
    .fetch_all(&world.pool)
    .await?;
    assert!(breaks.is_empty(), "{breaks:?} {ended}");
    assert_eq!((it.breaks, it.missing_lines), (0, 0));
    let (code, said) = credits_checked(&world.ground, &world.ground.database_url).await?;
    assert_eq!(code, Some(0), "{said}");
    world.close_run(run_no).await?;
    world.close().await
}

/// What comes later is no matter of this day any more.
async fn first_statement_is_matched(world: &World) -> anyhow::Result<()> {
    let open = "SELECT count(*) FROM reconciliation.statements WHERE state <> 'matched'";
    let stated = "SELECT count(*) FROM reconciliation.statements";
    world
        .until("the first statement is matched", async || {
            Ok(world.number(stated).await? > 0 && world.number(open).await? == 0)
        })
        .await
}

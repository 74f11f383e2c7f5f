//! Runs that go out after their day: whoever runs this lives later than the middle of 2026.

use domain::{Money, RunNo};
use payments::PlanSchedule;
use serde_json::{Value, to_value};

use super::{
    LINKS, PROGRAMME, REGISTRY, a_world, at, catch_up, plan_with, planning, releasing,
    releasing_late,
};
use crate::world::World;

#[tokio::test(flavor = "multi_thread")]
async fn what_the_schedule_opened_goes_out_late_for_a_reason_only() -> anyhow::Result<()> {
    let mut world = a_world().await?;
    assert_eq!(world.register(REGISTRY).await?.sums.accepted.rows, 2);
    assert_eq!(world.link(LINKS).await?.sums.accepted.rows, 2);
    world
        .appropriate(PROGRAMME, Money::dong(900_000_000))
        .await?;
    let year = PlanSchedule {
        year: 2026,
        ..planning(PROGRAMME)
    };
    let planned = plan_with(&world.pool, &year, "2026-04-30T00:00:00Z").await?;
    assert_eq!((&planned["new"], &planned["past"]), (&8.into(), &4.into()));
    // May's opening is over when the year is planned, its pay day is not; June's follows.
    let opened = catch_up(&world.pool, at("2026-05-01T00:00:00Z")).await?;
    let may = *opened.first().expect("May is opened at once");
    approved(&world, may).await?;
    let problem = world
        .refused("release-run", "plain", &releasing(&world, may).await?)
        .await?;
    assert_eq!((problem.status, &problem.code[..]), (409, "after_cut_off"));
    assert!(problem.detail.contains("2026-05-04"), "{problem}");
    let unmotivated = releasing_late(&world, may, " ").await?;
    let problem = world
        .refused("release-late", "no reason", &unmotivated)
        .await?;
    assert_eq!((problem.status, &problem.code[..]), (422, "reason_missing"));
    let body = releasing_late(&world, may, "sự cố đường truyền").await?;
    let answer = world.ask("release-late", "late", &body).await?;
    assert_eq!(answer["warnings"], to_value(["after_cut_off"])?);
    let kept = "SELECT count(*) FROM payments.acts
        WHERE act = 'release' AND reason = 'sự cố đường truyền'";
    assert_eq!(world.number(kept).await?, 1);

    // Who opens by hand is warned: a Saturday, and one that nobody works.
    for (period, day, code) in [
        ("2026-07", "2026-07-04", "not_a_working_day"),
        ("2026-08", "2026-08-22", "after_cut_off"),
    ] {
        (world.period, world.business_date) = (period.parse()?, day.parse()?);
        let run_no = world.open(PROGRAMME).await?;
        approved(&world, run_no).await?;
        let answer: Value = world.release(run_no).await?;
        assert_eq!(answer["warnings"], to_value([code])?, "{day}");
        world.until_state(run_no, "released").await?;
    }
    world.until_state(may, "released").await?;
    world.close().await
}

async fn approved(world: &World, run_no: RunNo) -> anyhow::Result<()> {
    world.until_state(run_no, "awaiting_approval").await?;
    world.approve(run_no).await?;
    world.until_state(run_no, "reserved").await
}

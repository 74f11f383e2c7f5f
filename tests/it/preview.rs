//! What an approver sees of a run beside the one before, and has to explain before it is paid.

use std::collections::BTreeMap;

use chrono::{NaiveDate, Utc};
use domain::{Money, Part, Programme, RunNo};
use events::{Event, LifeEventTold, LifeEventsTold};
use messaging::Problem;
use payments::{ApproveRun, Bucket, Difference, Guard, Guarded, HoldLine, Preview, Proposed};
use privacy::Field;
use serde_json::{json, to_value};

use crate::proposals::{decide, propose};
use crate::world::{CHECKER, MAKER, RELEASER, World, officer};

const PROGRAMME: Programme = Programme::SocialPension;
/// An old person, one who turns 75 in September, and two more who are paid all the time.
const REGISTRY: &str = "citizen_number,full_name,birth_date,sex,province,programme,category\n\
    004148000001,Lý Thị Mai,12/05/1948,nữ,04,HTXH,\n\
    004051000002,Nông Văn Páo,20/09/1951,nam,04,HTXH,\n\
    004040000003,Nguyễn Văn Bình,01/01/1940,nam,04,HTXH,\n\
    004040000004,Hoàng Văn Sơn,01/01/1940,nam,04,HTXH,\n";
const LINKS: &str = "citizen_number,institution,account_number,holder_name\n\
    004148000001,970436,0011004000001,LY THI MAI\n\
    004051000002,970436,0011004000002,NONG VAN PAO\n\
    004040000003,970436,0011004000003,NGUYEN VAN BINH\n";
const OTHER_ACCOUNT: &str = "citizen_number,institution,account_number,holder_name\n\
    004148000001,970405,0011004000009,LY THI MAI\n";

#[tokio::test(flavor = "multi_thread")]
async fn what_changed_is_counted_and_what_is_unusual_is_explained() -> anyhow::Result<()> {
    let mut world = World::with_hand_played_banks(|_| {}).await?;
    assert_eq!(world.register(REGISTRY).await?.sums.accepted.rows, 4);
    world.link(LINKS).await?;
    let august = awaiting(&mut world, "2026-08-03").await?;
    let first = preview(&world, august).await?;
    assert_eq!((first.compared_with, first.differences.len()), (None, 0));
    assert_eq!(warnings(&first), []);
    approve(&world, august, BTreeMap::new()).await?;

    // She turned 75: a third more is paid than in August.
    let september = awaiting(&mut world, "2026-09-03").await?;
    let seen = preview(&world, september).await?;
    assert_eq!(seen.compared_with, Some(august));
    let expected = [
        difference(Bucket::New, 1, 0, 500_000),
        difference(Bucket::Unchanged, 3, 1_500_000, 1_500_000),
    ];
    assert_eq!(seen.differences, expected);
    assert_eq!(warnings(&seen), [(Guard::TotalOffLast, 34, 10)]);
    a_warning_is_answered_in_writing(&world, september).await?;

    // The decree is known, one has died, another is paid elsewhere.
    died(&world, "004040000003", "2026-09-20").await?;
    world.link(OTHER_ACCOUNT).await?;
    let december = awaiting(&mut world, "2026-12-01").await?;
    let seen = preview(&world, december).await?;
    let expected = [
        difference(Bucket::Stopped, 1, 500_000, 0),
        difference(Bucket::Up, 3, 1_500_000, 1_620_000),
        arrears(&seen),
        difference(Bucket::ChannelChanged, 1, 500_000, 540_000),
    ];
    assert_eq!(seen.differences, expected);
    let guards: Vec<Guard> = warnings(&seen).into_iter().map(|it| it.0).collect();
    assert_eq!(guards, [Guard::TotalOffLast, Guard::ManyStopped]);
    counted_again_from_the_lines(&world, december, august, september).await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_matter_of_the_run_before_is_explained_or_blocks() -> anyhow::Result<()> {
    let mut world = World::with_hand_played_banks(|_| {}).await?;
    world.register(REGISTRY).await?;
    world.link(LINKS).await?;
    // Three are owed 1.500.000, and it is a Saturday.
    world.appropriate(PROGRAMME, Money::dong(1_200_000)).await?;
    let run_no = awaiting(&mut world, "2026-08-01").await?;
    let expected = [(Guard::OverBudget, 20, 0), (Guard::DayOff, 1, 0)];
    assert_eq!(warnings(&preview(&world, run_no).await?), expected);
    let line = world.lines(run_no).await?[0].end_to_end_id;
    let hold = json!({ "officer": RELEASER, "line": line, "reason": "rà soát" });
    world.ask("hold-line", "hold", &hold).await?;
    world.ask("free-line", "free", &hold).await?;
    let expected = [expected[0], expected[1], (Guard::FreedLines, 1, 0)];
    assert_eq!(warnings(&preview(&world, run_no).await?), expected);

    let two = explained(&[Guard::OverBudget, Guard::DayOff]);
    let problem = refused(&world, run_no, two).await?;
    assert_eq!(problem.code, "guard_unanswered");
    assert!(problem.detail.contains("freed_lines is 1"), "{problem}");

    let all = [Guard::OverBudget, Guard::DayOff, Guard::FreedLines];
    forecast(&world, 700_000).await?;
    let every = explained(&[&all[..], &[Guard::TotalOffForecast]].concat());
    let problem = refused(&world, run_no, every).await?;
    assert_eq!((problem.status, &problem.code[..]), (409, "guard_blocks"));
    assert!(
        problem.detail.contains("total_off_forecast is 115"),
        "{problem}"
    );
    forecast(&world, 1_500_000).await?;
    approve(&world, run_no, explained(&all)).await?;
    let seen = preview(&world, run_no).await?;
    assert!(seen.guards.iter().all(|it| it.guard != Guard::OverBudget));
    assert_eq!(world.summary(run_no).await?.state, "unfunded");
    world.close().await
}

fn explained(guards: &[Guard]) -> BTreeMap<Guard, String> {
    let reason = "đã rà soát".to_owned();
    guards.iter().map(|it| (*it, reason.clone())).collect()
}

async fn forecast(world: &World, total: u64) -> anyhow::Result<()> {
    let forecast = Proposed::Forecast {
        programme: PROGRAMME,
        period: world.period,
        total: Money::dong(total),
    };
    let number = propose(world, MAKER, forecast).await?;
    decide(world, number, true).await
}

/// Months that the decree raised afterwards, also of him who died since.
fn arrears(seen: &Preview) -> Difference {
    let found = seen
        .differences
        .iter()
        .find(|it| it.bucket == Bucket::Arrears);
    let found = *found.expect("August and later are owed again");
    // Three were paid 500.000 in August where 540.000 were owed, and all four in September.
    assert_eq!(found, difference(Bucket::Arrears, 4, 0, 7 * 40_000));
    found
}

async fn a_warning_is_answered_in_writing(world: &World, run_no: RunNo) -> anyhow::Result<()> {
    let reason = |text: &str| BTreeMap::from([(Guard::TotalOffLast, text.to_owned())]);
    let other = BTreeMap::from([(Guard::ManyStopped, "rà soát".to_owned())]);
    for reasons in [BTreeMap::new(), reason(" "), other] {
        let problem = refused(world, run_no, reasons).await?;
        assert_eq!(
            (problem.status, &problem.code[..]),
            (409, "guard_unanswered")
        );
        assert!(problem.detail.contains("total_off_last is 34"), "{problem}");
    }
    let answers = "SELECT count(*) FROM payments.guard_answers";
    assert_eq!(world.number(answers).await?, 0);

    // Answered by the first of two; the run is another one then, and so is the question.
    sqlx::query("INSERT INTO payments.approval_levels VALUES (1, 2)")
        .execute(&world.pool)
        .await?;
    approve(world, run_no, reason("1 người đủ 75 tuổi")).await?;
    assert_eq!(
        preview(world, run_no).await?.answered,
        [Guard::TotalOffLast]
    );
    let line = world.lines(run_no).await?[0].end_to_end_id;
    let hold = HoldLine {
        officer: officer(RELEASER),
        line,
        reason: "báo tử".to_owned(),
    };
    world.ask("hold-line", "hold", &to_value(hold)?).await?;
    assert_eq!(preview(world, run_no).await?.answered, []);
    let problem = refused(world, run_no, BTreeMap::new()).await?;
    assert_eq!(problem.code, "guard_unanswered");
    approve(world, run_no, reason("1 người đủ 75 tuổi")).await?;
    // The second approver reads the first one's reason.
    let second = ApproveRun {
        reasons: BTreeMap::new(),
        ..world.approval(run_no, "pham.dung").await?
    };
    let done = world
        .ask("approve-run", "second", &to_value(second)?)
        .await?;
    assert_eq!(done["state"], "approved");
    world.until_state(run_no, "reserved").await
}

/// Counters are only as good as the lines under them.
async fn counted_again_from_the_lines(
    world: &World,
    run_no: RunNo,
    august: RunNo,
    september: RunNo,
) -> anyhow::Result<()> {
    for (now, before) in [(run_no, september), (september, august)] {
        let sums: Vec<i64> = sqlx::query_scalar(
            "SELECT (SELECT sum(amount) FROM payments.lines l JOIN payments.runs r USING (run_no)
                WHERE run_no = n AND l.period = r.period)::bigint FROM unnest($1::bigint[]) AS n",
        )
        .bind([before.0, now.0])
        .fetch_all(&world.pool)
        .await?;
        let differences = preview(world, now).await?.differences;
        let of_the_month = differences
            .iter()
            .filter(|it| !matches!(it.bucket, Bucket::Arrears | Bucket::ChannelChanged));
        let (told_before, told_after) = of_the_month.fold((0, 0), |(before, after), it| {
            (before + it.before.units(), after + it.after.units())
        });
        assert_eq!([told_before, told_after], [sums[0].into(), sums[1].into()]);
    }
    Ok(())
}

async fn awaiting(world: &mut World, day: &str) -> anyhow::Result<RunNo> {
    world.period = day[..7].parse()?;
    world.business_date = day.parse::<NaiveDate>()?;
    let reference = Money::dong(9_000_000);
    if world
        .number("SELECT count(*) FROM payments.appropriations")
        .await?
        == 0
    {
        world.appropriate(PROGRAMME, reference).await?;
    }
    let run_no = world.open(PROGRAMME).await?;
    world.until_state(run_no, "awaiting_approval").await?;
    Ok(run_no)
}

async fn approve(
    world: &World,
    run_no: RunNo,
    reasons: BTreeMap<Guard, String>,
) -> anyhow::Result<()> {
    let body = ApproveRun {
        reasons,
        ..world.approval(run_no, CHECKER).await?
    };
    let key = format!("approve-{}", uuid::Uuid::now_v7());
    world.ask("approve-run", &key, &to_value(body)?).await?;
    let seen = world.summary(run_no).await?;
    if seen.approvals_required == 1 && seen.unfunded.is_empty() {
        world.until_state(run_no, "reserved").await?;
    }
    Ok(())
}

async fn refused(
    world: &World,
    run_no: RunNo,
    reasons: BTreeMap<Guard, String>,
) -> anyhow::Result<Problem> {
    let body = ApproveRun {
        reasons,
        ..world.approval(run_no, CHECKER).await?
    };
    let key = format!("refused-{}", uuid::Uuid::now_v7());
    world.refused("approve-run", &key, &to_value(body)?).await
}

async fn preview(world: &World, run_no: RunNo) -> anyhow::Result<Preview> {
    let found = payments::preview(&world.pool, run_no).await?;
    Ok(found.expect("the run exists"))
}

fn warnings(seen: &Preview) -> Vec<(Guard, i64, i64)> {
    let warned = seen.guards.iter().filter(|it| Guarded::warns(it));
    warned.map(|it| (it.guard, it.measured, it.limit)).collect()
}

fn difference(bucket: Bucket, persons: i64, before: u64, after: u64) -> Difference {
    Difference {
        bucket,
        persons,
        before: Money::dong(before),
        after: Money::dong(after),
    }
}

async fn died(world: &World, citizen_number: &str, day: &str) -> anyhow::Result<()> {
    let keys = world.target.keys()?;
    let message = LifeEventsTold {
        part: Part::ZERO,
        message_id: "deaths".to_owned(),
        events: vec![LifeEventTold {
            event_id: "D1".to_owned(),
            citizen_index: keys.index(Field::CitizenNumber, citizen_number),
            kind: "death".to_owned(),
            happened_on: day.parse()?,
            province: None,
            commune: None,
            revoked: false,
        }],
    };
    world.say(vec![Event::of(&message, Utc::now())]).await?;
    world.until_heard("eligibility", events::POPULATION).await
}

//! Several who open at the same time, and some who die while they do.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::ensure;
use domain::Programme;
use futures::future::{join_all, try_join_all};
use payments::Round;
use sqlx::PgPool;
use tokio::time::{Instant, sleep, timeout};

use super::{BEFORE, a_world, alarms, at, catch_up, look, plan, runs};
use crate::ground::Ground;
use crate::processes::Process;

const MONTHLY: [Programme; 6] = [
    Programme::SocialPension,
    Programme::RetirementPension,
    Programme::SocialAssistance,
    Programme::MeritAllowance,
    Programme::SurvivorAllowance,
    Programme::CareSupport,
];
/// How long the service may take to open what is due, between its deaths.
const WAIT_MAX: Duration = Duration::from_mins(5);
/// February and March of each programme open on the 19th; January's pay day is over then.
const TET: &str = "2027-01-25T00:00:00Z";

async fn count(pool: &PgPool, statement: &'static str) -> anyhow::Result<i64> {
    Ok(sqlx::query_scalar(statement).fetch_one(pool).await?)
}

/// Two runs of each programme, and what each run says once.
async fn each_run_is_opened_once(pool: &PgPool) -> anyhow::Result<()> {
    let all = runs(pool).await?;
    let distinct: BTreeSet<_> = all.iter().collect();
    assert_eq!((all.len(), distinct.len()), (12, 12), "{all:?}");
    // The months of Tết one behind the other.
    for programme in MONTHLY {
        let of_programme = all.iter().filter(|it| it.0 == programme.number());
        let periods: Vec<&str> = of_programme.map(|it| &it.1[..]).collect();
        assert_eq!(periods, ["2027-02", "2027-03"], "{programme}");
    }
    let acts = "SELECT count(*) FROM payments.acts WHERE act = 'open' AND reason IS NOT NULL";
    assert_eq!(count(pool, acts).await?, 12);
    let said = "SELECT count(*) FROM messaging.outbox WHERE subject LIKE '%run-opened%'";
    assert_eq!(count(pool, said).await?, 12 * 16);
    let fired = "SELECT count(*) FROM payments.schedule_steps WHERE step = 'fired'";
    assert_eq!(count(pool, fired).await?, 12);
    // Of January all but the report, of the others the list.
    assert_eq!(alarms(pool).await?.len(), 6 * (5 + 2));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn several_instances_at_once_open_each_run_once() -> anyhow::Result<()> {
    let world = a_world().await?;
    for programme in MONTHLY {
        plan(&world.pool, programme, BEFORE).await?;
    }
    // A round is bounded: the six of January that are too late, and two runs.
    let first = look(&world.pool, at(TET)).await?;
    assert_eq!((first.opened.len(), first.is_full), (2, true));
    let mut instances = Vec::new();
    for _ in 0..4 {
        instances.push(world.target.pool(Some("ansinh_payments")).await?);
    }
    for _ in 0..6 {
        let rounds = instances.iter().map(|it| look(it, at(TET)));
        try_join_all(rounds).await?;
    }
    catch_up(&world.pool, at(TET)).await?;
    each_run_is_opened_once(&world.pool).await?;
    assert_eq!(look(&world.pool, at(TET)).await?, Round::default());
    for instance in instances {
        instance.close().await;
    }
    for (change, back) in [
        (
            "business_date = business_date + 1",
            "business_date = business_date - 1",
        ),
        ("maker = 'vo.hoa'", "maker = 'nguyen.an'"),
    ] {
        a_changed_run_is_found(&world.pool, change).await?;
        change_run(&world.pool, back).await?;
    }
    world.close().await
}

async fn change_run(pool: &PgPool, change: &str) -> anyhow::Result<()> {
    let change = format!("UPDATE payments.runs SET {change} WHERE run_no = 7");
    sqlx::raw_sql(sqlx::AssertSqlSafe(change))
        .execute(pool)
        .await?;
    Ok(())
}

/// Not as it was planned: the check names it.
async fn a_changed_run_is_found(pool: &PgPool, change: &str) -> anyhow::Result<()> {
    change_run(pool, change).await?;
    let all = ansinh::check_all(pool).await?;
    let found = all.iter().find(|it| it.name == "scheduled_once");
    let broken = found.map(|it| it.broken.len());
    assert_eq!(broken, Some(1), "{change}");
    Ok(())
}

/// A future that is dropped is a process that dies: its transaction ends where it was.
#[tokio::test(flavor = "multi_thread")]
async fn who_dies_while_opening_has_opened_whole_or_not_at_all() -> anyhow::Result<()> {
    let world = a_world().await?;
    for programme in MONTHLY {
        plan(&world.pool, programme, BEFORE).await?;
    }
    let (mut died, mut lived) = (0, 0);
    // Until enough have died and enough have lived, whatever the machine's speed.
    for turn in 1..=250 {
        if turn > 25 && died >= 10 && lived >= 5 {
            break;
        }
        // A few at a time, so that some die while they wait for one another.
        let spans = [1, 2, 3].map(|it| Duration::from_millis(turn * it * 4));
        let rounds = spans.map(|it| timeout(it, look(&world.pool, at(TET))));
        for ended in join_all(rounds).await {
            match ended {
                Err(_) => died += 1,
                Ok(round) => lived += usize::from(round.is_ok()),
            }
        }
    }
    assert!(died >= 10 && lived >= 5, "{died} died, {lived} lived");
    catch_up(&world.pool, at(TET)).await?;
    each_run_is_opened_once(&world.pool).await?;
    world.close().await
}

/// The real thing: the service's own task, by the clock of the machine, killed again and again.
#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_is_killed_opens_each_run_once() -> anyhow::Result<()> {
    let ground = Ground::new().await?;
    let pool = ground.pool().await?;
    sqlx::query(
        "INSERT INTO payments.schedule
            (programme, period, moment, due_at, pay_day, maker, planned_at)
        SELECT p, m::date, moment, now() + due, m::date + mistaken, 'nguyen.an', now()
        FROM generate_series(1, 6) AS p,
            generate_series('2030-01-01', '2033-12-01', interval '1 month') AS m,
            (VALUES ('open', interval '-1 hour'), ('release', interval '1 day'))
                AS moments (moment, due),
            -- The first of them would be paid in a year that nobody can mean.
            LATERAL (SELECT CASE WHEN m = '2030-01-01' AND p = 1 THEN 900 ELSE 0 END)
                AS mistakes (mistaken)",
    )
    .execute(&pool)
    .await?;
    let settings = [("ANSINH_PAYMENTS__SCHEDULE_MS", "1")];
    let mut process = Process::start(&ground, "payments", &settings)?;
    let planned = "SELECT count(*) FROM payments.schedule
        WHERE moment = 'open' AND state = 'planned'";
    let (mut kills, mut left) = (0, count(&pool, planned).await?);
    assert_eq!(left, 6 * 48);
    let begun = Instant::now();
    while left > 0 {
        ensure!(begun.elapsed() < WAIT_MAX, "{left} are not opened");
        sleep(Duration::from_millis(100)).await;
        let now = count(&pool, planned).await?;
        // Killed while it opens, not while it starts.
        if now < left && now > 0 && kills < 6 {
            process.kill_and_restart().await?;
            kills += 1;
        }
        left = now;
    }
    assert!(kills >= 3, "killed only {kills} times");
    let runs = "SELECT count(*) FROM payments.runs";
    assert_eq!(count(&pool, runs).await?, 6 * 48 - 1);
    let mistaken = "SELECT count(*) FROM payments.schedule
        WHERE state = 'missed' AND reason = 'period_implausible' AND period = '2030-01-01'";
    assert_eq!(count(&pool, mistaken).await?, 1);
    for invariant in ansinh::check_all(&pool).await? {
        assert!(
            invariant.holds(),
            "{} {:?}",
            invariant.name,
            invariant.broken
        );
    }
    process.kill().await?;
    pool.close().await;
    ground.clear().await
}

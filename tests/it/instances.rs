//! Two instances of every service share its work; one is killed, or sleeps and wakes, and the pay day
//! ends as it should.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use ansinh::{ServiceName, Services};
use anyhow::{Context, bail, ensure};
use boot::Health;
use chrono::{DateTime, Utc};
use domain::Programme;
use sandbox::people::Written;
use sqlx::{FromRow, PgPool};
use tokio::time::{Instant, sleep};
use uuid::Uuid;

use crate::ground::Ground;
use crate::pay_day::{PayDay, nothing_lost_nothing_twice, registry};
use crate::processes::Process;
use crate::world::World;

const PROGRAMMES: [Programme; 1] = [Programme::SocialPension];
/// How many in a run of the tests; `INSTANCES_PEOPLE=100000` asks for more.
const USUAL: u64 = 1_000;
/// Beyond what a few people take, for each of them.
const OF_ONE: Duration = Duration::from_millis(1);
/// Of which there are two; the sandbox is the world outside, and the console owns nothing.
const HOUSE: [(ServiceName, &str); 5] = [
    (ServiceName::Eligibility, "eligibility"),
    (ServiceName::Accounts, "accounts"),
    (ServiceName::Payments, "payments"),
    (ServiceName::Reconciliation, "reconciliation"),
    (ServiceName::Audit, "audit"),
];
/// Those of them that hear events.
const HEARING: [&str; 4] = ["eligibility", "accounts", "payments", "reconciliation"];
/// Only the line that nobody ever answers is late.
const ANSWER_MAX: Duration = Duration::from_secs(15);
const GRACE_MS: u64 = 600_000;
/// By when what a killed instance did is another's.
const MOVED_WITHIN: Duration = Duration::from_secs(5);
/// A sleeping one is waited for while it may be only slow.
const MOVED_FROM_ASLEEP_WITHIN: Duration = Duration::from_secs(8);
const WAIT_MAX: Duration = Duration::from_mins(1);
const LOOK: Duration = Duration::from_millis(50);

const SOME_LINES: &str = "SELECT count(*) > 100 FROM payments.lines";
const SOME_ANSWERED: &str = "SELECT count(*) > 100 FROM payments.results";

/// A lease as the database has it.
#[derive(Debug, Clone, FromRow)]
struct Lease {
    unit: String,
    owner: Option<Uuid>,
    epoch: i64,
    taken_at: DateTime<Utc>,
    is_held: bool,
}

async fn leases(pool: &PgPool) -> anyhow::Result<Vec<Lease>> {
    let leases = sqlx::query_as(
        "SELECT l.unit, l.owner, l.epoch, l.taken_at, coalesce(messaging.is_alive(i), false) AS is_held
        FROM messaging.leases l LEFT JOIN messaging.instances i ON i.instance = l.owner
        ORDER BY l.unit",
    );
    Ok(leases.fetch_all(pool).await?)
}

/// The instances of a service that say that they live.
async fn instances(pool: &PgPool, service: &str) -> anyhow::Result<BTreeSet<Uuid>> {
    let instances = sqlx::query_scalar(
        "SELECT instance FROM messaging.instances i WHERE service = $1 AND messaging.is_alive(i)",
    );
    Ok(instances
        .bind(service)
        .fetch_all(pool)
        .await?
        .into_iter()
        .collect())
}

async fn until<T>(
    what: &str,
    look: impl AsyncFn() -> anyhow::Result<Option<T>>,
) -> anyhow::Result<T> {
    let begun = Instant::now();
    while begun.elapsed() < WAIT_MAX {
        if let Some(it) = look().await? {
            return Ok(it);
        }
        sleep(LOOK).await;
    }
    bail!("{what} is not so within {} s", WAIT_MAX.as_secs())
}

/// Waits until all units are held, and both instances of every service that hears hold some.
async fn until_shared(pool: &PgPool) -> anyhow::Result<()> {
    until("the work is shared", async || {
        let leases = leases(pool).await?;
        for service in HEARING {
            let hears = format!("{service} hears ");
            let units = leases.iter().filter(|it| it.unit.starts_with(&hears));
            let owners: BTreeMap<Uuid, usize> = units.fold(BTreeMap::new(), |mut owners, it| {
                *owners.entry(it.owner.unwrap_or_default()).or_default() += 1;
                owners
            });
            let live = instances(pool, service).await?;
            let shared = live.len() == 2 && owners.keys().all(|it| live.contains(it));
            let (least, most) = (owners.values().min(), owners.values().max());
            // Each group is shared out by itself, so that a service's sums may differ by a few.
            if !shared || owners.len() != 2 || *most.unwrap_or(&0) > least.unwrap_or(&0) + 4 {
                return Ok(None);
            }
        }
        Ok(leases.iter().all(|it| it.is_held).then_some(()))
    })
    .await
}

/// All services and the world outside, in this process.
async fn first(ground: &Ground) -> anyhow::Result<Services> {
    let settings = Arc::new(patient(ground)?);
    ansinh::start_services(&settings, &Health::default()).await
}

fn patient(ground: &Ground) -> anyhow::Result<boot::Settings> {
    let mut settings = ground.settings();
    settings.payments.result_sla_ms = answer_max_ms()?;
    settings.reconciliation.grace_ms = GRACE_MS;
    Ok(settings)
}

fn wanted() -> anyhow::Result<u64> {
    let wanted = std::env::var("INSTANCES_PEOPLE").ok();
    Ok(wanted.map_or(Ok(USUAL), |it| it.parse())?)
}

fn more() -> anyhow::Result<Duration> {
    Ok(OF_ONE * u32::try_from(wanted()?)?)
}

fn answer_max_ms() -> anyhow::Result<u64> {
    Ok((ANSWER_MAX + more()?).as_millis().try_into()?)
}

/// People, and a day for them that is as long as they are many.
async fn day_of(ground: &Ground, seed: u64) -> anyhow::Result<(Written, PayDay)> {
    let people = registry(wanted()?, seed, &PROGRAMMES, &ground.home)?;
    let mut day = PayDay::of(ground, &PROGRAMMES).await?;
    day.patience += 10 * more()?;
    Ok((people, day))
}

/// The second instance of every service, each a process that a test can do to what it likes.
struct Second(Vec<Process>);

impl Second {
    fn start(ground: &Ground) -> anyhow::Result<Second> {
        let (answer_max, grace) = (answer_max_ms()?.to_string(), GRACE_MS.to_string());
        let patient = [
            ("ANSINH_PAYMENTS__RESULT_SLA_MS", &answer_max[..]),
            ("ANSINH_RECONCILIATION__GRACE_MS", &grace),
        ];
        let started = HOUSE.map(|(_, service)| {
            Process::start_as(&format!("second {service}"), ground, service, &patient)
        });
        Ok(Second(started.into_iter().collect::<Result<_, _>>()?))
    }

    async fn signal(&self, signal: &str) -> anyhow::Result<()> {
        for process in &self.0 {
            process.signal(signal).await?;
        }
        Ok(())
    }

    async fn kill(self) -> anyhow::Result<()> {
        for process in self.0 {
            process.kill().await?;
        }
        Ok(())
    }

    async fn stop(self) -> anyhow::Result<()> {
        for process in self.0 {
            process.stop().await?;
        }
        Ok(())
    }
}

/// A ground, people, the first instances, then the second ones: whose are in the tables since then.
struct Two {
    ground: Ground,
    people: Written,
    day: PayDay,
    first: Services,
    second: Second,
    /// The instances of the second processes.
    of_second: BTreeSet<Uuid>,
}

impl Two {
    async fn start(seed: u64) -> anyhow::Result<Two> {
        let ground = Ground::new().await?;
        let (people, day) = day_of(&ground, seed).await?;
        let first = first(&ground).await?;
        let mut of_first = BTreeSet::new();
        for service in HEARING {
            let one = until(service, async || {
                Ok(instances(&day.pool, service).await?.pop_first())
            });
            of_first.insert(one.await?);
        }
        let second = Second::start(&ground)?;
        until_shared(&day.pool).await?;
        let mut of_second = BTreeSet::new();
        for service in HEARING {
            of_second.extend(instances(&day.pool, service).await?);
        }
        of_second.retain(|it| !of_first.contains(it));
        ensure!(of_second.len() == HEARING.len(), "{of_second:?}");
        Ok(Two {
            ground,
            people,
            day,
            first,
            second,
            of_second,
        })
    }

    /// What the second instances hold.
    async fn held_by_second(&self) -> anyhow::Result<Vec<Lease>> {
        let mut leases = leases(&self.day.pool).await?;
        leases.retain(|it| it.owner.is_some_and(|it| self.of_second.contains(&it)));
        Ok(leases)
    }

    async fn now(&self) -> anyhow::Result<DateTime<Utc>> {
        Ok(sqlx::query_scalar("SELECT clock_timestamp()")
            .fetch_one(&self.day.pool)
            .await?)
    }

    /// Waits until what the second instances held is the first ones', with a higher epoch; gives back
    /// how long after a moment the last of it was taken.
    async fn until_moved(
        &self,
        before: &[Lease],
        since: DateTime<Utc>,
    ) -> anyhow::Result<Duration> {
        ensure!(before.len() > 10, "the second instances held {before:?}");
        let moved = until("all is the first instances'", async || {
            let now = leases(&self.day.pool).await?;
            let mut last = since;
            for lease in before {
                let it = now.iter().find(|it| it.unit == lease.unit);
                let it = it.context("no unit goes away")?;
                let moved = it.is_held && it.epoch > lease.epoch;
                if !moved || it.owner.is_none_or(|it| self.of_second.contains(&it)) {
                    return Ok(None);
                }
                last = last.max(it.taken_at);
            }
            Ok(Some(last))
        });
        Ok((moved.await? - since).to_std()?)
    }

    /// The books hold, and so does what is sealed of them.
    async fn end(self) -> anyhow::Result<()> {
        self.first.stop().await;
        let left = leases(&self.day.pool).await?;
        ensure!(left.iter().all(|it| it.owner.is_none()), "{left:?}");
        nothing_lost_nothing_twice(&self.day.pool).await?;
        World::evidence_holds(&self.ground, &self.day.pool, &[]).await?;
        self.day.pool.close().await;
        self.ground.clear().await
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_of_every_service_carry_a_pay_day_together() -> anyhow::Result<()> {
    let ground = Ground::new().await?;
    let (people, mut day) = day_of(&ground, 21).await?;
    let first = first(&ground).await?;
    let house = HOUSE.map(|(it, _)| it);
    let settings = Arc::new(patient(&ground)?);
    let second = ansinh::start_some(&house, &settings, &Health::default()).await?;
    until_shared(&day.pool).await?;
    day.carry(&people).await?;

    for service in HEARING {
        let applied: Vec<(Uuid, i64)> = sqlx::query_as(
            "SELECT l.owner, sum(c.seq)::bigint
            FROM messaging.cursors c JOIN messaging.leases l
                ON l.unit = c.consumer || ' hears ' || c.speaker || CASE
                    WHEN c.speaker LIKE 'bank.%' THEN '' ELSE ' ' || c.part / 4 END
            WHERE c.consumer = $1 GROUP BY 1 ORDER BY 2",
        )
        .bind(service)
        .fetch_all(&day.pool)
        .await?;
        println!("{service}: {applied:?}");
        ensure!(
            applied.len() == 2 && applied.iter().all(|(_, events)| *events > 0),
            "of {service} not both have applied events: {applied:?}"
        );
    }
    // One that stops in order leaves its work to the other at once.
    second.stop().await;
    until("all is one's", async || {
        let leases = leases(&day.pool).await?;
        Ok(leases.iter().all(|it| it.is_held).then_some(()))
    })
    .await?;
    first.stop().await;
    nothing_lost_nothing_twice(&day.pool).await?;
    World::evidence_holds(&ground, &day.pool, &[]).await?;
    day.pool.close().await;
    ground.clear().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_killed_instance_did_is_another_s_within_five_seconds() -> anyhow::Result<()> {
    let mut two = Two::start(22).await?;
    two.day.register(&two.people).await?;
    two.day.open().await?;
    two.day.until_true(SOME_LINES).await?;
    let before = two.held_by_second().await?;
    let killed_at = two.now().await?;
    let second = std::mem::replace(&mut two.second, Second(Vec::new()));
    second.kill().await?;
    let took = two.until_moved(&before, killed_at).await?;
    println!(
        "{} units moved within {} ms",
        before.len(),
        took.as_millis()
    );
    ensure!(took < MOVED_WITHIN, "it took {took:?}");
    two.day.approve().await?;
    two.day.release().await?;
    two.day.until_answered().await?;
    two.day.close().await?;
    two.end().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_instance_that_sleeps_and_wakes_is_fenced_off() -> anyhow::Result<()> {
    let mut two = Two::start(23).await?;
    two.day.register(&two.people).await?;
    two.day.open().await?;
    two.day.approve().await?;
    two.day.release().await?;
    two.day.until_true(SOME_ANSWERED).await?;
    let before = two.held_by_second().await?;
    two.second.signal("STOP").await?;
    let stopped_at = two.now().await?;
    let took = two.until_moved(&before, stopped_at).await?;
    println!(
        "{} units moved within {} ms",
        before.len(),
        took.as_millis()
    );
    ensure!(took < MOVED_FROM_ASLEEP_WITHIN, "it took {took:?}");
    two.day.until_answered().await?;

    let asleep: Vec<String> = (two.second.0.iter().map(Process::said)).collect::<Result<_, _>>()?;
    two.second.signal("CONT").await?;
    until("who woke has noticed", async || {
        for (process, before) in two.second.0.iter().zip(&asleep) {
            let said = process.said()?.split_off(before.len());
            let noticed =
                said.contains("Units changed hands") || said.contains("Another instance does this");
            if HEARING.contains(&process.service) && !noticed {
                return Ok(None);
            }
        }
        Ok(Some(()))
    })
    .await?;
    // They are as good as new: they get their share of what is left to do.
    until_shared(&two.day.pool).await?;
    for lease in two.held_by_second().await? {
        let earlier = before.iter().find(|it| it.unit == lease.unit);
        ensure!(
            earlier.is_none_or(|it| it.epoch < lease.epoch),
            "{lease:?} was never lost"
        );
    }
    two.day.close().await?;
    let second = std::mem::replace(&mut two.second, Second(Vec::new()));
    second.stop().await?;
    let left = two.held_by_second().await?;
    ensure!(
        left.is_empty(),
        "stopped in order they leave nothing: {left:?}"
    );
    two.end().await
}

//! Servers are killed and wiped in the middle of a pay day, and it ends as it should.

use std::sync::Arc;
use std::time::Duration;

use ansinh::Services;
use ansinh::servers::{Nats, Postgres};
use boot::Health;
use domain::Programme;
use privacy::Keys;
use tokio::time::{Instant, sleep};

use crate::chance::Chance;
use crate::ground::Ground;
use crate::pay_day::{PayDay, nothing_lost_nothing_twice, registry};

const PROGRAMMES: [Programme; 1] = [Programme::SocialPension];
const PEOPLE: u64 = 3_000;
const SEED: u64 = 8_447;
/// A server is away for this long.
const AWAY: Duration = Duration::from_secs(2);

/// Moments in the middle of work, as the tables show them.
const SOME_LINES: &str = "SELECT count(*) > 300 FROM payments.lines";
const SOME_RELEASED: &str =
    "SELECT count(*) > 20 FROM payments.chunks WHERE released_at IS NOT NULL";

/// The one line without an answer is the sandbox's habit.
const ALL_BUT_THE_SILENT_ONE: &str =
    "SELECT (SELECT count(*) FROM payments.results) + 1 = (SELECT count(*) FROM payments.lines)";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wiped_jetstream_store_heals_itself() -> anyhow::Result<()> {
    let (mut ground, mut chance) = (Ground::new().await?, Chance::seeded(SEED));
    let people = registry(PEOPLE, 11, &PROGRAMMES, &ground.home)?;
    let services = serve(&ground).await?;
    let mut day = PayDay::of(&ground, &PROGRAMMES).await?;
    day.register(&people).await?;
    day.open().await?;
    day.until_true(SOME_LINES).await?;
    wipe(&mut ground.nats).await?;
    let begun = Instant::now();
    day.approve().await?;
    println!("prepared {} ms after a wipe", begun.elapsed().as_millis());
    day.release().await?;
    day.until_true(SOME_RELEASED).await?;
    for _ in 0..3 {
        wipe(&mut ground.nats).await?;
        sleep(Duration::from_millis(chance.below(1_500))).await;
    }
    let begun = Instant::now();
    day.until_state("released").await?;
    day.until_true(ALL_BUT_THE_SILENT_ONE).await?;
    println!(
        "answered {} ms after three more",
        begun.elapsed().as_millis()
    );
    day.until_answered().await?;
    wipe(&mut ground.nats).await?;
    day.close().await?;
    nothing_lost_nothing_twice(&day.pool).await?;
    services.stop().await;
    day.pool.close().await;
    ground.clear().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_nats_is_waited_for() -> anyhow::Result<()> {
    let mut ground = Ground::new().await?;
    let people = registry(PEOPLE, 12, &PROGRAMMES, &ground.home)?;
    let services = serve(&ground).await?;
    let mut day = PayDay::of(&ground, &PROGRAMMES).await?;
    day.register(&people).await?;
    day.open().await?;
    day.until_true(SOME_LINES).await?;
    kill(&mut ground.nats).await?;
    let begun = Instant::now();
    day.approve().await?;
    println!("prepared {} ms after a kill", begun.elapsed().as_millis());
    day.release().await?;
    day.until_true(SOME_RELEASED).await?;
    kill(&mut ground.nats).await?;
    let begun = Instant::now();
    day.until_true(ALL_BUT_THE_SILENT_ONE).await?;
    println!("answered {} ms after a kill", begun.elapsed().as_millis());
    day.until_answered().await?;
    day.close().await?;
    nothing_lost_nothing_twice(&day.pool).await?;
    services.stop().await;
    day.pool.close().await;
    ground.clear().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_postgresql_is_waited_for() -> anyhow::Result<()> {
    let home = std::env::temp_dir().join(format!("ansinh_{}", uuid::Uuid::now_v7().simple()));
    std::fs::create_dir_all(&home)?;
    let mut postgres = Postgres::start(&home).await?;
    Keys::generate_development(&home.join("keys"))?;
    let ground = Ground {
        database_url: postgres.url().to_owned(),
        nats: Nats::start(&home).await?,
        cluster: Vec::new(),
        home,
    };
    ground.target().migrate().await?;
    let people = registry(PEOPLE, 13, &PROGRAMMES, &ground.home)?;
    let services = serve(&ground).await?;
    let mut day = PayDay::of(&ground, &PROGRAMMES).await?;
    day.register(&people).await?;
    day.open().await?;
    day.until_true(SOME_LINES).await?;
    crash(&mut postgres).await?;
    let begun = Instant::now();
    day.approve().await?;
    println!("prepared {} ms after a crash", begun.elapsed().as_millis());
    day.release().await?;
    day.until_true(SOME_RELEASED).await?;
    crash(&mut postgres).await?;
    let begun = Instant::now();
    day.until_true(ALL_BUT_THE_SILENT_ONE).await?;
    println!("answered {} ms after a crash", begun.elapsed().as_millis());
    day.until_answered().await?;
    day.close().await?;
    nothing_lost_nothing_twice(&day.pool).await?;
    services.stop().await;
    day.pool.close().await;
    ground.nats.stop().await?;
    postgres.stop().await?;
    Ok(std::fs::remove_dir_all(&ground.home)?)
}

/// All services in this process; only the line that nobody answers is ever late.
async fn serve(ground: &Ground) -> anyhow::Result<Services> {
    let mut settings = ground.settings();
    settings.payments.result_sla_ms = 15_000;
    settings.reconciliation.grace_ms = 600_000;
    ansinh::start_services(&Arc::new(settings), &Health::default()).await
}

/// The disk under JetStream is lost: messages, streams and consumers.
async fn wipe(nats: &mut Nats) -> anyhow::Result<()> {
    nats.kill().await?;
    std::fs::remove_dir_all(nats.store_dir())?;
    sleep(AWAY).await;
    Ok(nats.restart().await?)
}

async fn kill(nats: &mut Nats) -> anyhow::Result<()> {
    nats.kill().await?;
    sleep(AWAY).await;
    Ok(nats.restart().await?)
}

async fn crash(postgres: &mut Postgres) -> anyhow::Result<()> {
    postgres.kill().await?;
    sleep(AWAY).await;
    Ok(postgres.restart().await?)
}

//! Streams on three servers of NATS: the pay day goes on without any one of them.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use ansinh::servers::Nats;
use anyhow::{Context, ensure};
use async_nats::jetstream;
use async_nats::jetstream::stream::{ClusterInfo, Compression, Config, DiscardPolicy};
use boot::Health;
use domain::Programme;
use futures::TryStreamExt;
use messaging::stream_name;
use tokio::time::{Instant, sleep};

use crate::ground::Ground;
use crate::pay_day::{PayDay, nothing_lost_nothing_twice, registry};

const PROGRAMMES: [Programme; 1] = [Programme::SocialPension];
/// How many in a run of the tests; `CLUSTER_PEOPLE=100000` asks for more.
const USUAL: u64 = 2_000;
const SERVERS: usize = 3;
/// Beyond what a few people take, for each of them.
const OF_ONE: Duration = Duration::from_millis(1);
const PATIENCE: Duration = Duration::from_mins(2);
const ANSWER_MAX: Duration = Duration::from_secs(15);
const LOOK: Duration = Duration::from_millis(50);
/// A server is away for this long.
const AWAY: Duration = Duration::from_secs(2);

const SOME_LINES: &str = "SELECT count(*) > 50 FROM payments.lines";
const NOT_ALL_LINES: &str = "SELECT bool_and(state = 'preparing') FROM payments.runs";
const SOME_RELEASED: &str =
    "SELECT count(*) > 20 FROM payments.chunks WHERE released_at IS NOT NULL";
const NOT_ALL_RESULTS: &str =
    "SELECT (SELECT count(*) FROM payments.results) < (SELECT count(*) FROM payments.lines) / 2";
/// The one line without an answer is the sandbox's habit.
const ALL_BUT_THE_SILENT_ONE: &str =
    "SELECT (SELECT count(*) FROM payments.results) + 1 = (SELECT count(*) FROM payments.lines)";
/// Whoever hears somebody has heard all that was said, to the byte.
const ALL_IS_HEARD: &str = "
    SELECT count(*) > 0 AND bool_and((c.seq, c.hash) = (h.seq, h.hash))
    FROM messaging.cursors c JOIN messaging.heads h USING (speaker, part) WHERE h.seq > 0";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pay_day_goes_on_without_a_server_of_the_cluster() -> anyhow::Result<()> {
    let wanted = std::env::var("CLUSTER_PEOPLE").ok();
    let wanted = wanted.map_or(Ok(USUAL), |it| it.parse())?;
    let more = OF_ONE * u32::try_from(wanted)?;
    let mut ground = Ground::on_a_cluster().await?;
    let people = registry(wanted, 14, &PROGRAMMES, &ground.home)?;
    one_narrow_stream(&ground).await?;
    let mut settings = ground.settings();
    settings.payments.result_sla_ms = u64::try_from((ANSWER_MAX + more).as_millis())?;
    settings.reconciliation.grace_ms = 600_000;
    let services = ansinh::start_services(&Arc::new(settings), &Health::default()).await?;
    let mut day = PayDay::of(&ground, &PROGRAMMES).await?;
    day.patience = PATIENCE + 10 * more;
    day.register(&people).await?;

    // The leader of what accounts say ends while they say it, and stays away.
    let away = leader_of(&ground, events::ACCOUNTS).await?;
    day.open().await?;
    day.until_true(SOME_LINES).await?;
    server(&mut ground, away).kill().await?;
    in_flight(&day, NOT_ALL_LINES).await?;
    let begun = Instant::now();
    day.approve().await?;
    println!("prepared {} ms after a kill", begun.elapsed().as_millis());
    let caught_up = come_back(&mut ground, away).await?;
    println!("caught up in {} ms", caught_up.as_millis());

    // The leader of what payments say ends while banks are told, and comes back while they answer.
    day.until_state("reserved").await?;
    let away = leader_of(&ground, events::PAYMENTS).await?;
    day.release().await?;
    day.until_true(SOME_RELEASED).await?;
    server(&mut ground, away).kill().await?;
    in_flight(&day, NOT_ALL_RESULTS).await?;
    let begun = Instant::now();
    sleep(AWAY).await;
    come_back(&mut ground, away).await?;
    // On a slow machine answers come after their time: before the day ends, or they miss its statement.
    day.until_true(ALL_BUT_THE_SILENT_ONE).await?;
    println!("answered {} ms after a kill", begun.elapsed().as_millis());
    day.until_answered().await?;
    day.close().await?;

    day.until_true(ALL_IS_HEARD).await?;
    nothing_lost_nothing_twice(&day.pool).await?;
    let spread = patiently(async || all_lies_on_three_servers(&ground, &day).await);
    let (streams, consumers) = spread.await?;
    println!("{streams} streams and {consumers} consumers on {SERVERS} servers");
    services.stop().await;
    day.pool.close().await;
    ground.clear().await
}

/// One from before there was a cluster.
async fn one_narrow_stream(ground: &Ground) -> anyhow::Result<()> {
    let context = jetstream::new(ground.target().nats().await?);
    let narrow = Config {
        name: stream_name(events::ELIGIBILITY),
        subjects: vec![format!("{}.*.*.*", events::ELIGIBILITY)],
        discard: DiscardPolicy::New,
        num_replicas: 1,
        ..Config::default()
    };
    patiently(async || Ok(context.create_stream(&narrow).await?)).await?;
    Ok(())
}

/// Asks until there is an answer: while a leader is chosen there is none.
async fn patiently<T>(ask: impl AsyncFn() -> anyhow::Result<T>) -> anyhow::Result<T> {
    let begun = Instant::now();
    loop {
        match ask().await {
            Ok(answer) => return Ok(answer),
            Err(error) => ensure!(begun.elapsed() < PATIENCE, error),
        }
        sleep(LOOK).await;
    }
}

/// A kill that comes when the work is done proves nothing.
async fn in_flight(day: &PayDay, still: &'static str) -> anyhow::Result<()> {
    let it: bool = sqlx::query_scalar(still).fetch_one(&day.pool).await?;
    ensure!(it, "the work was done before the kill: {still}");
    Ok(())
}

/// Which server leads a speaker's stream.
async fn leader_of(ground: &Ground, speaker: &str) -> anyhow::Result<usize> {
    let context = jetstream::new(ground.target().nats().await?);
    let leader = patiently(async || {
        let stream = context.get_stream(stream_name(speaker)).await?;
        let cluster = stream.cached_info().cluster.as_ref();
        let leader = cluster.and_then(|it| it.leader.clone());
        leader.context("a stream on three servers has a leader")
    });
    let leader = leader.await?;
    let mut servers = servers(ground).into_iter();
    let which = servers.position(|it| it.server_name() == leader);
    which.context("the leader is one of ours")
}

/// Starts a killed server again and waits until it has caught up with the others; says how long.
async fn come_back(ground: &mut Ground, which: usize) -> anyhow::Result<Duration> {
    let server = server(ground, which);
    server.restart().await?;
    let begun = Instant::now();
    while !server.is_settled().await {
        ensure!(begun.elapsed() < PATIENCE, "{server:?} does not catch up");
        sleep(LOOK).await;
    }
    Ok(begun.elapsed())
}

fn servers(ground: &Ground) -> Vec<&Nats> {
    std::iter::once(&ground.nats)
        .chain(&ground.cluster)
        .collect()
}

fn server(ground: &mut Ground, which: usize) -> &mut Nats {
    match which.checked_sub(1) {
        None => &mut ground.nats,
        Some(other) => &mut ground.cluster[other],
    }
}

/// Every stream, and every consumer of it; how many of each.
async fn all_lies_on_three_servers(
    ground: &Ground,
    day: &PayDay,
) -> anyhow::Result<(usize, usize)> {
    let said = "SELECT DISTINCT speaker FROM messaging.heads WHERE seq > 0";
    let speakers: Vec<String> = sqlx::query_scalar(said).fetch_all(&day.pool).await?;
    let names: BTreeSet<String> = speakers.iter().map(|it| stream_name(it)).collect();
    let context = jetstream::new(ground.target().nats().await?);
    let mut consumers = 0;
    for name in &names {
        let stream = context.get_stream(name).await?;
        let info = stream.cached_info();
        ensure!(info.config.num_replicas == SERVERS, "{name}: {info:?}");
        let is_compressed = info.config.compression == Some(Compression::S2);
        ensure!(!is_compressed, "{name} does not come back after a kill");
        on_three_servers(name, info.cluster.as_ref())?;
        let mut heard = stream.consumers();
        while let Some(it) = heard.try_next().await? {
            // Of the others the database knows the place.
            if it.config.durable_name.is_none() {
                continue;
            }
            on_three_servers(&it.name, it.cluster.as_ref())?;
            consumers += 1;
        }
    }
    ensure!(names.len() > 4 && consumers > 4, "{names:?}, {consumers}");
    Ok((names.len(), consumers))
}

/// Its leader and the others, none of which is behind.
fn on_three_servers(name: &str, cluster: Option<&ClusterInfo>) -> anyhow::Result<()> {
    let cluster = cluster.context("it is in a cluster")?;
    let current = cluster.replicas.iter().filter(|it| it.current).count();
    ensure!(current + 1 == SERVERS, "{name}: {cluster:?}");
    Ok(())
}

//! JetStream promises at least once, in whatever order; the books must say exactly once.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use async_nats::jetstream;
use boot::Health;
use domain::Programme;
use sqlx::PgPool;
use tokio::time::sleep;

use crate::by_hand::{Said, deliver, said, until_taken};
use crate::chance::Chance;
use crate::ground::Ground;
use crate::pay_day::{PayDay, nothing_lost_nothing_twice, registry};

const SEED: u64 = 335_2026;
const PROGRAMMES: [Programme; 1] = [Programme::SocialPension];
/// The line that nobody answers was asked about some seconds later, its bank has said how it stands,
/// and all that was said is heard.
const QUIET: &str = "SELECT NOT EXISTS (SELECT FROM payments.exceptions x
        WHERE x.kind = 'unknown' AND x.resolved_at IS NULL
            AND NOT EXISTS (SELECT FROM payments.standings s
                WHERE (s.run_no, s.part, s.chunk, s.line) = (x.run_no, x.part, x.chunk, x.line)))
    AND NOT EXISTS (SELECT FROM messaging.heads h JOIN messaging.cursors c USING (speaker, part)
        WHERE c.seq < h.seq)";
const REFUSED: &str = "messaging.refused";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_event_again_in_any_order_changes_nothing() -> anyhow::Result<()> {
    let ground = Ground::new().await?;
    let people = registry(1_000, 17, &PROGRAMMES, &ground.home)?;
    let services = ansinh::start_services(&Arc::new(ground.settings()), &Health::default()).await?;
    let mut day = PayDay::of(&ground, &PROGRAMMES).await?;
    day.carry(&people).await?;
    day.until_true(QUIET).await?;
    let jetstream = jetstream::new(ground.target().nats().await?);
    until_taken(&jetstream).await?;
    let before = digests(&day.pool).await?;
    let said = said(&day.pool).await?;
    ensure!(said.len() > 500, "a pay day says a lot");

    let mut chance = Chance::seeded(SEED);
    for (name, batches) in redeliveries(&said, &mut chance) {
        let events: usize = batches.iter().map(Vec::len).sum();
        println!(
            "seed {SEED}: {name}, {events} events in {} batches",
            batches.len()
        );
        for batch in batches {
            deliver(&jetstream, &batch).await?;
        }
        until_taken(&jetstream).await?;
        let after = digests(&day.pool).await?;
        let changed = after
            .iter()
            .filter(|(it, digest)| before.get(*it) != Some(digest));
        let changed: Vec<&String> = changed.map(|(it, _)| it).collect();
        ensure!(changed.is_empty(), "{name} changed {changed:?}");
    }
    // What was never said is asked for and not got.
    deliver(&jetstream, &[never_said(&said)?]).await?;
    until_taken(&jetstream).await?;
    sleep(Duration::from_secs(1)).await;
    let mut after = digests(&day.pool).await?;
    let refused = after.insert(REFUSED.to_owned(), before[REFUSED].clone());
    ensure!(after == before, "what was never said changed something");
    let (kept, _) = refused.context("what is not the bank's is kept")?;
    ensure!(kept == 1, "it is kept {kept} times");
    println!("{} tables are as they were", after.len());

    nothing_lost_nothing_twice(&day.pool).await?;
    services.stop().await;
    day.pool.close().await;
    ground.clear().await
}

/// Ways in which a broker may deliver again, each as batches.
pub fn redeliveries(said: &[Said], chance: &mut Chance) -> Vec<(&'static str, Vec<Vec<Said>>)> {
    let whole = vec![said.to_vec()];
    let mut reversed = said.to_vec();
    reversed.reverse();
    let mut shuffled = said.to_vec();
    for event in said {
        if chance.below(3) == 0 {
            shuffled.push(event.clone());
        }
    }
    for event in &mut shuffled {
        if chance.below(5) == 0 {
            spoil(event, chance);
        }
    }
    chance.shuffle(&mut shuffled);
    let mut batches = Vec::new();
    for _ in 0..40 {
        let from = chance.below(said.len() as u64);
        let from = usize::try_from(from).expect("an index");
        let mut batch: Vec<Said> = said[from..].iter().take(30).cloned().collect();
        chance.shuffle(&mut batch);
        batches.push(batch);
    }
    vec![
        ("whole and in order", whole),
        ("backwards", vec![reversed]),
        ("shuffled, some twice, some spoilt", vec![shuffled]),
        ("in part, in shuffled batches", batches),
    ]
}

/// One byte of the body is another one; the headers still say the former hash.
fn spoil(event: &mut Said, chance: &mut Chance) {
    let at = chance.below(event.body.len() as u64);
    let at = usize::try_from(at).expect("an index");
    event.body[at] ^= 1;
}

/// An event behind the last one of its sequence, with a hash that does not chain.
fn never_said(said: &[Said]) -> anyhow::Result<Said> {
    let of_banks = said.iter().filter(|it| it.speaker.ends_with("in.results"));
    let mut last = of_banks
        .max_by_key(|it| it.seq)
        .context("banks answer")?
        .clone();
    last.seq += 1;
    last.prev_hash = last.hash.clone();
    Ok(last)
}

/// Count and content of every table, whatever the order of its rows.
pub async fn digests(pool: &PgPool) -> anyhow::Result<BTreeMap<String, (i64, String)>> {
    let tables: Vec<String> = sqlx::query_scalar(
        "SELECT schemaname || '.' || tablename FROM pg_tables WHERE schemaname IN
            ('eligibility', 'accounts', 'payments', 'ledger', 'reconciliation', 'sandbox',
            'messaging')
            -- Who is alive says so again and again.
            AND tablename <> 'instances'",
    )
    .fetch_all(pool)
    .await?;
    ensure!(tables.len() > 30, "all tables are looked at");
    let mut digests = BTreeMap::new();
    for table in tables {
        let query = format!(
            "SELECT count(*), coalesce(sum(('x' || md5(t::text))::bit(64)::bigint::numeric), 0)::text
            FROM {table} t"
        );
        let digest = sqlx::query_as(sqlx::AssertSqlSafe(query));
        digests.insert(table, digest.fetch_one(pool).await?);
    }
    Ok(digests)
}

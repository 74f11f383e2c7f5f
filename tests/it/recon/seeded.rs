//! Thousands of lines with mistakes of every kind that are known: all are found, each has its
//! right name, and nothing else is called one.

use std::collections::BTreeMap;

use ansinh::{ServiceName, made_up_signers, start_some};
use anyhow::{Context, ensure};
use boot::Health;
use chrono::{NaiveDate, Utc};
use domain::{ChunkNo, Institution, LineNo, Money, Part, Position, RunNo};
use events::{BreakKind, Event};
use messaging::{Leases, Relay, Wires};
use sandbox::bank_day::{BankDay, Injected, Plan};
use serde_json::Value;
use sqlx::PgPool;
use std::time::Duration;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use crate::ground::Ground;

const LINES: u64 = 20_000;
/// One line in twenty, so that each kind is there 71 or 72 times.
const BREAK_EVERY: u64 = 20;

#[tokio::test(flavor = "multi_thread")]
async fn every_mistake_is_found_under_its_name_and_nothing_else() -> anyhow::Result<()> {
    let ground = Ground::new().await?;
    let target = ground
        .target()
        .with_settings(|it| it.reconciliation.grace_ms = 0);
    let keys = target.keys()?;
    let plan = Plan {
        seed: 11,
        lines: LINES,
        break_every: BREAK_EVERY,
        chunk_lines: 200,
        date: NaiveDate::from_ymd_opt(2026, 12, 1).context("a date")?,
    };
    let day = BankDay::new(plan, &keys);
    let pool = ground.pool().await?;
    let house = [ServiceName::Reconciliation];
    let services = start_some(&house, &target.settings, &Health::default()).await?;
    let stop = CancellationToken::new();
    let wires = wires(&ground, &pool, &stop).await?;
    tokio::spawn(wires.clone().keep_leases());
    let relay = Relay::new(wires, speakers(&day));
    messaging::register(&pool, &speakers(&day)).await?;
    let relay = tokio::spawn(relay.run());

    let events = (0..day.chunks()).map(|it| Event::of(&day.instructions(it), Utc::now()));
    say(&pool, &day, events.collect()).await?;
    let events = (0..day.chunks()).map(|it| Event::of(&day.results(it), Utc::now()));
    say(&pool, &day, events.collect()).await?;
    let pages = day.banks().iter().flat_map(|it| day.pages(*it));
    let pages = pages.map(|it| Event::of(&it, Utc::now()));
    say(&pool, &day, pages.collect()).await?;
    until(
        &pool,
        "SELECT count(*) = 7 FROM reconciliation.statements WHERE state = 'matched'",
    )
    .await?;

    let expected: Vec<Injected> = (0..day.chunks()).flat_map(|it| day.injected(it)).collect();
    found_are_injected(&pool, expected.clone()).await?;
    what_is_not_due_is_no_break(&pool, &day).await?;
    rules_add_up(&pool, &expected).await?;
    the_checker_agrees(&ground, &expected).await?;
    a_changed_table_is_noticed(&ground, &pool).await?;
    a_line_is_told_once(&pool, &day).await?;

    services.stop().await;
    stop.cancel();
    relay.await?;
    pool.close().await;
    ground.clear().await
}

fn speakers(day: &BankDay<'_>) -> Vec<String> {
    let banks = day.banks().iter();
    let banks = banks.flat_map(|it| [events::bank_out(*it), events::bank_in_statement(*it)]);
    banks.chain([events::PAYMENTS.to_owned()]).collect()
}

async fn wires(ground: &Ground, pool: &PgPool, stop: &CancellationToken) -> anyhow::Result<Wires> {
    let nats = ground.target().nats().await?;
    Ok(Wires {
        pool: pool.clone(),
        database_url: ground.database_url.clone(),
        role: None,
        jetstream: async_nats::jetstream::new(nats.clone()),
        nats,
        stop: stop.clone(),
        leases: Leases::new("banks"),
        watermark: Duration::from_millis(200),
        poll: Duration::from_millis(50),
        replicas: 1,
    })
}

async fn tell(pool: &PgPool, day: &BankDay<'_>, events: Vec<Event>) -> anyhow::Result<()> {
    let mut tx = pool.begin().await?;
    let signers = made_up_signers(day.keys());
    messaging::append_signed(&mut tx, &signers, events, Utc::now()).await?;
    tx.commit().await?;
    Ok(())
}

/// Says events and waits until reconciliation has heard all of everybody.
async fn say(pool: &PgPool, day: &BankDay<'_>, events: Vec<Event>) -> anyhow::Result<()> {
    tell(pool, day, events).await?;
    for speaker in speakers(day) {
        let begun = Instant::now();
        while !messaging::caught_up(pool, reconciliation::SERVICE, &speaker).await? {
            ensure!(
                begun.elapsed() < Duration::from_mins(1),
                "{speaker} is not heard"
            );
            sleep(Duration::from_millis(20)).await;
        }
    }
    Ok(())
}

async fn until(pool: &PgPool, holds: &'static str) -> anyhow::Result<()> {
    let begun = Instant::now();
    while !sqlx::query_scalar::<_, bool>(holds).fetch_one(pool).await? {
        ensure!(
            begun.elapsed() < Duration::from_mins(1),
            "not within a minute: {holds}"
        );
        sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}

async fn found_are_injected(pool: &PgPool, mut injected: Vec<Injected>) -> anyhow::Result<()> {
    type Row = (
        Institution,
        BreakKind,
        Option<i64>,
        i16,
        Option<i32>,
        Option<i32>,
        Money,
    );
    let rows: Vec<Row> = sqlx::query_as(
        "SELECT institution, kind, run_no, part, chunk, line, amount FROM reconciliation.breaks",
    )
    .fetch_all(pool)
    .await?;
    let mut found = Vec::with_capacity(rows.len());
    for (institution, kind, run_no, part, chunk, line, amount) in rows {
        let part: Part = part.try_into()?;
        let line = run_no
            .zip(chunk)
            .zip(line)
            .map(|((run, chunk), line)| Position {
                run: RunNo(run),
                part,
                chunk: ChunkNo(chunk),
                line: LineNo(line),
            });
        found.push(Injected {
            kind,
            institution,
            line,
            amount,
        });
    }
    found.sort_unstable();
    injected.sort_unstable();
    let kinds = counted(&injected);
    assert_eq!(kinds.len(), 14, "{kinds:?}");
    assert!(kinds.values().all(|it| *it >= 71), "{kinds:?}");
    assert_eq!(counted(&found), kinds);
    assert_eq!(found, injected);
    Ok(())
}

fn counted(breaks: &[Injected]) -> BTreeMap<&'static str, usize> {
    let mut kinds = BTreeMap::new();
    for it in breaks {
        *kinds.entry(it.kind.code()).or_default() += 1;
    }
    kinds
}

async fn what_is_not_due_is_no_break(pool: &PgPool, day: &BankDay<'_>) -> anyhow::Result<()> {
    let date = NaiveDate::from_ymd_opt(2026, 12, 1).context("a date")?;
    let (_, waiting) = reconciliation::ageing(pool, None, date).await?;
    let not_due = day.not_due();
    assert_eq!(
        (waiting.in_flight, waiting.tentative),
        (not_due.in_flight, not_due.tentative)
    );
    assert!(
        not_due.in_flight > 100 && not_due.tentative > 50,
        "{not_due:?}"
    );
    Ok(())
}

/// What the rules say they decided is what was found.
async fn rules_add_up(pool: &PgPool, injected: &[Injected]) -> anyhow::Result<()> {
    let hits: Vec<(String, i64)> = sqlx::query_as(
        "SELECT rule, sum(hits)::bigint FROM reconciliation.rule_hits WHERE rule <> 'exact'
        GROUP BY rule ORDER BY rule",
    )
    .fetch_all(pool)
    .await?;
    let kinds = counted(injected).into_iter();
    let expected: Vec<(String, i64)> = kinds
        .map(|(kind, count)| (kind.to_owned(), i64::try_from(count).expect("a few")))
        .collect();
    assert_eq!(hits, expected);
    Ok(())
}

/// Somebody else, in another language and with other SQL, finds the same.
async fn the_checker_agrees(ground: &Ground, injected: &[Injected]) -> anyhow::Result<()> {
    let (agrees, said) = super::checked(ground).await?;
    assert!(agrees, "{said}");
    assert_eq!(said["instructed"], LINES);
    let kinds: BTreeMap<String, usize> = serde_json::from_value(said["breaks"].clone())?;
    let expected = counted(injected).into_iter();
    let expected: BTreeMap<String, usize> = expected
        .map(|(kind, count)| (kind.to_owned(), count))
        .collect();
    assert_eq!(kinds, expected);
    Ok(())
}

/// The checker is one: what is taken away from the breaks, or added to the matches, it names.
async fn a_changed_table_is_noticed(ground: &Ground, pool: &PgPool) -> anyhow::Result<()> {
    for statement in [
        "ALTER TABLE reconciliation.breaks DISABLE TRIGGER append_only",
        "DELETE FROM reconciliation.breaks WHERE kind = 'fee_taken'",
    ] {
        sqlx::query(statement).execute(pool).await?;
    }
    let (agrees, said): (bool, Value) = super::checked(ground).await?;
    assert!(!agrees);
    assert!(said["wrong"].as_u64() >= Some(71), "{said}");
    Ok(())
}

/// What is said otherwise of a line than before has no effect, and is waited with until somebody has looked.
async fn a_line_is_told_once(pool: &PgPool, day: &BankDay<'_>) -> anyhow::Result<()> {
    let known = "SELECT (SELECT count(*) FROM reconciliation.instructions),
        (SELECT count(*) FROM reconciliation.results)";
    let before: (i64, i64) = sqlx::query_as(known).fetch_one(pool).await?;
    let mut instructed = day.instructions(0);
    instructed.message = Some(1);
    instructed.lines = instructed.lines.split_off(150);
    let mut answered = day.results(1);
    answered.message_id = "again".to_owned();
    answered.lines = answered.lines.split_off(150);
    let speakers = [
        events::bank_out(instructed.institution),
        events::PAYMENTS.to_owned(),
    ];
    let now = Utc::now();
    let events = vec![Event::of(&instructed, now), Event::of(&answered, now)];
    tell(pool, day, events).await?;
    sleep(Duration::from_secs(1)).await;
    for speaker in speakers {
        let heard = messaging::caught_up(pool, reconciliation::SERVICE, &speaker).await?;
        assert!(!heard, "{speaker}");
    }
    let after: (i64, i64) = sqlx::query_as(known).fetch_one(pool).await?;
    assert_eq!(after, before);
    Ok(())
}

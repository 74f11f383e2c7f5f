//! Processes are killed while people are linked, and events come again in any order: each link
//! ends where its account says, once.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use accounts::{AppointOfficer, ChangeAccount, Kind, LinkId, State, Unlogged};
use anyhow::{Context, ensure};
use async_nats::Client;
use async_nats::jetstream;
use messaging::CommandError;
use serde::Serialize;
use serde_json::{Value, to_value};
use sqlx::PgPool;
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep};

use super::BANK;
use super::town::{CLERK, REGISTRAR};
use crate::by_hand::{deliver, said, until_taken};
use crate::chance::Chance;
use crate::ground::Ground;
use crate::processes::Processes;
use crate::redelivery::{digests, redeliveries};
use crate::world::{REGISTRY_HEADER, officer, pensioner};

const SEED: u64 = 826_2026;
/// Links of each kind of account.
const EACH: usize = 8;
const WAIT_MAX: Duration = Duration::from_mins(5);
/// Then they live, so that a slow machine comes to an end as well.
const KILLS_MAX: usize = 14;

/// Banks are asked again soon, and given up after a while.
const HASTY: [(&str, &str); 3] = [
    ("ANSINH_APPROVAL__SIGNATURES_REQUIRED", "false"),
    ("ANSINH_ACCOUNTS__VERIFICATION_SLA_MS", "400"),
    ("ANSINH_ACCOUNTS__VERIFICATION_EXPIRY_MS", "40000"),
];

/// How a test number of the sandbox's banks ends, and where its link does.
const ENDS: [(&str, &str); 14] = [
    ("00", "linked"),
    ("01", "refused"),
    ("02", "refused"),
    ("03", "refused"),
    ("11", "refused"),
    ("12", "refused"),
    ("14", "pending"),
    ("21", "pending"),
    ("22", "refused"),
    ("31", "expired"),
    ("32", "linked"),
    ("33", "linked"),
    ("34", "linked"),
    ("35", "linked"),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_and_told_again_each_link_ends_where_its_account_says() -> anyhow::Result<()> {
    let ground = Ground::new().await?;
    let processes = Processes::start(&ground, &HASTY)?;
    let processes = Arc::new(Mutex::new(processes));
    let (pool, nats) = (ground.pool().await?, ground.target().nats().await?);
    register(&ground).await?;
    let over = Arc::new(AtomicBool::new(false));
    let killer = tokio::spawn(kill_at_random(Arc::clone(&processes), Arc::clone(&over)));
    let linked = link_all(&nats).await;
    let settled = match linked {
        Ok(links) => until_settled(&pool, &links).await,
        Err(error) => Err(error),
    };
    over.store(true, Ordering::SeqCst);
    let kills = killer.await??;
    settled?;
    println!("seed {SEED}: accounts and sandbox were killed {kills} times");
    ensure!(kills >= 6, "only {kills} kills");
    look_over(&pool).await?;

    let jetstream = jetstream::new(nats.clone());
    until_taken(&jetstream).await?;
    let before = of_accounts(&pool).await?;
    let said = said(&pool).await?;
    let mut chance = Chance::seeded(SEED);
    for (name, batches) in redeliveries(&said, &mut chance) {
        for batch in batches {
            deliver(&jetstream, &batch).await?;
        }
        until_taken(&jetstream).await?;
        let after = of_accounts(&pool).await?;
        ensure!(after == before, "{name} changed something");
    }
    let processes = Arc::into_inner(processes).expect("the killer has ended");
    processes.into_inner().stop().await?;
    pool.close().await;
    ground.clear().await
}

/// Pensioners, one for each link.
async fn register(ground: &Ground) -> anyhow::Result<()> {
    let target = ground.target();
    let rows: String = (1..=ENDS.len() * EACH)
        .map(|it| pensioner(it, 5_000_000))
        .collect();
    let file = ground.home.join("people.csv");
    std::fs::write(&file, REGISTRY_HEADER.to_owned() + &rows)?;
    let pool = target.pool(Some("ansinh_eligibility")).await?;
    let now = chrono::Utc::now();
    let law = eligibility::law_in_force(&pool, now).await?.law;
    let keys = target.keys()?;
    let report = eligibility::import_registry(&pool, &keys, &law, &file, now).await?;
    ensure!(report.sums.refused.rows == 0, "{:?}", report.refusals);
    pool.close().await;
    target
        .wait_until_heard(accounts::SERVICE, events::ELIGIBILITY)
        .await
}

/// An officer asks for all links, each under one key however often the service is away.
async fn link_all(nats: &Client) -> anyhow::Result<BTreeMap<LinkId, &'static str>> {
    for (appointed, by) in [(REGISTRAR, REGISTRAR), (CLERK, REGISTRAR)] {
        let body = AppointOfficer {
            officer: officer(by),
            appointed: officer(appointed),
            province: None,
            signature: None,
        };
        insist(
            nats,
            "appoint-officer",
            &format!("appoint-{appointed}"),
            &body,
        )
        .await?;
    }
    let mut links = BTreeMap::new();
    for number in 1..=ENDS.len() * EACH {
        let (digits, end) = ENDS[number % ENDS.len()];
        let body = ChangeAccount {
            officer: officer(CLERK),
            citizen_number: Unlogged(format!("001048{number:06}")),
            kind: Kind::Ssa,
            institution: BANK.to_owned(),
            account_number: Unlogged(format!("9999{number:010}{digits}")),
            basis: "Đơn 12/2026".to_owned(),
        };
        let answer = insist(nats, "change-account", &format!("link-{number}"), &body).await?;
        let link: LinkId = answer["link"].as_str().context("a link")?.parse()?;
        links.insert(link, end);
    }
    Ok(links)
}

async fn insist(
    nats: &Client,
    command: &str,
    key: &str,
    body: &impl Serialize,
) -> anyhow::Result<Value> {
    let (body, begun) = (to_value(body)?, Instant::now());
    loop {
        let asked = messaging::ask(nats, accounts::SERVICE, command, key, &body);
        // A killed service leaves a question without an answer: ask again before its time is up.
        match tokio::time::timeout(Duration::from_secs(3), asked).await {
            Ok(Ok(answer)) => return Ok(answer),
            Ok(Err(CommandError::Refused(problem))) if problem.status != 503 => {
                return Err(problem.into());
            }
            _ => ensure!(begun.elapsed() < WAIT_MAX, "{command} was never answered"),
        }
        sleep(Duration::from_millis(50)).await;
    }
}

async fn until_settled(
    pool: &PgPool,
    links: &BTreeMap<LinkId, &'static str>,
) -> anyhow::Result<()> {
    let begun = Instant::now();
    loop {
        let is = states(pool).await?;
        let wrong: Vec<_> = links
            .iter()
            .filter(|(link, end)| is.get(*link).map(String::as_str) != Some(**end))
            .collect();
        // What is near waits for a person, so it is asked about once and then only pending.
        let open = "SELECT count(*) FROM accounts.verifications WHERE answered_at IS NULL";
        let open: i64 = sqlx::query_scalar(open).fetch_one(pool).await?;
        if wrong.is_empty() && open == 0 {
            return Ok(());
        }
        ensure!(
            begun.elapsed() < WAIT_MAX,
            "{open} open, wrong: {wrong:?} of {is:?}"
        );
        sleep(Duration::from_millis(200)).await;
    }
}

async fn states(pool: &PgPool) -> anyhow::Result<BTreeMap<LinkId, String>> {
    let rows: Vec<(i64, i16, String)> = sqlx::query_as(
        "SELECT DISTINCT ON (person_no, link_no) person_no, link_no, state
        FROM accounts.link_steps ORDER BY person_no, link_no, step DESC",
    )
    .fetch_all(pool)
    .await?;
    let states = rows.into_iter().map(|(person_no, link_no, state)| {
        let person_no = domain::PersonNo(person_no);
        (LinkId { person_no, link_no }, state)
    });
    Ok(states.collect())
}

/// Every step is one that a link can take, nobody has a link twice, whoever is linked has the one
/// channel, whoever is near has the one review, and nothing was parked.
async fn look_over(pool: &PgPool) -> anyhow::Result<()> {
    let steps: Vec<(i64, i16, i16, String)> = sqlx::query_as(
        "SELECT person_no, link_no, step, state FROM accounts.link_steps
        ORDER BY person_no, link_no, step",
    )
    .fetch_all(pool)
    .await?;
    for of_link in steps.chunk_by(|a, b| (a.0, a.1) == (b.0, b.1)) {
        let numbers: Vec<i16> = of_link.iter().map(|it| it.2).collect();
        let gapless: Vec<i16> = (1..).take(numbers.len()).collect();
        ensure!(numbers == gapless, "{of_link:?}");
        let words: Vec<&str> = of_link.iter().map(|it| &it.3[..]).collect();
        let legal = [
            &["requested", "pending", "linked"][..],
            &["requested", "pending", "refused"],
            &["requested", "pending", "expired"],
            &["requested", "pending"],
        ];
        ensure!(legal.contains(&&words[..]), "{of_link:?}");
    }
    let zero = [
        "SELECT count(*) FROM accounts.links WHERE link_no <> 1",
        "SELECT count(*) FROM messaging.parked",
        "SELECT count(*) FROM (SELECT person_no FROM accounts.link_steps WHERE state = 'linked'
            EXCEPT SELECT person_no FROM accounts.channels WHERE rank = 1) missing",
        "SELECT count(*) FROM (SELECT person_no FROM accounts.channels
            EXCEPT SELECT person_no FROM accounts.link_steps WHERE state = 'linked') surplus",
    ];
    for statement in zero {
        let count: i64 = sqlx::query_scalar(statement).fetch_one(pool).await?;
        ensure!(count == 0, "{count}: {statement}");
    }
    let near = ENDS
        .iter()
        .filter(|(_, end)| *end == State::Pending.as_str())
        .count()
        * EACH;
    let reviews = "SELECT count(*) FROM accounts.reviews WHERE decision IS NULL";
    let reviews: i64 = sqlx::query_scalar(reviews).fetch_one(pool).await?;
    ensure!(
        usize::try_from(reviews)? == near,
        "{reviews} reviews of {near} links"
    );
    Ok(())
}

/// The register's tables and what it has said; how far others have heard is theirs.
async fn of_accounts(pool: &PgPool) -> anyhow::Result<BTreeMap<String, (i64, String)>> {
    let mut tables = digests(pool).await?;
    tables.retain(|it, _| it.starts_with("accounts.") && it != "accounts.verification_refusals");
    ensure!(tables.len() > 20, "{tables:?}");
    Ok(tables)
}

async fn kill_at_random(
    processes: Arc<Mutex<Processes>>,
    over: Arc<AtomicBool>,
) -> anyhow::Result<usize> {
    let (mut chance, mut kills) = (Chance::seeded(SEED), 0);
    loop {
        sleep(Duration::from_millis(700 + chance.below(1_200))).await;
        if over.load(Ordering::SeqCst) || kills == KILLS_MAX {
            return Ok(kills);
        }
        let service = ["accounts", "sandbox"][usize::try_from(chance.below(2))?];
        let mut processes = processes.lock().await;
        let process = processes.0.iter_mut().find(|it| it.service == service);
        process.context("it runs")?.kill_and_restart().await?;
        kills += 1;
    }
}

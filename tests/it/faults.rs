//! Services and servers are killed in the middle of a pay day, and it ends the same.

mod servers;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::ensure;
use domain::Programme;
use sandbox::people::Written;
use sqlx::PgPool;
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep};

use crate::chance::Chance;
use crate::ground::Ground;
use crate::pay_day::{PayDay, nothing_lost_nothing_twice, registry};
use crate::processes::{Processes, SERVICES};
use crate::world::World;

const SEED: u64 = 20_261_201;
const PROGRAMMES: [Programme; 2] = [Programme::SocialPension, Programme::RetirementPension];
const PEOPLE: u64 = 4_000;
/// Longer than any recovery, so that only the line that nobody ever answers becomes unknown.
const PATIENT: [(&str, &str); 2] = [
    ("ANSINH_PAYMENTS__RESULT_SLA_MS", "30000"),
    ("ANSINH_RECONCILIATION__GRACE_MS", "600000"),
];
/// Milliseconds between two kills, drawn evenly, where an undisturbed pay day takes [`USUAL`]; a slower
/// machine is killed more rarely, or no service would live to do anything.
const PAUSE_MS: std::ops::Range<u64> = 200..1_000;
const USUAL: Duration = Duration::from_secs(20);

/// What a pay day leaves behind, without what may differ: numbers of journals depend on which
/// came first, and what is sealed on its nonce.
const TRACES: [(&str, &str); 7] = [
    (
        "lines",
        "SELECT ROW(run_no, part, chunk, line, person_no, determination_no, amount, province,
            rate_no, account_index)::text FROM payments.lines",
    ),
    ("obligations", "SELECT o::text FROM payments.obligations o"),
    ("results", "SELECT r::text FROM payments.results r"),
    (
        "journals",
        // Roots are salted, and what salts them depends on the number too.
        "SELECT ROW(part, kind, reference, run_no, lines, total, (
            SELECT md5(string_agg(ROW(line, debit, credit, amount, person_no, chunk, chunk_line)::text,
                '' ORDER BY line))
            FROM ledger.transfers t WHERE (t.run_no, t.part, t.seq) = (j.run_no, j.part, j.seq))
        )::text FROM ledger.journals j",
    ),
    (
        "runs",
        "SELECT ROW(run_no, programme, period, state, lines, total, root)::text
        FROM payments.runs",
    ),
    (
        "exceptions",
        "SELECT ROW(run_no, part, chunk, line, person_no, kind, amount)::text
        FROM payments.exceptions",
    ),
    (
        "bank entries",
        "SELECT ROW(institution, part, run_no, chunk, line, amount, account_sealed IS NULL, status,
            bank_ref)::text
        FROM sandbox.entries",
    ),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_at_random_the_run_ends_the_same() -> anyhow::Result<()> {
    let reference = Ground::new().await?;
    let people = registry(PEOPLE, 7, &PROGRAMMES, &reference.home)?;
    let begun = Instant::now();
    let processes = Processes::start(&reference, &PATIENT)?;
    let mut day = PayDay::of(&reference, &PROGRAMMES).await?;
    day.carry(&people).await?;
    processes.stop().await?;
    nothing_lost_nothing_twice(&day.pool).await?;
    let undisturbed = traces(&day.pool).await?;
    let slower = u32::try_from(begun.elapsed().as_secs() / USUAL.as_secs())?.max(1);
    println!("undisturbed: {} s", begun.elapsed().as_secs());

    let disturbed = Ground::new().await?;
    disturbed.take_keys_of(&reference).await?;
    let begun = Instant::now();
    let (kills, pool) = carry_while_killing(&disturbed, &people, slower).await?;
    println!("seed {SEED}, disturbed: {} s", begun.elapsed().as_secs());
    for (step, services) in &kills {
        println!("killed during {step:<10} {services:?}");
    }
    nothing_lost_nothing_twice(&pool).await?;
    let total: usize = kills.values().flat_map(BTreeMap::values).sum();
    for service in SERVICES {
        let of_one = kills.values().filter_map(|it| it.get(service));
        let of_one: usize = of_one.sum();
        println!("{service}: {of_one} of {total} kills");
        ensure!(of_one >= 3, "{service} was killed only {of_one} times");
    }
    ensure!(total >= 20, "only {total} kills");

    let traces = traces(&pool).await?;
    for ((name, _), (is, should)) in TRACES.iter().zip(traces.iter().zip(&undisturbed)) {
        let difference = is.iter().zip(should).find(|(is, should)| is != should);
        ensure!(difference.is_none(), "{name} differ: {difference:?}");
        ensure!(is.len() == should.len(), "{name} are more or fewer");
        ensure!(!is.is_empty(), "there are {name}");
        println!("{name}: {} the same", is.len());
    }
    // The sealer was killed like the others.
    World::evidence_holds(&disturbed, &pool, &[]).await?;
    pool.close().await;
    day.pool.close().await;
    disturbed.clear().await?;
    reference.clear().await
}

/// How often each service was killed in each step.
type Kills = BTreeMap<&'static str, BTreeMap<&'static str, usize>>;

async fn carry_while_killing(
    ground: &Ground,
    people: &Written,
    slower: u32,
) -> anyhow::Result<(Kills, PgPool)> {
    let processes = Arc::new(Mutex::new(Processes::start(ground, &PATIENT)?));
    let step = Arc::new(Mutex::new("register"));
    let over = Arc::new(AtomicBool::new(false));
    let killer = tokio::spawn(kill_at_random(
        processes.clone(),
        step.clone(),
        over.clone(),
        slower,
    ));
    let mut day = PayDay::of(ground, &PROGRAMMES).await?;
    let carried = async {
        day.register(people).await?;
        // Nobody dies while runs get their numbers: what was rolled back leaves a gap in them,
        // and two worlds are compared number by number.
        {
            let _peace = processes.lock().await;
            day.open().await?;
        }
        *step.lock().await = "prepare";
        day.approve().await?;
        *step.lock().await = "reserve";
        day.release().await?;
        *step.lock().await = "release";
        day.until_state("released").await?;
        *step.lock().await = "answers";
        day.until_answered().await?;
        *step.lock().await = "statements";
        day.close().await
    };
    let carried = carried.await;
    over.store(true, Ordering::SeqCst);
    let kills = killer.await??;
    carried?;
    let processes = Arc::into_inner(processes).expect("the killer has ended");
    processes.into_inner().stop().await?;
    Ok((kills, day.pool))
}

/// Every service in turn, in an order and at moments that the seed decides.
async fn kill_at_random(
    processes: Arc<Mutex<Processes>>,
    step: Arc<Mutex<&'static str>>,
    over: Arc<AtomicBool>,
    slower: u32,
) -> anyhow::Result<Kills> {
    let (mut chance, mut kills) = (Chance::seeded(SEED), Kills::new());
    loop {
        let mut order: Vec<usize> = (0..SERVICES.len()).collect();
        chance.shuffle(&mut order);
        for index in order {
            let pause = PAUSE_MS.start + chance.below(PAUSE_MS.end - PAUSE_MS.start);
            sleep(Duration::from_millis(pause) * slower).await;
            if over.load(Ordering::SeqCst) {
                return Ok(kills);
            }
            let mut processes = processes.lock().await;
            let process = &mut processes.0[index];
            process.kill_and_restart().await?;
            let of_step = kills.entry(*step.lock().await).or_default();
            *of_step.entry(process.service).or_default() += 1;
        }
    }
}

/// Each trace sorted, so that order does not matter.
async fn traces(pool: &PgPool) -> anyhow::Result<Vec<Vec<String>>> {
    let mut traces = Vec::with_capacity(TRACES.len());
    for (_, query) in TRACES {
        let mut rows: Vec<String> = sqlx::query_scalar(query).fetch_all(pool).await?;
        rows.sort_unstable();
        traces.push(rows);
    }
    Ok(traces)
}

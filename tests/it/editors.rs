//! Who changed where somebody is paid neither approves nor releases the run that pays it.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::{Context, ensure};
use async_nats::Client;
use domain::{Position, Programme, RunNo};
use futures::{StreamExt, stream};
use messaging::CommandError;
use payments::{FreeLine, HoldLine};
use serde_json::{Value, to_value};
use tokio::time::{Duration, timeout};

use crate::chance::Chance;
use crate::world::{
    CHECKER, MAKER, PAYING_BANK, Paid, RELEASER, World, credited, institution, officer, pensioners,
};

const PROGRAMME: Programme = Programme::RetirementPension;
const EDITORS: [&str; 3] = ["do.giang", "vo.hoa", "bui.khanh"];
/// All of them have to approve, so that the run stands open while two of them race.
const CHECKERS: [&str; 3] = [CHECKER, "pham.dung", "mai.lan"];
const HOLDER: &str = "ly.minh";
const PEOPLE: usize = 40;
/// Of each act, by editors; and how many are under way at the same time.
const ATTEMPTS: usize = 500;
const AT_ONCE: usize = 48;
const CONNECTIONS: usize = 6;

/// Every fifth account was changed, by each editor in turn, and one by who opens the run.
fn said(number: usize) -> Paid {
    let by = match number {
        1 => Some(MAKER),
        it if it % 5 == 0 => Some(EDITORS[(it / 5) % EDITORS.len()]),
        _ => None,
    };
    Paid {
        changed_by: by.map(officer).into_iter().collect(),
        ..Paid::default()
    }
}

async fn prepared() -> anyhow::Result<(World, RunNo)> {
    let world = World::with_hand_played_accounts(
        |it| {
            it.payments.approvals_required = 3;
            it.payments.result_sla_ms = 600_000;
        },
        Arc::new(said),
    )
    .await?;
    let (registry, _) = pensioners(&[None; PEOPLE]);
    world.register(registry).await?;
    let enough = domain::Money::dong(900_000_000_000);
    world.appropriate_all(PROGRAMME, enough).await?;
    let run_no = world.open(PROGRAMME).await?;
    world.until_state(run_no, "awaiting_approval").await?;
    Ok((world, run_no))
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_changed_an_account_neither_approves_nor_releases_in_a_thousand_attempts()
-> anyhow::Result<()> {
    let (world, run_no) = prepared().await?;
    the_database_refuses_too(&world, run_no).await?;

    let racing = race(&world, run_no, &APPROVING);
    let told = timeout(Duration::from_mins(3), racing).await??;
    // Not by the change of the run alone: the guard itself was met again and again.
    assert!(told["changed_account"] > 50, "{told:?}");
    let it = world.summary(run_no).await?;
    assert_eq!(it.state, "awaiting_approval", "two of three take part");
    only_others_have_acted(&world, "approve").await?;

    for by in CHECKERS {
        approve_anew(&world, run_no, by).await?;
    }
    world.until_state(run_no, "reserved").await?;
    let racing = race(&world, run_no, &RELEASING);
    let told = timeout(Duration::from_mins(3), racing).await??;
    assert!(told["changed_account"] > 50, "{told:?}");
    only_others_have_acted(&world, "release").await?;
    let releases = "SELECT count(*) FROM payments.acts WHERE act = 'release'";
    assert_eq!(world.number(releases).await?, 1);

    world.until_state(run_no, "released").await?;
    let bank = institution(PAYING_BANK);
    let ours = world.instructions(bank).await?;
    let it = world.summary(run_no).await?;
    assert_eq!(i64::try_from(ours.len())?, it.lines);
    world
        .answer(bank, ours.iter().map(credited).collect())
        .await?;
    world.close().await
}

/// What is asked in a race: by editors, and in between by others.
struct Race {
    editors_ask: &'static str,
    others: &'static [(&'static str, &'static str)],
    /// Comes once, when most have had their turn.
    last: Option<(&'static str, &'static str)>,
    /// Why an editor may be refused.
    refusals: &'static [&'static str],
}

const APPROVING: Race = Race {
    editors_ask: "approve-run",
    others: &[
        ("approve-run", CHECKER),
        ("approve-run", "pham.dung"),
        ("approve-run", MAKER),
        ("hold-line", HOLDER),
        ("free-line", HOLDER),
    ],
    last: None,
    refusals: &["changed_account", "run_changed"],
};

const RELEASING: Race = Race {
    editors_ask: "release-run",
    others: &[
        ("release-run", MAKER),
        ("release-run", CHECKER),
        ("approve-run", "pham.dung"),
        ("hold-line", HOLDER),
        ("free-line", HOLDER),
    ],
    last: Some(("release-run", RELEASER)),
    // Once the releaser was there, the run is past it.
    refusals: &["changed_account", "illegal_transition"],
};

/// How often each code was answered to the editors, none of whom is ever answered with yes.
async fn race(
    world: &World,
    run_no: RunNo,
    race: &Race,
) -> anyhow::Result<BTreeMap<String, usize>> {
    let mut connections = Vec::new();
    for _ in 0..CONNECTIONS {
        connections.push(world.target.nats().await?);
    }
    let lines = world.lines(run_no).await?;
    let line = |number: usize| lines[number % 3].end_to_end_id;
    let by_editors = (0..ATTEMPTS).map(|it| (race.editors_ask, EDITORS[it % EDITORS.len()]));
    let others = race.others.iter().cycle().take(ATTEMPTS / 4).copied();
    let mut asked: Vec<(&str, &str)> = by_editors.chain(others).collect();
    Chance::seeded(11).shuffle(&mut asked);
    if let Some(last) = race.last {
        asked.insert(asked.len() * 3 / 4, last);
    }
    let attempts = asked.into_iter().enumerate().map(|(number, (ask, by))| {
        let nats = &connections[number % CONNECTIONS];
        let line = line(number);
        async move { anyhow::Ok((by, attempt(world, nats, run_no, (ask, by), line).await?)) }
    });
    let mut told = BTreeMap::new();
    let mut answers = stream::iter(attempts).buffer_unordered(AT_ONCE);
    while let Some(answer) = answers.next().await {
        let (by, refusal) = answer?;
        if !EDITORS.contains(&by) {
            continue;
        }
        let code =
            refusal.with_context(|| format!("{} was done by an editor", race.editors_ask))?;
        ensure!(
            race.refusals.contains(&&code[..]),
            "{by} is refused with {code}"
        );
        *told.entry(code).or_default() += 1;
    }
    assert_eq!(told.values().sum::<usize>(), ATTEMPTS);
    Ok(told)
}

/// One of the things that somebody asks of a run, each time with a key of its own; the code where
/// it is refused.
async fn attempt(
    world: &World,
    nats: &Client,
    run_no: RunNo,
    (ask, by): (&str, &str),
    line: Position,
) -> anyhow::Result<Option<String>> {
    let officer = officer(by);
    let body: Value = match ask {
        "approve-run" => to_value(world.approval(run_no, by).await?)?,
        "release-run" => to_value(world.releasing(run_no, by).await?)?,
        "hold-line" => to_value(HoldLine {
            officer,
            line,
            reason: "xem lại".to_owned(),
        })?,
        _ => to_value(FreeLine {
            officer,
            line,
            reason: "đã xem".to_owned(),
        })?,
    };
    let key = format!("{ask}-{by}-{}", uuid::Uuid::now_v7());
    match messaging::ask(nats, "payments", ask, &key, &body).await {
        Ok(_) => Ok(None),
        Err(CommandError::Refused(problem)) => Ok(Some(problem.code)),
        Err(other) => Err(other.into()),
    }
}

async fn approve_anew(world: &World, run_no: RunNo, by: &str) -> anyhow::Result<()> {
    let body = to_value(world.approval(run_no, by).await?)?;
    let key = format!("anew-{by}");
    let asked = messaging::ask(&world.nats, "payments", "approve-run", &key, &body);
    match asked.await {
        // Of the race, and not voided since.
        Err(CommandError::Refused(it)) if it.code == "already_approved" => Ok(()),
        done => Ok(done.map(drop)?),
    }
}

/// None of the attempts counts, and none ever did.
async fn only_others_have_acted(world: &World, act: &str) -> anyhow::Result<()> {
    let acted: Vec<String> =
        sqlx::query_scalar("SELECT DISTINCT officer FROM payments.acts WHERE act = $1")
            .bind(act)
            .fetch_all(&world.pool)
            .await?;
    let may = |it: &String| match act {
        "approve" => CHECKERS.contains(&&it[..]),
        _ => it == RELEASER,
    };
    ensure!(acted.iter().all(may), "{act} by {acted:?}");
    ensure!(!acted.is_empty(), "nobody did {act}: there was no race");
    Ok(())
}

/// Whatever the program does: an editor has acted on the run, and nobody becomes one any more.
async fn the_database_refuses_too(world: &World, run_no: RunNo) -> anyhow::Result<()> {
    for (by, act) in [
        (EDITORS[0], "approve"),
        (EDITORS[1], "release"),
        // Who opened the run is kept from it by that.
        (MAKER, "approve"),
    ] {
        let acted = sqlx::query(
            "INSERT INTO payments.acts (run_no, officer, act, lines, total, acted_at)
            VALUES ($1, $2, $3, 1, 1, now())",
        )
        .bind(run_no.0)
        .bind(by)
        .bind(act);
        refused_by(acted.execute(&world.pool).await.err(), "different_persons")?;
    }
    let edits = "SELECT count(*) FROM payments.acts WHERE act = 'edit'";
    assert_eq!(world.number(edits).await?, 3);
    let late = sqlx::query(
        "INSERT INTO payments.editors (run_no, part, chunk, line, officer)
        SELECT run_no, part, chunk, line, $2 FROM payments.lines WHERE run_no = $1 LIMIT 1",
    )
    .bind(run_no.0)
    .bind(CHECKER);
    refused_by(
        late.execute(&world.pool).await.err(),
        "editors_before_approvers",
    )
}

fn refused_by(error: Option<sqlx::Error>, constraint: &str) -> anyhow::Result<()> {
    let error = error.context("the server refuses")?;
    let error = error.as_database_error().context("by a constraint")?;
    assert_eq!(error.constraint(), Some(constraint));
    Ok(())
}

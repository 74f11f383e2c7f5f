//! What files, messages and approvals get wrong, each with what is told: one table, and one way to
//! try each kind of input. A bad input has a number, by which all of them are counted.

mod cases;
mod letters;

use std::collections::BTreeSet;
use std::io::Cursor;
use std::ops::RangeInclusive;

use anyhow::{Context, ensure};
use async_nats::{HeaderMap, HeaderValue};
use domain::{Money, Programme};
use events::{Instruction, ResultLine};
use iso20022::{Limits, Message, ReadError};
use messaging::{Answer, CommandError};
use payments::RunSummary;
use serde_json::Value;

use crate::bank_messages::said;
use crate::by_hand::Said;
use crate::world::{CHECKER, REGISTRY_HEADER, World, credited, institution, pensioners, results};
use cases::{CASES, ROWS, appropriation, approval};
use letters::Desk;

const PROGRAMME: Programme = Programme::RetirementPension;
const OURS: &str = "970436";
const OTHER: &str = "970405";

/// Those of the list that this table has. Others are tried where their subject is: two million
/// rows (23) by the benchmarks, answers at the same moment (42) in `approval`, who logs in and how
/// (52 to 57) and connections (68 to 70) in `console`, and proofs (74 to 76) with the log.
const NUMBERS: [RangeInclusive<u8>; 5] = [1..=22, 24..=41, 43..=51, 58..=67, 71..=73];

/// How an input is tried, and what is told of it.
pub enum Input {
    /// A whole registry. Told: how many rows were accepted and refused, or the code.
    File(fn() -> Vec<u8>),
    /// A bank's file. Told: code, line and column.
    BankFile(fn() -> String),
    /// A command to payments under a new key. Told: status and code.
    Command(fn(&Stage) -> (&'static str, Value)),
    /// The same under a key that was used.
    SameKey(fn(&Stage) -> (&'static str, Value)),
    /// A line of a bank's results, changed. Told: the code under which it is kept.
    Result(fn(&Stage, &mut ResultLine)),
    /// A bank's message as a forger sends it. Told: the code under which it is kept.
    Letter(fn(Desk) -> Said),
    /// A subject, a key and so many bytes, sent without our own client. Told: status and code, or
    /// that NATS does not carry it.
    Sent(&'static str, fn() -> (String, usize)),
}

/// What the inputs are about.
pub struct Stage {
    /// Waits for a second approval; `seen` is what it was before a line was held.
    pub waiting: RunSummary,
    pub seen: RunSummary,
    pub released: RunSummary,
    pub ours: Vec<Instruction>,
    pub theirs: Vec<Instruction>,
}

#[tokio::test(flavor = "multi_thread")]
async fn each_bad_input_is_told_by_its_code_and_place() -> anyhow::Result<()> {
    let mut world = World::with_hand_played_banks(|it| {
        it.payments.result_sla_ms = 600_000;
        it.approval.signatures_required = false;
        it.payments.approvals_required = 2;
    })
    .await?;
    let mut tried = BTreeSet::new();
    let mut wrong = rows(&world, &mut tried).await?;
    let stage = stage(&mut world).await?;
    let books = ledger::trial_balance(&world.pool).await?;
    for (number, what, expected, input) in CASES {
        let told = try_one(&world, &stage, input).await;
        let told = told.with_context(|| format!("{number}, {what}"))?;
        if told != *expected {
            wrong.push(format!("{number}, {what}: {told} and not {expected}"));
        }
        tried.insert(*number);
    }
    ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    let all: BTreeSet<u8> = NUMBERS.into_iter().flatten().collect();
    assert_eq!(tried, all);
    assert_eq!(ledger::trial_balance(&world.pool).await?, books);
    assert_eq!(world.summary(stage.waiting.run_no).await?.approvals, 1);
    world.close().await
}

/// One file of all of them, behind the row that some of them repeat.
async fn rows(world: &World, tried: &mut BTreeSet<u8>) -> anyhow::Result<Vec<String>> {
    let mut file = format!(
        "{REGISTRY_HEADER}001048900001,Nguyễn Văn Ân,12/05/1948,nam,01,LUONG_HUU,5000000,,\n"
    );
    let mut expected = Vec::new();
    for (serial, case) in ROWS.trim().lines().enumerate() {
        let (case, told) = case.split_once(" => ").context("what is told")?;
        let mut parts = case.trim_start().splitn(3, " | ");
        let mut part = || parts.next().context("number, what and row");
        let (number, what, row) = (part()?.parse()?, part()?, part()?);
        tried.insert(number);
        file += &row.replacen('#', &format!("001048{serial:06}"), 1);
        file.push('\n');
        expected.push((i64::try_from(serial)? + 3, what, told));
    }
    world.register(&file).await?;
    let told: Vec<(i64, String)> = sqlx::query_as(
        r#"SELECT line, "column" || ' ' || code FROM eligibility.refusals ORDER BY line"#,
    )
    .fetch_all(&world.pool)
    .await?;
    let mut wrong = Vec::new();
    for (line, what, expected) in expected {
        let found = told.iter().find(|(it, _)| *it == line);
        let found = found.map_or("accepted", |(_, it)| it);
        if found != expected {
            wrong.push(format!("{what}: {found} and not {expected}"));
        }
    }
    Ok(wrong)
}

/// A run that waits for its second approval, and one that the banks have.
async fn stage(world: &mut World) -> anyhow::Result<Stage> {
    let banks = [[Some(OURS); 3].as_slice(), &[Some(OTHER)]].concat();
    let (registry, links) = pensioners(&banks);
    world.register(registry).await?;
    world.link(links).await?;
    world
        .ask("appropriate", "QĐ 7", &appropriation("pham.dung", "700"))
        .await?;
    let released = world.open(PROGRAMME).await?;
    world.until_state(released, "awaiting_approval").await?;
    // Of both runs, so that nobody has to explain why there is no money.
    let both = [world.summary(released).await?.total; 2];
    world.appropriate(PROGRAMME, Money::sum(both)).await?;
    for by in [CHECKER, "do.giang"] {
        let body = approval(&world.summary(released).await?, by);
        world
            .ask("approve-run", &format!("first {by}"), &body)
            .await?;
    }
    world.until_state(released, "reserved").await?;
    let body = serde_json::json!({ "officer": "tran.chi", "run_no": released });
    world.ask("release-run", "first", &body).await?;
    world.until_state(released, "released").await?;
    let ours = world.instructions(institution(OURS)).await?;
    world
        .answer(institution(OURS), vec![credited(&ours[1])])
        .await?;

    world.period = world.period.next();
    let waiting = world.open(PROGRAMME).await?;
    world.until_state(waiting, "awaiting_approval").await?;
    let seen = world.summary(waiting).await?;
    let line = world.lines(waiting).await?[0].end_to_end_id;
    let body = serde_json::json!({ "officer": "vo.hoa", "line": line, "reason": "báo tử" });
    world.ask("hold-line", "held", &body).await?;
    let body = approval(&world.summary(waiting).await?, CHECKER);
    world.ask("approve-run", "second", &body).await?;
    Ok(Stage {
        waiting: world.summary(waiting).await?,
        seen,
        released: world.summary(released).await?,
        ours,
        theirs: world.instructions(institution(OTHER)).await?,
    })
}

async fn try_one(world: &World, stage: &Stage, input: &Input) -> anyhow::Result<String> {
    match input {
        Input::File(bytes) => Ok(file(world, bytes()).await),
        Input::BankFile(text) => bank_file(&text()),
        Input::Command(command) => {
            let (name, body) = command(stage);
            let key = uuid::Uuid::now_v7().to_string();
            refused(world, name, &key, &body).await
        }
        Input::SameKey(command) => {
            let (name, body) = command(stage);
            refused(world, name, "QĐ 7", &body).await
        }
        Input::Result(change) => {
            let mut line = credited(&stage.ours[0]);
            change(stage, &mut line);
            let message = results(institution(OURS), line.end_to_end_id.part, vec![line]);
            Ok(said(world, &message).await?.join(", "))
        }
        Input::Letter(forge) => {
            let desk = Desk::of(world, &stage.ours[1]).await?;
            letters::delivered(world, forge(desk)).await
        }
        Input::Sent(subject, what) => sent(world, subject, what()).await,
    }
}

/// The code alone where the file is refused whole.
async fn file(world: &World, bytes: Vec<u8>) -> String {
    match world.register(bytes).await {
        Ok(report) => {
            let sums = report.sums;
            let refused: Vec<String> = report
                .refusals
                .iter()
                .map(|it| format!(": {} {}", it.column, it.code))
                .collect();
            let (accepted, rows) = (sums.accepted.rows, sums.refused.rows);
            format!("{accepted} accepted, {rows} refused{}", refused.concat())
        }
        Err(error) => {
            let text = error.to_string();
            text.split(':').next().unwrap_or_default().to_owned()
        }
    }
}

fn bank_file(text: &str) -> anyhow::Result<String> {
    let read = || -> Result<(), ReadError> {
        match Message::open(Cursor::new(text), Limits::default())? {
            Message::Order(mut items) => items.try_for_each(|it| it.map(drop)),
            other => panic!("no order: {}", other.name()),
        }
    };
    match read() {
        Ok(()) => Ok("accepted".to_owned()),
        Err(ReadError::Refused(flaw)) => {
            let place = &flaw.place;
            Ok(format!("{} {}:{}", flaw.code, place.line, place.column))
        }
        Err(ReadError::Io(error)) => Err(error.into()),
    }
}

async fn refused(world: &World, name: &str, key: &str, body: &Value) -> anyhow::Result<String> {
    match messaging::ask(&world.nats, "payments", name, key, body).await {
        Ok(answer) => Ok(format!("done: {answer}")),
        Err(CommandError::Refused(it)) => Ok(format!("{} {}", it.status, it.code)),
        Err(other) => Err(other.into()),
    }
}

/// With NATS's own client, which knows nothing of commands.
async fn sent(
    world: &World,
    subject: &str,
    (key, bytes): (String, usize),
) -> anyhow::Result<String> {
    let Ok(key) = key.parse::<HeaderValue>() else {
        return Ok("NATS does not carry it".to_owned());
    };
    let mut headers = HeaderMap::new();
    headers.insert("Idempotency-Key", key);
    let request = async_nats::Request::new()
        .headers(headers)
        .payload(vec![b' '; bytes].into());
    let Ok(answer) = world.nats.send_request(subject.to_owned(), request).await else {
        return Ok("NATS does not carry it".to_owned());
    };
    match serde_json::from_slice(&answer.payload)? {
        Answer::Done(value) => Ok(format!("done: {value}")),
        Answer::Refused(it) => Ok(format!("{} {}", it.status, it.code)),
    }
}

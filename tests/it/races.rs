//! A hundred thousand commands at the same moments: whoever comes first, each run stays right.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context, bail, ensure};
use chrono::Utc;
use domain::{Money, Position, Programme, RunNo};
use ledger::Account;
use messaging::{Command, CommandHandler, Problem};
use payments::{
    ApproveRun, CloseRun, FreeLine, Guard, HoldLine, OnCommand, ReleaseRun, RunSummary, Work,
};
use serde_json::{Value, to_value};
use sqlx::PgPool;
use tokio::sync::Barrier;

use crate::chance::Chance;
use crate::world::{MAKER, World, officer, pensioners};

const PROGRAMME: Programme = Programme::RetirementPension;
/// Commands in all; so many for each pair of runs.
const COMMANDS: u64 = 100_000;
const PAIRS: u64 = 10;
const RACERS: u64 = 8;
/// So many that holding and freeing a line void approvals again and again before all are given.
const APPROVALS: i16 = 6;
const OFFICERS: [&str; 8] = [
    "le.binh",
    "tran.chi",
    "pham.dung",
    "do.giang",
    "vo.hoa",
    "bui.kiem",
    "dang.lan",
    "ngo.minh",
];

/// The engine's own door, without the bus in front of it: the races are in the database.
#[derive(Clone)]
struct Engine {
    pool: PgPool,
    door: Arc<OnCommand>,
}

impl Engine {
    async fn take(&self, name: &str, body: &Value) -> anyhow::Result<Result<Value, Problem>> {
        let command = Command {
            name: name.to_owned(),
            body: serde_json::to_vec(body)?,
        };
        let mut tx = self.pool.begin().await?;
        match self.door.take(&mut tx, &command, Utc::now()).await {
            Ok(answer) => {
                tx.commit().await?;
                Ok(Ok(answer))
            }
            Err(error) => {
                tx.rollback().await?;
                let problem = Problem::from(error);
                ensure!(problem.status < 500, "{name} failed: {problem}");
                Ok(Err(problem))
            }
        }
    }
}

/// Two runs, and a fund that has the đồng of one.
struct Pair {
    runs: [RunNo; 2],
    /// The line of each that is held and freed: without it a run still has more than half.
    lines: [Position; 2],
    done: AtomicU64,
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_comes_first_a_run_is_approved_once_and_the_last_dong_goes_to_one()
-> anyhow::Result<()> {
    let mut world = World::with_hand_played_banks(|it| {
        it.payments.approvals_required = APPROVALS;
        it.approval.signatures_required = false;
        // Nobody answers, and a run of unknown lines could be closed.
        it.payments.result_sla_ms = 3_600_000;
    })
    .await?;
    let (registry, links) = pensioners(&[Some("970436"); 3]);
    world.register(registry).await?;
    world.link(links).await?;
    let engine = Engine {
        pool: boot::database::connect(world.target.database_url()?, Some("ansinh_payments"), 12)
            .await?,
        door: Arc::new(OnCommand {
            approvals_required: APPROVALS,
            signatures_required: false,
            work: Work::default(),
        }),
    };
    let mut refused = 0;
    for number in 0..PAIRS {
        let pair = Arc::new(opened(&mut world, number).await?);
        let before = world.summary(pair.runs[0]).await?;
        let left = world
            .balance(Account::programme_fund(PROGRAMME, world.budget_year()))
            .await?;
        let fund = before.total.units() - left;
        appropriate(&world, number, Money::dong(u64::try_from(fund)?)).await?;
        refused += race(&engine, &pair, number).await?;
        the_last_dong(&world, &engine, &pair).await?;
        one_was_paid_for(&world, &pair, before.total).await?;
        released_once(&world, &engine, &pair).await?;
    }
    nothing_was_changed_behind_an_approval(&world).await?;
    // Most are refused, or it was no race; and some are done, or it was none either.
    ensure!(
        (COMMANDS / 4..COMMANDS).contains(&refused),
        "{refused} were refused"
    );
    engine.pool.close().await;
    world.close().await
}

/// Two periods of three pensioners, prepared.
async fn opened(world: &mut World, number: u64) -> anyhow::Result<Pair> {
    let (mut runs, mut lines) = (Vec::new(), Vec::new());
    for month in number * 2..number * 2 + 2 {
        world.period = format!("{}-{:02}", 2027 + month / 12, 1 + month % 12).parse()?;
        world.business_date = world.period.first_day();
        let run_no = world.open(PROGRAMME).await?;
        world.until_state(run_no, "awaiting_approval").await?;
        runs.push(run_no);
        lines.push(world.lines(run_no).await?[0].end_to_end_id);
    }
    Ok(Pair {
        runs: [runs[0], runs[1]],
        lines: [lines[0], lines[1]],
        done: AtomicU64::new(0),
    })
}

async fn appropriate(world: &World, number: u64, amount: Money) -> anyhow::Result<()> {
    let body = payments::Appropriate {
        officer: officer("pham.dung"),
        programme: PROGRAMME,
        province: None,
        budget_year: world.budget_year().number(),
        amount,
        reference: format!("QĐ {number}/2027"),
    };
    world
        .ask("appropriate", &format!("race {number}"), &to_value(body)?)
        .await?;
    Ok(())
}

/// All racers begin together; how many commands were refused.
async fn race(engine: &Engine, pair: &Arc<Pair>, number: u64) -> anyhow::Result<u64> {
    let begin = Arc::new(Barrier::new(usize::try_from(RACERS)?));
    let racers = (0..RACERS).map(|racer| {
        let (engine, pair, begin) = (engine.clone(), Arc::clone(pair), Arc::clone(&begin));
        tokio::spawn(async move {
            let mut chance = Chance::seeded(number * RACERS + racer);
            let mut seen = [None, None];
            begin.wait().await;
            let mut refused = 0;
            while pair.done.fetch_add(1, Ordering::Relaxed) < COMMANDS / PAIRS {
                refused += u64::from(!one(&engine, &pair, &mut chance, &mut seen).await?);
            }
            anyhow::Ok(refused)
        })
    });
    let mut refused = 0;
    for racer in racers.collect::<Vec<_>>() {
        refused += racer.await??;
    }
    Ok(refused)
}

/// One command of a racer, who looks at a run anew only when told that it has changed.
async fn one(
    engine: &Engine,
    pair: &Pair,
    chance: &mut Chance,
    seen: &mut [Option<RunSummary>; 2],
) -> anyhow::Result<bool> {
    let side = usize::try_from(chance.below(2))?;
    let (run_no, line) = (pair.runs[side], pair.lines[side]);
    let by = OFFICERS[usize::try_from(chance.below(OFFICERS.len() as u64))?];
    let (name, body) = match chance.below(20) {
        0 => (
            "approve-run",
            to_value(approval(
                &look(engine, run_no, &mut seen[side]).await?,
                MAKER,
            ))?,
        ),
        1..4 => ("hold-line", to_value(holding(by, line))?),
        4..7 => ("free-line", to_value(freeing(by, line))?),
        7..9 => ("release-run", to_value(releasing(run_no, by))?),
        9 => (
            "close-run",
            to_value(CloseRun {
                officer: officer(by),
                run_no,
            })?,
        ),
        _ => (
            "approve-run",
            to_value(approval(&look(engine, run_no, &mut seen[side]).await?, by))?,
        ),
    };
    let taken = engine.take(name, &body).await?;
    if let Err(problem) = &taken {
        let known = [
            "run_changed",
            "already_approved",
            "same_person",
            "illegal_transition",
            "line_unknown",
            "line_not_freeable",
            "guard_unanswered",
            "run_empty",
            "answers_outstanding",
        ];
        ensure!(known.contains(&&problem.code[..]), "{name}: {problem}");
        if ["run_changed", "run_empty"].contains(&&problem.code[..]) {
            seen[side] = None;
        }
    }
    Ok(taken.is_ok())
}

async fn look(
    engine: &Engine,
    run_no: RunNo,
    seen: &mut Option<RunSummary>,
) -> anyhow::Result<RunSummary> {
    if let Some(it) = seen {
        return Ok(it.clone());
    }
    let it = payments::run_summary(&engine.pool, run_no).await?;
    let it = it.context("the run is there")?;
    *seen = Some(it.clone());
    Ok(it)
}

/// Both runs are made whole and all officers approve both at once: the fund pays one of them.
async fn the_last_dong(world: &World, engine: &Engine, pair: &Pair) -> anyhow::Result<()> {
    for (run_no, line) in pair.runs.iter().zip(&pair.lines) {
        if world.summary(*run_no).await?.held_lines > 0 {
            let freed = engine
                .take("free-line", &to_value(freeing("ho.yen", *line))?)
                .await?;
            // Nobody frees what is approved; what is missing from it stays missing.
            ensure!(freed.is_ok() || world.summary(*run_no).await?.state != "awaiting_approval");
        }
    }
    let whole = [
        world.summary(pair.runs[0]).await?,
        world.summary(pair.runs[1]).await?,
    ];
    let begin = Arc::new(Barrier::new(OFFICERS.len()));
    let approvers = OFFICERS.iter().enumerate().map(|(place, by)| {
        let (engine, mut whole, begin) = (engine.clone(), whole.clone(), Arc::clone(&begin));
        let by = (*by).to_owned();
        tokio::spawn(async move {
            if place % 2 == 1 {
                whole.reverse();
            }
            begin.wait().await;
            for run in &whole {
                let taken = engine
                    .take("approve-run", &to_value(approval(run, &by))?)
                    .await?;
                if let Err(problem) = taken {
                    let known = ["already_approved", "same_person", "illegal_transition"];
                    ensure!(known.contains(&&problem.code[..]), "{problem}");
                }
            }
            anyhow::Ok(())
        })
    });
    for approver in approvers.collect::<Vec<_>>() {
        approver.await??;
    }
    Ok(())
}

/// Of the two runs one has its money, whole, and the fund never was below zero.
async fn one_was_paid_for(world: &World, pair: &Pair, fund: Money) -> anyhow::Result<()> {
    let committed: Vec<Money> = sqlx::query_scalar(
        "SELECT total FROM ledger.journals WHERE kind = 'commit' AND run_no = ANY($1)",
    )
    .bind(pair.runs.map(|it| it.0))
    .fetch_all(&world.pool)
    .await?;
    let [given] = committed[..] else {
        bail!("committed: {committed:?}");
    };
    let left = world
        .balance(Account::programme_fund(PROGRAMME, world.budget_year()))
        .await?;
    ensure!(
        left == fund.units() - given.units(),
        "{left} đồng are left of {fund} less {given}"
    );
    Ok(())
}

/// Who comes first of eight releases it; the others are told that it is released.
async fn released_once(world: &World, engine: &Engine, pair: &Pair) -> anyhow::Result<()> {
    let mut paid_for = None;
    for run_no in pair.runs {
        let state = world.summary(run_no).await?.state;
        if !["awaiting_approval", "unfunded"].contains(&&state[..]) {
            paid_for = Some(run_no);
        }
    }
    let run_no = paid_for.context("one of the two is paid for")?;
    world
        .until("its money is set aside", async || {
            Ok(world.summary(run_no).await?.state != "approved")
        })
        .await?;
    let begin = Arc::new(Barrier::new(OFFICERS.len()));
    let releasers = OFFICERS.iter().map(|by| {
        let (engine, begin) = (engine.clone(), Arc::clone(&begin));
        let by = by.replace('.', ".van.");
        tokio::spawn(async move {
            let body = to_value(releasing(run_no, &by))?;
            begin.wait().await;
            engine.take("release-run", &body).await
        })
    });
    for releaser in releasers.collect::<Vec<_>>() {
        if let Err(problem) = releaser.await?? {
            ensure!(problem.code == "illegal_transition", "{problem}");
        }
    }
    world.until_state(run_no, "released").await
}

/// By what is written down: each run that has its money was approved as it is, by as many persons
/// as it needs, none of whom opened or released it, and nothing was held or freed afterwards.
async fn nothing_was_changed_behind_an_approval(world: &World) -> anyhow::Result<()> {
    let wrong = "
        SELECT count(*) FROM payments.runs r
        JOIN ledger.journals j ON j.run_no = r.run_no AND j.kind = 'commit'
        WHERE (SELECT count(DISTINCT a.officer) FROM payments.acts a
                WHERE a.run_no = r.run_no AND a.act = 'approve' AND a.voided_at IS NULL
                    AND (a.root, a.lines, a.total) = (r.root, r.lines, r.total)) <> 6
            OR (SELECT count(*) FROM payments.acts a
                WHERE a.run_no = r.run_no AND a.act = 'release' AND a.voided_at IS NULL) <> 1
            OR EXISTS (SELECT FROM payments.acts a
                WHERE a.run_no = r.run_no AND a.act IN ('hold', 'free') AND a.act_no > (
                    SELECT min(b.act_no) FROM payments.acts b
                    WHERE b.run_no = r.run_no AND b.act = 'approve' AND b.voided_at IS NULL))
            OR EXISTS (SELECT FROM payments.acts a
                WHERE a.run_no = r.run_no AND a.act = 'approve' AND a.voided_at IS NULL
                    AND a.officer = r.maker)";
    assert_eq!(world.number(wrong).await?, 0);
    let paid_for = "SELECT count(*) FROM ledger.journals WHERE kind = 'commit'";
    assert_eq!(world.number(paid_for).await?, i64::try_from(PAIRS)?);
    // Without it the race would have been over before it began.
    let voided =
        "SELECT count(*) FROM payments.acts WHERE act = 'approve' AND voided_at IS NOT NULL";
    let voided = world.number(voided).await?;
    ensure!(voided > 100, "only {voided} approvals were made void");
    Ok(())
}

fn approval(run: &RunSummary, by: &str) -> ApproveRun {
    ApproveRun {
        officer: officer(by),
        run_no: run.run_no,
        root: run.root.clone().unwrap_or_else(|| "00".repeat(32)),
        lines: run.lines,
        total: run.total,
        reasons: explained(),
        signature: None,
        principal: None,
    }
}

/// Of what a race has: lines that were held and freed, days of all kinds, money for one of two.
fn explained() -> BTreeMap<Guard, String> {
    let guards = [Guard::FreedLines, Guard::DayOff, Guard::OverBudget];
    guards.map(|it| (it, "tranh chấp".to_owned())).into()
}

fn releasing(run_no: RunNo, by: &str) -> ReleaseRun {
    ReleaseRun {
        officer: officer(by),
        run_no,
        signature: None,
        principal: None,
    }
}

fn holding(by: &str, line: Position) -> HoldLine {
    HoldLine {
        officer: officer(by),
        line,
        reason: "xem lại".to_owned(),
    }
}

fn freeing(by: &str, line: Position) -> FreeLine {
    FreeLine {
        officer: officer(by),
        line,
        reason: "đã xem".to_owned(),
    }
}

//! Who may do what to a run, and when.

use anyhow::Context;
use domain::{Money, Position, Programme, RunNo};
use futures::future::join_all;
use ledger::Account;
use messaging::{CommandError, Problem};
use payments::{ApproveRun, HoldLine};
use serde_json::{Value, json, to_value};

use crate::world::{
    CHECKER, MAKER, RELEASER, World, closing, institution, officer, pension, pensioners,
};

const PROGRAMME: Programme = Programme::RetirementPension;
const SECOND_CHECKER: &str = "pham.dung";

#[tokio::test(flavor = "multi_thread")]
#[expect(clippy::too_many_lines, reason = "one story")]
async fn maker_checkers_and_releaser_are_four_persons_who_saw_the_same_run() -> anyhow::Result<()> {
    let world = pensioners_with_two_checkers().await?;
    world
        .appropriate(PROGRAMME, Money::dong(900_000_000))
        .await?;
    let run_no = world.open(PROGRAMME).await?;
    world.until_state(run_no, "awaiting_approval").await?;
    only_what_was_seen_is_approved(&world, run_no).await?;

    let problem = refused_approval(&world, &world.approval(run_no, MAKER).await?).await?;
    assert_eq!((problem.status, &problem.code[..]), (403, "same_person"));
    let first = world.approve(run_no).await?;
    assert_eq!(first["approvals"], 1);
    assert_eq!(first["state"], "awaiting_approval");
    let problem = refused_approval(&world, &world.approval(run_no, CHECKER).await?).await?;
    assert_eq!(
        (problem.status, &problem.code[..]),
        (409, "already_approved")
    );
    let problem = world
        .refused(
            "release-run",
            "early",
            &to_value(world.releasing(run_no, RELEASER).await?)?,
        )
        .await?;
    not_now(&problem, &["approve", "hold", "free", "send_back"]);
    let problem = world
        .refused("close-run", "early close", &closing(run_no)?)
        .await?;
    not_now(&problem, &["approve", "hold", "free", "send_back"]);
    assert_eq!(
        world
            .balance(Account::commitment(PROGRAMME, world.budget_year()))
            .await?,
        0
    );

    a_held_line_makes_it_another_run(&world, run_no).await?;
    for by in [CHECKER, SECOND_CHECKER] {
        let body = to_value(world.approval(run_no, by).await?)?;
        world
            .ask("approve-run", &format!("anew-{by}"), &body)
            .await?;
    }
    world.until_state(run_no, "reserved").await?;
    let body = world.approval(run_no, "do.giang").await?;
    not_now(
        &refused_approval(&world, &body).await?,
        &["release", "stop"],
    );
    let held = hold(&world.lines(run_no).await?[1].end_to_end_id, "báo tử");
    not_now(
        &world.refused("hold-line", "late", &held).await?,
        &["release", "stop"],
    );
    for by in [MAKER, CHECKER, SECOND_CHECKER] {
        let key = format!("release-{by}");
        let problem = world
            .refused(
                "release-run",
                &key,
                &to_value(world.releasing(run_no, by).await?)?,
            )
            .await?;
        assert_eq!(
            (problem.status, &problem.code[..]),
            (403, "same_person"),
            "{by}"
        );
    }
    what_is_released_is_with_the_bank(&world, run_no).await?;
    the_database_knows_persons_too(&world, run_no).await?;
    world.close().await
}

async fn what_is_released_is_with_the_bank(world: &World, run_no: RunNo) -> anyhow::Result<()> {
    world.release(run_no).await?;
    world.until_state(run_no, "released").await?;
    let instructed = world.instructions(institution("970436")).await?;
    let amounts: Vec<Money> = instructed.iter().map(|it| it.amount).collect();
    assert_eq!(amounts, [pension(2), pension(3)]);
    let problem = world
        .refused(
            "release-run",
            "again",
            &to_value(world.releasing(run_no, "vo.hoa").await?)?,
        )
        .await?;
    not_now(&problem, &["close"]);
    let problem = world
        .refused("close-run", "too soon", &closing(run_no)?)
        .await?;
    assert_eq!(
        (problem.status, &problem.code[..]),
        (409, "answers_outstanding")
    );
    let problem = world
        .refused(
            "open-run",
            "open again",
            &to_value(world.opening(PROGRAMME))?,
        )
        .await?;
    assert_eq!(
        (problem.status, &problem.code[..]),
        (409, "period_already_run")
    );
    Ok(())
}

type Change = fn(&mut ApproveRun);

async fn only_what_was_seen_is_approved(world: &World, run_no: RunNo) -> anyhow::Result<()> {
    let seen = world.approval(run_no, CHECKER).await?;
    let changes: [(Change, u16, &str); 5] = [
        (|it| it.root = "0".repeat(64), 409, "run_changed"),
        (|it| it.lines += 1, 409, "run_changed"),
        (
            |it| it.total = Money::sum([it.total, Money::dong(1)]),
            409,
            "run_changed",
        ),
        (|it| it.root = "R".repeat(64), 422, "root_invalid"),
        (|it| it.run_no = RunNo(999), 404, "run_unknown"),
    ];
    for (change, status, code) in changes {
        let mut other = seen.clone();
        change(&mut other);
        let problem = refused_approval(world, &other).await?;
        assert_eq!((problem.status, &problem.code[..]), (status, code));
    }
    for (command, body, status, code) in [
        (
            "approve-run",
            json!({ "run_no": 1 }),
            422,
            "command_malformed",
        ),
        ("approve-run", json!("yes"), 422, "command_malformed"),
        ("pay-at-once", json!({}), 404, "command_unknown"),
    ] {
        let problem = world.refused(command, "odd", &body).await?;
        assert_eq!((problem.status, &problem.code[..]), (status, code));
    }
    assert_eq!(world.summary(run_no).await?.approvals, 0);
    Ok(())
}

/// The approval that was given is void, and what was seen before is not what stands there now.
async fn a_held_line_makes_it_another_run(world: &World, run_no: RunNo) -> anyhow::Result<()> {
    let seen = world.approval(run_no, SECOND_CHECKER).await?;
    let line = world.lines(run_no).await?[0].clone();
    assert_eq!(line.amount, pension(1));
    let missing = Position {
        run: RunNo(999),
        ..line.end_to_end_id
    };
    let nowhere = Position {
        chunk: domain::ChunkNo(77),
        ..line.end_to_end_id
    };
    for (body, status, code) in [
        (hold(&line.end_to_end_id, " "), 422, "reason_missing"),
        (hold(&missing, "báo tử"), 404, "run_unknown"),
        (hold(&nowhere, "báo tử"), 404, "line_unknown"),
    ] {
        let problem = world.refused("hold-line", "no", &body).await?;
        assert_eq!((problem.status, &problem.code[..]), (status, code));
    }
    world
        .ask("hold-line", "hold", &hold(&line.end_to_end_id, "báo tử"))
        .await?;
    let body = hold(&line.end_to_end_id, "báo tử lần hai");
    let problem = world.refused("hold-line", "hold again", &body).await?;
    assert_eq!((problem.status, &problem.code[..]), (404, "line_unknown"));

    let it = world.summary(run_no).await?;
    assert_eq!((it.approvals, &it.state[..]), (0, "awaiting_approval"));
    assert_eq!(
        (it.lines, it.total),
        (2, Money::sum([pension(2), pension(3)]))
    );
    assert_eq!((it.held_lines, it.held_total), (1, pension(1)));
    assert_ne!(it.root.as_ref(), Some(&seen.root));
    let problem = refused_approval(world, &seen).await?;
    assert_eq!((problem.status, &problem.code[..]), (409, "run_changed"));
    let exceptions = payments::exceptions(&world.pool, run_no, 10).await?;
    let told: Vec<_> = exceptions
        .iter()
        .map(|it| (it.end_to_end_id, &it.kind[..], it.amount, &it.detail[..]))
        .collect();
    assert_eq!(
        told,
        [(Some(line.end_to_end_id), "held", pension(1), "báo tử")]
    );
    Ok(())
}

/// Whatever the program does, one officer does not stand in a run twice.
async fn the_database_knows_persons_too(world: &World, run_no: RunNo) -> anyhow::Result<()> {
    for (by, act) in [
        (CHECKER, "approve"),
        (MAKER, "approve"),
        (CHECKER, "release"),
    ] {
        let second = sqlx::query(
            "INSERT INTO payments.acts (run_no, officer, act, lines, total, acted_at)
            VALUES ($1, $2, $3, 1, 1, now())",
        )
        .bind(run_no.0)
        .bind(by)
        .bind(act)
        .execute(&world.pool)
        .await
        .err()
        .context("the server refuses")?;
        let error = second.as_database_error().context("by a constraint")?;
        assert_eq!(error.constraint(), Some("different_persons"), "{by} {act}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_asked_at_the_same_moment_is_done_once() -> anyhow::Result<()> {
    let world = pensioners_with_two_checkers().await?;
    let run_no = world.open(PROGRAMME).await?;
    world.until_state(run_no, "awaiting_approval").await?;
    let body = to_value(world.approval(run_no, CHECKER).await?)?;
    let asked =
        (0..50).map(|it| {
            let (nats, body) = (&world.nats, &body);
            async move {
                messaging::ask(nats, "payments", "approve-run", &format!("race-{it}"), body).await
            }
        });
    let (mut done, mut refused) = (0, 0);
    for answer in join_all(asked).await {
        match answer {
            Ok(_) => done += 1,
            Err(CommandError::Refused(it)) if it.code == "already_approved" => refused += 1,
            Err(other) => return Err(other.into()),
        }
    }
    assert_eq!((done, refused), (1, 49));
    let acts = "SELECT count(*) FROM payments.acts WHERE act = 'approve'";
    assert_eq!(world.number(acts).await?, 1);
    an_appropriation_is_never_exceeded(&world, run_no).await?;
    a_key_is_answered_once(&world).await?;
    world.close().await
}

/// The second approval finds too little: the run is approved and waits, and not a đồng moves until
/// all of it is there.
async fn an_appropriation_is_never_exceeded(world: &World, run_no: RunNo) -> anyhow::Result<()> {
    let total = world.summary(run_no).await?.total;
    let less = total
        .checked_sub(Money::dong(1))
        .expect("a run has a total");
    let approval = to_value(world.approval(run_no, SECOND_CHECKER).await?)?;
    let answer = world.ask("approve-run", "second", &approval).await?;
    assert_eq!(
        (&answer["state"], &answer["approvals"]),
        (&json!("unfunded"), &json!(2))
    );
    let funding = json!({ "officer": "pham.dung", "run_no": run_no });
    for appropriated in [Money::ZERO, less] {
        if !appropriated.is_zero() {
            world.appropriate(PROGRAMME, appropriated).await?;
        }
        let before = ledger::trial_balance(&world.pool).await?;
        let key = format!("fund of {appropriated}");
        let problem = world.refused("fund-run", &key, &funding).await?;
        assert_eq!(
            (problem.status, &problem.code[..]),
            (409, "appropriation_exceeded")
        );
        let it = world.summary(run_no).await?;
        assert_eq!((it.approvals, &it.state[..]), (2, "unfunded"));
        assert_eq!(ledger::trial_balance(&world.pool).await?, before);
    }
    world.appropriate(PROGRAMME, Money::dong(1)).await?;
    let answer = world.fund(run_no, "whole").await?;
    assert_eq!(answer["state"], "approved");
    world.until_state(run_no, "reserved").await?;
    let fund = Account::programme_fund(PROGRAMME, world.budget_year());
    assert_eq!(world.balance(fund).await?, 0);
    assert_eq!(
        world.balance(Account::payable(PROGRAMME)).await?,
        total.units()
    );
    Ok(())
}

async fn a_key_is_answered_once(world: &World) -> anyhow::Result<()> {
    let decision = |amount: &str, reference: &str| {
        json!({ "officer": "pham.dung", "programme": "HTXH", "budget_year": 2026,
            "amount": amount, "reference": reference })
    };
    let fund = Account::programme_fund(Programme::SocialPension, world.budget_year());
    let body = decision("700", "QĐ 7/2026");
    let asked = (0..20).map(|_| world.ask("appropriate", "QĐ 7", &body));
    let answers: Vec<Value> = join_all(asked)
        .await
        .into_iter()
        .collect::<Result<_, _>>()?;
    assert!(answers.iter().all(|it| *it == answers[0]), "{answers:?}");
    assert_eq!(world.balance(fund).await?, 700);
    for (command, key, body, status, code) in [
        (
            "appropriate",
            "QĐ 7",
            decision("701", "QĐ 7/2026"),
            422,
            "idempotency_mismatch",
        ),
        (
            "open-run",
            "QĐ 7",
            body.clone(),
            422,
            "idempotency_mismatch",
        ),
        ("appropriate", "other", body, 409, "appropriation_repeated"),
        (
            "appropriate",
            "zero",
            decision("0", "QĐ 8/2026"),
            422,
            "amount_zero",
        ),
        (
            "appropriate",
            "minus",
            decision("-1", "QĐ 9/2026"),
            422,
            "command_malformed",
        ),
        (
            "appropriate",
            "",
            decision("1", "QĐ 10/2026"),
            400,
            "idempotency_key_missing",
        ),
    ] {
        let problem = world.refused(command, key, &body).await?;
        assert_eq!((problem.status, &problem.code[..]), (status, code), "{key}");
    }
    assert_eq!(world.balance(fund).await?, 700);
    Ok(())
}

/// Three pensioners at one bank, and a rule that two persons check.
async fn pensioners_with_two_checkers() -> anyhow::Result<World> {
    let world = World::with_hand_played_banks(|it| it.payments.approvals_required = 2).await?;
    let (registry, links) = pensioners(&[Some("970436"); 3]);
    world.register(registry).await?;
    world.link(links).await?;
    Ok(world)
}

async fn refused_approval(world: &World, body: &ApproveRun) -> anyhow::Result<Problem> {
    let key = format!("approve-{}", uuid::Uuid::now_v7());
    world.refused("approve-run", &key, &to_value(body)?).await
}

fn not_now(problem: &Problem, allowed: &[&str]) {
    assert_eq!(
        (problem.status, &problem.code[..]),
        (409, "illegal_transition"),
        "{problem}"
    );
    assert_eq!(problem.allowed_actions, allowed);
}

/// Asked for by who releases later: holding a line is no approval.
fn hold(line: &Position, reason: &str) -> Value {
    let body = HoldLine {
        officer: officer(RELEASER),
        line: *line,
        reason: reason.to_owned(),
    };
    to_value(body).expect("a command serializes")
}

//! Sent back, lent, and changed by two: what a run needs before it is paid.

use chrono::{TimeDelta, Utc};
use domain::{Money, Programme, RunNo};
use messaging::Problem;
use payments::{
    ApproveRun, DecideProposal, Delegation, EndDelegation, Guard, HoldLine, Propose, Proposed,
    ReleaseRun, SendBackRun, SignedAct, Statement, SubmitRun,
};
use serde_json::{Value, to_value};

use crate::world::signing::{key_of, sign};
use crate::world::{CHECKER, MAKER, RELEASER, World, officer, pension, pensioners};

const PROGRAMME: Programme = Programme::RetirementPension;
const DELEGATE: &str = "do.giang";
const DECIDER: &str = "dang.lan";

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_is_sent_back_is_approved_from_the_beginning() -> anyhow::Result<()> {
    let world = three_pensioners(2).await?;
    let run_no = world.open(PROGRAMME).await?;
    world.until_state(run_no, "awaiting_approval").await?;
    world.approve(run_no).await?;
    let send_back = |reason: &str| SendBackRun {
        officer: officer("pham.dung"),
        run_no,
        reason: reason.to_owned(),
    };
    let submit = |by: &str| SubmitRun {
        officer: officer(by),
        run_no,
        reason: "đã giữ lại một người".to_owned(),
    };
    let told = refused(&world, "submit-run", &submit(MAKER)).await?;
    assert_eq!(told.code, "illegal_transition");
    let told = refused(&world, "send-back-run", &send_back("  ")).await?;
    assert_eq!(told.code, "reason_missing");
    let answer = done(
        &world,
        "send-back-run",
        &send_back("xem lại người thứ nhất"),
    )
    .await?;
    assert_eq!(answer["state"], "sent_back");

    let it = world.summary(run_no).await?;
    assert_eq!((it.approvals, &it.state[..]), (0, "sent_back"));
    assert_eq!(it.allowed_actions, ["submit", "hold", "free"]);
    let approval = world.approval(run_no, "vo.hoa").await?;
    let told = refused(&world, "approve-run", &approval).await?;
    assert_eq!(told.code, "illegal_transition");
    let line = world.lines(run_no).await?[0].end_to_end_id;
    let hold = HoldLine {
        officer: officer(MAKER),
        line,
        reason: "báo tử".to_owned(),
    };
    done(&world, "hold-line", &hold).await?;
    let told = refused(&world, "submit-run", &submit("pham.dung")).await?;
    assert_eq!((told.status, &told.code[..]), (403, "same_person"));
    done(&world, "submit-run", &submit(MAKER)).await?;

    let it = world.summary(run_no).await?;
    assert_eq!((it.approvals, &it.state[..]), (0, "awaiting_approval"));
    assert_eq!(it.total, Money::sum([pension(2), pension(3)]));
    // Who sent it back may approve what was made of it.
    for by in [CHECKER, "pham.dung"] {
        done(&world, "approve-run", &world.approval(run_no, by).await?).await?;
    }
    world.until_state(run_no, "reserved").await?;
    let acts = payments::acts(&world.pool, run_no).await?;
    let acts: Vec<_> = acts.iter().map(|it| &it.act[..]).collect();
    let expected = [
        "open",
        "approve",
        "send_back",
        "hold",
        "submit",
        "approve",
        "approve",
    ];
    assert_eq!(acts, expected);
    world.close().await
}

#[tokio::test(flavor = "multi_thread")]
#[expect(clippy::too_many_lines, reason = "one story")]
async fn a_right_is_lent_for_a_time_and_used_once_by_both() -> anyhow::Result<()> {
    let world = three_pensioners(1).await?;
    let run_no = world.open(PROGRAMME).await?;
    world.until_state(run_no, "awaiting_approval").await?;
    let told = refused(
        &world,
        "approve-run",
        &for_checker(&world, run_no, 1).await?,
    )
    .await?;
    assert_eq!((told.status, &told.code[..]), (403, "delegation_unknown"));

    let later = lent(&world, (1, 9)).await?;
    decide(&world, later, true).await?;
    let told = refused(
        &world,
        "approve-run",
        &for_checker(&world, run_no, later).await?,
    )
    .await?;
    assert_eq!(told.code, "delegation_unknown", "its time has not come");
    let ended = lent(&world, (-1, 9)).await?;
    decide(&world, ended, true).await?;
    let end = EndDelegation {
        officer: officer(CHECKER),
        proposal_no: ended,
        reason: "về sớm".to_owned(),
    };
    done(&world, "end-delegation", &end).await?;
    let told = refused(&world, "end-delegation", &end).await?;
    assert_eq!(told.code, "delegation_unknown");
    let told = refused(
        &world,
        "approve-run",
        &for_checker(&world, run_no, ended).await?,
    )
    .await?;
    assert_eq!(told.code, "delegation_unknown", "it has ended");

    let now = lent(&world, (-1, 9)).await?;
    for by in [CHECKER, DELEGATE] {
        let told = refused(
            &world,
            "decide-proposal",
            &deciding(&world, now, true, by).await?,
        )
        .await?;
        assert_eq!((told.status, &told.code[..]), (403, "same_person"), "{by}");
    }
    decide(&world, now, true).await?;
    let mut own = for_checker(&world, run_no, now).await?;
    own.signature = world.approval(run_no, DELEGATE).await?.signature;
    let told = refused(&world, "approve-run", &own).await?;
    assert_eq!(told.code, "signature_invalid", "signed for oneself");
    done(
        &world,
        "approve-run",
        &for_checker(&world, run_no, now).await?,
    )
    .await?;
    world.until_state(run_no, "reserved").await?;
    for by in [CHECKER, DELEGATE] {
        let told = refused(&world, "release-run", &world.releasing(run_no, by).await?).await?;
        assert_eq!((told.status, &told.code[..]), (403, "same_person"), "{by}");
    }
    let told = refused(
        &world,
        "release-run",
        &releasing_for_checker(&world, run_no, now).await?,
    )
    .await?;
    assert_eq!(told.code, "same_person", "the right was used");
    world.release(run_no).await?;
    world.until_state(run_no, "released").await?;
    let acts = payments::acts(&world.pool, run_no).await?;
    let told: Vec<_> = acts
        .iter()
        .map(|it| (&it.act[..], it.officer.as_str(), it.signature))
        .collect();
    let expected = [
        ("open", MAKER, None),
        ("lend", CHECKER, None),
        ("approve", DELEGATE, Some("valid")),
        ("release", RELEASER, Some("valid")),
    ];
    assert_eq!(told, expected);
    let text = acts[2].statement.as_deref().unwrap_or_default();
    assert!(
        text.contains(&format!("Thay mặt: {CHECKER} (uỷ quyền số {now})\n")),
        "{text}"
    );
    world.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_change_by_two_persons_and_hold_from_then_on() -> anyhow::Result<()> {
    let world = three_pensioners(1).await?;
    let run_no = world.open(PROGRAMME).await?;
    world.until_state(run_no, "awaiting_approval").await?;
    assert_eq!(world.summary(run_no).await?.approvals_required, 1);
    let level = |approvals| Proposed::ApprovalLevel {
        from_total: Money::dong(1_000_000),
        approvals,
    };
    let told = refused(&world, "propose", &proposal(MAKER, level(10))).await?;
    assert_eq!(told.code, "approvals_invalid");
    let two = propose(&world, MAKER, level(2)).await?;
    assert_eq!(
        world.summary(run_no).await?.approvals_required,
        1,
        "nobody has agreed"
    );
    let told = refused(
        &world,
        "decide-proposal",
        &deciding(&world, two, true, MAKER).await?,
    )
    .await?;
    assert_eq!((told.status, &told.code[..]), (403, "same_person"));
    let mut unsigned = deciding(&world, two, true, DECIDER).await?;
    unsigned.signature = deciding(&world, two, false, DECIDER).await?.signature;
    let told = refused(&world, "decide-proposal", &unsigned).await?;
    assert_eq!(told.code, "signature_invalid", "signed for a refusal");
    decide(&world, two, true).await?;
    let again = deciding(&world, two, false, "vo.hoa").await?;
    let told = refused(&world, "decide-proposal", &again).await?;
    assert_eq!((told.status, &told.code[..]), (409, "proposal_decided"));

    let never = propose(&world, MAKER, level(9)).await?;
    let mut silent = deciding(&world, never, false, DECIDER).await?;
    silent.reason = None;
    let told = refused(&world, "decide-proposal", &silent).await?;
    assert_eq!(told.code, "reason_missing");
    decide(&world, never, false).await?;
    assert_eq!(world.summary(run_no).await?.approvals_required, 2);
    let answer = world.approve(run_no).await?;
    assert_eq!(answer["state"], "awaiting_approval");

    let [blocking, one] = a_limit_that_blocks_and_one_that_warns(&world, run_no).await?;
    let mut approval = world.approval(run_no, "pham.dung").await?;
    let reasons = std::mem::take(&mut approval.reasons);
    let told = refused(&world, "approve-run", &approval).await?;
    assert_eq!(told.code, "guard_unanswered");
    approval.reasons = reasons;
    done(&world, "approve-run", &approval).await?;
    world.until_state(run_no, "reserved").await?;
    let rows = payments::proposals(&world.pool, None, 10).await?;
    let rows: Vec<_> = rows
        .iter()
        .map(|it| (it.proposal_no, it.state, it.signature))
        .collect();
    let valid = Some("valid");
    assert_eq!(
        rows,
        [
            (one, "accepted", valid),
            (blocking, "accepted", valid),
            (never, "refused", valid),
            (two, "accepted", valid)
        ]
    );
    the_database_knows_who_decides(&world).await?;
    world.close().await
}

/// One pension beside the average: below any limit that was shipped.
async fn a_limit_that_blocks_and_one_that_warns(
    world: &World,
    run_no: RunNo,
) -> anyhow::Result<[i64; 2]> {
    let guard = Guard::AmountOutlier;
    let limit = |block| Proposed::GuardLimit {
        guard,
        limit: 1,
        block,
    };
    let blocking = propose(world, MAKER, limit(Some(1))).await?;
    decide(world, blocking, true).await?;
    let approval = world.approval(run_no, "pham.dung").await?;
    assert!(approval.reasons.contains_key(&guard));
    let told = refused(world, "approve-run", &approval).await?;
    assert_eq!(told.code, "guard_blocks", "no reason is enough");
    let one = propose(world, MAKER, limit(None)).await?;
    decide(world, one, true).await?;
    Ok([blocking, one])
}

/// Whatever the program does.
async fn the_database_knows_who_decides(world: &World) -> anyhow::Result<()> {
    let open = propose(
        world,
        MAKER,
        Proposed::GuardLimit {
            guard: Guard::ManyStopped,
            limit: 9,
            block: None,
        },
    )
    .await?;
    let own = sqlx::query(
        "INSERT INTO payments.proposal_decisions (proposal_no, officer, is_accepted, decided_at)
        VALUES ($1, $2, true, now())",
    )
    .bind(open)
    .bind(MAKER)
    .execute(&world.pool)
    .await;
    let error = own.expect_err("the server refuses");
    let error = error
        .as_database_error()
        .and_then(sqlx::error::DatabaseError::constraint);
    assert_eq!(error, Some("other_person"));
    Ok(())
}

async fn three_pensioners(approvals: i16) -> anyhow::Result<World> {
    let world =
        World::with_hand_played_banks(|it| it.payments.approvals_required = approvals).await?;
    let (registry, links) = pensioners(&[Some("970436"); 3]);
    world.register(registry).await?;
    world.link(links).await?;
    world
        .appropriate(PROGRAMME, Money::dong(900_000_000))
        .await?;
    Ok(world)
}

/// The checker lends for so many days from today on.
async fn lent(world: &World, (from, to): (i64, i64)) -> anyhow::Result<i64> {
    let now = Utc::now();
    let proposed = Proposed::Delegation {
        principal: officer(CHECKER),
        delegate: officer(DELEGATE),
        starts_at: now + TimeDelta::days(from),
        ends_at: now + TimeDelta::days(to),
    };
    propose(world, CHECKER, proposed).await
}

fn proposal(by: &str, proposed: Proposed) -> Propose {
    Propose {
        officer: officer(by),
        proposed,
        reason: "QĐ 12/2026".to_owned(),
    }
}

pub async fn propose(world: &World, by: &str, proposed: Proposed) -> anyhow::Result<i64> {
    let answer = done(world, "propose", &proposal(by, proposed)).await?;
    Ok(answer["proposal"].as_i64().expect("a number"))
}

async fn deciding(
    world: &World,
    proposal_no: i64,
    accept: bool,
    by: &str,
) -> anyhow::Result<DecideProposal> {
    world.register_key(by).await?;
    let row = payments::proposals(&world.pool, Some(proposal_no), 1)
        .await?
        .remove(0);
    Ok(DecideProposal {
        officer: officer(by),
        proposal_no,
        accept,
        reason: (!accept).then(|| "chưa đủ căn cứ".to_owned()),
        signature: Some(sign(&key_of(by), &row.decision(accept, officer(by)))),
    })
}

pub async fn decide(world: &World, proposal_no: i64, accept: bool) -> anyhow::Result<()> {
    let body = deciding(world, proposal_no, accept, DECIDER).await?;
    done(world, "decide-proposal", &body).await?;
    Ok(())
}

/// The delegate's approval in the place of the checker.
async fn for_checker(
    world: &World,
    run_no: RunNo,
    delegation_no: i64,
) -> anyhow::Result<ApproveRun> {
    let approval = world.approval(run_no, DELEGATE).await?;
    let run = world.summary(run_no).await?;
    let statement = Statement::seen(SignedAct::Approve, officer(DELEGATE), &run);
    let statement = statement.in_place_of(Some(Delegation {
        principal: officer(CHECKER),
        delegation_no,
    }));
    Ok(ApproveRun {
        signature: Some(sign(&key_of(DELEGATE), &statement)),
        principal: Some(officer(CHECKER)),
        ..approval
    })
}

async fn releasing_for_checker(
    world: &World,
    run_no: RunNo,
    delegation_no: i64,
) -> anyhow::Result<ReleaseRun> {
    let run = world.summary(run_no).await?;
    let statement = Statement::seen(SignedAct::Release, officer(DELEGATE), &run);
    let statement = statement.in_place_of(Some(Delegation {
        principal: officer(CHECKER),
        delegation_no,
    }));
    Ok(ReleaseRun {
        officer: officer(DELEGATE),
        run_no,
        signature: Some(sign(&key_of(DELEGATE), &statement)),
        principal: Some(officer(CHECKER)),
    })
}

pub async fn done(
    world: &World,
    command: &str,
    body: &impl serde::Serialize,
) -> anyhow::Result<Value> {
    let key = uuid::Uuid::now_v7().to_string();
    world.ask(command, &key, &to_value(body)?).await
}

pub async fn refused(
    world: &World,
    command: &str,
    body: &impl serde::Serialize,
) -> anyhow::Result<Problem> {
    let key = uuid::Uuid::now_v7().to_string();
    world.refused(command, &key, &to_value(body)?).await
}

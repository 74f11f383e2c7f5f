//! Lines that wait because accounts says so: owed and in their place, and paid when nothing holds
//! them any more.

use std::sync::Arc;

use anyhow::Context;
use chrono::{DateTime, NaiveDate, Utc};
use domain::{Money, Officer, Part, PersonNo, Programme, RunNo};
use events::{Event, HoldReason, LifeEventTold, LifeEventsTold, PayeeHold};
use payments::{ExceptionRow, FreeLine, HoldLine, LineRow};
use privacy::Field;
use serde_json::{Value, to_value};
use tokio::time::{Duration, sleep};

use crate::world::{
    CHECKER, PAYING_BANK, Paid, World, account_of, credited, entry, institution, officer, pension,
    pensioners, statement,
};

const PROGRAMME: Programme = Programme::RetirementPension;
const SECOND_CHECKER: &str = "pham.dung";
const EDITOR: &str = "do.giang";
/// Somebody's child, paid for the eighth pensioner.
const PAYEE: PersonNo = PersonNo(999_983);
/// Longer than the pause between two looks for holds that are over.
const A_LOOK: Duration = Duration::from_millis(2_600);

/// By the pensioners' numbers: what accounts says of them.
fn said(number: usize) -> Paid {
    let held = |reason, until: Option<i64>| Paid {
        hold: Some(PayeeHold {
            reason,
            until: until.map(|hours| Utc::now() + chrono::TimeDelta::hours(hours)),
        }),
        ..Paid::default()
    };
    match number {
        2 => Paid {
            changed_by: vec![officer(EDITOR)],
            ..held(HoldReason::CoolingOff, Some(72))
        },
        3 => held(HoldReason::Suspicion, None),
        // It is over before the line is prepared.
        4 => held(HoldReason::CoolingOff, Some(-1)),
        5..=7 => held(HoldReason::CoolingOff, Some(72)),
        8 => Paid {
            payee_no: Some(PAYEE),
            ..Paid::default()
        },
        _ => Paid::default(),
    }
}

async fn prepared() -> anyhow::Result<(World, RunNo)> {
    let world = World::with_hand_played_accounts(
        |it| {
            it.payments.approvals_required = 2;
            it.payments.result_sla_ms = 600_000;
        },
        Arc::new(said),
    )
    .await?;
    let (registry, _) = pensioners(&[None; 8]);
    world.register(registry).await?;
    world
        .appropriate_all(PROGRAMME, Money::dong(900_000_000_000))
        .await?;
    let run_no = world.open(PROGRAMME).await?;
    world.until_state(run_no, "awaiting_approval").await?;
    Ok((world, run_no))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_that_accounts_holds_waits_in_its_place_until_a_person_or_the_time_frees_it()
-> anyhow::Result<()> {
    let (world, run_no) = prepared().await?;
    what_is_held_is_owed_and_named(&world, run_no).await?;
    a_person_who_changed_no_account_frees_it(&world, run_no).await?;
    a_line_held_for_two_reasons_is_free_when_none_is_left(&world, run_no).await?;
    the_dead_are_not_paid_when_their_account_has_cooled_off(&world, run_no).await?;
    the_end_of_a_hold_frees_the_line_while_nobody_has_approved(&world, run_no).await?;
    after_an_approval_the_line_is_to_be_issued_again(&world, run_no).await?;
    what_was_approved_is_paid(&world, run_no).await?;
    world.close().await
}

async fn what_is_held_is_owed_and_named(world: &World, run_no: RunNo) -> anyhow::Result<()> {
    let it = world.summary(run_no).await?;
    let held: Vec<Money> = [2, 3, 5, 6, 7].map(pension).to_vec();
    let paid: Vec<Money> = [1, 4, 8].map(pension).to_vec();
    assert_eq!((it.held_lines, it.held_total), (5, Money::sum(held)));
    assert_eq!((it.lines, it.total), (3, Money::sum(paid)));
    let reasons: Vec<(&str, i64)> = it
        .held_by_reason
        .iter()
        .map(|it| (&it.reason[..], it.lines))
        .collect();
    assert_eq!(reasons, [("cooling_off", 4), ("suspicion", 1)]);
    let obligations = "SELECT count(*) FROM payments.obligations o
        JOIN payments.lines l USING (run_no, part, chunk, line, person_no)";
    assert_eq!(world.number(obligations).await?, 8, "nobody else pays them");
    let (cooling, suspected) = (
        hold_of(world, run_no, 2).await?,
        hold_of(world, run_no, 3).await?,
    );
    assert!(cooling.hold_until.is_some() && suspected.hold_until.is_none());
    assert_eq!(line(world, run_no, 3).await?.state, "held");
    assert_eq!(line(world, run_no, 4).await?.state, "planned");
    Ok(())
}

async fn a_person_who_changed_no_account_frees_it(
    world: &World,
    run_no: RunNo,
) -> anyhow::Result<()> {
    let before = world.summary(run_no).await?;
    for (number, by, reason, status, code) in [
        (2, EDITOR, "đã xác minh", 403, "changed_account"),
        (2, CHECKER, " ", 422, "reason_missing"),
        (1, CHECKER, "đã xác minh", 409, "line_not_freeable"),
    ] {
        let body = freeing(world, run_no, number, by, reason).await?;
        let problem = world.refused("free-line", "no", &body).await?;
        assert_eq!((problem.status, &problem.code[..]), (status, code));
        assert!(!problem.detail.contains(by), "{problem}");
    }
    assert_eq!(world.summary(run_no).await?.root, before.root);
    approve(world, run_no, CHECKER, "void").await?;
    free(world, run_no, 2).await?;
    let it = world.summary(run_no).await?;
    assert_eq!((it.lines, it.held_lines, it.approvals), (4, 4, 0));
    assert_eq!(it.total, Money::sum([before.total, pension(2)]));
    assert_ne!(it.root, before.root);
    let acts = "SELECT count(*) FROM payments.acts WHERE act = 'free' AND reason = 'đã xác minh'";
    assert_eq!(world.number(acts).await?, 1);
    Ok(())
}

async fn a_line_held_for_two_reasons_is_free_when_none_is_left(
    world: &World,
    run_no: RunNo,
) -> anyhow::Result<()> {
    let before = world.summary(run_no).await?;
    let body = HoldLine {
        officer: officer(CHECKER),
        line: line(world, run_no, 6).await?.end_to_end_id,
        reason: "đơn khiếu nại".to_owned(),
    };
    let body = to_value(body)?;
    world.ask("hold-line", "second reason", &body).await?;
    // It was out of the run already, so the run is the same.
    let it = world.summary(run_no).await?;
    assert_eq!((it.root, it.held_lines), (before.root, before.held_lines));
    assert_eq!(holds_of(world, run_no, 6).await?.len(), 2);
    let problem = world.refused("hold-line", "third reason", &body).await?;
    assert_eq!(problem.code, "line_unknown");
    let listed = world.lines(run_no).await?;
    assert_eq!(listed.len(), 8, "each line stands in the list once");

    // Its cooling-off ends; the officer's reason does not.
    end_hold(world, run_no, 6).await?;
    world
        .until("the hold is over", async || {
            Ok(holds_of(world, run_no, 6).await?.len() == 1)
        })
        .await?;
    assert_eq!(world.summary(run_no).await?.held_lines, before.held_lines);
    let answer = free(world, run_no, 6).await?;
    assert_eq!(answer["is_held"], false);
    let it = world.summary(run_no).await?;
    assert_eq!(
        (it.lines, it.held_lines),
        (before.lines + 1, before.held_lines - 1)
    );
    Ok(())
}

async fn the_dead_are_not_paid_when_their_account_has_cooled_off(
    world: &World,
    run_no: RunNo,
) -> anyhow::Result<()> {
    let before = world.summary(run_no).await?;
    tell_death(world, 7, false).await?;
    world
        .until("the seventh is held twice", async || {
            Ok(holds_of(world, run_no, 7).await?.len() == 2)
        })
        .await?;
    // Neither a person nor the time ends what is not owed.
    let answer = free(world, run_no, 7).await?;
    assert_eq!(answer["is_held"], true);
    let it = world.summary(run_no).await?;
    assert_eq!(
        (it.root, it.held_lines),
        (before.root.clone(), before.held_lines)
    );
    let body = freeing(world, run_no, 7, CHECKER, "đã xác minh").await?;
    let problem = world.refused("free-line", "dead", &body).await?;
    assert_eq!(problem.code, "line_not_freeable");

    tell_death(world, 7, true).await?;
    world
        .until("the seventh is free", async || {
            Ok(world.summary(run_no).await?.lines == before.lines + 1)
        })
        .await?;
    assert!(holds_of(world, run_no, 7).await?.is_empty());
    assert_ne!(world.summary(run_no).await?.root, before.root);
    Ok(())
}

async fn the_end_of_a_hold_frees_the_line_while_nobody_has_approved(
    world: &World,
    run_no: RunNo,
) -> anyhow::Result<()> {
    let before = world.summary(run_no).await?;
    assert_eq!((before.lines, before.held_lines), (6, 2));
    end_hold(world, run_no, 5).await?;
    world
        .until("the fifth is free", async || {
            Ok(world.summary(run_no).await?.lines == 7)
        })
        .await?;
    let it = world.summary(run_no).await?;
    assert_eq!(it.total, Money::sum([before.total, pension(5)]));
    assert_ne!(it.root, before.root);
    Ok(())
}

/// The third is held for a suspicion without an end; it gets one here.
async fn after_an_approval_the_line_is_to_be_issued_again(
    world: &World,
    run_no: RunNo,
) -> anyhow::Result<()> {
    approve(world, run_no, CHECKER, "first").await?;
    let before = world.summary(run_no).await?;
    end_hold(world, run_no, 3).await?;
    // One of two has approved: nothing that they saw is changed by the time.
    sleep(A_LOOK).await;
    assert_eq!(hold_of(world, run_no, 3).await?.detail, "suspicion");
    let it = world.summary(run_no).await?;
    assert_eq!((it.approvals, it.root), (1, before.root));

    approve(world, run_no, SECOND_CHECKER, "second").await?;
    world
        .until("the third is to be issued again", async || {
            let detail = hold_of(world, run_no, 3).await?.detail;
            Ok(detail == "suspicion is over, to be issued again")
        })
        .await?;
    // Said once, however often it is looked at.
    sleep(A_LOOK).await;
    let still = hold_of(world, run_no, 3).await?;
    assert_eq!(still.detail, "suspicion is over, to be issued again");
    let body = freeing(world, run_no, 3, CHECKER, "muộn").await?;
    let problem = world.refused("free-line", "late", &body).await?;
    assert_eq!(problem.code, "illegal_transition");
    Ok(())
}

/// The bank opens what is sealed for it; the payee is paid, and the debt was the beneficiary's.
async fn what_was_approved_is_paid(world: &World, run_no: RunNo) -> anyhow::Result<()> {
    world.until_state(run_no, "reserved").await?;
    world.release(run_no).await?;
    world.until_state(run_no, "released").await?;
    let bank = institution(PAYING_BANK);
    let told = world.instructions(bank).await?;
    let amounts: Vec<Money> = told.iter().map(|it| it.amount).collect();
    assert_eq!(amounts, [1, 2, 4, 5, 6, 7, 8].map(pension));
    let key = world.target.keys()?.exchange(PAYING_BANK);
    let eighth = told.last().context("the eighth is paid")?;
    let (id, account) = (eighth.end_to_end_id.to_string(), &eighth.account);
    let account = account.as_ref().context("it goes to an account")?;
    let opened = key.open(Field::BankAccount, id.as_bytes(), account)?;
    assert_eq!(opened.expose(), account_of(8));
    let holder = key.open(Field::PersonName, id.as_bytes(), &eighth.holder)?;
    assert_eq!(holder.expose(), "NGUYEN VAN AN");

    let shown = line(world, run_no, 8).await?;
    assert_eq!(shown.payee_no, Some(PAYEE.0));
    assert_eq!(line(world, run_no, 1).await?.payee_no, None);
    world
        .answer(bank, told.iter().map(credited).collect())
        .await?;
    let of_payee = "SELECT count(*) FROM ledger.transfers WHERE person_no = 999983";
    assert_eq!(world.number(of_payee).await?, 0);
    let entries = told.iter().map(entry).collect();
    let received = Money::sum(amounts);
    let page = statement(bank, 1, (Money::ZERO, received), entries);
    assert_eq!(world.state(&page).await?, "matched");
    world.close_run(run_no).await?;
    another_payee_is_another_line(world).await
}

/// Whoever pays another than was approved is found by the root.
async fn another_payee_is_another_line(world: &World) -> anyhow::Result<()> {
    let change = |payee: &str| {
        format!(
            "ALTER TABLE payments.lines DISABLE TRIGGER append_only;
            UPDATE payments.lines SET payee_no = {payee} WHERE payee_no IS NOT NULL;
            ALTER TABLE payments.lines ENABLE TRIGGER append_only"
        )
    };
    for (payee, found) in [("999967", true), ("999983", false)] {
        let change = sqlx::AssertSqlSafe(change(payee));
        sqlx::raw_sql(change).execute(&world.pool).await?;
        let broken = ansinh::check_all(&world.pool).await?;
        let broken: Vec<&str> = broken
            .iter()
            .filter(|it| !it.holds())
            .map(|it| it.name)
            .collect();
        let expected: &[&str] = if found { &["approved_root"] } else { &[] };
        assert_eq!(broken, expected);
    }
    Ok(())
}

async fn line(world: &World, run_no: RunNo, number: usize) -> anyhow::Result<LineRow> {
    let lines = world.lines(run_no).await?;
    let mut found = lines.into_iter().filter(|it| it.amount == pension(number));
    found.next().context("each pensioner has a line")
}

async fn holds_of(
    world: &World,
    run_no: RunNo,
    number: usize,
) -> anyhow::Result<Vec<ExceptionRow>> {
    let rows = payments::exceptions(&world.pool, run_no, 100).await?;
    let open = rows.into_iter().filter(|it| it.resolved_at.is_none());
    Ok(open.filter(|it| it.amount == pension(number)).collect())
}

async fn hold_of(world: &World, run_no: RunNo, number: usize) -> anyhow::Result<ExceptionRow> {
    let mut holds = holds_of(world, run_no, number).await?;
    assert_eq!(holds.len(), 1, "the pensioner {number} is held once");
    holds.pop().context("a hold")
}

/// The time that accounts set is over.
async fn end_hold(world: &World, run_no: RunNo, number: usize) -> anyhow::Result<()> {
    let ended: DateTime<Utc> = Utc::now() - chrono::TimeDelta::seconds(1);
    let done = sqlx::query(
        "UPDATE payments.exceptions SET hold_until = $3
        WHERE run_no = $1 AND amount = $2 AND held_by = 'account' AND resolved_at IS NULL",
    )
    .bind(run_no.0)
    .bind(pension(number).decimal())
    .bind(ended)
    .execute(&world.pool)
    .await?;
    assert_eq!(done.rows_affected(), 1);
    Ok(())
}

async fn freeing(
    world: &World,
    run_no: RunNo,
    number: usize,
    by: &str,
    reason: &str,
) -> anyhow::Result<Value> {
    let officer: Officer = officer(by);
    Ok(to_value(FreeLine {
        officer,
        line: line(world, run_no, number).await?.end_to_end_id,
        reason: reason.to_owned(),
    })?)
}

async fn free(world: &World, run_no: RunNo, number: usize) -> anyhow::Result<Value> {
    let body = freeing(world, run_no, number, CHECKER, "đã xác minh").await?;
    let key = format!("free-{number}");
    world.ask("free-line", &key, &body).await
}

async fn approve(world: &World, run_no: RunNo, by: &str, key: &str) -> anyhow::Result<Value> {
    let body = to_value(world.approval(run_no, by).await?)?;
    world.ask("approve-run", key, &body).await
}

async fn tell_death(world: &World, number: u32, revoked: bool) -> anyhow::Result<()> {
    let keys = world.target.keys()?;
    let citizen = format!("001048{number:06}");
    let message = LifeEventsTold {
        part: Part::ZERO,
        message_id: uuid::Uuid::now_v7().to_string(),
        events: vec![LifeEventTold {
            event_id: format!("D{number}"),
            citizen_index: keys.index(Field::CitizenNumber, &citizen),
            kind: "death".to_owned(),
            happened_on: NaiveDate::from_ymd_opt(2026, 11, 10).context("a date")?,
            revoked,
            province: None,
            commune: None,
        }],
    };
    world.say(vec![Event::of(&message, Utc::now())]).await?;
    world.until_heard("accounts", events::ELIGIBILITY).await?;
    world.until_heard("payments", events::ACCOUNTS).await
}

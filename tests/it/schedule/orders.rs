//! What is decided after a year was planned.

use chrono::NaiveTime;
use messaging::Problem;
use payments::{ApproveOrder, MomentState, OrderSchedule, Ordered, PlanSchedule};
use serde_json::{Value, json, to_value};

use super::{BEFORE, PROGRAMME, a_world, at, catch_up, moments, plan, plan_with, planning};
use crate::world::{CHECKER, MAKER, World, officer};

const NOW: &str = "2027-01-10T00:00:00Z";

async fn order(world: &World, ordered: Ordered, reason: &str) -> anyhow::Result<i64> {
    let command = OrderSchedule {
        officer: officer(MAKER),
        ordered,
        reason: reason.to_owned(),
    };
    let mut tx = world.pool.begin().await?;
    let answer = payments::order_schedule(&mut tx, command, at(NOW)).await?;
    tx.commit().await?;
    Ok(serde_json::from_value(answer["order"].clone())?)
}

async fn approve(world: &World, order_no: i64, by: &str) -> anyhow::Result<Value> {
    let officer = officer(by);
    let mut tx = world.pool.begin().await?;
    let command = ApproveOrder {
        officer,
        order_no,
        signature: None,
    };
    let answer = payments::approve_order(&mut tx, command, false, at(NOW)).await?;
    tx.commit().await?;
    Ok(answer["plan_again"].clone())
}

/// Why something was refused: status and code.
fn why<T: std::fmt::Debug>(refused: anyhow::Result<T>) -> (u16, String) {
    let error = refused
        .expect_err("it is refused")
        .downcast::<payments::Error>();
    let problem = Problem::from(error.expect("payments refuses it"));
    (problem.status, problem.code)
}

fn pay_day(period: &str, day: &str) -> Ordered {
    Ordered::PayDay {
        programme: PROGRAMME,
        period: period.parse().expect("a period"),
        day: day.parse().expect("a day"),
    }
}

/// What planning says of a month.
fn of<'a>(answer: &'a Value, period: &str) -> &'a Value {
    let months = answer["months"].as_array().expect("months");
    let found = months.iter().find(|it| it["period"] == period);
    found.expect("each month is there")
}

#[tokio::test(flavor = "multi_thread")]
async fn what_two_officers_decided_changes_what_has_not_happened_yet() -> anyhow::Result<()> {
    let world = a_world().await?;
    plan(&world.pool, PROGRAMME, BEFORE).await?;
    catch_up(&world.pool, at("2026-12-21T00:00:00Z")).await?;
    let order_no = order(&world, pay_day("2027-05", "2027-04-26"), "CV 45/BNV").await?;
    let refused = why(approve(&world, order_no, MAKER).await);
    assert_eq!(refused, (403, "same_person".to_owned()));
    let dry = PlanSchedule {
        dry_run: true,
        ..planning(PROGRAMME)
    };
    let before = plan_with(&world.pool, &dry, NOW).await?;
    assert_eq!(before["changed"], 0, "nobody has approved it");
    let plan_again = approve(&world, order_no, CHECKER).await?;
    assert_eq!(plan_again, json!(["HTXH 2027"]));
    let refused = why(approve(&world, order_no, CHECKER).await);
    assert_eq!(refused, (409, "already_approved".to_owned()));

    let preview = plan_with(&world.pool, &dry, NOW).await?;
    assert_eq!(
        (&preview["changed"], &of(&preview, "2027-05")["pay_day"]),
        (&1.into(), &"2027-04-26".into())
    );
    assert_eq!(of(&preview, "2027-01")["what"], "settled");
    assert_eq!(of(&preview, "2027-05")["open"], "2027-04-19T00:00:00Z");
    let steps = "SELECT count(*) FROM payments.schedule_steps";
    let written = world.number(steps).await?;
    let refused = why(plan(&world.pool, PROGRAMME, NOW).await);
    assert_eq!(refused, (422, "reason_missing".to_owned()));
    assert_eq!(
        world.number(steps).await?,
        written,
        "a preview writes nothing"
    );

    let anew = PlanSchedule {
        officer: officer("do.giang"),
        reason: Some("CV 45/BNV".to_owned()),
        ..planning(PROGRAMME)
    };
    plan_with(&world.pool, &anew, NOW).await?;
    assert_eq!(world.number(steps).await?, written + 5);
    // Planned once more there is nothing to plan.
    plan_with(&world.pool, &anew, NOW).await?;
    assert_eq!(world.number(steps).await?, written + 5);
    let history = payments::schedule_steps(&world.pool, PROGRAMME, "2027-05".parse()?).await?;
    let (first, last) = (&history[0], &history[9]);
    assert_eq!(
        (&first.step[..], &first.officer),
        ("planned", &Some(officer(MAKER)))
    );
    assert_eq!(
        (&last.step[..], &last.officer),
        ("replanned", &Some(officer("do.giang")))
    );
    assert_eq!(last.reason.as_deref(), Some("CV 45/BNV"));

    // Opened a day earlier than it was planned first, by who planned it last.
    catch_up(&world.pool, at("2027-04-18T23:59:59Z")).await?;
    assert_eq!(moments(&world, "2027-05").await?[0].0, MomentState::Planned);
    let opened = catch_up(&world.pool, at("2027-04-19T00:00:00Z")).await?;
    let run = world.summary(opened[0]).await?;
    assert_eq!(run.business_date.to_string(), "2027-04-26");
    assert_eq!(run.maker, officer("do.giang"));
    world.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn days_and_cut_offs_that_are_decided_move_the_schedule() -> anyhow::Result<()> {
    let world = a_world().await?;
    let day = |day: &str, is_worked| Ordered::Day {
        day: day.parse().expect("a day"),
        is_worked,
    };
    let cut_off = Ordered::CutOff {
        institution: "970436".parse()?,
        from: "2027-06-01".parse()?,
        at: NaiveTime::from_hms_opt(11, 30, 0).expect("a time"),
    };
    for ordered in [day("2027-05-04", false), day("2027-05-08", true), cut_off] {
        let order_no = order(&world, ordered, "TB 9/TB-BNV").await?;
        let plan_again = approve(&world, order_no, CHECKER).await?;
        assert_eq!(plan_again, json!([]), "nothing is planned yet");
    }
    // The first working day of May is a day later; from June on the first bank closes earlier.
    let planned = plan(&world.pool, PROGRAMME, BEFORE).await?;
    assert_eq!(of(&planned, "2027-05")["pay_day"], "2027-05-05");
    assert_eq!(of(&planned, "2027-05")["release"], "2027-05-05T09:00:00Z");
    assert_eq!(of(&planned, "2027-06")["release"], "2027-06-01T04:30:00Z");
    // The calendar of 2027 is computed, not decided.
    assert_eq!(of(&planned, "2027-06")["confidence"], "low");
    assert_eq!(
        world
            .number("SELECT count(*) FROM payments.schedule_orders")
            .await?,
        3
    );

    for (ordered, code) in [
        (pay_day("2027-05", "2027-05-04"), "not_a_working_day"),
        (pay_day("2027-05", "2027-02-26"), "pay_day_impossible"),
        (pay_day("2027-05", "2027-06-01"), "pay_day_impossible"),
        (pay_day("2027-01", "2027-01-08"), "order_too_late"),
        (day("2027-01-10", true), "order_too_late"),
        (day("2029-01-02", true), "calendar_unknown"),
    ] {
        assert_eq!(
            why(order(&world, ordered, "QĐ 1").await).1,
            code,
            "{ordered:?}"
        );
    }
    let unmotivated = order(&world, day("2027-07-02", false), " ").await;
    assert_eq!(why(unmotivated).1, "reason_missing");
    assert_eq!(
        why(approve(&world, 99, CHECKER).await),
        (404, "order_unknown".to_owned())
    );
    world.close().await
}

/// As people ask for it, by command; without a look at the day, because the machine has another.
#[tokio::test(flavor = "multi_thread")]
async fn commands_on_the_schedule_are_refused_with_a_code() -> anyhow::Result<()> {
    let world = a_world().await?;
    let planning = |programme: &str, year| json!({ "officer": MAKER, "programme": programme, "year": year, "dry_run": true });
    for (command, body, code) in [
        ("plan-schedule", planning("HTXH", 2999), "calendar_unknown"),
        ("plan-schedule", planning("QUA_TET_LE", 2028), "no_pay_day"),
        (
            "plan-schedule",
            planning("KHONG_CO", 2028),
            "command_malformed",
        ),
        (
            "order-schedule",
            to_value(OrderSchedule {
                officer: officer(MAKER),
                ordered: pay_day("2027-05", "2020-05-04"),
                reason: "QĐ 1".to_owned(),
            })?,
            "order_too_late",
        ),
        (
            "approve-order",
            json!({ "officer": CHECKER, "order_no": 1 }),
            "order_unknown",
        ),
    ] {
        let problem = world
            .refused(command, &format!("{command} {code}"), &body)
            .await?;
        assert_eq!(problem.code, code, "{body}");
    }
    world.close().await
}

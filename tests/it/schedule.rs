//! Runs that open by themselves, each once, whatever happens to who opens them. Time is moved by
//! the tests.

mod faults;
mod guards;
mod orders;
mod release;

use anyhow::Context;
use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use domain::{Money, Part, Period, Programme, RunNo};
use events::{Event, LifeEventTold, LifeEventsTold};
use payments::{MomentState, PlanSchedule, Round, keep_schedule};
use privacy::Field;
use serde_json::{Value, json, to_value};
use sqlx::PgPool;

use crate::world::{MAKER, RELEASER, World, credited, institution, officer};

const PROGRAMME: Programme = Programme::SocialPension;
const BANK: &str = "970436";
const REGISTRY: &str = "citizen_number,full_name,birth_date,sex,province,programme\n\
    004048000001,Lý Văn Một,12/05/1948,nam,04,HTXH\n\
    004048000002,Lý Văn Hai,12/05/1948,nam,04,HTXH\n";
const LINKS: &str = "citizen_number,institution,account_number,holder_name\n\
    004048000001,970436,0011004000001,LY VAN MOT\n\
    004048000002,970436,0011004000002,LY VAN HAI\n";
/// Before anything of 2027 is due.
const BEFORE: &str = "2026-12-01T00:00:00Z";

fn at(text: &str) -> DateTime<Utc> {
    text.parse().expect("tests write times in full")
}

async fn a_world() -> anyhow::Result<World> {
    World::with_hand_played_banks(|it| it.payments.result_sla_ms = 600_000).await
}

/// What payments plans as of a day.
async fn plan(pool: &PgPool, programme: Programme, now: &str) -> anyhow::Result<Value> {
    plan_with(pool, &planning(programme), now).await
}

fn planning(programme: Programme) -> PlanSchedule {
    PlanSchedule {
        officer: officer(MAKER),
        programme,
        year: 2027,
        reason: None,
        dry_run: false,
    }
}

async fn plan_with(pool: &PgPool, planning: &PlanSchedule, now: &str) -> anyhow::Result<Value> {
    let mut tx = pool.begin().await?;
    let answer = payments::plan_schedule(&mut tx, planning.clone(), at(now)).await?;
    tx.commit().await?;
    Ok(answer)
}

/// A round of the schedule as payments would do it at that time.
async fn look(pool: &PgPool, now: DateTime<Utc>) -> anyhow::Result<Round> {
    Ok(keep_schedule(pool, 1, now).await?)
}

/// Rounds until nothing is left to do at that time.
async fn catch_up(pool: &PgPool, now: DateTime<Utc>) -> anyhow::Result<Vec<RunNo>> {
    let mut opened = Vec::new();
    loop {
        let round = look(pool, now).await?;
        opened.extend(round.opened);
        if !round.is_full {
            return Ok(opened);
        }
    }
}

/// Programme and period of runs in the order of their numbers.
async fn runs(pool: &PgPool) -> anyhow::Result<Vec<(i16, String)>> {
    Ok(sqlx::query_as(
        "SELECT programme, to_char(period, 'YYYY-MM') FROM payments.runs ORDER BY run_no",
    )
    .fetch_all(pool)
    .await?)
}

async fn alarms(pool: &PgPool) -> anyhow::Result<Vec<String>> {
    let rows = payments::alarms(pool, 1000).await?;
    let mut told: Vec<String> = rows
        .iter()
        .map(|it| format!("{} {}", it.kind, it.subject))
        .collect();
    told.sort();
    Ok(told)
}

/// State and reason of a period's moments in the order of time.
async fn moments(world: &World, period: &str) -> anyhow::Result<Vec<(MomentState, String)>> {
    let rows = payments::schedule(&world.pool, Some(PROGRAMME), 2027).await?;
    let period: Period = period.parse()?;
    let of_period = rows.into_iter().filter(|it| it.period == period);
    Ok(of_period
        .map(|it| (it.state, it.reason.unwrap_or_default()))
        .collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quarter_day_by_day_opens_each_run_once_and_pays_tet_with_its_month() -> anyhow::Result<()>
{
    let mut world = a_world().await?;
    assert_eq!(world.register(REGISTRY).await?.sums.accepted.rows, 2);
    assert_eq!(world.link(LINKS).await?.sums.accepted.rows, 2);
    world.business_date = "2027-01-01".parse()?;
    world
        .appropriate(PROGRAMME, Money::dong(900_000_000))
        .await?;
    let planned = plan(&world.pool, PROGRAMME, BEFORE).await?;
    assert_eq!((&planned["new"], &planned["past"]), (&12.into(), &0.into()));

    let (mut now, mut opened) = (at(BEFORE), Vec::new());
    while now < at("2027-04-02T00:00:00Z") {
        let day = now.date_naive().to_string();
        for run_no in look(&world.pool, now).await?.opened {
            let run = world.summary(run_no).await?;
            assert_eq!((run.maker, run.opened_at), (officer(MAKER), now));
            opened.push((
                day.clone(),
                run.period.to_string(),
                run.business_date.to_string(),
            ));
            pay(&world, run_no).await?;
        }
        now += TimeDelta::hours(6);
    }
    // At 7 in Viet Nam it is midnight by UTC.
    let expected = [
        ("2026-12-21", "2027-01", "2027-01-04"),
        ("2027-01-19", "2027-02", "2027-02-01"),
        ("2027-01-19", "2027-03", "2027-02-01"),
        ("2027-03-19", "2027-04", "2027-04-01"),
    ];
    let expected = expected.map(|(day, period, paid)| (day.into(), period.into(), paid.into()));
    assert_eq!(opened, expected);

    each_month_is_paid_once(&world).await?;
    a_death_in_a_month_that_was_paid_ahead_is_an_overpayment(&world).await?;
    world.close().await
}

/// By three persons, of whom the planner is the first.
async fn pay(world: &World, run_no: RunNo) -> anyhow::Result<()> {
    world.until_state(run_no, "awaiting_approval").await?;
    let body = to_value(world.approval(run_no, MAKER).await?)?;
    let problem = world
        .refused("approve-run", &format!("own-{run_no}"), &body)
        .await?;
    assert_eq!((problem.status, &problem.code[..]), (403, "same_person"));
    world.approve(run_no).await?;
    world.until_state(run_no, "reserved").await?;
    release(world, run_no).await?;
    world.until_state(run_no, "released").await?;
    let instructed = world.instructions(institution(BANK)).await?;
    let of_run = instructed
        .iter()
        .filter(|it| it.end_to_end_id.run == run_no);
    world
        .answer(institution(BANK), of_run.map(credited).collect())
        .await?;
    let summary = world.summary(run_no).await?;
    assert_eq!(
        (summary.credited_lines, summary.arrears_lines),
        (2, 0),
        "{run_no}"
    );
    Ok(())
}

/// With a reason, for who runs this test after the day that it tells of.
async fn release(world: &World, run_no: RunNo) -> anyhow::Result<Value> {
    let body = releasing_late(world, run_no, "kiểm thử").await?;
    world
        .ask("release-late", &format!("release-{run_no}"), &body)
        .await
}

async fn releasing(world: &World, run_no: RunNo) -> anyhow::Result<Value> {
    Ok(to_value(world.releasing(run_no, RELEASER).await?)?)
}

async fn releasing_late(world: &World, run_no: RunNo, reason: &str) -> anyhow::Result<Value> {
    Ok(json!({ "release": releasing(world, run_no).await?, "reason": reason }))
}

async fn each_month_is_paid_once(world: &World) -> anyhow::Result<()> {
    let paid: Vec<(String, i64, i64)> = sqlx::query_as(
        "SELECT to_char(period, 'YYYY-MM'), count(*), count(DISTINCT person_no)
        FROM payments.lines GROUP BY 1 ORDER BY 1",
    )
    .fetch_all(&world.pool)
    .await?;
    let expected = ["2027-01", "2027-02", "2027-03", "2027-04"].map(|it| (it.to_owned(), 2, 2));
    assert_eq!(paid, expected);
    // Nor does anybody pay March in March by hand.
    let mut opening = world.opening(PROGRAMME);
    opening.period = "2027-03".parse()?;
    let problem = world
        .refused("open-run", "march", &to_value(opening)?)
        .await?;
    assert_eq!(
        (problem.status, &problem.code[..]),
        (409, "period_already_run")
    );
    let why = "SELECT count(*) FROM payments.acts WHERE act = 'open'
        AND reason = 'schedule of HTXH 2027-03, due 2027-01-19 07:00'";
    assert_eq!(world.number(why).await?, 1);
    let fired = moments(world, "2027-03").await?;
    assert_eq!(fired[0].0, MomentState::Fired);
    Ok(())
}

/// Who dies in February was owed February and not March, which is paid already.
async fn a_death_in_a_month_that_was_paid_ahead_is_an_overpayment(
    world: &World,
) -> anyhow::Result<()> {
    let keys = world.target.keys()?;
    let death = LifeEventTold {
        event_id: "D1".to_owned(),
        citizen_index: keys.index(Field::CitizenNumber, "004048000001"),
        kind: "death".to_owned(),
        happened_on: NaiveDate::from_ymd_opt(2027, 2, 10).context("a date")?,
        province: None,
        commune: None,
        revoked: false,
    };
    let message = LifeEventsTold {
        part: Part::ZERO,
        message_id: "register 1".to_owned(),
        events: vec![death],
    };
    world.say(vec![Event::of(&message, Utc::now())]).await?;
    let cases = "SELECT count(*) FROM payments.overpayments
        WHERE state = 'open' AND period IN ('2027-03-01', '2027-04-01')";
    let until = async || Ok(world.number(cases).await? == 2);
    world
        .until("March and April are to come back", until)
        .await?;
    let all = "SELECT count(*) FROM payments.overpayments";
    assert_eq!(world.number(all).await?, 2);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn alarms_are_raised_once_and_only_when_something_is_late() -> anyhow::Result<()> {
    let mut world = a_world().await?;
    assert_eq!(world.register(REGISTRY).await?.sums.accepted.rows, 2);
    world.business_date = "2027-01-01".parse()?;
    world
        .appropriate(PROGRAMME, Money::dong(900_000_000))
        .await?;
    plan(&world.pool, PROGRAMME, BEFORE).await?;
    let opened = catch_up(&world.pool, at("2026-12-21T00:00:00Z")).await?;
    let run_no = *opened.first().context("January is opened")?;
    world.until_state(run_no, "awaiting_approval").await?;

    // 25 December begins at 17 hours UTC of the 24th; the last moment has a minute to be committed.
    let mut settled = look(&world.pool, at("2026-12-24T17:00:59Z")).await?.settled;
    assert_eq!(settled, 0);
    settled = look(&world.pool, at("2026-12-24T17:01:00Z")).await?.settled;
    assert_eq!((settled, alarms(&world.pool).await?.len()), (1, 0));

    // Approved in the last second of the cut-off's hour on the last working day of the year.
    world.approve(run_no).await?;
    acted(&world, run_no, "approve", "2026-12-31T09:00:00Z").await?;
    look(&world.pool, at("2026-12-31T09:01:00Z")).await?;
    assert_eq!(alarms(&world.pool).await?, Vec::<String>::new());

    // Not released before the cut-off of its pay day, and released a second too late.
    look(&world.pool, at("2027-01-04T09:00:59Z")).await?;
    assert_eq!(alarms(&world.pool).await?.len(), 0);
    world.until_state(run_no, "reserved").await?;
    release(&world, run_no).await?;
    acted(&world, run_no, "release", "2027-01-04T09:00:01Z").await?;
    for now in [
        "2027-01-04T09:01:00Z",
        "2027-01-04T09:01:01Z",
        "2027-01-05T00:00:00Z",
    ] {
        look(&world.pool, at(now)).await?;
        assert_eq!(
            alarms(&world.pool).await?,
            ["not_released HTXH 2027-01"],
            "{now}"
        );
    }
    // Not closed before the 20th; February and March are opened meanwhile.
    look(&world.pool, at("2027-01-19T17:00:30Z")).await?;
    assert_eq!(alarms(&world.pool).await?.len(), 1);
    look(&world.pool, at("2027-01-19T17:01:00Z")).await?;
    let late = ["not_released HTXH 2027-01", "not_reported HTXH 2027-01"];
    assert_eq!(alarms(&world.pool).await?, late);

    let january = moments(&world, "2027-01").await?;
    let states: Vec<&str> = january.iter().map(|it| it.0.as_str()).collect();
    assert_eq!(states, ["fired", "kept", "kept", "missed", "missed"]);
    let steps = payments::schedule_steps(&world.pool, PROGRAMME, "2027-01".parse()?).await?;
    assert_eq!(steps.len(), 10);
    world.until_state(run_no, "released").await?;
    // When they acted was written over above.
    world.close_with_changed(&["act 2", "act 3"]).await
}

/// Writes down that somebody acted at that time: commands live by the clock of the machine.
async fn acted(world: &World, run_no: RunNo, act: &str, when: &str) -> anyhow::Result<()> {
    let done = sqlx::query("UPDATE payments.acts SET acted_at = $3 WHERE run_no = $1 AND act = $2")
        .bind(run_no.0)
        .bind(act)
        .bind(at(when))
        .execute(&world.pool)
        .await?;
    assert_eq!(done.rows_affected(), 1);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn after_an_outage_what_is_due_opens_in_order_and_what_is_too_late_is_told()
-> anyhow::Result<()> {
    let world = a_world().await?;
    let pension = Programme::RetirementPension;
    for programme in [pension, PROGRAMME] {
        plan(&world.pool, programme, BEFORE).await?;
    }
    let nothing = look(&world.pool, at("2026-12-18T00:00:00Z")).await?;
    assert_eq!(nothing, Round::default());

    // Twenty days: January's pay day is over.
    let now = at("2027-01-07T00:00:00Z");
    assert_eq!(catch_up(&world.pool, now).await?, []);
    assert_eq!(runs(&world.pool).await?, []);
    let kinds = [
        "list_not_frozen",
        "not_approved",
        "not_released",
        "opening_missed",
    ];
    let of_both = |kind: &str| ["HTXH", "LUONG_HUU"].map(|it| format!("{kind} {it} 2027-01"));
    let expected: Vec<String> = kinds.iter().flat_map(|it| of_both(it)).collect();
    assert_eq!(alarms(&world.pool).await?, expected);
    let opening = moments(&world, "2027-01").await?.remove(0);
    assert_eq!(opening, (MomentState::Missed, "pay_day_over".to_owned()));

    // An officer opens January by hand, for another day; the schedule has nothing to do with it.
    let mut by_hand = world.opening(PROGRAMME);
    by_hand.period = "2027-01".parse()?;
    world
        .ask("open-run", "by hand", &to_value(&by_hand)?)
        .await?;
    // And February before its time: the schedule finds it opened.
    by_hand.period = "2027-02".parse()?;
    world
        .ask("open-run", "too early", &to_value(&by_hand)?)
        .await?;

    // Twenty days more: the list is late and the pay day is not over.
    let now = at("2027-01-27T00:00:00Z");
    assert_eq!(catch_up(&world.pool, now).await?.len(), 3);
    let (htxh, luong_huu) = (PROGRAMME.number(), pension.number());
    let opened = [
        (htxh, "2027-01"),
        (htxh, "2027-02"),
        (htxh, "2027-03"),
        (luong_huu, "2027-02"),
        (luong_huu, "2027-03"),
    ];
    let opened = opened.map(|(programme, period)| (programme, period.to_owned()));
    assert_eq!(runs(&world.pool).await?, opened);
    let skipped = moments(&world, "2027-02").await?.remove(0);
    assert_eq!(
        skipped,
        (MomentState::Skipped, "period_already_run".to_owned())
    );
    let late = alarms(&world.pool).await?;
    assert!(
        late.contains(&"list_not_frozen LUONG_HUU 2027-03".to_owned()),
        "{late:?}"
    );
    assert_eq!(
        late.iter()
            .filter(|it| it.starts_with("opening_missed"))
            .count(),
        2
    );

    // Nothing of it is done again.
    assert_eq!(look(&world.pool, now).await?, Round::default());
    assert_eq!(
        (runs(&world.pool).await?.len(), alarms(&world.pool).await?),
        (5, late)
    );
    world.close().await
}

//! Deaths that are told late, and deaths that never were.

use anyhow::Context;
use chrono::{NaiveDate, Utc};
use domain::{Money, Part, Programme, Province};
use events::{Event, LifeEventTold, LifeEventsTold};
use ledger::{Account, AccountKind};
use privacy::Field;

use crate::world::{World, credited, institution};

const BANK: &str = "970436";
const REGISTRY: &str = "citizen_number,full_name,birth_date,sex,province,programme\n\
    004048000001,Lý Văn Một,12/05/1948,nam,04,HTXH\n\
    004048000002,Lý Văn Hai,12/05/1948,nam,04,HTXH\n\
    004048000003,Lý Văn Ba,12/05/1948,nam,04,HTXH\n";
const LINKS: &str = "citizen_number,institution,account_number,holder_name\n\
    004048000001,970436,0011004000001,LY VAN MOT\n\
    004048000002,970436,0011004000002,LY VAN HAI\n\
    004048000003,970436,0011004000003,LY VAN BA\n";
const HELD: &str = "SELECT count(*) FROM payments.exceptions
    WHERE kind = 'held' AND resolved_at IS NULL";
const OPEN_CASES: &str = "SELECT count(*) FROM payments.overpayments WHERE state = 'open'";

#[tokio::test(flavor = "multi_thread")]
async fn a_death_holds_what_is_not_paid_and_claims_what_is_and_can_be_revoked() -> anyhow::Result<()>
{
    let world = World::with_hand_played_banks(|it| it.payments.result_sla_ms = 600_000).await?;
    assert_eq!(world.register(REGISTRY).await?.sums.accepted.rows, 3);
    assert_eq!(world.link(LINKS).await?.sums.accepted.rows, 3);
    let run_no = world.reserved(Programme::SocialPension).await?;

    // Before the release: held with its reason, and set free when it was a mistake.
    tell(&world, &[("D1", 1, false), ("D2", 2, false)]).await?;
    world
        .until("two lines are held", async || {
            Ok(world.number(HELD).await? == 2)
        })
        .await?;
    let reasons = "SELECT count(*) FROM payments.exceptions
        WHERE kind = 'held' AND detail LIKE '%stopped_death%'";
    assert_eq!(world.number(reasons).await?, 2);
    tell(&world, &[("D2", 2, true)]).await?;
    world
        .until("one is set free", async || {
            Ok(world.number(HELD).await? == 1)
        })
        .await?;

    world.release(run_no).await?;
    world.until_state(run_no, "released").await?;
    let instructed = world.instructions(institution(BANK)).await?;
    assert_eq!(instructed.len(), 2, "the dead are not paid");
    world
        .answer(institution(BANK), instructed.iter().map(credited).collect())
        .await?;
    assert_eq!(receivable(&world).await?, 0);

    // After the credit: a case, and the books know what is to come back.
    tell(&world, &[("D3", 3, false)]).await?;
    world
        .until("a case is open", async || {
            Ok(world.number(OPEN_CASES).await? == 1)
        })
        .await?;
    assert_eq!(receivable(&world).await?, 540_000);
    assert_eq!(world.summary(run_no).await?.held_lines, 1);
    // Told again it is the same death.
    tell(&world, &[("D3", 3, false)]).await?;
    assert_eq!(world.number(OPEN_CASES).await?, 1);

    tell(&world, &[("D3", 3, true)]).await?;
    world
        .until("the case is cancelled", async || {
            Ok(world.number(OPEN_CASES).await? == 0)
        })
        .await?;
    assert_eq!(receivable(&world).await?, 0);
    world.close().await
}

/// The population register tells deaths of 10 November 2026, or that they never were, and
/// everybody has heard what follows.
async fn tell(world: &World, deaths: &[(&str, u32, bool)]) -> anyhow::Result<()> {
    let keys = world.target.keys()?;
    let told = |(event_id, number, revoked): &(&str, u32, bool)| {
        let citizen = format!("004048{number:06}");
        Some(LifeEventTold {
            event_id: (*event_id).to_owned(),
            citizen_index: keys.index(Field::CitizenNumber, &citizen),
            kind: "death".to_owned(),
            happened_on: NaiveDate::from_ymd_opt(2026, 11, 10)?,
            province: None,
            commune: None,
            revoked: *revoked,
        })
    };
    let events: Option<Vec<LifeEventTold>> = deaths.iter().map(told).collect();
    let message = LifeEventsTold {
        part: Part::ZERO,
        message_id: uuid::Uuid::now_v7().to_string(),
        events: events.context("a date")?,
    };
    world.say(vec![Event::of(&message, Utc::now())]).await?;
    world.until_heard("accounts", events::ELIGIBILITY).await?;
    world.until_heard("payments", events::ACCOUNTS).await
}

async fn receivable(world: &World) -> anyhow::Result<i128> {
    let province: Province = "04".parse()?;
    let account = Account {
        kind: AccountKind::Receivable,
        ..Account::paid(Programme::SocialPension, province)
    };
    world.balance(account).await
}

#[tokio::test(flavor = "multi_thread")]
async fn who_comes_back_is_paid_the_months_of_the_absence() -> anyhow::Result<()> {
    let mut world = World::with_hand_played_banks(|it| it.payments.result_sla_ms = 600_000).await?;
    assert_eq!(world.register(REGISTRY).await?.sums.accepted.rows, 3);
    assert_eq!(world.link(LINKS).await?.sums.accepted.rows, 3);
    let absent = |it: &str, kind: &str, day: NaiveDate| (it.to_owned(), kind.to_owned(), day);
    let day = |text: &str| text.parse::<NaiveDate>();
    // A court declares the first missing: suspended from December, owed again on return.
    say(&world, &[absent("M1", "missing", day("2026-11-05")?)]).await?;
    let december = world.released(Programme::SocialPension).await?;
    assert_eq!(world.summary(december).await?.lines, 2);
    say(&world, &[absent("M2", "returned", day("2026-12-20")?)]).await?;
    world.period = "2027-01".parse()?;
    world.business_date = day("2027-01-04")?;
    let january = world.released(Programme::SocialPension).await?;
    let summary = world.summary(january).await?;
    assert_eq!((summary.lines, summary.arrears_lines), (4, 1));
    assert_eq!(summary.total, Money::dong(4 * 540_000));
    world.close().await
}

/// What happened to the first person.
async fn say(world: &World, happened: &[(String, String, NaiveDate)]) -> anyhow::Result<()> {
    let keys = world.target.keys()?;
    let events = happened.iter().map(|(event_id, kind, day)| LifeEventTold {
        event_id: event_id.clone(),
        citizen_index: keys.index(Field::CitizenNumber, "004048000001"),
        kind: kind.clone(),
        happened_on: *day,
        province: None,
        commune: None,
        revoked: false,
    });
    let message = LifeEventsTold {
        part: Part::ZERO,
        message_id: uuid::Uuid::now_v7().to_string(),
        events: events.collect(),
    };
    world.say(vec![Event::of(&message, Utc::now())]).await
}

/// Where somebody moved to is told on to who keeps something by person.
#[tokio::test(flavor = "multi_thread")]
async fn a_move_that_the_register_tells_reaches_accounts() -> anyhow::Result<()> {
    let world = World::with_hand_played_banks(|_| {}).await?;
    assert_eq!(world.register(REGISTRY).await?.sums.accepted.rows, 3);
    let keys = world.target.keys()?;
    let moved = |event_id: &str, number: u32, commune: &str, revoked: bool| LifeEventTold {
        event_id: event_id.to_owned(),
        citizen_index: keys.index(Field::CitizenNumber, &format!("004048{number:06}")),
        kind: "moved".to_owned(),
        happened_on: NaiveDate::default(),
        province: Some("79".to_owned()),
        commune: Some(commune.to_owned()),
        revoked,
    };
    let said = async |events: Vec<LifeEventTold>| {
        let message = LifeEventsTold {
            part: Part::ZERO,
            message_id: uuid::Uuid::now_v7().to_string(),
            events,
        };
        world.say(vec![Event::of(&message, Utc::now())]).await?;
        world.until_heard("eligibility", events::POPULATION).await?;
        world.until_heard("accounts", events::ELIGIBILITY).await
    };
    // The commune of the second is none that this program knows: only that event is left out.
    said(vec![
        moved("V1", 1, "25747", false),
        moved("V2", 2, "99999", false),
    ])
    .await?;
    let told = "SELECT count(*) FROM messaging.outbox
        WHERE subject LIKE 'eligibility.%persons-registered.v1'
            AND convert_from(body, 'UTF8')::jsonb @>
                '{\"data\": {\"persons\": [{\"province\": \"79\", \"commune\": 25747}]}}'";
    assert_eq!(world.number(told).await?, 1);
    let events = "SELECT count(*) FROM eligibility.life_events";
    assert_eq!(world.number(events).await?, 1);
    let lives = "SELECT province::bigint FROM eligibility.residences
        WHERE person_no = 1 AND known_to IS NULL";
    assert_eq!(world.number(lives).await?, 79);

    said(vec![moved("V1", 1, "25747", true)]).await?;
    assert_eq!(world.number(lives).await?, 4);
    let persons = "SELECT count(*) FROM messaging.outbox
        WHERE subject LIKE 'eligibility.%persons-registered.v1'";
    assert_eq!(world.number(persons).await?, 5);
    world.close().await
}

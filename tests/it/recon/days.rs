//! A statement that cannot be freezes its bank's day.

use domain::{Institution, Money};
use events::{Event, StatementPage};
use reconciliation::{Day, ThawDay};
use uuid::Uuid;

use super::{ask, refused};
use crate::world::{World, institution, officer, statement};

const OURS: &str = "970436";
const OTHER: &str = "970405";

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_statement_freezes_its_banks_day_until_a_right_one_or_an_officer()
-> anyhow::Result<()> {
    let world = World::with_hand_played_banks(|_| {}).await?;
    let (bank, other) = (institution(OURS), institution(OTHER));
    let (nothing, one) = (Money::ZERO, Money::dong(1));
    let right = |number, opening| statement(bank, number, (opening, one), vec![]);

    // It does not add up; the other bank's day goes on.
    let mut wrong = right(1, nothing);
    wrong.closing = Money::dong(7);
    assert_eq!(
        world.state(&wrong).await?,
        "refused statement_balance_mismatch"
    );
    assert_eq!(
        codes(&day(&world, &wrong).await?),
        ["statement_balance_mismatch"]
    );
    let theirs = statement(other, 1, (nothing, one), vec![]);
    assert_eq!(world.state(&theirs).await?, "matched");
    assert!(!day(&world, &theirs).await?.frozen);

    // The opening is not the last closing; a right statement goes on with the day.
    assert_eq!(
        world.state(&right(2, one)).await?,
        "refused statement_opening_mismatch"
    );
    assert_eq!(world.state(&right(3, nothing)).await?, "matched");
    let it = day(&world, &wrong).await?;
    assert!(!it.frozen);
    let by: Vec<Option<i64>> = it.freezes.iter().map(|it| it.thawed_by_statement).collect();
    assert_eq!(by, [Some(3), Some(3)]);

    repeated(&world, bank, &right(3, nothing)).await?;
    world.close().await
}

/// Sent again it freezes the day, and what else arrives for the day waits.
async fn repeated(world: &World, bank: Institution, page: &StatementPage) -> anyhow::Result<()> {
    let again = Event {
        id: Uuid::now_v7(),
        ..Event::of(page, chrono::Utc::now())
    };
    world.say(vec![again]).await?;
    let it = day(world, page).await?;
    assert!(it.frozen);
    assert_eq!(
        it.freezes.last().map(|it| &it.code[..]),
        Some("statement_repeated")
    );

    let thaw = |reason: &str| ThawDay {
        officer: officer("le.an"),
        institution: bank,
        date: page.date,
        reason: reason.to_owned(),
    };
    let problem = refused(world, "thaw-day", &thaw(" ")).await?;
    assert_eq!(problem.code, "reason_missing");
    ask(world, "thaw-day", &thaw("NH gửi hai lần")).await?;
    let problem = refused(world, "thaw-day", &thaw("NH gửi hai lần")).await?;
    assert_eq!((problem.status, &problem.code[..]), (409, "day_not_frozen"));
    let it = day(world, page).await?;
    let last = it.freezes.last().expect("a freeze");
    assert_eq!(last.thawed_by.as_deref(), Some("le.an"));
    assert_eq!(last.reason.as_deref(), Some("NH gửi hai lần"));
    assert!(!it.frozen);
    Ok(())
}

async fn day(world: &World, of: &StatementPage) -> anyhow::Result<Day> {
    Ok(reconciliation::day(&world.pool, of.institution, of.date).await?)
}

fn codes(day: &Day) -> Vec<&str> {
    let frozen = day.freezes.iter().filter(|it| it.frozen);
    frozen.map(|it| &it.code[..]).collect()
}

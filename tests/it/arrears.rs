//! Decree 335/2026: issued in August, in force in October, owed from July.

use std::time::Duration;

use anyhow::Context;
use chrono::NaiveDate;
use domain::{Money, Programme, Province, RunNo};
use ledger::{Account, AccountKind};
use tokio::time::sleep;

use crate::world::{World, credited, institution};

const BANK: &str = "970436";
const HEADER: &str = "citizen_number,full_name,birth_date,sex,province,programme,category\n";
/// An old person, one who turns 75 in September, one in Hà Nội, which pays more than the country,
/// and one with a severe disability.
const PEOPLE: [&str; 4] = [
    "004048000001,Lý Thị Mai,12/05/1948,nữ,04,HTXH,",
    "004051000002,Nông Văn Páo,20/09/1951,nam,04,HTXH,",
    "001040000003,Nguyễn Văn Bình,01/01/1940,nam,01,HTXH,",
    "004090000004,Hoàng Văn Sơn,03/03/1990,nam,04,TCXH,severe",
];
const LINKS: &str = "citizen_number,institution,account_number,holder_name\n\
    004048000001,970436,0011004000001,LY THI MAI\n\
    004051000002,970436,0011004000002,NONG VAN PAO\n\
    001040000003,970436,0011004000003,NGUYEN VAN BINH\n\
    004090000004,970436,0011004000004,HOANG VAN SON\n";
const PROGRAMMES: [Programme; 2] = [Programme::SocialPension, Programme::SocialAssistance];

async fn with_people() -> anyhow::Result<World> {
    let world = World::with_hand_played_banks(|it| it.payments.result_sla_ms = 600_000).await?;
    // The first of the four is a woman: the sex digit says so.
    let people = PEOPLE.join("\n").replace("004048000001", "004148000001");
    let registered = world.register(format!("{HEADER}{people}\n")).await?;
    assert_eq!(registered.sums.accepted.rows, 4, "{registered:?}");
    let links = LINKS.replace("004048000001", "004148000001");
    assert_eq!(world.link(links).await?.sums.accepted.rows, 4);
    Ok(world)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_decree_known_late_is_paid_for_each_month_since_it_is_owed() -> anyhow::Result<()> {
    let mut world = with_people().await?;
    for month in ["2026-07", "2026-08", "2026-09", "2026-10"] {
        pay_month(&mut world, month, "01").await?;
    }
    assert_eq!(
        lines_of(&world, "Lý").await?,
        months(500_000, &[7, 8, 9, 10])
    );
    let before = paid(&world, AccountKind::PaidArrears, Programme::SocialPension).await?;
    assert_eq!(before, 0);

    // Known from 5 October: November's run pays the month and what July to October still owe.
    let runs = pay_month(&mut world, "2026-11", "02").await?;
    let mut old = months(500_000, &[7, 8, 9, 10]);
    old.extend(arrears(40_000, &[7, 8, 9, 10]));
    old.extend(months(540_000, &[11]));
    assert_eq!(lines_of(&world, "Lý").await?, sorted(old));
    let mut young = months(500_000, &[9, 10]);
    young.extend(arrears(40_000, &[9, 10]));
    young.extend(months(540_000, &[11]));
    assert_eq!(lines_of(&world, "Nông").await?, sorted(young));
    // What Hà Nội pays of its own was higher all the time.
    let hanoi = months(650_000, &[7, 8, 9, 10, 11]);
    assert_eq!(lines_of(&world, "Nguyễn").await?, hanoi);
    let mut disabled = months(750_000, &[7, 8, 9, 10]);
    disabled.extend(arrears(60_000, &[7, 8, 9, 10]));
    disabled.extend(months(810_000, &[11]));
    assert_eq!(lines_of(&world, "Hoàng").await?, sorted(disabled));

    the_books_show_arrears_apart(&world, &runs).await?;
    explanations_name_the_decree(&world, runs[0]).await?;

    // Once is enough.
    pay_month(&mut world, "2026-12", "01").await?;
    let late = "SELECT count(*) FROM payments.lines l JOIN payments.runs r USING (run_no)
        WHERE l.period <> r.period AND r.period = '2026-12-01'";
    assert_eq!(world.number(late).await?, 0);
    world.close().await
}

/// As before Tết: two months open at the same moment, and the second knows what the first has said.
#[tokio::test(flavor = "multi_thread")]
async fn of_two_months_that_open_together_one_pays_what_is_late() -> anyhow::Result<()> {
    let mut world = with_people().await?;
    for month in ["2026-07", "2026-08", "2026-09", "2026-10"] {
        pay_month(&mut world, month, "01").await?;
    }
    // Eligibility is at something else until both have come.
    let mut busy = world.pool.begin().await?;
    sqlx::query("SELECT FROM messaging.cursors WHERE consumer = 'eligibility' FOR UPDATE")
        .execute(&mut *busy)
        .await?;
    let [pension, assistance] = PROGRAMMES;
    (world.period, world.business_date) = ("2026-11".parse()?, "2026-11-02".parse()?);
    world.open(assistance).await?;
    sleep(Duration::from_millis(500)).await;
    let november = world.open(pension).await?;
    (world.period, world.business_date) = ("2026-12".parse()?, "2026-12-01".parse()?);
    let december = world.open(pension).await?;
    sleep(Duration::from_millis(500)).await;
    busy.rollback().await?;

    for run_no in [november, december] {
        world.until_state(run_no, "awaiting_approval").await?;
    }
    assert_eq!(world.summary(november).await?.arrears_lines, 6);
    assert_eq!(world.summary(december).await?.arrears_lines, 0);
    let twice = "SELECT count(*) FROM payments.exceptions";
    assert_eq!(world.number(twice).await?, 0);
    world.close().await
}

/// Both programmes of a month, credited to the last đồng.
async fn pay_month(world: &mut World, month: &str, day: &str) -> anyhow::Result<Vec<RunNo>> {
    world.period = month.parse()?;
    world.business_date = format!("{month}-{day}").parse::<NaiveDate>()?;
    let mut runs = Vec::new();
    for programme in PROGRAMMES {
        let run_no = world.released(programme).await?;
        let instructed = world.instructions(institution(BANK)).await?;
        let of_run = instructed
            .iter()
            .filter(|it| it.end_to_end_id.run == run_no);
        world
            .answer(institution(BANK), of_run.map(credited).collect())
            .await?;
        let summary = world.summary(run_no).await?;
        assert_eq!(summary.credited_lines, summary.lines, "{month} {programme}");
        runs.push(run_no);
    }
    Ok(runs)
}

type LineOfPerson = (String, i16, Money);

/// Period, determination number and amount of all lines of a person, by the family name.
async fn lines_of(world: &World, family: &str) -> anyhow::Result<Vec<LineOfPerson>> {
    let index = PEOPLE
        .iter()
        .position(|it| it.contains(family))
        .context("a person")?;
    // Numbers are given in the order of the file, from 1.
    let person_no = i64::try_from(index)? + 1;
    Ok(sqlx::query_as(
        "SELECT to_char(period, 'YYYY-MM'), determination_no, amount FROM payments.lines
        WHERE person_no = $1 ORDER BY 1, 2",
    )
    .bind(person_no)
    .fetch_all(&world.pool)
    .await?)
}

fn months(amount: u64, months: &[u32]) -> Vec<LineOfPerson> {
    numbered(1, amount, months)
}

fn arrears(amount: u64, months: &[u32]) -> Vec<LineOfPerson> {
    numbered(2, amount, months)
}

fn numbered(determination_no: i16, amount: u64, months: &[u32]) -> Vec<LineOfPerson> {
    let line = |month| {
        (
            format!("2026-{month:02}"),
            determination_no,
            Money::dong(amount),
        )
    };
    months.iter().map(line).collect()
}

fn sorted(mut lines: Vec<LineOfPerson>) -> Vec<LineOfPerson> {
    lines.sort();
    lines
}

async fn the_books_show_arrears_apart(world: &World, runs: &[RunNo]) -> anyhow::Result<()> {
    let [pension, assistance] = PROGRAMMES;
    let late = AccountKind::PaidArrears;
    assert_eq!(paid(world, late, pension).await?, (4 + 2) * 40_000);
    assert_eq!(paid(world, late, assistance).await?, 4 * 60_000);
    let months = (4 * 500_000 + 540_000) + (2 * 500_000 + 540_000);
    assert_eq!(paid(world, AccountKind::Paid, pension).await?, months);
    assert_eq!(
        paid(world, AccountKind::Paid, assistance).await?,
        4 * 750_000 + 810_000
    );
    let summary = world.summary(runs[0]).await?;
    assert_eq!(
        (summary.arrears_lines, summary.arrears_total),
        (6, Money::dong(240_000))
    );
    Ok(())
}

/// What stands on an account of Cao Bằng, where all but one of the people live.
async fn paid(world: &World, kind: AccountKind, programme: Programme) -> anyhow::Result<i128> {
    let province: Province = "04".parse()?;
    let account = Account {
        kind,
        ..Account::paid(programme, province)
    };
    world.balance(account).await
}

async fn explanations_name_the_decree(world: &World, run_no: RunNo) -> anyhow::Result<()> {
    let told = eligibility::explain_determination(
        &world.pool,
        domain::Part::try_from(1)?,
        run_no.0,
        domain::PersonNo(1),
        ("2026-07".parse()?, 2),
    )
    .await?
    .context("the arrears of July")?;
    assert_eq!(
        (told.owed, told.amount),
        (Money::dong(540_000), Money::dong(40_000))
    );
    let text = told.vi.join("\n");
    assert!(
        text.contains("335/2026") && text.contains("Truy lĩnh"),
        "{text}"
    );
    Ok(())
}

//! Where somebody was paid on a day, as known on another; and whom an officer of a province sees.

use accounts::{Kind, LinkId, PaidAtQuery, ShowPerson};
use chrono::{DateTime, Utc};
use domain::{PersonNo, Programme};
use sqlx::{Connection, Executor, PgConnection, Row};

use super::BANK;
use super::town::{CLERK, REGISTRAR, Town, row};
use crate::world::{REGISTRY_HEADER, officer};

const OTHER_BANK: &str = "970405";

/// What happened to two links of a person: state, from when it holds, when it was recorded.
const STEPS: [(i16, i16, &str, &str, &str); 7] = [
    (1, 1, "linked", "2026-01-10", "2026-01-10"),
    (2, 1, "requested", "2026-05-01", "2026-05-01"),
    (1, 2, "replaced", "2026-05-02", "2026-05-02"),
    (2, 2, "linked", "2026-05-02", "2026-05-02"),
    // In October the bank tells that the account was closed in August.
    (2, 3, "suspended", "2026-08-15", "2026-10-01"),
    (2, 4, "linked", "2026-10-20", "2026-10-20"),
    (2, 5, "unlinked", "2026-11-01", "2026-11-05"),
];

/// About a day, as known on a day: the link, or cash.
const PAID: [(&str, &str, Option<i16>); 13] = [
    ("2026-01-09", "2026-11-20", None),
    ("2026-01-10", "2026-01-09", None),
    ("2026-03-01", "2026-03-01", Some(1)),
    ("2026-03-01", "2026-11-20", Some(1)),
    ("2026-05-01", "2026-11-20", Some(1)),
    ("2026-05-02", "2026-11-20", Some(2)),
    // Before October nobody knew better.
    ("2026-09-01", "2026-09-30", Some(2)),
    ("2026-09-01", "2026-10-01", None),
    ("2026-09-01", "2026-11-20", None),
    ("2026-08-14", "2026-11-20", Some(2)),
    ("2026-10-25", "2026-10-25", Some(2)),
    ("2026-11-02", "2026-11-04", Some(2)),
    ("2026-11-02", "2026-11-05", None),
];

#[tokio::test(flavor = "multi_thread")]
async fn where_somebody_was_paid_on_a_day_depends_on_what_was_known() -> anyhow::Result<()> {
    let town = Town::new(|_| {}).await?;
    let person = PersonNo(1);
    for (link_no, bank) in [(1_i16, BANK), (2, OTHER_BANK)] {
        sqlx::query(
            "INSERT INTO accounts.links VALUES ($1, $2, $3, 'ssa', 'bank_account', $4,
                '\\x01', decode(repeat('ab', 32), 'hex'), '\\x01', 'import', NULL, NULL, now())",
        )
        .bind(person.part().number())
        .bind(person.0)
        .bind(link_no)
        .bind(bank.parse::<i32>()?)
        .execute(&town.world.pool)
        .await?;
    }
    for (link_no, step, state, valid_from, recorded_at) in STEPS {
        let code = (state == "suspended").then_some("account_closed");
        sqlx::query(
            "INSERT INTO accounts.link_steps VALUES
                ($1, $2, $3, $4, $5, $6, 'test', $7, $8, CASE $5 WHEN 'linked' THEN 1 END)",
        )
        .bind(person.part().number())
        .bind(person.0)
        .bind(link_no)
        .bind(step)
        .bind(state)
        .bind(code)
        .bind(instant(valid_from))
        .bind(instant(recorded_at))
        .execute(&town.world.pool)
        .await?;
    }
    for (about, known, link_no) in PAID {
        let query = PaidAtQuery {
            officer: officer(REGISTRAR),
            person,
            about: instant(about),
            known: Some(instant(known)),
        };
        let told = town.inquire("paid-at", &query).await?;
        let expected = link_no.map(|link_no| LinkId {
            person_no: person,
            link_no,
        });
        let found = told["link"]
            .as_str()
            .map(str::parse::<LinkId>)
            .transpose()?;
        assert_eq!(found, expected, "about {about} as known on {known}: {told}");
        assert_eq!(told["channel"] == "cash", expected.is_none());
    }
    town.close().await
}

fn instant(day: &str) -> DateTime<Utc> {
    format!("{day}T00:00:00Z").parse().expect("a day")
}

#[tokio::test(flavor = "multi_thread")]
async fn an_officer_of_a_province_finds_nobody_of_another() -> anyhow::Result<()> {
    let town = Town::new(|_| {}).await?;
    town.appoint("tran.saigon", Some("79"), REGISTRAR).await?;
    let citizens = sandbox::citizens();
    seventh_person_in_saigon(&town).await?;
    let link = town
        .change(CLERK, &citizens[0], (Kind::Ssa, BANK, "9999000000000021"))
        .await?;
    super::until_review(&town, link).await?;

    let saigon = "tran.saigon";
    let show = |person| ShowPerson {
        officer: officer(saigon),
        citizen_number: None,
        person: Some(person),
        purpose: "payment_enquiry".to_owned(),
        case_ref: None,
        unmask: false,
    };
    assert_eq!(
        town.unanswered("person", &show(link.person_no)).await?.code,
        "person_unknown"
    );
    let own = town.inquire("person", &show(PersonNo(7))).await?;
    assert_eq!(own["province"], 79);
    let hidden = super::town::changing(saigon, &citizens[0], (Kind::Ssa, BANK, "0011004555001"));
    assert_eq!(
        town.refused("change-account", &hidden).await?.code,
        "person_unknown"
    );
    let step = accounts::StepLink {
        officer: officer(saigon),
        link,
        reason: "theo đơn".to_owned(),
    };
    for command in ["suspend-link", "resume-link", "end-link"] {
        assert_eq!(
            town.refused(command, &step).await?.code,
            "link_unknown",
            "{command}"
        );
    }
    let queue = accounts::Queue {
        officer: officer(saigon),
    };
    let reviews = town.inquire("reviews", &queue).await?;
    assert_eq!(reviews["reviews"].as_array().map(Vec::len), Some(0));
    let decision = accounts::DecideReview {
        officer: officer(saigon),
        review: super::until_review(&town, link).await?,
        accept: true,
        reason: "theo đơn".to_owned(),
        signature: None,
    };
    assert_eq!(
        town.refused("decide-review", &decision).await?.code,
        "review_unknown"
    );
    let stranger = ShowPerson {
        officer: officer("vo.danh"),
        ..show(PersonNo(7))
    };
    assert_eq!(
        town.unanswered("person", &stranger).await?.code,
        "officer_not_appointed"
    );
    // One look was allowed, and one row tells of it.
    let looks = "SELECT count(*) FROM privacy.access_log WHERE actor = 'tran.saigon'";
    assert_eq!(town.world.number(looks).await?, 1);
    raw_sql_sees_the_scope_alone(&town).await?;
    town.close().await
}

/// A seventh person lives in the other province.
async fn seventh_person_in_saigon(town: &Town) -> anyhow::Result<()> {
    let mut elsewhere = sandbox::citizens()[0].clone();
    elsewhere.number = "079048000001".parse()?;
    elsewhere.birth = domain::BirthDate::stored("1948-05-12".parse()?, false);
    let rows = REGISTRY_HEADER.to_owned() + &row(&elsewhere, "79");
    assert_eq!(town.world.register(rows).await?.sums.accepted.rows, 1);
    Ok(())
}

/// With the service's own role: every table that names a person, but for those said here.
async fn raw_sql_sees_the_scope_alone(town: &Town) -> anyhow::Result<()> {
    // What a run found, by number and means: no name, no account, and written by COPY.
    const OPEN: [&str; 1] = ["ways"];
    let tables: Vec<String> = sqlx::query_scalar(
        "SELECT table_name::text FROM information_schema.columns
        WHERE table_schema = 'accounts' AND column_name = 'person_no' ORDER BY 1",
    )
    .fetch_all(&town.world.pool)
    .await?;
    assert!(tables.len() > 10, "{tables:?}");
    let mut raw = PgConnection::connect(&town.world.ground.database_url).await?;
    raw.execute("SET ROLE ansinh_accounts").await?;
    for table in tables.iter().filter(|it| !OPEN.contains(&&it[..])) {
        let mut seen = Vec::new();
        for scope in ["", "79", "01", "nation"] {
            let scope = if scope == "01" { "1" } else { scope };
            let set = format!("SET ansinh.scope = '{scope}'");
            raw.execute(sqlx::AssertSqlSafe(set)).await?;
            let count = format!("SELECT count(*) FROM accounts.{table}");
            let found = raw.fetch_one(sqlx::AssertSqlSafe(count)).await?;
            seen.push(found.get::<i64, _>(0));
        }
        let [none, saigon, hanoi, nation] = seen[..] else {
            unreachable!("four scopes were asked");
        };
        assert_eq!(none, 0, "{table} without a scope");
        assert_eq!(saigon + hanoi, nation, "{table}: {seen:?}");
        let persons = i64::from(table == "persons");
        assert_eq!(saigon, persons, "{table}: {seen:?}");
    }
    raw.execute("SET ansinh.scope = '79'").await?;
    let foreign = "INSERT INTO accounts.old_numbers VALUES
        (1, 1, decode(repeat('ab', 32), 'hex'), now())";
    let refused = raw.execute(foreign).await;
    let refused = refused.err().map(|it| it.to_string()).unwrap_or_default();
    assert!(refused.contains("row-level security"), "{refused}");
    raw.close().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_account_cools_off_and_its_officer_approves_nothing() -> anyhow::Result<()> {
    let town = Town::new(|settings| settings.accounts.cooling_off_ms = 15_000).await?;
    let citizen = &sandbox::citizens()[0];
    let first = town
        .change(REGISTRAR, citizen, (Kind::Ssa, BANK, "0011004555001"))
        .await?;
    town.until_link(first, "linked").await?;
    let second = town
        .change(CLERK, citizen, (Kind::Ssa, OTHER_BANK, "0011004555002"))
        .await?;
    town.until_link(second, "linked").await?;
    assert_eq!(town.state(first).await?, "replaced");
    let told: Vec<(i16, String)> =
        sqlx::query_as("SELECT told_at, what FROM accounts.notices WHERE about = 2 ORDER BY 1")
            .fetch_all(&town.world.pool)
            .await?;
    let words = |it: &str| it.to_owned();
    assert_eq!(told, [(1, words("replaced")), (2, words("linked"))]);

    town.world
        .appropriate_all(
            Programme::RetirementPension,
            domain::Money::dong(900_000_000_000),
        )
        .await?;
    let run_no = town.world.open(Programme::RetirementPension).await?;
    town.world.until_state(run_no, "awaiting_approval").await?;
    let line = async || -> anyhow::Result<payments::LineRow> {
        let lines = town.world.lines(run_no).await?;
        let found = lines
            .into_iter()
            .find(|it| it.person_no == second.person_no.0);
        Ok(found.expect("she is owed a pension"))
    };
    assert_eq!(line().await?.state, "held");
    let exceptions = payments::exceptions(&town.world.pool, run_no, 100).await?;
    let held = exceptions
        .iter()
        .find(|it| it.person_no == second.person_no.0);
    assert!(
        held.is_some_and(|it| it.detail.contains("cooling_off")),
        "{exceptions:?}"
    );
    town.world
        .until("the cooling-off is over and her line is free", async || {
            Ok(line().await?.state == "planned")
        })
        .await?;
    let by_clerk = serde_json::to_value(town.world.approval(run_no, CLERK).await?)?;
    let problem = town
        .world
        .refused("approve-run", "clerk", &by_clerk)
        .await?;
    assert_eq!(
        (&problem.code[..], problem.status),
        ("changed_account", 403)
    );
    town.world.approve(run_no).await?;
    town.world.until_state(run_no, "reserved").await?;
    town.world.release(run_no).await?;
    town.world.until_state(run_no, "released").await?;
    assert_eq!(line().await?.institution.to_string(), OTHER_BANK);
    town.close().await
}

//! The key that people are sealed with is changed, as an operator does it.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, ensure};
use domain::{PersonNo, Programme};
use privacy::{Field, Keys, Sealed};
use serde_json::Value;
use sqlx::{Connection, PgConnection, PgPool};
use tokio::process::Command;
use tokio::time::timeout;

use crate::ground::{Ground, ansinh_binary};
use crate::pay_day::{PayDay, nothing_lost_nothing_twice, registry};
use crate::processes::{Process, Processes};

const PROGRAMMES: [Programme; 2] = [Programme::SocialPension, Programme::MeritAllowance];
/// Three batches of sealing again.
const PEOPLE: u64 = 2_500;
const TEST_MAX: Duration = Duration::from_mins(4);
const COMMAND_MAX: Duration = Duration::from_mins(1);

const CORRECTED: &str = "Lý Đã Sửa";

/// Exit code, standard output and standard error of `ansinh`.
async fn ansinh(
    ground: &Ground,
    arguments: &[&str],
    settings: &[(&str, &str)],
) -> anyhow::Result<(Option<i32>, String, String)> {
    let said = Command::new(ansinh_binary()?)
        .args(arguments)
        .envs(ground.env())
        .envs(settings.iter().copied())
        .kill_on_drop(true)
        .output();
    let said = timeout(COMMAND_MAX, said).await??;
    let text = |it| String::from_utf8(it);
    Ok((said.status.code(), text(said.stdout)?, text(said.stderr)?))
}

fn path(file: &Path) -> anyhow::Result<&str> {
    file.to_str().context("a path in UTF-8")
}

async fn rotate(ground: &Ground) -> anyhow::Result<()> {
    let file = ground.keys_file();
    let (code, said, told) =
        ansinh(ground, &["keys", "rotate", "--file", path(&file)?], &[]).await?;
    ensure!(code == Some(0), "{told}");
    for text in [&said, &told] {
        for key in keys_in(&file)? {
            ensure!(!text.contains(&key), "a key was shown");
        }
    }
    Ok(())
}

/// The keys themselves, as the file spells them.
fn keys_in(file: &Path) -> anyhow::Result<Vec<String>> {
    let text = std::fs::read_to_string(file)?;
    let keys: Vec<String> = text
        .split('"')
        .filter(|it| it.len() == 64)
        .map(str::to_owned)
        .collect();
    ensure!(keys.len() > 1, "a key file has keys");
    Ok(keys)
}

/// Number and names of everybody, as these keys open them; a single one that does not open fails.
async fn opened(pool: &PgPool, keys: &Keys) -> anyhow::Result<BTreeMap<i64, [String; 3]>> {
    let rows: Vec<(i64, [Vec<u8>; 3])> = sqlx::query_as(
        "SELECT person_no, ARRAY[e.citizen_sealed, e.name_sealed, a.name_sealed]
        FROM eligibility.persons e JOIN accounts.persons a USING (part, person_no)",
    )
    .fetch_all(pool)
    .await?;
    let mut people = BTreeMap::new();
    for (person_no, [number, name, name_of_accounts]) in rows {
        let open = |field, sealed| {
            let opened = keys.open(field, &person_no.to_be_bytes(), &Sealed::from(sealed));
            opened.map(|it| it.expose().to_owned())
        };
        let texts = [
            open(Field::CitizenNumber, number)?,
            open(Field::PersonName, name)?,
            open(Field::PersonName, name_of_accounts)?,
        ];
        people.insert(person_no, texts);
    }
    Ok(people)
}

/// Rows of the registry whose number and name are both of a version.
async fn sealed_with(pool: &PgPool, version: u8) -> anyhow::Result<i64> {
    let count = "SELECT count(*) FROM eligibility.persons
        WHERE substr(citizen_sealed, 1, 1) = $1 AND substr(name_sealed, 1, 1) = $1";
    Ok(sqlx::query_scalar(count)
        .bind([version])
        .fetch_one(pool)
        .await?)
}

/// The counts of `ansinh keys status`, by column and version.
async fn status(ground: &Ground) -> anyhow::Result<(Option<i32>, BTreeMap<(String, i64), Value>)> {
    let (code, said, told) = ansinh(ground, &["keys", "status", "--output", "json"], &[]).await?;
    let counts: Vec<Value> =
        serde_json::from_str(&said).with_context(|| format!("{said}{told}"))?;
    let mut by_version = BTreeMap::new();
    for it in counts {
        let column = it["column"].as_str().context("a column")?.to_owned();
        let version = it["version"].as_i64().context("a version")?;
        by_version.insert((column, version), it);
    }
    Ok((code, by_version))
}

const ALL_ANEW: &str = "SELECT NOT EXISTS (SELECT FROM eligibility.persons
        WHERE get_byte(citizen_sealed, 0) <> 2 OR get_byte(name_sealed, 0) <> 2)
    AND NOT EXISTS (SELECT FROM accounts.persons WHERE get_byte(name_sealed, 0) <> 2)";
const TWO_BATCHES_ANEW: &str = "SELECT count(*) = 2000 FROM eligibility.persons
    WHERE get_byte(citizen_sealed, 0) = 2";
const A_BATCH_WAITS: &str = "SELECT EXISTS (SELECT FROM pg_stat_activity
    WHERE datname = current_database() AND wait_event_type = 'Lock'
        AND query LIKE '%UPDATE eligibility.persons%')";

/// The person at this place of the registry, whose row nobody else can change until the
/// transaction ends.
async fn hold(owner: &mut PgConnection, place: i64) -> anyhow::Result<PersonNo> {
    sqlx::raw_sql("BEGIN").execute(&mut *owner).await?;
    // The lock is outside: whom OFFSET steps over would be locked as well.
    let one = "SELECT person_no FROM eligibility.persons WHERE (part, person_no) = (
            SELECT part, person_no FROM eligibility.persons ORDER BY part, person_no
            LIMIT 1 OFFSET $1)
        FOR UPDATE";
    let one = sqlx::query_scalar(one).bind(place);
    Ok(PersonNo(one.fetch_one(owner).await?))
}

async fn correct(owner: &mut PgConnection, keys: &Keys, person: PersonNo) -> anyhow::Result<()> {
    let name = keys.seal(Field::PersonName, &person.0.to_be_bytes(), CORRECTED);
    sqlx::query("UPDATE eligibility.persons SET name_sealed = $1 WHERE person_no = $2")
        .bind(name.as_bytes())
        .bind(person.0)
        .execute(&mut *owner)
        .await?;
    sqlx::raw_sql("COMMIT").execute(owner).await?;
    Ok(())
}

async fn a_rotation_with_a_kill() -> anyhow::Result<()> {
    let ground = Ground::new().await?;
    let services = Processes::start(&ground, &[])?;
    let people = registry(PEOPLE, 17, &PROGRAMMES, &ground.home)?;
    let mut day = PayDay::of(&ground, &PROGRAMMES).await?;
    day.register(&people).await?;
    services.stop().await?;
    let former = Keys::from_file(&ground.keys_file())?;
    let mut expected = opened(&day.pool, &former).await?;
    let registered = i64::try_from(expected.len())?;
    assert!(registered >= 2_000, "{registered}");

    rotate(&ground).await?;
    let keys = Keys::from_file(&ground.keys_file())?;
    let mut clerk = PgConnection::connect(&ground.database_url).await?;
    let mut other_clerk = PgConnection::connect(&ground.database_url).await?;
    hold(&mut other_clerk, 1500).await?;
    let person = hold(&mut clerk, 2200).await?;
    let mut services = Processes::start(&ground, &[])?;
    day.until_true(A_BATCH_WAITS).await?;
    assert_eq!(sealed_with(&day.pool, 2).await?, 1000);
    for it in &mut services.0 {
        it.kill_and_restart().await?;
    }
    assert_eq!(opened(&day.pool, &keys).await?, expected, "after a kill");
    assert_eq!(sealed_with(&day.pool, 2).await?, 1000);
    sqlx::raw_sql("ROLLBACK").execute(&mut other_clerk).await?;
    other_clerk.close().await?;
    day.until_true(TWO_BATCHES_ANEW).await?;
    day.until_true(A_BATCH_WAITS).await?;
    // What the batch has read of this person is not what stands there when it writes.
    correct(&mut clerk, &former, person).await?;
    clerk.close().await?;
    expected.get_mut(&person.0).context("somebody")?[1] = CORRECTED.to_owned();
    day.until_true(ALL_ANEW).await?;
    assert_eq!(opened(&day.pool, &keys).await?, expected);

    // The links are records and keep their key; the run needs both.
    day.open().await?;
    day.approve().await?;
    day.release().await?;
    day.until_answered().await?;
    day.close().await?;
    nothing_lost_nothing_twice(&day.pool).await?;
    let (code, counts) = status(&ground).await?;
    assert_eq!(code, Some(0));
    let at = |column: &str, version| &counts[&(column.to_owned(), version)];
    let citizens = at("eligibility.persons.citizen_sealed", 2);
    assert_eq!(citizens["rows"], registered);
    assert_eq!(citizens["key"], "current");
    assert_eq!(citizens["resealed"], true);
    assert_eq!(at("accounts.persons.name_sealed", 2)["rows"], registered);
    let accounts = at("accounts.links.account_sealed", 1);
    assert_eq!(
        (&accounts["key"], &accounts["resealed"]),
        (&"retired".into(), &false.into())
    );
    let paid = at("payments.lines.account_sealed", 1);
    assert!(paid["rows"].as_i64().is_some_and(|it| it > 0), "{paid}");
    services.stop().await?;

    // Whoever takes the retired version out too early hears of it.
    let text = std::fs::read_to_string(ground.keys_file())?;
    let lines = text.lines().filter(|it| !it.starts_with("sealing.1"));
    std::fs::write(ground.keys_file(), lines.collect::<Vec<_>>().join("\n"))?;
    let (code, counts) = status(&ground).await?;
    assert_eq!(code, Some(8));
    let accounts = &counts[&("accounts.links.account_sealed".to_owned(), 1)];
    assert_eq!(accounts["key"], "missing");
    day.pool.close().await;
    ground.clear().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_rotation_everybody_is_sealed_anew_and_paid_as_before() -> anyhow::Result<()> {
    timeout(TEST_MAX, a_rotation_with_a_kill()).await?
}

/// Two processes share a table; what no key opens stays as it is, is counted, and stops nobody.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_processes_seal_each_row_once_and_leave_what_does_not_open() -> anyhow::Result<()> {
    let ground = Ground::new().await?;
    let services = Processes::start(&ground, &[])?;
    let people = registry(PEOPLE, 18, &PROGRAMMES, &ground.home)?;
    let day = PayDay::of(&ground, &PROGRAMMES).await?;
    day.register(&people).await?;
    services.stop().await?;
    let registered = sealed_with(&day.pool, 1).await?;
    let broken = "UPDATE eligibility.persons SET citizen_sealed = CASE person_no % 3
        WHEN 0 THEN '' WHEN 1 THEN '\\x01'::bytea ELSE '\\x63'::bytea || citizen_sealed END
        WHERE person_no % 500 < 3";
    let broken = sqlx::raw_sql(broken)
        .execute(&day.pool)
        .await?
        .rows_affected();
    let broken = i64::try_from(broken)?;
    assert!(broken > 6, "{broken}");
    let left = "SELECT md5(string_agg(p::text, ',' ORDER BY person_no))
        FROM eligibility.persons p WHERE person_no % 500 < 3";
    let before: String = sqlx::query_scalar(left).fetch_one(&day.pool).await?;

    rotate(&ground).await?;
    let two = [(); 2].map(|()| Process::start(&ground, "eligibility", &[]));
    let two = Processes(two.into_iter().collect::<Result<_, _>>()?);
    day.until_true(
        "SELECT EXISTS (SELECT FROM privacy.reseals
        WHERE table_name = 'eligibility.persons' AND version = 2 AND finished_at IS NOT NULL)",
    )
    .await?;
    two.stop().await?;
    let sums: (i64, i64) = sqlx::query_as(
        "SELECT resealed, unreadable FROM privacy.reseals WHERE table_name = 'eligibility.persons'",
    )
    .fetch_one(&day.pool)
    .await?;
    assert_eq!(sums, (registered - broken, broken));
    assert_eq!(sealed_with(&day.pool, 2).await?, registered - broken);
    let after: String = sqlx::query_scalar(left).fetch_one(&day.pool).await?;
    assert_eq!(after, before);
    let log = std::fs::read_to_string(ground.home.join("eligibility.log"))?;
    let told = format!("{broken} rows of eligibility.persons open with none of the keys");
    assert_eq!(log.matches(&told).count(), 1, "{log}");
    day.pool.close().await;
    ground.clear().await
}

#[tokio::test]
async fn keys_of_a_demo_guard_nobody_and_are_refused() -> anyhow::Result<()> {
    let ground = Ground::new().await?;
    let refused = [("ANSINH_KEYS__ALLOW_DEVELOPMENT", "false")];
    for arguments in [&["serve", "payments"][..], &["keys", "status"]] {
        let (code, said, told) = ansinh(&ground, arguments, &refused).await?;
        assert_eq!(code, Some(1), "{said}{told}");
        assert!(told.contains("development_key: "), "{told}");
    }
    let file = ground.home.join("production");
    let file = path(&file)?;
    let (code, said, _) = ansinh(&ground, &["keys", "generate", "--file", file], &refused).await?;
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("production"), "{said}");
    let again = ansinh(&ground, &["keys", "generate", "--file", file], &refused).await?;
    assert_eq!(again.0, Some(3), "{again:?}");
    let named = [refused[0], ("ANSINH_KEYS__FILE", file)];
    let (code, _, told) = ansinh(&ground, &["keys", "status"], &named).await?;
    assert_eq!(code, Some(0), "{told}");
    let (code, _, told) = ansinh(&ground, &["serve", "sandbox"], &named).await?;
    assert_eq!(code, Some(1), "{told}");
    assert!(told.contains("sandbox_refused: "), "{told}");
    for arguments in [&["rotate"][..], &["show", "--output", "json"]] {
        let arguments = [&["keys"], arguments, &["--file", file]].concat();
        let (code, said, told) = ansinh(&ground, &arguments, &named).await?;
        assert_eq!(code, Some(0), "{told}");
        for key in keys_in(Path::new(file))? {
            assert!(!said.contains(&key) && !told.contains(&key));
        }
        if arguments.contains(&"json") {
            let mut shown: Value = serde_json::from_str(&said)?;
            let expected = serde_json::json!(
                {"purpose": "production", "current": 2, "retired": [1]}
            );
            // A key that everybody may have: what banks verify our messages with.
            let signing = shown.as_object_mut().and_then(|it| it.remove("signing"));
            let signing: Vec<String> = serde_json::from_value(signing.unwrap_or_default())?;
            assert!(signing.len() == 1 && signing[0].len() == 64, "{signing:?}");
            assert_eq!(shown, expected);
        }
    }
    ground.clear().await
}

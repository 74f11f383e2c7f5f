//! Files that auditors take away, before programs that nobody here wrote, and samples, drawn a second
//! time by another program from the run's pack.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, ensure};
use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::Digest;
use sqlx::AssertSqlSafe;
use tokio::process::Command;

use super::{OURS, sealed_month_at, typed};
use crate::world::World;

const THEIRS: &str = "970405";
const BY: &str = "kiemtoan.an";

/// With a column of each type between them.
const QUESTIONS: [(&str, &str, &[&str]); 6] = [
    (
        "Q01",
        include_str!("../../../services/ansinh/src/commands/audit/questions/q01.sql"),
        &[],
    ),
    (
        "Q04",
        include_str!("../../../services/ansinh/src/commands/audit/questions/q04.sql"),
        &[],
    ),
    (
        "Q13",
        include_str!("../../../services/ansinh/src/commands/audit/questions/q13.sql"),
        &["period=2026-12-01"],
    ),
    (
        "Q19",
        include_str!("../../../services/ansinh/src/commands/audit/questions/q19.sql"),
        &[],
    ),
    (
        "Q22",
        include_str!("../../../services/ansinh/src/commands/audit/questions/q22.sql"),
        &[],
    ),
    (
        "Q30",
        include_str!("../../../services/ansinh/src/commands/audit/questions/q30.sql"),
        &["each=1000", "seed=x"],
    ),
];

/// What a foreign program says of a file.
#[derive(Debug, Deserialize)]
struct Read {
    types: BTreeMap<String, String>,
    rows: Vec<Vec<Option<String>>>,
    control: BTreeMap<String, String>,
}

#[tokio::test(flavor = "multi_thread")]
async fn others_read_in_each_format_what_the_database_has() -> anyhow::Result<()> {
    let banks = [[Some(OURS); 16].as_slice(), &[Some(THEIRS); 8]].concat();
    let world = sealed_month_at(&banks).await?;
    for (id, sql, set) in QUESTIONS {
        let expected = answer(&world, sql, set).await?;
        for format in ["csv", "xlsx", "parquet"] {
            let manifest = taken(&world, id, set, format).await?;
            let file = world.ground.home.join(format!("taken/{id}.{format}"));
            let read: Read = serde_json::from_value(foreign(&["read"], &file).await?)?;
            let named = || format!("{id}.{format}");
            adds_up(&manifest, &read, &std::fs::read(&file)?).with_context(named)?;
            types_are_right(format, &manifest, &read).with_context(named)?;
            let kinds = manifest["columns"].as_array().context("columns")?;
            let read: Vec<Vec<Option<String>>> = read
                .rows
                .iter()
                .map(|row| {
                    row.iter()
                        .zip(kinds)
                        .map(|(it, kind)| plain(it.as_deref(), kind))
                        .collect()
                })
                .collect();
            let expected: Vec<Vec<Option<String>>> = expected
                .iter()
                .map(|row| {
                    row.iter()
                        .zip(kinds)
                        .map(|(it, kind)| plain(it.as_deref(), kind))
                        .collect()
                })
                .collect();
            assert_eq!(read, expected, "{id}.{format}");
        }
    }
    let kept = "SELECT count(*) FROM audit.queries WHERE question = 'Q13'
        AND parameters = '{\"period\": \"2026-12-01\"}'";
    assert_eq!(world.number(kept).await?, 3);
    samples_are_the_seeds(&world).await?;
    world.close().await
}

/// The question's rows as the database says them, every value as text.
async fn answer(
    world: &World,
    sql: &str,
    set: &[&str],
) -> anyhow::Result<Vec<Vec<Option<String>>>> {
    let head = sql.lines().find_map(|it| it.strip_prefix("-- columns: "));
    let columns = head.context("a head")?.split(' ');
    let read: Vec<String> = columns
        .map(|it| format!("to_jsonb(q.{it}) #>> '{{}}'"))
        .collect();
    let mut body = sql.to_owned();
    for (number, it) in (1..).zip(set) {
        let (_, value) = it.split_once('=').context("a parameter")?;
        body = body.replace(&format!("${number}"), &format!("'{value}'"));
    }
    let asked = format!("SELECT ARRAY[{}] FROM (\n{body}\n) q", read.join(", "));
    Ok(sqlx::query_scalar(AssertSqlSafe(asked))
        .fetch_all(&world.pool)
        .await?)
}

/// The same text for the same value, however many digits a format writes.
fn plain(text: Option<&str>, column: &Value) -> Option<String> {
    let text = text?;
    if let Ok(time) = text.parse::<DateTime<Utc>>() {
        return Some(time.timestamp_micros().to_string());
    }
    match text.parse::<Decimal>() {
        Ok(number) if column["type"]["decimal"].is_object() => Some(number.normalize().to_string()),
        _ => Some(text.to_owned()),
    }
}

async fn taken(world: &World, id: &str, set: &[&str], format: &str) -> anyhow::Result<Value> {
    let folder = world.ground.home.join("taken").display().to_string();
    let mut arguments = vec![
        "audit", "query", id, "--by", BY, "-o", format, "--out", &folder,
    ];
    for it in set {
        arguments.extend(["--set", it]);
    }
    let shown = typed(world, &arguments).await?;
    let said = String::from_utf8_lossy(&shown.stderr);
    ensure!(
        shown.status.success() && said.contains(&format!("{id}.{format}: ")),
        "{shown:?}"
    );
    let manifest: Value = serde_json::from_slice(&shown.stdout)?;
    let beside = std::fs::read(Path::new(&folder).join(format!("{id}.manifest.json")))?;
    assert_eq!(manifest, serde_json::from_slice::<Value>(&beside)?);
    Ok(manifest)
}

/// Where `deploy/setup --for-tests` puts the readers.
async fn foreign(before: &[&str], file: &Path) -> anyhow::Result<Value> {
    let home = Path::new(env!("CARGO_MANIFEST_DIR"));
    let readers = home.join("../.ansinh/readers");
    ensure!(
        readers.join("installed").exists(),
        "the readers are not there; `deploy/setup --for-tests` installs them"
    );
    let (asked, rest) = before.split_first().context("what to do")?;
    let output = Command::new("python3")
        .arg(home.join("it/evidence/exports.py"))
        .arg(asked)
        .arg(file)
        .args(rest)
        .env("PYTHONPATH", readers)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .output()
        .await?;
    let said = serde_json::from_slice(&output.stdout);
    said.with_context(|| String::from_utf8_lossy(&output.stderr).into_owned())
}

/// Rows, sum, bytes and hash in the manifest, and inside, are those of the file.
fn adds_up(manifest: &Value, read: &Read, bytes: &[u8]) -> anyhow::Result<()> {
    assert_eq!(manifest["rows"], json!(read.rows.len()));
    assert_eq!(read.control["rows"], read.rows.len().to_string());
    assert_eq!(manifest["bytes"], json!(bytes.len()));
    assert_eq!(manifest["sha256"], hex::encode(sha2::Sha256::digest(bytes)));
    let columns = manifest["columns"].as_array().context("columns")?;
    let Some(at) = columns.iter().position(|it| it["name"] == "amount") else {
        assert_eq!(manifest["sum_amount"], Value::Null);
        return Ok(());
    };
    let mut sum = 0_i64;
    for row in &read.rows {
        sum += row[at].as_deref().unwrap_or("0").parse::<i64>()?;
    }
    assert_eq!(manifest["sum_amount"], sum.to_string());
    assert_eq!(read.control["sum_amount"], sum.to_string());
    ensure!(
        manifest["checkpoint"]["size"].as_u64() > Some(0),
        "{manifest}"
    );
    Ok(())
}

/// As each format types what the database typed.
fn types_are_right(format: &str, manifest: &Value, read: &Read) -> anyhow::Result<()> {
    for column in manifest["columns"].as_array().context("columns")? {
        let name = column["name"].as_str().context("a name")?;
        let is_id = name.ends_with("_no") || name == "programme" || name == "province";
        let expected = match (format, column["type"].as_str()) {
            ("parquet", Some("whole")) => "BIGINT",
            ("parquet", Some("text")) => "VARCHAR",
            ("parquet", Some("date")) => "DATE",
            ("parquet", Some("time")) => "TIMESTAMP WITH TIME ZONE",
            ("parquet", None) => "DECIMAL(18,1)",
            ("xlsx", Some("whole")) if !is_id => "int",
            ("xlsx", Some("date")) => "datetime",
            ("xlsx", Some(_)) => "str",
            _ => continue,
        };
        if let Some(found) = read.types.get(name) {
            assert_eq!(found, expected, "{name}");
        }
    }
    Ok(())
}

async fn sampled(world: &World, more: &[&str]) -> anyhow::Result<std::process::Output> {
    let asked = ["audit", "sample", "R000001", "--by", BY];
    typed(world, &[&asked[..], more].concat()).await
}

async fn samples_are_the_seeds(world: &World) -> anyhow::Result<()> {
    let pack = world.ground.home.join("pack");
    let out = pack.display().to_string();
    let made = typed(world, &["audit", "pack", "R000001", "--out", &out]).await?;
    ensure!(made.status.success(), "{made:?}");
    let list = pack.join("data/lines.csv");
    let mut drawn = Vec::new();
    for seed in ["1", "2", "3", "1"] {
        let shown = sampled(world, &["--method", "mus", "--size", "7", "--seed", seed]).await?;
        ensure!(shown.status.success(), "{shown:?}");
        let told: Value = serde_json::from_slice(&shown.stdout)?;
        let again = foreign(&["draw", "mus", "7", seed], &list).await?;
        let rows = told["rows"].as_array().context("rows")?;
        let rows: Vec<Value> = rows
            .iter()
            .map(|it| json!([it["line_id"], it["unit"], it["units"]]))
            .collect();
        assert_eq!(json!(rows), again["rows"]);
        ensure!((5..=7).contains(&rows.len()), "{rows:?}");
        for (key, by_us) in [
            ("interval", "interval"),
            ("start", "start"),
            ("sum", "population_sum"),
        ] {
            assert_eq!(told["sample"][by_us], again[key], "{key}");
        }
        let total = "SELECT sum(amount)::bigint FROM payments.lines";
        assert_eq!(again["sum"], world.number(total).await?.to_string());
        assert_eq!(told["sample"]["population_rows"], 24);
        drawn.push(rows);
    }
    assert_eq!(drawn[0], drawn[3], "the same seed draws the same sample");
    ensure!(
        drawn[0] != drawn[1] && drawn[1] != drawn[2],
        "another one another"
    );
    strata_give_their_share(world, &list).await?;
    what_cannot_be_drawn_is_refused(world).await?;
    let kept = "SELECT count(*) FROM audit.queries WHERE question = 'sample-mus'
        AND parameters @> '{\"run\": \"R000001\", \"size\": 7, \"seed\": 1}'";
    assert_eq!(world.number(kept).await?, 2);
    Ok(())
}

async fn what_cannot_be_drawn_is_refused(world: &World) -> anyhow::Result<()> {
    for (more, code) in [
        (
            &[
                "--method",
                "stratified",
                "--by-strata",
                "channel",
                "--size",
                "25",
            ][..],
            "sample_size",
        ),
        (
            &[
                "--method",
                "stratified",
                "--by-strata",
                "institution",
                "--size",
                "1",
            ],
            "sample_size",
        ),
    ] {
        let shown = sampled(world, &[more, &["--seed", "1"]].concat()).await?;
        let said = String::from_utf8_lossy(&shown.stderr);
        ensure!(
            shown.status.code() == Some(3) && said.contains(code),
            "{said}"
        );
    }
    let none = [
        "audit", "sample", "R000009", "--by", BY, "--method", "mus", "--size", "5", "--seed", "1",
    ];
    let shown = typed(world, &none).await?;
    let said = String::from_utf8_lossy(&shown.stderr);
    ensure!(
        shown.status.code() == Some(3) && said.contains("population_empty"),
        "{said}"
    );
    Ok(())
}

async fn strata_give_their_share(world: &World, list: &Path) -> anyhow::Result<()> {
    let folder = world.ground.home.join("taken").display().to_string();
    let drawn = [
        "--method",
        "stratified",
        "--by-strata",
        "institution",
        "--size",
        "6",
        "--seed",
        "20261123",
    ];
    let file = ["-o", "parquet", "--out", &folder];
    let shown = sampled(world, &[&drawn[..], &file].concat()).await?;
    ensure!(shown.status.success(), "{shown:?}");
    let manifest: Value = serde_json::from_slice(&shown.stdout)?;
    let sample = &manifest["sample"];
    let expected = json!([
        { "stratum": THEIRS, "lines": 8, "drawn": 2 },
        { "stratum": OURS, "lines": 16, "drawn": 4 },
    ]);
    assert_eq!(sample["strata"], expected, "{sample}");
    assert_eq!(
        (&sample["seed"], &sample["population_rows"]),
        (&json!(20_261_123), &json!(24))
    );
    let path = Path::new(&folder).join("sample-stratified-R000001.parquet");
    let read: Read = serde_json::from_value(foreign(&["read"], &path).await?)?;
    adds_up(&manifest, &read, &std::fs::read(&path)?)?;
    let given = json!({ THEIRS: 2, OURS: 4 }).to_string();
    let asked = ["draw", "stratified", &given, "institution", "20261123"];
    let again = foreign(&asked, list).await?;
    let ids: Vec<&Option<String>> = read.rows.iter().map(|it| &it[0]).collect();
    assert_eq!(json!(ids), again["rows"]);
    Ok(())
}

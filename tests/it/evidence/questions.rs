//! The auditors' own door: views, questions, and nothing behind them.

use anyhow::{Context, ensure};
use serde_json::Value;
use sqlx::Connection;

use super::{sealed_month, typed};
use crate::world::World;

#[tokio::test(flavor = "multi_thread")]
async fn every_question_is_answered_with_its_columns_and_put_on_record() -> anyhow::Result<()> {
    let world = sealed_month().await?;
    let listed = typed(&world, &["audit", "query"]).await?;
    let listed: Vec<Value> = serde_json::from_slice(&listed.stdout)?;
    assert_eq!(listed.len(), 30);
    for it in &listed {
        let id = it["id"].as_str().context("an id")?;
        let rows = asked(&world, id, &parameters(id)).await?;
        if let Some(row) = rows.first() {
            let mut columns: Vec<&str> = row
                .as_object()
                .context("a row")?
                .keys()
                .map(|it| &it[..])
                .collect();
            let named = it["columns"].as_array().context("columns")?;
            let mut expected: Vec<&str> = named.iter().filter_map(Value::as_str).collect();
            columns.sort_unstable();
            expected.sort_unstable();
            assert_eq!(columns, expected, "{id}");
        }
        let expected = match id {
            // What must never be.
            "Q02" | "Q03" | "Q06" | "Q07" | "Q15" | "Q17" => Some(0),
            "Q01" => Some(1),
            _ => None,
        };
        assert!(expected.is_none_or(|it| it == rows.len()), "{id}: {rows:?}");
    }
    let totals = &asked(&world, "Q01", &[]).await?[0];
    assert_eq!(totals["credited"], totals["booked"], "{totals}");
    assert_eq!(totals["credited"], totals["stated"], "{totals}");
    let on_record = "SELECT count(*) FROM audit.queries WHERE asked_by = 'kiemtoan.an'";
    assert_eq!(world.number(on_record).await?, 31);

    let draw = |seed: &str| vec!["each=2".to_owned(), format!("seed={seed}")];
    let (one, again) = (
        asked(&world, "Q30", &draw("a")).await?,
        asked(&world, "Q30", &draw("a")).await?,
    );
    assert_eq!(one, again);
    assert_ne!(one, asked(&world, "Q30", &draw("b")).await?);
    what_is_wrong_is_told(&world).await?;
    what_is_taken_away_adds_up(&world).await?;
    nothing_lies_behind_the_views(&world).await?;
    world.close().await
}

fn parameters(id: &str) -> Vec<String> {
    let set: &[&str] = match id {
        "Q08" | "Q13" | "Q14" => &["period=2026-12-01"],
        "Q09" => &["times=3"],
        "Q11" => &["days=7"],
        "Q21" => &["hours=24"],
        "Q28" => &["before=2026-11-01", "after=2026-12-01"],
        "Q30" => &["each=2", "seed=20261123"],
        _ => &[],
    };
    set.iter().map(|it| (*it).to_owned()).collect()
}

async fn asked(world: &World, id: &str, set: &[String]) -> anyhow::Result<Vec<Value>> {
    let mut arguments = vec!["audit", "query", id, "--by", "kiemtoan.an"];
    for it in set {
        arguments.extend(["--set", it]);
    }
    let shown = typed(world, &arguments).await?;
    ensure!(shown.status.success(), "{id}: {shown:?}");
    Ok(serde_json::from_slice(&shown.stdout)?)
}

async fn what_is_wrong_is_told(world: &World) -> anyhow::Result<()> {
    let by = ["--by", "kiemtoan.an"];
    for (asked, code) in [
        (&["Q31"][..], "question_unknown"),
        (&["Q13"], "parameter_missing"),
        (&["Q13", "--set", "period=hôm nay"], "parameter_invalid"),
        (&["Q13", "--set", "kỳ=2026-12-01"], "parameter_unknown"),
    ] {
        let shown = typed(world, &[&["audit", "query"], asked, &by].concat()).await?;
        let said = String::from_utf8_lossy(&shown.stderr);
        ensure!(
            shown.status.code() == Some(3) && said.contains(code),
            "{code}: {said}"
        );
    }
    Ok(())
}

/// Count and sum stand in the manifest, and are those of the file.
async fn what_is_taken_away_adds_up(world: &World) -> anyhow::Result<()> {
    let out = world.ground.home.join("taken");
    let folder = out.to_str().context("a path")?;
    let set = ["--set", "each=1000", "--set", "seed=x"];
    let asked = [
        &[
            "audit",
            "query",
            "Q30",
            "--by",
            "kiemtoan.an",
            "--out",
            folder,
        ],
        &set[..],
    ]
    .concat();
    let shown = typed(world, &asked).await?;
    ensure!(shown.status.success(), "{shown:?}");
    let manifest: Value = serde_json::from_slice(&std::fs::read(out.join("Q30.manifest.json"))?)?;
    let text = std::fs::read_to_string(out.join("Q30.csv"))?;
    ensure!(
        text.starts_with('\u{feff}'),
        "a spreadsheet reads it as UTF-8"
    );
    let mut file = csv::Reader::from_reader(text.trim_start_matches('\u{feff}').as_bytes());
    let (mut rows, mut sum) = (0, 0_i64);
    for row in file.records() {
        sum += row?[3].parse::<i64>()?;
        rows += 1;
    }
    let total = "SELECT sum(amount)::bigint FROM payments.lines";
    assert_eq!((rows, sum), (24, world.number(total).await?));
    assert_eq!(manifest["rows"], rows);
    assert_eq!(manifest["sum_amount"], sum.to_string());
    let hash = hex::encode(<sha2::Sha256 as sha2::Digest>::digest(&text));
    assert_eq!(manifest["sha256"], hash);
    ensure!(
        manifest["checkpoint"]["size"].as_u64() > Some(0),
        "{manifest}"
    );
    Ok(())
}

/// With psql and the role, the views are there, each column in words, and no table is.
async fn nothing_lies_behind_the_views(world: &World) -> anyhow::Result<()> {
    let silent: Vec<String> = sqlx::query_scalar(
        "SELECT c.relname || '.' || a.attname FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
        WHERE c.relnamespace = 'audit'::regnamespace AND c.relkind = 'v' AND a.attnum > 0
            AND col_description(c.oid, a.attnum) IS NULL",
    )
    .fetch_all(&world.pool)
    .await?;
    assert_eq!(silent, Vec::<String>::new());
    let tables: Vec<String> = sqlx::query_scalar(
        "SELECT schemaname || '.' || tablename FROM pg_tables
        WHERE schemaname NOT IN ('pg_catalog', 'information_schema', 'audit', 'public')",
    )
    .fetch_all(&world.pool)
    .await?;
    let mut connection = world.pool.acquire().await?;
    for (table, may) in tables
        .iter()
        .map(|it| (&it[..], false))
        .chain([("audit.payments", true)])
    {
        let mut tx = connection.begin().await?;
        sqlx::raw_sql("SET LOCAL ROLE ansinh_auditor")
            .execute(&mut *tx)
            .await?;
        let read = sqlx::AssertSqlSafe(format!("SELECT count(*) FROM {table}"));
        assert_eq!(
            sqlx::raw_sql(read).execute(&mut *tx).await.is_ok(),
            may,
            "{table}"
        );
        tx.rollback().await?;
    }
    for change in [
        "INSERT INTO audit.queries DEFAULT VALUES",
        "DELETE FROM audit.checkpoints",
    ] {
        let mut tx = connection.begin().await?;
        sqlx::raw_sql("SET LOCAL ROLE ansinh_auditor")
            .execute(&mut *tx)
            .await?;
        let told = sqlx::raw_sql(change)
            .execute(&mut *tx)
            .await
            .expect_err(change);
        let code = told
            .as_database_error()
            .and_then(|it| it.code().map(std::borrow::Cow::into_owned));
        assert_eq!(code.as_deref(), Some("42501"), "{change}");
        tx.rollback().await?;
    }
    Ok(())
}

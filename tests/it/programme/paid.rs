//! What follows from the law for people: why a line pays what it pays, whether it still follows, and
//! what another law would change.

use anyhow::{Context, ensure};
use domain::{Programme, RunNo};
use payments::OpenRun;
use serde_json::Value;

use super::{ansinh, folder};
use crate::world::{REGISTRY_HEADER, World};

/// One in Hà Nội, which has a level of its own, and one in Hưng Yên, which has none.
const PEOPLE: &str = "001048000001,Nguyễn Văn Ân,12/05/1948,nam,01,HTXH,,,
033048000001,Lê Văn Ba,12/05/1948,nam,33,HTXH,,,
";

#[tokio::test]
async fn what_is_paid_is_explained_recomputed_and_simulated() -> anyhow::Result<()> {
    let world = World::with_hand_played_banks(|_| {}).await?;
    world.register(format!("{REGISTRY_HEADER}{PEOPLE}")).await?;
    let run_no = world.open(Programme::SocialPension).await?;
    world.until_state(run_no, "awaiting_approval").await?;

    is_explained(&world, run_no).await?;
    is_recomputed(&world).await?;
    is_simulated(&world).await?;
    world.close().await
}

/// HTXH has a version from 2025-07 on.
#[tokio::test]
async fn a_month_of_which_the_law_says_nothing_waits_and_holds_up_no_other() -> anyhow::Result<()> {
    let world = World::with_hand_played_banks(|_| {}).await?;
    world.register(format!("{REGISTRY_HEADER}{PEOPLE}")).await?;
    let early = OpenRun {
        period: "2025-06".parse()?,
        business_date: "2025-06-02".parse()?,
        ..world.opening(Programme::SocialPension)
    };
    let early = serde_json::to_value(early)?;
    let opened = world.ask("open-run", "early", &early).await?;
    let waiting: RunNo = opened["run"].as_str().context("a number")?.parse()?;
    let run_no = world.open(Programme::SocialPension).await?;
    world.until_state(run_no, "awaiting_approval").await?;

    // Each of the two is in a partition of its own; the partitions without people are done.
    let obstacles = "SELECT count(*) FROM eligibility.freezes
        WHERE period = '2025-06-01' AND NOT done AND obstacle LIKE '%2025-06%'";
    world
        .until("both wait for their law", async || {
            Ok(world.number(obstacles).await? == 2)
        })
        .await?;
    let determined = "SELECT count(*) FROM eligibility.determinations WHERE period = '2025-06-01'";
    assert_eq!(world.number(determined).await?, 0);
    assert_eq!(world.summary(waiting).await?.state, "preparing");
    world.close().await
}

async fn is_explained(world: &World, run_no: RunNo) -> anyhow::Result<()> {
    let lines = world.lines(run_no).await?;
    assert_eq!(lines.len(), 2);
    for line in lines {
        let id = line.end_to_end_id.to_string();
        let explain = ["eligibility", "explain", &id];
        let json = [&explain[..], &["--output", "json"]].concat();
        let told = ansinh(Some(&world.ground), &json).await?.json()?;
        let stored: (String, String) = sqlx::query_as(
            "SELECT inputs, explanation FROM eligibility.determinations WHERE person_no = $1",
        )
        .bind(line.person_no)
        .fetch_one(&world.pool)
        .await?;
        assert_eq!(
            (&told["inputs"], &told["explanation"]),
            (&stored.0.into(), &stored.1.into())
        );
        assert_eq!(
            (&told["law_no"], &told["rule"]),
            (&1.into(), &"HTXH/2025-07".into())
        );
        assert_eq!(told["amount"], line.amount.units().to_string());
        for (lang, begins) in [("vi", "kỳ 12/2026"), ("en", "period 12/2026")] {
            let in_language = [&explain[..], &["--lang", lang]].concat();
            let said = ansinh(Some(&world.ground), &in_language).await?.out;
            let first = format!("{id}: {}, {begins}\n", line.amount.vi());
            assert!(said.starts_with(&first), "{said}");
            let sentences = told[lang].as_array().context("sentences")?;
            assert!(!sentences.is_empty());
            for sentence in sentences {
                assert!(
                    said.contains(sentence.as_str().context("a text")?),
                    "{said}"
                );
            }
        }
    }
    let unknown = ["eligibility", "explain", "R000999-07-0001-0001"];
    ansinh(Some(&world.ground), &unknown)
        .await?
        .refused("line_unknown");
    Ok(())
}

async fn is_recomputed(world: &World) -> anyhow::Result<()> {
    let recompute = ["eligibility", "recompute", "--workers", "3", "--seed", "11"];
    let recompute = [&recompute[..], &["--output", "json"]].concat();
    let said = ansinh(Some(&world.ground), &recompute).await?;
    assert_eq!(said.code, Some(0), "{}", said.err);
    assert_eq!(said.json()?["identical"], 2);

    // By the owner of the database, who can take the trigger away.
    let tampered = |from: &str, to: &str| {
        format!(
            "ALTER TABLE eligibility.determinations DISABLE TRIGGER append_only;
            UPDATE eligibility.determinations SET explanation =
                replace(explanation, '{from}', '{to}') WHERE person_no = 2;
            ALTER TABLE eligibility.determinations ENABLE TRIGGER append_only"
        )
    };
    let change = sqlx::AssertSqlSafe(tampered("HTXH", "htxh"));
    sqlx::raw_sql(change).execute(&world.pool).await?;
    let said = ansinh(Some(&world.ground), &recompute).await?;
    assert_eq!(said.code, Some(8), "{}{}", said.out, said.err);
    let told = said.json()?;
    assert_eq!(
        (&told["identical"], &told["different"]),
        (&1.into(), &1.into())
    );
    let place = &told["differences"][0];
    assert_eq!(place["person_no"], 2, "{place}");
    assert_eq!(place["what"], "explanation", "{place}");
    let change = sqlx::AssertSqlSafe(tampered("htxh", "HTXH"));
    sqlx::raw_sql(change).execute(&world.pool).await?;
    Ok(())
}

async fn is_simulated(world: &World) -> anyhow::Result<()> {
    let stored = "SELECT (SELECT count(*) FROM eligibility.determinations)
        + (SELECT count(*) FROM eligibility.laws) + (SELECT count(*) FROM messaging.outbox)";
    let before = world.number(stored).await?;
    let draft = folder(&world.ground.home, "draft", |it| {
        let row = "social_pension,,600000,VND/month,2026-07-01,,2026-11-25,Dự thảo,low\n";
        it.get_mut("parameters.csv")
            .expect("it is there")
            .push_str(row);
    })?;
    let simulate = [
        "eligibility",
        "simulate",
        "--rules",
        &draft,
        "--period",
        "2026-12",
    ];
    let known = ["--known", "2026-12-01", "--output", "json"];
    let said = ansinh(Some(&world.ground), &[&simulate[..], &known].concat()).await?;
    assert_eq!(said.code, Some(0), "{}", said.err);
    let told = said.json()?;
    let rows = told["rows"].as_array().context("rows")?;
    let row = |it: &Value| {
        [
            "programme",
            "bucket",
            "people",
            "in_force",
            "draft",
            "difference",
        ]
        .map(|key| it[key].to_string().replace('"', ""))
    };
    let expected = [
        ["HTXH", "up", "1", "540000", "600000", "60000"],
        ["HTXH", "same", "1", "650000", "650000", "0"],
    ];
    let told: Vec<[String; 6]> = rows.iter().map(row).collect();
    assert_eq!(told, expected.map(|it| it.map(str::to_owned)));

    let by_province = [&simulate[..], &known, &["--by-province"]].concat();
    let told = ansinh(Some(&world.ground), &by_province).await?.json()?;
    let provinces = [&told["rows"][0]["province"], &told["rows"][1]["province"]];
    assert_eq!(provinces, ["33", "01"]);
    ensure!(
        before == world.number(stored).await?,
        "a simulation has written"
    );
    Ok(())
}

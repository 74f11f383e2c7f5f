//! An auditor's first quarter of an hour: the commands of the README's page, one after the other.

use std::path::Path;
use std::process::Output;

use anyhow::{Context, ensure};
use serde_json::Value;
use tokio::process::Command;

use super::{Copy, log_of, sealed_month, until_sealed};
use crate::ground::{Ground, ansinh_binary, url_of_database};
use crate::world::World;

const README: &str = include_str!("../../../README.md");
/// What the page writes for the payment that is looked at.
const LINE: &str = "R000001-07-0001-0042";

#[tokio::test(flavor = "multi_thread")]
async fn the_readme_leads_an_auditor_through_fifteen_minutes() -> anyhow::Result<()> {
    let world = sealed_month().await?;
    let line: String = sqlx::query_scalar(
        "SELECT line_id FROM audit.payments WHERE state = 'credited' ORDER BY line_id LIMIT 1",
    )
    .fetch_one(&world.pool)
    .await?;
    let desk = world.ground.home.join("desk");
    std::fs::create_dir(&desk)?;
    std::os::unix::fs::symlink(ansinh_binary()?, desk.join("ansinh"))?;
    // Kept from before, as the page says.
    std::fs::copy(
        world.ground.log_dir().join("checkpoint"),
        desk.join("checkpoint"),
    )?;
    let commands: Vec<&str> = page()?.collect();
    ensure!(commands.len() >= 9, "{commands:?}");
    let mut said = String::new();
    for command in &commands {
        let command = command.replace(LINE, &line);
        // Nothing that waits is left out when somebody verifies.
        until_sealed(&world).await?;
        let shown = typed(&world.ground, &desk, &command).await?;
        ensure!(shown.status.success(), "{command}: {shown:?}");
        said.push_str(&format!("$ {command}\n"));
        said.push_str(&String::from_utf8(shown.stdout)?);
        said.push_str(&String::from_utf8(shown.stderr)?);
    }
    for expected in [
        "all invariants hold",
        "KHÔNG chứng minh",
        "chế độ chỉ đọc",
        "FROM audit.payments",
        "1. Vì sao được hưởng",
        "valid",
        "3/3 bút toán có trong nhật ký",
        "R000001: 24 khoản",
    ] {
        ensure!(said.contains(expected), "{expected} is missing in\n{said}");
    }
    the_story_is_that_of_the_tables(&world, &desk, &line).await?;
    a_changed_byte_is_named(&world, &desk, commands.last().context("a command")?).await?;
    let ground = world.end().await?;
    a_story_that_was_changed_is_none(&ground, &desk, &line).await?;
    ground.clear().await
}

/// The commands of the page, comments left out.
fn page() -> anyhow::Result<impl Iterator<Item = &'static str>> {
    let (_, page) = README
        .split_once("The first fifteen minutes")
        .context("the page")?;
    let block = page.split("```").nth(1).context("its commands")?;
    let commands = block
        .lines()
        .map(|it| it.split("  #").next().unwrap_or(it).trim());
    Ok(commands.filter(|it| !it.is_empty()))
}

/// As in a shell at the auditor's desk, where the log's key was noted down.
async fn typed(ground: &Ground, desk: &Path, command: &str) -> anyhow::Result<Output> {
    let (_, key) = log_of(ground)?;
    let path = std::env::var("PATH")?;
    Ok(Command::new("bash")
        .args(["-c", command])
        .current_dir(desk)
        .envs(ground.env())
        .env("PATH", format!("{}:{path}", desk.display()))
        .env("LOG_KEY", key.verifier_key())
        .env("PYTHONIOENCODING", "utf-8")
        .output()
        .await?)
}

async fn the_story_is_that_of_the_tables(
    world: &World,
    desk: &Path,
    line: &str,
) -> anyhow::Result<()> {
    let command = format!("ansinh audit payment {line} --by kiemtoan.an --output json");
    let shown = typed(&world.ground, desk, &command).await?;
    let story: Value = serde_json::from_slice(&shown.stdout)?;
    let amount: String =
        sqlx::query_scalar("SELECT amount::text FROM audit.payments WHERE line_id = $1")
            .bind(line)
            .fetch_one(&world.pool)
            .await?;
    assert_eq!(story["payment"]["amount"], amount.as_str());
    let count = |it: &str| story[it].as_array().map_or(0, Vec::len);
    assert_eq!((count("transfers"), count("breaks")), (3, 0), "{story}");
    // The order, the answer and the statement.
    let subjects: Vec<&str> = story["messages"]
        .as_array()
        .context("messages")?
        .iter()
        .filter_map(|it| it["subject"].as_str())
        .collect();
    for expected in ["instructions.v2", "results.v1", "statement.v2"] {
        ensure!(
            subjects.iter().any(|it| it.contains(expected)),
            "{expected}: {subjects:?}"
        );
    }
    let none = "ansinh audit payment R000999-00-0001-0001 --by kiemtoan.an";
    let refused = typed(&world.ground, desk, none).await?;
    assert_eq!(refused.status.code(), Some(3), "{refused:?}");
    let asked = "SELECT count(*) FROM audit.queries WHERE question = 'payment'";
    assert_eq!(world.number(asked).await?, 3);
    Ok(())
}

async fn a_changed_byte_is_named(world: &World, desk: &Path, verify: &str) -> anyhow::Result<()> {
    let list = desk.join("pack/data/lines.csv");
    let mut bytes = std::fs::read(&list)?;
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&list, bytes)?;
    let shown = typed(&world.ground, desk, verify).await?;
    let said = String::from_utf8([shown.stdout, shown.stderr].concat())?;
    ensure!(
        shown.status.code() == Some(8) && said.contains("data/lines.csv"),
        "{said}"
    );
    Ok(())
}

/// A signed text, and what was booked, as somebody left them who may do anything.
async fn a_story_that_was_changed_is_none(
    ground: &Ground,
    desk: &Path,
    line: &str,
) -> anyhow::Result<()> {
    for change in [
        "UPDATE payments.acts SET statement = statement || ' ' WHERE signature IS NOT NULL",
        "UPDATE ledger.transfers SET amount = amount + 1 WHERE chunk > 0",
    ] {
        let copy = Copy::of(ground).await?;
        copy.change(change).await?;
        let url = url_of_database(&ground.database_url, &copy.name)?;
        let command = format!("DATABASE_URL='{url}' ansinh audit payment {line} --by kiemtoan.an");
        let shown = typed(ground, desk, &command).await?;
        assert_eq!(shown.status.code(), Some(8), "{change}: {shown:?}");
        copy.drop().await?;
    }
    Ok(())
}

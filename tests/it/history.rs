//! A month is paid beside earlier runs as it is without them: small here, at size by `make bench-history`.

use std::ffi::OsString;
use std::path::Path;

use anyhow::{Context, ensure};
use serde_json::Value;
use tokio::process::Command;

use crate::ground::{Ground, ansinh_binary};

const PEOPLE: &str = "300";
const RUNS: u64 = 6;
const LINES: u64 = 200;

/// What tells where programs are, and not whose servers run.
const KEPT: [&str; 3] = ["HOME", "ANSINH_PG_BIN", "ANSINH_NATS_BIN"];

/// The project's own programs, which are looked for from the folder where a command is typed.
fn path() -> anyhow::Result<OsString> {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.ansinh/bin");
    let others = std::env::var_os("PATH").unwrap_or_default();
    let all = std::iter::once(own).chain(std::env::split_paths(&others));
    Ok(std::env::join_paths(all)?)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn earlier_runs_are_in_the_tables_and_the_month_is_paid() -> anyhow::Result<()> {
    let ground = Ground::new().await?;
    let output = Command::new(ansinh_binary()?)
        .args(["bench", "--people", PEOPLE, "--history-runs"])
        .args([
            RUNS.to_string(),
            "--history-lines".to_owned(),
            LINES.to_string(),
        ])
        // Its servers are its own, in the folder where it is started, and not those of the tests.
        .current_dir(&ground.home)
        .env_clear()
        .envs(std::env::vars().filter(|(it, _)| KEPT.contains(&&it[..])))
        .env("PATH", path()?)
        .kill_on_drop(true)
        .output()
        .await?;
    let (said, errors) = (
        String::from_utf8(output.stdout)?,
        String::from_utf8_lossy(&output.stderr),
    );
    ensure!(output.status.success(), "{said}\n{errors}");
    let measured: Value = serde_json::from_str(said.lines().last().context("a last line")?)?;
    let number = |place: &str| measured.pointer(place).and_then(Value::as_u64);
    let history = number("/history_lines").context("lines of a run")?;
    ensure!(history > LINES / 2, "{measured}");
    // Determination, way, obligation, line, three transfers, result, entry, match.
    let rows = number("/history_rows").context("rows of the history")?;
    ensure!(rows >= RUNS * history * 10, "{measured}");
    let paid = |month: &str| number(&format!("/{month}/payments"));
    ensure!(paid("with") > Some(0), "{measured}");
    ensure!(paid("with") == paid("without"), "{measured}");
    ensure!(measured["invariants_hold"] == true, "{measured}");
    ground.clear().await
}

//! A bank that takes files hears the state with what it was handed and nothing else: no database, no
//! keys of the state.

use std::path::{Path, PathBuf};
use std::process::Output;

use anyhow::{Context, ensure};
use domain::{Money, Programme};
use iso20022::{ReportWriter, mapping};
use serde_json::Value;
use tokio::process::Command;

use crate::ground::ansinh_binary;
use crate::world::{World, credited, institution, pensioners};

const PROGRAMME: Programme = Programme::RetirementPension;
/// No other test hands anything to this one.
const BANK: &str = "970418";

#[tokio::test(flavor = "multi_thread")]
async fn orders_come_whole_once_and_open_for_their_bank_alone() -> anyhow::Result<()> {
    let world = World::with_hand_played_banks(|it| it.payments.result_sla_ms = 600_000).await?;
    let (registry, links) = pensioners(&[[Some(BANK); 30].as_slice(), &[Some("970405")]].concat());
    world.register(registry).await?;
    world.link(links).await?;
    let run_no = world.released(PROGRAMME).await?;
    let told = world.instructions(institution(BANK)).await?;
    assert_eq!(told.len(), 30);
    let (handed, confirmed_key) = handed_out(&world).await?;

    nobody_else_opens_them(&world, &handed).await?;
    let orders = world.ground.home.join("orders");
    let said = received(&world, &handed, &orders, 0).await?;
    assert_eq!((&said["lines"], &said["refused"]), (&30.into(), &no()));
    let files = xml_files(&orders)?;
    assert_eq!(said["orders"], files.len());
    let mut accounts = Vec::new();
    for file in &files {
        let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(file)?.permissions());
        assert_eq!(mode & 0o777, 0o600);
        let text = std::fs::read_to_string(file)?;
        accounts.extend(text.matches("<CdtrAcct>").map(|_| ()));
        let shown = typed(&world, &["iso", "validate"], file).await?;
        ensure!(shown.status.success(), "{shown:?}");
    }
    assert_eq!(accounts.len(), 30);
    // Again nothing comes, whoever is asked: what was received is remembered beside the files.
    let said = received(&world, &handed, &orders, 0).await?;
    assert_eq!((&said["orders"], &said["lines"]), (&0.into(), &0.into()));
    a_lost_folder_is_filled_again(&world, &handed, &files).await?;

    // The bank's answer to what it read there moves the money.
    let report = world.ground.home.join("report.xml");
    let said = events::Results {
        institution: institution(BANK),
        part: domain::Part::ZERO,
        message_id: "KQ-1".to_owned(),
        lines: told.iter().map(credited).collect(),
    };
    let mut writer = ReportWriter::begin(std::fs::File::create(&report)?)?;
    for item in mapping::report(&said, chrono::Utc::now())? {
        writer.item(&item)?;
    }
    writer.finish()?;
    let number = confirmed_key.to_string();
    world.hand_key("pham.dung").await?;
    let confirm = ["bank", "confirm-key", &number, "--by", "pham.dung"];
    let shown = typed(&world, &confirm, Path::new("--output=json")).await?;
    ensure!(shown.status.success(), "{shown:?}");
    let key = handed.join("signing.key");
    let key = key.to_str().context("a path")?;
    let import = [
        "bank",
        "import",
        "--institution",
        BANK,
        "--key",
        key,
        "--by",
        "le.an",
    ];
    let shown = typed(&world, &import, &report).await?;
    ensure!(shown.status.success(), "{shown:?}");
    let it = world.summary(run_no).await?;
    let all = Money::sum(told.iter().map(|it| it.amount));
    assert_eq!((it.credited_lines, it.credited_total), (30, all));
    world.close().await
}

fn no() -> Value {
    Value::Object(serde_json::Map::new())
}

/// What an operator hands to the bank, and the number of its key.
async fn handed_out(world: &World) -> anyhow::Result<(PathBuf, i64)> {
    let folder = world.ground.home.join("handed");
    let rotate = ["bank", "rotate", "--institution", BANK, "--by", "le.an"];
    let rotate = [&rotate[..], &["--output", "json", "--out"]].concat();
    let issued = typed(world, &rotate, &folder).await?;
    ensure!(issued.status.success(), "{issued:?}");
    let issued: Value = serde_json::from_slice(&issued.stdout)?;
    Ok((folder, issued["key_no"].as_i64().context("a number")?))
}

/// With another bank's key nothing is written, and with keys that are not the state's nothing is
/// believed; both times nothing is lost.
async fn nobody_else_opens_them(world: &World, handed: &Path) -> anyhow::Result<()> {
    let wrong = world.ground.home.join("wrong");
    for (file, text, code) in [
        ("exchange.key", "07".repeat(32), "account_unreadable"),
        ("state.pub", "07".repeat(32), "signature_wrong"),
        ("exchange.key", "0".repeat(63), "exchange_key_invalid"),
        ("state.pub", String::new(), "state_key_invalid"),
    ] {
        std::fs::create_dir_all(&wrong)?;
        for kept in ["nats.nk", "exchange.key", "state.pub"] {
            std::fs::copy(handed.join(kept), wrong.join(kept))?;
        }
        std::fs::write(wrong.join(file), text)?;
        let out = world.ground.home.join(format!("nothing-{code}"));
        let shown = receive(world, &wrong, &out).await?;
        let said = [&shown.stdout[..], &shown.stderr[..]].concat();
        let said = String::from_utf8(said)?;
        assert_ne!(shown.status.code(), Some(0), "{code}: {said}");
        assert!(said.contains(code), "{code}: {said}");
        let written = if out.exists() {
            xml_files(&out)?
        } else {
            Vec::new()
        };
        assert_eq!(written.len(), 0, "{code}");
    }
    Ok(())
}

/// A bank that lost its folder asks for all of it again.
async fn a_lost_folder_is_filled_again(
    world: &World,
    handed: &Path,
    files: &[PathBuf],
) -> anyhow::Result<()> {
    let other = world.ground.home.join("again");
    received(world, handed, &other, 0).await?;
    let again = xml_files(&other)?;
    assert_eq!(again.len(), files.len());
    for (one, two) in files.iter().zip(&again) {
        assert_eq!(
            std::fs::read(one)?,
            std::fs::read(two)?,
            "{}",
            one.display()
        );
    }
    Ok(())
}

async fn received(world: &World, handed: &Path, out: &Path, code: i32) -> anyhow::Result<Value> {
    let shown = receive(world, handed, out).await?;
    ensure!(shown.status.code() == Some(code), "{shown:?}");
    Ok(serde_json::from_slice(&shown.stdout)?)
}

async fn receive(world: &World, handed: &Path, out: &Path) -> anyhow::Result<Output> {
    let (handed, url) = (handed.to_str().context("a path")?, world.ground.nats.url());
    let receive = ["bank", "receive", "--institution", BANK, "--nats-url", url];
    let how = [
        "--credentials",
        handed,
        "--debtor-account",
        "3713.0.1",
        "--wait-seconds",
        "9",
    ];
    let receive = [&receive[..], &how, &["--output", "json", "--out"]].concat();
    // Of the installation's environment a bank has nothing.
    let mut command = Command::new(ansinh_binary()?);
    command.args(receive).arg(out);
    for (name, _) in world.ground.env() {
        command.env_remove(name);
    }
    Ok(command.output().await?)
}

async fn typed(world: &World, arguments: &[&str], last: &Path) -> anyhow::Result<Output> {
    let mut command = Command::new(ansinh_binary()?);
    command.args(arguments).arg(last).envs(world.ground.env());
    command.arg("--home").arg(&world.ground.home);
    Ok(command.output().await?)
}

fn xml_files(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|it| it == "xml") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

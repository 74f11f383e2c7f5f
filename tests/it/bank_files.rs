//! What banks' engineers do with files, as they type it.

use std::path::{Path, PathBuf};

use domain::Programme;
use serde_json::{Value, json};
use tokio::process::Command;

use crate::ground::ansinh_binary;
use crate::world::{World, pensioners};

fn sample(name: &str) -> PathBuf {
    let samples = "../libs/iso20022/tests/it/foreign";
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join(samples)
        .join(name)
}

/// Exit code and output.
async fn typed(arguments: &[&str], file: &Path) -> anyhow::Result<(Option<i32>, String)> {
    let output = Command::new(ansinh_binary()?)
        .arg("iso")
        .args(arguments)
        .arg(file)
        .output()
        .await?;
    Ok((output.status.code(), String::from_utf8(output.stdout)?))
}

#[tokio::test]
async fn a_bank_sees_what_its_file_says_and_no_account_or_name() -> anyhow::Result<()> {
    for (name, says, hides) in [
        ("prefixed_02.xml", "returned AC04", "9527112345678"),
        ("pages.mt940", "R000001-07-0001-0003", "0011004123456"),
        ("extended_08.xml", "•••• 3456", "NGUYEN THI ANH"),
        ("report_03.xml", "RJCT BE01", "NGUYEN THI ANH"),
    ] {
        for output in ["table", "json"] {
            let (code, said) = typed(&["read", "--output", output], &sample(name)).await?;
            assert_eq!(code, Some(0), "{name}");
            assert!(said.contains(says), "{name}: {said}");
            assert!(!said.contains(hides), "{name}: {said}");
        }
    }
    let (_, few) = typed(
        &["read", "--limit", "2", "--output", "json"],
        &sample("bare.mt940"),
    )
    .await?;
    let few: Value = serde_json::from_str(&few)?;
    let shown = few["items"].as_array().map(Vec::len);
    assert_eq!((shown, &few["more"]), (Some(2), &json!(15)));
    Ok(())
}

#[tokio::test]
async fn a_bank_is_told_what_is_wrong_and_where() -> anyhow::Result<()> {
    let (code, said) = typed(&["validate"], &sample("one_line_04.xml")).await?;
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("camt.053.001.04"), "{said}");

    let text = std::fs::read_to_string(sample("report_03.xml"))?;
    let wrong = std::env::temp_dir().join(format!("ansinh-report-{}.xml", std::process::id()));
    std::fs::write(&wrong, text.replacen(">RJCT<", ">rejected<", 2))?;
    let (code, table) = typed(&["validate"], &wrong).await?;
    let (_, json) = typed(&["validate", "--output", "json"], &wrong).await?;
    let read = typed(&["read"], &wrong).await?;
    std::fs::remove_file(&wrong)?;
    assert_eq!((code, read.0), (Some(3), Some(3)), "{table}");
    assert!(table.contains("line 16, column 50"), "{table}");
    assert!(table.contains("dòng 16, cột 50"), "{table}");
    let json: Value = serde_json::from_str(&json)?;
    assert_eq!(json["code"], "code_invalid");
    assert_eq!((&json["line"], &json["valid"]), (&json!(16), &json!(false)));

    let (code, _) = typed(&["validate"], Path::new("no-such-file.xml")).await?;
    assert_eq!(code, Some(1));
    Ok(())
}

const BANK: &str = "970436";

/// Exit code and output of a command on a world's servers.
async fn files(world: &World, institution: &str, out: &Path) -> anyhow::Result<(i32, String)> {
    let output = Command::new(ansinh_binary()?)
        .args([
            "sandbox",
            "files",
            "--output",
            "json",
            "--date",
            "2026-12-01",
        ])
        .args(["--institution", institution, "--out"])
        .arg(out)
        .envs(world.ground.env())
        .output()
        .await?;
    let said = String::from_utf8([output.stdout, output.stderr].concat())?;
    Ok((output.status.code().unwrap_or(-1), said))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_banks_day_is_written_as_files_that_add_up() -> anyhow::Result<()> {
    let world = World::with(|it| it.payments.result_sla_ms = 2_000).await?;
    let (registry, links) = pensioners(&[Some(BANK); 40]);
    world.register(registry).await?;
    world.link(links).await?;
    let run_no = world.released(Programme::RetirementPension).await?;
    world
        .until("the bank has answered", async || {
            let it = world.summary(run_no).await?;
            Ok(it.waiting_lines == 0)
        })
        .await?;
    world.end_of_day().await?;
    world
        .until("the run can be closed", async || {
            Ok(world.close_run(run_no).await.is_ok())
        })
        .await?;

    let folder = world.ground.home.join("files");
    let (code, said) = files(&world, BANK, &folder).await?;
    assert_eq!(code, 0, "{said}");
    let said: Value = serde_json::from_str(&said)?;
    assert_eq!(said["statements"], 1, "{said}");

    // Every line of the run stands in one order; each file is what a bank may send.
    let (mut ordered, mut answered, mut stated) = (0, 0, 0);
    for entry in std::fs::read_dir(&folder)? {
        let path = entry?.path();
        let (code, shown) = typed(&["read", "--output", "json", "--limit", "9999"], &path).await?;
        assert_eq!(code, Some(0), "{}: {shown}", path.display());
        let shown: Value = serde_json::from_str(&shown)?;
        let items = shown["items"].as_array().into_iter().flatten();
        let single = items.filter(|it| it["item"] == "line" || it["item"] == "detail");
        match shown["format"].as_str() {
            Some("pain.001.001.09") => ordered += single.count(),
            Some("pain.002.001.10") => answered += single.count(),
            Some("camt.053.001.08") => stated += single.count(),
            other => anyhow::bail!("{other:?} is none of a bank's files"),
        }
    }
    let it = world.summary(run_no).await?;
    assert_eq!((ordered, i64::try_from(stated)?), (40, it.credited_lines));
    assert!(answered >= stated, "{answered} of {stated}");

    let nothing = world.ground.home.join("nothing");
    let (code, said) = files(&world, "970405", &nothing).await?;
    assert_eq!(code, 3, "{said}");
    world.close().await
}

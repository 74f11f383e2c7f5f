//! What an auditor takes away, verified by the program that lies in it, on nothing but Python.

use std::path::{Path, PathBuf};

use anyhow::ensure;
use tokio::process::Command;

use super::{files_under, log_of, sealed_month, typed};

#[tokio::test(flavor = "multi_thread")]
async fn a_pack_verifies_itself_offline_and_names_what_was_changed() -> anyhow::Result<()> {
    let world = sealed_month().await?;
    let (_, key) = log_of(&world.ground)?;
    let key = key.verifier_key();
    let pack = world.ground.home.join("pack");
    let out = pack.display().to_string();
    let made = typed(&world, &["audit", "pack", "R000001", "--out", &out]).await?;
    ensure!(made.status.success(), "{made:?}");
    let (code, said) = verified(&pack, &key).await?;
    assert_eq!(code, Some(0), "{said}");
    ensure!(said.contains("R000001: 24 khoản"), "{said}");

    // A byte of any file, a file less, a file more: each by its name.
    for file in files_under(&pack.join("data"))? {
        let name = format!("data/{}", file.strip_prefix(pack.join("data"))?.display());
        let bytes = std::fs::read(&file)?;
        let mut spoilt = bytes.clone();
        let middle = spoilt.len() / 2;
        spoilt[middle] ^= 1;
        if file.extension().is_some_and(|it| it == "py") {
            continue;
        }
        std::fs::write(&file, spoilt)?;
        let (code, said) = verified(&pack, &key).await?;
        assert_eq!(code, Some(8), "{name}: {said}");
        ensure!(said.contains(&format!("file {name}")), "{name}: {said}");
        std::fs::write(&file, bytes)?;
    }
    let beside = pack.join("data/beside");
    std::fs::write(&beside, "x")?;
    let (code, said) = verified(&pack, &key).await?;
    ensure!(
        code == Some(8) && said.contains("file data/beside"),
        "{said}"
    );
    std::fs::remove_file(beside)?;

    let other = proof::LogKey::new("an-sinh/evidence", privacy::Signer::new(&[7; 32]))?;
    let (code, said) = verified(&pack, &other.verifier_key()).await?;
    ensure!(code == Some(8) && said.contains("checkpoint"), "{said}");
    who_makes_a_new_manifest_is_found(&pack, &key).await?;
    let again = typed(&world, &["audit", "pack", "R000001", "--out", &out]).await?;
    assert_eq!(again.status.code(), Some(3), "it writes over nothing");
    world.close().await
}

/// The manifest is no lock: what was recorded is what the log commits to.
async fn who_makes_a_new_manifest_is_found(pack: &Path, key: &str) -> anyhow::Result<()> {
    for (file, from, to, found) in [
        ("lines.csv", ",credited,", ",rejected,", "line R000001-"),
        ("lines.csv", ",true,", ",false,", "run: the list"),
        ("transfers.csv", "970436", "970405", "journal "),
        (
            "journals.jsonl",
            "reserve",
            "release",
            "the log commits to other content",
        ),
        ("acts.jsonl", "le.binh", "le.binx", "act 2"),
        ("acts.jsonl", "phê duyệt", "phê duyet", "act 2"),
        (
            "run.json",
            "\"lines\": 24",
            "\"lines\": 23",
            "run: the list",
        ),
        ("messages.jsonl", "sender: 9", "sender: 8", "message "),
        ("laws.jsonl", "\"law\"", "\"lav\"", "not in the log"),
    ] {
        let path: PathBuf = pack.join("data").join(file);
        let text = std::fs::read_to_string(&path)?;
        ensure!(text.contains(from), "{file} has no {from}");
        std::fs::write(&path, text.replacen(from, to, 1))?;
        let manifest = remade(pack)?;
        let (code, said) = verified(pack, key).await?;
        assert_eq!(code, Some(8), "{file} {from}: {said}");
        ensure!(
            said.contains(found) && !said.contains("file data"),
            "{file} {from}: {said}"
        );
        std::fs::write(&path, text)?;
        std::fs::write(pack.join("manifest-sha256.txt"), manifest)?;
    }
    let (code, said) = verified(pack, key).await?;
    assert_eq!(code, Some(0), "{said}");
    Ok(())
}

/// Declares the files as they are now; gives back what was declared before.
fn remade(pack: &Path) -> anyhow::Result<String> {
    use sha2::Digest;
    let path = pack.join("manifest-sha256.txt");
    let before = std::fs::read_to_string(&path)?;
    let mut manifest = String::new();
    for file in files_under(&pack.join("data"))? {
        let hash = hex::encode(sha2::Sha256::digest(std::fs::read(&file)?));
        manifest.push_str(&format!("{hash}  {}\n", file.strip_prefix(pack)?.display()));
    }
    std::fs::write(path, manifest)?;
    Ok(before)
}

/// Isolated: no package of the machine, no environment, nothing but the pack.
pub(super) async fn verified(pack: &Path, key: &str) -> anyhow::Result<(Option<i32>, String)> {
    let output = Command::new("python3")
        .args(["-I", "-S"])
        .arg(pack.join("data/verify.py"))
        .arg(pack)
        .args(["--log-key", key])
        .env("PYTHONIOENCODING", "utf-8")
        .output()
        .await?;
    let said = [&output.stdout[..], &output.stderr[..]].concat();
    Ok((output.status.code(), String::from_utf8(said)?))
}

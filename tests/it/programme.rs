//! The law as data, from the command line: what it says, what is wrong in a folder, and who makes
//! it hold.

mod paid;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Context;
use chrono::Utc;
use domain::Programme;
use serde_json::Value;
use tokio::process::Command;

use crate::ground::{Ground, ansinh_binary};
use crate::world::signing::{lay_key, register_key};

type Texts = BTreeMap<String, String>;

/// How a command ended, and what it said.
struct Said {
    code: Option<i32>,
    out: String,
    err: String,
}

impl Said {
    fn json(&self) -> anyhow::Result<Value> {
        let read = serde_json::from_str(&self.out);
        read.with_context(|| format!("{}{}", self.out, self.err))
    }

    #[track_caller]
    fn refused(&self, code: &str) {
        assert_eq!(self.code, Some(3), "{}{}", self.out, self.err);
        assert!(self.err.contains(code), "{code}: {}", self.err);
    }
}

/// `ansinh …` on the servers of the ground; without one, where there are no servers.
async fn ansinh(ground: Option<&Ground>, args: &[&str]) -> anyhow::Result<Said> {
    let mut command = Command::new(ansinh_binary()?);
    command.args(args);
    match ground {
        Some(ground) => command.envs(ground.env()).arg("--home").arg(&ground.home),
        None => command
            .env_remove("DATABASE_URL")
            .env_remove("NATS_URL")
            .args(["--home", "/nonexistent"]),
    };
    let output = command.output().await?;
    Ok(Said {
        code: output.status.code(),
        out: String::from_utf8(output.stdout)?,
        err: String::from_utf8(output.stderr)?,
    })
}

/// The shipped law as a folder in `home`, with one change.
fn folder(home: &Path, name: &str, change: impl FnOnce(&mut Texts)) -> anyhow::Result<String> {
    let mut texts = eligibility::shipped_files().0;
    change(&mut texts);
    let folder = home.join(name);
    for (path, text) in texts {
        let file = folder.join(path);
        std::fs::create_dir_all(file.parent().context("a file is in a folder")?)?;
        std::fs::write(file, text)?;
    }
    Ok(folder.display().to_string())
}

fn edit(texts: &mut Texts, file: &str, from: &str, to: &str) {
    let text = texts.get_mut(file).expect("the shipped law has this file");
    assert!(text.contains(from), "{file} has no {from}");
    *text = text.replacen(from, to, 1);
}

/// What follows the version of the social pension that is shipped.
fn with_later_version(texts: &mut Texts) {
    let rules = texts["HTXH/2025-07.toml"]
        .replacen("2025-07-01", "2027-01-01", 1)
        .replacen("2025-07-01", "2026-12-01", 1)
        .replacen("age < 75", "age < 74", 1);
    let examples =
        "name,period,known,birth_date,sex,province,household,entitled_from,amount,reason,source
74 years old,2027-01,2026-12-20,1953,male,33,,,540000,,Điều 1
73 years old,2027-01,2026-12-20,1954,male,33,,,,household_not_poor,Điều 1
69 years old,2027-01,2026-12-20,1958,male,33,poor,,,below_age,Điều 1
";
    texts.insert("HTXH/2027-01.toml".to_owned(), rules);
    texts.insert("HTXH/2027-01.examples.csv".to_owned(), examples.to_owned());
}

/// Servers with the shipped law in force, and no service.
async fn governed() -> anyhow::Result<Ground> {
    let ground = Ground::new().await?;
    let pool = ground.pool().await?;
    eligibility::law_in_force(&pool, Utc::now()).await?;
    pool.close().await;
    Ok(ground)
}

fn temporary() -> PathBuf {
    std::env::temp_dir().join(format!("ansinh_{}", uuid::Uuid::now_v7().simple()))
}

#[tokio::test]
async fn the_shipped_law_is_shown_without_any_server() -> anyhow::Result<()> {
    let list = ["programme", "list", "--shipped"];
    let shown = ansinh(None, &list).await?;
    assert_eq!(shown.code, Some(0), "{}", shown.err);
    let listed = ansinh(None, &[&list[..], &["--output", "json"]].concat()).await?;
    let listed = listed.json()?;
    let programmes = listed["programmes"].as_array().context("a list")?;
    let codes: Vec<&str> = programmes
        .iter()
        .filter_map(|it| it["code"].as_str())
        .collect();
    assert_eq!(codes, Programme::ALL.map(Programme::code));
    for (it, programme) in programmes.iter().zip(Programme::ALL) {
        assert_eq!(it["name"]["vi"], programme.name_vi());
        for version in it["versions"].as_array().context("a list")? {
            let rule = version["rule"].as_str().context("a rule")?;
            assert!(shown.out.contains(rule), "{rule}");
            assert!(
                !version["legal_basis"]
                    .as_str()
                    .context("a text")?
                    .is_empty()
            );
        }
    }
    let one = ansinh(None, &["programme", "show", "HTXH", "--shipped"]).await?;
    for told in [
        "Ngân sách tỉnh",
        "Hộ nghèo hoặc hộ cận nghèo",
        "tạm dừng",
        "01/07/2025",
    ] {
        assert!(one.out.contains(told), "{told}: {}", one.out);
    }
    let steps = ansinh(
        None,
        &["programme", "show", "LUONG_HUU/2026-07", "--shipped"],
    )
    .await?;
    let texts = eligibility::shipped_files().0;
    for file in ["LUONG_HUU/2026-07.toml", "LUONG_HUU/rate.csv"] {
        assert!(
            steps.out.contains(texts[file].trim_end()),
            "{file}: {}",
            steps.out
        );
    }
    let unknown = ansinh(None, &["programme", "show", "HTXH/1999-01", "--shipped"]).await?;
    unknown.refused("version_unknown");
    Ok(())
}

/// What is broken, how, and the file, place and code that tell it.
type Case = (&'static str, fn(&mut Texts), &'static str);

const BROKEN: [Case; 6] = [
    (
        "a fact that nobody knows",
        |it| edit(it, "HTXH/2025-07.toml", "age < 70", "height < 70"),
        "HTXH/2025-07.toml: step 2, when: name_unknown: ",
    ),
    (
        "two versions of the same time",
        |it| {
            for kind in ["toml", "examples.csv"] {
                let text = it[&format!("HTXH/2025-07.{kind}")].clone();
                it.insert(format!("HTXH/2025-08.{kind}"), text);
            }
        },
        "HTXH/2025-08.toml: line 1: version_overlaps: ",
    ),
    (
        "a month without a version",
        |it| edit(it, "LUONG_HUU/2024-07.toml", "2025-06-30", "2025-05-31"),
        "LUONG_HUU/2025-07.toml: line 1: version_gap: ",
    ),
    (
        "law without a law",
        |it| edit(it, "HTXH/2025-07.toml", "legal_basis", "# legal_basis"),
        "HTXH/2025-07.toml: line 1: legal_basis_missing: ",
    ),
    (
        "a float",
        |it| edit(it, "HTXH/programme.toml", "unit = 1,", "unit = 1.0,"),
        "HTXH/programme.toml: line 8: float_literal: ",
    ),
    (
        "an example that is not so",
        |it| edit(it, "HTXH/2025-07.examples.csv", "540000", "540001"),
        "HTXH/2025-07.examples.csv: row 1: example_fails: ",
    ),
];

#[tokio::test]
async fn a_folder_with_one_thing_broken_is_refused_with_its_place() -> anyhow::Result<()> {
    let home = temporary();
    let sound = folder(&home, "sound", |_| ())?;
    std::fs::write(home.join("sound/README.md"), "not law")?;
    let said = ansinh(None, &["programme", "validate", &sound]).await?;
    assert_eq!(said.code, Some(0), "{}{}", said.out, said.err);
    assert!(said.out.starts_with("14 programmes, "), "{}", said.out);
    for (name, (what, change, told)) in BROKEN.into_iter().enumerate() {
        let folder = folder(&home, &name.to_string(), change)?;
        let said = ansinh(None, &["programme", "validate", &folder]).await?;
        said.refused("law_flawed");
        let mut lines = said.out.lines();
        assert!(lines.any(|it| it.starts_with(told)), "{what}: {}", said.out);
        let said = ansinh(
            None,
            &["programme", "validate", &folder, "--output", "json"],
        )
        .await?;
        assert_eq!(said.code, Some(3), "{what}");
        let flaw = &said.json()?["flaws"][0];
        assert!(
            told.starts_with(flaw["file"].as_str().context("a file")?),
            "{what}: {flaw}"
        );
    }
    let missing = ansinh(None, &["programme", "validate", "/nonexistent"]).await?;
    missing.refused("folder_unreadable");
    std::fs::remove_dir_all(&home)?;
    Ok(())
}

#[tokio::test]
async fn a_folder_that_is_refused_leaves_nothing_behind() -> anyhow::Result<()> {
    let ground = governed().await?;
    let pool = ground.pool().await?;
    let stored = "SELECT (SELECT count(*) FROM eligibility.laws)
        || ' ' || (SELECT count(*) FROM eligibility.law_files)";
    let before: String = sqlx::query_scalar(stored).fetch_one(&pool).await?;
    let (_, broken, _) = BROKEN[5];
    let broken = folder(&ground.home, "broken", broken)?;
    let edited = folder(&ground.home, "edited", |it| {
        edit(it, "HTXH/2025-07.toml", "Chưa đủ 70 tuổi", "Dưới 70 tuổi");
    })?;
    let same = folder(&ground.home, "same", |_| ())?;
    for (folder, reason, code) in [
        (&broken, "Nghị định", "law_flawed"),
        (
            &edited,
            "Nghị định",
            "HTXH/2025-07.toml: line 15: approved_law_changed",
        ),
        (&same, "Nghị định", "law_repeated"),
        (&same, " ", "reason_missing"),
    ] {
        let args = [
            "programme",
            "apply",
            folder,
            "--by",
            "nguyen.an",
            "--reason",
            reason,
        ];
        ansinh(Some(&ground), &args).await?.refused(code);
        let after: String = sqlx::query_scalar(stored).fetch_one(&pool).await?;
        assert_eq!(before, after, "{code}");
    }
    let differs = ansinh(Some(&ground), &["programme", "diff", &edited]).await?;
    differs.refused("approved_law_changed");
    assert!(differs.out.contains("Dưới 70 tuổi"), "{}", differs.out);
    pool.close().await;
    ground.clear().await
}

#[tokio::test]
async fn a_law_holds_when_another_officer_has_approved_it() -> anyhow::Result<()> {
    let ground = Ground::new().await?;
    let pool = ground.pool().await?;
    let run = async |args: &[&str]| ansinh(Some(&ground), args).await;
    let next = folder(&ground.home, "next", with_later_version)?;
    let reason = "Nghị định 01/2027/NĐ-CP";
    let apply = ["programme", "apply", &next, "--by", "nguyen.an"];
    let apply = [&apply[..], &["--reason", reason, "--output", "json"]].concat();
    let list = ["programme", "list", "--output", "json"];

    // No service has run yet: a proposal must not become law 1, which is its own checker.
    run(&list).await?.refused("law_missing");
    let proposed = run(&apply).await?;
    assert_eq!(proposed.json()?["law_no"], 2, "{}", proposed.err);
    let listed = run(&list).await?.json()?;
    assert_eq!(listed["law_no"], 1, "a proposal holds for nobody");
    for next in [&["--law", "2"][..], &[&next]] {
        let diff = ["programme", "diff", "--output", "json"];
        let differs = run(&[&diff[..], next].concat()).await?.json()?;
        assert_eq!(differs["law_no"], 1);
        let files = differs["files"].as_array().context("a list")?;
        let told = |it: &Value| [it["file"].to_string(), it["change"].to_string()];
        let added = ["HTXH/2027-01.examples.csv", "HTXH/2027-01.toml"];
        let added = added.map(|it| [format!("{it:?}"), "\"added\"".to_owned()]);
        assert_eq!(files.iter().map(told).collect::<Vec<_>>(), added);
        assert_eq!(differs["broken_promises"], Value::Array(Vec::new()));
    }
    run(&apply).await?.refused("law_repeated");

    run(&["programme", "approve", "2", "--by", "nguyen.an"])
        .await?
        .refused("same_person");
    let by_hand = "UPDATE eligibility.laws SET checker = maker, approved_at = now()
        WHERE law_no = 2";
    let refused = sqlx::query(by_hand).execute(&pool).await.unwrap_err();
    let refused = refused
        .into_database_error()
        .context("the database refuses")?;
    assert_eq!(refused.constraint(), Some("law_checker_differs"));
    run(&["programme", "approve", "3", "--by", "le.binh"])
        .await?
        .refused("law_unknown");

    run(&["programme", "approve", "2", "--by", "le.binh"])
        .await?
        .refused("signature_missing");
    register_key(&pool, "le.binh").await?;
    lay_key(&ground.home, "le.binh")?;
    let approved = run(&["programme", "approve", "2", "--by", "le.binh"]).await?;
    assert_eq!(approved.code, Some(0), "{}", approved.err);
    run(&["programme", "approve", "2", "--by", "le.binh"])
        .await?
        .refused("illegal_transition");
    let listed = run(&list).await?.json()?;
    assert_eq!(listed["law_no"], 2);
    assert_eq!(
        listed["programmes"][0]["versions"][1]["rule"],
        "HTXH/2027-01"
    );

    let laws = run(&["programme", "laws", "--output", "json"])
        .await?
        .json()?;
    let told = |index: usize| ["state", "maker", "checker"].map(|it| laws[index][it].clone());
    assert_eq!(told(0), ["replaced", "shipped", "shipped"]);
    assert_eq!(told(1), ["in_force", "nguyen.an", "le.binh"]);
    assert_eq!(laws[1]["reason"], reason);
    assert_eq!(laws[1]["sha256"], listed["sha256"]);
    pool.close().await;
    ground.clear().await
}

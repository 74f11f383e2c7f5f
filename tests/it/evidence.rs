//! What was recorded is in a log that others verify, whoever changes the records, the log or both.

mod auditors;
mod exports;
mod fifteen;
mod foreign;
mod known;
mod mutations;
mod pack;
mod questions;
mod restoring;
mod sealing;
mod stamps;

use std::path::{Path, PathBuf};
use std::process::Output;

use anyhow::{Context, ensure};
use domain::{Position, Programme};
use proof::{Held, Log, LogKey, Verified};
use serde_json::{Value, json};
use sqlx::{Connection, PgConnection, PgPool};
use tokio::process::Command;

use crate::ground::{Ground, ansinh_binary, database_of_url, url_of_database};
use crate::world::{World, pensioners};

const PROGRAMME: Programme = Programme::RetirementPension;
const OURS: &str = "970436";

/// A released run of which everything is answered, stated, matched, closed and sealed.
async fn sealed_month() -> anyhow::Result<World> {
    sealed_month_at(&[Some(OURS); 24]).await
}

async fn sealed_month_at(banks: &[Option<&str>]) -> anyhow::Result<World> {
    let world = World::with(|it| it.payments.result_sla_ms = 2_000).await?;
    let (registry, links) = pensioners(banks);
    world.register(registry).await?;
    world.link(links).await?;
    let run_no = world.released(PROGRAMME).await?;
    world
        .until("the banks have answered", async || {
            Ok(world.summary(run_no).await?.waiting_lines == 0)
        })
        .await?;
    two_officers_limit_the_bank(&world).await?;
    world.end_of_day().await?;
    world
        .until("the run can be closed", async || {
            Ok(world.close_run(run_no).await.is_ok())
        })
        .await?;
    sealing::until_all_is_said(&world).await?;
    until_sealed(&world).await?;
    Ok(world)
}

async fn two_officers_limit_the_bank(world: &World) -> anyhow::Result<()> {
    let limit = json!({ "officer": "le.an", "institution": OURS, "lines_per_minute": 60_000,
        "holds_from": "2026-01-01T00:00:00Z", "reason": "CV 12" });
    let told = world.ask("limit-institution", "limit", &limit).await?;
    let approval = json!({ "officer": "vo.hoa", "limit_no": told["limit"] });
    world
        .ask("approve-limit", "approve-limit", &approval)
        .await?;
    Ok(())
}

pub async fn until_sealed(world: &World) -> anyhow::Result<()> {
    let waiting = "SELECT count(*) FROM proof.waiting WHERE since IS NOT NULL";
    world
        .until("all evidence is sealed", async || {
            Ok(world.number(waiting).await? == 0)
        })
        .await
}

pub fn log_of(ground: &Ground) -> anyhow::Result<(Log, LogKey)> {
    let settings = ground.settings();
    let signer = ground.target().keys()?.signer(proof::PURPOSE);
    let key = LogKey::new(&settings.proof.origin, signer)?;
    Ok((Log::open(&ground.log_dir())?, key))
}

pub async fn verified(world: &World, held: &Held) -> anyhow::Result<Verified> {
    let (log, key) = log_of(&world.ground)?;
    Ok(proof::verify(&world.pool, &log, &key.verifier_key(), held).await?)
}

async fn typed(world: &World, arguments: &[&str]) -> anyhow::Result<Output> {
    let mut command = Command::new(ansinh_binary()?);
    command.args(arguments).args(["--output", "json"]);
    Ok(command.envs(world.ground.env()).output().await?)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sealed_month_is_recomputed_whole_and_one_payment_proven_by_a_file() -> anyhow::Result<()>
{
    let world = sealed_month().await?;
    let told = verified(&world, &Held::default()).await?;
    assert_eq!(
        (told.tampered, &told.incomplete),
        (0, &Vec::new()),
        "{told:?}"
    );
    let journals = world.number("SELECT count(*) FROM ledger.journals").await?;
    assert!(
        told.entries > journals.unsigned_abs() && told.leaves == told.entries,
        "{told:?}"
    );
    let acts = world.number("SELECT count(*) FROM payments.acts").await?;
    let entered = "SELECT count(*) FROM proof.entries WHERE source = 'act'";
    assert_eq!(world.number(entered).await?, acts);
    let messages = "SELECT count(*) FROM proof.entries WHERE source = 'message'";
    let heard = world
        .number("SELECT count(*) FROM messaging.received")
        .await?;
    assert!(heard > 0 && world.number(messages).await? == heard);

    let shown = typed(&world, &["audit", "verify"]).await?;
    ensure!(shown.status.code() == Some(0), "{shown:?}");
    ensure!(
        String::from_utf8_lossy(&shown.stderr).contains("KHÔNG chứng minh"),
        "{shown:?}"
    );
    one_payment_is_proven(&world).await?;
    the_log_tells_nothing_of_people(&world)?;
    world.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn no_money_leaves_while_evidence_is_not_kept() -> anyhow::Result<()> {
    let world = World::unsealed(|it| it.proof.wait_max_ms = 500).await?;
    let (registry, links) = pensioners(&[Some(OURS); 4]);
    world.register(registry).await?;
    world.link(links).await?;
    let run_no = world.reserved(PROGRAMME).await?;
    world.release(run_no).await?;
    tokio::time::sleep(std::time::Duration::from_secs(3)).await;
    let it = world.summary(run_no).await?;
    assert_eq!((&it.state[..], it.released_lines), ("releasing", 0));
    // Somebody seals again: it goes out by itself.
    let (log, key) = log_of(&world.ground)?;
    world
        .until("the run is released", async || {
            proof::seal(&world.pool, &log, &key, chrono::Utc::now()).await?;
            Ok(world.summary(run_no).await?.released_lines == 4)
        })
        .await?;
    world.close().await
}

/// By the file and the log's public key alone; nothing in it can be changed.
async fn one_payment_is_proven(world: &World) -> anyhow::Result<()> {
    let line: String = sqlx::query_scalar(
        "SELECT 'R' || lpad(run_no::text, 6, '0') || '-' || lpad(part::text, 2, '0') || '-'
            || lpad(chunk::text, 4, '0') || '-' || lpad(line::text, 4, '0')
        FROM payments.results WHERE status = 'credited' ORDER BY part, chunk, line LIMIT 1",
    )
    .fetch_one(&world.pool)
    .await?;
    let file = world.ground.home.join("proof.json");
    let path = file.to_str().context("a path")?;
    let shown = typed(world, &["audit", "proof", &line, "--out", path]).await?;
    ensure!(shown.status.success(), "{shown:?}");
    let (_, key) = log_of(&world.ground)?;
    let text = std::fs::read_to_string(&file)?;
    let proof: Value = serde_json::from_str(&text)?;
    let steps = proof["steps"].as_array().map(Vec::len);
    assert_eq!(steps, Some(3), "reserved, released, credited: {proof}");
    assert_eq!(verify_file(&file, &key.verifier_key()).await?, Some(0));

    let other = LogKey::new("an-sinh/evidence", privacy::Signer::new(&[7; 32]))?;
    assert_eq!(verify_file(&file, &other.verifier_key()).await?, Some(8));
    let amount = proof["steps"][0]["transfer"]["amount"]
        .as_str()
        .context("a sum")?;
    let salt = proof["steps"][1]["salt"].as_str().context("a salt")?;
    let hash = proof["steps"][2]["log_path"][0]
        .as_str()
        .context("a hash")?;
    for (from, to) in [
        (
            format!("\"amount\": \"{amount}\""),
            "\"amount\": \"1\"".to_owned(),
        ),
        (salt.to_owned(), "00".repeat(32)),
        (hash.to_owned(), "00".repeat(32)),
        ("\"seq\": ".to_owned(), "\"seq\": 1".to_owned()),
        (line.clone(), "R000001-15-0001-0999".to_owned()),
    ] {
        ensure!(text.contains(&from), "{from}");
        let spoilt = world.ground.home.join("spoilt.json");
        std::fs::write(&spoilt, text.replacen(&from, &to, 1))?;
        assert_eq!(
            verify_file(&spoilt, &key.verifier_key()).await?,
            Some(8),
            "{from}"
        );
    }
    let unknown: Position = "R000999-00-0001-0001".parse()?;
    let none = ["audit", "proof", &unknown.to_string(), "--out", path];
    let shown = typed(world, &none).await?;
    assert_eq!(shown.status.code(), Some(3));
    Ok(())
}

/// Nothing of the installation is at hand.
async fn verify_file(file: &Path, key: &str) -> anyhow::Result<Option<i32>> {
    let output = Command::new(ansinh_binary()?)
        .args(["audit", "verify-proof", "--log-key", key])
        .arg(file)
        .env_clear()
        .output()
        .await?;
    Ok(output.status.code())
}

/// Numbers of persons, amounts and references stand in no leaf, only what commits to them.
fn the_log_tells_nothing_of_people(world: &World) -> anyhow::Result<()> {
    for path in files_under(&world.ground.log_dir().join("tile/entries"))? {
        let text = String::from_utf8_lossy(&std::fs::read(&path)?).into_owned();
        for told in ["total", "amount", "person", "R0000", "nguyen.an", "reserve"] {
            ensure!(!text.contains(told), "{told} in {}", path.display());
        }
    }
    Ok(())
}

fn files_under(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let (mut files, mut folders) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder)? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else {
                files.push(path);
            }
        }
    }
    files.sort();
    Ok(files)
}

/// A change by somebody who may do anything to the database, and by what it is found.
const CHANGES: [(&str, &str); 16] = [
    (
        "row_changed",
        "UPDATE payments.acts SET officer = 'le.la' WHERE act_no = 2",
    ),
    (
        "row_changed",
        "UPDATE payments.acts SET reason = 'khác' WHERE act_no = 3",
    ),
    ("row_removed", "DELETE FROM payments.acts WHERE act_no = 3"),
    (
        "row_not_entered",
        "INSERT INTO payments.acts (run_no, officer, act, lines, total, acted_at)
        SELECT run_no, 'ai.do', 'hold', 0, 0, now() FROM payments.runs LIMIT 1",
    ),
    (
        "row_changed",
        "UPDATE messaging.received SET body_sha256 = sha256('x')
        WHERE (consumer, speaker, part, seq) = (SELECT consumer, speaker, part, seq
            FROM messaging.received ORDER BY 1, 2, 3, 4 LIMIT 1)",
    ),
    (
        "row_removed",
        "DELETE FROM messaging.received WHERE (consumer, speaker, part, seq) =
        (SELECT consumer, speaker, part, seq FROM messaging.received ORDER BY 1, 2, 3, 4 LIMIT 1)",
    ),
    ("row_changed", "UPDATE eligibility.laws SET reason = 'khác'"),
    (
        "row_changed",
        "UPDATE messaging.organisation_keys SET registered_by = 'ai.do' WHERE key_no = 1",
    ),
    (
        "row_changed",
        "UPDATE ledger.journals SET total = total + 1 WHERE part = 3 AND seq = 1",
    ),
    (
        "books",
        "UPDATE ledger.transfers SET person_no = person_no + 16 WHERE part = 4 AND person_no > 0",
    ),
    (
        "entry_missing",
        "DELETE FROM proof.entries e USING (SELECT lane, seq FROM proof.entries
        WHERE source = 'message' ORDER BY lane DESC, seq DESC LIMIT 1) l
        WHERE (e.lane, e.seq) = (l.lane, l.seq)",
    ),
    (
        "leaf_changed",
        "UPDATE proof.entries SET commitment = sha256('x') WHERE (lane, seq) = (16, 1)",
    ),
    (
        "leaf_reordered",
        "UPDATE proof.leaves SET index = CASE index WHEN 3 THEN 100003 ELSE index END",
    ),
    (
        "leaf_missing",
        "DELETE FROM proof.leaves WHERE index = (SELECT max(index) FROM proof.leaves)",
    ),
    (
        "checkpoint_changed",
        "UPDATE proof.checkpoints SET root = sha256('x')
        WHERE size = (SELECT min(size) FROM proof.checkpoints)",
    ),
    (
        "checkpoint_replaced",
        "DELETE FROM proof.checkpoints
        WHERE size = (SELECT max(size) FROM proof.checkpoints)",
    ),
];

#[tokio::test(flavor = "multi_thread")]
async fn whoever_changes_records_or_the_log_is_found() -> anyhow::Result<()> {
    let ground = sealed_month().await?.end().await?;
    let (log, _) = log_of(&ground)?;
    let held = log.checkpoint()?.context("a checkpoint is published")?;
    for (code, change) in CHANGES {
        let copy = Copy::of(&ground).await?;
        let changed = copy.change(change).await?;
        ensure!(changed > 0, "{change} changes nothing");
        let told = copy.verified(&log, &Held::default()).await?;
        ensure!(
            told.findings.iter().any(|it| it.code == code),
            "{change}: {told:?}"
        );
        copy.drop().await?;
    }
    let copy = Copy::of(&ground).await?;
    let clean = copy.verified(&log, &keeping(&held)).await?;
    assert_eq!(
        (clean.tampered, &clean.incomplete),
        (0, &Vec::new()),
        "{clean:?}"
    );
    sealing::who_verifies_needs_little_of_others(&copy, &log).await?;
    a_changed_file_is_named(&copy, &log).await?;
    a_rewritten_history_is_found_by_who_kept_a_checkpoint(&copy, &held).await?;
    copy.drop().await?;
    ground.clear().await
}

/// What an auditor has who kept this.
fn keeping(note: &str) -> Held {
    Held {
        notes: vec![note.to_owned()],
        witnesses: Vec::new(),
    }
}

/// The month once more, to be spoilt.
struct Copy<'a> {
    ground: &'a Ground,
    name: String,
    pool: PgPool,
}

impl<'a> Copy<'a> {
    async fn of(ground: &'a Ground) -> anyhow::Result<Copy<'a>> {
        let original = database_of_url(&ground.database_url)?;
        let name = format!("{original}_spoilt");
        let mut admin = PgConnection::connect(&std::env::var("DATABASE_URL")?).await?;
        let create = format!("CREATE DATABASE {name} TEMPLATE {original}");
        sqlx::raw_sql(sqlx::AssertSqlSafe(create))
            .execute(&mut admin)
            .await?;
        let url = url_of_database(&ground.database_url, &name)?;
        let pool = PgPool::connect(&url).await?;
        Ok(Copy { ground, name, pool })
    }

    /// As whoever owns the tables, for whom triggers are no lock.
    async fn change(&self, change: &'static str) -> anyhow::Result<u64> {
        let mut tx = self.pool.begin().await?;
        sqlx::raw_sql("SET LOCAL session_replication_role = replica; SET LOCAL timezone = 'UTC'")
            .execute(&mut *tx)
            .await?;
        let changed = sqlx::raw_sql(change).execute(&mut *tx).await;
        let changed = changed.with_context(|| change.to_owned())?.rows_affected();
        tx.commit().await?;
        Ok(changed)
    }

    async fn verified(&self, log: &Log, held: &Held) -> anyhow::Result<Verified> {
        let (_, key) = log_of(self.ground)?;
        Ok(proof::verify(&self.pool, log, &key.verifier_key(), held).await?)
    }

    /// Another history, with every key and table at hand: an act was somebody else's.
    async fn rewritten(&self) -> anyhow::Result<Log> {
        self.change(
            "UPDATE payments.acts SET officer = 'le.la' WHERE act_no = 2;
            UPDATE proof.entries e SET commitment = sha256(proof.salt(e.lane, e.seq) || convert_to(
                (SELECT jsonb_build_array(f.act_no, f.run_no, f.officer, f.act, f.root, f.lines,
                    f.total, f.reason, f.acted_at, f.key_no, f.statement, f.signature,
                    f.principal, f.delegation_no)::text
                FROM payments.acts f WHERE f.act_no = 2), 'UTF8'))
            WHERE source = 'act' AND key = '2';
            DELETE FROM proof.checkpoints; DELETE FROM proof.leaves;
            DELETE FROM proof.entries WHERE source = 'checkpoint';
            UPDATE proof.heads SET seq = 0 WHERE lane = 21;
            UPDATE proof.sealed SET seq = 0",
        )
        .await?;
        let log = Log::open(&self.ground.home.join("forged"))?;
        let (_, key) = log_of(self.ground)?;
        let mut sealed = true;
        while sealed {
            let now = chrono::Utc::now();
            sealed = proof::seal(&self.pool, &log, &key, now).await?.is_some();
        }
        // It is longer than the true one, and every row of it is entered.
        sqlx::query(
            "INSERT INTO payments.acts (run_no, officer, act, lines, total, acted_at)
            SELECT 1, 'le.la', 'hold', 0, 0, now() FROM generate_series(1, 60)",
        )
        .execute(&self.pool)
        .await?;
        proof::seal(&self.pool, &log, &key, chrono::Utc::now()).await?;
        Ok(log)
    }

    async fn drop(self) -> anyhow::Result<()> {
        self.pool.close().await;
        let mut admin = PgConnection::connect(&std::env::var("DATABASE_URL")?).await?;
        let drop = format!("DROP DATABASE {} WITH (FORCE)", self.name);
        sqlx::raw_sql(sqlx::AssertSqlSafe(drop))
            .execute(&mut admin)
            .await?;
        Ok(())
    }
}

/// Who holds all keys and tables can make another history that is whole in itself. It does not go on
/// from what somebody else has kept.
async fn a_rewritten_history_is_found_by_who_kept_a_checkpoint(
    copy: &Copy<'_>,
    held: &str,
) -> anyhow::Result<()> {
    let log = copy.rewritten().await?;
    let alone = copy.verified(&log, &Held::default()).await?;
    assert_eq!(alone.tampered, 0, "nobody can see it from here: {alone:?}");
    let told = copy.verified(&log, &keeping(held)).await?;
    let found = told
        .findings
        .iter()
        .any(|it| it.code == "history_rewritten");
    ensure!(found, "{told:?}");
    Ok(())
}

/// Every byte of the log is held against what the tables say.
async fn a_changed_file_is_named(copy: &Copy<'_>, log: &Log) -> anyhow::Result<()> {
    let last = log.checkpoint()?.context("published")?;
    let size: u64 = last.lines().nth(1).context("a size")?.parse()?;
    for file in files_under(&log.folder().join("tile"))? {
        let name = file.display().to_string();
        // Partial tiles of smaller sizes are history.
        if name.contains(".p/") && !name.ends_with(&format!("/{}", size % 256)) {
            continue;
        }
        let bytes = std::fs::read(&file)?;
        let mut spoilt = bytes.clone();
        let middle = spoilt.len() / 2;
        spoilt[middle] ^= 1;
        for spoilt in [Some(&spoilt[..]), Some(&bytes[..bytes.len() - 1]), None] {
            match spoilt {
                Some(spoilt) => std::fs::write(&file, spoilt)?,
                None => std::fs::remove_file(&file)?,
            }
            let told = copy.verified(log, &Held::default()).await?;
            ensure!(told.tampered > 0, "{name}");
            std::fs::write(&file, &bytes)?;
        }
    }
    let older: String =
        sqlx::query_scalar("SELECT note FROM proof.checkpoints ORDER BY size LIMIT 1")
            .fetch_one(&copy.pool)
            .await?;
    for (note, code) in [
        (
            last.replacen(&size.to_string(), "9", 1).into_bytes(),
            "checkpoint_changed",
        ),
        (older.into_bytes(), "checkpoint_replaced"),
        (vec![0xFF; 40], "checkpoint_changed"),
    ] {
        std::fs::write(log.folder().join("checkpoint"), note)?;
        let told = copy.verified(log, &Held::default()).await?;
        ensure!(told.findings.iter().any(|it| it.code == code), "{told:?}");
        std::fs::write(log.folder().join("checkpoint"), &last)?;
    }
    let told = copy.verified(log, &Held::default()).await?;
    assert_eq!(told.tampered, 0, "{told:?}");
    Ok(())
}

//! The log before tools that nobody here wrote: a verifier and a witness of C2SP logs, in Python.

use std::path::Path;
use std::process::{Output, Stdio};
use std::time::Duration;

use anyhow::{Context, ensure};
use boot::WitnessSettings;
use domain::Programme;
use proof::{Held, Log, Witness};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, Command};

use super::{Copy, log_of, sealed_month, until_sealed};
use crate::ground::Ground;
use crate::world::{World, pensioners};

/// Long enough for a busy machine to start Python.
const PATIENCE: Duration = Duration::from_mins(1);

/// Where `deploy/setup --for-tests` puts both.
fn python(module: &str) -> anyhow::Result<Command> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.ansinh/tlog-verifier");
    ensure!(
        folder.join("installed").exists(),
        "the verifier is not there; `deploy/setup --for-tests` installs it"
    );
    let mut command = Command::new("python3");
    command.args([
        "-I",
        "-c",
        "import sys; sys.path.insert(0, sys.argv.pop(1)); \
        import runpy; runpy.run_module(sys.argv.pop(1), run_name='__main__', alter_sys=True)",
    ]);
    command.arg(folder).arg(module);
    Ok(command)
}

/// The foreign verifier's word, with the log's folder and a key that was handed over another way.
async fn foreign(ground: &Ground, log: &Log, arguments: &[&str]) -> anyhow::Result<(bool, Value)> {
    let tiles = log.folder().to_str().context("a path")?;
    foreign_at(ground, tiles, arguments).await
}

/// As it reads the log in a folder or behind a URL.
async fn foreign_at(
    ground: &Ground,
    tiles: &str,
    arguments: &[&str],
) -> anyhow::Result<(bool, Value)> {
    let (_, key) = log_of(ground)?;
    let key_file = ground.home.join("log.vkey");
    std::fs::write(&key_file, key.verifier_key())?;
    let output: Output = python("aics_tlog")?
        .args(arguments)
        .args(["--tiles", tiles])
        .arg("--vkey-file")
        .arg(&key_file)
        .output()
        .await?;
    let said = serde_json::from_slice(&output.stdout);
    let said = said.with_context(|| String::from_utf8_lossy(&output.stderr).into_owned())?;
    Ok((output.status.success(), said))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_foreign_verifier_finds_each_leaf_and_every_change() -> anyhow::Result<()> {
    let ground = sealed_month().await?.end().await?;
    let (log, _) = log_of(&ground)?;
    let (is_good, said) = foreign(&ground, &log, &["verify-checkpoint"]).await?;
    ensure!(is_good, "{said}");
    let copy = Copy::of(&ground).await?;
    let leaves: i64 = sqlx::query_scalar("SELECT count(*) FROM proof.leaves")
        .fetch_one(&copy.pool)
        .await?;
    for index in [0, 1, leaves / 2, leaves - 1] {
        let (number, entry) = (index.to_string(), ground.home.join("entry"));
        let entry_out = entry.to_str().context("a path")?;
        let asked = [
            "verify-inclusion",
            "--index",
            &number,
            "--entry-out",
            entry_out,
        ];
        // It wants to know which leaf it is: the hash of ours.
        let hash = hex::encode(ledger::leaf_hash(&leaf_bytes(&log, index)?));
        let asked = [&asked[..], &["--leaf-hash", &hash]].concat();
        let (is_good, said) = foreign(&ground, &log, &asked).await?;
        ensure!(is_good, "{said}");
    }
    let older: Vec<String> = sqlx::query_scalar("SELECT note FROM proof.checkpoints ORDER BY size")
        .fetch_all(&copy.pool)
        .await?;
    for note in [&older[0], &older[older.len() / 2]] {
        let file = ground.home.join("older");
        std::fs::write(&file, note)?;
        let file = file.to_str().context("a path")?;
        let asked = ["verify-consistency", "--old-checkpoint", file];
        let (is_good, said) = foreign(&ground, &log, &asked).await?;
        ensure!(is_good, "{said}");
    }
    spoilt_tiles_are_refused(&ground, &log).await?;
    another_history_is_refused(&copy, &older[older.len() / 2]).await?;
    copy.drop().await?;
    ground.clear().await
}

fn size_of(log: &Log) -> anyhow::Result<u64> {
    let note = log.checkpoint()?.context("published")?;
    Ok(note.lines().nth(1).context("a size")?.parse()?)
}

/// A tile of the lowest level, or its bundle of entries: full, or as wide as the log has come.
fn lowest(log: &Log, kind: &str, number: u64) -> anyhow::Result<std::path::PathBuf> {
    let width = size_of(log)? - number * 256;
    let path = format!("tile/{kind}/{number:03}");
    let path = if width < 256 {
        format!("{path}.p/{width}")
    } else {
        path
    };
    Ok(log.folder().join(path))
}

/// In its bundle, two bytes of length before each leaf.
fn leaf_bytes(log: &Log, index: i64) -> anyhow::Result<Vec<u8>> {
    let index = index.unsigned_abs();
    let bundle = std::fs::read(lowest(log, "entries", index / 256)?)?;
    let mut rest = &bundle[..];
    for _ in 0..index % 256 {
        let length = usize::from(u16::from_be_bytes([rest[0], rest[1]]));
        rest = &rest[2 + length..];
    }
    let length = usize::from(u16::from_be_bytes([rest[0], rest[1]]));
    Ok(rest[2..2 + length].to_vec())
}

async fn spoilt_tiles_are_refused(ground: &Ground, log: &Log) -> anyhow::Result<()> {
    let tile = lowest(log, "0", 0)?;
    let bytes = std::fs::read(&tile)?;
    for at in [0, bytes.len() / 2, bytes.len() - 1] {
        let mut spoilt = bytes.clone();
        spoilt[at] ^= 1;
        std::fs::write(&tile, spoilt)?;
        let hash = hex::encode(ledger::leaf_hash(&leaf_bytes(log, 0)?));
        let asked = ["verify-inclusion", "--index", "0", "--leaf-hash", &hash];
        let (is_good, said) = foreign(ground, log, &asked).await?;
        ensure!(!is_good, "{said}");
    }
    std::fs::write(&tile, bytes)?;
    Ok(())
}

/// Made with all keys, and whole in itself; not what was signed before.
async fn another_history_is_refused(copy: &Copy<'_>, older: &str) -> anyhow::Result<()> {
    let forged = copy.rewritten().await?;
    let file = copy.ground.home.join("kept");
    std::fs::write(&file, older)?;
    let file = file.to_str().context("a path")?;
    let (is_good, said) = foreign(copy.ground, &forged, &["verify-checkpoint"]).await?;
    ensure!(is_good, "nobody sees it from here: {said}");
    let asked = ["verify-consistency", "--old-checkpoint", file];
    let (is_good, said) = foreign(copy.ground, &forged, &asked).await?;
    ensure!(!is_good, "{said}");
    Ok(())
}

/// The State Audit's witness: a process of its own, on loopback, stopped with the test.
struct ForeignWitness {
    child: Child,
    url: String,
    key: String,
}

impl ForeignWitness {
    async fn start(ground: &Ground) -> anyhow::Result<ForeignWitness> {
        let folder = ground.home.join("witness");
        std::fs::create_dir_all(&folder)?;
        let config = folder.join("witness.json");
        let listen = ["--name", "kiemtoan.example/w1", "--listen", "127.0.0.1:0"];
        let made = python("aics_witness")?
            .args(["init", "--config"])
            .arg(&config)
            .args(listen)
            .output()
            .await?;
        ensure!(made.status.success(), "{made:?}");
        let key = String::from_utf8(made.stdout)?;
        let key = key.lines().last().context("its key")?.to_owned();
        let (_, log_key) = log_of(ground)?;
        let origin = ground.settings().proof.origin;
        let added = python("aics_witness")?
            .args(["add-log", "--config"])
            .arg(&config)
            .args(["--origin", &origin, "--vkey", &log_key.verifier_key()])
            .output()
            .await?;
        ensure!(added.status.success(), "{added:?}");
        let port = std::net::TcpListener::bind("127.0.0.1:0")?
            .local_addr()?
            .port();
        let listen = format!("127.0.0.1:{port}");
        let mut child = python("aics_witness")?
            .args(["serve", "--listen", &listen, "--config"])
            .arg(&config)
            .stderr(Stdio::piped())
            .stdout(Stdio::null())
            .kill_on_drop(true)
            .spawn()?;
        let mut said = BufReader::new(child.stderr.take().context("piped")?).lines();
        // It says so when it listens; what it says later nobody reads.
        tokio::time::timeout(PATIENCE, said.next_line()).await??;
        tokio::spawn(async move { while let Ok(Some(_)) = said.next_line().await {} });
        let url = format!("http://{listen}");
        Ok(ForeignWitness { child, url, key })
    }

    async fn stop(mut self) -> anyhow::Result<()> {
        Ok(self.child.kill().await?)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_foreign_witness_signs_what_goes_on_and_refuses_a_fork() -> anyhow::Result<()> {
    let ground = Ground::new().await?;
    let foreign = ForeignWitness::start(&ground).await?;
    let named = WitnessSettings {
        url: foreign.url.clone(),
        key: foreign.key.clone(),
    };
    let world = World::on(ground, |it| it.proof.witnesses.push(named.clone())).await?;
    let (registry, links) = pensioners(&[Some("970436"); 4]);
    world.register(registry).await?;
    world.link(links).await?;
    world.released(Programme::RetirementPension).await?;
    world.until_all_is_heard().await?;
    until_sealed(&world).await?;
    let witness = Witness::of_key(&foreign.key)?;
    let (log, key) = log_of(&world.ground)?;
    world
        .until("the published checkpoint is witnessed", async || {
            let note = log.checkpoint()?;
            Ok(note.is_some_and(|it| witness.signed_at(&it).is_some()))
        })
        .await?;
    let ground = world.end().await?;
    let copy = Copy::of(&ground).await?;
    let held = Held {
        notes: Vec::new(),
        witnesses: vec![witness],
    };
    let told = copy.verified(&log, &held).await?;
    assert_eq!(
        (told.tampered, &told.incomplete),
        (0, &Vec::new()),
        "{told:?}"
    );

    // A history of the same log that the witness has not signed: it refuses, and who asks for its
    // signature finds none.
    let forged = copy.rewritten().await?;
    let told = copy.verified(&forged, &held).await?;
    ensure!(
        told.findings.iter().any(|it| it.code == "not_witnessed"),
        "{told:?}"
    );
    let note = forged
        .checkpoint()?
        .context("it is signed by the log's key")?;
    let signed = proof::SignedCheckpoint::open(&note, &key.verifier_key())?;
    let client = reqwest::Client::new();
    let url = format!("{}/add-checkpoint", foreign.url);
    let known = log.checkpoint()?.context("published")?;
    let known: u64 = known.lines().nth(1).context("a size")?.parse()?;
    for old in [0, known] {
        let body = proof::witness_request(&forged, old, &signed)?;
        let answer = client.post(&url).body(body).send().await?;
        // 409: it knows more than that. 422: what it knows does not lead there.
        let expected = if old == known { 422 } else { 409 };
        assert_eq!(answer.status().as_u16(), expected, "{old}: {answer:?}");
    }
    copy.drop().await?;
    foreign.stop().await?;
    ground.clear().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_foreign_verifier_reads_the_log_over_http() -> anyhow::Result<()> {
    let port = std::net::TcpListener::bind("127.0.0.1:0")?
        .local_addr()?
        .port();
    let listen = format!("127.0.0.1:{port}");
    let address = listen.parse()?;
    let world = World::on(Ground::new().await?, |it| it.proof.listen = Some(address)).await?;
    let (registry, links) = pensioners(&[Some("970436"); 4]);
    world.register(registry).await?;
    world.link(links).await?;
    world.released(Programme::RetirementPension).await?;
    world.until_all_is_heard().await?;
    until_sealed(&world).await?;
    let (log, _) = log_of(&world.ground)?;
    let url = format!("http://{listen}/");
    let (is_good, said) = foreign_at(&world.ground, &url, &["verify-checkpoint"]).await?;
    ensure!(is_good, "{said}");
    let hash = hex::encode(ledger::leaf_hash(&leaf_bytes(&log, 3)?));
    let asked = ["verify-inclusion", "--index", "3", "--leaf-hash", &hash];
    let (is_good, said) = foreign_at(&world.ground, &url, &asked).await?;
    ensure!(is_good, "{said}");
    let older: String =
        sqlx::query_scalar("SELECT note FROM proof.checkpoints ORDER BY size LIMIT 1")
            .fetch_one(&world.pool)
            .await?;
    let file = world.ground.home.join("older");
    std::fs::write(&file, older)?;
    let file = file.to_str().context("a path")?;
    let asked = ["verify-consistency", "--old-checkpoint", file];
    let (is_good, said) = foreign_at(&world.ground, &url, &asked).await?;
    ensure!(is_good, "{said}");
    nothing_else_is_served(&listen, &log).await?;
    world.close().await
}

/// As it is sent: a client that knows what a path is would put it right first.
async fn nothing_else_is_served(listen: &str, log: &Log) -> anyhow::Result<()> {
    let checkpoint = log.checkpoint()?.context("published")?;
    let size: u64 = checkpoint.lines().nth(1).context("a size")?.parse()?;
    let (last, width) = (size / 256, size % 256);
    std::fs::write(log.folder().join("secret"), "x")?;
    let tile = "/tile/0/000.p/3";
    for (request, status, cache) in [
        ("GET /checkpoint", "200", "no-store"),
        ("HEAD /checkpoint", "200", "no-store"),
        (
            &format!("GET {tile}"),
            "200",
            "public, max-age=31536000, immutable",
        ),
        (&format!("GET {tile}?x=1"), "404", ""),
        (&format!("POST {tile}"), "405", ""),
        (
            &format!("GET /tile/0/{last:03}.p/{}", width + 1),
            "404",
            "no-store",
        ),
        ("GET /secret", "404", "no-store"),
        ("GET /tile/0/../../secret", "404", "no-store"),
        ("GET /tile/0/%2e%2e/%2e%2e/secret", "404", "no-store"),
        ("GET //secret", "404", "no-store"),
        ("GET /tile/", "404", "no-store"),
        ("GET /", "404", "no-store"),
    ] {
        let mut connection = tokio::net::TcpStream::connect(listen).await?;
        let sent = format!("{request} HTTP/1.1\r\nHost: log\r\nConnection: close\r\n\r\n");
        connection.write_all(sent.as_bytes()).await?;
        let mut answer = Vec::new();
        tokio::time::timeout(PATIENCE, connection.read_to_end(&mut answer)).await??;
        let answer = String::from_utf8_lossy(&answer);
        let (head, _) = answer.split_once("\r\n\r\n").context("a head")?;
        ensure!(
            head.starts_with(&format!("HTTP/1.1 {status}")),
            "{request}: {head}"
        );
        ensure!(
            head.contains(&format!("cache-control: {cache}")) || cache.is_empty(),
            "{head}"
        );
        let kind = match request {
            _ if status != "200" => continue,
            it if it.contains("checkpoint") => "text/plain; charset=utf-8",
            _ => "application/octet-stream",
        };
        ensure!(head.contains(&format!("content-type: {kind}")), "{head}");
    }
    Ok(())
}

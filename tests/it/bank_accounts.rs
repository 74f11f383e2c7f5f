//! A bank's account on NATS: its own subjects, and no others, by credentials that can be followed
//! by the next and taken back.

use std::path::Path;
use std::process::Output;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use async_nats::connection::State;
use async_nats::{Client, ConnectOptions, Event, HeaderValue};
use domain::Programme;
use futures::StreamExt;
use messaging::{bank_durable, stream_name};
use serde_json::Value;
use tokio::process::Command;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::time::{sleep, timeout};

use crate::ground::ansinh_binary;
use crate::world::{World, institution, pensioners};

const OURS: &str = "970436";
const OTHER: &str = "970405";
const PATIENCE: Duration = Duration::from_secs(10);

/// A bank's client that hears what the server refuses.
struct Bank {
    client: Client,
    refusals: UnboundedReceiver<String>,
}

impl Bank {
    async fn connect(world: &World, bank: &str, nkey_file: &Path) -> anyhow::Result<Bank> {
        let seed = std::fs::read_to_string(nkey_file)?;
        let (tell, refusals) = unbounded_channel();
        let client = ConnectOptions::with_nkey(seed.trim().to_owned())
            .custom_inbox_prefix(format!("_INBOX_{bank}"))
            .event_callback(move |event| {
                let tell = tell.clone();
                async move {
                    if let Event::ServerError(error) = event {
                        // Nobody listens at the end of a test.
                        drop(tell.send(error.to_string()));
                    }
                }
            })
            .connect(world.ground.nats.url())
            .await?;
        Ok(Bank { client, refusals })
    }

    async fn first(world: &World, bank: &str) -> anyhow::Result<Bank> {
        let file = world.ground.nats.banks_dir().join(bank).join("nats.nk");
        Bank::connect(world, bank, &file).await
    }

    /// The server says no to exactly this.
    async fn is_refused(&mut self, what: &str, subject: &str) -> anyhow::Result<()> {
        self.client.flush().await?;
        let refusal = timeout(PATIENCE, self.refusals.recv()).await;
        let refusal = refusal.with_context(|| format!("{what} {subject} is allowed"))?;
        let refusal = refusal.context("the client is gone")?.to_lowercase();
        ensure!(
            refusal.contains("permissions violation") && refusal.contains(&subject.to_lowercase()),
            "{what} {subject}: {refusal}"
        );
        Ok(())
    }

    async fn may_not_publish(&mut self, subject: &str) -> anyhow::Result<()> {
        let reply = self.client.new_inbox();
        let body = b"{}".as_slice().into();
        self.client
            .publish_with_reply(subject.to_owned(), reply, body)
            .await?;
        self.is_refused("publish", subject).await
    }

    async fn may_not_hear(&mut self, subject: &str) -> anyhow::Result<()> {
        let _kept = self.client.subscribe(subject.to_owned()).await?;
        self.is_refused("subscribe", subject).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bank_reaches_its_own_subjects_and_nothing_else() -> anyhow::Result<()> {
    let world = World::with_hand_played_banks(|it| it.payments.result_sla_ms = 600_000).await?;
    let (registry, links) = pensioners(&[Some(OURS), Some(OTHER)]);
    world.register(registry).await?;
    world.link(links).await?;
    world.released(Programme::RetirementPension).await?;
    let mut tried = 0;
    for (own, other) in [(OURS, OTHER), (OTHER, OURS)] {
        let mut bank = Bank::first(&world, own).await?;
        let (publishes, hears) = (not_to_publish(own, other), not_to_hear(own, other));
        for subject in &publishes {
            bank.may_not_publish(subject).await?;
        }
        for subject in &hears {
            bank.may_not_hear(subject).await?;
        }
        tried += publishes.len() + hears.len();
        what_is_its_own_works(&mut bank, own).await?;
        what_no_client_may_send(&bank).await?;
    }
    println!("{tried} ways out of a bank's account are refused");
    // What was said here with no signature is refused by payments, and is no bank's word.
    let unsigned = "SELECT count(*) FROM messaging.refused WHERE code <> 'header_invalid'";
    assert_eq!(world.number(unsigned).await?, 0);
    world.close().await
}

fn not_to_publish(own: &str, other: &str) -> Vec<String> {
    let mut subjects: Vec<String> = [
        "bank.*.in.results.v1",
        "payments.do.release-run",
        "payments.do.register-organisation-key",
        "accounts.get.person",
        "sandbox.do.end-of-day",
        "eligibility.00.entitlements-determined.v1",
        "$SYS.REQ.SERVER.PING",
        "$SYS.REQ.ACCOUNT.STATE.CONNZ",
        "$JS.API.INFO",
        "$JS.API.STREAM.NAMES",
        "_INBOX.someone.else",
    ]
    .map(str::to_owned)
    .to_vec();
    subjects.push(format!("_INBOX_{other}.theirs"));
    for said in ["results.v1", "statement.v2", "verifications.v1"] {
        subjects.push(format!("bank.{other}.in.{said}"));
    }
    for mark in ["watermark", "redrive"] {
        subjects.push(format!("{mark}.bank.{other}.in.results"));
        subjects.push(format!("{mark}.bank.{other}.out"));
    }
    subjects.push(format!("watermark.bank.{own}.out"));
    for code in [own, other] {
        subjects.push(format!("bank.{code}.out.instructions.v2"));
        for direction in ["out", "in"] {
            let speaker = format!("bank.{code}.{direction}");
            let stream = stream_name(&speaker);
            for act in [
                "INFO",
                "CREATE",
                "UPDATE",
                "DELETE",
                "PURGE",
                "MSG.GET",
                "MSG.DELETE",
            ] {
                subjects.push(format!("$JS.API.STREAM.{act}.{stream}"));
            }
            let own_durable = bank_durable(&speaker);
            for durable in [&own_durable, "reconciliation--bank-970436-out", "new"] {
                for act in ["CREATE", "DURABLE.CREATE", "DELETE"] {
                    subjects.push(format!("$JS.API.CONSUMER.{act}.{stream}.{durable}"));
                }
                if code == other || direction == "in" || *durable != own_durable {
                    subjects.push(format!("$JS.API.CONSUMER.INFO.{stream}.{durable}"));
                    let next = format!("$JS.API.CONSUMER.MSG.NEXT.{stream}.{durable}");
                    subjects.extend([next, format!("$JS.ACK.{stream}.{durable}.1.1.1.1.0")]);
                }
            }
        }
    }
    subjects
}

fn not_to_hear(own: &str, other: &str) -> Vec<String> {
    let mut subjects: Vec<String> = [
        ">",
        "bank.>",
        "$SYS.>",
        "$JS.>",
        "_INBOX.>",
        "payments.>",
        "watermark.>",
        "redrive.>",
    ]
    .map(str::to_owned)
    .to_vec();
    for code in [own, other] {
        subjects.push(format!("bank.{code}.out.>"));
        subjects.push(format!("bank.{code}.in.>"));
    }
    subjects.push(format!("_INBOX_{other}.>"));
    subjects.push(format!("watermark.bank.{other}.out"));
    subjects.push(format!("redrive.bank.{other}.in.results"));
    subjects
}

/// It pulls and acknowledges what it is told, and says what it has to say.
async fn what_is_its_own_works(bank: &mut Bank, own: &str) -> anyhow::Result<()> {
    let speaker = format!("bank.{own}.out");
    let (stream, durable) = (stream_name(&speaker), bank_durable(&speaker));
    let inbox = bank.client.new_inbox();
    let mut pulled = bank.client.subscribe(inbox.clone()).await?;
    let next = format!("$JS.API.CONSUMER.MSG.NEXT.{stream}.{durable}");
    let ask = br#"{"batch":1,"expires":5000000000}"#.as_slice().into();
    bank.client.publish_with_reply(next, inbox, ask).await?;
    let message = timeout(PATIENCE, pulled.next())
        .await?
        .context("a message")?;
    assert_eq!(
        &message.subject[..],
        format!("bank.{own}.out.instructions.v2")
    );
    ensure!(
        message
            .headers
            .is_some_and(|it| it.get("Ansinh-Signature").is_some()),
        "it is signed"
    );
    let acknowledged = message
        .reply
        .context("a message is acknowledged somewhere")?;
    let done = timeout(
        PATIENCE,
        bank.client.request(acknowledged, b"+ACK".as_slice().into()),
    );
    done.await??;
    for said in ["results.v1", "statement.v2", "verifications.v1"] {
        let subject = format!("bank.{own}.in.{said}");
        let answer = bank
            .client
            .request(subject, b"{}".as_slice().into())
            .await?;
        let answer: Value = serde_json::from_slice(&answer.payload)?;
        ensure!(
            answer["stream"] == stream_name(&format!("bank.{own}.in")),
            "{answer}"
        );
    }
    let mark = format!("watermark.bank.{own}.in.results");
    bank.client.publish(mark, b"{}".as_slice().into()).await?;
    let ask = format!("redrive.bank.{own}.out");
    bank.client.publish(ask, b"{}".as_slice().into()).await?;
    let _marks = bank
        .client
        .subscribe(format!("watermark.{speaker}"))
        .await?;
    bank.client.flush().await?;
    sleep(Duration::from_millis(200)).await;
    let refused = bank.refusals.try_recv();
    ensure!(refused.is_err(), "its own is refused: {refused:?}");
    Ok(())
}

/// A message that is too large, and one with another's header in a header.
async fn what_no_client_may_send(bank: &Bank) -> anyhow::Result<()> {
    let large = vec![b' '; 8 * 1024 * 1024 + 1];
    let refused = bank
        .client
        .publish("bank.970436.in.results.v1", large.into());
    let refused = refused
        .await
        .err()
        .context("it is larger than the server takes")?;
    ensure!(
        matches!(
            refused.kind(),
            async_nats::client::PublishErrorKind::MaxPayloadExceeded
        ),
        "{refused}"
    );
    for injected in ["1\r\nAnsinh-Key: 2", "1\nAnsinh-Key: 2", "1\rx"] {
        ensure!(injected.parse::<HeaderValue>().is_err(), "{injected:?}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_are_followed_by_the_next_and_cut_when_they_are_taken_back()
-> anyhow::Result<()> {
    let world = World::with_hand_played_banks(|_| {}).await?;
    let home = world.ground.home.clone();
    let first = world.ground.nats.banks_dir().join(OURS).join("nats.nk");
    let next = home.join("next");
    let bank = ["--institution", OURS, "--by", "le.an"];
    let key_no = rotated(&world, &bank, &next).await?;
    let (mut old, mut new) = (
        Bank::connect(&world, OURS, &first).await?,
        Bank::connect(&world, OURS, &next.join("nats.nk")).await?,
    );
    let other = Bank::first(&world, OTHER).await?;
    for it in [&mut old, &mut new] {
        says_results(it, OURS).await?;
    }
    let users: Vec<Value> =
        serde_json::from_slice(&ansinh(&world, &["bank", "list"]).await?.stdout)?;
    let of_ours: Vec<&str> = users
        .iter()
        .filter(|it| it["institution"] == OURS)
        .filter_map(|it| it["nkey"].as_str())
        .collect();
    assert_eq!(of_ours.len(), 2);
    let revoke = [
        "bank",
        "revoke",
        "--reason",
        "thay khoá",
        "--nkey",
        of_ours[0],
    ];
    let revoked = ansinh(&world, &[&revoke[..], &bank[..]].concat()).await?;
    ensure!(revoked.status.success(), "{revoked:?}");

    until_cut(&old.client).await?;
    let again = Bank::connect(&world, OURS, &first).await;
    ensure!(again.is_err(), "what was revoked lets nobody in");
    says_results(&mut new, OURS).await?;
    assert_eq!(other.client.connection_state(), State::Connected);

    let revoke = ["bank", "revoke", "--reason", "thôi hợp tác"];
    let revoked = ansinh(&world, &[&revoke[..], &bank[..]].concat()).await?;
    ensure!(revoked.status.success(), "{revoked:?}");
    until_cut(&new.client).await?;
    let ours = Some(institution(OURS).into());
    let keys = messaging::organisation_keys(&world.pool, ours).await?;
    let key = keys
        .iter()
        .find(|it| it.key_no == key_no)
        .context("it is registered")?;
    ensure!(
        key.ended_at.is_some(),
        "what it signs ends with what it logs in by"
    );
    assert_eq!(other.client.connection_state(), State::Connected);
    world.close().await
}

/// The bank's next credentials, for whose key nobody has vouched yet.
async fn rotated(world: &World, bank: &[&str], next: &Path) -> anyhow::Result<i64> {
    let out = ["--out", next.to_str().context("a path")?];
    let known = ansinh(world, &[&["bank", "add"][..], bank, &out[..]].concat()).await?;
    ensure!(known.status.code() == Some(3), "{known:?}");
    let rotated = ansinh(world, &[&["bank", "rotate"][..], bank, &out[..]].concat()).await?;
    ensure!(rotated.status.success(), "{rotated:?}");
    let issued: Value = serde_json::from_slice(&rotated.stdout)?;
    let key_no = issued["key_no"].as_i64().context("a number")?;
    for file in ["nats.nk", "signing.key"] {
        let mode = std::os::unix::fs::PermissionsExt::mode(
            &std::fs::metadata(next.join(file))?.permissions(),
        );
        assert_eq!(mode & 0o777, 0o600, "{file}");
    }
    let ours = institution(OURS).into();
    let keys = messaging::organisation_keys(&world.pool, Some(ours)).await?;
    let key = keys
        .iter()
        .find(|it| it.key_no == key_no)
        .context("it is registered")?;
    ensure!(
        key.confirmed_by.is_none() && key.ended_at.is_none(),
        "{key:?}"
    );
    Ok(key_no)
}

async fn says_results(bank: &mut Bank, own: &str) -> anyhow::Result<()> {
    let subject = format!("bank.{own}.in.results.v1");
    let answer = bank
        .client
        .request(subject, b"{}".as_slice().into())
        .await?;
    let answer: Value = serde_json::from_slice(&answer.payload)?;
    ensure!(answer["seq"].as_i64().is_some(), "{answer}");
    Ok(())
}

/// The server has ended the connection and takes it no more.
async fn until_cut(client: &Client) -> anyhow::Result<()> {
    for _ in 0..500 {
        if client.connection_state() != State::Connected {
            return Ok(());
        }
        sleep(Duration::from_millis(20)).await;
    }
    bail!("the connection goes on")
}

async fn ansinh(world: &World, arguments: &[&str]) -> anyhow::Result<Output> {
    Ok(Command::new(ansinh_binary()?)
        .args(arguments)
        .args(["--output", "json", "--home"])
        .arg(&world.ground.home)
        .envs(world.ground.env())
        .output()
        .await?)
}

//! Checkpoints before an authority with a clock, which is OpenSSL's: nobody here wrote it, and it
//! verifies what was kept.

use std::path::{Path, PathBuf};
use std::process::Output;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, ensure};
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use boot::TimeStampSettings;
use chrono::Utc;
use domain::Programme;
use proof::{Anchors, Held, StampRequest};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::process::Command;
use tokio::sync::RwLock;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::{Copy, log_of, typed, until_sealed};
use crate::ground::Ground;
use crate::world::{World, pensioners};

/// What the authority does with what it is asked.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Mood {
    Right,
    OtherNonce,
    OtherImprint,
    /// It takes no SHA-256.
    Refuses,
    /// It signs with a certificate that another CA has issued.
    Stranger,
    Garbage,
    Silent,
}

const WRONG: [(Mood, &str); 5] = [
    (Mood::OtherNonce, "stamp_of_another_nonce"),
    (Mood::OtherImprint, "stamp_of_another_imprint"),
    (Mood::Refuses, "stamp_not_granted"),
    (Mood::Stranger, "stamp_not_trusted"),
    (Mood::Garbage, "stamp_malformed"),
];

const CONFIG: &str = "\
[req]
distinguished_name = name
[name]
[ca]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign
[stamping]
basicConstraints = CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = critical, timeStamping
[tsa]
default_tsa = stamps
[refusing]
default_tsa = no_stamps
[stamps]
serial = serial
default_policy = 1.2.3.4.1
signer_digest = sha256
digests = sha256
accuracy = secs:1
clock_precision_digits = 3
tsa_name = yes
ess_cert_id_alg = sha256
[no_stamps]
serial = serial
default_policy = 1.2.3.4.1
signer_digest = sha256
digests = sha512
";

/// A time-stamping authority on loopback, stopped with the test.
struct Authority {
    folder: PathBuf,
    url: String,
    mood: RwLock<Mood>,
    asked: AtomicU64,
}

impl Authority {
    async fn start(folder: PathBuf, mood: Mood) -> anyhow::Result<(Arc<Authority>, DropGuard)> {
        std::fs::create_dir_all(&folder)?;
        std::fs::write(folder.join("cnf"), CONFIG)?;
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let authority = Arc::new(Authority {
            folder,
            url: format!("http://{}/tsr", listener.local_addr()?),
            mood: RwLock::new(mood),
            asked: AtomicU64::new(0),
        });
        for who in ["authority", "stranger"] {
            authority.certified(who).await?;
        }
        let router = Router::new()
            .route("/tsr", post(answer))
            .with_state(authority.clone());
        let stop = CancellationToken::new();
        let serving = axum::serve(listener, router).into_future();
        let stopped = stop.clone();
        tokio::spawn(async move {
            tokio::select! {
                served = serving => served,
                () = stopped.cancelled() => Ok(()),
            }
        });
        Ok((authority, stop.drop_guard()))
    }

    /// A CA, and a certificate of its for who stamps.
    async fn certified(&self, who: &str) -> anyhow::Result<()> {
        self.openssl(&format!(
            "req -x509 -config cnf -extensions ca -newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc \
            -keyout {who}-ca.key -out {who}-ca.pem -subj /CN={who}-ca -days 9"
        ))
        .await?;
        self.openssl(&format!(
            "req -config cnf -newkey rsa:2048 -noenc -keyout {who}.key -out {who}.csr -subj /CN={who}"
        ))
        .await?;
        self.openssl(&format!(
            "x509 -req -in {who}.csr -CA {who}-ca.pem -CAkey {who}-ca.key -set_serial 7 -days 9 \
            -extfile cnf -extensions stamping -out {who}.pem"
        ))
        .await?;
        Ok(())
    }

    async fn openssl(&self, arguments: &str) -> anyhow::Result<Output> {
        let output = openssl(&self.folder, arguments).await?;
        ensure!(output.status.success(), "{arguments}: {output:?}");
        Ok(output)
    }

    fn ca_file(&self) -> PathBuf {
        self.folder.join("authority-ca.pem")
    }

    async fn be(&self, mood: Mood) {
        *self.mood.write().await = mood;
    }

    async fn reply(&self, query: &[u8], mood: Mood) -> anyhow::Result<Vec<u8>> {
        let mut query = query.to_vec();
        // The first byte of what is stamped, or of the number by which it was asked.
        let header: &[u8] = match mood {
            Mood::OtherImprint => &[0x04, 0x20],
            _ => &[0x02, 0x10],
        };
        if matches!(mood, Mood::OtherImprint | Mood::OtherNonce) {
            let at = query.windows(2).position(|it| it == header);
            query[at.context("it is in there")? + 9] ^= 1;
        }
        if mood == Mood::Garbage {
            return Ok(query);
        }
        let number = self.asked.load(Ordering::SeqCst);
        std::fs::write(self.folder.join(format!("{number}.tsq")), query)?;
        let who = if mood == Mood::Stranger {
            "stranger"
        } else {
            "authority"
        };
        let section = if mood == Mood::Refuses {
            "no_stamps"
        } else {
            "stamps"
        };
        self.openssl(&format!(
            "ts -reply -config cnf -section {section} -queryfile {number}.tsq -signer {who}.pem \
            -inkey {who}.key -out {number}.tsr"
        ))
        .await?;
        Ok(std::fs::read(self.folder.join(format!("{number}.tsr")))?)
    }
}

async fn openssl(folder: &Path, arguments: &str) -> anyhow::Result<Output> {
    let mut command = Command::new("openssl");
    command
        .current_dir(folder)
        .args(arguments.split_whitespace());
    command
        .output()
        .await
        .context("the tests need the program openssl")
}

async fn answer(
    State(authority): State<Arc<Authority>>,
    query: Bytes,
) -> Result<Vec<u8>, StatusCode> {
    let mood = *authority.mood.read().await;
    if mood == Mood::Silent {
        authority.asked.fetch_add(1, Ordering::SeqCst);
        std::future::pending::<()>().await;
    }
    let reply = authority.reply(&query, mood).await;
    authority.asked.fetch_add(1, Ordering::SeqCst);
    reply.map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stamp_is_taken_from_who_was_asked_for_what_was_asked() -> anyhow::Result<()> {
    let folder = std::env::temp_dir().join(format!("ansinh-tsa-{}", uuid::Uuid::now_v7()));
    let (authority, _stop) = Authority::start(folder.clone(), Mood::Right).await?;
    let note = "an-sinh/evidence\n7\nroot\n\n— an-sinh/evidence sig\n";
    let anchors = Anchors::of_pem(&std::fs::read(authority.ca_file())?)?;
    let strangers = Anchors::of_pem(&std::fs::read(folder.join("stranger-ca.pem"))?)?;
    let request = StampRequest::new(note, [0xFF; 16]);
    let now = Utc::now();

    let reply = authority.reply(&request.der(), Mood::Right).await?;
    let stamp = request.accept(&reply, Some(&anchors), now)?;
    let off = (stamp.stamped_at - now).num_seconds().abs();
    ensure!(off < 60 && stamp.response == reply, "{stamp:?}");
    request.accept(&reply, None, now)?;
    request.accept(&reply, Some(&strangers), now).unwrap_err();
    let much_later = now + chrono::TimeDelta::days(30);
    request
        .accept(&reply, Some(&anchors), much_later)
        .unwrap_err();
    // A byte anywhere else than in what is not signed.
    let mut spoilt = reply.clone();
    let last = spoilt.len() - 1;
    spoilt[last] ^= 1;
    let told = request.accept(&spoilt, Some(&anchors), now).unwrap_err();
    ensure!(told.to_string().contains("stamp_not_trusted"), "{told}");

    for (mood, code) in WRONG {
        let reply = authority.reply(&request.der(), mood).await?;
        let told = request.accept(&reply, Some(&anchors), now).unwrap_err();
        ensure!(told.to_string().starts_with(code), "{mood:?}: {told}");
    }
    Anchors::of_pem(b"none").unwrap_err();
    std::fs::remove_dir_all(folder)?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn checkpoints_are_stamped_and_a_silent_authority_stops_nothing() -> anyhow::Result<()> {
    let ground = Ground::new().await?;
    let (right, _stop) = Authority::start(ground.home.join("tsa"), Mood::Right).await?;
    let (silent, _stop_too) = Authority::start(ground.home.join("silent"), Mood::Silent).await?;
    let settings = [&right, &silent].map(|it| TimeStampSettings {
        url: it.url.clone(),
        ca_file: Some(it.ca_file()),
        every_ms: 100,
    });
    let nobody = TimeStampSettings {
        url: "http://127.0.0.1:9/tsr".to_owned(),
        ca_file: None,
        every_ms: 100,
    };
    let world = World::on(ground, |it| {
        it.proof.time_stamps.extend(settings);
        it.proof.time_stamps.push(nobody);
        it.proof.wait_max_ms = 10_000;
    })
    .await?;
    let (registry, links) = pensioners(&[Some("970436"); 4]);
    world.register(registry).await?;
    world.link(links).await?;
    world.released(Programme::RetirementPension).await?;
    world.until_all_is_heard().await?;
    let kept = "SELECT count(*) FROM proof.time_stamps";
    world
        .until("some checkpoints are stamped", async || {
            Ok(world.number(kept).await? >= 2)
        })
        .await?;
    ensure!(silent.asked.load(Ordering::SeqCst) > 0, "it was asked");
    wrong_answers_are_not_kept(&world, &right).await?;
    until_sealed(&world).await?;
    openssl_verifies_what_was_kept(&world, &right).await?;
    a_pack_carries_one(&world, &right).await?;
    let shown = typed(&world, &["audit", "verify"]).await?;
    ensure!(shown.status.code() == Some(0), "{shown:?}");
    let ground = world.end().await?;
    a_stamp_of_something_else_is_found(&ground).await?;
    ground.clear().await
}

async fn wrong_answers_are_not_kept(world: &World, authority: &Authority) -> anyhow::Result<()> {
    for (mood, _) in WRONG {
        authority.be(mood).await;
        // What was asked before may be on its way still.
        let begun = authority.asked.load(Ordering::SeqCst);
        world
            .until("it is asked in this mood", async || {
                Ok(authority.asked.load(Ordering::SeqCst) > begun + 1)
            })
            .await?;
        let before = proof::stamps(&world.pool, 1).await?;
        let asked = authority.asked.load(Ordering::SeqCst);
        world
            .until("it is asked again, since it was not believed", async || {
                Ok(authority.asked.load(Ordering::SeqCst) > asked)
            })
            .await?;
        let after = proof::stamps(&world.pool, 1).await?;
        assert_eq!(before[0].kept_at, after[0].kept_at, "{mood:?}");
        // Right once, so that it does not wait ever longer.
        authority.be(Mood::Right).await;
        world
            .until("it is believed again", async || {
                let newest = proof::stamps(&world.pool, 1).await?;
                Ok(newest[0].kept_at > after[0].kept_at)
            })
            .await?;
    }
    // Each stamp is evidence that is sealed, and so a reason for the next one.
    authority.be(Mood::Refuses).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    Ok(())
}

async fn openssl_verifies_what_was_kept(
    world: &World,
    authority: &Authority,
) -> anyhow::Result<()> {
    let shown = typed(world, &["audit", "stamps"]).await?;
    let told: Vec<Value> = serde_json::from_slice(&shown.stdout)?;
    ensure!(told.len() > 1, "{told:?}");
    let folder = world.ground.log_dir();
    let ca = authority.ca_file();
    let mut others = None;
    for it in &told {
        let (size, file) = (&it["size"], it["file"].as_str().context("a file")?);
        assert_eq!(it["authority"], authority.url[..]);
        let verify = format!("ts -verify -in {file} -CAfile {} -data", ca.display());
        let good = openssl(&folder, &format!("{verify} stamps/{size}.note")).await?;
        ensure!(good.status.success(), "{good:?}");
        if let Some(other) = others.replace(size) {
            let bad = openssl(&folder, &format!("{verify} stamps/{other}.note")).await?;
            ensure!(!bad.status.success(), "{bad:?}");
        }
    }
    Ok(())
}

async fn a_pack_carries_one(world: &World, authority: &Authority) -> anyhow::Result<()> {
    let pack = world.ground.home.join("stamped");
    let out = pack.display().to_string();
    let made = typed(world, &["audit", "pack", "R000001", "--out", &out]).await?;
    ensure!(made.status.success(), "{made:?}");
    let ca = authority.ca_file();
    let verify = format!(
        "ts -verify -in data/stamp.tsr -data data/stamp.note -CAfile {}",
        ca.display()
    );
    let good = openssl(&pack, &verify).await?;
    ensure!(good.status.success(), "{good:?}");
    let note = std::fs::read_to_string(pack.join("data/stamp.note"))?;
    let (_, key) = log_of(&world.ground)?;
    let key = key.verifier_key();
    for (spoilt, expected) in [(None, false), (Some(("\n\n", "\n1\n\n")), true)] {
        if let Some((from, to)) = spoilt {
            std::fs::write(pack.join("data/stamp.note"), note.replacen(from, to, 1))?;
        }
        let (_, said) = super::pack::verified(&pack, &key).await?;
        assert_eq!(said.contains("stamp: of another log"), expected, "{said}");
    }
    Ok(())
}

async fn a_stamp_of_something_else_is_found(ground: &Ground) -> anyhow::Result<()> {
    let copy = Copy::of(ground).await?;
    let (log, _) = log_of(ground)?;
    let clean = copy.verified(&log, &Held::default()).await?;
    assert_eq!(
        (clean.tampered, &clean.incomplete),
        (0, &Vec::new()),
        "{clean:?}"
    );
    ensure!(clean.time_stamps > 0, "{clean:?}");
    let newest = proof::stamps(&copy.pool, 1).await?;
    let file = log.folder().join(newest[0].file());
    let bytes = std::fs::read(&file)?;
    for spoilt in [Some(&bytes[..bytes.len() - 1]), None] {
        match spoilt {
            Some(spoilt) => std::fs::write(&file, spoilt)?,
            None => std::fs::remove_file(&file)?,
        }
        let told = copy.verified(&log, &Held::default()).await?;
        let codes: Vec<_> = told.findings.iter().map(|it| it.code).collect();
        assert_eq!(codes, ["time_stamp_wrong"], "{told:?}");
    }
    std::fs::write(&file, &bytes)?;
    for (code, change) in [
        // The stamp of one checkpoint is put beside another.
        (
            "time_stamp_wrong",
            "UPDATE proof.time_stamps SET response = (SELECT response FROM proof.time_stamps
                ORDER BY size LIMIT 1)
            WHERE size = (SELECT max(size) FROM proof.time_stamps)",
        ),
        (
            "row_removed",
            "DELETE FROM proof.time_stamps WHERE size = (SELECT max(size) FROM proof.time_stamps)",
        ),
    ] {
        ensure!(copy.change(change).await? > 0, "{change}");
        let told = copy.verified(&log, &Held::default()).await?;
        let found = told.findings.iter().any(|it| it.code == code);
        ensure!(found, "{change}: {told:?}");
    }
    copy.drop().await
}

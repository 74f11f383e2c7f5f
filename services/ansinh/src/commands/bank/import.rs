//! Files of a bank that sends no messages: read, signed with the key that stands for the bank, and
//! said as its messages, all of a file or nothing.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use chrono::Utc;
use domain::Institution;
use events::{Event, bank_in_results, bank_in_statement};
use iso20022::{Heard, Said, Unsaid, each_message};
use messaging::{BankFile, Leases, Organisation, Relay, Signers, Wires};
use privacy::Signer;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use sqlx::PgPool;
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;
use tokio_util::sync::CancellationToken;
use zeroize::Zeroizing;

use crate::cli::{Import, Shared};
use crate::output::{Failure, print, show, table};
use crate::target::Target;

/// Messages that are read before the one in hand is written.
const AHEAD: usize = 4;
/// Rounds of a minute in which the services hear what was said.
const ROUNDS: usize = 15;

pub(super) async fn import(
    target: &Target,
    shared: &Shared,
    given: &Import,
) -> Result<ExitCode, Failure> {
    let institution = given.institution;
    if !Institution::connected().any(|it| it.institution == institution) {
        let text = format!("bank_not_connected: nobody hears {institution}");
        return Err(Failure::Refused(text));
    }
    let signers = Signers::default().with(
        Organisation::Institution(institution),
        signing_key(&given.key)?,
    );
    let pool = target.pool(None).await?;
    let speakers = [bank_in_results(institution), bank_in_statement(institution)];
    messaging::register(&pool, &speakers).await?;
    let tally = say_file(target, &pool, given, &signers).await?;
    let consumers = [
        ("payments", tally.results),
        ("reconciliation", tally.statements),
    ];
    let said = (consumers.into_iter().zip(&speakers)).filter(|((_, count), _)| *count > 0);
    let said: Vec<(&str, &str)> = said.map(|((it, _), speaker)| (it, &speaker[..])).collect();
    until_heard(target, &pool, &speakers, &said).await?;
    tell(shared, given, tally)?;
    Ok(ExitCode::SUCCESS)
}

/// The whole file as signed messages in one transaction.
async fn say_file(
    target: &Target,
    pool: &PgPool,
    given: &Import,
    signers: &Signers,
) -> Result<Heard, Failure> {
    let (institution, now) = (given.institution, Utc::now());
    let (sha256, bytes) = fingerprint(&given.file)?;
    let mut tx = pool.begin().await?;
    let file = BankFile {
        sha256,
        institution,
        bytes,
        officer: given.by.by.clone(),
    };
    if !messaging::insert_file(&mut tx, &file, now).await? {
        let text = "file_known: this very file was read before; nothing is said again";
        return Err(Failure::Refused(text.to_owned()));
    }
    let key = target.keys()?.exchange(&institution.to_string());
    let path = given.file.clone();
    let (sender, mut messages) = mpsc::channel(AHEAD);
    let reading = spawn_blocking(move || {
        let each = |it: Said| sender.blocking_send(it).map_err(io::Error::other);
        each_message(|| File::open(&path), (institution, &key), each)
    });
    while let Some(message) = messages.recv().await {
        let event = match message {
            Said::Results(it) => Event::of(&it, now),
            Said::Page(it) => Event::of(&it, now),
        };
        let said = messaging::append_signed(&mut tx, signers, vec![event], now).await;
        said.map_err(|it| Failure::Refused(it.to_string()))?;
    }
    let tally = reading.await?.map_err(|it| match it {
        Unsaid::Read(iso20022::ReadError::Io(error)) => Failure::Unexpected(error.into()),
        refused => Failure::Refused(refused.to_string()),
    })?;
    tx.commit().await?;
    Ok(tally)
}

/// Publishes what was said, unless somebody does already, until it is heard.
async fn until_heard(
    target: &Target,
    pool: &PgPool,
    speakers: &[String],
    said: &[(&str, &str)],
) -> anyhow::Result<()> {
    let nats = target.nats().await?;
    let stop = CancellationToken::new();
    let settings = &target.settings.messaging;
    let wires = Wires {
        pool: pool.clone(),
        database_url: target.database_url()?.to_owned(),
        role: None,
        jetstream: async_nats::jetstream::new(nats.clone()),
        nats,
        stop: stop.clone(),
        leases: Leases::new(format!("import of {}", speakers[0])),
        watermark: Duration::from_millis(settings.watermark_ms),
        poll: Duration::from_millis(settings.poll_ms),
        replicas: target.settings.nats.replicas,
    };
    let leases = tokio::spawn(wires.clone().keep_leases());
    let relay = tokio::spawn(Relay::new(wires, speakers.to_vec()).run());
    let mut outcome = Ok(());
    for (consumer, speaker) in said {
        for _ in 0..ROUNDS {
            outcome = target.wait_until_heard(consumer, speaker).await;
            if outcome.is_ok() {
                break;
            }
        }
    }
    stop.cancel();
    relay.await?;
    leases.await?;
    outcome
}

fn fingerprint(path: &Path) -> anyhow::Result<([u8; 32], i64)> {
    let named = || format!("{} cannot be read", path.display());
    let mut file = File::open(path).with_context(named)?;
    let (mut hasher, mut bytes) = (Sha256::new(), 0);
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let read = file.read(&mut buffer).with_context(named)?;
        if read == 0 {
            return Ok((hasher.finalize().into(), i64::try_from(bytes)?));
        }
        hasher.update(&buffer[..read]);
        bytes += read;
    }
}

/// As `bank add` writes it: 64 hexadecimal digits.
fn signing_key(path: &Path) -> Result<Signer, Failure> {
    let named = || format!("{} cannot be read", path.display());
    let text = Zeroizing::new(std::fs::read_to_string(path).with_context(named)?);
    let mut seed = Zeroizing::new([0; 32]);
    hex::decode_to_slice(text.trim(), &mut *seed).map_err(|_| {
        let text = "signing_key_invalid: a signing key is a file of 64 hexadecimal digits";
        Failure::Refused(text.to_owned())
    })?;
    Ok(Signer::new(&seed))
}

fn tell(shared: &Shared, given: &Import, it: Heard) -> Result<(), Failure> {
    let counts: [(&str, u64); 4] = [
        ("results", it.results),
        ("undecided", it.undecided),
        ("statements", it.statements),
        ("entries", it.entries),
    ];
    if shared.output == crate::cli::Output::Json {
        let mut said = json!({ "institution": given.institution.to_string() });
        for (name, count) in counts {
            said[name] = Value::from(count);
        }
        print(&serde_json::to_string_pretty(&said)?);
        return Ok(());
    }
    show(shared.output, &counts, |counts| {
        let rows = counts
            .iter()
            .map(|(name, count)| [(*name).to_owned(), count.to_string()]);
        table(&["said", "lines"], 1, rows)
    })
}

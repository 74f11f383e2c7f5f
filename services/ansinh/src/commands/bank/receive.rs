//! At a bank that takes files: what the state tells it, verified, opened with its key, and written as
//! pain.001. Needs neither database nor keys of the state.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{BufWriter, ErrorKind, IntoInnerError, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use boot::nats::Login;
use domain::Institution;
use events::{Enquiries, Envelope, Instructions, bank_out};
use iso20022::OrderWriter;
use iso20022::mapping::{self, Payer};
use messaging::{Delivered, Letters, Places};
use privacy::ExchangeKey;
use serde::Serialize;
use tokio::time::Instant;
use zeroize::Zeroizing;

use crate::cli::{Receive, Shared};
use crate::output::{Failure, show, table};

/// Which messages have become files; beside them.
const PLACES: &str = "received.json";

/// What was written, by kind of file.
#[derive(Debug, Default, Serialize)]
struct Written {
    orders: u64,
    lines: u64,
    enquiries: u64,
    /// Messages that were not the state's, by code.
    refused: BTreeMap<&'static str, u64>,
}

/// A bank's folder for files, and what opens the state's messages.
struct Tray {
    institution: Institution,
    key: ExchangeKey,
    payer: Payer,
    folder: PathBuf,
}

pub(super) async fn receive(shared: &Shared, given: &Receive) -> Result<ExitCode, Failure> {
    let institution = given.institution;
    let tray = Tray {
        institution,
        key: exchange_key(&given.credentials.join("exchange.key"))?,
        payer: payer(given)?,
        folder: given.out.clone(),
    };
    crate::servers::make_folder(&tray.folder)?;
    let _alone = tray.alone()?;
    let mut places = tray.places()?;
    let login = Login {
        nkey_file: Some(given.credentials.join("nats.nk")),
        inbox_prefix: Some(format!("_INBOX_{institution}")),
    };
    let nats = boot::nats::connect(&given.nats_url, &login, "ansinh-receive").await?;
    let jetstream = boot::nats::jetstream(&nats);
    let keys = state_keys(&given.credentials.join("state.pub"))?;
    let letters = Letters::open(nats, &jetstream, &bank_out(institution), keys).await;
    let mut letters = letters.context("the state's messages cannot be heard")?;
    let mut written = Written::default();
    let deadline = Instant::now() + Duration::from_secs(given.wait_seconds);
    loop {
        let post = match letters.next(&places, deadline).await {
            Ok(Some(post)) => post,
            Ok(None) => break,
            // What came in the state's name and is not the state's is why.
            Err(_) if !written.refused.is_empty() => break,
            Err(error) => return Err(Failure::Unexpected(error.into())),
        };
        for letter in &post.fresh {
            tray.write(letter, &mut written)?;
        }
        // Every file is on the disk; then the place; then JetStream may forget.
        tray.keep(&post.places)?;
        places.clone_from(&post.places);
        for why in &post.refused {
            *written.refused.entry(why.code()).or_default() += 1;
        }
        post.acknowledge().await;
    }
    show(shared.output, &written, written_table)?;
    Ok(if written.refused.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(3)
    })
}

fn written_table(it: &Written) -> comfy_table::Table {
    let rows = [
        ("orders (pain.001)", it.orders),
        ("payments in them", it.lines),
        ("enquiries", it.enquiries),
    ];
    let refused = it.refused.iter().map(|(code, count)| (*code, *count));
    let rows = rows.into_iter().chain(refused);
    let rows = rows.map(|(what, count)| [what.to_owned(), count.to_string()]);
    table(&["received", ""], 1, rows)
}

fn payer(given: &Receive) -> Result<Payer, Failure> {
    Ok(Payer {
        initiator: given.initiator.parse().map_err(refused)?,
        debtor: given.debtor.parse().map_err(refused)?,
        account: given.debtor_account.parse().map_err(refused)?,
        agent: given.institution.into(),
        purpose: "GOVT".parse().map_err(refused)?,
        remittance: given.remittance.parse().map_err(refused)?,
    })
}

/// As `bank add` writes it.
fn exchange_key(path: &Path) -> Result<ExchangeKey, Failure> {
    let named = || format!("{} cannot be read", path.display());
    let text = Zeroizing::new(fs::read_to_string(path).with_context(named)?);
    ExchangeKey::from_hex(text.trim()).ok_or_else(|| {
        let text = "exchange_key_invalid: an exchange key is a file of 64 hexadecimal digits";
        Failure::Refused(text.to_owned())
    })
}

/// The state's public keys, one a line.
fn state_keys(path: &Path) -> Result<Vec<Vec<u8>>, Failure> {
    let named = || format!("{} cannot be read", path.display());
    let text = fs::read_to_string(path).with_context(named)?;
    let keys: Result<Vec<Vec<u8>>, _> = text.split_whitespace().map(hex::decode).collect();
    let keys = keys
        .ok()
        .filter(|it| !it.is_empty() && it.iter().all(|it| it.len() == 32));
    keys.ok_or_else(|| {
        let text = "state_key_invalid: a public key is 64 hexadecimal digits on a line of its own";
        Failure::Refused(text.to_owned())
    })
}

impl Tray {
    /// Two that write the same folder would hide each other's place.
    fn alone(&self) -> Result<File, Failure> {
        let path = self.folder.join(".lock");
        let file = private().open(&path)?;
        file.try_lock().map_err(|_| {
            let text = format!(
                "folder_in_use: somebody receives into {}",
                self.folder.display()
            );
            Failure::Refused(text)
        })?;
        Ok(file)
    }

    fn places(&self) -> anyhow::Result<Places> {
        let path = self.folder.join(PLACES);
        match fs::read(&path) {
            Ok(bytes) => {
                let read = serde_json::from_slice(&bytes);
                read.with_context(|| format!("{} does not say what was received", path.display()))
            }
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Places::new()),
            Err(error) => Err(error).with_context(|| format!("{} cannot be read", path.display())),
        }
    }

    fn keep(&self, places: &Places) -> anyhow::Result<()> {
        let text = serde_json::to_vec_pretty(places)?;
        self.whole(PLACES, |file| Ok(file.write_all(&text)?))
    }

    /// What a letter says, as a file; the same letter gives the same file.
    fn write(&self, letter: &Delivered, written: &mut Written) -> Result<(), Failure> {
        let envelope = Envelope::parse(&letter.body).map_err(anyhow::Error::from)?;
        if envelope.is::<Instructions>() {
            let told: Instructions = envelope.read().map_err(anyhow::Error::from)?;
            let order = mapping::order(&told, &self.payer, envelope.time).map_err(refused)?;
            let lines: Result<Vec<_>, _> = (told.lines.iter())
                .map(|it| mapping::order_line(it, self.institution, &self.payer, &self.key))
                .collect();
            let lines = lines.map_err(refused)?;
            let name = format!("{}.pain.001.xml", order.message_id.as_str());
            self.whole(&name, |file| {
                let mut writer = OrderWriter::begin(file, &order)?;
                for line in &lines {
                    writer.line(line)?;
                }
                writer.finish()?;
                Ok(())
            })?;
            written.orders += 1;
            written.lines += lines.len() as u64;
        } else if envelope.is::<Enquiries>() {
            // No ISO message asks so: the lines are named as they are in the event.
            let name = format!("{}.enquiries.json", letter.event_id);
            self.whole(&name, |file| Ok(file.write_all(&letter.body)?))?;
            written.enquiries += 1;
        }
        Ok(())
    }

    /// A file that is there whole or not at all, for the bank alone.
    fn whole(
        &self,
        name: &str,
        fill: impl FnOnce(&mut BufWriter<File>) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let path = self.folder.join(name);
        let named = || format!("{} cannot be written", path.display());
        let part = self.folder.join(format!(".{name}.part"));
        let opened = private().truncate(true).open(&part);
        let mut writer = BufWriter::new(opened.with_context(named)?);
        fill(&mut writer).with_context(named)?;
        let written = writer.into_inner().map_err(IntoInnerError::into_error);
        written.and_then(|it| it.sync_all()).with_context(named)?;
        fs::rename(&part, &path).with_context(named)?;
        let folder = File::open(&self.folder).with_context(named)?;
        folder.sync_all().with_context(named)
    }
}

fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.create(true).write(true).mode(0o600);
    options
}

#[expect(clippy::needless_pass_by_value, reason = "errors are mapped with it")]
fn refused(it: domain::Refusal) -> Failure {
    Failure::Refused(it.to_string())
}

//! The evidence of one run as a folder that is verified without us: `BagIt` 1.0 (RFC 8493), with the
//! program that does so.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Context;
use chrono::{DateTime, Datelike, Utc};
use domain::{Part, RunNo};
use futures::TryStreamExt;
use proof::{Log, Opened, SignedCheckpoint};
use serde::Serialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use sqlx::PgPool;

use super::store;
use crate::output::Failure;

/// Verifies a pack, on any machine with Python.
const VERIFIER: &str = include_str!("verify.py");
/// One may be of a checkpoint that was published after the pack's.
const STAMPS_LOOKED_AT: i64 = 20;
const README: &str = include_str!("README.vi.md");

struct Pack<'a> {
    pool: &'a PgPool,
    log: &'a Log,
    signed: SignedCheckpoint,
    run_no: RunNo,
    folder: PathBuf,
}

/// What was written.
#[derive(Debug, Serialize)]
pub(super) struct Packed {
    run: RunNo,
    lines: u64,
    journals: u64,
    acts: u64,
    messages: u64,
    /// When the newest time stamp in it says that the log was there.
    stamped_at: Option<DateTime<Utc>>,
    files: u64,
}

pub(super) async fn pack(
    pool: &PgPool,
    log: &Log,
    verifier_key: &str,
    (run_no, out): (RunNo, &Path),
) -> Result<Packed, Failure> {
    let note = log.checkpoint().map_err(anyhow::Error::from)?;
    let signed = SignedCheckpoint::open(&note.unwrap_or_default(), verifier_key);
    if out.exists() {
        let text = format!("folder_exists: {} is there already", out.display());
        return Err(Failure::Refused(text));
    }
    let pack = Pack {
        pool,
        log,
        signed: signed.map_err(anyhow::Error::from)?,
        run_no,
        folder: out.to_owned(),
    };
    fs::create_dir_all(pack.folder.join("data")).context("the folder cannot be made")?;
    pack.run().await?;
    pack.write("checkpoint", pack.signed.note.as_bytes())?;
    pack.write("README.vi.md", README.as_bytes())?;
    pack.write("verify.py", VERIFIER.as_bytes())?;
    let lines = pack.lines().await?;
    let journals = pack.journals().await?;
    let acts = pack.acts().await?;
    pack.laws().await?;
    let messages = pack.messages().await?;
    let stamped_at = pack.stamp().await?;
    let files = pack.bag()?;
    Ok(Packed {
        run: run_no,
        lines,
        journals,
        acts,
        messages,
        stamped_at,
        files,
    })
}

impl Pack<'_> {
    fn write(&self, name: &str, bytes: &[u8]) -> anyhow::Result<()> {
        let path = self.folder.join("data").join(name);
        let folder = path.parent().context("it lies in the pack")?;
        fs::create_dir_all(folder)?;
        fs::write(&path, bytes).with_context(|| format!("{} cannot be written", path.display()))
    }

    fn objects(&self, name: &str, objects: &[Value]) -> anyhow::Result<()> {
        let lines = objects.iter().map(|it| it.to_string() + "\n");
        self.write(name, lines.collect::<String>().as_bytes())
    }

    fn csv(&self, name: &str) -> anyhow::Result<csv::Writer<File>> {
        let mut file = File::create(self.folder.join("data").join(name))?;
        // Spreadsheets read it as UTF-8 then.
        file.write_all("\u{feff}".as_bytes())?;
        Ok(csv::Writer::from_writer(file))
    }

    async fn opened(&self, source: &str, keys: &[String]) -> anyhow::Result<Vec<Opened>> {
        Ok(proof::open(self.pool, self.log, &self.signed, (source, keys)).await?)
    }

    async fn run(&self) -> Result<(), Failure> {
        let run = store::run(self.pool, self.run_no).await?;
        let unknown = || Failure::Refused(format!("run_unknown: there is no {}", self.run_no));
        let it = run.ok_or_else(unknown)?;
        let told = json!({
            "run_no": self.run_no.0,
            "programme": domain::Programme::from_number(it.programme).map(|it| it.to_string()),
            "period": it.period,
            "series": it.series,
            "business_date": it.business_date,
            "state": it.state,
            "lines": it.lines,
            "total": it.total.to_string(),
            "root": it.root.map(hex::encode),
        });
        Ok(self.write("run.json", serde_json::to_string_pretty(&told)?.as_bytes())?)
    }

    async fn lines(&self) -> anyhow::Result<u64> {
        let mut file = self.csv("lines.csv")?;
        file.write_record([
            "part",
            "chunk",
            "line",
            "person_no",
            "payee_no",
            "determination_no",
            "amount",
            "deducted",
            "local",
            "province",
            "institution",
            "channel",
            "account_index",
            "arrears_of",
            "arrears_day",
            "counted",
            "status",
            "reason",
            "booked_on",
        ])?;
        let (mut rows, mut count) = (store::lines(self.pool, self.run_no), 0);
        while let Some(it) = rows.try_next().await? {
            file.write_record([
                it.part.to_string(),
                it.chunk.to_string(),
                it.line.to_string(),
                it.person_no.to_string(),
                it.payee_no.map(|it| it.to_string()).unwrap_or_default(),
                it.determination_no.to_string(),
                it.amount.to_string(),
                it.deducted.to_string(),
                it.local.to_string(),
                format!("{:02}", it.province),
                it.institution.to_string(),
                it.channel,
                it.account_index.map(hex::encode).unwrap_or_default(),
                it.arrears_of.map(|it| it.to_string()).unwrap_or_default(),
                it.arrears_of
                    .map(|it| it.num_days_from_ce().to_string())
                    .unwrap_or_default(),
                it.counted.to_string(),
                it.status.unwrap_or_default(),
                it.reason.unwrap_or_default(),
                it.booked_on.map(|it| it.to_string()).unwrap_or_default(),
            ])?;
            count += 1;
        }
        file.flush()?;
        Ok(count)
    }

    /// Each journal with its way into the log, and its transfers with what salts each.
    async fn journals(&self) -> anyhow::Result<u64> {
        let journals = store::journals(self.pool, self.run_no).await?;
        let keys: Vec<String> = journals
            .iter()
            .map(|(part, seq)| format!("{part}/{seq}"))
            .collect();
        let opened = self.opened("journal", &keys).await?;
        let opened: Vec<Value> = opened.iter().map(|it| json!(it)).collect();
        self.objects("journals.jsonl", &opened)?;
        let mut file = self.csv("transfers.csv")?;
        file.write_record([
            "run_no",
            "part",
            "seq",
            "line",
            "debit",
            "credit",
            "amount",
            "person_no",
            "chunk",
            "chunk_line",
            "salt",
        ])?;
        for (part, seq) in &journals {
            let part = Part::try_from(*part).map_err(|_| anyhow::anyhow!("a partition"))?;
            let leaves = ledger::leaves_of(self.pool, part, *seq).await?;
            for ((line, it), salt) in (1..).zip(&leaves.contents).zip(&leaves.salts) {
                file.write_record([
                    it.run_no.to_string(),
                    it.part.number().to_string(),
                    seq.to_string(),
                    i32::to_string(&line),
                    it.debit.to_string(),
                    it.credit.to_string(),
                    it.amount.to_string(),
                    it.person_no.to_string(),
                    it.chunk.to_string(),
                    it.chunk_line.to_string(),
                    hex::encode(salt),
                ])?;
            }
        }
        file.flush()?;
        Ok(journals.len() as u64)
    }

    async fn acts(&self) -> anyhow::Result<u64> {
        let acts = store::acts(self.pool, self.run_no).await?;
        let keys: Vec<String> = acts.iter().map(|it| it.act_no.to_string()).collect();
        let opened = self.opened("act", &keys).await?;
        let mut told = Vec::with_capacity(acts.len());
        for it in &acts {
            let key = it.act_no.to_string();
            let leaf = opened.iter().find(|opened| opened.leaf.key == key);
            let mut told_of = json!(leaf);
            told_of["voided"] = json!(it.voided_at.is_some());
            told_of["statement"] = json!(it.statement);
            told_of["signature"] = json!(it.signature.as_ref().map(hex::encode));
            told_of["public_key"] = json!(it.public_key.as_ref().map(hex::encode));
            told.push(told_of);
        }
        self.objects("acts.jsonl", &told)?;
        Ok(told.len() as u64)
    }

    async fn laws(&self) -> anyhow::Result<()> {
        let files = store::law_files(self.pool, self.run_no).await?;
        let mut keys: Vec<String> = files
            .iter()
            .map(|(law_no, ..)| law_no.to_string())
            .collect();
        keys.dedup();
        let mut opened = self.opened("law", &keys).await?;
        opened.extend(self.opened("law-approval", &keys).await?);
        let opened: Vec<Value> = opened.iter().map(|it| json!(it)).collect();
        self.objects("laws.jsonl", &opened)?;
        for (law_no, path, text) in &files {
            self.write(&format!("law-{law_no}/{path}"), text.as_bytes())?;
        }
        Ok(())
    }

    /// Messages that name the run: who signed them, over what; their bodies stay sealed here.
    async fn messages(&self) -> anyhow::Result<u64> {
        let rows = store::messages(self.pool, self.run_no).await?;
        let mut signed = std::collections::HashMap::new();
        messaging::each_message(self.pool, None, |it| {
            signed.insert(it.id, (it.signed_text, it.public_key, it.signature));
        })
        .await?;
        let keys: Vec<String> = rows.iter().map(|it| it.key.clone()).collect();
        let opened = self.opened("message", &keys).await?;
        let mut told = Vec::with_capacity(rows.len());
        for it in &rows {
            let leaf = opened.iter().find(|opened| opened.leaf.key == it.key);
            let mut told_of = json!(leaf);
            if let Some((text, public_key, signature)) = signed.get(&it.id) {
                told_of["text"] = json!(text);
                told_of["public_key"] = json!(public_key);
                told_of["signature"] = json!(signature);
            }
            told.push(told_of);
        }
        self.objects("messages.jsonl", &told)?;
        Ok(told.len() as u64)
    }

    /// The newest time stamp, what it stamps, and how that leads into the log: by itself where it is
    /// the pack's own checkpoint, else by the leaf that it has become.
    async fn stamp(&self) -> anyhow::Result<Option<DateTime<Utc>>> {
        let stamps = proof::stamps(self.pool, STAMPS_LOOKED_AT).await?;
        let Some(newest) = stamps.iter().find(|it| it.size <= self.signed.size) else {
            return Ok(None);
        };
        self.write("stamp.tsr", &newest.response)?;
        self.write("stamp.note", newest.note.as_bytes())?;
        let opened = self
            .opened("checkpoint", &[newest.size.to_string()])
            .await?;
        let opened: Vec<Value> = opened.iter().map(|it| json!(it)).collect();
        self.objects("stamp.jsonl", &opened)?;
        Ok(Some(newest.stamped_at))
    }

    /// Declares all of it, as `BagIt` has it.
    fn bag(&self) -> anyhow::Result<u64> {
        let mut files = Vec::new();
        files_under(&self.folder.join("data"), &mut files)?;
        files.sort();
        let (mut manifest, mut octets) = (String::new(), 0);
        for path in &files {
            let bytes = fs::read(path)?;
            octets += bytes.len();
            let name = path.strip_prefix(&self.folder)?.display();
            manifest.push_str(&format!(
                "{}  {name}\n",
                hex::encode(Sha256::digest(&bytes))
            ));
        }
        let today = boot::clock::today_in_vietnam(Utc::now());
        let info = format!(
            "Bagging-Date: {today}\nPayload-Oxum: {octets}.{}\nExternal-Identifier: {}\n",
            files.len(),
            self.run_no
        );
        for (name, text) in [
            (
                "bagit.txt",
                "BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n",
            ),
            ("bag-info.txt", &info),
            ("manifest-sha256.txt", &manifest),
        ] {
            fs::write(self.folder.join(name), text)?;
        }
        Ok(files.len() as u64)
    }
}

fn files_under(folder: &Path, files: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            files_under(&path, files)?;
        } else {
            files.push(path);
        }
    }
    Ok(())
}

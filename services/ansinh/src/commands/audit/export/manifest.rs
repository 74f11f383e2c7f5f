//! What a file is: which question, as of when, how many rows, their sum. Auditors' programs read its
//! keys, so a key keeps its name and meaning.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use anyhow::Context;
use chrono::{DateTime, Utc};
use domain::Officer;
use serde::Serialize;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::{Column, Place, Totals};

/// What was asked, known before the answer.
#[derive(Debug, Clone, Serialize)]
pub(in super::super) struct About {
    pub question: String,
    pub title_vi: String,
    pub title_en: String,
    /// Of the question's file.
    pub sql_sha256: String,
    /// By name; null where an optional one was left out.
    pub parameters: Map<String, Value>,
    /// How it was drawn and from what; null where all was taken.
    pub sample: Option<Value>,
    pub asked_by: Officer,
    pub as_of: DateTime<Utc>,
    /// Size and root of the log that was published before the rows were read.
    pub checkpoint: Value,
}

#[derive(Debug, Clone, Serialize)]
pub(in super::super) struct Manifest {
    #[serde(flatten)]
    about: About,
    file: String,
    format: &'static str,
    /// Sheets of rows of a workbook.
    sheets: Option<u64>,
    columns: Vec<Column>,
    rows: u64,
    sum_amount: Option<String>,
    bytes: u64,
    sha256: String,
}

/// One fact inside a file: its key as in the manifest, in words, and its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Control {
    pub key: &'static str,
    pub vi: &'static str,
    pub value: String,
}

impl Manifest {
    pub(super) fn of(about: About, place: &Place, totals: &Totals) -> Manifest {
        Manifest {
            about,
            file: place.file(),
            format: place.format.ending(),
            sheets: place.sheets(totals.rows),
            columns: totals.columns.clone(),
            rows: totals.rows,
            sum_amount: totals.sum.map(|it| it.to_string()),
            bytes: 0,
            sha256: String::new(),
        }
    }

    /// What a file says of itself; all but its own hash.
    pub(super) fn control(&self) -> Vec<Control> {
        let about = &self.about;
        let mut facts = vec![
            ("question", "Câu hỏi", about.question.clone()),
            ("title_vi", "Nội dung", about.title_vi.clone()),
            ("title_en", "Nội dung (tiếng Anh)", about.title_en.clone()),
            (
                "sql_sha256",
                "SHA-256 của câu SQL",
                about.sql_sha256.clone(),
            ),
            (
                "parameters",
                "Tham số",
                Value::from(about.parameters.clone()).to_string(),
            ),
        ];
        if let Some(sample) = &about.sample {
            facts.push(("sample", "Cách chọn mẫu", sample.to_string()));
        }
        facts.extend([
            ("asked_by", "Người hỏi", about.asked_by.to_string()),
            ("as_of", "Thời điểm", about.as_of.to_rfc3339()),
            (
                "checkpoint",
                "Điểm kiểm tra của nhật ký",
                about.checkpoint.to_string(),
            ),
        ]);
        if let Some(sheets) = self.sheets {
            facts.push(("sheets", "Số trang dữ liệu", sheets.to_string()));
        }
        facts.push(("rows", "Số dòng", self.rows.to_string()));
        if let Some(sum) = &self.sum_amount {
            facts.push(("sum_amount", "Tổng số tiền (đồng)", sum.clone()));
        }
        let facts = facts.into_iter();
        facts
            .map(|(key, vi, value)| Control { key, vi, value })
            .collect()
    }

    /// Takes down what lies on the disk.
    pub(super) fn seal(&mut self, path: &Path) -> anyhow::Result<()> {
        let named = || format!("{} cannot be read again", path.display());
        (self.bytes, self.sha256) = hash_of(path).with_context(named)?;
        Ok(())
    }
}

/// Bytes and SHA-256 of a file of any size, block by block.
fn hash_of(path: &Path) -> std::io::Result<(u64, String)> {
    let (mut file, mut hash, mut bytes) = (File::open(path)?, Sha256::new(), 0);
    let mut block = vec![0; 1 << 16];
    loop {
        let read = file.read(&mut block)?;
        if read == 0 {
            return Ok((bytes, hex::encode(hash.finalize())));
        }
        hash.update(&block[..read]);
        bytes += read as u64;
    }
}

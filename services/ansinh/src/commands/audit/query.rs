//! Asks canned questions, and writes what auditors take away.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;
use chrono::Utc;
use domain::Officer;
use rust_decimal::Decimal;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::question::{Question, question, questions};
use super::store;
use crate::cli::Output;
use crate::output::{Failure, print, say, show, table};
use crate::target::Target;

/// Rows on a screen; a file has all.
const SHOWN_MAX: usize = 200;

pub(super) fn list(output: Output) -> Result<ExitCode, Failure> {
    let all: Vec<Question> = questions().collect();
    let told: Vec<Value> = all
        .iter()
        .map(|it| {
            let set: Vec<String> = it
                .parameters
                .iter()
                .map(|it| format!("{} {}", it.name, it.kind))
                .collect();
            json!({ "id": it.id, "vi": it.vi, "en": it.en, "set": set, "columns": it.columns })
        })
        .collect();
    show(output, &told, |_| {
        let rows = all.iter().map(|it| {
            let set: Vec<&str> = it.parameters.iter().map(|it| it.name).collect();
            [
                it.id.to_owned(),
                it.vi.to_owned(),
                it.en.to_owned(),
                set.join(", "),
            ]
        });
        table(&["câu hỏi", "nội dung", "question", "--set"], 4, rows)
    })?;
    Ok(ExitCode::SUCCESS)
}

fn known(id: &str) -> Result<Question, Failure> {
    let unknown = || Failure::Refused(format!("question_unknown: {id} is none of Q01 to Q30"));
    question(id).ok_or_else(unknown)
}

/// The file of a question, for who wants to read or change it.
pub(super) fn text(id: &str) -> Result<ExitCode, Failure> {
    print(known(id)?.text.trim_end());
    Ok(ExitCode::SUCCESS)
}

pub(super) async fn query(
    target: &Target,
    output: Output,
    (id, given): (&str, &[String]),
    out: Option<&Path>,
    by: &Officer,
) -> Result<ExitCode, Failure> {
    let asked = known(id)?;
    let values = asked.values(given).map_err(Failure::Refused)?;
    let pool = target.pool(None).await?;
    let parameters = json!(given);
    let now = Utc::now();
    store::insert_query(&pool, by.as_str(), (asked.id, &parameters), now).await?;
    say("Bạn đang xem ở chế độ chỉ đọc · mọi truy vấn được ghi nhật ký");
    if let Some(folder) = out {
        let mut export = Export::begin(folder, &asked)?;
        store::asked(&pool, &asked, &values, |row| export.row(&row)).await?;
        let checkpoint = crate::commands::audit::checkpoint(target)?;
        let manifest = export.end(json!({
            "question": asked.id,
            "title_vi": asked.vi,
            "title_en": asked.en,
            "sql_sha256": hex::encode(Sha256::digest(asked.text)),
            "parameters": parameters,
            "asked_by": by,
            "as_of": now,
            "checkpoint": checkpoint,
        }))?;
        print(&serde_json::to_string_pretty(&manifest)?);
        return Ok(ExitCode::SUCCESS);
    }
    let (mut rows, mut more) = (Vec::new(), 0_u64);
    store::asked(&pool, &asked, &values, |row| {
        if rows.len() < SHOWN_MAX {
            rows.push(row);
        } else {
            more += 1;
        }
        Ok(())
    })
    .await?;
    let told: Vec<Value> = rows
        .iter()
        .map(|row| {
            let pairs = asked.columns.iter().zip(row);
            pairs
                .map(|(name, it)| ((*name).to_owned(), json!(it)))
                .collect()
        })
        .collect();
    show(output, &told, |_| {
        let rows = rows
            .iter()
            .map(|row| row.iter().map(|it| it.clone().unwrap_or_default()));
        let mut shown = comfy_table::Table::new();
        shown.set_header(&asked.columns);
        for row in rows {
            shown.add_row(row);
        }
        shown
    })?;
    if more > 0 {
        say(&format!("{more} rows more; --out DIR writes all"));
    }
    Ok(ExitCode::SUCCESS)
}

/// A file under way, with what its manifest says of it.
struct Export {
    name: String,
    folder: std::path::PathBuf,
    file: csv::Writer<File>,
    amount: Option<usize>,
    rows: u64,
    sum: Decimal,
}

impl Export {
    fn begin(folder: &Path, asked: &Question) -> anyhow::Result<Export> {
        std::fs::create_dir_all(folder)?;
        let name = asked.id.to_owned();
        let path = folder.join(format!("{name}.csv"));
        let mut file =
            File::create(&path).with_context(|| format!("{} cannot be written", path.display()))?;
        // Spreadsheets read it as UTF-8 then.
        file.write_all("\u{feff}".as_bytes())?;
        let mut file = csv::Writer::from_writer(file);
        file.write_record(&asked.columns)?;
        Ok(Export {
            name,
            folder: folder.to_owned(),
            file,
            amount: asked.columns.iter().position(|it| *it == "amount"),
            rows: 0,
            sum: Decimal::ZERO,
        })
    }

    fn row(&mut self, row: &[Option<String>]) -> anyhow::Result<()> {
        let amount = self.amount.and_then(|it| row[it].as_deref());
        if let Some(amount) = amount {
            self.sum += amount.parse::<Decimal>()?;
        }
        self.rows += 1;
        Ok(self
            .file
            .write_record(row.iter().map(|it| cell(it.as_deref())))?)
    }

    fn end(mut self, mut manifest: Value) -> anyhow::Result<Value> {
        self.file.flush()?;
        let path = self.folder.join(format!("{}.csv", self.name));
        manifest["file"] = json!(format!("{}.csv", self.name));
        manifest["rows"] = json!(self.rows);
        manifest["sum_amount"] = json!(self.amount.map(|_| self.sum.to_string()));
        manifest["sha256"] = json!(hex::encode(Sha256::digest(std::fs::read(&path)?)));
        let text = serde_json::to_string_pretty(&manifest)?;
        std::fs::write(
            self.folder.join(format!("{}.manifest.json", self.name)),
            text,
        )?;
        Ok(manifest)
    }
}

/// What a spreadsheet would take for a formula is a text in it; a number stays one.
fn cell(value: Option<&str>) -> String {
    let value = value.unwrap_or_default();
    let is_formula = value.starts_with(['=', '+', '-', '@', '\t', '\r']);
    if is_formula && value.parse::<Decimal>().is_err() {
        return format!("'{value}");
    }
    value.to_owned()
}

#[cfg(test)]
mod tests {
    use super::cell;

    #[test]
    fn a_formula_is_a_text_and_a_number_a_number() {
        for (value, expected) in [
            ("=1+1", "'=1+1"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("-540000", "-540000"),
            ("+x", "'+x"),
            ("HTXH", "HTXH"),
        ] {
            assert_eq!(cell(Some(value)), expected);
        }
        assert_eq!(cell(None), "");
    }
}

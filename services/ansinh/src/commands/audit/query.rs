//! Asks canned questions, and gives the answer on the screen or as a file.

use std::process::ExitCode;

use chrono::Utc;
use domain::Officer;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::export::{About, Cell, Column, Export, Place, SHEET_MAX, Totals};
use super::question::{Question, question, questions};
use super::store;
use crate::cli::{Format, Output, Taken};
use crate::output::{Failure, grouped, print, say, show, table};
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
    taken: &Taken,
    by: &Officer,
) -> Result<ExitCode, Failure> {
    let asked = known(id)?;
    let values = asked.values(given).map_err(Failure::Refused)?;
    let pool = target.pool(None).await?;
    let about = About {
        question: asked.id.to_owned(),
        title_vi: asked.vi.to_owned(),
        title_en: asked.en.to_owned(),
        sql_sha256: hex::encode(Sha256::digest(asked.text)),
        parameters: asked.named(&values),
        sample: None,
        asked_by: by.clone(),
        as_of: Utc::now(),
        checkpoint: super::checkpoint(target)?,
    };
    noted(&pool, &about).await?;
    let mut tx = store::as_auditor(&pool).await?;
    match taken.file(output) {
        Ok(format) => {
            let totals = store::totals(&mut tx, &asked, &values).await?;
            let columns = totals.columns.clone();
            let mut export = begin(taken, (asked.id, format), about, totals)?;
            let take = |row| export.row(row);
            store::rows(&mut tx, (&asked, &columns), &values, take).await?;
            end(export)
        }
        Err(output) => {
            let columns = store::columns(&mut tx, &asked).await?;
            let (mut rows, mut more) = (Vec::new(), 0_u64);
            let take = |row| {
                if rows.len() < SHOWN_MAX {
                    rows.push(row);
                } else {
                    more += 1;
                }
                Ok(())
            };
            store::rows(&mut tx, (&asked, &columns), &values, take).await?;
            shown(output, &columns, &rows)?;
            if more > 0 {
                say(&format!("{more} rows more; -o csv|xlsx|parquet writes all"));
            }
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// On record before it is answered, whatever comes of it.
pub(super) async fn noted(pool: &sqlx::PgPool, about: &About) -> Result<(), Failure> {
    let parameters = Value::from(about.parameters.clone());
    let (by, asked) = (about.asked_by.as_str(), (&about.question[..], &parameters));
    store::insert_query(pool, by, asked, about.as_of).await?;
    say("Bạn đang xem ở chế độ chỉ đọc · mọi truy vấn được ghi nhật ký");
    Ok(())
}

/// Says how much there is before it is written.
pub(super) fn begin(
    taken: &Taken,
    (name, format): (&str, Format),
    about: About,
    totals: Totals,
) -> anyhow::Result<Export> {
    let place = Place {
        folder: taken.out.clone().unwrap_or_else(|| ".".into()),
        name: name.to_owned(),
        format,
        separator: taken.separator,
        sheet_max: SHEET_MAX,
    };
    let mut text = format!("{}: {} dòng (rows)", place.file(), grouped(totals.rows));
    if let Some(sum) = totals.sum {
        text.push_str(&format!(", {} đồng", grouped(sum)));
    }
    if let Some(sheets @ 2..) = place.sheets(totals.rows) {
        text.push_str(&format!(
            "; {sheets} trang, mỗi trang không quá {} dòng (sheets, so many rows each)",
            grouped(SHEET_MAX)
        ));
    }
    say(&text);
    Export::begin(place, about, totals)
}

pub(super) fn end(export: Export) -> Result<ExitCode, Failure> {
    print(&serde_json::to_string_pretty(&export.end()?)?);
    Ok(ExitCode::SUCCESS)
}

/// Rows on the screen.
pub(super) fn shown(output: Output, columns: &[Column], rows: &[Vec<Cell>]) -> Result<(), Failure> {
    show(output, &objects(columns, rows), |_| {
        let mut table = comfy_table::Table::new();
        table.set_header(columns.iter().map(|it| &it.name));
        for row in rows {
            table.add_row(row.iter().map(|it| it.text().unwrap_or_default()));
        }
        table
    })
}

/// Every value as its text, by its column.
pub(super) fn objects(columns: &[Column], rows: &[Vec<Cell>]) -> Vec<Map<String, Value>> {
    let object = |row: &Vec<Cell>| {
        let pairs = columns.iter().zip(row);
        pairs
            .map(|(column, it)| (column.name.clone(), json!(it.text())))
            .collect()
    };
    rows.iter().map(object).collect()
}

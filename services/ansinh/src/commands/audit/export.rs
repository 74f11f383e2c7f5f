//! What auditors take away: rows as a file in a format of their choice, and a manifest that says what
//! it is. A file is whole or is not there under its name.

mod csv;
mod manifest;
mod parquet;
#[cfg(test)]
mod tests;
mod xlsx;

use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use chrono::{DateTime, FixedOffset, NaiveDate, SecondsFormat, Utc};
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;
use serde::Serialize;

pub(super) use manifest::{About, Manifest};
pub(super) use xlsx::SHEET_MAX;

use crate::cli::{Format, Separator};
use manifest::Control;

/// The column that is added up.
pub(super) const AMOUNT: &str = "amount";

/// Whole numbers that name something, beside those that end in `_no`: nobody adds them up.
const CODES: [&str; 8] = [
    "commune",
    "expected",
    "found",
    "institution",
    "line",
    "part",
    "programme",
    "province",
];

/// What a column holds, in every format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Kind {
    Whole,
    Decimal { scale: u32 },
    Text,
    Date,
    Time,
    Truth,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Column {
    pub name: String,
    #[serde(rename = "type")]
    pub kind: Kind,
}

impl Column {
    /// Its digits are a name: a spreadsheet must not round or group them.
    fn is_id(&self) -> bool {
        self.name.ends_with("_no") || CODES.contains(&&self.name[..])
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Cell {
    Nothing,
    Whole(i64),
    Decimal(Decimal),
    Text(String),
    Date(NaiveDate),
    Time(DateTime<Utc>),
    Truth(bool),
}

impl Cell {
    /// As people and programs read it; nothing is `None`.
    pub fn text(&self) -> Option<String> {
        Some(match self {
            Cell::Nothing => return None,
            Cell::Whole(it) => it.to_string(),
            Cell::Decimal(it) => it.to_string(),
            Cell::Text(it) => it.clone(),
            Cell::Date(it) => it.to_string(),
            Cell::Time(it) => {
                let hours = FixedOffset::east_opt(7 * 3_600);
                let vietnam = hours.expect("seven hours are less than a day");
                it.with_timezone(&vietnam)
                    .to_rfc3339_opts(SecondsFormat::AutoSi, false)
            }
            Cell::Truth(it) => it.to_string(),
        })
    }

    /// As a column of this kind keeps it. A number is never cut to fit.
    fn fit(self, kind: Kind) -> anyhow::Result<Cell> {
        Ok(match (kind, self) {
            (Kind::Whole, Cell::Decimal(it)) => {
                let whole = it.fract().is_zero().then(|| it.to_i64()).flatten();
                let number = whole.with_context(|| {
                    format!("number_too_large: {it} is no whole number of 64 bits")
                })?;
                Cell::Whole(number)
            }
            (_, cell) => cell,
        })
    }
}

/// What is known of an answer before its rows are read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Totals {
    pub columns: Vec<Column>,
    pub rows: u64,
    /// Of the column `amount`, where there is one.
    pub sum: Option<Decimal>,
}

impl Totals {
    /// Of rows that are all in memory.
    pub fn of(columns: Vec<Column>, rows: &[Vec<Cell>]) -> anyhow::Result<Totals> {
        let mut tally = Tally::of(&columns);
        for row in rows {
            tally.add(row)?;
        }
        Ok(Totals {
            rows: tally.rows,
            sum: tally.sum(),
            columns,
        })
    }
}

/// Rows and their sum, counted on the way.
#[derive(Debug)]
struct Tally {
    amount: Option<usize>,
    rows: u64,
    sum: Decimal,
}

impl Tally {
    fn of(columns: &[Column]) -> Tally {
        Tally {
            amount: columns.iter().position(|it| it.name == AMOUNT),
            rows: 0,
            sum: Decimal::ZERO,
        }
    }

    fn add(&mut self, row: &[Cell]) -> anyhow::Result<()> {
        let amount = match self.amount.map(|it| &row[it]) {
            Some(Cell::Whole(it)) => Decimal::from(*it),
            Some(Cell::Decimal(it)) => *it,
            _ => Decimal::ZERO,
        };
        self.sum = self.sum.checked_add(amount).context("sum_too_large")?;
        self.rows += 1;
        Ok(())
    }

    fn sum(&self) -> Option<Decimal> {
        self.amount.map(|_| self.sum)
    }
}

/// A file of rows under way. It holds no more of them than a bounded number.
trait Rows {
    fn row(&mut self, row: Vec<Cell>) -> anyhow::Result<()>;

    /// Writes what is left, and counts and sums where the format has a place for them.
    fn end(self: Box<Self>, control: &[Control]) -> anyhow::Result<()>;
}

/// Where a file goes, and how it is written.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub folder: PathBuf,
    /// Without its ending.
    pub name: String,
    pub format: Format,
    pub separator: Separator,
    /// Rows under the head of one sheet of a workbook.
    pub sheet_max: u32,
}

impl Place {
    /// The file's name.
    pub fn file(&self) -> String {
        format!("{}.{}", self.name, self.format.ending())
    }

    /// Sheets of rows that so many need; `None` where the format has no sheets.
    pub fn sheets(&self, rows: u64) -> Option<u64> {
        let sheets = rows.div_ceil(u64::from(self.sheet_max)).max(1);
        (self.format == Format::Xlsx).then_some(sheets)
    }

    fn path(&self) -> PathBuf {
        self.folder.join(self.file())
    }

    /// Where the file lies until it is whole.
    fn part(&self) -> PathBuf {
        self.folder.join(format!(".{}.part", self.file()))
    }
}

pub(super) struct Export {
    place: Place,
    about: About,
    totals: Totals,
    tally: Tally,
    rows: Box<dyn Rows>,
    part: Part,
}

/// A file that is not whole yet. What becomes of none is taken away.
struct Part(PathBuf);

impl Drop for Part {
    fn drop(&mut self) {
        // It has its name by then, or never came to be.
        let _gone = std::fs::remove_file(&self.0);
    }
}

impl Export {
    pub fn begin(place: Place, about: About, totals: Totals) -> anyhow::Result<Export> {
        let named = || format!("{} cannot be written", place.path().display());
        std::fs::create_dir_all(&place.folder).with_context(named)?;
        let (columns, part) = (&totals.columns, Part(place.part()));
        let rows: Box<dyn Rows> = match place.format {
            Format::Csv => Box::new(csv::Csv::begin(&place, columns).with_context(named)?),
            Format::Xlsx => Box::new(xlsx::Xlsx::begin(&part.0, columns, place.sheet_max)?),
            Format::Parquet => Box::new(parquet::Parquet::begin(&part.0, columns)?),
        };
        Ok(Export {
            tally: Tally::of(columns),
            place,
            about,
            totals,
            rows,
            part,
        })
    }

    pub fn row(&mut self, row: Vec<Cell>) -> anyhow::Result<()> {
        let kinds = self.totals.columns.iter().map(|it| it.kind);
        let fitted: anyhow::Result<Vec<Cell>> = row
            .into_iter()
            .zip(kinds)
            .map(|(it, kind)| it.fit(kind))
            .collect();
        let fitted = fitted?;
        self.tally.add(&fitted)?;
        self.rows.row(fitted)
    }

    /// The manifest, once the file and it are whole. What was counted on the way is what was announced.
    pub fn end(self) -> anyhow::Result<Manifest> {
        let counted = (self.tally.rows, self.tally.sum());
        let announced = (self.totals.rows, self.totals.sum);
        ensure!(
            counted == announced,
            "export_incomplete: {announced:?} rows and sum were announced, and {counted:?} written"
        );
        let mut manifest = Manifest::of(self.about, &self.place, &self.totals);
        self.rows.end(&manifest.control())?;
        let path = self.place.path();
        std::fs::rename(&self.part.0, &path)
            .with_context(|| format!("{} cannot be written", path.display()))?;
        manifest.seal(&path)?;
        let beside = self
            .place
            .folder
            .join(format!("{}.manifest.json", self.place.name));
        write_whole(&beside, &serde_json::to_vec_pretty(&manifest)?)?;
        Ok(manifest)
    }
}

/// Never half a file under its name.
fn write_whole(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let named = || format!("{} cannot be written", path.display());
    let part = path.with_extension("part");
    std::fs::write(&part, bytes).with_context(named)?;
    std::fs::rename(&part, path).with_context(named)
}

//! A workbook for people. Rows go to the disk as they come; sheets are numbered where one cannot hold
//! them, and the last sheet says what the workbook is.

use std::path::{Path, PathBuf};

use anyhow::Context;
use chrono::Datelike;
use rust_decimal::Decimal;
use rust_xlsxwriter::{ExcelDateTime, Format, Workbook, Worksheet, XlsxError};

use super::{Cell, Column, Control, Kind, Rows};

/// A sheet has 1,048,576 rows, and the first one is the head.
pub(in super::super) const SHEET_MAX: u32 = 1_048_575;

/// Above it a spreadsheet, whose numbers are doubles, does not tell neighbours apart.
const EXACT_MAX: u64 = 1 << 53;

const WIDTH: u16 = 18;

const IDS: &str = "Mã số được ghi thành văn bản để giữ nguyên chữ số.";
const TIMES: &str = "Thời điểm được ghi thành văn bản theo giờ Việt Nam, đến phần triệu giây.";

pub(super) struct Xlsx {
    workbook: Workbook,
    path: PathBuf,
    columns: Vec<Column>,
    formats: Vec<Format>,
    sheet_max: u32,
    sheets: usize,
    /// The next one of the sheet under way.
    row: u32,
    /// Numbers that went in as texts.
    inexact: u64,
}

impl Xlsx {
    pub fn begin(path: &Path, columns: &[Column], sheet_max: u32) -> anyhow::Result<Xlsx> {
        let mut workbook = Workbook::new();
        // What does not fit in memory lies where the workbook will, not where the system keeps
        // small things.
        workbook.set_tempdir(path.parent().context("a file lies in a folder")?)?;
        workbook.use_zip_large_file(true);
        let mut made = Xlsx {
            workbook,
            path: path.to_owned(),
            columns: columns.to_vec(),
            formats: columns.iter().map(|it| format_of(it.kind)).collect(),
            sheet_max,
            sheets: 0,
            row: 0,
            inexact: 0,
        };
        made.next_sheet()?;
        Ok(made)
    }

    fn next_sheet(&mut self) -> Result<(), XlsxError> {
        self.sheets += 1;
        let name = format!("Dữ liệu {}", self.sheets);
        let bold = Format::new().set_bold();
        let sheet = self.workbook.add_worksheet_with_constant_memory()?;
        sheet.set_name(name)?.set_freeze_panes(1, 0)?;
        for (at, column) in (0..).zip(&self.columns) {
            sheet.set_column_width(at, WIDTH)?;
            sheet.write_string_with_format(0, at, &column.name, &bold)?;
        }
        self.row = 1;
        Ok(())
    }

    fn notes(&self) -> Vec<[String; 3]> {
        let note = |key: &str, vi: String| [key.to_owned(), "Ghi chú".to_owned(), vi];
        let mut notes = vec![note("ids_are_text", IDS.to_owned())];
        if self.columns.iter().any(|it| it.kind == Kind::Time) {
            notes.push(note("times_are_text", TIMES.to_owned()));
        }
        if self.inexact > 0 {
            let text = format!(
                "{} số từ 2^53 trở lên được ghi thành văn bản để giữ nguyên chữ số.",
                self.inexact
            );
            notes.push(note("large_numbers_are_text", text));
        }
        if self.sheets > 1 {
            let text = format!(
                "Dữ liệu được chia thành {} trang, mỗi trang không quá {} dòng.",
                self.sheets, self.sheet_max
            );
            notes.push(note("split", text));
        }
        notes
    }
}

impl Rows for Xlsx {
    fn row(&mut self, row: Vec<Cell>) -> anyhow::Result<()> {
        if self.row > self.sheet_max {
            self.next_sheet()?;
        }
        let sheet = self.workbook.worksheet_from_index(self.sheets - 1)?;
        let places = (0..).zip(&self.columns).zip(&self.formats);
        for (((at, column), format), cell) in places.zip(row) {
            let is_exact = write(sheet, (self.row, at), (column, format), &cell);
            let named = || format!("row {}, column {}", self.row, column.name);
            if !is_exact.with_context(named)? {
                self.inexact += 1;
            }
        }
        self.row += 1;
        Ok(())
    }

    fn end(mut self: Box<Self>, control: &[Control]) -> anyhow::Result<()> {
        let notes = self.notes();
        let facts = control.iter().map(|it| {
            let [key, vi] = [it.key, it.vi].map(str::to_owned);
            [key, vi, it.value.clone()]
        });
        let bold = Format::new().set_bold();
        let sheet = self.workbook.add_worksheet_with_constant_memory()?;
        sheet.set_name("Kiểm soát")?;
        for (at, width) in [(0, WIDTH), (1, 2 * WIDTH), (2, 4 * WIDTH)] {
            sheet.set_column_width(at, width)?;
        }
        for (at, fact) in (0..).zip(facts.chain(notes)) {
            for (column, text) in (0..).zip(fact) {
                if column == 0 {
                    sheet.write_string_with_format(at, column, text, &bold)?;
                } else {
                    sheet.write_string(at, column, text)?;
                }
            }
        }
        Ok(self.workbook.save(&self.path)?)
    }
}

fn format_of(kind: Kind) -> Format {
    let shown = match kind {
        Kind::Whole => "#,##0".to_owned(),
        Kind::Decimal { scale } => format!("0.{}", "0".repeat(scale as usize)),
        Kind::Date => "dd/mm/yyyy".to_owned(),
        Kind::Text | Kind::Time | Kind::Truth => return Format::new(),
    };
    Format::new().set_num_format(shown)
}

/// False where a number had to be written as a text. A text is a text, whatever it looks like.
fn write(
    sheet: &mut Worksheet,
    (row, at): (u32, u16),
    (column, format): (&Column, &Format),
    cell: &Cell,
) -> Result<bool, XlsxError> {
    let text = || cell.text().unwrap_or_default();
    match cell {
        Cell::Nothing => {}
        Cell::Whole(_) if column.is_id() => {
            sheet.write_string(row, at, text())?;
        }
        Cell::Whole(it) if it.unsigned_abs() >= EXACT_MAX => {
            sheet.write_string(row, at, text())?;
            return Ok(false);
        }
        // It goes by way of `Decimal`, whose conversion is the crate's: no float stands here.
        Cell::Whole(it) => {
            sheet.write_with_format(row, at, Decimal::from(*it), format)?;
        }
        Cell::Decimal(it) => {
            sheet.write_with_format(row, at, *it, format)?;
        }
        Cell::Date(it) => match u16::try_from(it.year()) {
            Ok(year @ 1900..=9999) => {
                let [month, day] = [it.month(), it.day()]
                    .map(|it| u8::try_from(it).expect("months and days are below 32"));
                let date = ExcelDateTime::from_ymd(year, month, day)?;
                sheet.write_datetime_with_format(row, at, &date, format)?;
            }
            _ => {
                sheet.write_string(row, at, text())?;
            }
        },
        Cell::Truth(it) => {
            sheet.write_boolean(row, at, *it)?;
        }
        Cell::Text(_) | Cell::Time(_) => {
            sheet.write_string(row, at, text())?;
        }
    }
    Ok(true)
}

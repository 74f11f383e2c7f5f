//! Rows of an Excel workbook (ECMA-376), as texts.
//!
//! A cell is text, a whole number or a day; what would have to be computed, rounded or guessed is
//! refused at its place: formulas, fractions, times of day.

use std::io::{Read, Seek};

use calamine::{DataRef, Reader, SheetType, SheetVisible, Xlsx};
use domain::Refusal;

use crate::rows::{Broken, COLUMNS_MAX, Kind, LINE_BYTES_MAX, Row};
use crate::table::columns;
use crate::{FileError, Refused, archive};

/// From here on not each whole number has a number of its own in a workbook.
const EXACT_BELOW: u64 = 1 << 53;

/// A cell as text, or what is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Cell {
    text: String,
    kind: Kind,
    wrong: Option<(&'static str, &'static str)>,
}

/// The cells of one row, by column.
#[derive(Debug, Default)]
struct Line {
    /// From 1; 0 before the first.
    number: u64,
    cells: Vec<Cell>,
}

/// What is done with whole rows: the header first, then each of the others.
struct Sheet<H, A, B> {
    header: Option<A>,
    columns: Vec<&'static str>,
    layout: Option<H>,
    row: B,
}

pub(crate) fn read<R: Read + Seek, H>(
    mut file: R,
    sheet: Option<&str>,
    header: impl FnOnce(&[&'static str]) -> Result<H, FileError>,
    row: impl FnMut(&mut H, Result<Row, Broken>) -> Result<bool, FileError>,
) -> Result<H, FileError> {
    archive::refuse_dangerous(&mut file)?;
    let mut workbook = Xlsx::new(file)?;
    let name = sheet_name(&workbook, sheet)?;
    let mut cells = workbook.worksheet_cells_reader(&name)?;
    let mut sheet = Sheet {
        header: Some(header),
        columns: Vec::new(),
        layout: None,
        row,
    };
    let mut line = Line::default();
    let mut wanted = true;
    while let Some(cell) = cells.next_cell_with_formula_metadata()? {
        let (row, column) = cell.pos;
        let number = u64::from(row) + 1;
        if number < line.number {
            let after = line.number;
            return Err(FileError::RowOrder { row: number, after });
        }
        if number > line.number {
            wanted = sheet.take(std::mem::take(&mut line))?;
            if !wanted {
                break;
            }
            line.number = number;
        }
        let column = usize::try_from(column).unwrap_or(COLUMNS_MAX);
        line.put(column, Cell::read(&cell.value, cell.formula.is_some()));
    }
    if wanted {
        sheet.take(line)?;
    }
    sheet.layout.ok_or_else(|| FileError::Columns {
        sentence: "the sheet is empty".to_owned(),
    })
}

/// The sheet that was named, or the first that people see.
fn sheet_name<R: Read + Seek>(
    workbook: &Xlsx<R>,
    sheet: Option<&str>,
) -> Result<String, FileError> {
    let sheets = workbook.sheets_metadata();
    let tables = sheets.iter().filter(|it| it.typ == SheetType::WorkSheet);
    let found = match sheet {
        Some(name) => tables.clone().find(|it| it.name == name),
        None => tables
            .clone()
            .find(|it| it.visible == SheetVisible::Visible),
    };
    found.map(|it| it.name.clone()).ok_or_else(|| {
        let names: Vec<&str> = tables.map(|it| &it.name[..]).collect();
        let sentence = format!("the sheets of the workbook are: {}", names.join(", "));
        FileError::Sheet { sentence }
    })
}

impl<H, A, B> Sheet<H, A, B>
where
    A: FnOnce(&[&'static str]) -> Result<H, FileError>,
    B: FnMut(&mut H, Result<Row, Broken>) -> Result<bool, FileError>,
{
    /// False where nobody wants more.
    fn take(&mut self, line: Line) -> Result<bool, FileError> {
        if line.cells.iter().all(Cell::is_empty) {
            return Ok(true);
        }
        if let Some(layout) = &mut self.layout {
            return (self.row)(layout, line.into_row(&self.columns));
        }
        let mut names = line.cells;
        while names.pop_if(|it| it.is_empty()).is_some() {}
        if let Some(cell) = names
            .iter()
            .find(|it| it.wrong.is_some() || it.kind != Kind::Text)
        {
            let wrong = cell.wrong.map_or("", |(_, sentence)| sentence);
            let sentence = format!("the names of columns are text {wrong}")
                .trim_end()
                .to_owned();
            return Err(FileError::Columns { sentence });
        }
        let names: Vec<String> = names.into_iter().map(|it| it.text).collect();
        self.columns = columns(&names)?;
        if let Some(header) = self.header.take() {
            self.layout = Some(header(&self.columns)?);
        }
        Ok(true)
    }
}

impl Line {
    fn put(&mut self, column: usize, cell: Cell) {
        // What stands far to the right is still told, in the last column there can be.
        let column = column.min(COLUMNS_MAX);
        if cell.is_empty() {
            return;
        }
        if self.cells.len() <= column {
            self.cells.resize(column + 1, Cell::default());
        }
        self.cells[column] = cell;
    }

    fn into_row(mut self, columns: &[&'static str]) -> Result<Row, Broken> {
        let broken = |cells: &[Cell], column: &'static str, code, sentence: String| Broken {
            refused: Refused::at(self.number, column, Refusal::new(code, sentence)),
            written: cells.iter().map(|it| it.text.clone()).collect(),
        };
        if self.cells.len() > columns.len() {
            let sentence = format!("a row has exactly {} fields", columns.len());
            return Err(broken(&self.cells, "row", "columns_invalid", sentence));
        }
        self.cells.resize(columns.len(), Cell::default());
        let mut cells = self.cells.iter().zip(columns);
        let wrong = cells.find_map(|(it, column)| Some((it.wrong?, *column)));
        if let Some(((code, sentence), column)) = wrong {
            return Err(broken(&self.cells, column, code, sentence.to_owned()));
        }
        if self.cells.iter().map(|it| it.text.len()).sum::<usize>() > LINE_BYTES_MAX {
            let sentence = "a line has at most 16 KiB".to_owned();
            return Err(broken(&self.cells, "row", "line_too_long", sentence));
        }
        if self.cells.iter().any(|it| it.text.contains('\0')) {
            let sentence = "the row contains a NUL character".to_owned();
            return Err(broken(&self.cells, "row", "encoding_invalid", sentence));
        }
        let cells = self.cells.iter().map(|it| (&it.text[..], it.kind));
        Ok(Row::of_cells(self.number, cells))
    }
}

impl Cell {
    fn read(value: &DataRef<'_>, formula: bool) -> Cell {
        let cell = match value {
            DataRef::Empty => Cell::default(),
            DataRef::String(text) => Cell::text(text),
            DataRef::SharedString(text) => Cell::text(text),
            DataRef::Int(number) => Cell::number(number.to_string()),
            DataRef::Float(number) => Cell::number(number.to_string()),
            DataRef::Bool(flag) => Cell::text(if *flag { "TRUE" } else { "FALSE" }).refused(
                "cell_boolean",
                "the cell is a truth value; format the column as text and write true or false",
            ),
            DataRef::Error(error) => Cell::text(&error.to_string()).refused(
                "cell_error",
                "the cell is the error of a formula; write the value itself",
            ),
            DataRef::DateTime(moment) if moment.is_datetime() => {
                let (year, month, day, hours, minutes, seconds, rest) = moment.to_ymd_hms_milli();
                let day = format!("{year:04}-{month:02}-{day:02}");
                Cell::date(day, (hours, minutes, seconds, rest) == (0, 0, 0, 0))
            }
            DataRef::DateTime(duration) => Cell::date(duration.to_string(), false),
            DataRef::DateTimeIso(moment) => {
                let day = moment.trim_end_matches("T00:00:00");
                let whole = day.len() == "yyyy-mm-dd".len();
                Cell::date(day.to_owned(), whole)
            }
            DataRef::DurationIso(duration) => Cell::date(duration.clone(), false),
        };
        if formula {
            let sentence = "the cell is computed by a formula; write the value itself";
            return cell.refused("cell_formula", sentence);
        }
        cell
    }

    fn text(text: &str) -> Cell {
        Cell {
            text: text.to_owned(),
            ..Cell::default()
        }
    }

    /// A workbook keeps numbers in binary with a fraction; what is no whole number there, or
    /// beyond those it can tell apart, is never taken for one.
    fn number(shown: String) -> Cell {
        let whole = shown.parse::<i64>().ok();
        let exact = whole.filter(|it| it.unsigned_abs() < EXACT_BELOW);
        if let Some(number) = exact {
            return Cell {
                text: number.to_string(),
                kind: Kind::Number,
                wrong: None,
            };
        }
        let cell = Cell {
            text: shown,
            kind: Kind::Number,
            wrong: None,
        };
        let sentence = "the cell is a number that is not whole, or beyond 15 digits; \
                        format the column as text and write the digits";
        cell.refused("cell_not_text", sentence)
    }

    fn date(text: String, whole_day: bool) -> Cell {
        let cell = Cell {
            text,
            kind: Kind::Date,
            wrong: None,
        };
        if whole_day {
            return cell;
        }
        let sentence = "the cell has a time of day; write a date alone";
        cell.refused("cell_time", sentence)
    }

    fn refused(self, code: &'static str, sentence: &'static str) -> Cell {
        Cell {
            wrong: Some((code, sentence)),
            ..self
        }
    }

    fn is_empty(&self) -> bool {
        self.text.is_empty() && self.wrong.is_none()
    }
}

#[cfg(test)]
mod tests;

use chrono::NaiveDate;
use rust_decimal::Decimal;

use crate::document::iso_date;
use crate::flaw::Flaws;

/// A CSV text with a header; every cell is found by its row and column.
pub(crate) struct Sheet<'a> {
    file: &'a str,
    columns: Vec<String>,
    rows: Vec<Vec<String>>,
    flaws: &'a Flaws,
}

/// One row, numbered from 1 below the header.
pub(crate) struct Row<'s> {
    sheet: &'s Sheet<'s>,
    pub(crate) number: usize,
    cells: &'s [String],
}

impl<'a> Sheet<'a> {
    pub(crate) fn parse(file: &'a str, text: &str, flaws: &'a Flaws) -> Option<Sheet<'a>> {
        let mut reader = csv::ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .trim(csv::Trim::All)
            .from_reader(text.as_bytes());
        let mut lines = Vec::new();
        for (index, record) in reader.records().enumerate() {
            match record {
                Ok(record) => lines.push(record.iter().map(str::to_owned).collect::<Vec<_>>()),
                Err(error) => {
                    let place = format!("row {index}");
                    flaws.add(
                        file,
                        place,
                        "csv_invalid",
                        format!("the row is no CSV: {error}"),
                    );
                    return None;
                }
            }
        }
        if lines.is_empty() {
            flaws.add(file, "header", "csv_invalid", "the file has no header");
            return None;
        }
        let columns = lines.remove(0);
        let sheet = Sheet {
            file,
            columns,
            rows: lines,
            flaws,
        };
        sheet.check_shape().then_some(sheet)
    }

    fn check_shape(&self) -> bool {
        let mut sound = true;
        for (index, column) in self.columns.iter().enumerate() {
            if self.columns[..index].contains(column) {
                let sentence = format!("column {column} stands twice");
                self.flaws.add(self.file, "header", "csv_invalid", sentence);
                sound = false;
            }
        }
        for (index, row) in self.rows.iter().enumerate() {
            if row.len() != self.columns.len() {
                let sentence = format!(
                    "the row has {} cells and the header {}",
                    row.len(),
                    self.columns.len()
                );
                let place = format!("row {}", index + 1);
                self.flaws.add(self.file, place, "csv_invalid", sentence);
                sound = false;
            }
        }
        sound
    }

    pub(crate) fn rows(&'a self) -> impl Iterator<Item = Row<'a>> {
        self.rows.iter().enumerate().map(|(index, cells)| Row {
            sheet: self,
            number: index + 1,
            cells,
        })
    }

    pub(crate) fn columns(&self) -> &[String] {
        &self.columns
    }

    pub(crate) fn header_flaw(&self, code: &'static str, sentence: impl Into<String>) {
        self.flaws.add(self.file, "header", code, sentence);
    }

    /// Whether all these columns are there; each that is not is a flaw.
    pub(crate) fn require(&self, columns: &[&str]) -> bool {
        let missing: Vec<&&str> = columns
            .iter()
            .filter(|it| !self.columns.iter().any(|column| column == **it))
            .collect();
        for column in &missing {
            self.header_flaw("column_missing", format!("column {column} is missing"));
        }
        missing.is_empty()
    }

    /// Refuses the columns that are none of these.
    pub(crate) fn refuse_others(&self, known: impl Fn(&str) -> bool) {
        for column in self.columns.iter().filter(|it| !known(it)) {
            let sentence = format!("there is no column {column} in this file");
            self.header_flaw("column_unknown", sentence);
        }
    }
}

impl<'s> Row<'s> {
    pub(crate) fn flaw(&self, column: &str, code: &'static str, sentence: impl Into<String>) {
        let place = match column {
            "" => format!("row {}", self.number),
            _ => format!("row {}, column {column}", self.number),
        };
        self.sheet.flaws.add(self.sheet.file, place, code, sentence);
    }

    /// The text of a cell; empty where the column is absent.
    pub(crate) fn cell(&self, column: &str) -> &'s str {
        let index = self.sheet.columns.iter().position(|it| it == column);
        index.map_or("", |it| &self.cells[it])
    }

    pub(crate) fn text(&self, column: &str) -> Option<&'s str> {
        let text = self.cell(column);
        if text.is_empty() {
            let code = match column {
                "legal_basis" => "legal_basis_missing",
                _ => "cell_empty",
            };
            self.flaw(column, code, format!("{column} is empty"));
            return None;
        }
        Some(text)
    }

    pub(crate) fn number(&self, column: &str) -> Option<Decimal> {
        let number = exact(self.text(column)?);
        if number.is_none() {
            let sentence = "an exact decimal is digits with at most one point, at most 28 of them";
            self.flaw(column, "number_not_exact", sentence);
        }
        number
    }

    pub(crate) fn optional_date(&self, column: &str) -> Option<NaiveDate> {
        let text = self.cell(column);
        if text.is_empty() {
            return None;
        }
        let date = iso_date(text);
        if date.is_none() {
            self.flaw(
                column,
                "date_invalid",
                format!("{column} is a date, yyyy-mm-dd"),
            );
        }
        date
    }

    pub(crate) fn date(&self, column: &str) -> Option<NaiveDate> {
        self.text(column)?;
        self.optional_date(column)
    }

    pub(crate) fn word<T: Copy>(&self, column: &str, words: &[(&str, T)]) -> Option<T> {
        let text = self.text(column)?;
        let found = words.iter().find(|(word, _)| *word == text);
        if found.is_none() {
            let words: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
            let sentence = format!("{column} is one of {}", words.join(", "));
            self.flaw(column, "word_unknown", sentence);
        }
        found.map(|(_, meaning)| *meaning)
    }
}

/// Digits with at most one point between them and a sign: no exponent, no separator, no rounding.
pub(crate) fn exact(text: &str) -> Option<Decimal> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    let plain = |it: &str| !it.is_empty() && it.bytes().all(|byte| byte.is_ascii_digit());
    if !plain(whole) || !plain(fraction) || digits.len() > 28 {
        return None;
    }
    Decimal::from_str_exact(text).ok().map(|it| it.normalize())
}

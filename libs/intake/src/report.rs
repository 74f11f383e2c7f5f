use domain::{Money, Refusal};
use serde::Serialize;

/// A row that was not taken, and where it is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Refused {
    /// Line of the file, the header being line 1.
    pub line: u64,
    /// Column of the header, or `row` where the row as a whole is wrong.
    pub column: &'static str,
    pub code: &'static str,
    pub sentence: String,
    /// The row's amount where it could be read; else it counts as 0.
    #[serde(skip)]
    pub amount: Money,
}

/// Rows and their amounts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Tally {
    pub rows: u64,
    pub amount: Money,
}

/// What became of a file's rows; the parts add up to the whole.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Sums {
    pub file: Tally,
    pub accepted: Tally,
    pub refused: Tally,
    pub duplicates: Tally,
}

/// The outcome of an import as people and programs read it.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    pub sums: Sums,
    /// True where the very same file was imported before: nothing was changed.
    pub repeated: bool,
    /// The first refusals, at most [`Report::SHOWN_MAX`]; all of them are in the database.
    pub refusals: Vec<Refused>,
}

impl Refused {
    pub fn at(line: u64, column: &'static str, refusal: Refusal) -> Refused {
        let Refusal { code, sentence } = refusal;
        Refused {
            line,
            column,
            code,
            sentence,
            amount: Money::ZERO,
        }
    }

    pub fn with_amount(self, amount: Money) -> Refused {
        Refused { amount, ..self }
    }
}

impl Tally {
    pub fn add(&mut self, amount: Money) {
        self.rows += 1;
        self.amount = Money::sum([self.amount, amount]);
    }
}

impl Sums {
    /// Nothing is lost between the file and its parts.
    pub fn add_up(&self) -> bool {
        let parts = [self.accepted, self.refused, self.duplicates];
        self.file.rows == parts.iter().map(|it| it.rows).sum::<u64>()
            && self.file.amount == Money::sum(parts.iter().map(|it| it.amount))
    }
}

impl Report {
    pub const SHOWN_MAX: usize = 50;

    pub fn show(&mut self, refused: &[Refused]) {
        let room = Report::SHOWN_MAX - self.refusals.len();
        self.refusals.extend(refused.iter().take(room).cloned());
    }
}

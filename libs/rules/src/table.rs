use std::collections::HashMap;
use std::sync::Arc;

use rust_decimal::Decimal;

use crate::cell::Test;
use crate::formula::Formula;
use crate::{ReasonCode, Text};

mod overlap;
mod read;

/// A decision table: rows that hit by their inputs and give the outputs.
#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) name: Arc<str>,
    /// Slots.
    pub(crate) inputs: Vec<usize>,
    pub(crate) outputs: Vec<usize>,
    pub(crate) hit: Hit,
    pub(crate) lines: Vec<Line>,
    pub(crate) otherwise: Otherwise,
    index: Option<Index>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hit {
    /// The first row that hits.
    First,
    /// The one row that hits; two are an error.
    Unique,
    /// Of the rows that hit, the one with the greatest first output; the first of equals.
    Highest,
    /// All rows that hit, their outputs added.
    Sum,
}

/// What a table gives when no row hits.
#[derive(Debug)]
pub(crate) enum Otherwise {
    Reason { reason: ReasonCode, sentence: Text },
    Default(Vec<Output>),
}

#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) tests: Vec<Test>,
    pub(crate) outputs: Vec<Output>,
    pub(crate) legal_basis: String,
    pub(crate) label: Text,
}

#[derive(Debug, Clone)]
pub(crate) enum Output {
    Code(Arc<str>),
    Formula(Formula),
}

/// Rows by the value of one input, so that a long table is not walked.
#[derive(Debug)]
pub(crate) struct Index {
    /// Which input, by its place among the inputs.
    pub(crate) input: usize,
    codes: HashMap<Box<str>, Vec<usize>>,
    numbers: HashMap<Decimal, Vec<usize>>,
    /// Rows that can hit whatever the value is not listed above.
    rest: Vec<usize>,
}

impl Table {
    pub(crate) fn index(&self) -> Option<&Index> {
        self.index.as_ref()
    }
}

impl Index {
    /// Indexes the input with the most different literals, where there are enough to pay.
    fn of(inputs: usize, lines: &[Line]) -> Option<Index> {
        let indexes = (0..inputs).map(|input| Index::by(input, lines));
        indexes
            .max_by_key(|it| it.codes.len() + it.numbers.len())
            .filter(|it| it.codes.len() + it.numbers.len() >= 8)
    }

    fn by(input: usize, lines: &[Line]) -> Index {
        let mut index = Index {
            input,
            codes: HashMap::new(),
            numbers: HashMap::new(),
            rest: Vec::new(),
        };
        for (line, it) in lines.iter().enumerate() {
            match (&it.tests[input], it.tests[input].points()) {
                (Test::Codes(codes), _) => {
                    for code in codes {
                        index.codes.entry(code.clone()).or_default().push(line);
                    }
                }
                (_, Some(points)) => {
                    for point in points {
                        index.numbers.entry(point).or_default().push(line);
                    }
                }
                _ => index.rest.push(line),
            }
        }
        let Index {
            codes,
            numbers,
            rest,
            ..
        } = &mut index;
        for lines in codes.values_mut().chain(numbers.values_mut()) {
            lines.extend_from_slice(rest);
            lines.sort_unstable();
        }
        index
    }

    pub(crate) fn of_code(&self, code: &str) -> &[usize] {
        self.codes.get(code).unwrap_or(&self.rest)
    }

    pub(crate) fn of_number(&self, number: Decimal) -> &[usize] {
        self.numbers.get(&number).unwrap_or(&self.rest)
    }

    /// Of several codes, the rows of each, in order and once.
    pub(crate) fn of_codes<'c>(&self, codes: impl Iterator<Item = &'c str>) -> Vec<usize> {
        let mut lines = self.rest.clone();
        for code in codes {
            lines.extend_from_slice(self.of_code(code));
        }
        lines.sort_unstable();
        lines.dedup();
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cell::Cell;
    use crate::formula::Formulas;
    use crate::name::{Kind, Names};

    fn lines(cells: impl IntoIterator<Item = String>, kind: &Kind) -> Vec<Line> {
        let mut formulas = Formulas::new();
        let lines = cells.into_iter().map(|cell| {
            let cell = Cell::read(&cell, kind, &Names::default(), &mut formulas);
            Line {
                tests: vec![cell.ok().unwrap().test],
                outputs: Vec::new(),
                legal_basis: String::new(),
                label: Text {
                    vi: String::new(),
                    en: String::new(),
                },
            }
        });
        lines.collect()
    }

    fn hits(test: &Test, code: &str) -> bool {
        matches!(test, Test::Any) || test.hits_code(code)
    }

    #[test]
    fn an_index_leaves_out_no_row_that_hits() {
        let cells = ["not in ['c1']", "c2 | c3", "-"].map(str::to_owned);
        let cells = cells.into_iter().chain((0..20).map(|it| format!("c{it}")));
        let lines = lines(cells, &Kind::Code(Vec::new()));
        let index = Index::of(1, &lines).unwrap();
        for code in ["c0", "c1", "c2", "c3", "c19", "else"] {
            let rows = index.of_code(code).iter().copied();
            let found: Vec<usize> = rows.filter(|it| hits(&lines[*it].tests[0], code)).collect();
            let all = (0..lines.len()).filter(|it| hits(&lines[*it].tests[0], code));
            assert_eq!(found, all.collect::<Vec<_>>(), "{code}");
            assert!(index.of_code(code).len() <= 4, "{code}");
        }
        let both = index.of_codes(["c2", "c19"].into_iter());
        assert_eq!(both, [0, 1, 2, 5, 22]);
    }

    #[test]
    fn an_index_of_numbers_keeps_the_rows_with_intervals() {
        let cells = ["[3..5]".to_owned(), "1, 7".to_owned()].into_iter();
        let cells = cells.chain((0..20).map(|it| it.to_string()));
        let lines = lines(cells, &Kind::Number);
        let index = Index::of(1, &lines).unwrap();
        assert_eq!(index.of_number("4.0".parse().unwrap()), [0, 6]);
        assert_eq!(index.of_number(Decimal::from(7)), [0, 1, 9]);
        assert_eq!(index.of_number(Decimal::from(99)), [0]);
    }
}

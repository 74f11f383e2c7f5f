use std::collections::BTreeSet;
use std::rc::Rc;
use std::sync::Arc;

use rust_decimal::Decimal;
use zen_expression::Expression;
use zen_expression::expression::Unary;
use zen_expression::intellisense::values::cell::CellConstraint;
use zen_expression::intellisense::values::value_set::{Bound, NumberSet, StringSet, ValueSet};

use crate::evidence::is_code;
use crate::formula::{Fault, Formulas};
use crate::name::{Kind, Names};

/// What an input cell asks of its value. All but `Engine` are decided without running anything.
#[derive(Debug, Clone)]
pub(crate) enum Test {
    Any,
    Codes(BTreeSet<Box<str>>),
    AllCodesBut(BTreeSet<Box<str>>),
    Flag(bool),
    Numbers(NumberSet),
    Engine(Expression<Unary>),
}

/// A cell as read: its test, the values it hits where that can be told, and what it reads.
pub(crate) struct Cell {
    pub(crate) test: Test,
    pub(crate) set: Option<ValueSet>,
    pub(crate) used: Vec<usize>,
}

impl Cell {
    pub(crate) fn read(
        source: &str,
        subject: &Kind,
        names: &Names,
        formulas: &mut Formulas,
    ) -> Result<Cell, Vec<Fault>> {
        if source.is_empty() || source == "-" {
            return Ok(Cell {
                test: Test::Any,
                set: Some(ValueSet::all()),
                used: Vec::new(),
            });
        }
        if let (Kind::Code(known) | Kind::Codes(known), Some(codes)) = (subject, bare(source)) {
            return Cell::codes(&codes, known);
        }
        let (expression, used) = formulas.read_unary(source, subject, names)?;
        let constraint = CellConstraint::parse(&mut formulas.sense, source, true, true, false);
        let set = constraint.known_set();
        if let (Some(set), Kind::Code(known) | Kind::Codes(known)) = (&set, subject) {
            let (StringSet::Finite(codes) | StringSet::CoFinite(codes)) = &set.strings;
            unknown(codes.iter().map(|it| &**it), known)?;
        }
        let test = match set.as_ref().and_then(|it| Test::of(it, subject)) {
            Some(test) => test,
            None => Test::Engine(expression),
        };
        let used = if matches!(test, Test::Engine(_)) {
            used
        } else {
            Vec::new()
        };
        Ok(Cell { test, set, used })
    }

    fn codes(codes: &[&str], known: &[Arc<str>]) -> Result<Cell, Vec<Fault>> {
        unknown(codes.iter().copied(), known)?;
        let strings = codes.iter().map(|it| Rc::from(*it)).collect();
        Ok(Cell {
            test: Test::Codes(codes.iter().map(|it| Box::from(*it)).collect()),
            set: Some(ValueSet {
                strings: StringSet::Finite(strings),
                ..ValueSet::empty()
            }),
            used: Vec::new(),
        })
    }
}

impl Test {
    /// The part of a set that values of the kind can be in.
    fn of(set: &ValueSet, subject: &Kind) -> Option<Test> {
        let boxed = |it: &BTreeSet<Rc<str>>| it.iter().map(|it| Box::from(&**it)).collect();
        match subject {
            Kind::Number => Some(Test::Numbers(set.numbers.clone())),
            Kind::Flag => match set.bools {
                ValueSet::TRUE => Some(Test::Flag(true)),
                ValueSet::FALSE => Some(Test::Flag(false)),
                _ => None,
            },
            Kind::Code(_) | Kind::Codes(_) => Some(match &set.strings {
                StringSet::Finite(codes) => Test::Codes(boxed(codes)),
                StringSet::CoFinite(codes) => Test::AllCodesBut(boxed(codes)),
            }),
        }
    }

    pub(crate) fn hits_code(&self, code: &str) -> bool {
        match self {
            Test::Codes(codes) => codes.contains(code),
            Test::AllCodesBut(codes) => !codes.contains(code),
            _ => false,
        }
    }

    /// The single numbers it hits, where it hits nothing between them.
    pub(crate) fn points(&self) -> Option<Vec<Decimal>> {
        let Test::Numbers(numbers) = self else {
            return None;
        };
        let point = |lo: Bound, hi: Bound| match (lo, hi) {
            (Bound::Inclusive(lo), Bound::Inclusive(hi)) if lo == hi => Some(lo),
            _ => None,
        };
        numbers
            .intervals()
            .iter()
            .map(|it| point(it.lo, it.hi))
            .collect()
    }
}

/// `severe | extremely_severe`: codes without quotes.
fn bare(source: &str) -> Option<Vec<&str>> {
    let codes: Vec<&str> = source.split('|').map(str::trim).collect();
    codes
        .iter()
        .all(|it| is_code(it) || *it == "none")
        .then_some(codes)
}

fn unknown<'a>(codes: impl Iterator<Item = &'a str>, known: &[Arc<str>]) -> Result<(), Vec<Fault>> {
    if known.is_empty() {
        return Ok(());
    }
    let faults: Vec<Fault> = codes
        .filter(|code| !known.iter().any(|it| &**it == *code))
        .map(|code| {
            (
                "code_unknown",
                format!("{code} is none of {}", known.join(", ")),
            )
        })
        .collect();
    if faults.is_empty() {
        Ok(())
    } else {
        Err(faults)
    }
}

#[cfg(test)]
mod tests {
    use zen_expression::compiler::Opcode;

    use super::*;
    use crate::bench::{Bench, Datum};

    fn engine(code: &[Opcode], datum: Datum<'_>) -> bool {
        let mut bench = Bench::new();
        bench.bind_subject(datum);
        bench.run(code).unwrap().as_bool().unwrap()
    }

    /// What is decided without the engine is decided as the engine would.
    #[test]
    fn a_cell_means_the_same_with_and_without_the_engine() {
        let mut formulas = Formulas::new();
        let names = Names::default();
        for source in [
            "75",
            "1, 7",
            "[16..60)",
            "(16..60]",
            "[16..60), 80",
            "> 59",
            ">= 16 and < 20",
            "!= 20",
            "not in [16, 20]",
            "not in [16..60)",
            "< 16 or > 60",
            "-5",
            "[0.5..15.5]",
        ] {
            let cell = Cell::read(source, &Kind::Number, &names, &mut formulas)
                .ok()
                .unwrap();
            let Test::Numbers(numbers) = cell.test else {
                panic!("{source} is left to the engine");
            };
            let unary = formulas
                .read_unary(source, &Kind::Number, &names)
                .ok()
                .unwrap()
                .0;
            for number in [
                "-5", "0", "0.5", "1", "15.5", "15.6", "16", "20", "59.5", "60", "75", "80",
            ] {
                let number: Decimal = number.parse().unwrap();
                let expected = engine(unary.bytecode(), Datum::Number(number));
                assert_eq!(numbers.contains(number), expected, "{source} of {number}");
            }
        }
        let kind = Kind::Code(Vec::new());
        for source in [
            "'a'",
            "'a','b'",
            "not in ['a','b']",
            "!= 'a'",
            "in ['a', 'c']",
        ] {
            let cell = Cell::read(source, &kind, &names, &mut formulas)
                .ok()
                .unwrap();
            let unary = formulas.read_unary(source, &kind, &names).ok().unwrap().0;
            for code in ["a", "b", "c", "none"] {
                let expected = engine(unary.bytecode(), Datum::Code(code));
                assert_eq!(cell.test.hits_code(code), expected, "{source} of {code}");
            }
        }
    }
}

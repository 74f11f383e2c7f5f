use std::fmt::Write;

use domain::Money;
use rust_decimal::Decimal;
use zen_expression::compiler::Opcode;
use zen_expression::variable::Variable;

use crate::bench::{Bench, Datum};
use crate::cell::Test;
use crate::formula::Formula;
use crate::table::{Hit, Line, Otherwise, Output, Table};
use crate::version::Step;
use crate::{Error, Parameter, ReasonCode, Rounding, Version};

/// One evaluation of a version's steps for one case, with what led to it written as it goes.
pub(crate) struct Working<'a, 'b> {
    version: &'a Version,
    /// Values by the slots of the version's names.
    slots: Vec<Datum<'a>>,
    bench: &'b mut Bench,
    json: &'b mut String,
}

/// What the steps came to.
pub(crate) enum Verdict {
    Owed(Money),
    NotOwed(ReasonCode),
}

const ALL: &str = "a String takes all";

impl<'a, 'b> Working<'a, 'b> {
    /// `slots` are the facts and what is derived from them.
    pub(crate) fn new(
        version: &'a Version,
        slots: Vec<Datum<'a>>,
        bench: &'b mut Bench,
        json: &'b mut String,
    ) -> Working<'a, 'b> {
        bench.clear();
        let mut working = Working {
            version,
            slots,
            bench,
            json,
        };
        for slot in 0..version.names.len() {
            working.show(slot);
        }
        working
    }

    /// Writes `"parameters":…,"steps":…` and the reason or the rounded amount.
    pub(crate) fn run(
        mut self,
        parameters: &[&Parameter],
        rounding: Rounding,
    ) -> Result<Verdict, Error> {
        let version = self.version;
        self.json.push_str("\"parameters\":[");
        for (index, parameter) in parameters.iter().enumerate() {
            let comma = if index > 0 { "," } else { "" };
            let (number, name) = (parameter.rate_no, &parameter.name);
            let value = parameter.value.normalize();
            write!(self.json, "{comma}[{number},\"{name}\",\"{value}\"]").expect(ALL);
            let slot = version
                .names
                .slot(name)
                .expect("the version names its parameters");
            self.set(slot, Datum::Number(parameter.value));
        }
        self.json.push_str("],\"steps\":[");
        let mut first = true;
        for (index, step) in version.steps.iter().enumerate() {
            if let Some(reason) = self.step(step, &mut first)? {
                let number = index + 1;
                write!(self.json, "],\"reason\":\"{reason}\",\"step\":{number}").expect(ALL);
                return Ok(Verdict::NotOwed(reason.clone()));
            }
        }
        self.json.push(']');
        self.conclude(rounding).map(Verdict::Owed)
    }

    fn conclude(&mut self, rounding: Rounding) -> Result<Money, Error> {
        let version = self.version;
        let amount = self.number(&Formula::Name(version.amount), "result, amount")?;
        let maximum = self.number(&version.maximum, "result, maximum")?;
        if amount.is_sign_negative() && !amount.is_zero() {
            return Err(Error::Negative {
                rule: version.rule(),
                amount,
            });
        }
        if amount > maximum {
            return Err(Error::AboveMaximum {
                rule: version.rule(),
                amount,
                maximum,
            });
        }
        let rounded = rounding
            .round(amount)
            .and_then(|it| Money::try_from(it).ok());
        let rounded = rounded.ok_or_else(|| self.broken("result", "the amount has no rounding"))?;
        let maximum = maximum.normalize();
        write!(
            self.json,
            ",\"rounded\":\"{rounded}\",\"maximum\":\"{maximum}\""
        )
        .expect(ALL);
        Ok(rounded)
    }

    /// The reason why nothing is owed, where the step gives one.
    fn step(&mut self, step: &'a Step, first: &mut bool) -> Result<Option<&'a ReasonCode>, Error> {
        match step {
            Step::Refuse { reason, when, .. } => {
                Ok(self.flag(when, reason.as_str())?.then_some(reason))
            }
            Step::Value { slot, formula, .. } => {
                let name = &self.version.names.get(*slot).name;
                let value = self.number(formula, name)?;
                self.set(*slot, Datum::Number(value));
                self.comma(first);
                write!(self.json, "[\"{name}\",\"{}\"]", value.normalize()).expect(ALL);
                Ok(None)
            }
            Step::Table(table) => self.table(table, first),
        }
    }

    fn comma(&mut self, first: &mut bool) {
        if !std::mem::take(first) {
            self.json.push(',');
        }
    }

    fn table(
        &mut self,
        table: &'a Table,
        first: &mut bool,
    ) -> Result<Option<&'a ReasonCode>, Error> {
        let hits = self.hits(table)?;
        if hits.len() > 1 && table.hit == Hit::Unique {
            return Err(Error::NotUnique {
                rule: self.version.rule(),
                table: table.name.to_string(),
                rows: hits.iter().map(|it| it + 1).collect(),
            });
        }
        if hits.is_empty() {
            let default = match &table.otherwise {
                Otherwise::Reason { reason, .. } => return Ok(Some(reason)),
                Otherwise::Default(default) => default,
            };
            let values = self.outputs(default, &table.name)?;
            self.comma(first);
            write!(self.json, "[\"{}\"", table.name).expect(ALL);
            self.write_row(table, 0, &values, true);
            self.json.push(']');
            self.take(table, &values);
            return Ok(None);
        }
        let mut rows: Vec<(usize, Vec<Datum<'a>>)> = Vec::with_capacity(hits.len());
        for hit in hits {
            rows.push((hit, self.outputs(&table.lines[hit].outputs, &table.name)?));
        }
        let taken = match table.hit {
            Hit::Highest => highest(&rows),
            _ => 0,
        };
        self.comma(first);
        write!(self.json, "[\"{}\"", table.name).expect(ALL);
        for (index, (row, values)) in rows.iter().enumerate() {
            let counts = table.hit == Hit::Sum || index == taken;
            self.write_row(table, row + 1, values, counts);
        }
        self.json.push(']');
        if table.hit == Hit::Sum {
            let sums = self.sums(table, &rows)?;
            self.take(table, &sums);
        } else {
            self.take(table, &rows[taken].1);
        }
        Ok(None)
    }

    fn write_row(&mut self, table: &Table, row: usize, values: &[Datum<'_>], taken: bool) {
        write!(self.json, ",{{\"row\":{row}").expect(ALL);
        for (slot, value) in table.outputs.iter().zip(values) {
            let name = &self.version.names.get(*slot).name;
            match value {
                Datum::Number(number) => {
                    write!(self.json, ",\"{name}\":\"{}\"", number.normalize()).expect(ALL);
                }
                Datum::Code(code) => write!(self.json, ",\"{name}\":\"{code}\"").expect(ALL),
                Datum::Flag(_) | Datum::Codes(_) => {}
            }
        }
        self.json
            .push_str(if taken { "}" } else { ",\"taken\":false}" });
    }

    fn take(&mut self, table: &Table, values: &[Datum<'a>]) {
        for (slot, value) in table.outputs.iter().zip(values) {
            self.set(*slot, *value);
        }
    }

    fn sums(
        &self,
        table: &Table,
        rows: &[(usize, Vec<Datum<'a>>)],
    ) -> Result<Vec<Datum<'a>>, Error> {
        let mut sums = vec![Decimal::ZERO; table.outputs.len()];
        for (_, values) in rows {
            for (sum, value) in sums.iter_mut().zip(values) {
                let added = number(*value).and_then(|it| sum.checked_add(it));
                *sum = added.ok_or_else(|| self.broken(&table.name, "no sum of numbers"))?;
            }
        }
        Ok(sums.into_iter().map(Datum::Number).collect())
    }

    fn outputs(&mut self, outputs: &'a [Output], place: &str) -> Result<Vec<Datum<'a>>, Error> {
        let mut values = Vec::with_capacity(outputs.len());
        for output in outputs {
            values.push(match output {
                Output::Code(code) => Datum::Code(code),
                Output::Formula(formula) => Datum::Number(self.number(formula, place)?),
            });
        }
        Ok(values)
    }

    /// The rows that hit, in order; of a table that takes the first, only that.
    fn hits(&mut self, table: &'a Table) -> Result<Vec<usize>, Error> {
        let several;
        let candidates: Option<&[usize]> = match table.index() {
            None => None,
            Some(index) => match self.slots[table.inputs[index.input]] {
                Datum::Code(code) => Some(index.of_code(code)),
                Datum::Number(number) => Some(index.of_number(number)),
                Datum::Codes(codes) => {
                    several = index.of_codes(codes.into_iter().flatten().map(|it| &**it));
                    Some(&several)
                }
                Datum::Flag(_) => None,
            },
        };
        let mut hits = Vec::new();
        let count = candidates.map_or(table.lines.len(), <[usize]>::len);
        for at in 0..count {
            let row = candidates.map_or(at, |it| it[at]);
            if self.hit(table, &table.lines[row])? {
                hits.push(row);
                if table.hit == Hit::First {
                    break;
                }
            }
        }
        Ok(hits)
    }

    fn hit(&mut self, table: &Table, line: &Line) -> Result<bool, Error> {
        for (test, slot) in line.tests.iter().zip(&table.inputs) {
            let datum = self.slots[*slot];
            let hit = match (test, datum) {
                (Test::Any, _) => true,
                (Test::Numbers(numbers), Datum::Number(number)) => numbers.contains(number),
                (Test::Flag(expected), Datum::Flag(flag)) => *expected == flag,
                (Test::Engine(test), Datum::Codes(codes)) => {
                    let mut any = false;
                    for code in codes.into_iter().flatten() {
                        any = any || self.asks(test.bytecode(), Datum::Code(code), table)?;
                    }
                    any
                }
                (Test::Engine(test), datum) => self.asks(test.bytecode(), datum, table)?,
                (test, Datum::Code(code)) => test.hits_code(code),
                (test, Datum::Codes(codes)) => {
                    codes.into_iter().flatten().any(|it| test.hits_code(it))
                }
                _ => false,
            };
            if !hit {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn asks(&mut self, code: &[Opcode], datum: Datum<'_>, table: &Table) -> Result<bool, Error> {
        self.bench.bind_subject(datum);
        let answer = self.engine(code, &table.name)?;
        let broken = || self.broken(&table.name, "a cell is neither true nor false");
        answer.as_bool().ok_or_else(broken)
    }

    fn number(&mut self, formula: &Formula, place: &str) -> Result<Decimal, Error> {
        let value = match formula {
            Formula::Number(number) => Some(*number),
            Formula::Name(slot) => number(self.slots[*slot]),
            Formula::Engine(expression) => self.engine(expression.bytecode(), place)?.as_number(),
        };
        value.ok_or_else(|| self.broken(place, "the result is no number"))
    }

    fn flag(&mut self, formula: &Formula, place: &str) -> Result<bool, Error> {
        let value = match formula {
            Formula::Number(_) => None,
            Formula::Name(slot) => match self.slots[*slot] {
                Datum::Flag(flag) => Some(flag),
                _ => None,
            },
            Formula::Engine(expression) => self.engine(expression.bytecode(), place)?.as_bool(),
        };
        value.ok_or_else(|| self.broken(place, "the result is neither true nor false"))
    }

    fn engine(&mut self, code: &[Opcode], place: &str) -> Result<Variable, Error> {
        self.bench.run(code).map_err(|error| Error::Formula {
            rule: self.version.rule(),
            place: place.to_owned(),
            message: error.to_string(),
        })
    }

    fn broken(&self, place: &str, message: &str) -> Error {
        Error::Formula {
            rule: self.version.rule(),
            place: place.to_owned(),
            message: message.to_owned(),
        }
    }

    fn set(&mut self, slot: usize, datum: Datum<'a>) {
        self.slots[slot] = datum;
        self.show(slot);
    }

    /// Tells the engine, where a formula of its reads the name.
    fn show(&mut self, slot: usize) {
        let name = self.version.names.get(slot);
        if name.engine {
            self.bench.bind(&name.name, self.slots[slot]);
        }
    }
}

fn number(datum: Datum<'_>) -> Option<Decimal> {
    match datum {
        Datum::Number(number) => Some(number),
        _ => None,
    }
}

/// The first of those with the greatest first output.
fn highest(rows: &[(usize, Vec<Datum<'_>>)]) -> usize {
    let mut best = 0;
    for index in 1..rows.len() {
        if number(rows[index].1[0]) > number(rows[best].1[0]) {
            best = index;
        }
    }
    best
}

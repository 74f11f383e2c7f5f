use std::sync::Arc;

use super::{Hit, Index, Line, Otherwise, Output, Table};
use crate::cell::Cell;
use crate::document::Keys;
use crate::evidence::is_code;
use crate::formula::Fault;
use crate::name::Kind;
use crate::sheet::{Row, Sheet, exact};
use crate::version::Reading;
use crate::{ReasonCode, Text};

const HITS: [(&str, Hit); 4] = [
    ("first", Hit::First),
    ("unique", Hit::Unique),
    ("highest", Hit::Highest),
    ("sum", Hit::Sum),
];
const FIXED: [&str; 3] = ["legal_basis", "label_vi", "label_en"];

/// What stands in an output cell, before it is known what its column gives.
enum Raw<'t> {
    Code(&'t str),
    Formula(&'t str),
}

impl Table {
    /// Reads a table step and its rows; its outputs become names of the version.
    pub(crate) fn read(keys: &Keys<'_>, reading: &mut Reading<'_>) -> Option<Table> {
        let name = keys.text("table");
        let hit = keys.word("hit", &HITS);
        let (inputs, outputs) = (keys.texts("inputs"), keys.texts("outputs"));
        let rows = keys.optional_text("rows");
        let reason = keys.optional_text("otherwise");
        let default = keys.has("default").then(|| keys.texts("default"));
        let sentence = keys.optional_both("sentence");
        keys.finish();
        for (key, list) in [("inputs", &inputs), ("outputs", &outputs)] {
            if list.is_empty() {
                keys.flaw(key, "key_missing", format!("{key} is missing or empty"));
            }
        }
        let (name, hit) = (name?, hit?);
        let slots = slots(keys, &inputs, reading);
        let file = match rows {
            Some(file) => format!("{}/{file}", reading.folder),
            None => format!("{}/{}.{name}.csv", reading.folder, reading.id),
        };
        let Some(text) = reading.file(&file) else {
            keys.flaw("table", "table_missing", format!("there is no file {file}"));
            return None;
        };
        let sheet = Sheet::parse(&file, text, reading.flaws)?;
        if inputs.is_empty() || outputs.is_empty() {
            return None;
        }
        let columns: Vec<&str> = [&inputs[..], &outputs[..], &FIXED].concat();
        sheet.refuse_others(|it| columns.contains(&it));
        if !sheet.require(&columns) {
            return None;
        }
        let default = default.unwrap_or_default();
        let (otherwise, kinds) = (
            default.is_empty(),
            output_kinds(&sheet, &outputs, &default, reading),
        );
        let lines = lines(&sheet, hit, &inputs, &slots?, &outputs, &kinds, reading);
        let otherwise = if otherwise {
            reason_otherwise(keys, reason, sentence)
        } else {
            default_otherwise(keys, &default, &kinds, &outputs, reading)
        };
        let inputs: Vec<usize> = inputs
            .iter()
            .filter_map(|it| reading.names.slot(it))
            .collect();
        for slot in &inputs {
            reading.names.read(*slot, false);
        }
        let outputs = outputs.iter().zip(kinds);
        let outputs: Option<Vec<usize>> = outputs
            .map(|(name, kind)| reading.add_value(keys, "outputs", name, kind))
            .collect();
        let lines = lines?;
        Some(Table {
            name: Arc::from(name),
            index: Index::of(inputs.len(), &lines),
            inputs,
            outputs: outputs?,
            hit,
            lines,
            otherwise: otherwise?,
        })
    }
}

fn slots(keys: &Keys<'_>, inputs: &[&str], reading: &Reading<'_>) -> Option<Vec<usize>> {
    let found = inputs.iter().map(|it| {
        let slot = reading.names.slot(it);
        if slot.is_none() && !reading.names.is_spoilt(it) {
            let sentence = format!("{it} is no fact, parameter or earlier value");
            keys.flaw("inputs", "name_unknown", sentence);
        }
        slot
    });
    let found: Vec<Option<usize>> = found.collect();
    found.into_iter().collect()
}

fn reason_otherwise(
    keys: &Keys<'_>,
    reason: Option<&str>,
    sentence: Option<Text>,
) -> Option<Otherwise> {
    let Some(reason) = reason else {
        let sentence = "a table has a reason, otherwise, or values, default, for when no row hits";
        keys.flaw("otherwise", "otherwise_missing", sentence);
        return None;
    };
    let Some(sentence) = sentence else {
        let text = "the reason of otherwise has a sentence";
        keys.flaw("sentence", "key_missing", text);
        return None;
    };
    let reason = ReasonCode::read(keys, "otherwise", reason)?;
    Some(Otherwise::Reason { reason, sentence })
}

fn default_otherwise(
    keys: &Keys<'_>,
    default: &[&str],
    kinds: &[Kind],
    outputs: &[&str],
    reading: &mut Reading<'_>,
) -> Option<Otherwise> {
    if keys.has("otherwise") || default.len() != outputs.len() {
        let sentence = "a table has either otherwise or default, one text for each output";
        keys.flaw("default", "otherwise_missing", sentence);
        return None;
    }
    let mut values = Vec::new();
    for (text, kind) in default.iter().zip(kinds) {
        match output(text, kind, reading) {
            Ok(value) => values.push(value),
            Err(faults) => {
                for (code, sentence) in faults {
                    keys.flaw("default", code, sentence);
                }
            }
        }
    }
    (values.len() == outputs.len()).then_some(Otherwise::Default(values))
}

fn raw<'t>(text: &'t str, reading: &Reading<'_>) -> Raw<'t> {
    let named = reading.names.slot(text).is_some() || reading.names.is_spoilt(text);
    if is_code(text) && exact(text).is_none() && !named {
        Raw::Code(text)
    } else {
        Raw::Formula(text)
    }
}

/// A column gives codes where every cell is one, and numbers otherwise.
fn output_kinds(
    sheet: &Sheet<'_>,
    outputs: &[&str],
    default: &[&str],
    reading: &Reading<'_>,
) -> Vec<Kind> {
    let kind = |(index, column): (usize, &&str)| {
        let cells = sheet.rows().map(|row| row.cell(column).to_owned());
        let cells = cells.chain(default.get(index).map(|it| (*it).to_owned()));
        let codes: Option<Vec<Arc<str>>> = cells
            .map(|it| match raw(&it, reading) {
                Raw::Code(code) => Some(Arc::from(code)),
                Raw::Formula(_) => None,
            })
            .collect();
        match codes {
            Some(mut codes) if !codes.is_empty() => {
                codes.sort_unstable();
                codes.dedup();
                Kind::Code(codes)
            }
            _ => Kind::Number,
        }
    };
    outputs.iter().enumerate().map(kind).collect()
}

fn output(text: &str, kind: &Kind, reading: &mut Reading<'_>) -> Result<Output, Vec<Fault>> {
    match (raw(text, reading), kind) {
        (Raw::Code(code), Kind::Code(_)) => Ok(Output::Code(Arc::from(code))),
        (Raw::Code(text) | Raw::Formula(text), _) => {
            let formula = reading
                .formulas
                .read(text, &Kind::Number, &mut reading.names)?;
            Ok(Output::Formula(formula))
        }
    }
}

fn lines(
    sheet: &Sheet<'_>,
    hit: Hit,
    inputs: &[&str],
    slots: &[usize],
    outputs: &[&str],
    kinds: &[Kind],
    reading: &mut Reading<'_>,
) -> Option<Vec<Line>> {
    let of_inputs: Vec<Kind> = slots
        .iter()
        .map(|it| reading.names.get(*it).kind.clone())
        .collect();
    if matches!(hit, Hit::Highest | Hit::Sum) && kinds[0] != Kind::Number {
        let sentence = "what is compared or added is a number";
        sheet.header_flaw("type_mismatch", sentence);
    }
    let mut sound = true;
    let (mut lines, mut read) = (Vec::new(), Vec::new());
    for row in sheet.rows() {
        let cells = cells(&row, inputs, &of_inputs, reading);
        let values = values(&row, outputs, kinds, reading);
        let legal_basis = row.text("legal_basis");
        let label = row.text("label_vi").zip(row.text("label_en"));
        let (Some(cells), Some(values), Some(legal_basis), Some((vi, en))) =
            (cells, values, legal_basis, label)
        else {
            sound = false;
            continue;
        };
        for slot in cells.iter().flat_map(|it| &it.used) {
            reading.names.read(*slot, true);
        }
        lines.push(Line {
            tests: cells.iter().map(|it| it.test.clone()).collect(),
            outputs: values,
            legal_basis: legal_basis.to_owned(),
            label: Text {
                vi: vi.to_owned(),
                en: en.to_owned(),
            },
        });
        read.push((row, cells));
    }
    if sound {
        super::overlap::check(hit, &of_inputs, &read);
    }
    sound.then_some(lines)
}

fn cells(
    row: &Row<'_>,
    inputs: &[&str],
    kinds: &[Kind],
    reading: &mut Reading<'_>,
) -> Option<Vec<Cell>> {
    let read = inputs.iter().zip(kinds).map(|(column, kind)| {
        match Cell::read(
            row.cell(column),
            kind,
            &reading.names,
            &mut reading.formulas,
        ) {
            Ok(cell) => Some(cell),
            Err(faults) => {
                for (code, sentence) in faults {
                    row.flaw(column, code, sentence);
                }
                None
            }
        }
    });
    // Every cell is read before any is missed, so that all flaws of a row are told.
    let read: Vec<Option<Cell>> = read.collect();
    read.into_iter().collect()
}

fn values(
    row: &Row<'_>,
    outputs: &[&str],
    kinds: &[Kind],
    reading: &mut Reading<'_>,
) -> Option<Vec<Output>> {
    let read = outputs.iter().zip(kinds).map(|(column, kind)| {
        let text = row.text(column)?;
        match output(text, kind, reading) {
            Ok(value) => Some(value),
            Err(faults) => {
                for (code, sentence) in faults {
                    row.flaw(column, code, sentence);
                }
                None
            }
        }
    });
    let read: Vec<Option<Output>> = read.collect();
    read.into_iter().collect()
}

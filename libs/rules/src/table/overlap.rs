use std::collections::BTreeSet;
use std::rc::Rc;

use zen_expression::intellisense::values::value_set::{StringSet, ValueSet};

use super::Hit;
use crate::cell::{Cell, Test};
use crate::name::Kind;
use crate::sheet::Row;

/// Finds rows that hit together where one alone may, and rows that can never hit.
///
/// A cell that only the engine understands is taken for what it is said to be; what it overlaps
/// is found when it is decided.
pub(super) fn check(hit: Hit, kinds: &[Kind], rows: &[(Row<'_>, Vec<Cell>)]) {
    let sets: Vec<Vec<Option<ValueSet>>> = rows
        .iter()
        .map(|(_, cells)| {
            let pairs = cells.iter().zip(kinds);
            pairs
                .map(|(cell, kind)| Some(within(cell.set.as_ref()?, kind)))
                .collect()
        })
        .collect();
    for (later, (row, cells)) in rows.iter().enumerate() {
        if sets[later].iter().flatten().any(ValueSet::is_empty) {
            row.flaw("", "row_unreachable", "no value hits this row");
            continue;
        }
        for earlier in 0..later {
            let other = earlier + 1;
            let pairs = || sets[earlier].iter().zip(&sets[later]);
            if hit == Hit::Unique {
                let meet = pairs().zip(kinds).all(|((a, b), kind)| match (a, b) {
                    _ if matches!(kind, Kind::Codes(_)) => true,
                    (Some(a), Some(b)) => a.intersects(b),
                    _ => false,
                });
                if meet {
                    let sentence = format!("the row hits together with row {other}");
                    row.flaw("", "rows_overlap", sentence);
                    break;
                }
            } else if hit == Hit::First {
                let covered = pairs().enumerate().all(|(column, (a, b))| {
                    let any = |cell: &Cell| matches!(cell.test, Test::Any);
                    let several = matches!(kinds[column], Kind::Codes(_));
                    match (a, b) {
                        _ if any(&rows[earlier].1[column]) => true,
                        _ if any(&cells[column]) && several => false,
                        (Some(a), Some(b)) => b.is_subset(a),
                        _ => false,
                    }
                });
                if covered {
                    let sentence = format!("row {other} always hits before this row");
                    row.flaw("", "row_unreachable", sentence);
                    break;
                }
            }
        }
    }
}

/// The values of a set that an input of the kind can have.
fn within(set: &ValueSet, kind: &Kind) -> ValueSet {
    match kind {
        Kind::Number => ValueSet::numbers(set.numbers.clone()),
        Kind::Flag => ValueSet {
            bools: set.bools,
            ..ValueSet::empty()
        },
        Kind::Code(known) | Kind::Codes(known) => {
            let known: BTreeSet<Rc<str>> = known.iter().map(|it| Rc::from(&**it)).collect();
            let strings = if known.is_empty() {
                set.strings.clone()
            } else {
                set.strings.intersect(&StringSet::Finite(known))
            };
            ValueSet {
                strings,
                ..ValueSet::empty()
            }
        }
    }
}

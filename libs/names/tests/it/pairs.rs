use std::collections::{BTreeMap, BTreeSet};

use names::{Reason, Verdict, compare};

const PAIRS: &str = include_str!("../pairs.csv");

struct Pair {
    line: usize,
    registered: String,
    found: String,
    verdict: String,
    reasons: String,
}

/// `\u{301}` in a cell is that character: the file itself is in NFC and shows what it has.
fn unescaped(cell: &str) -> String {
    let mut parts = cell.split("\\u{");
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (code, rest) = part.split_once('}').expect("an escape ends in a brace");
        let code = u32::from_str_radix(code, 16).expect("an escape is hexadecimal");
        text.push(char::from_u32(code).expect("an escape is a character"));
        text.push_str(rest);
    }
    text
}

fn pairs() -> Vec<Pair> {
    let mut reader = csv::Reader::from_reader(PAIRS.as_bytes());
    let header: Vec<String> = reader
        .headers()
        .expect("the table has a header")
        .iter()
        .map(str::to_owned)
        .collect();
    assert_eq!(
        header,
        ["registered", "found", "verdict", "reasons", "note"]
    );
    let rows = (2..).zip(reader.records());
    rows.map(|(line, record)| {
        let record = record.expect("rows have five cells");
        Pair {
            line,
            registered: unescaped(&record[0]),
            found: unescaped(&record[1]),
            verdict: record[2].to_owned(),
            reasons: record[3].to_owned(),
        }
    })
    .collect()
}

/// All rows are looked at before any is complained of: a change of policy is seen as a whole.
#[test]
fn each_pair_has_its_verdict_and_its_reasons() {
    let mut wrong = Vec::new();
    for pair in pairs() {
        for (one, other) in [
            (&pair.registered, &pair.found),
            (&pair.found, &pair.registered),
        ] {
            let comparison = compare(one, other);
            let codes: Vec<&str> = comparison.reasons.iter().map(|it| it.code()).collect();
            let (verdict, codes) = (comparison.verdict.code(), codes.join(";"));
            if (verdict, &codes) != (&pair.verdict, &pair.reasons) {
                wrong.push(format!(
                    "{}: {one:?} and {other:?} are {verdict} ({codes}), not {} ({})",
                    pair.line, pair.verdict, pair.reasons
                ));
            }
            let scores = match comparison.verdict {
                Verdict::Same => 95..=100,
                Verdict::Near => 60..=94,
                Verdict::Different => 0..=59,
            };
            assert!(scores.contains(&comparison.score), "{comparison:?}");
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_table_covers_each_reason_and_each_verdict() {
    let mut verdicts = BTreeMap::new();
    let mut told = BTreeSet::new();
    let pairs = pairs();
    for pair in &pairs {
        *verdicts.entry(&pair.verdict[..]).or_insert(0) += 1;
        told.extend(pair.reasons.split(';').filter(|it| !it.is_empty()));
    }
    let all: BTreeSet<&str> = Reason::all().map(Reason::code).collect();
    assert_eq!(told, all);
    for (verdict, at_least) in [("same", 60), ("near", 50), ("different", 40)] {
        assert!(verdicts[verdict] >= at_least, "{verdicts:?}");
    }
    assert!(pairs.len() >= 160);
    let apart: BTreeSet<_> = pairs.iter().map(|it| (&it.registered, &it.found)).collect();
    assert_eq!(apart.len(), pairs.len(), "a pair stands there twice");
}

//! Each event as it stands on the wire, committed: what was once said can always be read.
//!
//! `ANSINH_GOLDEN=write` writes the files that are missing. One that differs is never overwritten:
//! a promise is not changed by a flag.

mod samples;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use events::{Envelope, Event, Fact};
use serde_json::{Value, json};

use samples::{Sample, instructions, registered, said_at, samples};

const RULE: &str = "a new optional field keeps the version, anything else is a new vN";

/// Keys of amounts, in whatever event they stand.
const AMOUNTS: [&str; 16] = [
    "amount",
    "closing",
    "credited",
    "debits",
    "found_total",
    "held",
    "in_transit",
    "opening",
    "part_total",
    "received",
    "released",
    "returned",
    "settled",
    "suspense_debits",
    "total",
    "unknown",
];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("it/golden")
}

fn value(event: &Event) -> Value {
    serde_json::from_slice(&event.body).expect("an event is JSON")
}

/// What differs, or nothing.
fn difference(committed: &Value, said: &Value) -> Option<String> {
    let lines = |it: &Value| {
        format!("{it:#}")
            .lines()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let (committed, said) = (lines(committed), lines(said));
    let at = (0..committed.len().max(said.len())).find(|it| committed.get(*it) != said.get(*it))?;
    let shown = |it: &[String]| it.get(at).cloned().unwrap_or_default();
    Some(format!(
        "line {}: committed {:?}, said now {:?}; {RULE}",
        at + 1,
        shown(&committed).trim(),
        shown(&said).trim()
    ))
}

#[test]
fn each_event_is_said_as_it_is_committed() {
    let write = std::env::var("ANSINH_GOLDEN").is_ok_and(|it| it == "write");
    let mut wrong = Vec::new();
    for Sample { name, event, .. } in samples() {
        let file = folder().join(format!("{name}.json"));
        if write && !file.exists() {
            std::fs::write(&file, format!("{:#}\n", value(&event))).unwrap();
        }
        match std::fs::read(&file) {
            Ok(bytes) => {
                let committed: Value = serde_json::from_slice(&bytes).unwrap();
                let differs = difference(&committed, &value(&event));
                wrong.extend(differs.map(|it| format!("{name}.json, {it}")));
            }
            Err(error) => wrong.push(format!(
                "{name}.json: {error}; ANSINH_GOLDEN=write makes it"
            )),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn each_committed_event_is_read_back_to_the_same_fact() {
    for Sample { name, event, again } in samples() {
        let committed = std::fs::read(folder().join(format!("{name}.json"))).unwrap();
        let read = again(&committed).unwrap_or_else(|it| panic!("{name}: {it}; {RULE}"));
        assert_eq!(value(&read), value(&event), "{name}: {RULE}");
    }
}

#[test]
fn a_difference_is_told_with_its_line_and_the_rule() {
    let before = json!({ "data": { "amount": "1", "line": 1 } });
    assert_eq!(difference(&before, &before), None);
    let renamed = json!({ "data": { "money": "1", "line": 1 } });
    let told = difference(&before, &renamed).unwrap();
    assert!(
        told.starts_with("line 3: committed \"\\\"amount\\\": \\\"1\\\","),
        "{told}"
    );
    assert!(told.ends_with(RULE), "{told}");
    let retyped = json!({ "data": { "amount": 1, "line": 1 } });
    difference(&before, &retyped).unwrap();
    difference(&before, &json!({ "data": { "amount": "1" } })).unwrap();
}

#[test]
fn each_kind_of_fact_has_a_sample_and_each_file_a_kind() {
    let sampled: BTreeSet<String> = samples().iter().map(|it| it.name.to_owned()).collect();
    let mut facts = BTreeSet::new();
    for file in crate::tidy::source::tree() {
        if !file.path.starts_with("libs/events/src/") {
            continue;
        }
        let names = file.text().split("const NAME: &'static str = \"").skip(1);
        facts.extend(names.map(|it| it.split('"').next().unwrap().to_owned()));
    }
    assert_eq!(sampled, facts);
    let files = std::fs::read_dir(folder()).unwrap();
    let files = files.map(|it| it.unwrap().path());
    let files: BTreeSet<String> = files
        .filter(|it| it.extension().is_some_and(|it| it == "json"))
        .map(|it| it.file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    assert_eq!(sampled, files);
}

/// Each object inside `value`, itself included.
fn each_object(value: &mut Value, change: &mut impl FnMut(&mut serde_json::Map<String, Value>)) {
    match value {
        Value::Object(fields) => {
            fields.values_mut().for_each(|it| each_object(it, change));
            change(fields);
        }
        Value::Array(items) => items.iter_mut().for_each(|it| each_object(it, change)),
        _ => {}
    }
}

#[test]
fn fields_that_a_later_version_adds_are_passed_over() {
    for Sample { name, event, again } in samples() {
        let mut later = value(&event);
        let mut objects = 0;
        each_object(&mut later, &mut |fields| {
            fields.insert(
                "added_later".to_owned(),
                json!({ "note": "x", "amount": 7 }),
            );
            objects += 1;
        });
        assert!(objects >= 2, "{name} has an envelope and data");
        let read = again(later.to_string().as_bytes()).unwrap_or_else(|it| panic!("{name}: {it}"));
        assert_eq!(value(&read), value(&event), "{name}");
    }
}

#[test]
fn optional_fields_that_an_earlier_version_lacked_may_be_missing() {
    let mut earlier = value(&instructions());
    each_object(&mut earlier, &mut |fields| {
        fields.remove("account");
    });
    let body = earlier.to_string();
    let envelope = Envelope::parse(body.as_bytes()).unwrap();
    let read: events::Instructions = envelope.read().unwrap();
    assert!(read.lines.iter().all(|it| it.account.is_none()));
}

/// The places of amounts, as JSON pointers.
fn amounts(value: &Value, at: &str) -> Vec<String> {
    let mut found = Vec::new();
    match value {
        Value::Object(fields) => {
            for (key, it) in fields {
                let here = format!("{at}/{key}");
                if AMOUNTS.contains(&&key[..]) && it.is_string() {
                    found.push(here);
                } else {
                    found.extend(amounts(it, &here));
                }
            }
        }
        Value::Array(items) => {
            for (index, it) in items.iter().enumerate() {
                found.extend(amounts(it, &format!("{at}/{index}")));
            }
        }
        _ => {}
    }
    found
}

#[test]
fn an_amount_is_a_string_of_digits_and_nothing_else() {
    let bad = [
        json!(540_000),
        json!(540_000.5),
        json!("-1"),
        json!("+1"),
        json!("0.5"),
        json!("1e3"),
        json!("1_000"),
        json!("1.000"),
        json!(" 1"),
        json!(""),
        json!("１"),
        json!("9999999999999999999"),
        Value::Null,
    ];
    let mut tried = 0;
    for Sample { name, event, again } in samples() {
        let sound = value(&event);
        for place in amounts(&sound["data"], "/data") {
            for amount in &bad {
                let mut changed = sound.clone();
                *changed.pointer_mut(&place).unwrap() = amount.clone();
                let read = again(changed.to_string().as_bytes());
                assert!(read.is_err(), "{name} took {amount} at {place}");
                tried += 1;
            }
        }
    }
    assert!(tried > 20 * bad.len(), "amounts were found: {tried}");
}

/// `<speaker>.<part>.<fact>.v1`, or a bank's own fixed subject.
fn has_the_shape_of_a_subject(subject: &str) -> bool {
    let services = [
        "eligibility",
        "accounts",
        "payments",
        "reconciliation",
        "population",
        "centralbank",
    ];
    let two_digits = |it: &str| it.len() == 2 && it.bytes().all(|it| it.is_ascii_digit());
    let words =
        |it: &str| !it.is_empty() && it.bytes().all(|it| it.is_ascii_lowercase() || it == b'-');
    let version = |it: &str| {
        it.strip_prefix('v')
            .is_some_and(|it| it.parse::<u8>().is_ok())
    };
    match subject.split('.').collect::<Vec<_>>()[..] {
        ["bank", code, "out" | "in", fact, v] => {
            code.len() == 6 && code.parse::<u32>().is_ok() && words(fact) && version(v)
        }
        [speaker, part, fact, v] => {
            services.contains(&speaker)
                && two_digits(part)
                && part.parse::<u8>().is_ok_and(|it| it < 16)
                && words(fact)
                && version(v)
        }
        _ => false,
    }
}

#[test]
fn subjects_have_the_one_shape() {
    for Sample { name, event, .. } in samples() {
        let subject = &event.subject;
        assert!(has_the_shape_of_a_subject(subject), "{subject}");
        assert!(subject.ends_with(&format!(".{name}")), "{subject}");
        assert!(
            subject.starts_with(&event.speaker) || subject.starts_with("bank."),
            "{subject}"
        );
    }
    for bad in [
        "eligibility.7.run-opened.v1",
        "eligibility.16.run-opened.v1",
        "payments.07.run-opened",
        "payments.07.Run_Opened.v1",
        "someone.07.run-opened.v1",
        "bank.97043.out.instructions.v2",
        "bank.970436.out.0011004123456.instructions.v2",
    ] {
        assert!(!has_the_shape_of_a_subject(bad), "{bad}");
    }
}

/// What is personal stands under these names, and only sealed or as a keyed index.
#[test]
fn nobody_is_told_who_a_person_is_in_the_clear() {
    let sealed = ["account", "holder", "name", "citizen_number", "old_number"];
    let mut found = 0;
    for Sample { name, event, .. } in samples() {
        each_object(&mut value(&event), &mut |fields| {
            for (key, it) in fields.iter() {
                // A bank's word on how an account stands is no account.
                if sealed.contains(&&key[..]) && fields.get("rate_no").is_none_or(|_| key != "name")
                {
                    let word = it.as_str().unwrap_or_default();
                    let is_state = ["open", "closed", "restricted", "unknown"].contains(&word);
                    let is_sealed = serde_json::from_value::<privacy::Sealed>(it.clone())
                        .is_ok_and(|it| it.as_bytes().len() > 29);
                    assert!(is_state || is_sealed, "{name}: {key} is {it}");
                    found += 1;
                }
            }
        });
    }
    assert!(found > 10, "the samples have personal values: {found}");
}

#[test]
fn an_id_follows_from_what_the_fact_is_about() {
    let first = registered(1);
    let later = said_at() + chrono::TimeDelta::days(1);
    assert_eq!(Event::of(&first, said_at()).id, Event::of(&first, later).id);
    let mut retold = registered(1);
    retold.persons.clear();
    assert_eq!(
        Event::of(&first, said_at()).id,
        Event::of(&retold, later).id
    );
    assert_ne!(first.key(), registered(2).key());
    assert_ne!(
        Event::of(&first, said_at()).id,
        Event::of(&registered(2), said_at()).id
    );

    let ids: BTreeSet<_> = samples().iter().map(|it| it.event.id).collect();
    assert_eq!(ids.len(), samples().len());
    for Sample { name, event, .. } in samples() {
        assert_eq!(value(&event)["id"], event.id.to_string(), "{name}");
    }
}

#[test]
fn an_event_is_read_however_its_writer_spells_json() {
    // Some libraries escape each slash; to JSON it is the same text.
    for Sample { name, event, again } in samples() {
        let body = String::from_utf8(event.body.clone()).unwrap();
        let escaped = body
            .replace('/', "\\/")
            .replace("vn.ansinh", "vn\\u002eansinh");
        assert_ne!(escaped, body);
        let read = again(escaped.as_bytes()).unwrap_or_else(|it| panic!("{name}: {it}"));
        assert_eq!(value(&read), value(&event), "{name}");
    }
}

#[test]
fn an_event_of_another_kind_or_without_its_data_is_not_taken_for_one() {
    for Sample { name, event, again } in samples() {
        let mut other = value(&event);
        other["type"] = json!(format!("vn.ansinh.{name}0"));
        assert!(
            again(other.to_string().as_bytes()).is_err(),
            "{name} as another version"
        );
        let mut empty = value(&event);
        empty["data"] = json!({});
        assert!(
            again(empty.to_string().as_bytes()).is_err(),
            "{name} without data"
        );
    }
}

use std::collections::BTreeSet;

use rules::{FLAW_CODES, Files, Flaw, Law};

use crate::tiny_law::tiny;

/// What is done to the tiny set, and all that is to be found: `file: place: code`.
const CASES: &str = include_str!("flaws/cases.txt");

struct Broken<'a> {
    /// `break`, `add` or `remove`, and the file.
    act: (&'a str, &'a str),
    from: String,
    to: String,
    expected: Vec<&'a str>,
}

fn cases() -> Vec<Broken<'static>> {
    let cases = CASES.split("\n\n").map(|block| {
        let mut lines = block.trim_end().lines();
        let act = lines.next().expect("a block has a line");
        let marked = |mark: char| -> Vec<&str> {
            block
                .lines()
                .skip(1)
                .filter_map(|it| it.strip_prefix(mark))
                .collect()
        };
        Broken {
            act: act.split_once(' ').expect("an act and a file"),
            from: marked('-').join("\n"),
            to: marked('+').join("\n"),
            expected: marked('='),
        }
    });
    cases.collect()
}

impl Broken<'_> {
    fn files(&self) -> Files {
        let mut files = tiny();
        let (act, file) = (self.act.0, self.act.1.to_owned());
        match act {
            "add" => {
                files.0.insert(file, self.to.clone());
            }
            "remove" => {
                files.0.remove(&file).expect("the file is there");
            }
            _ => {
                let text = files.0.get_mut(&file).expect("the file is there");
                assert!(text.contains(&self.from), "{file} has no {}", self.from);
                *text = text.replacen(&self.from, &self.to, 1);
            }
        }
        files
    }
}

fn found(files: &Files) -> Vec<Flaw> {
    Law::read(files).err().unwrap_or_default()
}

fn written(flaws: &[Flaw]) -> Vec<String> {
    let flaws = flaws.iter();
    flaws
        .map(|it| format!("{}: {}: {}", it.file, it.place, it.code))
        .collect()
}

#[test]
fn each_flaw_is_found_at_its_place_and_no_other() {
    let mut missed = Vec::new();
    for case in cases() {
        let flaws = found(&case.files());
        if written(&flaws) != case.expected {
            let Broken {
                act, to, expected, ..
            } = case;
            missed.push(format!(
                "{act:?} {to:?}: expected {expected:#?}, found {flaws:#?}"
            ));
        }
    }
    assert!(missed.is_empty(), "{}", missed.join("\n"));
}

/// A check that nothing can fail is none.
#[test]
fn every_flaw_there_is_can_be_found() {
    let mut codes: BTreeSet<&str> = BTreeSet::from(["text_not_nfc"]);
    for case in cases() {
        codes.extend(case.expected.iter().filter_map(|it| it.rsplit(": ").next()));
    }
    assert_eq!(codes, BTreeSet::from(FLAW_CODES));
}

/// Two texts that look alike would be different codes and different bytes.
#[test]
fn a_text_that_is_not_in_normal_form_is_refused() {
    let mut files = tiny();
    let text = files.0["HTXH/programme.toml"].replace("Ngày 10", "Nga\u{300}y 10");
    files.0.insert("HTXH/programme.toml".to_owned(), text);
    assert_eq!(
        written(&found(&files)),
        ["HTXH/programme.toml: line 1: text_not_nfc"]
    );
}

#[test]
fn a_flaw_says_what_was_expected() {
    let said = |file: &str, from: &str, to: &str| {
        let mut files = tiny();
        let text = files.0[file].replacen(from, to, 1);
        files.0.insert(file.to_owned(), text);
        found(&files)[0].sentence.clone()
    };
    let example = said("HTXH/2026-07.examples.csv", "04,,540000", "04,,540001");
    assert_eq!(example, "expected 540001, got 540000");
    let name = said("HTXH/2026-07.toml", "base * 1.0", "age + basis");
    let expected = "basis is no fact, parameter or earlier value (characters 6 to 11)";
    assert_eq!(name, expected);
}

#[test]
fn all_flaws_are_told_by_file_and_place() {
    let mut files = tiny();
    for (file, from, to) in [
        ("parameters.csv", "0.0855", "x"),
        ("HTXH/programme.toml", "payer", "payers"),
        (
            "TCXH/2025-07.coefficient.csv",
            "severe,adult,1.5",
            "rich,adult,1.5",
        ),
        ("TCXH/2025-07.toml", "* share", "* shar"),
    ] {
        let text = files.0[file].replacen(from, to, 1);
        files.0.insert(file.to_owned(), text);
    }
    assert_eq!(
        written(&found(&files)),
        [
            "HTXH/programme.toml: line 1: key_missing",
            "HTXH/programme.toml: line 4: key_unknown",
            "TCXH/2025-07.coefficient.csv: row 1, column groups: code_unknown",
            "TCXH/2025-07.toml: step 5, formula: name_unknown",
            "parameters.csv: row 5, column value: number_not_exact",
        ]
    );
}

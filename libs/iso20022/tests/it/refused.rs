use std::collections::BTreeSet;
use std::fmt::Write;
use std::io::{Cursor, Read};

use iso20022::{FLAW_CODES, Flaw, Limits, Message, ReadError};

/// What is done to a file that is right, and what it is refused for: `code line:column path`.
const CASES: &str = include_str!("refused/cases.txt");

fn file(name: &str) -> &'static str {
    match name {
        "statement.xml" => include_str!("refused/statement.xml"),
        "order.xml" => include_str!("refused/order.xml"),
        "report.xml" => include_str!("refused/report.xml"),
        "statement.mt940" => include_str!("refused/statement.mt940"),
        other => panic!("there is no {other}"),
    }
}

struct Case {
    file: &'static str,
    from: String,
    to: String,
    expected: &'static str,
}

fn cases() -> Vec<Case> {
    let cases = CASES.trim_end().split("\n\n").map(|block| {
        let mut lines = block.lines();
        let mut next = |mark: &str| {
            let line = lines.next().expect("a case has four lines");
            line.strip_prefix(mark).expect("its lines have their marks")
        };
        Case {
            file: next(""),
            from: unescaped(next("-")),
            to: unescaped(next("+")),
            expected: next("="),
        }
    });
    cases.collect()
}

fn unescaped(text: &str) -> String {
    let text = text.replace("\\n", "\n");
    text.replace("\\u{0}", "\0").replace("\\u{85}", "\u{85}")
}

/// Reads to the end, or to the first flaw.
fn read(bytes: impl Read, limits: Limits) -> Result<(), ReadError> {
    match Message::open(bytes, limits)? {
        Message::Order(mut items) => items.try_for_each(|it| it.map(drop)),
        Message::Report(mut items) => items.try_for_each(|it| it.map(drop)),
        Message::Statement(mut items) => items.try_for_each(|it| it.map(drop)),
        Message::Mt940(mut items) => items.try_for_each(|it| it.map(drop)),
        Message::Recall(mut items) => items.try_for_each(|it| it.map(drop)),
        Message::Answer(mut items) => items.try_for_each(|it| it.map(drop)),
    }
}

fn flaw_with(bytes: &[u8], limits: Limits) -> Flaw {
    match read(Cursor::new(bytes), limits) {
        Err(ReadError::Refused(flaw)) => *flaw,
        other => panic!("this was to be refused: {other:?}"),
    }
}

fn flaw(bytes: &[u8]) -> Flaw {
    flaw_with(bytes, Limits::default())
}

fn written(flaw: &Flaw) -> String {
    let place = &flaw.place;
    let text = format!(
        "{} {}:{} {}",
        flaw.code, place.line, place.column, place.path
    );
    text.trim_end().to_owned()
}

#[test]
fn what_is_spoilt_was_right() {
    for name in [
        "statement.xml",
        "order.xml",
        "report.xml",
        "statement.mt940",
    ] {
        let whole = read(Cursor::new(file(name)), Limits::default());
        assert!(whole.is_ok(), "{name}: {whole:?}");
    }
}

#[test]
fn each_flaw_is_found_at_its_place() {
    let mut missed = String::new();
    for case in cases() {
        let text = file(case.file);
        assert!(
            text.contains(&case.from),
            "{} has no {}",
            case.file,
            case.from
        );
        let text = text.replacen(&case.from, &case.to, 1);
        let found = match read(Cursor::new(&text), Limits::default()) {
            Ok(()) => "nothing".to_owned(),
            Err(ReadError::Refused(flaw)) => written(&flaw),
            Err(ReadError::Io(error)) => error.to_string(),
        };
        if found != case.expected {
            let Case {
                file, to, expected, ..
            } = case;
            let _ = writeln!(
                missed,
                "{file} {to:?}\n  expected {expected}\n     found {found}"
            );
        }
    }
    assert!(missed.is_empty(), "{missed}");
}

#[test]
fn every_code_there_is_can_be_found() {
    let elsewhere = [
        "mt940_encoding",
        "mt940_too_long",
        "xml_too_deep",
        "xml_too_long",
    ];
    let mut codes = BTreeSet::from(elsewhere);
    let cases = cases();
    codes.extend(cases.iter().filter_map(|it| it.expected.split(' ').next()));
    assert_eq!(codes, BTreeSet::from(FLAW_CODES));
    let mut flaw = flaw(b"");
    for code in FLAW_CODES {
        flaw.code = code;
        assert!(
            !flaw.advice().is_empty(),
            "{code} says nothing in Vietnamese"
        );
    }
}

#[test]
fn other_encodings_are_refused_and_never_guessed() {
    let text = file("statement.xml");
    let wide = |bytes: fn(u16) -> [u8; 2]| text.encode_utf16().flat_map(bytes).collect();
    let (big, little): (Vec<u8>, Vec<u8>) = (wide(u16::to_be_bytes), wide(u16::to_le_bytes));
    let marked = [b"\xff\xfe", &little[..]].concat();
    for bytes in [big, little, marked] {
        assert_eq!(written(&flaw(&bytes)), "xml_encoding 1:1");
    }
    let latin = [&text.as_bytes()[..text.find("ễ").unwrap()], b"\xea</Nm>"].concat();
    let name = "/Document/BkToCstmrStmt/Stmt/Ntry/NtryDtls/TxDtls/RltdPties/Cdtr/Pty/Nm";
    assert_eq!(written(&flaw(&latin)), format!("xml_encoding 22:39 {name}"));
    let latin = [b":20:SK1\n:25:", &b"\xea"[..]].concat();
    assert_eq!(written(&flaw(&latin)), "mt940_encoding 2:1");
}

#[test]
fn depth_pieces_and_files_have_their_bounds() {
    let deep = file("statement.xml").replacen("<Id>S1", &"<a>".repeat(40), 1);
    let found = flaw(deep.as_bytes());
    assert_eq!(
        (found.code, found.place.column),
        ("xml_too_deep", 7 + 3 * 29)
    );

    // A name, a tag, a comment and a document type, each of ten million characters on one line.
    let long = "x".repeat(10_000_000);
    for (from, to) in [
        ("<Id>S1", format!("<Id>{long}")),
        ("<Id>S1", format!("<Id a=\"{long}\">S1")),
        ("<Id>S1", format!("<{long}/><Id>S1")),
        ("<Id>S1", format!("<!-- {long} --><Id>S1")),
        ("<Document", format!("<!DOCTYPE {long}><Document")),
        ("<Id>S1", format!("<Id>{}", "S&amp;".repeat(100_000))),
        ("<Id>S1", format!("{}<Id>S1", " ".repeat(100_000))),
    ] {
        let spoilt = file("statement.xml").replacen(from, &to, 1);
        assert_eq!(
            flaw(spoilt.as_bytes()).code,
            "xml_too_long",
            "{}",
            &to[..20]
        );
    }
    let short = Limits {
        file: 1_000,
        ..Limits::default()
    };
    let text = file("statement.xml").as_bytes();
    assert_eq!(flaw_with(text, short).code, "xml_too_long");
    let exact = Limits {
        file: text.len() as u64,
        ..Limits::default()
    };
    assert!(read(Cursor::new(text), exact).is_ok());

    let text = file("statement.mt940");
    assert_eq!(
        flaw_with(text.as_bytes(), Limits { file: 60, ..short }).code,
        "mt940_too_long"
    );
    let line = text.replacen("TRO CAP", &long, 1);
    assert_eq!(written(&flaw(line.as_bytes())), "mt940_too_long 7:1");
    let lines = text.replacen("TRO CAP", &"A\n".repeat(100), 1);
    assert_eq!(written(&flaw(lines.as_bytes())), "mt940_too_long 71:1 :86:");
}

#[test]
fn a_file_cut_off_anywhere_is_refused() {
    for name in [
        "statement.xml",
        "order.xml",
        "report.xml",
        "statement.mt940",
    ] {
        let text = file(name).trim_end().as_bytes();
        let whole = if name.ends_with("940") {
            text.len() - 3
        } else {
            text.len()
        };
        for end in 0..whole {
            let cut = read(Cursor::new(&text[..end]), Limits::default());
            assert!(cut.is_err(), "{name} to byte {end}");
        }
    }
}

/// Whatever is put in the place of any value: it may be somebody's, in the wrong place.
#[test]
fn no_flaw_repeats_what_stood_in_the_file() {
    let mut refused = 0;
    for name in [
        "statement.xml",
        "order.xml",
        "report.xml",
        "statement.mt940",
    ] {
        let text = file(name);
        let begins = if name.ends_with("940") { ':' } else { '>' };
        for secret in [
            "0011004123456",
            "Nguyễn Thị Ánh",
            "AC\u{85}99",
            &"ẨN".repeat(300),
        ] {
            for (at, _) in text.match_indices(begins) {
                let behind = &text[at + 1..];
                let value = behind.find(['<', ',', '\n']).unwrap_or(0);
                let spoilt = format!("{}{secret}{}", &text[..=at], &behind[value..]);
                if let Err(error) = read(Cursor::new(&spoilt), Limits::default()) {
                    assert!(!error.to_string().contains(secret), "{error}");
                    refused += 1;
                }
            }
        }
    }
    assert!(refused > 300, "{refused} were refused");
}

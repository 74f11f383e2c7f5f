use std::fmt::Write;
use std::io::{self, Cursor, Read};

use iso20022::{
    AccountNo, Agent, Detail, Entry, Limits, Message, Party, ReadError, Reason, ReportItem,
    Statement, StatementItem, Text,
};

use crate::official::assert_valid;

/// Files as banks of different makes write them, and what has to be read in each.
const FILES: [(&str, &str, &str); 7] = [
    (
        "prefixed_02.xml",
        include_str!("foreign/prefixed_02.xml"),
        include_str!("foreign/prefixed_02.txt"),
    ),
    (
        "one_line_04.xml",
        include_str!("foreign/one_line_04.xml"),
        include_str!("foreign/one_line_04.txt"),
    ),
    (
        "extended_08.xml",
        include_str!("foreign/extended_08.xml"),
        include_str!("foreign/extended_08.txt"),
    ),
    (
        "notification_04.xml",
        include_str!("foreign/notification_04.xml"),
        include_str!("foreign/notification_04.txt"),
    ),
    (
        "report_03.xml",
        include_str!("foreign/report_03.xml"),
        include_str!("foreign/report_03.txt"),
    ),
    (
        "pages.mt940",
        include_str!("foreign/pages.mt940"),
        include_str!("foreign/pages.txt"),
    ),
    (
        "bare.mt940",
        include_str!("foreign/bare.mt940"),
        include_str!("foreign/bare.txt"),
    ),
];

/// Gives one byte at a time, as a slow line does.
struct Drop(Cursor<Vec<u8>>);

impl Read for Drop {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let one = into.len().min(1);
        self.0.read(&mut into[..one])
    }
}

#[test]
fn each_bank_is_understood_in_its_own_style() {
    let mut wrong = String::new();
    for (name, file, expected) in FILES {
        let found = told(Cursor::new(file.as_bytes())).map_err(|it| it.to_string());
        if found.as_deref() != Ok(expected) {
            let found = found.unwrap_or_else(|it| it);
            let _ = writeln!(wrong, "--- {name}\n{found}");
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn line_ends_marks_and_pieces_change_nothing() {
    for (name, file, expected) in FILES {
        let windows = file.replace('\n', "\r\n").into_bytes();
        let marked = [b"\xef\xbb\xbf", file.as_bytes()].concat();
        for bytes in [windows, marked, file.as_bytes().to_vec()] {
            assert_eq!(told(Drop(Cursor::new(bytes))).unwrap(), expected, "{name}");
        }
    }
}

#[test]
fn the_newest_of_them_is_what_the_schema_says() {
    let (_, file, _) = FILES[2];
    assert_valid("camt.053.001.08", file.as_bytes());
}

/// What a file says, a line for each item.
fn told(bytes: impl Read) -> Result<String, ReadError> {
    let mut lines = String::new();
    let mut put = |line: String| {
        lines.push_str(&line);
        lines.push('\n');
    };
    match Message::open(bytes, Limits::default())? {
        Message::Statement(mut items) => {
            items.try_for_each(|it| it.map(|it| put(item(&it))))?;
        }
        Message::Mt940(mut items) => items.try_for_each(|it| it.map(|it| put(item(&it))))?,
        Message::Report(mut items) => items.try_for_each(|it| it.map(|it| put(report(&it))))?,
        Message::Order(_) | Message::Recall(_) | Message::Answer(_) => put("ours".to_owned()),
    }
    Ok(lines)
}

fn item(item: &StatementItem) -> String {
    match item {
        StatementItem::Message(it) => {
            let created = it.created_at.map(|it| it.to_rfc3339());
            format!("{:?} {} {created:?}", it.kind, it.message_id)
        }
        StatementItem::Statement(it) => statement(it),
        StatementItem::Entry(it) => entry(it),
        StatementItem::Detail(it) => detail(it),
        StatementItem::Words(it) => format!("    words {it}"),
        StatementItem::End(it) => {
            let found = it.found;
            let mut line = format!(
                "  end credits {} {} debits {} {} booked {} {}",
                found.credits.count,
                found.credits.sum,
                found.debits.count,
                found.debits.sum,
                found.booked_credits.sum,
                found.booked_debits.sum
            );
            for it in &it.balances {
                let _ = write!(line, " {} {}", it.kind.as_str(), it.amount);
            }
            line
        }
    }
}

fn statement(it: &Statement) -> String {
    let page = it.page.map(|it| (it.number, it.last));
    let account = it.account.expose();
    let mut line = format!("  statement {} {:?} {page:?} {account}", it.id, it.sequence);
    for it in &it.balances {
        let (kind, way) = (it.kind.as_str(), it.direction.code());
        let _ = write!(line, " {kind} {} {way} {}", it.amount, it.date);
    }
    line
}

fn entry(it: &Entry) -> String {
    let mut line = format!("    entry {} {}", it.amount, it.direction.code());
    if it.reversal {
        line.push_str(" reversal");
    }
    let _ = write!(line, " {:?}", it.status);
    for (name, day) in [("booked", it.booked_on), ("value", it.value_on)] {
        if let Some(day) = day {
            let _ = write!(line, " {name} {day}");
        }
    }
    for (name, text) in [
        ("nr", &it.reference),
        ("ref", &it.bank_ref),
        ("own", &it.code.own),
    ] {
        if let Some(text) = text {
            let _ = write!(line, " {name} {text}");
        }
    }
    if let Some(code) = it.code.domain {
        let _ = write!(line, " code {code:?}");
    }
    if let Some(charges) = it.charges {
        let _ = write!(line, " charges {charges}");
    }
    if let Some(batch) = &it.batch {
        let _ = write!(line, " batch {:?} {:?}", batch.message_id, batch.count);
    }
    line
}

fn detail(it: &Detail) -> String {
    let mut line = String::from("      detail");
    for (name, text) in [
        ("id", &it.end_to_end_id),
        ("message", &it.message_id),
        ("payment", &it.payment_id),
        ("instruction", &it.instruction_id),
        ("ref", &it.bank_ref),
        ("rf", &it.creditor_ref),
    ] {
        if let Some(text) = text {
            let _ = write!(line, " {name} {text}");
        }
    }
    for (name, amount) in [("amount", it.amount), ("charges", it.charges)] {
        if let Some(amount) = amount {
            let _ = write!(line, " {name} {amount}");
        }
    }
    if let Some(purpose) = it.purpose {
        let _ = write!(line, " purpose {purpose}");
    }
    party(&mut line, "from", &it.debtor);
    party(&mut line, "to", &it.creditor);
    for text in &it.remittance {
        let _ = write!(line, " “{text}”");
    }
    if let Some(back) = &it.returned {
        let reason = back.reason.as_ref().map(Reason::as_str);
        let words = back.words.as_ref().map(Text::as_str);
        let _ = write!(line, " returned {reason:?} {words:?}");
    }
    line
}

fn party(line: &mut String, name: &str, party: &Party) {
    if *party == Party::default() {
        return;
    }
    let text = [
        party.name.as_ref().map(Text::as_str),
        party.account.as_ref().map(AccountNo::expose),
        party.agent.as_ref().map(Agent::as_str),
    ];
    let text: Vec<&str> = text.into_iter().map(|it| it.unwrap_or("-")).collect();
    let _ = write!(line, " {name} {}", text.join("/"));
}

fn report(item: &ReportItem) -> String {
    match item {
        ReportItem::Report(it) => format!("report {it:?}"),
        ReportItem::Payment(it) => format!("  payment {it:?}"),
        ReportItem::Line(it) => {
            let words = it.status.words.as_ref().map(Text::as_str);
            format!("    line {it:?} {words:?}")
        }
    }
}

//! What a bank's file says is what the bank would have said itself.

use std::io::Cursor;

use domain::{EndToEndId, Institution, Money, Part};
use events::{EntryKind, ResultLine, ResultStatus, Results, StatementEntry, StatementPage};
use iso20022::mapping;
use iso20022::{Heard, Kind, Said, StatementItem, Unsaid, each_message};
use privacy::{ExchangeKey, Field};

use crate::mapped::{BANK, day, key};
use crate::{of, reports, statements};

fn said(file: &[u8]) -> Result<(Vec<Said>, Heard), Unsaid> {
    let mut messages = Vec::new();
    let heard = each_message(
        || Ok(Cursor::new(file.to_vec())),
        (of::<Institution>(BANK), &key()),
        |it| {
            messages.push(it);
            Ok(())
        },
    )?;
    Ok((messages, heard))
}

fn code(file: &[u8]) -> String {
    match said(file) {
        Ok(_) => "said".to_owned(),
        Err(Unsaid::Refused { refusal, .. }) => refusal.code.to_owned(),
        Err(Unsaid::Read(error)) => error.flaw().expect("it is a flaw").code.to_owned(),
    }
}

fn opened(key: &ExchangeKey, it: &StatementEntry) -> Option<String> {
    let sealed = it.account.as_ref()?;
    let opened = key.open(Field::BankAccount, it.end_to_end_id.as_bytes(), sealed);
    Some(
        opened
            .expect("it is sealed for its line")
            .expose()
            .to_owned(),
    )
}

fn entry(number: i64, end_to_end_id: String, kind: EntryKind) -> StatementEntry {
    let account = (kind == EntryKind::Payment).then(|| {
        key().seal(
            Field::BankAccount,
            end_to_end_id.as_bytes(),
            "0011004123456",
        )
    });
    StatementEntry {
        entry_no: number,
        account,
        end_to_end_id,
        amount: Money::dong(1_000),
        bank_ref: format!("FT{number}"),
        kind,
        booked_on: None,
    }
}

/// A day with payments in two partitions, one that came back and one that nobody instructed.
fn page() -> StatementPage {
    let mut entries: Vec<StatementEntry> = (1..=1_200)
        .map(|it| {
            let line: EndToEndId = of(&format!(
                "R000001-07-{:04}-{:04}",
                1 + it / 600,
                1 + it % 600
            ));
            entry(it, line.to_string(), EntryKind::Payment)
        })
        .collect();
    entries.push(entry(
        1_201,
        "R000001-03-0001-0001".to_owned(),
        EntryKind::Payment,
    ));
    entries.push(entry(
        1_202,
        "R000001-03-0001-0001".to_owned(),
        EntryKind::Return,
    ));
    entries.push(entry(1_203, "KHONG-RO".to_owned(), EntryKind::Payment));
    let debits = Money::dong(1_202_000);
    StatementPage {
        institution: of(BANK),
        part: Part::ZERO,
        statement_no: 5,
        date: day(),
        page: 1,
        pages: 1,
        opening: Money::dong(7),
        received: debits,
        debits,
        returned: Money::dong(1_000),
        entries_count: 1_203,
        closing: Money::dong(1_007),
        entries,
    }
}

#[expect(clippy::unwrap_used, reason = "what the test writes is right")]
fn written(told: &StatementPage) -> Vec<u8> {
    let account = of("9527112345678");
    let mut items = mapping::statement_head(told, &account, of("2026-12-01T12:00:00Z")).unwrap();
    for entry in &told.entries {
        items.extend(mapping::statement_entry(entry, told.date, &key()).unwrap());
    }
    items.push(mapping::statement_end(told, 1));
    statements::written(Kind::Statement, &items).unwrap()
}

#[test]
fn a_statement_is_said_page_by_page_with_what_the_whole_comes_to() {
    let told = page();
    let (messages, heard) = said(&written(&told)).unwrap();
    assert_eq!((heard.statements, heard.entries), (1, 1_203));
    let pages: Vec<&StatementPage> = messages
        .iter()
        .map(|it| match it {
            Said::Page(page) => page,
            Said::Results(_) => panic!("a statement says no results"),
        })
        .collect();
    // A full page of partition 7, its rest, one of 3, and of what nobody knows one of 0.
    let cut: Vec<(i16, usize, i32)> = pages
        .iter()
        .map(|it| (it.part.number(), it.entries.len(), it.page))
        .collect();
    assert_eq!(cut, [(7, 1_000, 1), (0, 1, 2), (3, 2, 3), (7, 200, 4)]);
    for page in &pages {
        let whole = |it: &StatementPage| {
            let counts = (it.statement_no, it.date, it.entries_count);
            (
                counts,
                it.opening,
                it.received,
                it.debits,
                it.returned,
                it.closing,
            )
        };
        assert_eq!(whole(page), whole(&told));
        assert_eq!(page.pages, 4);
    }
    let mut back: Vec<&StatementEntry> = pages.iter().flat_map(|it| &it.entries).collect();
    back.sort_by_key(|it| it.entry_no);
    for (back, told) in back.iter().zip(&told.entries) {
        let plain = |it: &StatementEntry| {
            (
                it.entry_no,
                it.end_to_end_id.clone(),
                it.amount,
                it.kind,
                opened(&key(), it),
            )
        };
        assert_eq!(plain(back), plain(told));
    }
}

#[test]
fn a_report_is_said_by_partition_under_ids_that_stay() {
    let line = |part: u8, number: i32, status| ResultLine {
        end_to_end_id: of(&format!(
            "R000001-{part:02}-{:04}-{:04}",
            1 + number / 600,
            1 + number % 600
        )),
        status,
        reason: (status == ResultStatus::Rejected).then(|| "AC04".to_owned()),
        amount: Money::dong(540_000),
        bank_ref: format!("FT{number}"),
        booked_on: day(),
    };
    let mut lines: Vec<ResultLine> = (1..=1_000)
        .map(|it| line(7, it, ResultStatus::Credited))
        .collect();
    lines.push(line(7, 1_001, ResultStatus::Rejected));
    lines.push(line(2, 1, ResultStatus::Credited));
    let told = Results {
        institution: of(BANK),
        part: Part::ZERO,
        message_id: "KQ-1".to_owned(),
        lines,
    };
    let items = mapping::report(&told, of("2026-12-01T12:00:00Z")).unwrap();
    let file = reports::written(&items).unwrap();
    let (messages, heard) = said(&file).unwrap();
    assert_eq!((heard.results, heard.undecided), (1_002, 0));
    let cut: Vec<(i16, String, usize)> = messages
        .iter()
        .map(|it| match it {
            Said::Results(it) => (it.part.number(), it.message_id.clone(), it.lines.len()),
            Said::Page(_) => panic!("a report says no page"),
        })
        .collect();
    let named = |part: i16, id: &str, lines| (part, id.to_owned(), lines);
    let expected = [
        named(7, "KQ-1/1", 1_000),
        named(2, "KQ-1/1", 1),
        named(7, "KQ-1/2", 1),
    ];
    assert_eq!(cut, expected);
    let (again, _) = said(&file).unwrap();
    assert_eq!(format!("{messages:?}"), format!("{again:?}"));
}

#[test]
fn what_cannot_be_said_is_refused_whole() {
    let file = written(&page());
    let text = String::from_utf8(file).unwrap();
    let cases = [
        (
            text.replacen("<ElctrncSeqNb>5</ElctrncSeqNb>", "", 1),
            "statement_number_missing",
        ),
        (
            text.replacen("<Cd>OPBD</Cd>", "<Cd>PRCD</Cd>", 1),
            "balance_invalid",
        ),
        (
            text.replacen("1007", "1008", 1),
            "statement_balance_mismatch",
        ),
    ];
    for (text, expected) in cases {
        assert_eq!(code(text.as_bytes()), expected);
    }
    let mut told = page();
    told.entries.truncate(1);
    let reversal = |it: &mut StatementItem| {
        if let StatementItem::Entry(entry) = it {
            entry.reversal = true;
        }
    };
    let [mut entry, detail] = mapping::statement_entry(&told.entries[0], day(), &key()).unwrap();
    reversal(&mut entry);
    let (StatementItem::Entry(entry), StatementItem::Detail(detail)) = (entry, detail) else {
        panic!("an entry and its detail");
    };
    let refused = mapping::booked(&entry, Some(&detail), 1, &key()).unwrap_err();
    assert_eq!(refused.code, "booking_unclear");
}

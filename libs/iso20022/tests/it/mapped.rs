use std::sync::LazyLock;

use chrono::NaiveDate;
use domain::{ChunkNo, EndToEndId, Institution, LineNo, Money, Part, RunNo};
use events::{
    EntryKind, Instruction, Instructions, ResultLine, ResultStatus, Results, StatementEntry,
    StatementPage,
};
use iso20022::mapping::{self, Booked, Payer};
use iso20022::{Kind, OrderItem, ReportItem, StatementItem};
use privacy::{ExchangeKey, Field, Keys};

use crate::{bank, of, official, orders, reports, statements};

/// Keys of this process alone, whose file is gone at once.
static KEYS: LazyLock<Keys> = LazyLock::new(|| {
    let name = format!("ansinh-iso20022-{}", std::process::id());
    let file = std::env::temp_dir().join(name);
    let keys = Keys::generate(&file).expect("a file can be written");
    std::fs::remove_file(file).expect("it was written");
    keys
});

pub const BANK: &str = "970436";

pub fn key() -> ExchangeKey {
    KEYS.exchange(BANK)
}

pub fn id(chunk: i32, line: i32) -> EndToEndId {
    EndToEndId {
        run: RunNo(1),
        part: Part::try_from(7).expect("it is a partition"),
        chunk: ChunkNo(chunk),
        line: LineNo(line),
    }
}

pub fn day() -> NaiveDate {
    of("2026-12-01")
}

fn payer() -> Payer {
    Payer {
        initiator: of("Bộ Nội vụ"),
        debtor: of("Kho bạc Nhà nước"),
        account: of("9527112345678"),
        agent: bank(BANK),
        purpose: of("GOVT"),
        remittance: of("Trợ cấp 12/2026"),
    }
}

fn instructions() -> Instructions {
    let line = |line: i32, account: Option<&str>| {
        let context = id(1, line).to_string();
        let seal = |field, clear| key().seal(field, context.as_bytes(), clear);
        Instruction {
            end_to_end_id: id(1, line),
            amount: Money::dong(540_000),
            account: account.map(|it| seal(Field::BankAccount, it)),
            holder: seal(Field::PersonName, "NGUYEN THI ANH"),
        }
    };
    Instructions {
        institution: of(BANK),
        run_no: RunNo(1),
        part: Part::try_from(7).expect("it is a partition"),
        chunk: ChunkNo(1),
        message: None,
        business_date: day(),
        count: 2,
        total: Money::dong(1_080_000),
        root: "00".repeat(32),
        checkpoint: None,
        lines: vec![line(1, Some("0011004123456")), line(2, None)],
    }
}

#[test]
fn instructions_and_an_order_say_the_same() {
    let told = instructions();
    let order = mapping::order(&told, &payer(), of("2026-12-01T01:00:00Z")).unwrap();
    let lines: Vec<_> = told
        .lines
        .iter()
        .map(|it| mapping::order_line(it, told.institution, &payer(), &key()).unwrap())
        .collect();
    let xml = orders::written(&order, &lines).unwrap();
    official::assert_valid("pain.001.001.09", &xml);
    let text = String::from_utf8(xml.clone()).unwrap();
    assert!(text.contains("<EndToEndId>R000001-07-0001-0001</EndToEndId>"));
    assert!(text.contains("<Id>0011004123456</Id>"));
    assert!(text.contains("<MsgId>R000001-07-0001</MsgId>"));

    let items = orders::read(&xml).unwrap();
    let back = items.iter().filter_map(|it| match it {
        OrderItem::Line(line) => Some(mapping::instruction(line, &key()).unwrap()),
        OrderItem::Order(_) => None,
    });
    for (back, line) in back.zip(&told.lines) {
        assert_eq!(
            (back.end_to_end_id, back.amount),
            (line.end_to_end_id, line.amount)
        );
        let again = mapping::order_line(&back, told.institution, &payer(), &key()).unwrap();
        let first = mapping::order_line(line, told.institution, &payer(), &key()).unwrap();
        assert_eq!(again, first);
    }
}

#[test]
fn what_was_sealed_for_another_line_is_not_written() {
    let mut told = instructions();
    let other = told.lines[0].holder.clone();
    told.lines[1].holder = other;
    let refused = mapping::order_line(&told.lines[1], told.institution, &payer(), &key());
    assert_eq!(refused.unwrap_err().code, "account_unreadable");
    let strange = KEYS.exchange("970405");
    let refused = mapping::order_line(&told.lines[0], told.institution, &payer(), &strange);
    assert_eq!(refused.unwrap_err().code, "account_unreadable");
}

#[test]
fn results_and_a_report_say_the_same() {
    let line = |chunk, line, reason: Option<&str>| ResultLine {
        end_to_end_id: id(chunk, line),
        status: reason.map_or(ResultStatus::Credited, |_| ResultStatus::Rejected),
        reason: reason.map(str::to_owned),
        amount: Money::dong(540_000),
        bank_ref: "FT0000000000000001".to_owned(),
        booked_on: day(),
    };
    let told = Results {
        institution: of(BANK),
        part: Part::try_from(7).unwrap(),
        message_id: "970436-R000001-07-0001-late".to_owned(),
        lines: vec![
            line(1, 1, None),
            line(1, 2, Some("AC04")),
            line(2, 1, Some("BE01")),
        ],
    };
    let items = mapping::report(&told, of("2026-12-01T03:00:00Z")).unwrap();
    let xml = reports::written(&items).unwrap();
    official::assert_valid("pain.002.001.10", &xml);
    let items = reports::read(&xml).unwrap();
    let ReportItem::Report(head) = &items[0] else {
        panic!("a report is first")
    };
    let lines = items.iter().filter_map(|it| match it {
        ReportItem::Line(line) => mapping::result_line(line, head).unwrap(),
        _ => None,
    });
    let back = mapping::results(told.institution, head, lines.collect());
    assert_eq!(back.len(), 1);
    assert_eq!(format!("{:?}", back[0]), format!("{told:?}"));
}

#[test]
fn a_line_that_is_not_decided_is_no_result() {
    let items = reports::items();
    let ReportItem::Report(head) = &items[0] else {
        panic!("a report is first")
    };
    let ReportItem::Line(mut line) = reports::line(4, reports::standing("ACSP", None, None)) else {
        panic!("this is a line")
    };
    assert!(mapping::result_line(&line, head).unwrap().is_none());
    line.status = reports::standing("ACSC", None, None);
    assert!(mapping::result_line(&line, head).unwrap().is_some());
    line.accepted_on = None;
    let late = mapping::result_line(&line, head).unwrap().unwrap();
    assert_eq!(late.booked_on, day());
    line.amount = None;
    let refused = mapping::result_line(&line, head).unwrap_err();
    assert_eq!(refused.code, "element_missing");
    line.amount = Some(Money::dong(1));
    line.end_to_end_id = of("R1-7-1-1");
    let refused = mapping::result_line(&line, head).unwrap_err();
    assert_eq!(refused.code, "end_to_end_id_invalid");
}

#[test]
fn a_page_of_a_statement_and_its_file_say_the_same() {
    let entry = |line: i32, account: Option<&str>| {
        let context = id(1, line).to_string();
        StatementEntry {
            entry_no: i64::from(line),
            account: account.map(|it| key().seal(Field::BankAccount, context.as_bytes(), it)),
            end_to_end_id: context,
            amount: Money::dong(540_000),
            bank_ref: format!("FT{line}"),
            kind: EntryKind::Payment,
            booked_on: None,
        }
    };
    let told = StatementPage {
        institution: of::<Institution>(BANK),
        part: Part::try_from(7).unwrap(),
        statement_no: 5,
        date: day(),
        page: 1,
        pages: 1,
        opening: Money::dong(7),
        received: Money::dong(1_080_000),
        returned: Money::ZERO,
        debits: Money::dong(1_080_000),
        entries_count: 2,
        closing: Money::dong(7),
        entries: vec![entry(1, Some("0011004123456")), entry(2, None)],
    };
    let account = of("9527112345678");
    let mut items = mapping::statement_head(&told, &account, of("2026-12-01T12:00:00Z")).unwrap();
    for entry in &told.entries {
        items.extend(mapping::statement_entry(entry, told.date, &key()).unwrap());
    }
    items.push(mapping::statement_end(&told, 0));
    let xml = statements::written(Kind::Statement, &items).unwrap();
    official::assert_valid("camt.053.001.08", &xml);

    let items = statements::read(&xml).unwrap();
    let mut back = Vec::new();
    for pair in items.windows(2) {
        if let [StatementItem::Entry(entry), StatementItem::Detail(detail)] = pair {
            let number = i64::try_from(back.len()).unwrap() + 1;
            let booked = mapping::booked(entry, Some(detail), number, &key()).unwrap();
            let Booked::Entry(entry) = booked else {
                panic!("{booked:?}");
            };
            back.push(entry);
        }
    }
    assert_eq!(back.len(), told.entries.len());
    for (back, entry) in back.iter().zip(&told.entries) {
        let plain = |it: &StatementEntry| {
            let account = it.account.as_ref().map(|sealed| {
                let opened = key().open(Field::BankAccount, it.end_to_end_id.as_bytes(), sealed);
                opened
                    .expect("it was sealed for this line")
                    .expose()
                    .to_owned()
            });
            (
                it.entry_no,
                it.end_to_end_id.clone(),
                it.amount,
                it.bank_ref.clone(),
                account,
            )
        };
        assert_eq!(plain(back), plain(entry));
    }
}

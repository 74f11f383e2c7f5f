use std::io::Cursor;

use domain::Money;
use iso20022::{
    AccountMessage, Announced, Balance, BankCode, Batch, Detail, Direction, Ending, Entry,
    EntryStatus, Found, Kind, Limits, Message, Page, Party, ReadError, Return, Statement,
    StatementItem, StatementWriter, Summary, Totals, WriteError,
};

use crate::official::assert_valid;
use crate::orders::refused;
use crate::{bank, of};

pub fn balance(kind: &str, amount: u64, direction: Direction) -> Balance {
    Balance {
        kind: of(kind),
        amount: Money::dong(amount),
        direction,
        date: of("2026-12-01"),
    }
}

pub fn entry(amount: u64, direction: Direction) -> Entry {
    Entry {
        reference: Some(of("1")),
        amount: Money::dong(amount),
        direction,
        reversal: false,
        status: EntryStatus::Booked,
        booked_on: Some(of("2026-12-01")),
        value_on: Some(of("2026-12-02")),
        bank_ref: Some(of("FT0000000000000001")),
        code: BankCode {
            domain: Some(["PMNT", "ICDT", "DMCT"].map(of)),
            own: Some(of("CHI-ASXH")),
        },
        charges: None,
        batch: None,
    }
}

pub fn detail(number: u32, amount: u64) -> Detail {
    Detail {
        message_id: Some(of("R000001-07-0001")),
        payment_id: Some(of("R000001-07-0001")),
        instruction_id: Some(of("I1")),
        end_to_end_id: Some(of(&format!("R000001-07-0001-{number:04}"))),
        bank_ref: Some(of("FT0000000000000001")),
        amount: Some(Money::dong(amount)),
        direction: Some(Direction::Debit),
        charges: None,
        debtor: Party {
            name: Some(of("Kho bạc Nhà nước")),
            account: Some(of("9527112345678")),
            agent: Some(iso20022::Agent::Bic(of("BFTVVNVX"))),
        },
        creditor: Party {
            name: Some(of("Nguyễn Thị Ánh")),
            account: Some(of("0011004123456")),
            agent: Some(bank("970436")),
        },
        purpose: Some(of("GOVT")),
        remittance: vec![of("Trợ cấp 12/2026"), of("dòng 2")],
        creditor_ref: Some(of("RF18539007547034")),
        returned: None,
        words: Some(of("Chi tiết")),
    }
}

pub fn message(kind: Kind) -> StatementItem {
    StatementItem::Message(AccountMessage {
        kind,
        message_id: of("970436-20261201"),
        created_at: Some(of("2026-12-01T12:00:00Z")),
    })
}

pub fn statement(balances: Vec<Balance>) -> Statement {
    Statement {
        id: of("970436-5"),
        sequence: Some(5),
        page: None,
        account: of("9527112345678"),
        balances,
        summary: Summary::default(),
    }
}

fn totals(count: u64, sum: u64) -> Totals {
    Totals {
        count,
        sum: Money::dong(sum),
    }
}

pub fn end(credits: (u64, u64), debits: (u64, u64)) -> StatementItem {
    let (credits, debits) = (totals(credits.0, credits.1), totals(debits.0, debits.1));
    StatementItem::End(Ending {
        found: Found {
            credits,
            debits,
            booked_credits: credits,
            booked_debits: debits,
        },
        balances: Vec::new(),
    })
}

/// A day: funds came, a batch of two went out, one was taken back, and one is announced.
pub fn day() -> Vec<StatementItem> {
    let announced = |count, sum| Announced {
        count: Some(count),
        sum: Some(Money::dong(sum)),
    };
    let mut head = statement(vec![
        balance("OPBD", 7, Direction::Debit),
        balance("CLBD", 459_993, Direction::Credit),
    ]);
    head.summary = Summary {
        all: announced(4, 2_441_000),
        credits: announced(2, 1_450_000),
        debits: announced(2, 991_000),
    };
    let mut batch = entry(990_000, Direction::Debit);
    batch.batch = Some(Batch {
        message_id: Some(of("R000001-07-0001")),
        payment_id: None,
        count: Some(2),
        total: Some(Money::dong(990_000)),
    });
    let mut reversal = entry(450_000, Direction::Credit);
    reversal.reversal = true;
    let mut back = detail(2, 450_000);
    back.direction = None;
    back.returned = Some(Return {
        reason: Some(of("AC04")),
        words: Some(of("Tài khoản đã đóng")),
    });
    let mut pending = entry(1_000, Direction::Debit);
    pending.status = EntryStatus::NotBooked;
    pending.charges = Some(Money::dong(10));
    let mut ending = Ending::default();
    ending.found.credits = totals(2, 1_450_000);
    ending.found.debits = totals(2, 991_000);
    ending.found.booked_credits = totals(2, 1_450_000);
    ending.found.booked_debits = totals(1, 990_000);
    vec![
        message(Kind::Statement),
        StatementItem::Statement(head),
        StatementItem::Entry(entry(1_000_000, Direction::Credit)),
        StatementItem::Words(of("Kho bạc chuyển vốn <đợt 1> & 2")),
        StatementItem::Entry(batch),
        StatementItem::Detail(Box::new(detail(1, 540_000))),
        StatementItem::Detail(Box::new(detail(2, 450_000))),
        StatementItem::Entry(reversal),
        StatementItem::Detail(Box::new(back)),
        StatementItem::Words(of("Hoàn trả")),
        StatementItem::Entry(pending),
        StatementItem::End(ending),
    ]
}

pub fn written(kind: Kind, items: &[StatementItem]) -> Result<Vec<u8>, WriteError> {
    let mut writer = StatementWriter::begin(Vec::new(), kind)?;
    for item in items {
        writer.item(item)?;
    }
    writer.finish()
}

pub fn read(bytes: &[u8]) -> Result<Vec<StatementItem>, ReadError> {
    match Message::open(Cursor::new(bytes), Limits::default())? {
        Message::Statement(reader) => reader.collect(),
        Message::Mt940(reader) => reader.collect(),
        other => panic!("this is no statement: {other:?}"),
    }
}

#[test]
fn a_days_statement_is_valid_and_says_what_was_meant() {
    let items = day();
    let xml = written(Kind::Statement, &items).unwrap();
    assert_valid("camt.053.001.08", &xml);
    assert_eq!(read(&xml).unwrap(), items);
}

#[test]
fn a_return_is_a_notification_with_its_reason() {
    let mut items = day();
    items[0] = message(Kind::Notification);
    let StatementItem::Statement(head) = &mut items[1] else {
        panic!("a statement is second")
    };
    head.balances.clear();
    let xml = written(Kind::Notification, &items).unwrap();
    assert_valid("camt.054.001.08", &xml);
    assert_eq!(read(&xml).unwrap(), items);
}

#[test]
fn pages_follow_one_another_and_add_up_together() {
    let page = |number, last, balances| {
        let mut page = statement(balances);
        page.page = Some(Page {
            number,
            last: Some(last),
        });
        StatementItem::Statement(page)
    };
    let opens = balance("OPBD", 100, Direction::Credit);
    let interim = balance("ITBD", 90, Direction::Credit);
    let closes = |amount| balance("CLBD", amount, Direction::Credit);
    let pages = |second, closing| {
        vec![
            message(Kind::Statement),
            page(1, false, vec![opens.clone(), interim.clone()]),
            StatementItem::Entry(entry(10, Direction::Debit)),
            end((0, 0), (1, 10)),
            page(second, true, vec![closes(closing)]),
            StatementItem::Entry(entry(30, Direction::Debit)),
            end((0, 0), (1, 30)),
        ]
    };
    let items = pages(2, 60);
    let xml = written(Kind::Statement, &items).unwrap();
    assert_valid("camt.053.001.08", &xml);
    assert_eq!(read(&xml).unwrap(), items);
    let wrong = |second, closing| refused(written(Kind::Statement, &pages(second, closing)));
    assert_eq!(wrong(2, 70), "statement_balance_mismatch");
    assert_eq!(wrong(3, 60), "statement_page_missing");
}

#[test]
fn what_does_not_add_up_is_not_written() {
    let spoilt = |spoil: &dyn Fn(&mut Vec<StatementItem>)| {
        let mut items = day();
        spoil(&mut items);
        refused(written(Kind::Statement, &items))
    };
    let head = |items: &mut Vec<StatementItem>, spoil: &dyn Fn(&mut Statement)| {
        let StatementItem::Statement(head) = &mut items[1] else {
            panic!("a statement is second")
        };
        spoil(head);
    };
    let closing = |it: &mut Statement| it.balances[1].amount = Money::dong(459_992);
    let code = spoilt(&|items| head(items, &closing));
    assert_eq!(code, "statement_balance_mismatch");
    let count = |it: &mut Statement| it.summary.debits.count = Some(3);
    assert_eq!(
        spoilt(&|items| head(items, &count)),
        "control_total_mismatch"
    );
    let none = |it: &mut Statement| it.balances.clear();
    assert_eq!(spoilt(&|items| head(items, &none)), "element_missing");
    // A detail of a batch is lost.
    let code = spoilt(&|items| drop(items.remove(6)));
    assert_eq!(code, "control_total_mismatch");
    let code = spoilt(&|items| items[11] = end((2, 1_450_000), (2, 991_000)));
    assert_eq!(code, "control_total_mismatch");
    assert_eq!(spoilt(&|items| items.swap(4, 5)), "element_misplaced");
    assert_eq!(spoilt(&|items| drop(items.pop())), "element_missing");
    let nothing = StatementItem::Entry(entry(0, Direction::Credit));
    let code = spoilt(&|items| items[2] = nothing.clone());
    assert_eq!(code, "amount_invalid");
}

use std::io::Cursor;

use chrono::{DateTime, NaiveDate};
use domain::Money;
use iso20022::{
    Direction, Entry, EntryStatus, Kind, Limits, Message, OrderItem, OrderLine, StatementItem,
    Text, Totals,
};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use crate::orders;
use crate::statements::{balance, detail, end, entry, message, read, statement, written};
use crate::{bank, of};

/// Any text that a message can carry, as it comes back: without space around it.
fn text<const MAX: usize>() -> impl Strategy<Value = Text<MAX>> {
    let letters = prop_oneof![
        "[ -~]{1,35}",
        "[A-ZĐđĂăÂâÊêÔôƠơƯưẠ-ỹ &<>\"']{1,35}",
        "\\PC{1,35}",
    ];
    letters.prop_filter_map("says something", |it| it.trim().parse().ok())
}

fn amount() -> impl Strategy<Value = u64> {
    prop_oneof![1..=1_000_u64, 1..=99_999_999_999_999_u64]
}

fn day() -> impl Strategy<Value = NaiveDate> {
    (2000..2100_i32, 1..=366_u32)
        .prop_filter_map("is a day", |(year, day)| NaiveDate::from_yo_opt(year, day))
}

prop_compose! {
    fn order_line()(
        id in text(),
        amount in amount(),
        creditor in text(),
        account in option::of("[A-Z0-9]{4,34}"),
        purpose in option::of("[A-Z0-9]{1,4}"),
        remittance in option::of(text()),
    ) -> OrderLine {
        OrderLine {
            end_to_end_id: id,
            amount: Money::dong(amount),
            creditor,
            account: account.map(|it| of(&it)),
            agent: bank("970436"),
            purpose: purpose.map(|it| of(&it)),
            remittance,
        }
    }
}

prop_compose! {
    fn any_entry()(
        amount in amount(),
        credit: bool,
        reversal: bool,
        booked: bool,
        days in option::of((day(), day())),
        reference in option::of(text()),
    ) -> Entry {
        let direction = if credit { Direction::Credit } else { Direction::Debit };
        let status = if booked { EntryStatus::Booked } else { EntryStatus::NotBooked };
        Entry {
            reference,
            reversal,
            status,
            booked_on: days.map(|it| it.0),
            value_on: days.map(|it| it.1),
            ..entry(amount, direction)
        }
    }
}

/// What the entries come to, with a statement around them that says so.
fn around(entries: Vec<(Entry, u8)>) -> Vec<StatementItem> {
    let StatementItem::End(mut ending) = end((0, 0), (0, 0)) else {
        panic!("this is the end")
    };
    let found = &mut ending.found;
    let mut items = Vec::new();
    for (entry, details) in entries {
        let (all, moved) = match entry.direction {
            Direction::Credit => (&mut found.credits, &mut found.booked_credits),
            Direction::Debit => (&mut found.debits, &mut found.booked_debits),
        };
        let booked = entry.status == EntryStatus::Booked;
        for totals in [Some(all), Some(moved).filter(|_| booked)]
            .into_iter()
            .flatten()
        {
            totals.count += 1;
            totals.sum = Money::sum([totals.sum, entry.amount]);
        }
        let units = u64::try_from(entry.amount.units()).expect("an amount fits");
        let (direction, details) = (entry.direction, u64::from(details).min(units));
        items.push(StatementItem::Entry(entry));
        for number in 1..=details {
            // All but the first have one đồng.
            let part = if number == 1 {
                units - (details - 1)
            } else {
                1
            };
            let mut detail = detail(u32::try_from(number).expect("there are few"), part);
            detail.direction = Some(direction);
            items.push(StatementItem::Detail(Box::new(detail)));
        }
    }
    let units = |it: Totals| u64::try_from(it.sum.units()).expect("a sum fits");
    let opening = units(found.booked_debits);
    let closing = units(found.booked_credits);
    let balances = vec![
        balance("OPBD", opening, Direction::Credit),
        balance("CLBD", closing, Direction::Credit),
    ];
    items.insert(0, StatementItem::Statement(statement(balances)));
    items.insert(0, message(Kind::Statement));
    items.push(StatementItem::End(ending));
    items
}

proptest! {
    #[test]
    fn an_order_is_read_as_it_was_written(
        lines in vec(order_line(), 1..20),
        name in text(),
        seconds in 0..4_000_000_000_i64,
    ) {
        let totals = Totals {
            count: lines.len() as u64,
            sum: Money::sum(lines.iter().map(|it| it.amount)),
        };
        let mut order = orders::order(totals);
        order.debtor = name;
        order.created_at = DateTime::from_timestamp(seconds, 0).expect("it is a moment");
        let xml = orders::written(&order, &lines).expect("it adds up");
        let mut items = vec![OrderItem::Order(order)];
        items.extend(lines.into_iter().map(OrderItem::Line));
        prop_assert_eq!(orders::read(&xml).expect("it was written here"), items);
    }

    #[test]
    fn a_statement_is_read_as_it_was_written(entries in vec((any_entry(), 0..4_u8), 0..20)) {
        let items = around(entries);
        let xml = written(Kind::Statement, &items).expect("it adds up");
        prop_assert_eq!(read(&xml).expect("it was written here"), items);
    }

    /// Whatever a file is, it is read or refused: nothing panics, and nothing hangs.
    #[test]
    fn any_bytes_are_read_or_refused(
        bytes in vec(any::<u8>(), 0..300),
        base in 0..4_usize,
        at in 0..2_000_usize,
        cut in 0..50_usize,
    ) {
        let base = [
            &b""[..],
            include_bytes!("foreign/extended_08.xml"),
            include_bytes!("foreign/report_03.xml"),
            include_bytes!("foreign/pages.mt940"),
        ][base];
        let at = at.min(base.len());
        let behind = (at + cut).min(base.len());
        let file = [&base[..at], &bytes, &base[behind..]].concat();
        if let Ok(message) = Message::open(Cursor::new(file), Limits::default()) {
            let items = match message {
                Message::Order(items) => items.count(),
                Message::Report(items) => items.count(),
                Message::Statement(items) => items.count(),
                Message::Mt940(items) => items.count(),
                Message::Recall(items) => items.count(),
                Message::Answer(items) => items.count(),
            };
            prop_assert!(items < 1_000);
        }
    }
}

use std::cell::{Cell, RefCell};
use std::io::{self, Read, Write};
use std::rc::Rc;

use iso20022::{Direction, Kind, Limits, Message, StatementItem, StatementWriter};

use crate::statements::{balance, detail, end, entry, message, statement};

const ENTRIES: u32 = 100_000;
const DETAILS: u32 = 20_000;
const AMOUNT: u64 = 540_000;

/// A statement that is written while it is read: no more of it exists than was asked for.
struct Unfolding {
    items: Box<dyn Iterator<Item = StatementItem>>,
    writer: Option<StatementWriter<Tray>>,
    tray: Tray,
    given: Rc<Cell<usize>>,
}

/// What was written and not read yet.
#[derive(Clone, Default)]
struct Tray(Rc<RefCell<Vec<u8>>>);

impl Write for Tray {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Unfolding {
    fn new(items: impl Iterator<Item = StatementItem> + 'static) -> Unfolding {
        let tray = Tray::default();
        let writer = StatementWriter::begin(tray.clone(), Kind::Statement);
        Unfolding {
            items: Box::new(items),
            writer: writer.ok(),
            tray,
            given: Rc::default(),
        }
    }
}

impl Read for Unfolding {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.tray.0.borrow().is_empty() {
            let Some(mut writer) = self.writer.take() else {
                return Ok(0);
            };
            match self.items.next() {
                Some(item) => {
                    writer.item(&item).map_err(io::Error::other)?;
                    self.writer = Some(writer);
                }
                None => drop(writer.finish().map_err(io::Error::other)?),
            }
        }
        let mut tray = self.tray.0.borrow_mut();
        let count = tray.len().min(into.len());
        into[..count].copy_from_slice(&tray[..count]);
        tray.drain(..count);
        self.given.set(self.given.get() + count);
        Ok(count)
    }
}

fn head(total: u64) -> [StatementItem; 2] {
    let balances = vec![
        balance("OPBD", total + 7, Direction::Credit),
        balance("CLBD", 7, Direction::Credit),
    ];
    let head = StatementItem::Statement(statement(balances));
    [message(Kind::Statement), head]
}

/// Reads all of it, and holds what is kept against what was given at each item.
fn read(unfolding: Unfolding) -> u64 {
    let given = unfolding.given.clone();
    let Ok(Message::Statement(mut reader)) = Message::open(unfolding, Limits::default()) else {
        panic!("this is a statement")
    };
    let (mut items, mut kept_most, mut before) = (0, 0, 0);
    while let Some(item) = reader.next() {
        let _read = item.expect("all of it can be read");
        items += 1;
        kept_most = kept_most.max(reader.kept());
        let ahead = given.get() - before;
        assert!(ahead < 100 << 10, "{ahead} bytes were read for one item");
        before = given.get();
    }
    assert!(given.get() > 15_000_000, "the file was long");
    assert!(kept_most < 100 << 10, "{kept_most} bytes of it were kept");
    items
}

#[test]
fn a_statement_of_many_entries_is_read_in_the_memory_of_one() {
    let total = u64::from(ENTRIES) * AMOUNT;
    let entries = (1..=ENTRIES).map(|_| StatementItem::Entry(entry(AMOUNT, Direction::Debit)));
    let items = head(total)
        .into_iter()
        .chain(entries)
        .chain([end((0, 0), (u64::from(ENTRIES), total))]);
    assert_eq!(read(Unfolding::new(items)), u64::from(ENTRIES) + 3);
}

/// A bank may book a whole run as one entry, which is then as long as the file.
#[test]
fn an_entry_of_many_details_is_read_in_the_memory_of_one() {
    let total = u64::from(DETAILS) * AMOUNT;
    let details = (1..=DETAILS).map(|it| StatementItem::Detail(Box::new(detail(it, AMOUNT))));
    let items = head(total)
        .into_iter()
        .chain([StatementItem::Entry(entry(total, Direction::Debit))])
        .chain(details)
        .chain([end((0, 0), (1, total))]);
    assert_eq!(read(Unfolding::new(items)), u64::from(DETAILS) + 4);
}

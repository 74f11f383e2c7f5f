//! Writes a bank's day of many payments and reads it again, on one core; says how long each took
//! and the most memory that was in use.
//!
//! `cargo run --release -p iso20022 --example pace -- 1000000`

use std::fs::File;
use std::io::{BufWriter, Write};
use std::time::Instant;

use anyhow::Context;
use domain::{Institution, Money};
use iso20022::{
    AccountMessage, Balance, BankCode, Detail, Direction, Ending, Entry, EntryStatus, Found, Kind,
    Limits, Message, Order, OrderLine, OrderWriter, Party, Statement, StatementItem,
    StatementWriter, Summary, Totals,
};

const AMOUNT: u64 = 540_000;

#[expect(clippy::print_stdout, reason = "its output is what it is for")]
fn main() -> anyhow::Result<()> {
    let count = std::env::args().nth(1);
    let count: u64 = count.map_or(Ok(1_000_000), |it| it.parse())?;
    let folder = std::env::temp_dir();
    let pid = std::process::id();
    let path = folder.join(format!("ansinh-pace-{pid}.xml"));
    let outcome = measured(count, &path);
    std::fs::remove_file(&path).context("what was written is there")?;
    for (what, milliseconds, megabytes) in outcome? {
        println!(
            "{what:>17}: {count} in {}.{:03} s, {megabytes} MB, peak RSS so far {} KiB",
            milliseconds / 1_000,
            milliseconds % 1_000,
            peak()?
        );
    }
    Ok(())
}

/// What was done, in milliseconds, and how long the file is.
fn measured(count: u64, path: &std::path::Path) -> anyhow::Result<[(&'static str, u128, u64); 4]> {
    let timed = |work: &dyn Fn() -> anyhow::Result<()>| -> anyhow::Result<(u128, u64)> {
        let started = Instant::now();
        work()?;
        let elapsed = started.elapsed().as_millis();
        Ok((elapsed, std::fs::metadata(path)?.len() / 1_000_000))
    };
    let told = |name, (time, size)| (name, time, size);
    Ok([
        told("write pain.001", timed(&|| write_order(count, path))?),
        told("read pain.001", timed(&|| read(count, path))?),
        told("write camt.053", timed(&|| write_statement(count, path))?),
        told("read camt.053", timed(&|| read(count, path))?),
    ])
}

fn write_order(count: u64, path: &std::path::Path) -> anyhow::Result<()> {
    let bank: Institution = "970436".parse()?;
    let order = Order {
        message_id: "R000001".parse()?,
        created_at: "2026-12-01T01:00:00Z".parse()?,
        payment_id: "R000001".parse()?,
        execution_date: "2026-12-01".parse()?,
        initiator: "Bộ Nội vụ".parse()?,
        debtor: "Kho bạc Nhà nước".parse()?,
        account: "9527112345678".parse()?,
        agent: bank.into(),
        totals: Totals {
            count,
            sum: Money::dong(count * AMOUNT),
        },
    };
    let mut writer = OrderWriter::begin(BufWriter::new(File::create(path)?), &order)?;
    let mut line = OrderLine {
        end_to_end_id: "R".parse()?,
        amount: Money::dong(AMOUNT),
        creditor: "NGUYỄN THỊ ÁNH".parse()?,
        account: Some("0011004123456".parse()?),
        agent: bank.into(),
        purpose: Some("GOVT".parse()?),
        remittance: Some("Trợ cấp hưu trí xã hội 12/2026".parse()?),
    };
    for number in 1..=count {
        line.end_to_end_id = end_to_end_id(number).parse()?;
        writer.line(&line)?;
    }
    writer.finish()?.flush()?;
    Ok(())
}

fn end_to_end_id(number: u64) -> String {
    format!("R{number:06}-07-0001-0001")
}

fn write_statement(count: u64, path: &std::path::Path) -> anyhow::Result<()> {
    let file = BufWriter::new(File::create(path)?);
    let mut writer = StatementWriter::begin(file, Kind::Statement)?;
    let debits = Totals {
        count,
        sum: Money::dong(count * AMOUNT),
    };
    let balance = |kind: &str, amount| -> anyhow::Result<Balance> {
        Ok(Balance {
            kind: kind.parse()?,
            amount,
            direction: Direction::Credit,
            date: "2026-12-01".parse()?,
        })
    };
    writer.item(&StatementItem::Message(AccountMessage {
        kind: Kind::Statement,
        message_id: "970436-20261201".parse()?,
        created_at: Some("2026-12-01T12:00:00Z".parse()?),
    }))?;
    writer.item(&StatementItem::Statement(Statement {
        id: "970436-5".parse()?,
        sequence: Some(5),
        page: None,
        account: "9527112345678".parse()?,
        balances: vec![balance("OPBD", debits.sum)?, balance("CLBD", Money::ZERO)?],
        summary: Summary::default(),
    }))?;
    let entry = StatementItem::Entry(Entry {
        reference: None,
        amount: Money::dong(AMOUNT),
        direction: Direction::Debit,
        reversal: false,
        status: EntryStatus::Booked,
        booked_on: Some("2026-12-01".parse()?),
        value_on: Some("2026-12-01".parse()?),
        bank_ref: Some("FT0000000000000001".parse()?),
        code: BankCode {
            domain: Some(["PMNT".parse()?, "ICDT".parse()?, "DMCT".parse()?]),
            own: None,
        },
        charges: None,
        batch: None,
    });
    let mut detail = Detail {
        amount: Some(Money::dong(AMOUNT)),
        creditor: Party {
            name: Some("NGUYỄN THỊ ÁNH".parse()?),
            account: Some("0011004123456".parse()?),
            agent: None,
        },
        remittance: vec!["Trợ cấp 12/2026".parse()?],
        ..Detail::default()
    };
    for number in 1..=count {
        writer.item(&entry)?;
        detail.end_to_end_id = Some(end_to_end_id(number).parse()?);
        writer.item(&StatementItem::Detail(Box::new(detail.clone())))?;
    }
    let found = Found {
        debits,
        booked_debits: debits,
        ..Found::default()
    };
    let balances = Vec::new();
    writer.item(&StatementItem::End(Ending { found, balances }))?;
    writer.finish()?.flush()?;
    Ok(())
}

fn read(count: u64, path: &std::path::Path) -> anyhow::Result<()> {
    let mut records = 0;
    match Message::open(File::open(path)?, Limits::default())? {
        Message::Order(items) => {
            for item in items {
                item?;
                records += 1;
            }
            anyhow::ensure!(records == count + 1, "{records} items were read");
        }
        Message::Statement(items) => {
            for item in *items {
                item?;
                records += 1;
            }
            anyhow::ensure!(records == count * 2 + 3, "{records} items were read");
        }
        other => anyhow::bail!("this was written as something else: {other:?}"),
    }
    Ok(())
}

/// The most memory that this process had, in KiB, as the kernel counts it.
fn peak() -> anyhow::Result<String> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|it| it.strip_prefix("VmHWM:"));
    let line = line.context("the kernel says how much memory was in use")?;
    Ok(line.trim().trim_end_matches(" kB").to_owned())
}

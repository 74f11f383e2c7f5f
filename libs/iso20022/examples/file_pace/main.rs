//! Writes a bank's day of many payments and reads it again, on one core; says how long each took
//! and the most memory that was in use.
//!
//! `cargo run --release -p iso20022 --example file_pace -- 1000000`

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
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
    for it in outcome? {
        println!(
            "{:>16}: {count} in {}, {} of it on the processor, {} MB, peak RSS so far {} KiB",
            it.what,
            seconds(it.elapsed),
            seconds(it.processor),
            it.megabytes,
            it.peak
        );
    }
    Ok(())
}

/// What was done, how long it took, and how long the file is.
struct Done {
    what: &'static str,
    elapsed: u128,
    processor: u128,
    megabytes: u64,
    peak: String,
}

fn seconds(milliseconds: u128) -> String {
    format!("{}.{:03} s", milliseconds / 1_000, milliseconds % 1_000)
}

fn measured(count: u64, path: &Path) -> anyhow::Result<[Done; 4]> {
    let timed = |what, work: fn(u64, &Path) -> anyhow::Result<()>| -> anyhow::Result<Done> {
        let (started, before) = (Instant::now(), processor()?);
        work(count, path)?;
        Ok(Done {
            what,
            elapsed: started.elapsed().as_millis(),
            processor: processor()? - before,
            megabytes: std::fs::metadata(path)?.len() / 1_000_000,
            peak: peak()?,
        })
    };
    Ok([
        timed("write pain.001", write_order)?,
        timed("read pain.001", read)?,
        timed("write camt.053", write_statement)?,
        timed("read camt.053", read)?,
    ])
}

fn write_order(count: u64, path: &Path) -> anyhow::Result<()> {
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

fn write_statement(count: u64, path: &Path) -> anyhow::Result<()> {
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

fn read(count: u64, path: &Path) -> anyhow::Result<()> {
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

/// Milliseconds that this process had of processors, which it may share with others.
fn processor() -> anyhow::Result<u128> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let (_, fields) = stat
        .rsplit_once(')')
        .context("the name of the program ends")?;
    let mut fields = fields.split_whitespace().skip(11);
    let mut ticks = || -> anyhow::Result<u128> {
        let field = fields.next().context("the kernel tells of time")?;
        Ok(field.parse()?)
    };
    // A hundredth of a second each, in the program and in the kernel for it.
    Ok((ticks()? + ticks()?) * 10)
}

use std::io::Cursor;

use domain::Money;
use iso20022::{
    Limits, Meaning, Message, PaymentReport, ReadError, Report, ReportItem, ReportLine,
    ReportWriter, Standing, Totals, WriteError,
};

use crate::official::assert_valid;
use crate::orders::refused;
use crate::{bank, of};

pub fn standing(status: &str, reason: Option<&str>, words: Option<&str>) -> Standing {
    Standing {
        status: of(status),
        reason: reason.map(of),
        words: words.map(of),
    }
}

pub fn line(number: u32, status: Standing) -> ReportItem {
    ReportItem::Line(ReportLine {
        end_to_end_id: of(&format!("R000001-07-0001-{number:04}")),
        status,
        amount: Some(Money::dong(540_000)),
        bank_ref: Some(of("FT0000000000000001")),
        accepted_on: Some(of("2026-12-01")),
    })
}

pub fn items() -> Vec<ReportItem> {
    vec![
        ReportItem::Report(Report {
            message_id: of("970436-R000001-07-0001"),
            created_at: of("2026-12-01T03:00:00Z"),
            agent: Some(bank("970436")),
            original_message_id: of("R000001-07-0001"),
            original_name: of("pain.001.001.09"),
            original_totals: Some(Totals {
                count: 4,
                sum: Money::dong(2_160_000),
            }),
            status: Some(standing("PART", None, None)),
        }),
        ReportItem::Payment(PaymentReport {
            original_payment_id: of("R000001-07-0001"),
            status: None,
        }),
        line(1, standing("ACSC", None, None)),
        line(2, standing("RJCT", Some("AC04"), Some("Tài khoản đã đóng"))),
        line(3, standing("RJCT", Some("vietnamese-bank-17"), None)),
        line(4, standing("PDNG", None, None)),
        ReportItem::Payment(PaymentReport {
            original_payment_id: of("R000001-07-0002"),
            status: Some(standing("RJCT", Some("FF01"), Some("Sai định dạng tệp"))),
        }),
    ]
}

pub fn written(items: &[ReportItem]) -> Result<Vec<u8>, WriteError> {
    let mut writer = ReportWriter::begin(Vec::new())?;
    for item in items {
        writer.item(item)?;
    }
    writer.finish()
}

pub fn read(xml: &[u8]) -> Result<Vec<ReportItem>, ReadError> {
    match Message::open(Cursor::new(xml), Limits::default())? {
        Message::Report(reader) => reader.collect(),
        other => panic!("this is no report: {other:?}"),
    }
}

#[test]
fn a_report_is_valid_and_says_what_was_meant() {
    let items = items();
    let xml = written(&items).unwrap();
    assert_valid("pain.002.001.10", &xml);
    assert_eq!(read(&xml).unwrap(), items);
}

#[test]
fn a_status_moves_money_only_where_it_is_final() {
    for (status, meaning) in [
        ("ACCC", Meaning::Credited),
        ("ACSC", Meaning::Credited),
        ("RJCT", Meaning::Rejected),
        ("ACCP", Meaning::Open),
        ("ACSP", Meaning::Open),
        ("PDNG", Meaning::Open),
        ("CANC", Meaning::Open),
        ("ZZZZ", Meaning::Open),
    ] {
        assert_eq!(standing(status, None, None).meaning(), meaning, "{status}");
    }
}

#[test]
fn a_report_is_written_in_its_order() {
    let items = items();
    let twice = [&items[..1], &items[..1]].concat();
    for wrong in [&items[1..], &items[2..], &twice] {
        assert_eq!(refused(written(wrong)), "element_misplaced");
    }
    assert_eq!(refused(written(&[])), "element_missing");
}

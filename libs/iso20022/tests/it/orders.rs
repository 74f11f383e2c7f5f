use std::io::Cursor;

use domain::Money;
use iso20022::{
    Limits, Message, Order, OrderItem, OrderLine, OrderWriter, ReadError, Totals, WriteError,
};

use crate::official::assert_valid;
use crate::{bank, of};

pub fn order(totals: Totals) -> Order {
    Order {
        message_id: of("R000001-07-0001"),
        created_at: of("2026-12-01T01:02:03Z"),
        payment_id: of("R000001-07-0001"),
        execution_date: of("2026-12-01"),
        initiator: of("Bộ Nội vụ"),
        debtor: of("Kho bạc Nhà nước – Chương trình HTXH"),
        account: of("9527112345678"),
        agent: bank("970436"),
        totals,
    }
}

pub fn line(number: u32, amount: u64) -> OrderLine {
    OrderLine {
        end_to_end_id: of(&format!("R000001-07-0001-{number:04}")),
        amount: Money::dong(amount),
        creditor: of("Nguyễn Thị Ánh & <Hòa>"),
        account: Some(of("0011004123456")),
        agent: bank("970436"),
        purpose: Some(of("GOVT")),
        remittance: Some(of("Trợ cấp hưu trí xã hội 12/2026")),
    }
}

fn totals(lines: &[OrderLine]) -> Totals {
    Totals {
        count: lines.len() as u64,
        sum: Money::sum(lines.iter().map(|it| it.amount)),
    }
}

pub fn written(order: &Order, lines: &[OrderLine]) -> Result<Vec<u8>, WriteError> {
    let mut writer = OrderWriter::begin(Vec::new(), order)?;
    for line in lines {
        writer.line(line)?;
    }
    writer.finish()
}

pub fn read(xml: &[u8]) -> Result<Vec<OrderItem>, ReadError> {
    match Message::open(Cursor::new(xml), Limits::default())? {
        Message::Order(reader) => reader.collect(),
        other => panic!("this is no order: {other:?}"),
    }
}

#[test]
fn an_order_is_valid_and_says_what_was_meant() {
    let mut lines = vec![line(1, 540_000), line(2, 999_999_999_999_999_998)];
    lines[1].account = None;
    lines[1].purpose = None;
    lines[1].remittance = None;
    lines[1].agent = iso20022::Agent::Bic(of("BFTVVNVX"));
    let order = order(Totals {
        count: 2,
        sum: Money::dong(1_000_000_000_000_539_998),
    });
    // 19 digits are more than the schema allows to a sum.
    assert_eq!(refused(written(&order, &lines)), "amount_invalid");

    lines[1].amount = Money::dong(999_999_999_999_459_999);
    let order = Order {
        totals: totals(&lines),
        ..order
    };
    let xml = written(&order, &lines).unwrap();
    assert_valid("pain.001.001.09", &xml);
    let mut items = vec![OrderItem::Order(order)];
    items.extend(lines.into_iter().map(OrderItem::Line));
    assert_eq!(read(&xml).unwrap(), items);
    let text = String::from_utf8(xml).unwrap();
    assert!(
        text.contains("<Nm>Nguyễn Thị Ánh &amp; &lt;Hòa&gt;</Nm>"),
        "{text}"
    );
    assert!(text.contains("2026-12-01T08:02:03+07:00"), "{text}");
}

#[test]
fn an_order_that_does_not_add_up_is_not_written() {
    let lines = [line(1, 540_000), line(2, 360_000)];
    let right = totals(&lines);
    assert!(written(&order(right), &lines).is_ok());
    for totals in [
        Totals { count: 3, ..right },
        Totals {
            sum: Money::dong(900_001),
            ..right
        },
    ] {
        let code = refused(written(&order(totals), &lines));
        assert_eq!(code, "control_total_mismatch", "{totals:?}");
    }
    let nothing = [line(1, 0)];
    assert_eq!(refused(written(&order(right), &nothing)), "amount_invalid");
}

pub fn refused<T: std::fmt::Debug>(result: Result<T, WriteError>) -> &'static str {
    match result {
        Err(WriteError::Refused(refusal)) => refusal.code,
        other => panic!("this was to be refused: {other:?}"),
    }
}

/// Other programs cut an order into groups, and announce totals for the whole alone.
#[test]
fn groups_of_payments_need_no_totals_of_their_own() {
    let lines = [line(1, 540_000), line(2, 360_000)];
    let xml = written(&order(totals(&lines)), &lines).unwrap();
    let xml = String::from_utf8(xml).unwrap();
    let (head, rest) = xml.split_once("<PmtInf>").unwrap();
    let (group, end) = rest.split_once("</PmtInf>").unwrap();
    let group = group.replace("<NbOfTxs>2</NbOfTxs><CtrlSum>900000</CtrlSum>", "");
    let second = group.find("<CdtTrfTxInf>").unwrap();
    let third = group.rfind("<CdtTrfTxInf>").unwrap();
    let one = format!("<PmtInf>{}</PmtInf>", &group[..third]);
    let two = format!("<PmtInf>{}{}</PmtInf>", &group[..second], &group[third..]);
    let cut = format!("{head}{one}{two}{end}");
    assert_valid("pain.001.001.09", cut.as_bytes());
    assert_eq!(read(cut.as_bytes()).unwrap().len(), 4);
    let lost = format!("{head}{one}{end}");
    let code = read(lost.as_bytes()).unwrap_err();
    assert_eq!(
        code.flaw().map(|it| it.code),
        Some("control_total_mismatch")
    );
}

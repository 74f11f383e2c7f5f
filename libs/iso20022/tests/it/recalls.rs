use std::io::Cursor;

use domain::Money;
use iso20022::{
    Answer, AnswerItem, AnswerLine, AnswerWriter, Limits, Message, ReadError, Recall, RecallItem,
    RecallLine, RecallWriter, Side, Totals, Verdict, WriteError,
};

use crate::official::assert_valid;
use crate::orders::refused;
use crate::{bank, of};

fn recall(totals: Totals) -> Recall {
    Recall {
        id: of("THU-HOI-1"),
        created_at: of("2026-12-01T05:00:00Z"),
        from: Side::Party(of("Kho bạc Nhà nước")),
        to: Side::Agent(bank("970436")),
        totals,
    }
}

fn line(number: u32, reason: &str) -> RecallLine {
    RecallLine {
        id: of(&format!("THU-HOI-1-{number}")),
        order_id: of("R000001-07-0001"),
        end_to_end_id: of(&format!("R000001-07-0001-{number:04}")),
        amount: Money::dong(540_000),
        reason: of(reason),
        words: Some(of("Người hưởng đã mất ngày 28/11/2026")),
    }
}

fn written(recall: &Recall, lines: &[RecallLine]) -> Result<Vec<u8>, WriteError> {
    let mut writer = RecallWriter::begin(Vec::new(), recall)?;
    for line in lines {
        writer.line(line)?;
    }
    writer.finish()
}

fn read(xml: &[u8]) -> Result<Vec<RecallItem>, ReadError> {
    match Message::open(Cursor::new(xml), Limits::default())? {
        Message::Recall(items) => items.collect(),
        other => panic!("this asks for nothing: {other:?}"),
    }
}

fn both() -> Totals {
    Totals {
        count: 2,
        sum: Money::dong(1_080_000),
    }
}

#[test]
fn a_recall_is_valid_and_says_what_was_meant() {
    let lines = [line(1, "CUST"), line(2, "nguoi-huong-da-mat")];
    let recall = recall(both());
    let xml = written(&recall, &lines).unwrap();
    assert_valid("camt.056.001.08", &xml);
    let mut items = vec![RecallItem::Recall(recall)];
    items.extend(lines.into_iter().map(RecallItem::Line));
    assert_eq!(read(&xml).unwrap(), items);
}

#[test]
fn a_recall_that_does_not_add_up_is_neither_written_nor_read() {
    let lines = [line(1, "CUST"), line(2, "CUST")];
    let code = refused(written(&recall(both()), &lines[..1]));
    assert_eq!(code, "control_total_mismatch");
    let xml = String::from_utf8(written(&recall(both()), &lines).unwrap()).unwrap();
    for (from, to, code) in [
        ("<NbOfTxs>2", "<NbOfTxs>3", "control_total_mismatch"),
        (">540000<", ">540001<", "control_total_mismatch"),
        (">540000<", ">0<", "amount_invalid"),
        ("<CxlId>THU-HOI-1-1</CxlId>", "", "element_missing"),
        ("Undrlyg>", "Other>", "element_missing"),
    ] {
        let text = xml.replace(from, to);
        let error = read(text.as_bytes()).unwrap_err();
        assert_eq!(error.flaw().map(|it| it.code), Some(code), "{to}");
    }
}

#[test]
fn an_answer_is_valid_and_says_what_was_meant() {
    let answer = Answer {
        id: of("TRA-LOI-1"),
        created_at: of("2026-12-02T05:00:00Z"),
        from: Side::Agent(iso20022::Agent::Bic(of("BFTVVNVX"))),
        to: Side::Party(of("Kho bạc Nhà nước")),
        status: of("PDCR"),
    };
    let line = |number: u32, verdict, reason: Option<&str>| AnswerLine {
        id: Some(of(&format!("THU-HOI-1-{number}"))),
        end_to_end_id: of(&format!("R000001-07-0001-{number:04}")),
        verdict,
        reason: reason.map(of),
        words: None,
        amount: Some(Money::dong(540_000)),
    };
    let lines = [
        line(1, Verdict::Accepted, None),
        line(2, Verdict::Rejected, Some("AC04")),
        line(3, Verdict::Pending, Some("cho-khach-tra-loi")),
    ];
    let mut writer = AnswerWriter::begin(Vec::new(), &answer).unwrap();
    for line in &lines {
        writer.line(line).unwrap();
    }
    let xml = writer.finish().unwrap();
    assert_valid("camt.029.001.09", &xml);
    let Message::Answer(items) = Message::open(Cursor::new(&xml), Limits::default()).unwrap()
    else {
        panic!("this is an answer")
    };
    let items: Vec<AnswerItem> = items.map(Result::unwrap).collect();
    let mut expected = vec![AnswerItem::Answer(answer)];
    expected.extend(lines.into_iter().map(AnswerItem::Line));
    assert_eq!(items, expected);
}

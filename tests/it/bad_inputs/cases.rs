//! The bad inputs, each with what is told.

use std::io::{Cursor, Write as _};

use chrono::TimeDelta;
use domain::{Money, RunNo};
use payments::RunSummary;
use privacy::Signer;
use serde_json::{Value, json};
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use super::Input::{self, BankFile, Command, File, Letter, Result as Answer, SameKey, Sent};
use crate::bank_signatures::{chained, sign};
use crate::world::{CHECKER, MAKER, REGISTRY_HEADER, RELEASER, credited, pensioner, rejected};

/// Rows of a registry: number, what is wrong, the row with `#` for a citizen number of its own, and
/// the column and code that are told.
pub const ROWS: &str = "
    1 | amount 0 | #,Nguyễn Văn Ân,1948,nam,01,LUONG_HUU,0,, => granted_amount amount_zero
    2 | amount below 0 | #,Nguyễn Văn Ân,1948,nam,01,LUONG_HUU,-1,, => granted_amount amount_invalid
    3 | a fraction | #,Nguyễn Văn Ân,1948,nam,01,LUONG_HUU,1.5,, => granted_amount amount_invalid
    4 | an exponent | #,Nguyễn Văn Ân,1948,nam,01,LUONG_HUU,1e3,, => granted_amount amount_invalid
    5 | 2^63 | #,Nguyễn Văn Ân,1948,nam,01,LUONG_HUU,9223372036854775808,, => granted_amount amount_invalid
    6 | full-width digits | #,Nguyễn Văn Ân,1948,nam,01,LUONG_HUU,１００,, => granted_amount amount_invalid
    10 | 11 digits | 00104800001,Nguyễn Văn Ân,1948,nam,01,HTXH,,, => citizen_number citizen_number_length
    11 | 13 digits | 0010480000011,Nguyễn Văn Ân,1948,nam,01,HTXH,,, => citizen_number citizen_number_length
    12 | no such province | 003048000001,Nguyễn Văn Ân,1948,nam,01,HTXH,,, => citizen_number citizen_number_province
    12 | another sex | #,Nguyễn Văn Ân,1948,nữ,01,HTXH,,, => citizen_number citizen_number_sex
    12 | another year | #,Nguyễn Văn Ân,1949,nam,01,HTXH,,, => citizen_number citizen_number_birth_year
    13 | digits of another script | ०01048000001,Nguyễn Văn Ân,1948,nam,01,HTXH,,, => citizen_number citizen_number_character
    14 | a space that does not break | #\u{a0},Nguyễn Văn Ân,1948,nam,01,HTXH,,, => citizen_number citizen_number_character
    14 | a space without width | #\u{200b},Nguyễn Văn Ân,1948,nam,01,HTXH,,, => citizen_number citizen_number_character
    15 | twice with another amount | 001048900001,Nguyễn Văn Ân,12/05/1948,nam,01,LUONG_HUU,6000000,, => row duplicate_differs
    16 | one number, two spellings | 001048900001,Nguyễn Văn Anh,12/05/1948,nam,01,LUONG_HUU,5000000,, => citizen_number identity_conflict
    17 | who is not entitled | 001048900007,Nguyễn Văn Ân,1948,nam,01,TCXH,,, => accepted
    22 | a NUL | #,Nguyễn Văn\0 Ân,1948,nam,01,HTXH,,, => row encoding_invalid
    26 | a quote that is not closed | #,\"Nguyễn Văn Ân,1948,nam,01,HTXH,,, => row quote_open
    33 | a formula | #,=cmd|' /C calc'!A0,1948,nam,01,HTXH,,, => full_name name_invalid
    34 | markup | #,<script>alert(1)</script>,1948,nam,01,HTXH,,, => full_name name_invalid
    35 | SQL | #,Ân'; DROP TABLE persons; --,1948,nam,01,HTXH,,, => full_name name_invalid
    36 | a template | #,{{7*7}} Văn Ân,1948,nam,01,HTXH,,, => full_name name_invalid
    38 | the 31st of February | #,Nguyễn Văn Ân,31/02/1948,nam,01,HTXH,,, => birth_date birth_date_invalid
";

/// Number, what is wrong, what is told, and the input.
pub type Case = (u8, &'static str, &'static str, Input);

pub const CASES: &[Case] = &[
    (
        7,
        "a sum beyond 2^63",
        "amount_invalid 3:89",
        BankFile(|| order().replacen("900000</CtrlSum>", "9223372036854775808</CtrlSum>", 1)),
    ),
    (
        8,
        "a sum that is not that of its lines",
        "control_total_mismatch 2:3",
        BankFile(|| order().replacen("<CtrlSum>", "<CtrlSum>1", 1)),
    ),
    (
        9,
        "a count that is not that of its lines",
        "control_total_mismatch 2:3",
        BankFile(|| order().replacen("<NbOfTxs>", "<NbOfTxs>1", 1)),
    ),
    (
        18,
        "UTF-16",
        "header_invalid",
        File(|| {
            let text = format!("{REGISTRY_HEADER}{}", pensioner(1, 1));
            text.encode_utf16().flat_map(u16::to_le_bytes).collect()
        }),
    ),
    (
        19,
        "a byte order mark",
        "1 accepted, 0 refused",
        File(|| format!("\u{feff}{REGISTRY_HEADER}{}", pensioner(71, 1)).into_bytes()),
    ),
    (
        20,
        "TCVN3",
        "0 accepted, 1 refused: row encoding_invalid",
        File(|| {
            [
                REGISTRY_HEADER.as_bytes(),
                b"001048000072,Nguy\xe1n,1948,nam,01,HTXH,,,\n",
            ]
            .concat()
        }),
    ),
    (
        21,
        "mixed ends of lines",
        "2 accepted, 0 refused",
        File(|| {
            format!(
                "{}\r\n{}\r\n{}",
                REGISTRY_HEADER.trim_end(),
                pensioner(73, 1).trim_end(),
                pensioner(74, 1)
            )
            .into_bytes()
        }),
    ),
    (
        24,
        "a line of 10 MB",
        "0 accepted, 1 refused: row line_too_long",
        File(|| format!("{REGISTRY_HEADER}{}\n", "x".repeat(10 << 20)).into_bytes()),
    ),
    (
        25,
        "100,000 columns",
        "header_invalid",
        File(|| "a,".repeat(100_000).into_bytes()),
    ),
    (
        27,
        "an archive that expands",
        "workbook_expands",
        File(|| archive("xl/sharedStrings.xml", 80 << 20)),
    ),
    (
        28,
        "an archive that is no workbook",
        "workbook_invalid",
        File(|| archive("evil.exe", 10)),
    ),
    (
        28,
        "text that an archive follows",
        "header_invalid",
        File(|| [b"%PDF-1.7\n".to_vec(), archive("xl/workbook.xml", 10)].concat()),
    ),
    (
        29,
        "a workbook with a program",
        "workbook_macros",
        File(|| archive("xl/vbaProject.bin", 10)),
    ),
    (
        30,
        "an entity of one's own, from outside",
        "xml_forbidden 2:1",
        BankFile(|| behind("<!DOCTYPE Document [<!ENTITY x SYSTEM \"file:///etc/passwd\">]>")),
    ),
    (
        31,
        "entities of entities",
        "xml_forbidden 2:1",
        BankFile(|| {
            behind("<!DOCTYPE d [<!ENTITY a \"ha\"><!ENTITY b \"&a;&a;&a;&a;&a;&a;&a;&a;\">]>")
        }),
    ),
    (
        32,
        "a schema from outside",
        "xml_forbidden 1:1",
        BankFile(|| {
            order().replacen("<Document ", "<Document xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xsi:schemaLocation=\"urn:x http://127.0.0.1/x.xsd\" ", 1)
        }),
    ),
    (
        37,
        "a month far ahead",
        "422 period_implausible",
        Command(|_| ("open-run", opening("2099-01", "2026-12-01"))),
    ),
    (
        37,
        "a month long ago",
        "422 period_implausible",
        Command(|_| ("open-run", opening("2024-01", "2026-12-01"))),
    ),
    (
        38,
        "the 31st of February",
        "422 command_malformed",
        Command(|_| ("open-run", opening("2027-02", "2027-02-31"))),
    ),
    (
        39,
        "midnight of another zone",
        "422 command_malformed",
        Command(|_| ("open-run", opening("2027-02", "2027-02-01T00:00:00+09:00"))),
    ),
    (
        40,
        "a key for another body",
        "422 idempotency_mismatch",
        SameKey(|_| ("appropriate", appropriation("pham.dung", "701"))),
    ),
    (
        41,
        "a key of another person",
        "422 idempotency_mismatch",
        SameKey(|_| ("appropriate", appropriation("vo.hoa", "700"))),
    ),
    (
        44,
        "one's own run",
        "403 same_person",
        Command(|it| ("approve-run", approval(&it.waiting, MAKER))),
    ),
    (
        45,
        "one's own run in another's place",
        "403 delegation_unknown",
        Command(|it| {
            (
                "approve-run",
                lent(approval(&it.waiting, "do.giang"), MAKER),
            )
        }),
    ),
    (
        46,
        "approved twice",
        "409 already_approved",
        Command(|it| ("approve-run", approval(&it.waiting, CHECKER))),
    ),
    (
        47,
        "what was seen before a change",
        "409 run_changed",
        Command(|it| ("approve-run", approval(&it.seen, "do.giang"))),
    ),
    (
        48,
        "another root",
        "409 run_changed",
        Command(|it| {
            (
                "approve-run",
                changed(&it.waiting, "root", json!("00".repeat(32))),
            )
        }),
    ),
    (
        48,
        "another count",
        "409 run_changed",
        Command(|it| {
            (
                "approve-run",
                changed(&it.waiting, "lines", json!(it.waiting.lines + 1)),
            )
        }),
    ),
    (
        48,
        "no root at all",
        "422 root_invalid",
        Command(|it| ("approve-run", changed(&it.waiting, "root", json!("xyz")))),
    ),
    (
        49,
        "released without approval",
        "409 illegal_transition",
        Command(|it| {
            (
                "release-run",
                json!({ "officer": RELEASER, "run_no": it.waiting.run_no }),
            )
        }),
    ),
    (
        50,
        "changed after the release",
        "409 illegal_transition",
        Command(|it| {
            (
                "hold-line",
                json!({ "officer": RELEASER, "line": it.ours[0].end_to_end_id, "reason": "báo tử" }),
            )
        }),
    ),
    (
        50,
        "sent back after the release",
        "409 illegal_transition",
        Command(|it| {
            (
                "send-back-run",
                json!({ "officer": CHECKER, "run_no": it.released.run_no, "reason": "xem lại" }),
            )
        }),
    ),
    (
        51,
        "what is not there",
        "404 run_unknown",
        Command(|it| {
            (
                "approve-run",
                changed(&it.waiting, "run_no", json!(RunNo(999))),
            )
        }),
    ),
    (
        58,
        "a message without a signature",
        "signature_missing",
        Letter(|desk| desk.letter),
    ),
    (
        59,
        "signed with a key that nobody knows",
        "signature_wrong",
        Letter(|desk| sign(desk.letter, &Signer::new(&[9; 32]), desk.key.1)),
    ),
    (
        60,
        "signed with the key of another bank",
        "key_of_another",
        Letter(|desk| sign(desk.letter, &desk.key_of_another.0, desk.key_of_another.1)),
    ),
    (
        61,
        "a body that was changed",
        "signature_wrong",
        Letter(|desk| {
            let mut letter = sign(desk.letter, &desk.key.0, desk.key.1);
            letter.body.extend_from_slice(b" ");
            letter.hash = chained(&letter);
            letter
        }),
    ),
    (
        62,
        "made ten minutes ahead",
        "stale",
        Letter(|mut desk| {
            desk.letter.recorded_at += TimeDelta::minutes(10);
            sign(desk.letter, &desk.key.0, desk.key.1)
        }),
    ),
    (
        63,
        "the same message again",
        "no effect",
        Letter(|desk| desk.said_before),
    ),
    (
        64,
        "a payment that is none",
        "unknown_payment",
        Answer(|_, line| line.end_to_end_id.run = RunNo(999)),
    ),
    (
        65,
        "another bank's payment",
        "not_your_payment",
        Answer(|it, line| *line = credited(&it.theirs[0])),
    ),
    (
        66,
        "another amount",
        "amount_mismatch",
        Answer(|_, line| line.amount = Money::sum([line.amount, Money::dong(1)])),
    ),
    (
        67,
        "after the final answer",
        "contradicting_result",
        Answer(|it, line| {
            *line = rejected(&it.ours[1]);
        }),
    ),
    (
        71,
        "a message too large",
        "NATS does not carry it",
        Sent("payments.do.appropriate", || ("key".to_owned(), 9 << 20)),
    ),
    (
        72,
        "a command to every name",
        "404 command_unknown",
        Sent("payments.do.*", || ("every".to_owned(), 2)),
    ),
    (
        73,
        "a header with a line of its own",
        "NATS does not carry it",
        Sent("payments.do.appropriate", || {
            ("a\r\nIdempotency-Key: b".to_owned(), 2)
        }),
    ),
    (
        43,
        "a key of a megabyte",
        "400 idempotency_key_missing",
        Sent("payments.do.appropriate", || ("k".repeat(100_000), 2)),
    ),
];

/// A pain.001 of two lines that is right.
fn order() -> String {
    include_str!("../../../libs/iso20022/tests/it/refused/order.xml").to_owned()
}

/// The same behind a declaration of one's own.
fn behind(declaration: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n{declaration}\n{}",
        order()
    )
}

fn archive(part: &str, bytes: usize) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    let written = writer.start_file(part, SimpleFileOptions::default());
    written.expect("an archive in memory");
    writer
        .write_all(&vec![b' '; bytes])
        .expect("there is memory");
    writer.finish().expect("an archive in memory").into_inner()
}

fn opening(period: &str, business_date: &str) -> Value {
    json!({ "officer": MAKER, "programme": "LUONG_HUU", "period": period,
        "business_date": business_date })
}

/// The decision under whose number money was given before.
pub fn appropriation(officer: &str, amount: &str) -> Value {
    json!({ "officer": officer, "programme": "HTXH", "budget_year": 2026, "amount": amount,
        "reference": "QĐ 7/2026" })
}

pub fn approval(seen: &RunSummary, by: &str) -> Value {
    json!({ "officer": by, "run_no": seen.run_no, "root": seen.root, "lines": seen.lines,
        "total": seen.total })
}

fn changed(seen: &RunSummary, field: &str, value: Value) -> Value {
    let mut approval = approval(seen, "do.giang");
    approval[field] = value;
    approval
}

fn lent(mut approval: Value, principal: &str) -> Value {
    approval["principal"] = json!(principal);
    approval
}

//! `:61:`, and `:86:` behind it.

use chrono::{Datelike, NaiveDate};
use domain::{EndToEndId, Refusal};

use super::field::{Cursor, Field, malformed};
use crate::flaw::ReadError;
use crate::statement::{BankCode, Detail, Direction, Entry, EntryStatus, Party, REMITTANCE_MAX};
use crate::text::{Id, Name};
use crate::totals::require_amount;

/// What banks write where the customer gave no reference.
const NO_REFERENCE: &str = "NONREF";

/// Characters of one line of remittance text.
const NAME_MAX: usize = 140;

/// `2612011201D540000,NTRFR000001//FT123`
pub(super) fn booking(field: &Field) -> Result<(Entry, Detail), ReadError> {
    let mut cursor = Cursor::new(field);
    let value_on = cursor.date()?;
    let booked_on = booking_day(&mut cursor, value_on)?;
    let (direction, reversal) = mark(&mut cursor)?;
    // The third letter of the currency may stand before the amount.
    if cursor
        .rest()
        .starts_with(|it: char| it.is_ascii_uppercase())
    {
        cursor.take(1);
    }
    let amount = cursor.amount()?;
    require_amount(amount).map_err(|it| cursor.refuse(it))?;
    let kind = cursor.take(4).filter(|it| {
        it.starts_with(['N', 'F', 'S']) && it.bytes().all(|it| it.is_ascii_alphanumeric())
    });
    let Some(kind) = kind else {
        let sentence = "a booking has a kind of four letters, e.g. NTRF";
        return Err(cursor.refuse(malformed(sentence)));
    };
    let (ours, theirs) = match cursor.rest().split_once("//") {
        Some((ours, theirs)) => (ours, Some(theirs)),
        None => (cursor.rest(), None),
    };
    let theirs = theirs.map(str::trim).filter(|it| !it.is_empty());
    let bank_ref: Option<Id> = theirs.map(|it| field.parse(it)).transpose()?;
    let ours = Some(ours.trim()).filter(|it| !it.is_empty() && *it != NO_REFERENCE);
    let reference: Option<Id> = ours.map(|it| field.parse(it)).transpose()?;
    let entry = Entry {
        reference: None,
        amount,
        direction,
        reversal,
        status: EntryStatus::Booked,
        booked_on: Some(booked_on),
        value_on: Some(value_on),
        bank_ref: bank_ref.clone(),
        code: BankCode {
            domain: None,
            own: Some(field.parse(kind)?),
        },
        charges: None,
        batch: None,
    };
    let detail = Detail {
        end_to_end_id: reference,
        bank_ref,
        amount: Some(amount),
        ..Detail::default()
    };
    Ok((entry, detail))
}

/// `1201` behind the value date, in its year or the one beside it.
fn booking_day(cursor: &mut Cursor<'_>, value_on: NaiveDate) -> Result<NaiveDate, ReadError> {
    let digits = |it: &&str| it.bytes().all(|it| it.is_ascii_digit());
    let Some(text) = cursor.rest().get(..4).filter(digits) else {
        return Ok(value_on);
    };
    let part = |it: &str| it.parse::<u32>().unwrap_or_default();
    let (month, day) = (part(&text[..2]), part(&text[2..]));
    let year = match (value_on.month(), month) {
        (12, 1) => value_on.year() + 1,
        (1, 12) => value_on.year() - 1,
        _ => value_on.year(),
    };
    let Some(booked_on) = NaiveDate::from_ymd_opt(year, month, day) else {
        let sentence = "a booking day is written 1201";
        return Err(cursor.refuse(Refusal::new("date_invalid", sentence)));
    };
    cursor.take(4);
    Ok(booked_on)
}

/// `RD` takes back a debit, so money comes in; `RC` the other way round.
fn mark(cursor: &mut Cursor<'_>) -> Result<(Direction, bool), ReadError> {
    let reversal = cursor.rest().starts_with('R');
    if reversal {
        cursor.take(1);
    }
    match (cursor.rest().chars().next(), reversal) {
        (Some('C'), false) | (Some('D'), true) => {
            cursor.take(1);
            Ok((Direction::Credit, reversal))
        }
        (Some('D'), false) | (Some('C'), true) => {
            cursor.take(1);
            Ok((Direction::Debit, reversal))
        }
        _ => {
            let sentence = "a booking is C, D, RC or RD";
            Err(cursor.refuse(Refusal::new("code_invalid", sentence)))
        }
    }
}

/// `:86:`: free text, or with code words in it. A line was cut where it was full, so that what
/// stands in two lines is one word. What only looks like a code word is text like the rest.
pub(super) fn told(
    field: &Field,
    direction: Direction,
    detail: &mut Detail,
) -> Result<(), ReadError> {
    for line in field.lines.iter().map(|it| it.trim()) {
        let mut rest = line;
        while !rest.is_empty() && detail.remittance.len() < REMITTANCE_MAX {
            let end = rest
                .char_indices()
                .nth(NAME_MAX)
                .map_or(rest.len(), |it| it.0);
            let (piece, behind) = rest.split_at(end);
            let piece: Name = field.parse(piece)?;
            detail.remittance.push(piece);
            rest = behind.trim_start();
        }
    }
    let text: String = field.lines.concat();
    let id = word(&text, &["/EREF/", "EREF+"]).or_else(|| our_id(&text));
    if let Some(id) = id.and_then(|it| it.parse().ok()) {
        detail.end_to_end_id = Some(id);
    }
    let name = word(&text, &["/NAME/", "?32"]);
    let account = word(&text, &["/IBAN/", "/ACCT/", "?31"]);
    let party = Party {
        name: name.and_then(|it| it.parse().ok()),
        account: account.and_then(|it| it.parse().ok()),
        agent: None,
    };
    match direction {
        Direction::Credit => detail.debtor = party,
        Direction::Debit => detail.creditor = party,
    }
    Ok(())
}

/// What stands behind a code word, up to the next one.
fn word(text: &str, words: &[&str]) -> Option<String> {
    let (word, at) = words.iter().find_map(|it| Some((*it, text.find(it)?)))?;
    let rest = &text[at + word.len()..];
    let rest = rest.split(['/', '?', '+']).next()?.trim();
    (!rest.is_empty()).then(|| rest.to_owned())
}

/// One of our own end-to-end ids, wherever it stands in the text.
fn our_id(text: &str) -> Option<String> {
    let within = |it: char| it.is_ascii_alphanumeric() || it == '-';
    let mut words = text.split(|it| !within(it));
    let id = words.find(|it| it.parse::<EndToEndId>().is_ok());
    id.map(str::to_owned)
}

//! One piece of XML, and what it may be.

use std::io::Read;

use chrono::{DateTime, NaiveDate};
use domain::{Money, Refusal};
use quick_xml::Error;
use quick_xml::errors::SyntaxError;
use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::{BytesDecl, BytesRef, BytesStart};
use quick_xml::name::PrefixDeclaration;

use super::Step;
use super::source::{Source, TooLong};
use crate::flaw::{Flaw, ReadError};
use crate::text::{Text, is_xml};

/// What some programs put at the beginning of a file in UTF-8.
pub(super) const MARK: &[u8] = b"\xef\xbb\xbf";

pub(super) fn forbidden() -> Refusal {
    let sentence = "document types, entities beyond the five of XML, processing instructions and \
                    whatever leads out of the file are not read";
    Refusal::new("xml_forbidden", sentence)
}

pub(super) fn truncated() -> Refusal {
    malformed("the file ends before its elements do")
}

fn malformed(sentence: &str) -> Refusal {
    Refusal::new("xml_malformed", sentence)
}

pub(super) fn refuse_outside_of_all(outside: bool) -> Result<(), Refusal> {
    if outside {
        return Err(malformed("a file is one element, and nothing else"));
    }
    Ok(())
}

fn encoding() -> Refusal {
    Refusal::new("xml_encoding", "messages are in UTF-8")
}

/// Whatever the parser stumbles over, told with our codes.
pub(super) fn broken(error: &Error, place: impl FnOnce(Refusal) -> Flaw) -> ReadError {
    let refusal = match error {
        Error::Io(error) => match error.get_ref().and_then(|it| it.downcast_ref::<TooLong>()) {
            Some(reason) => too_long(*reason),
            None => return ReadError::Io(std::io::Error::new(error.kind(), error.to_string())),
        },
        Error::Encoding(_) => encoding(),
        Error::Syntax(SyntaxError::UnclosedDoctype) => forbidden(),
        Error::Syntax(_) => malformed("the file ends inside of a tag, or a tag is none"),
        Error::IllFormed(_) => {
            malformed("elements are closed in the order in which they were opened")
        }
        Error::InvalidAttr(_) => malformed("an attribute is not well-formed"),
        Error::Escape(_) => malformed("an escape is not well-formed"),
        Error::Namespace(_) => malformed("a namespace is not well-formed"),
    };
    place(refusal).into()
}

pub(super) fn too_long(reason: TooLong) -> Refusal {
    let sentence = match reason {
        TooLong::File => "the file is longer than is read",
        TooLong::Piece => "a tag, a comment or a text is longer than is kept",
    };
    Refusal::new("xml_too_long", sentence)
}

/// UTF-16 and UTF-32 show in the first bytes, with their marks and without.
pub(super) fn refuse_other_encodings<R: Read>(source: &mut Source<R>) -> Result<(), ReadError> {
    let spot = source.spot();
    let start = source.peek()?;
    let other = [&b"\xfe\xff"[..], b"\xff\xfe", b"\0<", b"<\0", b"\0\0"];
    if other.iter().any(|it| start.starts_with(it)) {
        let way = super::Way::default();
        return Err(way.flaw_at(spot, encoding()).into());
    }
    Ok(())
}

/// A mark of UTF-8 at the beginning is no part of the text.
pub(super) fn pass_mark<R: Read>(source: &mut Source<R>) -> Result<(), ReadError> {
    refuse_other_encodings(source)?;
    if source.peek()?.starts_with(MARK) {
        source.pass(MARK.len());
    }
    Ok(())
}

/// Adds a piece of text to what was gathered of the element.
pub(super) fn gather(text: &mut String, piece: &str, max: usize) -> Result<Step, Refusal> {
    if text.len() + piece.len() > max {
        return Err(too_long(TooLong::Piece));
    }
    // What XML cannot carry is a control, or three bytes of which the first is this.
    let suspect = |it: u8| it < b' ' || it == 0xef;
    if piece.bytes().any(suspect) && !piece.chars().all(is_xml) {
        return Err(malformed("a text has characters that XML cannot carry"));
    }
    text.push_str(piece);
    Ok(Step::Inside)
}

/// `&amp;`, `&#x41;`; any other entity would have to be looked up somewhere.
pub(super) fn resolve(named: &BytesRef<'_>) -> Result<char, Refusal> {
    match named.resolve_char_ref() {
        Ok(Some(character)) => Ok(character),
        Ok(None) => resolve_predefined_entity(named)
            .and_then(|it| it.chars().next())
            .ok_or_else(forbidden),
        Err(_) => Err(malformed("a character is named that does not exist")),
    }
}

/// Keeps the currency, tells of namespaces, and refuses what leads out of the file.
pub(super) fn attributes(
    start: &BytesStart<'_>,
    currency: &mut String,
    mut declare: impl FnMut(&str, &str),
) -> Result<(), Refusal> {
    currency.clear();
    if start.attributes_raw().trim().is_empty() {
        return Ok(());
    }
    for attribute in start.attributes() {
        let attribute = attribute.map_err(|_| malformed("an attribute is not well-formed"))?;
        let value = &attribute.value;
        if value.contains('<') || !value.chars().all(is_xml) {
            return Err(malformed(
                "an attribute has characters that it may not have",
            ));
        }
        refuse_entities(value)?;
        match attribute.key.as_namespace_binding() {
            Some(PrefixDeclaration::Default) => declare("", value),
            Some(PrefixDeclaration::Named(prefix)) => declare(prefix, value),
            None => {}
        }
        match attribute.key.local_name().as_ref() {
            "Ccy" => currency.push_str(value),
            "schemaLocation" | "noNamespaceSchemaLocation" => refuse_outside(value)?,
            _ => {}
        }
    }
    Ok(())
}

/// Many banks name the schema's file, which is not looked for. A place elsewhere is another thing.
fn refuse_outside(locations: &str) -> Result<(), Refusal> {
    let leads_out = |it: &str| {
        let place = it.strip_prefix("urn:").unwrap_or(it);
        place.contains(['/', '\\']) || it == place && it.contains(':')
    };
    if locations.split_whitespace().any(leads_out) {
        return Err(forbidden());
    }
    Ok(())
}

fn refuse_entities(value: &str) -> Result<(), Refusal> {
    for (at, _) in value.match_indices('&') {
        let named = value[at + 1..].split(';').next().unwrap_or_default();
        if !named.starts_with('#') && resolve_predefined_entity(named).is_none() {
            return Err(forbidden());
        }
    }
    Ok(())
}

/// `<?xml version="1.0" encoding="UTF-8"?>`, at the very beginning alone.
pub(super) fn declared(declaration: &BytesDecl<'_>, first: bool) -> Result<Step, Refusal> {
    if !first {
        return Err(malformed("a declaration stands at the beginning of a file"));
    }
    let named = declaration.encoding();
    let Some(named) = named
        .transpose()
        .map_err(|_| malformed("the declaration is no declaration"))?
    else {
        return Ok(Step::Inside);
    };
    let allowed = ["UTF-8", "UTF8", "US-ASCII", "ASCII"];
    if allowed.iter().any(|it| named.eq_ignore_ascii_case(it)) {
        Ok(Step::Inside)
    } else {
        Err(encoding())
    }
}

/// Text as one line: what was wrapped to fit a page says the same.
pub(super) fn one_line<const MAX: usize>(text: &str) -> Result<Text<MAX>, Refusal> {
    if text.contains(['\n', '\r', '\t']) {
        let lines = text.split(['\n', '\r', '\t']).map(str::trim);
        let words: Vec<&str> = lines.filter(|it| !it.is_empty()).collect();
        return words.join(" ").parse();
    }
    text.parse()
}

/// `540000`, and `540000.00` of banks whose programs write two decimals for any currency.
pub(super) fn whole_dong(text: &str) -> Result<Money, Refusal> {
    let invalid = || {
        let sentence = "an amount is 1 to 18 ASCII digits of whole đồng, without sign or exponent";
        Refusal::new("amount_invalid", sentence)
    };
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    if fraction.is_empty() || fraction.len() > 5 || !fraction.bytes().all(|it| it == b'0') {
        return Err(invalid());
    }
    whole.parse().map_err(|_| invalid())
}

pub(super) fn number(text: &str) -> Result<u64, Refusal> {
    let digits = (1..=18).contains(&text.len()) && text.bytes().all(|it| it.is_ascii_digit());
    let number = text.parse().ok().filter(|_| digits);
    number.ok_or_else(|| Refusal::new("number_invalid", "a number is 1 to 18 ASCII digits"))
}

pub(super) fn flag(text: &str) -> Result<bool, Refusal> {
    match text {
        "true" | "1" => Ok(true),
        "false" | "0" => Ok(false),
        _ => Err(Refusal::new("code_invalid", "this is true or false")),
    }
}

pub(super) fn currency(text: &str) -> Result<(), Refusal> {
    if text == "VND" {
        return Ok(());
    }
    Err(Refusal::new("currency_invalid", "accounts are in VND"))
}

/// `2026-12-01`, with the offset that XML allows behind a date, or a moment of that day.
pub(super) fn day(text: &str) -> Result<NaiveDate, Refusal> {
    let invalid = || Refusal::new("date_invalid", "a date is written 2026-12-01");
    let (day, rest) = text.split_at_checked(10).ok_or_else(invalid)?;
    let day = plain_day(day).ok_or_else(invalid)?;
    let moment = || DateTime::parse_from_rfc3339(text).is_ok();
    let local = || chrono::NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f").is_ok();
    let offset = || {
        let at_midnight = format!("{day}T00:00:00{rest}");
        DateTime::parse_from_rfc3339(&at_midnight).is_ok()
    };
    if rest.is_empty() || moment() || local() || offset() {
        Ok(day)
    } else {
        Err(invalid())
    }
}

/// `2026-12-01`, with four, two and two ASCII digits.
fn plain_day(text: &str) -> Option<NaiveDate> {
    let digits = |it: &str| it.bytes().all(|it| it.is_ascii_digit());
    let (year, rest) = text.split_once('-')?;
    let (month, day) = rest.split_once('-')?;
    let lengths = [year, month, day].map(str::len);
    if lengths != [4, 2, 2] || ![year, month, day].into_iter().all(digits) {
        return None;
    }
    NaiveDate::from_ymd_opt(year.parse().ok()?, month.parse().ok()?, day.parse().ok()?)
}

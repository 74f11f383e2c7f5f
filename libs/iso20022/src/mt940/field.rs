//! The lines of an MT940 file, gathered to fields.

use std::io::{BufRead, Read};
use std::str::FromStr;

use chrono::NaiveDate;
use domain::{Money, Refusal};

use crate::flaw::{Flaw, Place, ReadError, Spot};
use crate::tree::{Source, TooLong};

/// Bytes of one line: SWIFT's 65 characters, and what banks make of them.
const LINE_MAX: usize = 1_024;
/// Lines of one field; `:86:` has six.
const LINES_MAX: usize = 64;

/// `:61:` with what stands behind it, or the end of a message.
#[derive(Debug, Clone)]
pub(super) struct Field {
    pub tag: String,
    pub lines: Vec<String>,
    pub ends: bool,
    spot: Spot,
    /// Where the first line of its text begins.
    column: u64,
}

#[derive(Debug)]
pub(super) struct Fields<R> {
    source: Source<R>,
    /// The line behind the field that was given last.
    next: Option<Line>,
}

#[derive(Debug)]
struct Line {
    text: String,
    spot: Spot,
}

pub(super) fn malformed(sentence: &str) -> Refusal {
    Refusal::new("mt940_malformed", sentence)
}

fn too_long() -> Refusal {
    let sentence = format!("a line has at most {LINE_MAX} bytes and a field {LINES_MAX} lines");
    Refusal::new("mt940_too_long", sentence)
}

fn flaw(spot: Spot, path: String, refusal: Refusal) -> ReadError {
    Flaw {
        code: refusal.code,
        place: Place {
            line: spot.line,
            column: spot.column,
            path,
        },
        sentence: refusal.sentence,
    }
    .into()
}

impl<R: Read> Fields<R> {
    /// A file that begins neither with a field nor with SWIFT's blocks is none.
    pub fn open(source: Source<R>) -> Result<Fields<R>, ReadError> {
        let mut fields = Fields { source, next: None };
        loop {
            let spot = fields.source.spot();
            match fields.line()? {
                Some(line) if line.text.trim().is_empty() => {}
                Some(line) if line.text.starts_with([':', '{']) => {
                    fields.next = Some(line);
                    return Ok(fields);
                }
                _ => {
                    let sentence = "this is none of the messages and versions that are read";
                    let refusal = Refusal::new("message_unknown", sentence);
                    return Err(flaw(spot, String::new(), refusal));
                }
            }
        }
    }

    pub fn next(&mut self) -> Result<Option<Field>, ReadError> {
        let Some(line) = self.content()? else {
            return Ok(None);
        };
        let mut field = begin(&line)?;
        while !field.ends {
            match self.content()? {
                Some(line) if line.text.starts_with([':', '{']) || ends(&line.text) => {
                    self.next = Some(line);
                    break;
                }
                Some(line) if field.lines.len() >= LINES_MAX => {
                    return Err(flaw(line.spot, field.path(), too_long()));
                }
                Some(line) => field.lines.push(line.text),
                None => break,
            }
        }
        Ok(Some(field))
    }

    /// The next field, if it has this tag.
    pub fn next_if(&mut self, tag: &str) -> Result<Option<Field>, ReadError> {
        let tag = format!(":{tag}:");
        match &self.next {
            Some(line) if line.text.starts_with(&tag) => self.next(),
            _ => Ok(None),
        }
    }

    /// The end of the file.
    pub fn nowhere(&self) -> Field {
        Field {
            tag: String::new(),
            lines: Vec::new(),
            ends: true,
            spot: self.source.spot(),
            column: 1,
        }
    }

    /// The next line that says something, without SWIFT's blocks around the message.
    fn content(&mut self) -> Result<Option<Line>, ReadError> {
        loop {
            let line = match self.next.take() {
                Some(line) => line,
                None => match self.line()? {
                    Some(line) => line,
                    None => return Ok(None),
                },
            };
            if line.text.starts_with('{') {
                // `{1:…}{2:…}{4:` stands on a line of its own, or before the first field.
                let Some((block, text)) = line.text.split_once("{4:") else {
                    continue;
                };
                let characters = block.chars().count() as u64 + 3;
                let spot = Spot {
                    column: line.spot.column + characters,
                    ..line.spot
                };
                let text = text.to_owned();
                if !text.is_empty() {
                    return Ok(Some(Line { text, spot }));
                }
            } else if !line.text.trim().is_empty() {
                return Ok(Some(line));
            }
        }
    }

    fn line(&mut self) -> Result<Option<Line>, ReadError> {
        self.source.next_piece();
        let spot = self.source.spot();
        let mut bytes = Vec::new();
        let mut limited = (&mut self.source).take(LINE_MAX as u64 + 1);
        if let Err(error) = limited.read_until(b'\n', &mut bytes) {
            let bound = error.get_ref().and_then(|it| it.downcast_ref::<TooLong>());
            if bound.is_none() {
                return Err(error.into());
            }
            let sentence = "the file is longer than is read";
            let refusal = Refusal::new("mt940_too_long", sentence);
            return Err(flaw(spot, String::new(), refusal));
        }
        if bytes.len() > LINE_MAX {
            return Err(flaw(spot, String::new(), too_long()));
        }
        if bytes.is_empty() {
            return Ok(None);
        }
        let Ok(text) = String::from_utf8(bytes) else {
            let refusal = Refusal::new("mt940_encoding", "messages are in UTF-8");
            return Err(flaw(spot, String::new(), refusal));
        };
        let text = text.trim_end_matches(['\n', '\r']).to_owned();
        Ok(Some(Line { text, spot }))
    }
}

/// A line of a text may begin with a dash as well.
fn ends(line: &str) -> bool {
    line.trim_end() == "-" || line.starts_with("-}")
}

/// A field by its first line, or the end of a message.
fn begin(line: &Line) -> Result<Field, ReadError> {
    let text = &line.text;
    if ends(text) {
        return Ok(Field {
            tag: String::new(),
            lines: Vec::new(),
            ends: true,
            spot: line.spot,
            column: line.spot.column,
        });
    }
    let named = text.strip_prefix(':').and_then(|it| it.split_once(':'));
    let letter = |it: u8| it.is_ascii_digit() || it.is_ascii_uppercase();
    match named {
        Some((tag, text)) if matches!(tag.len(), 2 | 3) && tag.bytes().all(letter) => Ok(Field {
            tag: tag.to_owned(),
            lines: vec![text.to_owned()],
            ends: false,
            spot: line.spot,
            column: line.spot.column + tag.len() as u64 + 2,
        }),
        _ => {
            let sentence = "a field begins as :61: does";
            Err(flaw(line.spot, String::new(), malformed(sentence)))
        }
    }
}

impl Field {
    pub fn first(&self) -> &str {
        self.lines.first().map_or("", |it| it.trim_end())
    }

    pub fn parse<T: FromStr<Err = Refusal>>(&self, text: &str) -> Result<T, ReadError> {
        text.parse().map_err(|it| self.refuse(it))
    }

    pub fn refuse(&self, refusal: Refusal) -> ReadError {
        flaw(self.spot, self.path(), refusal)
    }

    fn path(&self) -> String {
        if self.tag.is_empty() {
            String::new()
        } else {
            format!(":{}:", self.tag)
        }
    }
}

/// The first line of a field, taken from left to right; it knows its column.
#[derive(Debug)]
pub(super) struct Cursor<'a> {
    field: &'a Field,
    rest: &'a str,
    column: u64,
}

impl<'a> Cursor<'a> {
    pub fn new(field: &'a Field) -> Cursor<'a> {
        Cursor {
            field,
            rest: field.first(),
            column: field.column,
        }
    }

    pub fn rest(&self) -> &'a str {
        self.rest
    }

    /// So many bytes, if they are there and end with a character.
    pub fn take(&mut self, count: usize) -> Option<&'a str> {
        let (taken, rest) = self.rest.split_at_checked(count)?;
        self.rest = rest;
        self.column += taken.chars().count() as u64;
        Some(taken)
    }

    /// All that follows for which `is` holds.
    pub fn take_while(&mut self, is: impl Fn(u8) -> bool) -> &'a str {
        let count = self.rest.bytes().take_while(|it| is(*it)).count();
        self.take(count).unwrap_or_default()
    }

    pub fn refuse(&self, refusal: Refusal) -> ReadError {
        let spot = Spot {
            line: self.field.spot.line,
            column: self.column,
        };
        flaw(spot, self.field.path(), refusal)
    }

    /// `261201`
    pub fn date(&mut self) -> Result<NaiveDate, ReadError> {
        let before = self.column;
        let digits = self
            .take(6)
            .filter(|it| it.bytes().all(|it| it.is_ascii_digit()));
        let date =
            digits.and_then(|it| NaiveDate::parse_from_str(&format!("20{it}"), "%Y%m%d").ok());
        date.ok_or_else(|| {
            self.column = before;
            self.refuse(Refusal::new("date_invalid", "a date is written 261201"))
        })
    }

    /// `540000,`, and `540000,00` of banks that write two decimals for any currency.
    pub fn amount(&mut self) -> Result<Money, ReadError> {
        let before = self.column;
        let text = self.take_while(|it| it.is_ascii_digit() || it == b',');
        let whole = text.split_once(',').filter(|(whole, fraction)| {
            (1..=15).contains(&whole.len())
                && fraction.len() <= 2
                && fraction.bytes().all(|it| it == b'0')
        });
        whole.and_then(|(it, _)| it.parse().ok()).ok_or_else(|| {
            self.column = before;
            let sentence = "an amount is digits of whole đồng before a comma";
            self.refuse(Refusal::new("amount_invalid", sentence))
        })
    }
}

//! A bank's file as the messages that say the same: its results, or the pages of its statements.

use std::collections::BTreeMap;
use std::io::{self, Read};

use chrono::NaiveDate;
use domain::{EndToEndId, Institution, Money, Part, Refusal};
use events::{EntryKind, ResultLine, Results, StatementEntry, StatementPage};
use privacy::ExchangeKey;

use crate::mapping::{self, Booked};
use crate::report::{Report, ReportItem};
use crate::schema::Kind;
use crate::statement::{Balance, Direction, Entry, Statement, StatementItem};
use crate::tree::Limits;
use crate::{Message, ReadError};

/// Lines of one message, entries of one page.
const LINES_MAX: usize = 1_000;
/// Statements in one file: a month of days and more.
const STATEMENTS_MAX: usize = 100;

/// What a file said, one message of it.
#[derive(Debug, Clone)]
pub enum Said {
    Results(Results),
    Page(StatementPage),
}

/// What a whole file came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Heard {
    pub results: u64,
    /// Lines of a report that say no end yet.
    pub undecided: u64,
    pub statements: u64,
    pub entries: u64,
}

/// Why a file says nothing.
#[derive(Debug, thiserror::Error)]
pub enum Unsaid {
    #[error("{0}")]
    Read(#[from] ReadError),
    /// It is well made, and an item of it, counted from 1, cannot be said.
    #[error("item {item}: {refusal}")]
    Refused { item: u64, refusal: Refusal },
}

/// A statement as each of its pages repeats it.
#[derive(Debug, Clone)]
struct Whole {
    number: i64,
    opening: Money,
    closing: Option<(Money, NaiveDate)>,
    received: Money,
    debits: Money,
    returned: Money,
    entries: BTreeMap<Part, usize>,
}

/// A booking, or the beginning or end of the statement around it.
enum Step<'a> {
    Begin(&'a Statement),
    Booked(Booked),
    End(&'a [Balance]),
}

/// Reads a pain.002, a camt.053 or an MT940 and gives back what it says, message by message, in
/// memory of a few thousand lines. A statement is read twice, because its pages tell what the
/// whole of it comes to: `open` gives the file from its beginning each time.
///
/// The same file says the same messages under the same ids.
///
/// # Errors
/// What the readers refuse. Besides, with the number of the item: `file_not_said` for a file of
/// another kind, `lines_missing` for a report that decides without naming lines,
/// `statement_number_missing`, `balance_invalid` (missing, or below 0), `too_many_statements`, and
/// what [`mapping`] refuses.
pub fn each_message<R: Read>(
    open: impl Fn() -> io::Result<R>,
    (institution, key): (Institution, &ExchangeKey),
    mut each: impl FnMut(Said) -> io::Result<()>,
) -> Result<Heard, Unsaid> {
    let opened = || Message::open(open().map_err(ReadError::Io)?, Limits::default());
    match opened()? {
        Message::Report(items) => results(items, institution, &mut each),
        Message::Statement(items) => {
            let wholes = survey(items, key)?;
            let Message::Statement(items) = opened()? else {
                return Err(refused(
                    0,
                    "file_not_said",
                    "the file has changed meanwhile",
                ));
            };
            pages(items, (institution, key), wholes, &mut each)
        }
        Message::Mt940(items) => {
            let wholes = survey(items, key)?;
            let Message::Mt940(items) = opened()? else {
                return Err(refused(
                    0,
                    "file_not_said",
                    "the file has changed meanwhile",
                ));
            };
            pages(items, (institution, key), wholes, &mut each)
        }
        _ => {
            let sentence = "a bank says results (pain.002) and statements (camt.053, MT940)";
            Err(refused(0, "file_not_said", sentence))
        }
    }
}

fn refused(item: u64, code: &'static str, sentence: &str) -> Unsaid {
    Unsaid::Refused {
        item,
        refusal: Refusal::new(code, sentence),
    }
}

fn at(item: u64) -> impl Fn(Refusal) -> Unsaid {
    move |refusal| Unsaid::Refused { item, refusal }
}

fn results(
    items: impl Iterator<Item = Result<ReportItem, ReadError>>,
    institution: Institution,
    each: &mut impl FnMut(Said) -> io::Result<()>,
) -> Result<Heard, Unsaid> {
    let mut tally = Heard::default();
    let mut head: Option<(Report, u64)> = None;
    // Each message of a part has a number of its own behind the file's id.
    let mut parts: BTreeMap<Part, (u32, Vec<ResultLine>)> = BTreeMap::new();
    let mut say = |head: &Report, part, (number, lines): &mut (u32, Vec<ResultLine>)| {
        if lines.is_empty() {
            return Ok(());
        }
        *number += 1;
        let results = Results {
            institution,
            part,
            message_id: format!("{}/{number}", head.message_id),
            lines: std::mem::take(lines),
        };
        each(Said::Results(results)).map_err(ReadError::Io)
    };
    for (number, item) in (1_u64..).zip(items) {
        match item? {
            ReportItem::Report(next) => {
                if let Some((head, lines)) = head.take() {
                    refuse_lineless(&head, lines, number)?;
                    for (part, rest) in &mut parts {
                        say(&head, *part, rest)?;
                    }
                    parts.clear();
                }
                head = Some((next, 0));
            }
            ReportItem::Payment(_) => {}
            ReportItem::Line(line) => {
                let Some((head, lines)) = &mut head else {
                    continue;
                };
                *lines += 1;
                let Some(result) = mapping::result_line(&line, head).map_err(at(number))? else {
                    tally.undecided += 1;
                    continue;
                };
                tally.results += 1;
                let part = result.end_to_end_id.part;
                let of_part = parts.entry(part).or_default();
                of_part.1.push(result);
                if of_part.1.len() == LINES_MAX {
                    say(head, part, of_part)?;
                }
            }
        }
    }
    if let Some((head, lines)) = head {
        refuse_lineless(&head, lines, 0)?;
        for (part, rest) in &mut parts {
            say(&head, *part, rest)?;
        }
    }
    Ok(tally)
}

/// Which payments a whole order's status is about only its lines can say.
fn refuse_lineless(head: &Report, lines: u64, number: u64) -> Result<(), Unsaid> {
    if lines == 0 && head.status.is_some() {
        let sentence = "a report that decides about an order names the order's lines";
        return Err(refused(number, "lines_missing", sentence));
    }
    Ok(())
}

/// Walks through a file of statements, booking by booking.
fn walk(
    items: impl Iterator<Item = Result<StatementItem, ReadError>>,
    key: &ExchangeKey,
    mut each: impl FnMut(u64, Step<'_>) -> Result<(), Unsaid>,
) -> Result<(), Unsaid> {
    // The entry whose details may follow, and whether one has.
    let (mut open, mut entry_no): (Option<(Entry, bool)>, i64) = (None, 0);
    for (number, item) in (1_u64..).zip(items) {
        let item = item?;
        // An entry without details is a booking of its own, known when the next item comes.
        if !matches!(item, StatementItem::Detail(_) | StatementItem::Words(_))
            && let Some((entry, false)) = open.take()
        {
            let booked = mapping::booked(&entry, None, entry_no + 1, key).map_err(at(number))?;
            entry_no += i64::from(matches!(booked, Booked::Entry(_)));
            each(number, Step::Booked(booked))?;
        }
        match &item {
            StatementItem::Message(it) if it.kind != Kind::Statement => {
                let sentence = "a notification is said again by the statement of the day";
                return Err(refused(number, "file_not_said", sentence));
            }
            StatementItem::Statement(it) => {
                entry_no = 0;
                each(number, Step::Begin(it))?;
            }
            StatementItem::Entry(it) => open = Some((it.clone(), false)),
            StatementItem::Detail(it) => {
                let Some((entry, is_detailed)) = &mut open else {
                    continue;
                };
                *is_detailed = true;
                let booked = mapping::booked(entry, Some(it), entry_no + 1, key);
                let booked = booked.map_err(at(number))?;
                entry_no += i64::from(matches!(booked, Booked::Entry(_)));
                each(number, Step::Booked(booked))?;
            }
            StatementItem::End(it) => each(number, Step::End(&it.balances))?,
            StatementItem::Message(_) | StatementItem::Words(_) => {}
        }
    }
    Ok(())
}

/// What each statement comes to. A statement that goes on over several pages of MT940 is one.
fn survey(
    items: impl Iterator<Item = Result<StatementItem, ReadError>>,
    key: &ExchangeKey,
) -> Result<Vec<Whole>, Unsaid> {
    let mut wholes: Vec<Whole> = Vec::new();
    walk(items, key, |item, step| {
        match step {
            Step::Begin(it) => {
                let number = it.sequence.and_then(|it| i64::try_from(it).ok());
                let number = number.ok_or_else(|| {
                    let sentence = "a statement has its running number (ElctrncSeqNb, :28C:)";
                    refused(item, "statement_number_missing", sentence)
                })?;
                let goes_on = (wholes.last())
                    .is_some_and(|it: &Whole| it.number == number && it.closing.is_none());
                if !goes_on {
                    if wholes.len() == STATEMENTS_MAX {
                        let sentence = "one file has a hundred statements at most";
                        return Err(refused(item, "too_many_statements", sentence));
                    }
                    wholes.push(Whole::of(number, balance(item, &it.balances, "OPBD")?));
                }
                if let Some(whole) = wholes.last_mut()
                    && it.balances.iter().any(|it| it.kind.as_str() == "CLBD")
                {
                    whole.closing = Some(balance(item, &it.balances, "CLBD")?);
                }
            }
            Step::Booked(booked) => {
                if let Some(whole) = wholes.last_mut() {
                    whole.add(&booked);
                }
            }
            Step::End(balances) => {
                if let Some(whole) = wholes.last_mut()
                    && balances.iter().any(|it| it.kind.as_str() == "CLBD")
                {
                    whole.closing = Some(balance(item, balances, "CLBD")?);
                }
            }
        }
        Ok(())
    })?;
    for whole in &wholes {
        whole.ended(0)?;
    }
    Ok(wholes)
}

fn balance(item: u64, balances: &[Balance], kind: &str) -> Result<(Money, NaiveDate), Unsaid> {
    let found = balances.iter().find(|it| it.kind.as_str() == kind);
    let found = found.filter(|it| it.direction == Direction::Credit || it.amount.is_zero());
    let found = found.map(|it| (it.amount, it.date));
    let sentence = "a statement opens (OPBD) and closes (CLBD) with what the state has, never less \
                    than nothing";
    found.ok_or_else(|| refused(item, "balance_invalid", sentence))
}

/// Cuts entries into pages, each of one partition.
fn pages(
    items: impl Iterator<Item = Result<StatementItem, ReadError>>,
    (institution, key): (Institution, &ExchangeKey),
    wholes: Vec<Whole>,
    each: &mut impl FnMut(Said) -> io::Result<()>,
) -> Result<Heard, Unsaid> {
    let mut tally = Heard::default();
    let mut wholes = wholes.into_iter();
    let mut cut: Option<Cut> = None;
    walk(items, key, |item, step| {
        match step {
            Step::Begin(it) => {
                let number = it.sequence.and_then(|it| i64::try_from(it).ok());
                if cut.as_ref().map(|it| it.whole.number) != number {
                    let changed =
                        || refused(item, "file_not_said", "the file has changed meanwhile");
                    let next = Cut::of(wholes.next().ok_or_else(changed)?, institution);
                    if let Some(mut last) = cut.replace(next) {
                        last.end(each)?;
                    }
                    tally.statements += 1;
                }
            }
            Step::Booked(Booked::Entry(entry)) => {
                tally.entries += 1;
                if let Some(cut) = &mut cut {
                    cut.add(entry, each)?;
                }
            }
            Step::Booked(_) | Step::End(_) => {}
        }
        Ok(())
    })?;
    if let Some(mut last) = cut {
        last.end(each)?;
    }
    Ok(tally)
}

impl Whole {
    fn of(number: i64, (opening, _): (Money, NaiveDate)) -> Whole {
        Whole {
            number,
            opening,
            closing: None,
            received: Money::ZERO,
            debits: Money::ZERO,
            returned: Money::ZERO,
            entries: BTreeMap::new(),
        }
    }

    fn add(&mut self, booked: &Booked) {
        match booked {
            Booked::Nothing => {}
            Booked::Received(amount) => self.received = Money::sum([self.received, *amount]),
            Booked::Entry(it) => {
                let sum = match it.kind {
                    EntryKind::Return => &mut self.returned,
                    EntryKind::Payment | EntryKind::Charge => &mut self.debits,
                };
                *sum = Money::sum([*sum, it.amount]);
                *self.entries.entry(part_of(it)).or_default() += 1;
            }
        }
    }

    fn ended(&self, item: u64) -> Result<(Money, NaiveDate), Unsaid> {
        let sentence = "a statement closes with what is left (CLBD, :62F:)";
        self.closing
            .ok_or_else(|| refused(item, "balance_invalid", sentence))
    }

    /// A day on which nothing moved still has a page to say so.
    fn pages(&self) -> usize {
        let pages = self.entries.values().map(|it| it.div_ceil(LINES_MAX));
        pages.sum::<usize>().max(1)
    }
}

/// What names no line of ours is told in the first partition.
fn part_of(entry: &StatementEntry) -> Part {
    let id = entry.end_to_end_id.parse::<EndToEndId>();
    id.map_or(Part::ZERO, |it| it.part)
}

struct Cut {
    whole: Whole,
    institution: Institution,
    page: i32,
    rest: BTreeMap<Part, Vec<StatementEntry>>,
}

impl Cut {
    fn of(whole: Whole, institution: Institution) -> Cut {
        Cut {
            whole,
            institution,
            page: 0,
            rest: BTreeMap::new(),
        }
    }

    fn add(
        &mut self,
        entry: StatementEntry,
        each: &mut impl FnMut(Said) -> io::Result<()>,
    ) -> Result<(), Unsaid> {
        let part = part_of(&entry);
        let rest = self.rest.entry(part).or_default();
        rest.push(entry);
        if rest.len() < LINES_MAX {
            return Ok(());
        }
        let entries = std::mem::take(rest);
        self.say(part, entries, each)
    }

    fn end(&mut self, each: &mut impl FnMut(Said) -> io::Result<()>) -> Result<(), Unsaid> {
        for (part, entries) in std::mem::take(&mut self.rest) {
            if !entries.is_empty() {
                self.say(part, entries, each)?;
            }
        }
        if self.page == 0 {
            self.say(Part::ZERO, Vec::new(), each)?;
        }
        Ok(())
    }

    fn say(
        &mut self,
        part: Part,
        entries: Vec<StatementEntry>,
        each: &mut impl FnMut(Said) -> io::Result<()>,
    ) -> Result<(), Unsaid> {
        self.page += 1;
        let it = &self.whole;
        let (closing, date) = it.ended(0)?;
        let count: usize = it.entries.values().sum();
        let page = StatementPage {
            institution: self.institution,
            part,
            statement_no: it.number,
            date,
            page: self.page,
            pages: i32::try_from(it.pages()).unwrap_or(i32::MAX),
            opening: it.opening,
            received: it.received,
            debits: it.debits,
            returned: it.returned,
            entries_count: i64::try_from(count).unwrap_or(i64::MAX),
            closing,
            entries,
        };
        each(Said::Page(page)).map_err(|it| ReadError::Io(it).into())
    }
}

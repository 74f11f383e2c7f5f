use std::sync::Arc;

use chrono::{DateTime, NaiveDate, Utc};
use domain::{CitizenNumber, Money, Refusal};
use intake::{FileError, Refused, Report, Row, Sums, TableFile};
use privacy::{Field, Keys};
use rules::EventKind;
use sqlx::{PgConnection, PgPool};

use super::{Known, Meaning, Told, Word, write};
use crate::import::{digest, empty_report, read_in_background};
use crate::law::LawInForce;
use crate::residence::Place;
use crate::{Error, reconsider, registry, store};

/// The columns of a file of events, in any order.
const COLUMNS: [&str; 5] = [
    "event_id",
    "citizen_number",
    "kind",
    "happened_on",
    "revokes",
];
/// Columns that a file need not have: where somebody who moved lives from then on.
const WHERE_TO: [&str; 2] = ["province", "commune"];
const EVENT_ID_BYTES_MAX: usize = 64;

/// Imports a file of life events, CSV or workbook. A row tells an event, or that an earlier one
/// of the person never was (`revokes`), or both: then the one stands in the other's place. Each
/// batch of rows is one transaction, in which what was obligated for its people is decided again.
///
/// A file that was imported before is read again where rows of it were refused: who was unknown
/// then may be known now.
///
/// # Errors
/// [`Error::File`] where the file or its header cannot be read, and then nothing has happened.
pub async fn import_events(
    pool: &PgPool,
    keys: &Keys,
    law: &LawInForce,
    file: &TableFile,
    now: DateTime<Utc>,
) -> Result<Report, Error> {
    let sha256 = digest(file).await?;
    let before = store::import_of(pool, &sha256).await?;
    if let Some((_, sums)) = before.filter(|(_, it)| it.refused.rows == 0) {
        return Ok(Report {
            sums,
            repeated: true,
            refusals: Vec::new(),
        });
    }
    messaging::register(pool, &[events::ELIGIBILITY.to_owned()]).await?;
    let mut import = Import {
        keys,
        law,
        import_no: store::next_import_no(pool).await?,
        source: format!("import {}", hex::encode(&sha256[..6])).into(),
        report: empty_report(),
    };
    let today = boot::clock::today_in_vietnam(now);
    let header = move |columns: &[&'static str]| Layout::of(columns, today);
    let (mut read, reader) = read_in_background(file, header, Layout::parse);
    while let Some(rows) = read.recv().await {
        let mut tx = pool.begin().await?;
        let (sums, refused) = import.apply(&mut tx, rows, now).await?;
        tx.commit().await?;
        import.report.sums = sums;
        import.report.show(&refused);
    }
    reader.await.expect("reading rows does not panic")?;
    assert!(
        import.report.sums.add_up(),
        "a row is accepted, refused or a duplicate"
    );
    let done = (import.import_no, &sha256, file.sheet.as_deref());
    store::insert_import(pool, done, &import.report.sums, now).await?;
    Ok(import.report)
}

struct Import<'a> {
    keys: &'a Keys,
    law: &'a LawInForce,
    import_no: i64,
    source: Arc<str>,
    report: Report,
}

/// Where a file has what.
#[derive(Debug)]
struct Layout {
    /// Of [`COLUMNS`], in its order.
    places: [usize; COLUMNS.len()],
    /// Of [`WHERE_TO`], in its order.
    where_to: [Option<usize>; WHERE_TO.len()],
    today: NaiveDate,
}

/// A row that was understood: at least one of the two.
#[derive(Debug)]
struct Line {
    line: u64,
    citizen_number: CitizenNumber,
    event: Option<(String, EventKind, NaiveDate, Option<Place>)>,
    revokes: Option<String>,
}

impl Layout {
    fn of(columns: &[&'static str], today: NaiveDate) -> Result<Layout, FileError> {
        let mut places = [0; COLUMNS.len()];
        for (at, name) in places.iter_mut().zip(COLUMNS) {
            let place = columns.iter().position(|it| *it == name);
            *at = place.ok_or_else(|| FileError::Columns {
                sentence: format!("the column {name} is missing"),
            })?;
        }
        let known = |it: &&str| COLUMNS.contains(it) || WHERE_TO.contains(it);
        if let Some(name) = columns.iter().find(|it| !known(it)) {
            let sentence = format!("a file of events has no column {name}");
            return Err(FileError::Columns { sentence });
        }
        let place = |name: &str| columns.iter().position(|it| *it == name);
        Ok(Layout {
            places,
            where_to: WHERE_TO.map(place),
            today,
        })
    }

    /// Reads a row; the first column that is wrong is the one that is told.
    fn parse(&self, row: &Row) -> Result<Line, Refused> {
        let refuse = |column: usize| move |it: Refusal| Refused::at(row.line, COLUMNS[column], it);
        let field = |column: usize| row.field(self.places[column]);
        let citizen_number = registry::citizen_number(row, self.places[1]);
        let citizen_number = citizen_number.map_err(refuse(1))?;
        let event = match (field(2), field(3)) {
            ("", "") => None,
            (kind, day) => {
                let event_id = event_id(field(0)).map_err(refuse(0))?;
                let kind: EventKind = kind.parse().map_err(refuse(2))?;
                let happened_on = self.happened_on(day).map_err(refuse(3))?;
                let place = self.where_to(row, kind)?;
                Some((event_id, kind, happened_on, place))
            }
        };
        let revokes = match field(4) {
            "" => None,
            text => Some(event_id(text).map_err(refuse(4))?),
        };
        let told = event.as_ref().map(|(event_id, ..)| event_id);
        if told == revokes.as_ref() {
            let sentence = match told {
                Some(_) => "an event does not revoke itself",
                None => "the row tells no event and revokes none",
            };
            let empty = Refusal::new("event_empty", sentence);
            return Err(Refused::at(row.line, "row", empty));
        }
        Ok(Line {
            line: row.line,
            citizen_number,
            event,
            revokes,
        })
    }

    /// Where the row says that somebody moved to; a commune only within its province.
    fn where_to(&self, row: &Row, kind: EventKind) -> Result<Option<Place>, Refused> {
        let field = |at: Option<usize>| at.map(|it| row.field(it)).unwrap_or_default();
        let [province, commune] = self.where_to.map(field);
        let refuse = |column: usize| move |it: Refusal| Refused::at(row.line, WHERE_TO[column], it);
        if province.is_empty() && commune.is_empty() {
            return Ok(None);
        }
        if kind != EventKind::Moved {
            let sentence = "only who moved lives elsewhere; leave the cell empty";
            let refusal = Refusal::new("place_not_expected", sentence);
            return Err(refuse(usize::from(province.is_empty()))(refusal));
        }
        let province = province.parse().map_err(refuse(0))?;
        let place = Place::read(province, commune).map_err(refuse(1))?;
        Ok(Some(place))
    }

    fn happened_on(&self, text: &str) -> Result<NaiveDate, Refusal> {
        let day = registry::day(text).ok_or_else(|| {
            let sentence = "the day of an event is yyyy-mm-dd or dd/mm/yyyy";
            Refusal::new("happened_on_invalid", sentence)
        })?;
        if day > self.today {
            let sentence = "the day of the event is in the future";
            return Err(Refusal::new("happened_on_future", sentence));
        }
        Ok(day)
    }
}

fn event_id(text: &str) -> Result<String, Refusal> {
    let allowed = |it: u8| it.is_ascii_alphanumeric() || b"._:/-".contains(&it);
    if text.is_empty() || text.len() > EVENT_ID_BYTES_MAX || !text.bytes().all(allowed) {
        let sentence = "the number of an event is 1 to 64 ASCII letters, digits and . _ : / -";
        return Err(Refusal::new("event_id_invalid", sentence));
    }
    Ok(text.to_owned())
}

impl Line {
    /// The words of the row: what happened, then what never did.
    fn words(&self, keys: &Keys, source: &Arc<str>) -> Vec<Told> {
        let citizen_index = keys.index(Field::CitizenNumber, self.citizen_number.expose());
        let told = |event_id: &str, word| Told {
            citizen_index,
            event_id: event_id.to_owned(),
            word,
            source: Arc::clone(source),
        };
        let happened = self.event.as_ref().map(|(event_id, kind, day, place)| {
            let happened = Word::Happened {
                kind: *kind,
                happened_on: *day,
                place: *place,
            };
            told(event_id, happened)
        });
        let revoked = self.revokes.as_ref().map(|it| told(it, Word::Revoked));
        happened.into_iter().chain(revoked).collect()
    }
}

impl Import<'_> {
    /// One batch; the new sums and refusals count once its transaction is committed.
    async fn apply(
        &self,
        tx: &mut PgConnection,
        rows: Vec<Result<Line, Refused>>,
        now: DateTime<Utc>,
    ) -> Result<(Sums, Vec<Refused>), Error> {
        let (mut sums, mut refused, mut read) = (self.report.sums, Vec::new(), Vec::new());
        for row in rows {
            sums.file.add(Money::ZERO);
            match row {
                Ok(line) => read.push((line.line, line.words(self.keys, &self.source))),
                Err(refusal) => refused.push(refusal),
            }
        }
        let words: Vec<Told> = read.iter().flat_map(|(_, it)| it.clone()).collect();
        let mut known = Known::of(tx, &words).await?;
        let mut new = Vec::new();
        for (line, words) in &read {
            match weigh(&known, words) {
                Ok(fresh) if fresh.is_empty() => sums.duplicates.add(Money::ZERO),
                Ok(fresh) => {
                    for (person_no, word) in &fresh {
                        known.add(*person_no, word);
                    }
                    new.extend(fresh);
                    sums.accepted.add(Money::ZERO);
                }
                Err((column, refusal)) => refused.push(Refused::at(*line, column, refusal)),
            }
        }
        for _ in &refused {
            sums.refused.add(Money::ZERO);
        }
        let news = write(tx, &new, now).await?;
        store::insert_refusals(tx, self.import_no, &refused).await?;
        reconsider::people(tx, self.law, &news, now).await?;
        Ok((sums, refused))
    }
}

type Fresh<'a> = Vec<(domain::PersonNo, &'a Told)>;

/// Which words of a row are new: none where all were told before. A row is taken whole or not.
fn weigh<'a>(known: &Known, words: &'a [Told]) -> Result<Fresh<'a>, (&'static str, Refusal)> {
    let mut fresh = Vec::new();
    for told in words {
        match known.meaning(told) {
            Meaning::UnknownPerson => {
                let sentence = "nobody with this citizen number is in the registry";
                return Err((COLUMNS[1], Refusal::new("person_unknown", sentence)));
            }
            Meaning::Differs => {
                let sentence = "an event of this number was told with another kind, day or place";
                return Err((COLUMNS[0], Refusal::new("event_differs", sentence)));
            }
            // A misspelt number would leave the event standing.
            Meaning::New(_) if told.word == Word::Revoked && !known.has_event(told) => {
                let sentence = "no event of this number was told of the person";
                return Err((COLUMNS[4], Refusal::new("revokes_unknown", sentence)));
            }
            Meaning::New(person_no) => fresh.push((person_no, told)),
            Meaning::Duplicate => {}
        }
    }
    Ok(fresh)
}

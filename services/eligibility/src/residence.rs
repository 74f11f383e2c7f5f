//! Where people live, as files and life events say it one after the other.
//!
//! What the newest file said of a person stands until a move is told; of moves that were told
//! after that file the latest by its day stands, whatever order they were told in. A file that
//! says again what files said before is no news, so it takes nobody back from where they moved.
//! The province of an enrolment is not a residence: it says who pays.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use domain::{Commune, Part, PersonNo, Province, Refusal};
use events::{Event, PersonsRegistered, RegisteredPerson};
use sqlx::PgConnection;

use crate::Error;
use crate::store::{self, Author, NewResidence, Papers, Standing};

/// People of one event.
const PERSONS_MAX: usize = 1_000;

/// A place to live in: a province, and its commune where somebody said so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    pub province: Province,
    /// Of this province.
    pub commune: Option<Commune>,
}

impl Place {
    /// Reads a commune beside its province; empty where it is not known.
    pub fn read(province: Province, commune: &str) -> Result<Place, Refusal> {
        if commune.is_empty() {
            let commune = None;
            return Ok(Place { province, commune });
        }
        let commune: Commune = commune.parse()?;
        if commune.province() != province {
            let sentence = "the commune belongs to another province";
            return Err(Refusal::new("commune_of_other_province", sentence));
        }
        let commune = Some(commune);
        Ok(Place { province, commune })
    }

    /// Whether the place says nothing beyond another one: the same, or its province alone.
    pub fn repeats(self, known: Place) -> bool {
        self == known || (self.commune.is_none() && self.province == known.province)
    }

    /// A place that says the province alone leaves a commune of it as it is known.
    pub fn completed(self, known: Option<Place>) -> Place {
        known.filter(|it| self.repeats(*it)).unwrap_or(self)
    }
}

/// Brings the residences of people of whom something was told up to date. Says nothing itself:
/// returned is what to say of each partition, for whoever takes their sequences in order.
pub(crate) async fn settle(
    tx: &mut PgConnection,
    news: &[(Part, PersonNo)],
    now: DateTime<Utc>,
) -> Result<BTreeMap<Part, Vec<Event>>, Error> {
    let persons: Vec<PersonNo> = news.iter().map(|(_, it)| *it).collect();
    let moving = store::people_moving(tx, &persons).await?;
    if moving.is_empty() {
        return Ok(BTreeMap::new());
    }
    // Files and moves take turns, so that the versions of a person do not collide.
    store::lock_registry(tx).await?;
    let mut changed = Vec::new();
    for standing in store::standing(tx, &moving).await? {
        if let Some((place, author)) = standing.due() {
            changed.push(NewResidence {
                person_no: standing.person_no,
                version: standing.version + 1,
                place,
                author,
            });
        }
    }
    if changed.is_empty() {
        return Ok(BTreeMap::new());
    }
    store::insert_residences(tx, &changed, now).await?;
    let places: BTreeMap<PersonNo, Place> = changed
        .into_iter()
        .map(|it| (it.person_no, it.place))
        .collect();
    let import_no = store::next_import_no(&mut *tx).await?;
    Ok(events(
        (import_no, &mut 0),
        told_again(tx, &places).await?,
        now,
    ))
}

impl Standing {
    /// Where the person lives now by all that was told, where that is not what stands. A person
    /// of whom nothing is left but a move that never was stays there.
    fn due(&self) -> Option<(Place, Author)> {
        let by_file = self
            .by_file
            .map(|(import_no, it)| (it, Author::File(import_no)));
        let moved = self.moved.clone();
        let moved = moved.map(|(event_id, it)| (it, Author::Move(event_id)));
        let due = moved.or(by_file);
        due.filter(|(place, _)| self.current != Some(*place))
    }
}

/// People who are in the registry, with where they live now.
pub(crate) async fn told_again(
    tx: &mut PgConnection,
    places: &BTreeMap<PersonNo, Place>,
) -> Result<Vec<RegisteredPerson>, Error> {
    let persons: Vec<PersonNo> = places.keys().copied().collect();
    let papers = store::papers(tx, &persons).await?.into_iter();
    Ok(papers
        .map(|it| {
            let place = places[&it.person_no];
            registered(it, place)
        })
        .collect())
}

pub(crate) fn registered(papers: Papers, place: Place) -> RegisteredPerson {
    RegisteredPerson {
        person_no: papers.person_no,
        citizen_index: papers.citizen_index,
        name: papers.name_sealed,
        province: Some(place.province),
        commune: place.commune.map(Commune::number),
        birth_date: Some(papers.birth_date.to_iso()),
    }
}

/// Tells people in messages of one partition each, numbered on from `message` within the import.
pub(crate) fn events(
    (import_no, message): (i64, &mut i64),
    persons: Vec<RegisteredPerson>,
    now: DateTime<Utc>,
) -> BTreeMap<Part, Vec<Event>> {
    let mut parts: BTreeMap<Part, Vec<RegisteredPerson>> = BTreeMap::new();
    for person in persons {
        parts
            .entry(person.person_no.part())
            .or_default()
            .push(person);
    }
    let mut said = BTreeMap::new();
    for (part, persons) in parts {
        let messages = persons.chunks(PERSONS_MAX).map(|persons| {
            *message += 1;
            let registered = PersonsRegistered {
                import_no,
                part,
                batch: *message,
                persons: persons.to_vec(),
            };
            Event::of(&registered, now)
        });
        said.insert(part, messages.collect());
    }
    said
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(text: &str) -> Place {
        let (province, commune) = text.split_once(' ').unwrap_or((text, ""));
        Place::read(province.parse().unwrap(), commune).unwrap()
    }

    #[test]
    fn a_commune_is_of_its_province() {
        let read = |commune| Place::read("01".parse().unwrap(), commune).map_err(|it| it.code);
        assert_eq!(read("00004"), Ok(place("01 00004")));
        assert_eq!(read(""), Ok(place("01")));
        for (wrong, code) in [
            ("4", "commune_invalid"),
            ("00001", "commune_unknown"),
            ("25747", "commune_of_other_province"),
        ] {
            assert_eq!(read(wrong), Err(code), "{wrong}");
        }
    }

    #[test]
    fn who_says_less_changes_nothing() {
        for (said, known, repeats) in [
            ("01", "01", true),
            ("01", "01 00004", true),
            ("01 00004", "01 00004", true),
            ("01 00004", "01", false),
            ("01 00008", "01 00004", false),
            ("79", "01 00004", false),
        ] {
            assert_eq!(place(said).repeats(place(known)), repeats, "{said} {known}");
            let completed = place(said).completed(Some(place(known)));
            let expected = if repeats { known } else { said };
            assert_eq!(completed, place(expected), "{said} {known}");
        }
        assert_eq!(place("01").completed(None), place("01"));
    }

    #[test]
    fn the_latest_move_stands_and_without_it_what_the_file_said() {
        let standing = |current: &str, by_file: &str, moved: &str| Standing {
            person_no: PersonNo(1),
            version: 1,
            current: (!current.is_empty()).then(|| place(current)),
            by_file: (!by_file.is_empty()).then(|| (7, place(by_file))),
            moved: (!moved.is_empty()).then(|| ("M".to_owned(), place(moved))),
        };
        let moved = |to: &str| Some((place(to), Author::Move("M".to_owned())));
        let file = |to: &str| Some((place(to), Author::File(7)));
        for (current, by_file, last_move, due) in [
            ("01", "01", "79 25747", moved("79 25747")),
            ("79 25747", "01", "79 25747", None),
            ("79 25747", "01", "79", moved("79")),
            ("79 25747", "01", "", file("01")),
            ("01", "01", "", None),
            ("", "", "79", moved("79")),
            ("79", "", "", None),
        ] {
            let found = standing(current, by_file, last_move).due();
            assert_eq!(found, due, "{current} {by_file} {last_move}");
        }
    }
}

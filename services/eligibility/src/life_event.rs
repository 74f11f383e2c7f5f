//! What happens in people's lives, as an import or the population register tells it.
//!
//! An event has the number its teller gave it: told again it is the same one, and with another
//! content it is refused. Nothing is edited; a later word may say that an event never was.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use chrono::{DateTime, NaiveDate, Utc};
use domain::{Part, PersonNo};
use privacy::BlindIndex;
use rules::EventKind;
use sqlx::PgConnection;

use crate::Error;
use crate::residence::Place;
use crate::store::{self, EventKey, NewLifeEvent, NewRevocation};

mod import;

pub use import::import_events;

/// A word about a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Told {
    pub citizen_index: BlindIndex,
    /// The teller's own number of the event that the word is about.
    pub event_id: String,
    pub word: Word,
    /// Who told it.
    pub source: Arc<str>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Word {
    Happened {
        kind: EventKind,
        happened_on: NaiveDate,
        /// Where somebody who moved lives from then on, where the teller says so.
        place: Option<Place>,
    },
    /// The event never was. It may be told before the event is.
    Revoked,
}

/// What became of words.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Recorded {
    /// People of whom something new is known, each once.
    pub news: Vec<(Part, PersonNo)>,
    /// Told before, the same.
    pub duplicates: u64,
    /// About people who are not in the registry.
    pub unknown: u64,
    /// Told before with another kind, day or place; what was told first stands.
    pub differing: u64,
}

/// What a word means beside what is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Meaning {
    New(PersonNo),
    Duplicate,
    UnknownPerson,
    Differs,
}

type Happened = (EventKind, NaiveDate, Option<Place>);

/// What is known of the people and events that words are about.
struct Known {
    persons: HashMap<BlindIndex, PersonNo>,
    events: BTreeMap<EventKey, Happened>,
    revoked: BTreeSet<EventKey>,
}

/// Records words in the order they are told. Who calls decides again about the people of whom
/// there is news, in the same transaction.
pub(crate) async fn record(
    tx: &mut PgConnection,
    told: &[Told],
    now: DateTime<Utc>,
) -> Result<Recorded, Error> {
    let mut known = Known::of(tx, told).await?;
    let mut recorded = Recorded::default();
    let mut new = Vec::new();
    for word in told {
        match known.meaning(word) {
            Meaning::New(person_no) => {
                known.add(person_no, word);
                new.push((person_no, word));
            }
            Meaning::Duplicate => recorded.duplicates += 1,
            Meaning::UnknownPerson => recorded.unknown += 1,
            Meaning::Differs => recorded.differing += 1,
        }
    }
    recorded.news = write(tx, &new, now).await?;
    Ok(recorded)
}

impl Known {
    async fn of(tx: &mut PgConnection, told: &[Told]) -> Result<Known, Error> {
        let indexes = told.iter().map(|it| it.citizen_index.as_bytes().to_vec());
        let indexes: Vec<Vec<u8>> = indexes.collect();
        let persons = store::persons_by_index(tx, &indexes).await?.into_iter();
        let persons: HashMap<BlindIndex, PersonNo> = persons
            .map(|(index, person_no, _)| (index, person_no))
            .collect();
        let key = |it: &Told| {
            let person_no = persons.get(&it.citizen_index)?;
            Some((*person_no, it.event_id.clone()))
        };
        let keys: Vec<EventKey> = told.iter().filter_map(key).collect();
        let mut events = BTreeMap::new();
        for (key, (kind, happened_on, place)) in store::life_events(tx, &keys).await? {
            let kind = kind
                .parse()
                .map_err(|it: domain::Refusal| Error::Inputs(format!("a life event: {it}")))?;
            events.insert(key, (kind, happened_on, place));
        }
        let revoked = store::revocations(tx, &keys).await?.into_iter().collect();
        Ok(Known {
            persons,
            events,
            revoked,
        })
    }

    fn meaning(&self, told: &Told) -> Meaning {
        let Some(person_no) = self.persons.get(&told.citizen_index) else {
            return Meaning::UnknownPerson;
        };
        let key = (*person_no, told.event_id.clone());
        match (told.word, self.events.get(&key)) {
            (
                Word::Happened {
                    kind,
                    happened_on,
                    place,
                },
                Some(known),
            ) => {
                if *known == (kind, happened_on, place) {
                    Meaning::Duplicate
                } else {
                    Meaning::Differs
                }
            }
            (Word::Revoked, _) if self.revoked.contains(&key) => Meaning::Duplicate,
            (Word::Happened { .. }, None) | (Word::Revoked, _) => Meaning::New(*person_no),
        }
    }

    fn add(&mut self, person_no: PersonNo, told: &Told) {
        let key = (person_no, told.event_id.clone());
        match told.word {
            Word::Happened {
                kind,
                happened_on,
                place,
            } => {
                self.events.insert(key, (kind, happened_on, place));
            }
            Word::Revoked => {
                self.revoked.insert(key);
            }
        }
    }

    /// Whether the event that a revocation is about was ever told of the person.
    fn has_event(&self, told: &Told) -> bool {
        let person_no = self.persons.get(&told.citizen_index);
        let key = person_no.map(|it| (*it, told.event_id.clone()));
        key.is_some_and(|it| self.events.contains_key(&it))
    }
}

/// Adds what is new, in the order of keys, so that two who write at once do not block each other
/// for ever.
async fn write(
    tx: &mut PgConnection,
    new: &[(PersonNo, &Told)],
    now: DateTime<Utc>,
) -> Result<Vec<(Part, PersonNo)>, Error> {
    let mut new = new.to_vec();
    new.sort_by_key(|(person_no, it)| (person_no.part(), *person_no, it.event_id.clone()));
    let (mut events, mut revocations) = (Vec::new(), Vec::new());
    for (person_no, told) in &new {
        let (person_no, event_id, source) = (*person_no, &told.event_id[..], &*told.source);
        match told.word {
            Word::Happened {
                kind,
                happened_on,
                place,
            } => events.push(NewLifeEvent {
                person_no,
                event_id,
                kind,
                happened_on,
                place,
                source,
            }),
            Word::Revoked => revocations.push(NewRevocation {
                person_no,
                event_id,
                source,
            }),
        }
    }
    store::insert_life_events(tx, &events, now).await?;
    store::insert_revocations(tx, &revocations, now).await?;
    let mut news: Vec<(Part, PersonNo)> = new.iter().map(|(it, _)| (it.part(), *it)).collect();
    news.dedup();
    Ok(news)
}

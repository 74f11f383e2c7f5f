use std::collections::HashMap;

use chrono::{DateTime, NaiveDate, Utc};
use domain::{PersonNo, Programme, Province, Refusal, Sex};
use intake::{FileError, Refused, Report, Row, Sums, TableFile};
use privacy::{BlindIndex, Field, Keys};
use rules::{Facts, Law};
use sqlx::{PgConnection, PgPool};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::registry::{Asked, Enrolment, Layout, Refusable, Registration};
use crate::store::{self, NewEnrolment, NewPerson};
use crate::{Error, residence};

mod homes;
mod mirror;
mod sentence;

pub use mirror::write_mirror;

use homes::{Homes, Said};

/// Rows of one transaction.
const BATCH: usize = 5000;

/// Imports a registry file, CSV or workbook, whose columns are what the programmes of `law` ask
/// for. Rows stream in batches, each of them in one transaction; whatever stops the import, the
/// same file imported again completes it and changes nothing else.
///
/// # Errors
/// [`Error::File`] where the file or its header cannot be read, and then nothing has happened.
pub async fn import_registry(
    pool: &PgPool,
    keys: &Keys,
    law: &Law,
    file: impl Into<TableFile>,
    now: DateTime<Utc>,
) -> Result<Report, Error> {
    let file = &file.into();
    let sha256 = digest(file).await?;
    if let Some((_, sums)) = store::import_of(pool, &sha256).await? {
        return Ok(Report {
            sums,
            repeated: true,
            refusals: Vec::new(),
        });
    }
    messaging::register(pool, &[events::ELIGIBILITY.to_owned()]).await?;
    let mut import = Import {
        law,
        import_no: store::next_import_no(pool).await?,
        messages: 0,
        today: boot::clock::today_in_vietnam(now),
        repeated: Repeated::default(),
        said: Said::default(),
        report: empty_report(),
    };
    let asked = Asked::by(law);
    let header = move |columns: &[&'static str]| Layout::of(&asked, columns);
    let (mut read, reader) = read_in_background(file, header, Layout::parse);
    while let Some(rows) = read.recv().await {
        let mut tx = pool.begin().await?;
        let outcome = import.apply(&mut tx, keys, rows, now).await?;
        tx.commit().await?;
        import.report.sums = outcome.0;
        import.report.show(&outcome.1);
    }
    reader.await.expect("reading rows does not panic")?;
    assert!(
        import.report.sums.add_up(),
        "a row is accepted, refused or a duplicate"
    );
    let sheet = file.sheet.as_deref();
    let done = (import.import_no, &sha256, sheet);
    store::insert_import(pool, done, &import.report.sums, now).await?;
    Ok(import.report)
}

pub(crate) async fn digest(file: &TableFile) -> Result<[u8; 32], Error> {
    let file = file.clone();
    let digest = tokio::task::spawn_blocking(move || file.digest());
    Ok(digest.await.expect("reading a file does not panic")?)
}

pub(crate) fn empty_report() -> Report {
    Report {
        sums: Sums::default(),
        repeated: false,
        refusals: Vec::new(),
    }
}

type Read<T> = mpsc::Receiver<Vec<Result<T, Refused>>>;

/// Reads a file beside those who wait for the database. Two batches wait at most: reading never
/// runs ahead of it.
pub(crate) fn read_in_background<H, T: Send + 'static>(
    file: &TableFile,
    header: impl FnOnce(&[&'static str]) -> Result<H, FileError> + Send + 'static,
    parse: impl Fn(&H, &Row) -> Result<T, Refused> + Send + 'static,
) -> (Read<T>, JoinHandle<Result<(), FileError>>) {
    let file = file.clone();
    let (batches, read) = mpsc::channel(2);
    let reader = tokio::task::spawn_blocking(move || {
        // Nobody listens only where the import has failed; its error is the one to tell.
        let take = |rows| batches.blocking_send(rows).is_ok();
        file.read_batches(BATCH, header, parse, take)
    });
    (read, reader)
}

struct Import<'a> {
    law: &'a Law,
    import_no: i64,
    /// Messages said so far.
    messages: i64,
    today: NaiveDate,
    repeated: Repeated,
    said: Said,
    report: Report,
}

/// Enrolments that the file has repeated as they are known: a bit each, by person and programme,
/// so that a file of the whole nation fits. What the file has changed is in the database.
#[derive(Default)]
struct Repeated(Vec<u16>);

/// What is known of a citizen: the number, and a fingerprint of the papers.
#[derive(Clone, Copy)]
struct Known {
    person_no: PersonNo,
    identity: BlindIndex,
}

impl Repeated {
    fn add(&mut self, (person_no, programme): (PersonNo, Programme)) {
        let index = usize::try_from(person_no.0).expect("people are numbered from 1");
        if self.0.len() <= index {
            self.0.resize(index + 1, 0);
        }
        self.0[index] |= 1 << programme.number();
    }

    fn has(&self, (person_no, programme): (PersonNo, Programme)) -> bool {
        let index = usize::try_from(person_no.0).expect("people are numbered from 1");
        let bits = self.0.get(index).copied().unwrap_or_default();
        bits & (1 << programme.number()) != 0
    }
}

/// A row beside what it is found by.
struct Candidate {
    index: BlindIndex,
    identity: BlindIndex,
    /// Canonical JSON, as it is stored.
    facts: String,
    registration: Registration,
}

/// An enrolment as it stands.
struct Held {
    version: i16,
    province: Province,
    valid_from: Option<NaiveDate>,
    facts: String,
    /// Whether this very file had it before.
    ours: bool,
}

impl Import<'_> {
    /// One batch; the new sums and refusals count once its transaction is committed.
    async fn apply(
        &mut self,
        tx: &mut PgConnection,
        keys: &Keys,
        rows: Vec<Refusable>,
        now: DateTime<Utc>,
    ) -> Result<(Sums, Vec<Refused>), Error> {
        let (mut sums, mut refused, mut read) = (self.report.sums, Vec::new(), Vec::new());
        for row in rows {
            // The file is counted on its own, before anything is decided about the row.
            sums.file.add(
                row.as_ref()
                    .map_or_else(|it| it.amount, Registration::amount),
            );
            match row.and_then(|it| self.born(it)) {
                Ok(registration) => read.push(Candidate::of(keys, registration)),
                Err(refusal) => refused.push(refusal),
            }
        }
        store::lock_registry(tx).await?;
        let mut known = known(tx, &read).await?;
        let mut homes = homes_of(tx, &known).await?;
        let persons = self.admit(tx, keys, &read, &mut known).await?;
        let mut enrolled = self.enrolled(tx, &read, &known).await?;
        let mut accepted: Vec<NewEnrolment> = Vec::with_capacity(read.len());
        for row in read {
            let Known {
                person_no,
                identity,
            } = known[&row.index];
            let amount = row.registration.amount();
            let key = (person_no, row.registration.enrolment.programme);
            let judged = self.judge(enrolled.get(&key), &row, identity);
            let judged = judged.and_then(|version| {
                let moved = homes.hear(person_no, row.registration.place(), &mut self.said)?;
                Ok((version, moved))
            });
            match judged {
                Ok((version, moved)) => {
                    if let Some(version) = version {
                        enrolled.insert(key, row.held(version));
                        accepted.push(row.enrol(person_no, version));
                    } else {
                        self.repeated.add(key);
                        enrolled.entry(key).and_modify(|it| it.ours = true);
                    }
                    if version.is_some() || moved {
                        sums.accepted.add(amount);
                    } else {
                        sums.duplicates.add(amount);
                    }
                }
                Err((column, code, sentence)) => {
                    let refusal = Refusal::new(code, sentence);
                    let at = Refused::at(row.registration.line, column, refusal);
                    refused.push(at.with_amount(amount));
                }
            }
        }
        for refusal in &refused {
            sums.refused.add(refusal.amount);
        }
        store::insert_enrolments(tx, self.import_no, &accepted, now).await?;
        store::insert_refusals(tx, self.import_no, &refused).await?;
        self.settle(tx, persons, homes, now).await?;
        Ok((sums, refused))
    }

    /// Nobody is enrolled before the day of birth.
    fn born(&self, registration: Registration) -> Refusable {
        if registration.birth_date.date() <= self.today {
            return Ok(registration);
        }
        let future = Refusal::new("birth_date_future", "the date of birth is in the future");
        let refused = Refused::at(registration.line, "birth_date", future);
        Err(refused.with_amount(registration.amount()))
    }

    /// Numbers, seals and remembers the citizens that are not in the registry yet.
    async fn admit(
        &self,
        tx: &mut PgConnection,
        keys: &Keys,
        read: &[Candidate],
        known: &mut HashMap<BlindIndex, Known>,
    ) -> Result<Vec<NewPerson>, Error> {
        let mut fresh: Vec<&Candidate> = Vec::new();
        for row in read {
            if let std::collections::hash_map::Entry::Vacant(place) = known.entry(row.index) {
                place.insert(Known {
                    person_no: PersonNo(0),
                    identity: row.identity,
                });
                fresh.push(row);
            }
        }
        let first = store::take_person_numbers(tx, fresh.len()).await?;
        let mut persons = Vec::with_capacity(fresh.len());
        for (number, row) in (first..).zip(fresh) {
            let person_no = PersonNo(number);
            known.insert(
                row.index,
                Known {
                    person_no,
                    identity: row.identity,
                },
            );
            persons.push(row.person(keys, person_no));
        }
        Ok(persons)
    }

    /// Current enrolments of the people of this batch.
    async fn enrolled(
        &self,
        tx: &mut PgConnection,
        read: &[Candidate],
        known: &HashMap<BlindIndex, Known>,
    ) -> Result<HashMap<(PersonNo, Programme), Held>, Error> {
        let wanted: Vec<(PersonNo, Programme)> = read
            .iter()
            .map(|it| {
                (
                    known[&it.index].person_no,
                    it.registration.enrolment.programme,
                )
            })
            .collect();
        let current = store::current_enrolments(tx, &wanted).await?;
        let entry = |it: store::Current| {
            let key = (it.person_no, it.programme);
            let held = Held {
                version: it.version,
                province: it.province,
                valid_from: it.valid_from,
                facts: it.facts,
                ours: it.import_no == self.import_no || self.repeated.has(key),
            };
            (key, held)
        };
        Ok(current.into_iter().map(entry).collect())
    }

    /// What a row means beside what is enrolled already, and beside whose papers are known.
    /// The version to add, or none where the row repeats what is known.
    fn judge(
        &self,
        held: Option<&Held>,
        row: &Candidate,
        papers: BlindIndex,
    ) -> Result<Option<i16>, Objection> {
        if papers != row.identity {
            let sentence = "this citizen number stands in the registry with another name, \
                            birth date or sex";
            return Err(("citizen_number", "identity_conflict", sentence));
        }
        match held {
            None => Ok(Some(1)),
            Some(held) if self.same(held, row) => Ok(None),
            Some(held) if held.ours => {
                let sentence =
                    "this file has the person in this programme twice, with different facts";
                Err(("row", "duplicate_differs", sentence))
            }
            // Another file: what is known changes from now on.
            Some(held) => Ok(Some(held.version + 1)),
        }
    }

    /// Facts that were written by other hands than ours are compared by what they say.
    fn same(&self, held: &Held, row: &Candidate) -> bool {
        let enrolment = &row.registration.enrolment;
        let stated = || {
            let rules = self.law.programme(enrolment.programme)?;
            Facts::stored(rules, &held.facts).ok()
        };
        held.province == enrolment.province
            && held.valid_from == enrolment.valid_from
            && (held.facts == row.facts || stated().is_some_and(|it| it == enrolment.facts))
    }

    /// Adds people and where they live, and tells who is new or lives elsewhere now.
    async fn settle(
        &mut self,
        tx: &mut PgConnection,
        persons: Vec<NewPerson>,
        homes: Homes,
        now: DateTime<Utc>,
    ) -> Result<(), Error> {
        store::insert_persons(tx, &persons).await?;
        let (residences, mut places) = homes.changes(self.import_no);
        store::insert_residences(tx, &residences, now).await?;
        let mut told = Vec::with_capacity(places.len());
        for person in persons {
            // Who is new is told from the papers at hand.
            if let Some(place) = places.remove(&person.person_no) {
                told.push(residence::registered(person.into_papers(), place));
            }
        }
        told.extend(residence::told_again(tx, &places).await?);
        let numbers = (self.import_no, &mut self.messages);
        let said = residence::events(numbers, told, now).into_values();
        messaging::append(tx, said.flatten().collect(), now).await?;
        Ok(())
    }
}

impl Candidate {
    fn of(keys: &Keys, registration: Registration) -> Candidate {
        let number = registration.citizen_number.expose();
        Candidate {
            index: keys.index(Field::CitizenNumber, number),
            identity: identity_of(keys, &registration),
            facts: registration.enrolment.facts.to_json(),
            registration,
        }
    }

    fn person(&self, keys: &Keys, person_no: PersonNo) -> NewPerson {
        let Registration {
            citizen_number,
            name,
            birth_date,
            sex,
            ..
        } = &self.registration;
        let context = person_no.0.to_be_bytes();
        NewPerson {
            person_no,
            citizen_index: self.index,
            citizen_sealed: keys.seal(Field::CitizenNumber, &context, citizen_number.expose()),
            name_sealed: keys.seal(Field::PersonName, &context, name.expose()),
            identity_index: self.identity,
            birth_date: *birth_date,
            sex: *sex,
        }
    }

    fn held(&self, version: i16) -> Held {
        let Enrolment {
            province,
            valid_from,
            ..
        } = self.registration.enrolment;
        Held {
            version,
            province,
            valid_from,
            facts: self.facts.clone(),
            ours: true,
        }
    }

    fn enrol(self, person_no: PersonNo, version: i16) -> NewEnrolment {
        let Enrolment {
            province,
            programme,
            valid_from,
            ..
        } = self.registration.enrolment;
        NewEnrolment {
            person_no,
            version,
            programme,
            province,
            valid_from,
            facts: self.facts,
        }
    }
}

/// Those of a batch who are in the registry.
async fn known(
    tx: &mut PgConnection,
    read: &[Candidate],
) -> Result<HashMap<BlindIndex, Known>, Error> {
    let indexes: Vec<Vec<u8>> = read.iter().map(|it| it.index.as_bytes().to_vec()).collect();
    let persons = store::persons_by_index(tx, &indexes).await?.into_iter();
    let known = |(index, person_no, identity)| {
        let known = Known {
            person_no,
            identity,
        };
        (index, known)
    };
    Ok(persons.map(known).collect())
}

/// Where the people of a batch live who are in the registry.
async fn homes_of(
    tx: &mut PgConnection,
    known: &HashMap<BlindIndex, Known>,
) -> Result<Homes, Error> {
    let persons: Vec<PersonNo> = known.values().map(|it| it.person_no).collect();
    Homes::of(tx, &persons).await
}

/// Column, code and sentence of a row that is refused.
type Objection = (&'static str, &'static str, &'static str);

fn identity_of(keys: &Keys, registration: &Registration) -> BlindIndex {
    let birth = registration.birth_date;
    let sex = if registration.sex == Sex::Male {
        'm'
    } else {
        'f'
    };
    let papers = format!(
        "{}|{}|{}|{sex}",
        registration.name.expose(),
        birth.date(),
        birth.is_year_only(),
    );
    keys.index(Field::PersonName, &papers)
}

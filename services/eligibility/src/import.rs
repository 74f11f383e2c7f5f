use std::collections::HashMap;
use std::path::Path;

use chrono::{DateTime, NaiveDate, Utc};
use domain::{PersonNo, Programme, Refusal, Sex};
use events::{Event, PersonsRegistered, RegisteredPerson};
use intake::{Refused, Report, Sums};
use privacy::{BlindIndex, Field, Keys};
use sqlx::{PgConnection, PgPool};
use tokio::sync::mpsc;

use crate::registry::{Enrolment, HEADER, Registration};
use crate::store::{self, NewEnrolment, NewPerson};
use crate::{Error, Refusable};

/// A registry file to fill in, with one example row a programme.
pub const TEMPLATE: &str = "\
citizen_number,full_name,birth_date,sex,province,programme,granted_amount,category,household
001148000001,Nguyễn Thị Ánh,12/05/1948,nữ,01,HTXH,,,
079050000002,Trần Văn Bình,1950,nam,79,LUONG_HUU,5200000,,
038190000003,Lê Thị Chi,03/02/1990,nữ,38,TCXH,,severe,poor
040045000004,Phạm Văn Đức,20/11/1945,nam,40,NCC_THANG,,martyr_relative_1,
";

/// Rows of one transaction.
const BATCH: usize = 5000;

/// Imports a registry file. Rows stream in batches, each of them in one transaction; whatever
/// stops the import, the same file imported again completes it and changes nothing else.
pub async fn import_registry(
    pool: &PgPool,
    keys: &Keys,
    path: &Path,
    now: DateTime<Utc>,
) -> Result<Report, Error> {
    let (file, sha256) = (path.to_owned(), path.to_owned());
    let sha256 = tokio::task::spawn_blocking(move || intake::digest(&sha256));
    let sha256 = sha256.await.expect("reading a file does not panic")?;
    if let Some(sums) = store::import_of(pool, &sha256).await? {
        return Ok(Report {
            sums,
            repeated: true,
            refusals: Vec::new(),
        });
    }
    messaging::register(pool, &[events::ELIGIBILITY.to_owned()]).await?;
    let mut import = Import {
        import_no: store::next_import_no(pool).await?,
        batch: 0,
        today: boot::clock::today_in_vietnam(now),
        repeated: Repeated::default(),
        report: Report {
            sums: Sums::default(),
            repeated: false,
            refusals: Vec::new(),
        },
    };
    // Two batches wait at most: reading never runs ahead of the database.
    let (batches, mut read) = mpsc::channel(2);
    let reader = tokio::task::spawn_blocking(move || {
        // Nobody listens only where the import has failed; its error is the one to tell.
        let take = |rows| batches.blocking_send(rows).is_ok();
        intake::read_batches(&file, &HEADER, BATCH, Registration::parse, take)
    });
    while let Some(rows) = read.recv().await {
        import.batch += 1;
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
    store::insert_import(pool, import.import_no, &sha256, &import.report.sums, now).await?;
    Ok(import.report)
}

struct Import {
    import_no: i64,
    batch: i64,
    today: NaiveDate,
    repeated: Repeated,
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

impl Import {
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
                Ok(registration) => {
                    let number = registration.citizen_number.expose();
                    let index = keys.index(Field::CitizenNumber, number);
                    read.push((index, identity_of(keys, &registration), registration));
                }
                Err(refusal) => refused.push(refusal),
            }
        }
        store::lock_registry(tx).await?;
        let mut known = known(tx, &read).await?;
        let persons = self.admit(tx, keys, &read, &mut known).await?;
        let mut enrolled = self.enrolled(tx, &read, &known).await?;
        let mut accepted: Vec<NewEnrolment> = Vec::with_capacity(read.len());
        for (index, identity, registration) in &read {
            let Known {
                person_no,
                identity: papers,
            } = known[index];
            let amount = registration.amount();
            let key = (person_no, registration.enrolment.programme);
            let verdict = judge(
                enrolled.get(&key),
                &registration.enrolment,
                papers == *identity,
            );
            match verdict {
                Verdict::New { version } => {
                    accepted.push(NewEnrolment {
                        person_no,
                        version,
                        enrolment: registration.enrolment,
                    });
                    enrolled.insert(key, (registration.enrolment, version, true));
                    sums.accepted.add(amount);
                }
                Verdict::Duplicate => {
                    sums.duplicates.add(amount);
                    self.repeated.add(key);
                    enrolled.entry(key).and_modify(|it| it.2 = true);
                }
                Verdict::Refused(column, code, sentence) => {
                    let refusal = Refusal::new(code, sentence);
                    let at = Refused::at(registration.line, column, refusal);
                    refused.push(at.with_amount(amount));
                }
            }
        }
        for refusal in &refused {
            sums.refused.add(refusal.amount);
        }
        self.write(tx, &persons, &accepted, &refused, now).await?;
        Ok((sums, refused))
    }

    /// Nobody is enrolled before the day of birth.
    fn born(&self, registration: Registration) -> Refusable {
        if registration.birth_date.date() <= self.today {
            return Ok(registration);
        }
        let future = Refusal::new("birth_date_future", "the date of birth is in the future");
        let refused = Refused::at(registration.line, HEADER[2], future);
        Err(refused.with_amount(registration.amount()))
    }

    /// Numbers, seals and remembers the citizens that are not in the registry yet.
    async fn admit(
        &self,
        tx: &mut PgConnection,
        keys: &Keys,
        read: &[(BlindIndex, BlindIndex, Registration)],
        known: &mut HashMap<BlindIndex, Known>,
    ) -> Result<Vec<NewPerson>, Error> {
        let mut fresh: Vec<&(BlindIndex, BlindIndex, Registration)> = Vec::new();
        for row in read {
            if let std::collections::hash_map::Entry::Vacant(place) = known.entry(row.0) {
                place.insert(Known {
                    person_no: PersonNo(0),
                    identity: row.1,
                });
                fresh.push(row);
            }
        }
        let first = store::take_person_numbers(tx, fresh.len()).await?;
        let mut persons = Vec::with_capacity(fresh.len());
        for (number, (index, identity, registration)) in (first..).zip(fresh) {
            let person_no = PersonNo(number);
            let context = number.to_be_bytes();
            known.insert(
                *index,
                Known {
                    person_no,
                    identity: *identity,
                },
            );
            persons.push(NewPerson {
                person_no,
                citizen_index: *index,
                citizen_sealed: keys.seal(
                    Field::CitizenNumber,
                    &context,
                    registration.citizen_number.expose(),
                ),
                name_sealed: keys.seal(Field::PersonName, &context, registration.name.expose()),
                identity_index: *identity,
                birth_date: registration.birth_date,
                sex: registration.sex,
            });
        }
        Ok(persons)
    }

    /// Current enrolments of the people of this batch; true where this very file had them before.
    async fn enrolled(
        &self,
        tx: &mut PgConnection,
        read: &[(BlindIndex, BlindIndex, Registration)],
        known: &HashMap<BlindIndex, Known>,
    ) -> Result<HashMap<(PersonNo, Programme), (Enrolment, i16, bool)>, Error> {
        let wanted: Vec<(PersonNo, Programme)> = read
            .iter()
            .map(|(it, _, row)| (known[it].person_no, row.enrolment.programme))
            .collect();
        let current = store::current_enrolments(tx, &wanted).await?;
        let entry = |it: store::Current| {
            let key = (it.person_no, it.enrolment.programme);
            let ours = it.import_no == self.import_no || self.repeated.has(key);
            (key, (it.enrolment, it.version, ours))
        };
        Ok(current.into_iter().map(entry).collect())
    }

    async fn write(
        &self,
        tx: &mut PgConnection,
        persons: &[NewPerson],
        accepted: &[NewEnrolment],
        refused: &[Refused],
        now: DateTime<Utc>,
    ) -> Result<(), Error> {
        store::insert_persons(tx, persons).await?;
        store::insert_enrolments(tx, self.import_no, accepted, now).await?;
        store::insert_refusals(tx, self.import_no, refused).await?;
        let mut parts: HashMap<domain::Part, Vec<RegisteredPerson>> = HashMap::new();
        for person in persons {
            parts
                .entry(person.person_no.part())
                .or_default()
                .push(RegisteredPerson {
                    person_no: person.person_no,
                    citizen_index: person.citizen_index,
                    name: person.name_sealed.clone(),
                });
        }
        let said = parts.into_iter().map(|(part, persons)| {
            let registered = PersonsRegistered {
                import_no: self.import_no,
                part,
                batch: self.batch,
                persons,
            };
            Event::of(&registered, now)
        });
        messaging::append(tx, said.collect(), now).await?;
        Ok(())
    }
}

/// Those of a batch who are in the registry.
async fn known(
    tx: &mut PgConnection,
    read: &[(BlindIndex, BlindIndex, Registration)],
) -> Result<HashMap<BlindIndex, Known>, Error> {
    let indexes: Vec<Vec<u8>> = read.iter().map(|(it, ..)| it.as_bytes().to_vec()).collect();
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

enum Verdict {
    New { version: i16 },
    Duplicate,
    Refused(&'static str, &'static str, &'static str),
}

/// What a row means beside what is enrolled already.
fn judge(enrolled: Option<&(Enrolment, i16, bool)>, row: &Enrolment, same_papers: bool) -> Verdict {
    if !same_papers {
        let sentence =
            "this citizen number stands in the registry with another name, birth date or sex";
        return Verdict::Refused("citizen_number", "identity_conflict", sentence);
    }
    match enrolled {
        None => Verdict::New { version: 1 },
        Some((current, ..)) if current == row => Verdict::Duplicate,
        Some((.., true)) => {
            let sentence = "this file has the person in this programme twice, with different facts";
            Verdict::Refused("row", "duplicate_differs", sentence)
        }
        // Another file: what is known changes from now on.
        Some((_, version, false)) => Verdict::New {
            version: version + 1,
        },
    }
}

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

//! How fast people are taken into the register and found in it, without the wire.

use chrono::{DateTime, NaiveDate, Utc};
use domain::{
    CHUNK_LINES_MAX, ChunkNo, LineNo, Money, Part, Period, PersonNo, Programme, Province, RunNo,
};
use events::{
    EntitlementLine, EntitlementsDetermined, Envelope, Event, PersonsRegistered, RegisteredPerson,
};
use futures::{StreamExt, TryStreamExt};
use privacy::{Field, Keys};
use serde_json::value::RawValue;
use sqlx::PgPool;

use crate::Error;
use crate::handlers::on_entitlements_determined;
use crate::store::{self, Scope};

/// Events of one transaction, and partitions at the same time, as a consumer takes them.
const BATCH: u16 = 5;
const PARTS_AT_ONCE: usize = 3;
/// Bytes of a determination's explanation as it travels behind a line.
const EXPLANATION: usize = 600;

/// Citizens whose numbers follow from theirs in the register, the first `count` of them.
#[derive(Debug, Clone, Copy)]
pub struct Crowd {
    pub count: i64,
    pub province: Province,
}

impl Crowd {
    /// Born in Hà Nội between 1900 and 1999, a million men in each year.
    ///
    /// # Panics
    /// Past a hundred million people.
    pub fn citizen_number(person_no: i64) -> String {
        assert!((0..100_000_000).contains(&person_no), "the century is full");
        format!(
            "0010{:02}{:06}",
            person_no / 1_000_000,
            person_no % 1_000_000
        )
    }

    /// The people of a partition, in order.
    fn of(self, part: Part) -> impl Iterator<Item = PersonNo> {
        let first = i64::from(part.number());
        let people = (first..=self.count).step_by(usize::from(domain::PARTS.unsigned_abs()));
        people.filter(|it| *it > 0).map(PersonNo)
    }
}

/// Makes everybody known to the register, as eligibility tells of them.
///
/// # Errors
/// What the database says.
pub async fn register(pool: &PgPool, keys: &Keys, crowd: Crowd) -> Result<(), Error> {
    messaging::register(pool, &[events::ACCOUNTS.to_owned()]).await?;
    let of_part = async |part: Part| -> Result<(), Error> {
        let people: Vec<PersonNo> = crowd.of(part).collect();
        for (batch, people) in (0..).zip(people.chunks(5_000)) {
            let persons = people.iter().map(|person_no| RegisteredPerson {
                person_no: *person_no,
                citizen_index: keys
                    .index(Field::CitizenNumber, &Crowd::citizen_number(person_no.0)),
                name: keys.seal(
                    Field::PersonName,
                    &person_no.0.to_be_bytes(),
                    "Nguyễn Văn An",
                ),
                province: Some(crowd.province),
                commune: None,
                birth_date: None,
            });
            let registered = PersonsRegistered {
                import_no: 1,
                part,
                batch,
                persons: persons.collect(),
            };
            let mut tx = pool.begin().await?;
            store::set_scope(&mut tx, Scope::Nation).await?;
            store::upsert_persons(&mut tx, &registered).await?;
            tx.commit().await?;
        }
        Ok(())
    };
    futures::stream::iter(Part::all())
        .map(of_part)
        .buffer_unordered(2)
        .try_collect()
        .await
}

/// Finds where everybody is paid, as for a run: eligibility's events are made and read, people
/// looked up, ways and answers written and committed, several events a transaction. What is
/// left out is the wire: JetStream, relay, and the cursor with its chain of hashes.
///
/// # Errors
/// What the database says.
pub async fn resolve(pool: &PgPool, crowd: Crowd, now: DateTime<Utc>) -> Result<(), Error> {
    futures::stream::iter(Part::all())
        .map(|part| {
            let pool = pool.clone();
            let done = tokio::spawn(async move { resolve_part(&pool, crowd, part, now).await });
            async move { done.await.expect("finding people does not panic") }
        })
        .buffer_unordered(PARTS_AT_ONCE)
        .try_collect()
        .await
}

async fn resolve_part(
    pool: &PgPool,
    crowd: Crowd,
    part: Part,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    let size = usize::try_from(CHUNK_LINES_MAX).expect("a chunk is small");
    let people: Vec<PersonNo> = crowd.of(part).collect();
    let chunks: Vec<&[PersonNo]> = people.chunks(size).collect();
    let explanation = format!("{{\"facts\":\"{}\"}}", "x".repeat(EXPLANATION));
    let explanation = RawValue::from_string(explanation).expect("it is JSON");
    let mut numbers = (1..).map(ChunkNo);
    for chunks in chunks.chunks(BATCH.into()) {
        let mut tx = pool.begin().await?;
        store::set_scope(&mut tx, Scope::Nation).await?;
        let mut said = Vec::with_capacity(chunks.len());
        for (chunk, people) in numbers.by_ref().zip(chunks) {
            let heard = determined(crowd, part, chunk, people, &explanation);
            let body = Event::of(&heard, now).body;
            let read = Envelope::parse(&body)?.read()?;
            let resolved = on_entitlements_determined(&mut tx, part, read, now).await?;
            said.push(Event::of(&resolved, now));
        }
        messaging::append(&mut tx, said, now).await?;
        tx.commit().await?;
    }
    Ok(())
}

fn determined(
    crowd: Crowd,
    part: Part,
    chunk: ChunkNo,
    people: &[PersonNo],
    explanation: &RawValue,
) -> EntitlementsDetermined {
    let lines = (1..).zip(people).map(|(line, person_no)| EntitlementLine {
        line: LineNo(line),
        person_no: *person_no,
        determination_no: 1,
        amount: Money::dong(540_000),
        local: None,
        province: crowd.province,
        rate_no: 3,
        period: None,
        rule: Some("HTXH/2025-07".to_owned()),
        explanation: Some(explanation.to_owned()),
    });
    let lines: Vec<EntitlementLine> = lines.collect();
    EntitlementsDetermined {
        run_no: RunNo(1),
        part,
        chunk,
        programme: Programme::SocialPension,
        period: Period::of(NaiveDate::from_ymd_opt(2026, 12, 1).expect("a date")),
        rates: Vec::new(),
        total: Money::sum(lines.iter().map(|it| it.amount)),
        lines,
    }
}

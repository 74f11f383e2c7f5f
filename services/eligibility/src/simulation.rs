//! A draft of the law against the registry, without writing.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, Utc};
use domain::{Money, Part, Period, PersonNo, Programme, Province};
use rules::{Bench, Law};
use sqlx::{PgConnection, PgPool};

use crate::Error;
use crate::arrears::obligated;
use crate::determination::{decide, overlapping};
use crate::law::Laws;
use crate::past::{History, Present, at};
use crate::store::{self, Known};

/// People decided at a time.
const BATCH: i64 = 5_000;

/// How a person's month changes, or that past months owe more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Bucket {
    New,
    Stopped,
    Up,
    Down,
    Same,
    /// Past months owe more than was obligated for them.
    Arrears,
    /// Past months owe less.
    Overpaid,
}

/// People and đồng: what they are owed by the draft, and by the law in force.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    pub people: u64,
    pub draft: Money,
    pub in_force: Money,
}

/// The month of every person under both laws.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Simulation {
    pub tallies: BTreeMap<(Programme, Bucket, Province), Tally>,
}

impl Bucket {
    pub fn code(self) -> &'static str {
        match self {
            Bucket::New => "new",
            Bucket::Stopped => "stopped",
            Bucket::Up => "up",
            Bucket::Down => "down",
            Bucket::Same => "same",
            Bucket::Arrears => "arrears",
            Bucket::Overpaid => "overpaid",
        }
    }

    fn of(draft: Money, in_force: Money) -> Option<Bucket> {
        match (draft.is_zero(), in_force.is_zero()) {
            (true, true) => None,
            (false, true) => Some(Bucket::New),
            (true, false) => Some(Bucket::Stopped),
            _ if draft > in_force => Some(Bucket::Up),
            _ if draft < in_force => Some(Bucket::Down),
            _ => Some(Bucket::Same),
        }
    }
}

/// Decides a period for everybody under a draft and under the law in force, as both are known on
/// a day, in a transaction that cannot write.
pub async fn simulate(
    pool: &PgPool,
    draft: &Law,
    period: Period,
    known: NaiveDate,
    now: DateTime<Utc>,
) -> Result<Simulation, Error> {
    let laws = Laws::default();
    let mut tx = pool.begin().await?;
    store::read_only(&mut tx).await?;
    let in_force = laws.in_force(&mut tx).await?.law;
    let mut simulation = Simulation::default();
    for programme in draft.programmes().map(rules::ProgrammeRules::programme) {
        for part in Part::all() {
            let present = Present {
                law: draft,
                part,
                programme,
                known,
            };
            let history = History::before(&mut tx, &laws, &present, i64::MAX).await?;
            let mut after = PersonNo(-1);
            loop {
                let key = (part, programme);
                let persons = store::next_people(&mut tx, key, after, now, BATCH).await?;
                let Some(last) = persons.last() else { break };
                after = PersonNo(*last);
                let both = (draft, &*in_force);
                let batch = (&persons[..], period, now);
                simulation
                    .add(&mut tx, &present, both, &history, batch)
                    .await?;
            }
        }
    }
    tx.rollback().await?;
    Ok(simulation)
}

impl Simulation {
    async fn add(
        &mut self,
        tx: &mut PgConnection,
        present: &Present<'_>,
        (draft, in_force): (&Law, &Law),
        history: &History,
        (persons, period, now): (&[i64], Period, DateTime<Utc>),
    ) -> Result<(), Error> {
        let (part, programme) = (present.part, present.programme);
        let mut programmes = overlapping(draft, programme);
        programmes.extend(overlapping(in_force, programme));
        programmes.push(programme);
        programmes.sort_unstable();
        programmes.dedup();
        let people = store::people(tx, draft, part, persons, &programmes, now).await?;
        let standing = if history.has_changed_law() {
            store::obligations(tx, (part, programme), &history.run_nos(), persons).await?
        } else {
            BTreeMap::new()
        };
        let mut bench = Bench::new();
        for person in &people {
            let mut owed =
                |law: &Law, period: Period| owed(law, &mut bench, present, person, period);
            let Some((province, by_draft)) = owed(draft, period)? else {
                continue;
            };
            let now_owed = owed(in_force, period)?.map_or(Money::ZERO, |it| it.1);
            if let Some(bucket) = Bucket::of(by_draft, now_owed) {
                self.count((programme, bucket, province), by_draft, now_owed);
            }
            for past in history.changed_before(period) {
                let Some(obligations) = standing.get(&(person.person_no, past)) else {
                    continue;
                };
                let before = obligated(obligations);
                let Some((province, after)) = owed(draft, past)? else {
                    continue;
                };
                let bucket = match after.cmp(&before) {
                    std::cmp::Ordering::Greater => Bucket::Arrears,
                    std::cmp::Ordering::Less => Bucket::Overpaid,
                    std::cmp::Ordering::Equal => continue,
                };
                self.count((programme, bucket, province), after, before);
            }
        }
        Ok(())
    }

    fn count(&mut self, key: (Programme, Bucket, Province), draft: Money, in_force: Money) {
        let tally = self.tallies.entry(key).or_default();
        tally.people += 1;
        tally.draft = Money::sum([tally.draft, draft]);
        tally.in_force = Money::sum([tally.in_force, in_force]);
    }
}

fn owed(
    law: &Law,
    bench: &mut Bench,
    present: &Present<'_>,
    person: &Known,
    period: Period,
) -> Result<Option<(Province, Money)>, Error> {
    let Some(inputs) = person.inputs(present.programme, period) else {
        return Ok(None);
    };
    let at = at(period, present.known);
    let determination = decide(law, bench, present.programme, &inputs, at)?;
    let province = inputs.enrolled[&present.programme].province;
    Ok(Some((province, determination.owed)))
}

//! News of people: where they live, and what was obligated and is not owed after all, or is owed
//! again.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use domain::{Part, PersonNo, Programme};
use events::{EntitlementsWithdrawn, Event, WithdrawnLine};
use rules::{Bench, Law};
use sqlx::PgConnection;

use crate::determination::overlapping;
use crate::law::LawInForce;
use crate::past::{Found, History, Present, decide_again};
use crate::{Error, residence, store};

/// Withdrawn lines of one event.
const LINES_MAX: usize = 1_000;

/// Tells where people of whom something became known live now, decides again what was obligated
/// for them, and tells what is withdrawn and restored. What is owed beyond that comes with the
/// programme's next run.
pub(crate) async fn people(
    tx: &mut PgConnection,
    law: &LawInForce,
    people: &[(Part, PersonNo)],
    now: DateTime<Utc>,
) -> Result<(), Error> {
    let mut parts: BTreeMap<Part, Vec<i64>> = BTreeMap::new();
    for (part, person_no) in people {
        parts.entry(*part).or_default().push(person_no.0);
    }
    let mut moved = residence::settle(tx, people, now).await?;
    for (part, persons) in parts {
        store::lock_news(tx, BTreeSet::from([part])).await?;
        // Partition by partition, in the order in which all take their sequences.
        messaging::append(tx, moved.remove(&part).unwrap_or_default(), now).await?;
        people_of_part(tx, law, part, &persons, now).await?;
    }
    Ok(())
}

/// The same for one partition, whose news are locked.
pub(crate) async fn people_of_part(
    tx: &mut PgConnection,
    law: &LawInForce,
    part: Part,
    persons: &[i64],
    now: DateTime<Utc>,
) -> Result<(), Error> {
    if persons.is_empty() {
        return Ok(());
    }
    let mut programmes: BTreeMap<Programme, Vec<i64>> = BTreeMap::new();
    for (programme, person_no) in store::programmes_of(tx, part, persons).await? {
        programmes.entry(programme).or_default().push(person_no);
    }
    let mut withdrawn = Vec::new();
    for (programme, persons) in programmes {
        withdrawn.extend(of_programme(tx, &law.law, (part, programme), &persons, now).await?);
    }
    say(tx, part, &withdrawn, now).await
}

async fn of_programme(
    tx: &mut PgConnection,
    law: &Law,
    (part, programme): (Part, Programme),
    persons: &[i64],
    now: DateTime<Utc>,
) -> Result<Vec<WithdrawnLine>, Error> {
    // What a decree changes comes with the next run; here only people are looked at.
    let history = History::of_runs(tx, (part, programme), i64::MAX).await?;
    let today = boot::clock::today_in_vietnam(now);
    let present = Present {
        law,
        part,
        programme,
        // A run ahead of its business day knew that day's rates.
        known: history.known().map_or(today, |it| it.max(today)),
    };
    let mut programmes = overlapping(law, programme);
    programmes.push(programme);
    let known = store::people(tx, law, part, persons, &programmes, now).await?;
    let key = (part, programme);
    let standing = store::obligations(tx, key, &history.run_nos(), persons).await?;
    let mut found = Found::default();
    let mut bench = Bench::new();
    for person in &known {
        let news = (true, None);
        decide_again(
            &mut bench, &present, &history, person, news, &standing, &mut found,
        )?;
    }
    Ok(found.withdrawn)
}

/// Keeps and tells what is withdrawn and restored.
pub(crate) async fn say(
    tx: &mut PgConnection,
    part: Part,
    withdrawn: &[WithdrawnLine],
    now: DateTime<Utc>,
) -> Result<(), Error> {
    store::insert_withdrawals(tx, part, withdrawn, now).await?;
    let events = withdrawn.chunks(LINES_MAX).map(|lines| {
        let lines = lines.to_vec();
        Event::of(&EntitlementsWithdrawn { part, lines }, now)
    });
    messaging::append(tx, events.collect(), now).await?;
    Ok(())
}

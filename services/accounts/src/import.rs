use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::path::Path;

use chrono::{DateTime, Utc};
use domain::{Money, PersonNo, Refusal};
use intake::{Refused, Report, Sums};
use privacy::{BlindIndex, Field, Keys};
use sqlx::{PgConnection, PgPool};
use tokio::sync::mpsc;

use crate::Error;
use crate::link::{HEADER, Link};
use crate::store::{self, Linked, NewLink};

/// Rows of one transaction.
const BATCH: usize = 5000;

/// Imports a file of links, streamed as a registry is. A person linked elsewhere is moved: the
/// former link ends, the new one begins.
pub async fn import_links(
    pool: &PgPool,
    keys: &Keys,
    path: &Path,
    now: DateTime<Utc>,
) -> Result<Report, Error> {
    let (file, hashed) = (path.to_owned(), path.to_owned());
    let sha256 = tokio::task::spawn_blocking(move || intake::digest(&hashed));
    let sha256 = sha256.await.expect("reading a file does not panic")?;
    if let Some(sums) = store::import_of(pool, &sha256).await? {
        return Ok(Report {
            sums,
            repeated: true,
            refusals: Vec::new(),
        });
    }
    let mut report = Report {
        sums: Sums::default(),
        repeated: false,
        refusals: Vec::new(),
    };
    // Two batches wait at most: reading never runs ahead of the database.
    let (batches, mut read) = mpsc::channel(2);
    let reader = tokio::task::spawn_blocking(move || {
        // Nobody listens only where the import has failed; its error is the one to tell.
        let take = |rows| batches.blocking_send(rows).is_ok();
        intake::read_batches(&file, &HEADER, BATCH, Link::parse, take)
    });
    while let Some(rows) = read.recv().await {
        let mut tx = pool.begin().await?;
        let (sums, refused) = apply(&mut tx, keys, rows, report.sums, now).await?;
        store::insert_refusals(&mut tx, &sha256, &refused).await?;
        tx.commit().await?;
        report.sums = sums;
        report.show(&refused);
    }
    reader.await.expect("reading rows does not panic")?;
    assert!(
        report.sums.add_up(),
        "a row is accepted, refused or a duplicate"
    );
    store::insert_import(pool, &sha256, &report.sums, now).await?;
    Ok(report)
}

type LinkRow = Result<Link, Refused>;

/// One batch inside its transaction.
async fn apply(
    tx: &mut PgConnection,
    keys: &Keys,
    rows: Vec<LinkRow>,
    mut sums: Sums,
    now: DateTime<Utc>,
) -> Result<(Sums, Vec<Refused>), Error> {
    let (mut refused, mut read) = (Vec::new(), Vec::new());
    for row in rows {
        sums.file.add(Money::ZERO);
        match row {
            Ok(link) => read.push((
                keys.index(Field::CitizenNumber, link.citizen_number.expose()),
                link,
            )),
            Err(refusal) => refused.push(refusal),
        }
    }
    let indexes: Vec<&[u8]> = read.iter().map(|(it, _)| &it.as_bytes()[..]).collect();
    let persons: HashMap<BlindIndex, PersonNo> = store::persons_by_index(tx, &indexes)
        .await?
        .into_iter()
        .collect();
    let numbers: Vec<PersonNo> = persons.values().copied().collect();
    let mut linked: HashMap<PersonNo, Linked> = store::active_links(tx, &numbers)
        .await?
        .into_iter()
        .collect();
    let mut accepted: HashMap<PersonNo, NewLink> = HashMap::with_capacity(read.len());
    for (index, link) in &read {
        let Some(person_no) = persons.get(index).copied() else {
            let sentence = "no person of the registry has this citizen number";
            let unknown = Refusal::new("person_unknown", sentence);
            refused.push(Refused::at(link.line, "citizen_number", unknown));
            continue;
        };
        let account_index = keys.index(Field::BankAccount, link.account.expose());
        let current = linked.get(&person_no);
        let same =
            |it: &Linked| it.institution == link.institution && it.account_index == account_index;
        if current.is_some_and(same) {
            sums.duplicates.add(Money::ZERO);
            continue;
        }
        let link_no = current.map_or(1, |it| it.link_no + 1);
        match accepted.entry(person_no) {
            Entry::Occupied(_) => {
                let sentence = "this file links the person twice, to different accounts";
                let twice = Refusal::new("link_differs", sentence);
                refused.push(Refused::at(link.line, "account_number", twice));
            }
            Entry::Vacant(place) => {
                let institution = link.institution;
                linked.insert(
                    person_no,
                    Linked {
                        link_no,
                        institution,
                        account_index,
                    },
                );
                place.insert(sealed(keys, person_no, link_no, link, account_index));
                sums.accepted.add(Money::ZERO);
            }
        }
    }
    for refusal in &refused {
        sums.refused.add(refusal.amount);
    }
    let mut accepted: Vec<NewLink> = accepted.into_values().collect();
    accepted.sort_by_key(|it| (it.person_no.part(), it.person_no));
    store::insert_links(tx, &accepted, now).await?;
    Ok((sums, refused))
}

/// The link as it is kept: account and holder sealed for this person.
fn sealed(
    keys: &Keys,
    person_no: PersonNo,
    link_no: i16,
    link: &Link,
    account_index: BlindIndex,
) -> NewLink {
    let context = person_no.0.to_be_bytes();
    NewLink {
        person_no,
        link_no,
        channel: link.channel,
        institution: link.institution,
        account_sealed: keys.seal(Field::BankAccount, &context, link.account.expose()),
        account_index,
        holder_sealed: keys.seal(Field::PersonName, &context, link.holder.expose()),
    }
}

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use domain::{
    BankAccount, Channel, CitizenNumber, Institution, Money, PersonName, PersonNo, Refusal,
};
use futures::StreamExt;
use intake::{Refused, Report, Row, Sums};
use privacy::{BlindIndex, Field, Keys};
use sqlx::{PgConnection, PgPool};
use tokio::sync::mpsc;

use crate::Error;
use crate::change::{Changes, Doing};
use crate::handlers::rank_of;
use crate::link::{Kind, Link, LinkId, Signal, Source, State, account_at};
use crate::linking::begun;
use crate::settings::Terms;
use crate::store::{self, NewLink, Scope};

/// The columns of a file of links.
pub const HEADER: [&str; 4] = [
    "citizen_number",
    "institution",
    "account_number",
    "holder_name",
];

/// Rows of one transaction.
const BATCH: usize = 5_000;
/// Transactions at the same time: as many as there are cores on the machine that we measure by.
const AT_ONCE: usize = 2;
/// Tries of a batch that met somebody else's change of the same people.
const TRIES_MAX: u32 = 3;

/// A row that was understood: this citizen is paid there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkRow {
    pub line: u64,
    pub citizen_number: CitizenNumber,
    pub institution: Institution,
    pub channel: Channel,
    pub account: BankAccount,
    pub holder: PersonName,
}

type Read = Result<LinkRow, Refused>;

impl LinkRow {
    /// Reads a row; the first column that is wrong is the one that is told.
    pub fn parse(row: &Row) -> Result<LinkRow, Refused> {
        let at = |column: usize| move |it: Refusal| Refused::at(row.line, HEADER[column], it);
        let citizen_number: CitizenNumber = row.field(0).parse().map_err(at(0))?;
        let account = account_at(row.field(1), row.field(2));
        let (institution, channel, account) =
            account.map_err(|(column, it)| Refused::at(row.line, column, it))?;
        let holder: PersonName = row.field(3).parse().map_err(at(3))?;
        Ok(LinkRow {
            line: row.line,
            citizen_number,
            institution,
            channel,
            account,
            holder,
        })
    }
}

/// Imports a file of links that their sender has verified (VNeID's list of social-security
/// accounts, a paying agency's list of benefit accounts), streamed as a registry is. A person
/// whose account differs from before is moved to the new one, which cools off first.
pub async fn import_links(
    pool: &PgPool,
    keys: &Arc<Keys>,
    terms: Terms,
    (path, kind): (&Path, Kind),
    now: DateTime<Utc>,
) -> Result<Report, Error> {
    let (file, hashed) = (path.to_owned(), path.to_owned());
    let sha256 = tokio::task::spawn_blocking(move || intake::digest(&hashed));
    let sha256 = sha256.await.expect("reading a file does not panic")?;
    let mut report = Report {
        sums: Sums::default(),
        repeated: false,
        refusals: Vec::new(),
    };
    if let Some(sums) = store::import_of(pool, &sha256).await? {
        report.sums = sums;
        report.repeated = true;
        return Ok(report);
    }
    messaging::register(pool, &[events::ACCOUNTS.to_owned()]).await?;
    let import = Arc::new(Import {
        pool: pool.clone(),
        keys: Arc::clone(keys),
        terms,
        kind,
        sha256,
        actor: format!("import:{}", hex_start(&sha256)),
        now,
    });
    // A few batches wait at most: reading never runs ahead of the database.
    let (batches, read) = mpsc::channel(AT_ONCE);
    let reader = tokio::task::spawn_blocking(move || {
        // Nobody listens only where the import has failed; its error is the one to tell.
        let take = |rows| batches.blocking_send(rows).is_ok();
        intake::read_batches(&file, &HEADER, BATCH, LinkRow::parse, take)
    });
    let read = futures::stream::unfold(read, async |mut read| {
        let rows: Vec<Read> = read.recv().await?;
        Some((rows, read))
    });
    let applied = read.map(|rows| {
        let import = Arc::clone(&import);
        // A task of its own, so that a batch is not stopped in the middle of its transaction.
        tokio::spawn(async move { import.insist(rows).await })
    });
    let mut applied = std::pin::pin!(applied.buffered(AT_ONCE));
    while let Some(done) = applied.next().await {
        let (sums, refused) = done.expect("a batch does not panic")?;
        report.sums = added(report.sums, sums);
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

/// One file on its way into the register.
struct Import {
    pool: PgPool,
    keys: Arc<Keys>,
    terms: Terms,
    kind: Kind,
    sha256: [u8; 32],
    actor: String,
    now: DateTime<Utc>,
}

/// What is known of the people of a batch.
struct Known {
    persons: HashMap<BlindIndex, PersonNo>,
    links: HashMap<PersonNo, Vec<Link>>,
}

/// A batch being applied.
struct Applied {
    sums: Sums,
    refused: Vec<Refused>,
    links: Vec<NewLink>,
    changes: Changes,
    seen: HashMap<PersonNo, BlindIndex>,
}

impl Import {
    /// Where somebody else changes the same people at the same moment, the batch is read anew.
    async fn insist(&self, rows: Vec<Read>) -> Result<(Sums, Vec<Refused>), Error> {
        let mut tries = 1;
        loop {
            match self.transact(&rows).await {
                Err(error) if is_collision(&error) && tries < TRIES_MAX => tries += 1,
                done => return done,
            }
        }
    }

    async fn transact(&self, rows: &[Read]) -> Result<(Sums, Vec<Refused>), Error> {
        let mut tx = self.pool.begin().await?;
        store::set_scope(&mut tx, Scope::Nation).await?;
        let applied = self.apply(&mut tx, rows).await?;
        let Applied {
            mut sums,
            refused,
            mut links,
            changes,
            ..
        } = applied;
        links.sort_by_key(|it| (it.id.person_no.part(), it.id));
        store::insert_links(&mut tx, &links, self.now).await?;
        let said = changes.write(&mut tx).await?;
        store::insert_refusals(&mut tx, &self.sha256, &refused).await?;
        messaging::append(&mut tx, said, self.now).await?;
        tx.commit().await?;
        for refusal in &refused {
            sums.refused.add(refusal.amount);
        }
        Ok((sums, refused))
    }

    async fn apply(&self, tx: &mut PgConnection, rows: &[Read]) -> Result<Applied, Error> {
        let mut applied = Applied {
            sums: Sums::default(),
            refused: Vec::new(),
            links: Vec::with_capacity(rows.len()),
            changes: Changes::new(self.now, self.terms).in_bulk(),
            seen: HashMap::with_capacity(rows.len()),
        };
        let mut read: Vec<(BlindIndex, &LinkRow)> = Vec::with_capacity(rows.len());
        for row in rows {
            applied.sums.file.add(Money::ZERO);
            match row {
                Ok(row) => {
                    let number = row.citizen_number.expose();
                    read.push((self.keys.index(Field::CitizenNumber, number), row));
                }
                Err(refusal) => applied.refused.push(refusal.clone()),
            }
        }
        let mut known = Known::read(tx, self.kind, &read).await?;
        for (index, row) in read {
            let Some(person_no) = known.persons.get(&index).copied() else {
                let sentence = "no person of the registry has this citizen number";
                let unknown = Refusal::new("person_unknown", sentence);
                let refused = Refused::at(row.line, "citizen_number", unknown);
                applied.refused.push(refused);
                continue;
            };
            let links = known.links.entry(person_no).or_default();
            self.take(tx, &mut applied, person_no, row, links).await?;
        }
        Ok(applied)
    }

    /// One row of a person whose links are known.
    async fn take(
        &self,
        tx: &mut PgConnection,
        applied: &mut Applied,
        person_no: PersonNo,
        row: &LinkRow,
        links: &mut [Link],
    ) -> Result<(), Error> {
        let account_index = self.keys.index(Field::BankAccount, row.account.expose());
        match applied.seen.entry(person_no) {
            Entry::Occupied(seen) if *seen.get() != account_index => {
                let sentence = "this file links the person twice, to different accounts";
                let twice = Refusal::new("link_differs", sentence);
                let refused = Refused::at(row.line, "account_number", twice);
                applied.refused.push(refused);
                return Ok(());
            }
            Entry::Occupied(_) => {
                applied.sums.duplicates.add(Money::ZERO);
                return Ok(());
            }
            Entry::Vacant(place) => {
                place.insert(account_index);
            }
        }
        let same = |it: &Link| {
            it.institution == row.institution
                && it.account_index == account_index
                && it.kind == self.kind
                && matches!(it.state, State::Linked | State::Suspended(_))
        };
        if links.iter().any(same) {
            applied.sums.duplicates.add(Money::ZERO);
            return Ok(());
        }
        let id = LinkId {
            person_no,
            link_no: links.last().map_or(1, |it| it.id.link_no + 1),
        };
        let new = self.sealed(id, row, account_index);
        let mut link = begun(&new, self.now);
        let rank = match self.kind {
            Kind::Ssa => 1,
            Kind::BenefitAccount => rank_of(tx, &link).await?,
        };
        let doing = Doing {
            actor: &self.actor,
            valid_from: self.now,
        };
        let mut others: Vec<&mut Link> = links.iter_mut().collect();
        for waiting in others.iter_mut().filter(|it| it.kind == self.kind) {
            if matches!(waiting.state, State::Requested | State::Pending) {
                applied.changes.happen(waiting, Signal::Superseded, doing)?;
            }
        }
        applied
            .changes
            .confirm(&mut link, &mut others, rank, doing)?;
        applied.links.push(new);
        applied.sums.accepted.add(Money::ZERO);
        Ok(())
    }

    /// The link as it is kept: account and holder sealed for this person.
    fn sealed(&self, id: LinkId, row: &LinkRow, account_index: BlindIndex) -> NewLink {
        let context = id.person_no.0.to_be_bytes();
        let (account, holder) = (row.account.expose(), row.holder.expose());
        NewLink {
            id,
            kind: self.kind,
            channel: row.channel,
            institution: row.institution,
            account_sealed: self.keys.seal(Field::BankAccount, &context, account),
            account_index,
            holder_sealed: self.keys.seal(Field::PersonName, &context, holder),
            source: Source::Import,
            changed_by: None,
            basis: Some(self.actor.clone()),
        }
    }
}

impl Known {
    async fn read(
        tx: &mut PgConnection,
        kind: Kind,
        read: &[(BlindIndex, &LinkRow)],
    ) -> Result<Known, Error> {
        let indexes: Vec<&[u8]> = read.iter().map(|(it, _)| &it.as_bytes()[..]).collect();
        let persons: HashMap<BlindIndex, PersonNo> = store::persons_by_index(tx, &indexes)
            .await?
            .into_iter()
            .collect();
        let numbers: HashSet<PersonNo> = persons.values().copied().collect();
        let numbers: Vec<PersonNo> = numbers.into_iter().collect();
        // Social-security accounts meet at the step that they replace; accounts of benefits
        // replace none, and would take one rank twice.
        if kind == Kind::BenefitAccount {
            store::lock_persons(tx, &numbers).await?;
        }
        let mut links: HashMap<PersonNo, Vec<Link>> = HashMap::new();
        for link in store::links_of(tx, &numbers).await? {
            links.entry(link.id.person_no).or_default().push(link);
        }
        Ok(Known { persons, links })
    }
}

/// Two who give a person the next link at the same moment: one of them looks again.
fn is_collision(error: &Error) -> bool {
    let Error::Database(sqlx::Error::Database(error)) = error else {
        return false;
    };
    let ours = ["links_pkey", "link_steps_pkey", "channels_pkey"].map(Some);
    error.is_unique_violation() && ours.contains(&error.constraint())
}

fn added(mut sums: Sums, more: Sums) -> Sums {
    let pairs = [
        (&mut sums.file, more.file),
        (&mut sums.accepted, more.accepted),
        (&mut sums.refused, more.refused),
        (&mut sums.duplicates, more.duplicates),
    ];
    for (sum, more) in pairs {
        sum.rows += more.rows;
    }
    sums
}

/// The first bytes of a file's hash: enough to find its import by.
fn hex_start(sha256: &[u8; 32]) -> String {
    hex::encode(&sha256[..6])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(row: &str) -> Result<Channel, (&'static str, &'static str)> {
        let text = format!("{}\n{row}\n", HEADER.join(","));
        let mut rows = intake::Rows::new(text.as_bytes(), &HEADER).unwrap();
        let row = rows.next_row().unwrap().unwrap().unwrap();
        LinkRow::parse(&row)
            .map(|it| it.channel)
            .map_err(|it| (it.column, it.code))
    }

    #[test]
    fn each_column_is_held_against_its_kind() {
        for (row, expected) in [
            (
                "001148000001,970436,0011004123456,NGUYEN THI ANH",
                Ok(Channel::BankAccount),
            ),
            (
                "001148000001,971005,0912345678,NGUYEN THI ANH",
                Ok(Channel::Wallet),
            ),
            (
                "00114800000,970436,0011004123456,AN",
                Err(("citizen_number", "citizen_number_length")),
            ),
            (
                "001148000001,97043,0011004123456,AN",
                Err(("institution", "institution_invalid")),
            ),
            (
                "001148000001,970400,0011004123456,AN",
                Err(("institution", "institution_not_connected")),
            ),
            (
                "001148000001,990001,0011004123456,AN",
                Err(("institution", "institution_not_connected")),
            ),
            (
                "001148000001,970436,00 11,AN",
                Err(("account_number", "account_invalid")),
            ),
            (
                "001148000001,970436,0011004123456,A2",
                Err(("holder_name", "name_invalid")),
            ),
        ] {
            assert_eq!(code(row), expected, "{row}");
        }
    }
}

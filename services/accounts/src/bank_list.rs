use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use chrono::{DateTime, NaiveDate, NaiveTime, TimeDelta, Utc};
use domain::{BankAccount, Institution, PersonName, PersonNo, Refusal};
use events::Event;
use intake::{Refused, Row};
use names::Verdict;
use privacy::{BlindIndex, Field, Keys};
use serde::Serialize;
use sqlx::{PgConnection, PgPool};
use tokio::sync::mpsc;

use crate::change::{Changes, Doing};
use crate::link::{Link, LinkId, Signal, Source, State, parted};
use crate::linking::begun;
use crate::refusal::RefusalCode;
use crate::settings::Terms;
use crate::store::{self, AccountKey, At, NewLink, Scope};
use crate::{Error, verification};

/// The columns of a bank's own list of accounts.
pub const LIST_HEADER: [&str; 5] = [
    "account_number",
    "standing",
    "holder_name",
    "new_account_number",
    "since",
];

/// Rows of one transaction. Most accounts of a bank are nobody's here, so a batch is large.
const BATCH: usize = 10_000;
/// Closures in one list that are told as an alarm: something happened at the bank.
const MASS: i64 = 1_000;

/// How an account stands in the bank's own list.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Standing {
    Open,
    Closed,
    Restricted,
    Renamed(PersonName),
    Moved(BankAccount),
}

/// A row that was understood.
#[derive(Debug)]
struct ListRow {
    account: BankAccount,
    standing: Standing,
    since: NaiveDate,
}

/// What a list said of the accounts that people are paid to; the parts add up to the rows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct ListSums {
    pub rows: i64,
    pub refused: i64,
    /// Accounts that nobody here is paid to.
    pub not_ours: i64,
    pub agreed: i64,
    pub closed: i64,
    pub restricted: i64,
    pub renamed: i64,
    pub moved: i64,
}

/// A list's outcome; the first refusals are shown.
#[derive(Debug, Clone, Serialize)]
pub struct ListReport {
    pub sums: ListSums,
    pub repeated: bool,
    pub refusals: Vec<Refused>,
}

impl ListRow {
    fn parse(row: &Row) -> Result<ListRow, Refused> {
        let at = |column: usize| move |it: Refusal| Refused::at(row.line, LIST_HEADER[column], it);
        let account: BankAccount = row.field(0).parse().map_err(at(0))?;
        let standing = match row.field(1) {
            "open" => Standing::Open,
            "closed" => Standing::Closed,
            "restricted" => Standing::Restricted,
            "renamed" => Standing::Renamed(row.field(2).parse().map_err(at(2))?),
            "moved" => Standing::Moved(row.field(3).parse().map_err(at(3))?),
            _ => {
                let sentence = "a standing is open, closed, restricted, renamed or moved";
                return Err(at(1)(Refusal::new("standing_unknown", sentence)));
            }
        };
        let since = row
            .field(4)
            .parse::<NaiveDate>()
            .map_err(|_| at(4)(Refusal::new("date_invalid", "a day is written 2026-12-01")))?;
        Ok(ListRow {
            account,
            standing,
            since,
        })
    }
}

/// Holds a bank's own list against the register, streamed: what is closed, restricted, renamed or
/// moved there is no longer paid to as before, from the day that the bank says; the person's next
/// channel takes its place. The list may have a row for every account of the bank.
///
/// # Errors
/// A header that is another, a file that cannot be read, or the database.
pub async fn import_bank_list(
    pool: &PgPool,
    keys: &Arc<Keys>,
    terms: Terms,
    (path, institution, as_of): (&Path, Institution, NaiveDate),
    now: DateTime<Utc>,
) -> Result<ListReport, Error> {
    let (file, hashed) = (path.to_owned(), path.to_owned());
    let sha256 = tokio::task::spawn_blocking(move || intake::digest(&hashed));
    let sha256 = sha256.await.expect("reading a file does not panic")?;
    let mut report = ListReport {
        sums: ListSums::default(),
        repeated: false,
        refusals: Vec::new(),
    };
    if let Some(sums) = store::list_of(pool, &sha256).await? {
        report.sums = sums;
        report.repeated = true;
        return Ok(report);
    }
    messaging::register(pool, &[events::ACCOUNTS.to_owned()]).await?;
    let (batches, mut read) = mpsc::channel(2);
    let reader = tokio::task::spawn_blocking(move || {
        // Nobody listens only where the import has failed; its error is the one to tell.
        let take = |rows| batches.blocking_send(rows).is_ok();
        intake::read_batches(&file, &LIST_HEADER, BATCH, ListRow::parse, take)
    });
    let list = List {
        keys: Arc::clone(keys),
        terms,
        institution,
        as_of,
        now,
    };
    while let Some(rows) = read.recv().await {
        list.transact(pool, rows, &mut report).await?;
    }
    reader.await.expect("reading rows does not panic")?;
    let mut tx = pool.begin().await?;
    store::insert_list(&mut tx, (institution, as_of), &sha256, &report.sums, now).await?;
    if report.sums.closed >= MASS {
        let subject = format!("bank {institution} {as_of}");
        store::raise_alarm(&mut tx, "mass_closure", &subject, report.sums.closed, now).await?;
    }
    tx.commit().await?;
    Ok(report)
}

/// One bank's list on its way.
struct List {
    keys: Arc<Keys>,
    terms: Terms,
    institution: Institution,
    as_of: NaiveDate,
    now: DateTime<Utc>,
}

impl List {
    async fn transact(
        &self,
        pool: &PgPool,
        rows: Vec<Result<ListRow, Refused>>,
        report: &mut ListReport,
    ) -> Result<(), Error> {
        let mut sums = ListSums::default();
        let (mut read, mut refused) = (HashMap::with_capacity(rows.len()), Vec::new());
        for row in rows {
            sums.rows += 1;
            match row {
                Ok(row) => {
                    let index = self.keys.index(Field::BankAccount, row.account.expose());
                    // Twice in a list: the later row knows better, the earlier is nobody's.
                    if read.insert(index, row).is_some() {
                        sums.not_ours += 1;
                    }
                }
                Err(it) => refused.push(it),
            }
        }
        sums.refused = i64::try_from(refused.len()).expect("a batch is small");
        let mut tx = pool.begin().await?;
        store::set_scope(&mut tx, Scope::Nation).await?;
        let said = self.apply(&mut tx, &read, &mut sums).await?;
        messaging::append(&mut tx, said, self.now).await?;
        tx.commit().await?;
        report.sums = report.sums.plus(sums);
        let room = intake::Report::SHOWN_MAX.saturating_sub(report.refusals.len());
        report.refusals.extend(refused.into_iter().take(room));
        Ok(())
    }

    async fn apply(
        &self,
        tx: &mut PgConnection,
        rows: &HashMap<BlindIndex, ListRow>,
        sums: &mut ListSums,
    ) -> Result<Vec<Event>, Error> {
        let accounts = rows.keys().map(|it| (self.institution, *it));
        let found = store::links_at(tx, &accounts.collect::<Vec<AccountKey>>()).await?;
        let mut of_account: HashMap<BlindIndex, Vec<At>> = HashMap::new();
        for at in found {
            of_account.entry(at.account_index).or_default().push(at);
        }
        let differs = |index: &BlindIndex| rows[index].standing != Standing::Open;
        let mut persons: Vec<PersonNo> = of_account
            .iter()
            .filter(|(index, _)| differs(index))
            .flat_map(|(_, links)| links.iter().map(|it| it.link.person_no))
            .collect();
        persons.sort_by_key(|it| (it.part(), *it));
        persons.dedup();
        store::lock_persons(tx, &persons).await?;
        let mut links = store::links_of(tx, &persons).await?;
        let mut changes = Changes::new(self.now, self.terms);
        let mut moved = Vec::new();
        for (index, row) in rows {
            let Some(ids) = of_account.get(index) else {
                sums.not_ours += 1;
                continue;
            };
            *sums.of(&row.standing) += 1;
            if row.standing == Standing::Open {
                continue;
            }
            for at in ids {
                let (link, others) = parted(&mut links, at.link);
                if let Some(link) = link.filter(|it| it.state == State::Linked) {
                    moved.extend(self.follow(row, (link, at.rank), others, &mut changes)?);
                }
            }
        }
        store::insert_links(tx, &moved, self.now).await?;
        changes.write(tx).await
    }

    /// What follows for a link from what the bank says of its account.
    fn follow<'a>(
        &self,
        row: &ListRow,
        (link, rank): (&'a mut Link, i16),
        mut others: Vec<&'a mut Link>,
        changes: &mut Changes,
    ) -> Result<Option<NewLink>, Error> {
        let actor = format!("bank:{}", self.institution);
        // A day begins in Viet Nam; the bank's word holds from then, whenever it came.
        let since = row.since.min(self.as_of).and_time(NaiveTime::MIN).and_utc();
        let doing = Doing {
            actor: &actor,
            valid_from: since - TimeDelta::hours(7),
        };
        match &row.standing {
            Standing::Open => {}
            Standing::Closed => {
                let closed = Signal::Suspended(RefusalCode::AccountClosed);
                changes.happen(link, closed, doing)?;
            }
            Standing::Restricted => {
                let restricted = Signal::Suspended(RefusalCode::AccountRestricted);
                changes.happen(link, restricted, doing)?;
                changes.review("account_restricted", link.id, "bank_list".to_owned());
            }
            Standing::Renamed(name) => {
                let place = link.id.person_no.0.to_be_bytes();
                let held = self
                    .keys
                    .open(Field::PersonName, &place, &link.holder_sealed)?;
                let compared = names::compare(held.expose(), name.expose());
                if compared.verdict != Verdict::Same {
                    let renamed = Signal::Suspended(RefusalCode::NameDiffers);
                    changes.happen(link, renamed, doing)?;
                    changes.review("renamed", link.id, verification::detail(&compared));
                }
            }
            Standing::Moved(account) => {
                let last = others
                    .iter()
                    .map(|it| it.id.link_no)
                    .max()
                    .unwrap_or_default();
                let new = self.moved(link, last.max(link.id.link_no) + 1, account);
                let mut next = begun(&new, self.now);
                changes.happen(link, Signal::Superseded, doing)?;
                others.push(link);
                changes.confirm(&mut next, &mut others, rank, doing)?;
                return Ok(Some(new));
            }
        }
        Ok(None)
    }

    fn moved(&self, former: &Link, link_no: i16, account: &BankAccount) -> NewLink {
        let place = former.id.person_no.0.to_be_bytes();
        NewLink {
            id: LinkId {
                person_no: former.id.person_no,
                link_no,
            },
            kind: former.kind,
            channel: former.channel,
            institution: former.institution,
            account_sealed: self.keys.seal(Field::BankAccount, &place, account.expose()),
            account_index: self.keys.index(Field::BankAccount, account.expose()),
            holder_sealed: former.holder_sealed.clone(),
            source: Source::Bank,
            changed_by: None,
            basis: Some(format!("bank list {}", self.as_of)),
        }
    }
}

impl ListSums {
    fn of(&mut self, standing: &Standing) -> &mut i64 {
        match standing {
            Standing::Open => &mut self.agreed,
            Standing::Closed => &mut self.closed,
            Standing::Restricted => &mut self.restricted,
            Standing::Renamed(_) => &mut self.renamed,
            Standing::Moved(_) => &mut self.moved,
        }
    }

    fn plus(self, more: ListSums) -> ListSums {
        ListSums {
            rows: self.rows + more.rows,
            refused: self.refused + more.refused,
            not_ours: self.not_ours + more.not_ours,
            agreed: self.agreed + more.agreed,
            closed: self.closed + more.closed,
            restricted: self.restricted + more.restricted,
            renamed: self.renamed + more.renamed,
            moved: self.moved + more.moved,
        }
    }
}

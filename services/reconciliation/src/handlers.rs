use std::sync::Arc;

use chrono::{DateTime, Utc};
use domain::{ChunkNo, Institution, LineNo, Part, Position, RunNo};
use events::{Envelope, Fact, Instructions, ResultsApplied, RunClosed, StatementPage};
use messaging::{Delivered, Handler};
use privacy::{Field, Keys};
use sqlx::PgConnection;
use tokio::sync::Notify;

use crate::statement::{Header, RefusalCode, refuse_impossible};
use crate::store::{Claimed, Instructed, State};
use crate::{Error, store};

/// Hears what a bank is told to do.
pub(crate) struct InstructionsHeard {
    pub keys: Arc<Keys>,
    pub news: Arc<Notify>,
}

/// Hears which results took effect.
pub(crate) struct ResultsHeard {
    pub news: Arc<Notify>,
}

/// Hears the statements of one bank.
pub(crate) struct StatementsHeard {
    pub institution: Institution,
    pub keys: Arc<Keys>,
    pub news: Arc<Notify>,
}

impl Handler for InstructionsHeard {
    type Error = Error;

    async fn apply(
        &self,
        tx: &mut PgConnection,
        _: Part,
        batch: &[Delivered],
        _: DateTime<Utc>,
    ) -> Result<(), Error> {
        on_instructions(tx, &self.keys, &read(batch)?).await?;
        self.news.notify_one();
        Ok(())
    }
}

impl Handler for ResultsHeard {
    type Error = Error;

    async fn apply(
        &self,
        tx: &mut PgConnection,
        _: Part,
        batch: &[Delivered],
        _: DateTime<Utc>,
    ) -> Result<(), Error> {
        on_results_applied(tx, &read(batch)?).await?;
        for closed in read::<RunClosed>(batch)? {
            store::close_run(tx, closed.run_no).await?;
        }
        self.news.notify_one();
        Ok(())
    }
}

impl Handler for StatementsHeard {
    type Error = Error;

    async fn apply(
        &self,
        tx: &mut PgConnection,
        _: Part,
        batch: &[Delivered],
        now: DateTime<Utc>,
    ) -> Result<(), Error> {
        let mut pages: Vec<StatementPage> = read(batch)?;
        // Partitions come side by side: one order of rows, so that they never wait in a ring.
        pages.sort_by_key(|it| (it.statement_no, it.page));
        for page in &pages {
            on_statement_page(tx, &self.keys, self.institution, page, now).await?;
        }
        self.news.notify_one();
        Ok(())
    }
}

/// The events of one kind; a speaker says others too, and new ones may come.
fn read<F: Fact>(batch: &[Delivered]) -> Result<Vec<F>, Error> {
    let mut facts = Vec::with_capacity(batch.len());
    for delivered in batch {
        let envelope = Envelope::parse(&delivered.body)?;
        if envelope.is::<F>() {
            facts.push(envelope.read()?);
        }
    }
    Ok(facts)
}

/// Keeps what was instructed; the account only as its keyed index.
async fn on_instructions(
    tx: &mut PgConnection,
    keys: &Keys,
    batch: &[Instructions],
) -> Result<(), Error> {
    for chunk in batch {
        let lines: Vec<Instructed> = chunk
            .lines
            .iter()
            .map(|it| Instructed {
                position: it.end_to_end_id,
                amount: it.amount,
                account_index: index_of(keys, it.account.as_deref()),
            })
            .collect();
        store::insert_instructions(tx, chunk.institution, &lines).await?;
    }
    Ok(())
}

async fn on_results_applied(tx: &mut PgConnection, batch: &[ResultsApplied]) -> Result<(), Error> {
    for results in batch {
        store::insert_results(tx, results).await?;
    }
    Ok(())
}

/// Keeps a page until all are there, or refuses it; `bank` is whose channel brought it.
async fn on_statement_page(
    tx: &mut PgConnection,
    keys: &Keys,
    bank: Institution,
    page: &StatementPage,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    if page.institution != bank {
        let code = RefusalCode::NotYourStatement;
        return store::insert_refusal(tx, bank, (page.statement_no, page.page), code, now).await;
    }
    refuse_impossible(page)?;
    store::insert_statement(tx, &Header::of(page), now).await?;
    let standing = store::standing(tx, bank, page.statement_no).await?;
    if standing.state != State::Arriving {
        let known = store::has_page(tx, page).await?;
        let code = standing.code.filter(|_| !known);
        let code = code.unwrap_or(RefusalCode::StatementRepeated);
        return store::insert_refusal(tx, bank, (page.statement_no, page.page), code, now).await;
    }
    if let Some(code) = standing.header.refusal_by(page) {
        return refuse(tx, page, code, now).await;
    }
    if !store::insert_page(tx, page).await? {
        let code = RefusalCode::StatementRepeated;
        return store::insert_refusal(tx, bank, (page.statement_no, page.page), code, now).await;
    }
    let entries: Vec<Claimed> = page
        .entries
        .iter()
        .map(|it| claimed(keys, page, it))
        .collect();
    if !store::insert_entries(tx, page, &entries).await? {
        // A number that was used twice: the entries cannot be as many as stated.
        return refuse(tx, page, RefusalCode::StatementTotalMismatch, now).await;
    }
    Ok(())
}

async fn refuse(
    tx: &mut PgConnection,
    page: &StatementPage,
    code: RefusalCode,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    let StatementPage {
        institution,
        statement_no,
        page,
        ..
    } = *page;
    tracing::warn!(%institution, statement_no, page, ?code, "Refused a statement for a page");
    store::refuse(tx, institution, statement_no, code).await?;
    store::insert_refusal(tx, institution, (statement_no, page), code, now).await
}

/// An entry as it is kept: in the partition that its id claims, or in its page's with run 0
/// where the id is none of ours.
fn claimed(keys: &Keys, page: &StatementPage, entry: &events::StatementEntry) -> Claimed {
    let position = entry.end_to_end_id.parse().unwrap_or(Position {
        run: RunNo(0),
        part: page.part,
        chunk: ChunkNo(0),
        line: LineNo(0),
    });
    Claimed {
        entry_no: entry.entry_no,
        position,
        amount: entry.amount,
        account_index: index_of(keys, entry.account.as_deref()),
        bank_ref: entry.bank_ref.clone(),
    }
}

fn index_of(keys: &Keys, account: Option<&str>) -> Option<Vec<u8>> {
    account.map(|it| keys.index(Field::BankAccount, it).into())
}

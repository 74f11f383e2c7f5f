mod close_day;
mod commands;

pub(crate) use commands::OnCommand;

use std::sync::Arc;

use chrono::{DateTime, Utc};
use domain::{ChunkNo, Institution, LineNo, Part, Position, RunNo};
use events::{
    ClearingTold, Envelope, Fact, Instructions, ResultsApplied, RunClosed, StatementPage, tells,
};
use messaging::{Delivered, Handler, Manner};
use privacy::{ExchangeKey, Field, Keys, PrivacyError, Sealed};
use sqlx::PgConnection;
use tokio::sync::Notify;

use crate::statement::{Header, RefusalCode, refuse_impossible};
use crate::store::{Claimed, Instructed, InstructedLine, State};
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
        part: Part,
        batch: &[Delivered],
        _: DateTime<Utc>,
    ) -> Result<(), Error> {
        on_instructions(tx, &self.keys, part, &read(batch)?).await?;
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
        // In their order: how the books stand is true of the results told before it.
        for delivered in batch {
            let envelope = Envelope::parse(&delivered.body)?;
            if envelope.is::<ResultsApplied>() {
                store::insert_results(tx, &envelope.read()?).await?;
            } else if envelope.is::<RunClosed>() {
                let closed: RunClosed = envelope.read()?;
                store::close_run(tx, closed.run_no).await?;
            } else if envelope.is::<ClearingTold>() {
                store::insert_clearing(tx, &envelope.read()?).await?;
            }
        }
        self.news.notify_one();
        Ok(())
    }

    fn manner(&self, subject: &str, _: &[u8]) -> Manner {
        let is_heard = tells::<ResultsApplied>(subject)
            || tells::<RunClosed>(subject)
            || tells::<ClearingTold>(subject);
        if is_heard {
            Manner::Alone
        } else {
            Manner::Later
        }
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

/// Keeps what was instructed; the account only as our own keyed index.
async fn on_instructions(
    tx: &mut PgConnection,
    keys: &Keys,
    part: Part,
    batch: &[Instructions],
) -> Result<(), Error> {
    let mut told = Vec::with_capacity(batch.len());
    for it in batch {
        told.push(instructed(keys, part, it)?);
    }
    store::insert_instructions(tx, part, &mut told).await
}

fn instructed(keys: &Keys, part: Part, message: &Instructions) -> Result<Instructed, Error> {
    let (run, chunk) = (message.run_no, message.chunk);
    let accounts = Accounts::of(keys, message.institution);
    let mut lines = Vec::with_capacity(message.lines.len());
    for it in &message.lines {
        let at = it.end_to_end_id;
        if (at.run, at.part, at.chunk) != (run, part, chunk) {
            let message = message.key();
            return Err(Error::OtherChunk { message });
        }
        let index = accounts.index(it.account.as_ref(), &at.to_string());
        let account_index = index.map_err(|_| Error::AccountUnreadable {
            message: message.key(),
        })?;
        lines.push(InstructedLine {
            line: at.line,
            amount: it.amount,
            account_index,
        });
    }
    Ok(Instructed {
        institution: message.institution,
        run,
        chunk,
        lines,
    })
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
        return refuse_page(
            tx,
            page,
            code.unwrap_or(RefusalCode::StatementRepeated),
            now,
        )
        .await;
    }
    if let Some(code) = standing.header.refusal_by(page) {
        return refuse(tx, page, code, now).await;
    }
    // Opened before anything is kept: a page with one account that does not open has no entries.
    let Ok(entries) = claimed(keys, page) else {
        return refuse(tx, page, RefusalCode::AccountUnreadable, now).await;
    };
    if !store::insert_page(tx, page).await? {
        return refuse_page(tx, page, RefusalCode::StatementRepeated, now).await;
    }
    if !store::insert_entries(tx, page, &entries).await? {
        // A number that was used twice: the entries cannot be as many as stated.
        return refuse(tx, page, RefusalCode::StatementTotalMismatch, now).await;
    }
    Ok(())
}

async fn refuse(
    tx: &mut PgConnection,
    of: &StatementPage,
    code: RefusalCode,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    let StatementPage {
        institution,
        statement_no,
        page,
        ..
    } = *of;
    tracing::warn!(%institution, statement_no, page, ?code, "Refused a statement for a page");
    store::refuse(tx, institution, statement_no, code).await?;
    refuse_page(tx, of, code, now).await
}

/// Keeps why a page had no effect; the bank's day stands still until that is cleared up.
async fn refuse_page(
    tx: &mut PgConnection,
    of: &StatementPage,
    code: RefusalCode,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    let (bank, place) = (of.institution, (of.statement_no, of.page));
    store::insert_refusal(tx, bank, place, code, now).await?;
    if code.freezes() {
        store::freeze(tx, (bank, of.date), place, code, now).await?;
    }
    Ok(())
}

/// The entries as they are kept: each in the partition that its id claims, or in its page's with
/// run 0 where the id is none of ours.
fn claimed(keys: &Keys, page: &StatementPage) -> Result<Vec<Claimed>, PrivacyError> {
    let accounts = Accounts::of(keys, page.institution);
    let mut claimed = Vec::with_capacity(page.entries.len());
    for entry in &page.entries {
        let position = entry.end_to_end_id.parse().unwrap_or(Position {
            run: RunNo(0),
            part: page.part,
            chunk: ChunkNo(0),
            line: LineNo(0),
        });
        claimed.push(Claimed {
            entry_no: entry.entry_no,
            position,
            amount: entry.amount,
            account_index: accounts.index(entry.account.as_ref(), &entry.end_to_end_id)?,
            bank_ref: entry.bank_ref.clone(),
            kind: entry.kind,
            booked_on: entry.booked_on,
        });
    }
    Ok(claimed)
}

/// The accounts in what one bank is told or tells.
struct Accounts<'a> {
    keys: &'a Keys,
    bank: ExchangeKey,
}

impl Accounts<'_> {
    fn of(keys: &Keys, institution: Institution) -> Accounts<'_> {
        Accounts {
            keys,
            bank: keys.exchange(&institution.to_string()),
        }
    }

    /// Our own keyed index of an account that was sealed for a line: equal accounts have equal
    /// ones, whoever sealed them and for which line.
    fn index(
        &self,
        account: Option<&Sealed>,
        end_to_end_id: &str,
    ) -> Result<Option<Vec<u8>>, PrivacyError> {
        let Some(sealed) = account else {
            return Ok(None);
        };
        let clear = self
            .bank
            .open(Field::BankAccount, end_to_end_id.as_bytes(), sealed)?;
        Ok(Some(
            self.keys.index(Field::BankAccount, clear.expose()).into(),
        ))
    }
}

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use domain::{Institution, Part};
use events::{Envelope, Event, Instructions, StatementPage};
use messaging::{Command, CommandHandler, Delivered, Handler, Problem, Signers};
use privacy::Keys;
use serde::Deserialize;
use serde_json::{Value, json};
use sqlx::{PgConnection, PgPool};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::banks::Bank;
use crate::statement::{Pages, Statement};
use crate::{Error, central_bank, holders, population, store};

/// Between two looks for answers that are due.
const POLL: Duration = Duration::from_millis(100);
/// Messages of up to 1,000 lines that are read at a time for a statement.
const CHUNKS_AT_ONCE: usize = 5;

/// A bank's ear.
pub(crate) struct InstructionsHeard {
    pub bank: Bank,
    pub signers: Arc<Signers>,
    /// How long the bank thinks about what it answers late.
    pub delay: Duration,
}

/// Takes the commands `sandbox.do.*`.
pub(crate) struct OnCommand {
    pub keys: Arc<Keys>,
    pub signers: Arc<Signers>,
}

/// `{"date": "2026-12-01"}`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct EndOfDay {
    date: NaiveDate,
}

impl Handler for InstructionsHeard {
    type Error = Error;

    async fn apply(
        &self,
        tx: &mut PgConnection,
        _: Part,
        batch: &[Delivered],
        now: DateTime<Utc>,
    ) -> Result<(), Error> {
        let mut messages: Vec<Instructions> = Vec::with_capacity(batch.len());
        for delivered in batch {
            let envelope = Envelope::parse(&delivered.body)?;
            if envelope.is::<Instructions>() {
                messages.push(envelope.read()?);
            }
        }
        self.on_instructions(tx, &messages, now).await
    }
}

impl CommandHandler for OnCommand {
    type Error = Error;

    async fn take(
        &self,
        tx: &mut PgConnection,
        command: &Command,
        now: DateTime<Utc>,
    ) -> Result<Value, Error> {
        match &command.name[..] {
            "end-of-day" => {
                let body = serde_json::from_slice(&command.body);
                let EndOfDay { date } = body.map_err(|_| {
                    let detail = "the body is {\"date\": \"2026-12-01\"}";
                    Problem::new(422, "body_invalid", detail)
                })?;
                on_end_of_day(tx, &self.signers, date, now).await
            }
            "tell-life-events" => {
                let told = population::telling(&self.keys, &command.body)?;
                let events = told.events.len();
                messaging::append(tx, vec![Event::of(&told, now)], now).await?;
                Ok(json!({ "message_id": told.message_id, "events": events }))
            }
            "tell-suspicions" => {
                let told = central_bank::telling(&self.keys, &command.body)?;
                let suspicions = told.suspicions.len();
                messaging::append(tx, vec![Event::of(&told, now)], now).await?;
                Ok(json!({ "message_id": told.message_id, "suspicions": suspicions }))
            }
            "open-account" => holders::open_account(tx, &self.keys, &command.body, now).await,
            "change-account" => holders::change_account(tx, &self.keys, &command.body, now).await,
            _ => {
                let detail = "the sandbox knows end-of-day, tell-life-events, tell-suspicions, \
                              open-account and change-account";
                Err(Problem::new(404, "command_unknown", detail).into())
            }
        }
    }
}

impl InstructionsHeard {
    /// Pays what it is told to, once, and answers most of it.
    async fn on_instructions(
        &self,
        tx: &mut PgConnection,
        batch: &[Instructions],
        now: DateTime<Utc>,
    ) -> Result<(), Error> {
        let mut said = Vec::with_capacity(batch.len());
        for message in batch {
            let first_of_run = store::is_first_of_run(tx, message).await?;
            let carried_out = self.bank.carry_out(message, first_of_run)?;
            if !store::insert_funds(tx, message).await? {
                let (institution, part) = (message.institution, message.part);
                tracing::warn!(%institution, %part, "Instructed again; nothing is paid again");
                continue;
            }
            store::insert_entries(tx, message, &carried_out.entries).await?;
            if let Some(late) = &carried_out.late {
                let due_at = TimeDelta::from_std(self.delay)
                    .ok()
                    .and_then(|it| now.checked_add_signed(it));
                store::insert_delayed(tx, late, due_at.unwrap_or(DateTime::<Utc>::MAX_UTC)).await?;
            }
            said.extend(carried_out.at_once.map(|it| Event::of(&it, now)));
        }
        messaging::append_signed(tx, &self.signers, said, now).await?;
        Ok(())
    }
}

/// The banks send what they still owe an answer, then their statements of the day.
async fn on_end_of_day(
    tx: &mut PgConnection,
    signers: &Signers,
    date: NaiveDate,
    now: DateTime<Utc>,
) -> Result<Value, Error> {
    store::lock_delayed(tx).await?;
    let mut late_messages = 0;
    loop {
        let sent = send_delayed(tx, signers, None, now).await?;
        if sent == 0 {
            break;
        }
        late_messages += sent;
    }
    let mut statements = Vec::new();
    for bank in Institution::connected() {
        if let Some(it) = state(tx, signers, (bank.institution, date), now).await? {
            tracing::info!(
                institution = %it.institution, statement_no = it.number,
                entries = it.entries_count, "A bank made its statement"
            );
            statements.push(json!({
                "institution": it.institution,
                "statement_no": it.number,
                "pages": it.pages,
                "entries": it.entries_count,
                "received": it.received,
                "debits": it.debits,
                "closing": it.closing,
            }));
        }
    }
    Ok(json!({ "date": date, "late_messages": late_messages, "statements": statements }))
}

/// Makes a bank's statement of all that none has shown yet; `None` where there is nothing.
async fn state(
    tx: &mut PgConnection,
    signers: &Signers,
    (institution, date): (Institution, NaiveDate),
    now: DateTime<Utc>,
) -> Result<Option<Statement>, Error> {
    let last = store::last_statement(tx, institution).await?;
    let chunks = store::claim_funds(tx, institution, last.number + 1).await?;
    if chunks.is_empty() {
        return Ok(None);
    }
    let received = domain::Money::sum(chunks.iter().map(|it| it.amount));
    let totals = store::totals(tx, institution, &chunks).await?;
    let statement = Statement::after(last, (institution, date), received, &totals);
    store::insert_statement(tx, &statement).await?;
    let mut pages = Pages::of(&statement);
    for of_part in chunks.chunk_by(|a, b| a.part == b.part) {
        let part = of_part[0].part;
        for few in of_part.chunks(CHUNKS_AT_ONCE) {
            let paid = store::paid(tx, institution, few).await?;
            say(tx, signers, pages.add(part, paid), now).await?;
        }
        say(tx, signers, pages.end_part(part), now).await?;
    }
    say(tx, signers, pages.end(), now).await?;
    Ok(Some(statement))
}

async fn say(
    tx: &mut PgConnection,
    signers: &Signers,
    pages: impl IntoIterator<Item = StatementPage>,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    let events = pages.into_iter().map(|it| Event::of(&it, now)).collect();
    messaging::append_signed(tx, signers, events, now).await?;
    Ok(())
}

/// Sends late answers when they are due, until the process stops.
pub(crate) async fn send_when_due(pool: PgPool, signers: Arc<Signers>, stop: CancellationToken) {
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = sleep(POLL) => {}
        }
        if let Err(error) = send_due(&pool, &signers, Utc::now()).await {
            tracing::warn!(error = %error, "Late answers wait for the next look");
        }
    }
}

async fn send_due(pool: &PgPool, signers: &Signers, now: DateTime<Utc>) -> Result<(), Error> {
    while store::is_any_due(pool, now).await? {
        let mut tx = pool.begin().await?;
        if !store::try_lock_delayed(&mut tx).await? {
            return Ok(());
        }
        send_delayed(&mut tx, signers, Some(now), now).await?;
        tx.commit().await?;
    }
    Ok(())
}

/// Sends some late answers, all that are due by `due_by` or any; returns how many.
async fn send_delayed(
    tx: &mut PgConnection,
    signers: &Signers,
    due_by: Option<DateTime<Utc>>,
    now: DateTime<Utc>,
) -> Result<usize, Error> {
    let results = store::take_delayed(tx, due_by).await?;
    let events = results.iter().map(|it| Event::of(it, now)).collect();
    messaging::append_signed(tx, signers, events, now).await?;
    Ok(results.len())
}

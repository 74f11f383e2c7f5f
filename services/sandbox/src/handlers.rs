use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use domain::{Institution, Money, Part};
use events::{Enquiries, EntryKind, Envelope, Event, Instructions, Results, StatementPage};
use messaging::{Command, CommandHandler, Delivered, Handler, Problem, Signers};
use privacy::Keys;
use serde::Deserialize;
use serde_json::{Value, json};
use sqlx::{PgConnection, PgPool};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::banks::Bank;
use crate::enquiry::on_enquiries;
use crate::scenario::store::{claim_movements, insert_movements, scenario};
use crate::scenario::{Scenario, set_scenario};
use crate::statement::{Pages, Paid, PartTotals, Statement};
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
        let in_force = scenario(tx, self.bank.institution).await?;
        if in_force.is_some_and(Scenario::is_offline) {
            return Err(Error::Offline(self.bank.institution));
        }
        let mut said = Vec::new();
        for delivered in batch {
            let envelope = Envelope::parse(&delivered.body)?;
            if envelope.is::<Instructions>() {
                let message = envelope.read()?;
                let bank = (&self.bank, in_force);
                said.extend(on_instructions(tx, bank, self.delay, &message, now).await?);
            } else if envelope.is::<Enquiries>() {
                let message = envelope.read()?;
                said.extend(on_enquiries(tx, self.bank.institution, &message, now).await?);
            }
        }
        messaging::append_signed(tx, &self.signers, said, now).await?;
        Ok(())
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
            "set-scenario" => set_scenario(tx, &command.body, now).await,
            "open-account" => holders::open_account(tx, &self.keys, &command.body, now).await,
            "change-account" => holders::change_account(tx, &self.keys, &command.body, now).await,
            _ => {
                let detail = "the sandbox knows end-of-day, tell-life-events, tell-suspicions, \
                              set-scenario, open-account and change-account";
                Err(Problem::new(404, "command_unknown", detail).into())
            }
        }
    }
}

/// Pays what it is told to, once, and gives back what it answers at once.
async fn on_instructions(
    tx: &mut PgConnection,
    (bank, in_force): (&Bank, Option<Scenario>),
    delay: Duration,
    message: &Instructions,
    now: DateTime<Utc>,
) -> Result<Vec<Event>, Error> {
    let carried_out = match in_force {
        Some(scenario) => bank.play(message, scenario)?,
        None => bank.carry_out(message, store::is_first_of_run(tx, message).await?)?,
    };
    if !store::insert_funds(tx, message).await? {
        let (institution, part) = (message.institution, message.part);
        tracing::warn!(%institution, %part, "Instructed again; nothing is paid again");
        return Ok(Vec::new());
    }
    store::insert_entries(tx, message, &carried_out.entries).await?;
    insert_movements(tx, message, &carried_out.movements).await?;
    if let Some(late) = &carried_out.late {
        let due_at = TimeDelta::from_std(delay)
            .ok()
            .and_then(|it| now.checked_add_signed(it));
        store::insert_delayed(tx, late, due_at.unwrap_or(DateTime::<Utc>::MAX_UTC)).await?;
    }
    let Some(at_once) = carried_out.at_once else {
        return Ok(Vec::new());
    };
    let mut said = vec![Event::of(&at_once, now)];
    if in_force.is_some_and(Scenario::says_again) {
        said.extend(again(at_once, &said[0], now));
    }
    Ok(said)
}

/// A message once more as it was, and its lines under another id.
fn again(mut message: Results, said: &Event, now: DateTime<Utc>) -> [Event; 2] {
    let as_it_was = Event {
        id: Uuid::new_v5(&said.id, b"again"),
        ..said.clone()
    };
    message.message_id.push_str("-again");
    [as_it_was, Event::of(&message, now)]
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
    let mut moved = claim_movements(tx, institution, last.number + 1).await?;
    if chunks.is_empty() && moved.is_empty() {
        return Ok(None);
    }
    let received = Money::sum(chunks.iter().map(|it| it.amount));
    let mut totals = store::totals(tx, institution, &chunks).await?;
    add_moved(&mut totals, &moved);
    let statement = Statement::after(last, (institution, date), received, &totals);
    store::insert_statement(tx, &statement).await?;
    let mut pages = Pages::of(&statement);
    for part in Part::all() {
        let of_part: Vec<_> = chunks
            .iter()
            .filter(|it| it.part == part)
            .copied()
            .collect();
        for few in of_part.chunks(CHUNKS_AT_ONCE) {
            let paid = store::paid(tx, institution, few).await?;
            say(tx, signers, pages.add(part, paid), now).await?;
        }
        let of_part: Vec<_> = moved.extract_if(.., |(it, _)| *it == part).collect();
        let of_part = of_part.into_iter().map(|(_, it)| it).collect();
        say(tx, signers, pages.add(part, of_part), now).await?;
        say(tx, signers, pages.end_part(part), now).await?;
    }
    say(tx, signers, pages.end(), now).await?;
    Ok(Some(statement))
}

/// Adds what moved beside the lines' own entries to what they add up to.
fn add_moved(totals: &mut Vec<PartTotals>, moved: &[(Part, Paid)]) {
    for (part, it) in moved {
        let at = totals.iter().position(|it| it.part == *part);
        let at = at.unwrap_or_else(|| {
            totals.push(PartTotals {
                part: *part,
                entries: 0,
                debits: Money::ZERO,
                returned: Money::ZERO,
            });
            totals.len() - 1
        });
        let of_part = &mut totals[at];
        of_part.entries += 1;
        let side = if it.kind == EntryKind::Return {
            &mut of_part.returned
        } else {
            &mut of_part.debits
        };
        *side = Money::sum([*side, it.amount]);
    }
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

use std::sync::Arc;
use std::time::Duration;

use boot::Context;
use chrono::{DateTime, TimeDelta, Utc};
use domain::{ChunkNo, Money};
use events::{Event, Instruction, Instructions};
use ledger::{Journal, merkle_root};
use messaging::Signers;
use privacy::{Field, Keys, Secret};
use sqlx::PgConnection;
use tokio::sync::Notify;
use tracing::Instrument;

use crate::line::Line;
use crate::run::State;
use crate::store::{self, PartWork};
use crate::{Error, posting};

/// Partitions worked on at the same time by one process.
pub(crate) const WORKERS: usize = 3;
/// Chunks in one transaction.
const CHUNKS: i64 = 5;
const IDLE: Duration = Duration::from_millis(100);
const AFTER_ERROR: Duration = Duration::from_secs(1);
/// Chunks looked at in one round of the watch.
const OVERDUE_CHUNKS: i64 = 100;

/// Wakes the workers when a command has given them something to do.
#[derive(Debug, Clone, Default)]
pub(crate) struct Work(Arc<Notify>);

impl Work {
    pub(crate) fn wake(&self) {
        self.0.notify_waiters();
    }
}

/// Reserves approved runs and releases those that may go, until the process stops.
pub(crate) async fn reserve_and_release(ctx: Context, work: Work) {
    while !ctx.stop.is_cancelled() {
        let pause = match step(&ctx, Utc::now()).await {
            Ok(true) => continue,
            Ok(false) => IDLE,
            Err(error) => {
                tracing::error!(error = %error, "Reserving and releasing wait");
                AFTER_ERROR
            }
        };
        tokio::select! {
            () = ctx.stop.cancelled() => {}
            () = work.0.notified() => {}
            () = tokio::time::sleep(pause) => {}
        }
    }
}

/// One transaction of the next partition that has something to do; false where there is none.
async fn step(ctx: &Context, now: DateTime<Utc>) -> Result<bool, Error> {
    let mut tx = ctx.pool.begin().await?;
    let Some(work) = store::take_part(&mut tx).await? else {
        return Ok(false);
    };
    let doing = if work.state == State::Approved {
        "reserve"
    } else {
        "release"
    };
    let span = tracing::info_span!(
        "work",
        otel.name = format!("payments {doing}"),
        service = crate::SERVICE,
        run = work.run_no.0,
        part = work.part.number(),
    );
    messaging::follow_trace(&span, work.trace.as_deref());
    let done = async {
        let chunks = store::payable_chunks(&mut tx, &work, CHUNKS).await?;
        let Some((last, _)) = chunks.last() else {
            return Err(Error::ControlTotals {
                run: work.run_no,
                part: work.part,
                detail: format!("chunks after {} are missing", work.after.0),
            });
        };
        let last = *last;
        let chunks: Vec<Vec<Line>> = chunks
            .into_iter()
            .map(|(_, it)| it)
            .filter(|it| !it.is_empty())
            .collect();
        match work.state {
            State::Approved => reserve(&mut tx, &work, &chunks, last, now).await,
            _ => release(&mut tx, &ctx.keys, &work, &chunks, last, now).await,
        }
    };
    done.instrument(span).await?;
    tx.commit().await?;
    Ok(true)
}

async fn reserve(
    tx: &mut PgConnection,
    work: &PartWork,
    chunks: &[Vec<Line>],
    last: ChunkNo,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    let journals: Vec<Journal> = chunks
        .iter()
        .map(|it| posting::reservation(work.programme, it))
        .collect();
    ledger::post(tx, work.part, &journals, now).await?;
    store::set_reserved(tx, work, last).await
}

/// Money and message leave together: the journal and the instructions are one transaction.
async fn release(
    tx: &mut PgConnection,
    keys: &Keys,
    work: &PartWork,
    chunks: &[Vec<Line>],
    last: ChunkNo,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    let mut journals = Vec::with_capacity(chunks.len());
    let mut said = Vec::with_capacity(chunks.len());
    for chunk in chunks {
        journals.push(posting::release(work.programme, chunk));
        said.push(Event::of(&instructions(keys, work, chunk)?, now));
    }
    ledger::post(tx, work.part, &journals, now).await?;
    store::set_released(tx, work, chunks, last, now).await?;
    messaging::append_signed(tx, &Signers::of_state(keys), said, now).await?;
    Ok(())
}

/// What the bank is told, sealed anew for it alone.
fn instructions(keys: &Keys, work: &PartWork, chunk: &[Line]) -> Result<Instructions, Error> {
    let institution = chunk[0].institution;
    let bank = keys.exchange(&institution.to_string());
    let mut lines = Vec::with_capacity(chunk.len());
    for line in chunk {
        let (ours, theirs) = (line.sealed_for(), line.position.to_string());
        let account = match &line.account {
            Some(sealed) => Some(keys.open(Field::BankAccount, &ours, sealed)?),
            None => None,
        };
        let holder = keys.open(Field::PersonName, &ours, &line.holder)?;
        let holder = Secret::from(domain::PersonName::bank_form_of(holder.expose()));
        let sealed = |field, clear: &Secret| bank.seal(field, theirs.as_bytes(), clear.expose());
        lines.push(Instruction {
            end_to_end_id: line.position,
            amount: line.amount,
            account: account.map(|it| sealed(Field::BankAccount, &it)),
            holder: sealed(Field::PersonName, &holder),
        });
    }
    Ok(Instructions {
        institution,
        run_no: work.run_no,
        part: work.part,
        chunk: chunk[0].position.chunk,
        business_date: work.business_date,
        count: i32::try_from(lines.len()).expect("at most a thousand"),
        total: Money::sum(chunk.iter().map(|it| it.amount)),
        root: merkle_root(chunk.iter().map(Line::leaf)).hex(),
        lines,
    })
}

/// Sets lines without an answer to unknown once their time is over; never to failed.
pub(crate) async fn watch_overdue(ctx: Context) {
    let sla = Duration::from_millis(ctx.settings.payments.result_sla_ms);
    let sla = TimeDelta::from_std(sla).unwrap_or(TimeDelta::MAX);
    let pause = Duration::from_millis(ctx.settings.payments.result_sla_ms / 4)
        .clamp(Duration::from_millis(100), Duration::from_secs(30));
    while !ctx.stop.is_cancelled() {
        if let Err(error) = overdue_round(&ctx, sla, Utc::now()).await {
            tracing::error!(error = %error, "The watch over answers waits");
        }
        tokio::select! {
            () = ctx.stop.cancelled() => {}
            () = tokio::time::sleep(pause) => {}
        }
    }
}

async fn overdue_round(ctx: &Context, sla: TimeDelta, now: DateTime<Utc>) -> Result<(), Error> {
    let Some(before) = now.checked_sub_signed(sla) else {
        return Ok(());
    };
    for chunk in store::overdue_chunks(&ctx.pool, before, OVERDUE_CHUNKS).await? {
        let mut tx = ctx.pool.begin().await?;
        // Locked and read again: an answer may have come in between.
        let lines = store::unanswered(&mut tx, &chunk).await?;
        if !lines.is_empty() {
            let journal = posting::overdue(
                chunk.programme,
                chunk.institution,
                (chunk.run_no, chunk.part, chunk.chunk),
                &lines,
            );
            ledger::post(&mut tx, chunk.part, &[journal], now).await?;
            store::open_unknown(&mut tx, &chunk, &lines, now).await?;
            tracing::warn!(
                run = chunk.run_no.0,
                part = chunk.part.number(),
                chunk = chunk.chunk.0,
                lines = lines.len(),
                "An institution did not answer in time; the lines are unknown"
            );
        }
        store::set_overdue(&mut tx, &chunk, now).await?;
        tx.commit().await?;
    }
    Ok(())
}

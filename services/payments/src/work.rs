use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use boot::Context;
use chrono::{DateTime, TimeDelta, Utc};
use domain::{ChunkNo, Money, Part, Position, Province, RunNo};
use events::{Event, Instruction, Instructions};
use ledger::{Journal, merkle_root};
use messaging::{Judged, Signers, Verdict};
use privacy::{Field, Keys, Secret};
use sqlx::{PgConnection, PgPool};
use tokio::sync::Notify;
use tracing::Instrument;

use crate::funding::{Fund, Need};
use crate::line::Line;
use crate::run::State;
use crate::store::{self, Begun, HeldBy, HeldFor, Hold, NextChunk, NotOut, PartWork};
use crate::{Error, posting};

/// Partitions worked on at the same time by one process.
pub(crate) const WORKERS: usize = 3;
/// Chunks in one transaction.
const CHUNKS: i64 = 5;
/// How often the first worker looks for what became due by itself, a wave or a limit, and how often
/// the others do.
const LOOK: Duration = Duration::from_millis(100);
const IDLE: Duration = Duration::from_secs(2);
const AFTER_ERROR: Duration = Duration::from_secs(1);
/// Chunks looked at in one round of the watch.
const OVERDUE_CHUNKS: i64 = 100;

/// How long a partition that cannot be paid is put off, so that it keeps nobody else waiting.
const PUT_OFF: TimeDelta = TimeDelta::seconds(30);

/// Wakes the workers when a command has given them something to do.
#[derive(Debug, Clone, Default)]
pub struct Work(Arc<Waiting>);

#[derive(Debug, Default)]
struct Waiting {
    woken: Notify,
    /// Partitions that could not be paid, and until when they are left alone.
    put_off: Mutex<BTreeMap<(RunNo, Part), DateTime<Utc>>>,
}

impl Work {
    /// After the commit of what there may be. One worker looks, and wakes the next where it finds
    /// something.
    pub(crate) fn wake(&self) {
        self.0.woken.notify_one();
    }

    fn put_off(&self, (run_no, part): (RunNo, Part), until: DateTime<Utc>) {
        let mut put_off = self.0.put_off.lock().expect("nobody panics with it");
        put_off.insert((run_no, part), until);
    }

    /// What is put off still.
    fn left_alone(&self, now: DateTime<Utc>) -> Vec<(RunNo, Part)> {
        let mut put_off = self.0.put_off.lock().expect("nobody panics with it");
        put_off.retain(|_, until| *until > now);
        put_off.keys().copied().collect()
    }
}

/// Reserves approved runs and releases those that may go, until the process stops.
pub(crate) async fn reserve_and_release(ctx: Context, work: Work, is_first: bool) {
    let idle = if is_first { LOOK } else { IDLE };
    let wait_max = ctx.settings.proof.wait_max_ms;
    let wait_max = TimeDelta::from_std(Duration::from_millis(wait_max)).unwrap_or(TimeDelta::MAX);
    while !ctx.stop.is_cancelled() {
        let pause = match work.once(&ctx.pool, &ctx.keys, wait_max, Utc::now()).await {
            Ok(true) => {
                work.wake();
                continue;
            }
            Ok(false) => idle,
            Err(error) => {
                tracing::error!(error = %error, "Reserving and releasing wait");
                AFTER_ERROR
            }
        };
        tokio::select! {
            () = ctx.stop.cancelled() => {}
            // What was committed during the look has left a permit.
            () = work.0.woken.notified() => {}
            () = tokio::time::sleep(pause) => {}
        }
    }
}

impl Work {
    /// One transaction of the next partition that has something to do; false where there is none, or
    /// where evidence has waited longer than `wait_max` to be kept: no money goes out then. A partition
    /// that cannot be paid is left alone for a while.
    ///
    /// # Errors
    /// What is away or in the way, and is of no partition.
    pub async fn once(
        &self,
        pool: &PgPool,
        keys: &Keys,
        wait_max: TimeDelta,
        now: DateTime<Utc>,
    ) -> Result<bool, Error> {
        let mut tx = pool.begin().await?;
        let Some(work) = store::take_part(&mut tx, &self.left_alone(now), now).await? else {
            return Ok(false);
        };
        if work.state != State::Approved && is_without_evidence(&mut tx, wait_max, now).await? {
            return Ok(false);
        }
        match pay(&mut tx, keys, &work, now).await {
            Err(error) if comes_again(&error) => {
                tx.rollback().await?;
                let (run, part) = (work.run_no.0, work.part.number());
                tracing::error!(run, part, error = %error, "A partition cannot be paid");
                self.put_off((work.run_no, work.part), now + PUT_OFF);
                Ok(true)
            }
            done => {
                let done = done?;
                tx.commit().await?;
                Ok(done)
            }
        }
    }
}

/// Whether an error is the partition's own, and would come again at once.
fn comes_again(error: &Error) -> bool {
    match error {
        Error::Database(error) | Error::Ledger(ledger::Error::Database(error)) => {
            boot::database::is_about_data(error)
        }
        error => error.verdict() != Verdict::Retry,
    }
}

/// Reserves a partition's next chunks, or releases them.
async fn pay(
    tx: &mut PgConnection,
    keys: &Keys,
    work: &PartWork,
    now: DateTime<Utc>,
) -> Result<bool, Error> {
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
        match work.state {
            State::Approved => reserve(tx, work, now).await,
            _ => release(tx, keys, work, now).await,
        }
    };
    done.instrument(span).await
}

/// Whether what was recorded is not sealed in time: then nobody could show later what went out.
async fn is_without_evidence(
    tx: &mut PgConnection,
    wait_max: TimeDelta,
    now: DateTime<Utc>,
) -> Result<bool, Error> {
    let since = proof::waiting_since(tx).await?;
    let waits = since.is_some_and(|it| now - it > wait_max);
    if waits {
        tracing::error!(since = ?since, "No money is released: evidence is not kept");
    }
    Ok(waits)
}

/// What earlier attempts left; a regular run has none.
async fn begun(
    tx: &mut PgConnection,
    work: &PartWork,
    chunks: &[ChunkNo],
) -> Result<HashMap<Position, Begun>, Error> {
    if work.series == 0 {
        return Ok(HashMap::new());
    }
    store::begun(tx, (work.run_no, work.part), chunks).await
}

async fn reserve(
    tx: &mut PgConnection,
    work: &PartWork,
    now: DateTime<Utc>,
) -> Result<bool, Error> {
    let chunks = store::payable_chunks(tx, work, CHUNKS).await?;
    let Some((last, _)) = chunks.last() else {
        return Err(Error::ControlTotals {
            run: work.run_no,
            part: work.part,
            detail: format!("chunks after {} are missing", work.after.0),
        });
    };
    let last = *last;
    let numbers: Vec<ChunkNo> = chunks.iter().map(|(chunk, _)| *chunk).collect();
    let begun = begun(tx, work, &numbers).await?;
    let mut journals = Vec::with_capacity(chunks.len());
    for (_, lines) in &chunks {
        let reserved = |it: &Line| begun.get(&it.position).is_some_and(|it| it.is_reserved);
        let fresh: Vec<Line> = lines.iter().filter(|it| !reserved(it)).cloned().collect();
        if !fresh.is_empty() {
            let paid_from = (work.programme, work.year);
            journals.push(posting::reservation(paid_from, work.step, &fresh));
        }
    }
    ledger::post(tx, work.part, &journals, now).await?;
    store::set_reserved(tx, work, last).await?;
    Ok(true)
}

/// Money and message leave together: the journal and the instructions are one transaction. False
/// where nothing may go just now.
async fn release(
    tx: &mut PgConnection,
    keys: &Keys,
    work: &PartWork,
    now: DateTime<Utc>,
) -> Result<bool, Error> {
    let mut next = store::next_chunks(tx, work, CHUNKS, now).await?;
    // Institutions' limits are taken in one order by everybody.
    next.sort_by_key(|it| (it.institution, it.chunk));
    let paused = store::paused_places(tx).await?;
    let numbers: Vec<ChunkNo> = next.iter().map(|it| it.chunk).collect();
    let begun = begun(tx, work, &numbers).await?;
    let checkpoint = proof::newest_checkpoint(tx).await?;
    let (mut done, mut sent, mut journals, mut said) = (vec![], vec![], vec![], vec![]);
    let mut orders = BTreeSet::new();
    for it in &next {
        let not_out = store::not_out(tx, work, it).await?;
        if let Some(order_no) = it.stopped_by {
            journals.extend(stop(tx, work, (it, order_no), &not_out, now).await?);
            orders.insert(order_no);
            continue;
        }
        let (held, going): (Vec<Line>, Vec<Line>) = not_out
            .going
            .into_iter()
            .partition(|it| it.places().any(|it| paused.contains(&it.key())));
        let goes = !going.is_empty();
        if goes && !store::take_tokens(tx, it.institution, going.len(), now).await? {
            continue;
        }
        hold_paused(tx, work.part, &held, now).await?;
        done.push(it.chunk);
        if goes {
            journals.push(posting::release(
                work.programme,
                it.messages,
                &going,
                &begun,
            ));
            said.push(Event::of(
                &instructions(keys, work, it.messages, (checkpoint.as_deref(), &going))?,
                now,
            ));
            sent.push(going);
        }
    }
    if done.is_empty() && orders.is_empty() {
        return Ok(false);
    }
    ledger::post(tx, work.part, &journals, now).await?;
    store::set_released(tx, work, (&done, &sent), now).await?;
    messaging::append_signed(tx, &Signers::of_state(keys), said, now).await?;
    for order_no in orders {
        give_back(tx, work, order_no, now).await?;
    }
    Ok(true)
}

/// Lines of a paused province stay here when their chunk leaves.
async fn hold_paused(
    tx: &mut PgConnection,
    part: Part,
    lines: &[Line],
    now: DateTime<Utc>,
) -> Result<(), Error> {
    let holds = lines.iter().map(|it| Hold {
        position: it.position,
        reason: "paused",
        by: HeldBy::Pause,
    });
    let holds: Vec<Hold<'_>> = holds.collect();
    if !holds.is_empty() {
        store::hold_lines(tx, part, &holds, now).await?;
    }
    Ok(())
}

/// What of a chunk is not out is not paid by this run; gives back the journal that takes its money
/// from the persons. Lines that were never funded have none.
async fn stop(
    tx: &mut PgConnection,
    work: &PartWork,
    (next, order_no): (&NextChunk, i64),
    not_out: &NotOut,
    now: DateTime<Utc>,
) -> Result<Option<Journal>, Error> {
    let aside = not_out.aside.iter();
    let paused = aside.clone().filter(|(.., of)| *of == HeldFor::Pause);
    let paid: Vec<&Line> = not_out
        .going
        .iter()
        .chain(paused.map(|(line, ..)| line))
        .filter(|_| work.is_funded)
        .collect();
    let lines: Vec<&Line> = not_out
        .going
        .iter()
        .chain(aside.clone().map(|(line, ..)| line))
        .collect();
    let holds: Vec<i64> = aside.map(|(_, hold, _)| *hold).collect();
    let mut by_level: BTreeMap<Option<Province>, Money> = BTreeMap::new();
    for line in &paid {
        let national = line.amount.checked_sub(line.local).expect("a part of it");
        for (level, amount) in [(None, national), (Some(line.province), line.local)] {
            let sum = by_level.entry(level).or_default();
            *sum = Money::sum([*sum, amount]);
        }
    }
    let paid_back: Vec<(Option<Province>, Money)> = by_level
        .into_iter()
        .filter(|(_, it)| !it.is_zero())
        .collect();
    store::set_stopped(
        tx,
        work,
        (next, order_no),
        (&lines, &holds),
        &paid_back,
        now,
    )
    .await?;
    Ok(posting::stop((work.programme, work.year), &paid))
}

/// With its last chunk an order's money is the funds' again.
async fn give_back(
    tx: &mut PgConnection,
    work: &PartWork,
    order_no: i64,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    let Some(sums) = store::stopped_by(tx, work.run_no, order_no).await? else {
        return Ok(());
    };
    let need = |(province, amount)| Need {
        fund: Fund {
            programme: work.programme,
            province,
            year: work.year,
        },
        amount,
    };
    let sums: Vec<Need> = sums.into_iter().map(need).collect();
    if let Some(journal) = posting::give_back(work.run_no, order_no, &sums) {
        ledger::post(tx, Part::ZERO, &[journal], now).await?;
    }
    Ok(())
}

/// What the bank is told, sealed anew for it alone.
fn instructions(
    keys: &Keys,
    work: &PartWork,
    messages: i16,
    (checkpoint, chunk): (Option<&str>, &[Line]),
) -> Result<Instructions, Error> {
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
        message: (messages > 0).then_some(messages),
        business_date: work.business_date,
        count: i32::try_from(lines.len()).expect("at most a thousand"),
        total: Money::sum(chunk.iter().map(|it| it.amount)),
        root: merkle_root(chunk.iter().map(Line::leaf)).hex(),
        checkpoint: checkpoint.map(str::to_owned),
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

use std::sync::Arc;
use std::time::Duration;

use boot::Context;
use chrono::{DateTime, TimeDelta, Utc};
use domain::{CHUNK_LINES_MAX, ChunkNo, LineNo, Money};
use events::{EntitlementLine, EntitlementsDetermined, Event, PartDetermined, RateCited};
use sqlx::PgConnection;
use tokio::sync::Notify;
use tracing::Instrument;

use crate::determination::{Determination, Outcome, decide};
use crate::store::{self, Freeze, Frozen};
use crate::{Error, Rates};

/// Partitions determined at the same time by one process.
pub(crate) const WORKERS: usize = 2;
/// People determined in one transaction.
const BATCH: i64 = 5000;
/// How long a run whose rates are missing is put off.
const RATES_RETRY: TimeDelta = TimeDelta::seconds(30);
const IDLE: Duration = Duration::from_millis(500);

/// Wakes the workers when there is something to determine.
#[derive(Debug, Clone, Default)]
pub(crate) struct Work(Arc<Notify>);

impl Work {
    pub(crate) fn wake(&self) {
        // The transaction is not committed yet; a worker that looks too early looks again.
        self.0.notify_waiters();
    }
}

/// Determines frozen partitions, a few thousand people a transaction, until the process stops.
pub(crate) async fn determine(ctx: Context, work: Work) {
    let mut rates: Option<Rates> = None;
    while !ctx.stop.is_cancelled() {
        let done = async {
            if rates.is_none() {
                rates = Some(store::rates(&ctx.pool).await?);
            }
            let rates = rates.as_ref().expect("just read");
            step(&ctx, rates, Utc::now()).await
        };
        match done.await {
            Ok(true) => {}
            Ok(false) => tokio::select! {
                () = ctx.stop.cancelled() => {}
                () = work.0.notified() => tokio::time::sleep(Duration::from_millis(5)).await,
                () = tokio::time::sleep(IDLE) => {}
            },
            Err(error) => {
                tracing::error!(error = %error, "Determining waits");
                tokio::select! {
                    () = ctx.stop.cancelled() => {}
                    () = tokio::time::sleep(IDLE) => {}
                }
            }
        }
    }
}

/// One transaction of the next unfinished partition; false where there is none.
async fn step(ctx: &Context, rates: &Rates, now: DateTime<Utc>) -> Result<bool, Error> {
    let mut tx = ctx.pool.begin().await?;
    let Some(freeze) = store::take_freeze(&mut tx, now).await? else {
        return Ok(false);
    };
    let span = tracing::info_span!(
        "determine",
        otel.name = "eligibility determines",
        service = crate::SERVICE,
        run = freeze.run_no.0,
        part = freeze.part.number(),
    );
    messaging::follow_trace(&span, freeze.trace.as_deref());
    let determined = determine_batch(&mut tx, freeze.clone(), rates, now)
        .instrument(span)
        .await;
    if let Err(error @ Error::NoRate { .. }) = determined {
        // The law is missing, not the machine: this run waits for it, the others do not.
        tx.rollback().await?;
        tracing::error!(run = freeze.run_no.0, error = %error, "A run waits for its rates");
        store::put_off(&ctx.pool, &freeze, &error.to_string(), now + RATES_RETRY).await?;
        return Ok(true);
    }
    determined?;
    tx.commit().await?;
    Ok(true)
}

async fn determine_batch(
    tx: &mut PgConnection,
    mut freeze: Freeze,
    rates: &Rates,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    let people = store::frozen_people(tx, &freeze, BATCH).await?;
    let mut decided = Vec::with_capacity(people.len());
    for person in &people {
        decided.push(decide(
            &person.facts,
            freeze.period,
            freeze.business_date,
            rates,
        )?);
    }
    store::insert_determinations(tx, &freeze, &people, &decided).await?;
    let mut said = entitlements(&mut freeze, &people, &decided, rates, now);
    freeze.done = i64::try_from(people.len()).is_ok_and(|it| it < BATCH);
    if let Some(last) = people.last() {
        freeze.last_person = last.person_no;
    }
    if freeze.done {
        let determined = PartDetermined {
            run_no: freeze.run_no,
            part: freeze.part,
            chunks: freeze.chunks,
            lines: freeze.lines,
            total: freeze.total,
            not_owed: freeze.not_owed,
        };
        said.push(Event::of(&determined, now));
    }
    store::update_freeze(tx, &freeze).await?;
    messaging::append(tx, said, now).await?;
    Ok(())
}

/// Cuts what is owed into chunks and counts everybody.
fn entitlements(
    freeze: &mut Freeze,
    people: &[Frozen],
    decided: &[Determination],
    rates: &Rates,
    now: DateTime<Utc>,
) -> Vec<Event> {
    let mut lines = Vec::with_capacity(people.len());
    for (person, determination) in people.iter().zip(decided) {
        match (determination.outcome, determination.rate_no) {
            (Outcome::Owed(amount), Some(rate_no)) if !amount.is_zero() => {
                lines.push(EntitlementLine {
                    line: LineNo(0),
                    person_no: person.person_no,
                    determination_no: 1,
                    amount,
                    province: person.facts.enrolment.province,
                    rate_no,
                });
            }
            _ => freeze.not_owed += 1,
        }
    }
    let chunk_max = usize::try_from(CHUNK_LINES_MAX).expect("a small number");
    let mut said = Vec::new();
    let mut lines = lines.into_iter().peekable();
    while lines.peek().is_some() {
        let mut chunk: Vec<EntitlementLine> = lines.by_ref().take(chunk_max).collect();
        for (number, line) in (1..).zip(&mut chunk) {
            line.line = LineNo(number);
        }
        freeze.chunks += 1;
        freeze.lines += i64::try_from(chunk.len()).expect("at most a thousand");
        let total = Money::sum(chunk.iter().map(|it| it.amount));
        freeze.total = Money::sum([freeze.total, total]);
        let determined = EntitlementsDetermined {
            run_no: freeze.run_no,
            part: freeze.part,
            chunk: ChunkNo(freeze.chunks),
            programme: freeze.programme,
            period: freeze.period,
            rates: cited(&chunk, rates),
            lines: chunk,
            total,
        };
        said.push(Event::of(&determined, now));
    }
    said
}

/// The rates that a chunk's lines name, once each.
fn cited(chunk: &[EntitlementLine], rates: &Rates) -> Vec<RateCited> {
    let mut numbers: Vec<i32> = chunk.iter().map(|it| it.rate_no).collect();
    numbers.sort_unstable();
    numbers.dedup();
    let named = rates
        .iter()
        .filter(|it| numbers.binary_search(&it.rate_no).is_ok());
    named
        .map(|it| RateCited {
            rate_no: it.rate_no,
            name: it.name.clone(),
            value: it.value.to_string(),
            legal_basis: it.legal_basis.clone(),
            valid_from: it.valid_from,
            valid_to: it.valid_to,
            known_from: it.known_from,
        })
        .collect()
}

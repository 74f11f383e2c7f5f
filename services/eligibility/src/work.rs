use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use boot::Context;
use chrono::{DateTime, TimeDelta, Utc};
use domain::{CHUNK_LINES_MAX, ChunkNo, LineNo, Money, PersonNo};
use events::{
    EntitlementLine, EntitlementsDetermined, Event, PartDetermined, RateCited, WithdrawnLine,
};
use rules::{Bench, Law};
use serde_json::value::RawValue;
use sqlx::{Connection, PgConnection};
use tokio::sync::Notify;
use tracing::{Instrument, Span};

use crate::determination::{decide, inputs_json, overlapping};
use crate::law::{LawInForce, Laws};
use crate::past::{Found, History, Present, at, decide_again};
use crate::store::{self, Decided, Freeze};
use crate::{Error, reconsider};

/// Partitions determined at the same time by one process: two a core of the smallest machine, as
/// each waits for its commits.
pub(crate) const WORKERS: usize = 4;
/// People determined in one transaction.
const BATCH: i64 = 5000;
/// In how small a partition all people are determined in the transaction that freezes it. Those of
/// several partitions are side by side, and more of them than workers: large ones would crowd.
const FEW: i64 = 100;
/// How long what cannot be determined is put off.
const RETRY: TimeDelta = TimeDelta::seconds(30);
const IDLE: Duration = Duration::from_millis(500);

/// Wakes the workers when there is something to determine.
#[derive(Debug, Clone, Default)]
pub(crate) struct Work(Arc<Waiting>);

#[derive(Debug, Default)]
struct Waiting {
    left: AtomicBool,
    woken: Notify,
}

impl Work {
    /// What is being frozen is more than its own transaction determines.
    fn leave(&self) {
        self.0.left.store(true, Ordering::Release);
    }

    /// After a commit, where something may have been left. What two commits left is found by whom the
    /// first of them wakes, or by its next look of its own.
    pub(crate) fn wake(&self) {
        if self.0.left.swap(false, Ordering::AcqRel) {
            self.0.woken.notify_waiters();
        }
    }
}

/// The next people of a partition.
struct Next<'a> {
    persons: &'a [i64],
    is_last: bool,
}

/// What came of the next people of a partition, to be told.
struct Determined {
    freeze: Freeze,
    said: Vec<Event>,
    withdrawn: Vec<WithdrawnLine>,
}

/// Determines frozen partitions, a few thousand people a transaction, until the process stops.
pub(crate) async fn determine(ctx: Context, laws: Laws, work: Work) {
    while !ctx.stop.is_cancelled() {
        // Before the look: what is committed after it wakes.
        let woken = work.0.woken.notified();
        match step(&ctx, &laws, Utc::now()).await {
            Ok(true) => {}
            Ok(false) => tokio::select! {
                () = ctx.stop.cancelled() => {}
                () = woken => {}
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
async fn step(ctx: &Context, laws: &Laws, now: DateTime<Utc>) -> Result<bool, Error> {
    let mut tx = ctx.pool.begin().await?;
    let Some(freeze) = store::take_freeze(&mut tx, now).await? else {
        return Ok(false);
    };
    let span = span_of(&freeze);
    messaging::follow_trace(&span, freeze.trace.as_deref());
    let persons = next_people(&mut tx, &freeze, BATCH).await?;
    let next = Next {
        persons: &persons,
        is_last: i64::try_from(persons.len()).is_ok_and(|it| it < BATCH),
    };
    let determined = async {
        let determined = determine_people(&mut tx, freeze.clone(), next, laws, now).await?;
        store::update_freeze(&mut tx, &determined.freeze).await?;
        tell(&mut tx, vec![determined], laws, now).await
    };
    let determined = determined.instrument(span).await;
    match determined {
        Ok(()) => tx.commit().await?,
        Err(error @ Error::Messaging(_)) => return Err(error),
        Err(Error::Database(error)) if !boot::database::is_about_data(&error) => {
            return Err(error.into());
        }
        // A law is missing, or a partition is broken, not the machine: it waits, the others do not.
        Err(error) => {
            tx.rollback().await?;
            let (run, part) = (freeze.run_no.0, freeze.part.number());
            tracing::error!(run, part, error = %error, "A partition cannot be determined");
            store::put_off(&ctx.pool, &freeze, &error.to_string(), now + RETRY).await?;
        }
    }
    Ok(true)
}

fn span_of(freeze: &Freeze) -> Span {
    tracing::info_span!(
        "determine",
        otel.name = "eligibility determines",
        service = crate::SERVICE,
        run = freeze.run_no.0,
        part = freeze.part.number(),
    )
}

/// Freezes partitions and determines those that are small in the same transaction: a step of its own
/// would only be waited for. A large one is left to the workers, and so are all where the law does not
/// decide one: they put that off.
pub(crate) async fn begin(
    tx: &mut PgConnection,
    freezes: &[Freeze],
    (laws, work): (&Laws, &Work),
    now: DateTime<Utc>,
) -> Result<(), Error> {
    let mut inner = tx.begin().await?;
    match determine_small(&mut inner, freezes, laws, now).await {
        Ok(is_all) => {
            inner.commit().await?;
            if !is_all {
                work.leave();
            }
        }
        Err(error @ (Error::Database(_) | Error::Messaging(_))) => return Err(error),
        Err(_) => {
            inner.rollback().await?;
            store::insert_freezes(tx, freezes).await?;
            work.leave();
        }
    }
    Ok(())
}

/// False where large partitions are left.
async fn determine_small(
    tx: &mut PgConnection,
    freezes: &[Freeze],
    laws: &Laws,
    now: DateTime<Utc>,
) -> Result<bool, Error> {
    let (mut frozen, mut determined) = (Vec::with_capacity(freezes.len()), Vec::new());
    for freeze in freezes {
        let persons = next_people(tx, freeze, FEW).await?;
        if i64::try_from(persons.len()).is_ok_and(|it| it >= FEW) {
            frozen.push(freeze.clone());
            continue;
        }
        let next = Next {
            persons: &persons,
            is_last: true,
        };
        let of_part = determine_people(tx, freeze.clone(), next, laws, now);
        let of_part = of_part.instrument(span_of(freeze)).await?;
        frozen.push(of_part.freeze.clone());
        determined.push(of_part);
    }
    store::insert_freezes(tx, &frozen).await?;
    let is_all = determined.len() == freezes.len();
    tell(tx, determined, laws, now).await?;
    Ok(is_all)
}

async fn next_people(
    tx: &mut PgConnection,
    freeze: &Freeze,
    limit: i64,
) -> Result<Vec<i64>, Error> {
    let key = (freeze.part, freeze.programme);
    store::next_people(tx, key, freeze.last_person, freeze.frozen_at, limit).await
}

/// Determines the next people of a partition; with the last of them it is done.
async fn determine_people(
    tx: &mut PgConnection,
    mut freeze: Freeze,
    next: Next<'_>,
    laws: &Laws,
    now: DateTime<Utc>,
) -> Result<Determined, Error> {
    let law = laws.numbered(tx, freeze.law_no).await?.law;
    let (decided, withdrawn) = decided(tx, &freeze, laws, &law, next.persons).await?;
    store::insert_determinations(tx, &freeze, &decided).await?;
    let mut said = entitlements(&mut freeze, decided, &law, now)?;
    freeze.done = next.is_last;
    if let Some(last) = next.persons.last() {
        freeze.last_person = PersonNo(*last);
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
    Ok(Determined {
        freeze,
        said,
        withdrawn,
    })
}

/// Tells what was determined, of all partitions together: news are locked before sequences, and each in
/// the order of partitions, as by everybody.
async fn tell(
    tx: &mut PgConnection,
    determined: Vec<Determined>,
    laws: &Laws,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    let with_news = determined
        .iter()
        .filter(|it| it.freeze.done || !it.withdrawn.is_empty());
    store::lock_news(tx, with_news.map(|it| it.freeze.part).collect()).await?;
    let (mut said, mut behind) = (Vec::new(), Vec::with_capacity(determined.len()));
    for it in determined {
        said.extend(it.said);
        behind.push((it.freeze, it.withdrawn));
    }
    messaging::append(tx, said, now).await?;
    for (freeze, withdrawn) in behind {
        reconsider::say(tx, freeze.part, &withdrawn, now).await?;
        // Of whom nothing was determined nothing is to be decided again.
        if freeze.done && freeze.lines + freeze.not_owed > 0 {
            let law = laws.numbered(tx, freeze.law_no).await?;
            catch_up(tx, &freeze, &law, now).await?;
        }
    }
    Ok(())
}

/// Decides for the next people: their month, and what past months still owe them.
async fn decided(
    tx: &mut PgConnection,
    freeze: &Freeze,
    laws: &Laws,
    law: &Law,
    persons: &[i64],
) -> Result<(Vec<Decided>, Vec<WithdrawnLine>), Error> {
    let (Some(first), Some(last)) = (persons.first(), persons.last()) else {
        return Ok((Vec::new(), Vec::new()));
    };
    let present = Present {
        law,
        part: freeze.part,
        programme: freeze.programme,
        known: freeze.business_date,
    };
    let key = (freeze.part, freeze.programme);
    let mut programmes = overlapping(law, freeze.programme);
    programmes.push(freeze.programme);
    let frozen_at = freeze.frozen_at;
    let people = store::people(tx, law, freeze.part, persons, &programmes, frozen_at).await?;
    let history = History::before(tx, laws, &present, freeze.run_no.0).await?;
    let news = match history.looked_at() {
        Some(since) => {
            let range = (PersonNo(*first), PersonNo(*last));
            store::people_with_news(tx, key, (since, frozen_at), range).await?
        }
        None => Vec::new(),
    };
    let again = if history.has_changed_law() {
        persons
    } else {
        &news
    };
    let standing = if history.periods().is_empty() || again.is_empty() {
        std::collections::BTreeMap::new()
    } else {
        store::obligations(tx, key, &history.run_nos(), again).await?
    };
    let mut bench = Bench::new();
    let (mut decided, mut found) = (Vec::with_capacity(people.len()), Found::default());
    let month = at(freeze.period, freeze.business_date);
    for person in &people {
        if let Some(inputs) = person.inputs(freeze.programme, freeze.period) {
            let determination = decide(law, &mut bench, freeze.programme, &inputs, month)?;
            decided.push(Decided {
                person_no: person.person_no,
                period: freeze.period,
                determination_no: 1,
                amount: determination.owed,
                province: inputs.enrolled[&freeze.programme].province,
                inputs: inputs_json(freeze.programme, &inputs, month),
                determination,
            });
        }
        let has_news = news.binary_search(&person.person_no.0).is_ok();
        let which = (has_news, Some(freeze.period));
        decide_again(
            &mut bench, &present, &history, person, which, &standing, &mut found,
        )?;
        decided.append(&mut found.arrears);
    }
    Ok((decided, found.withdrawn))
}

/// What became known of people while their partition, whose news are locked, was being determined.
async fn catch_up(
    tx: &mut PgConnection,
    freeze: &Freeze,
    law: &LawInForce,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    let everybody = (PersonNo(0), PersonNo(i64::MAX));
    let key = (freeze.part, freeze.programme);
    // Later than `now`: who heard the news and waited for the lock has a later clock.
    let until = DateTime::<Utc>::MAX_UTC;
    let news = store::people_with_news(tx, key, (freeze.frozen_at, until), everybody).await?;
    reconsider::people_of_part(tx, law, freeze.part, &news, now).await
}

/// Cuts what is owed into chunks and counts everybody.
fn entitlements(
    freeze: &mut Freeze,
    decided: Vec<Decided>,
    law: &Law,
    now: DateTime<Utc>,
) -> Result<Vec<Event>, Error> {
    let mut lines = Vec::with_capacity(decided.len());
    for it in decided {
        if it.amount.is_zero() {
            freeze.not_owed += 1;
            continue;
        }
        let Decided {
            person_no,
            period,
            determination_no,
            amount,
            determination,
            ..
        } = it;
        // Of arrears, which are a difference, no more can be local than they are: what the province
        // pays of the period now comes first.
        let local = determination.local.min(amount);
        let explanation = RawValue::from_string(determination.explanation);
        lines.push(EntitlementLine {
            line: LineNo(0),
            person_no,
            determination_no,
            amount,
            local: (!local.is_zero()).then_some(local),
            province: it.province,
            rate_no: determination.rate_no,
            period: (period != freeze.period).then_some(period),
            rule: Some(determination.rule),
            explanation: Some(explanation.map_err(|it| Error::Inputs(it.to_string()))?),
        });
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
            rates: cited(&chunk, law),
            lines: chunk,
            total,
        };
        said.push(Event::of(&determined, now));
    }
    Ok(said)
}

/// The parameters that a chunk's lines name, once each.
fn cited(chunk: &[EntitlementLine], law: &Law) -> Vec<RateCited> {
    let mut numbers: Vec<i32> = chunk.iter().map(|it| it.rate_no).collect();
    numbers.sort_unstable();
    numbers.dedup();
    let named = numbers.into_iter().filter_map(|it| law.parameter(it));
    named
        .map(|it| RateCited {
            rate_no: it.rate_no,
            name: it.name.to_string(),
            value: it.value.to_string(),
            legal_basis: it.legal_basis.clone(),
            valid_from: it.valid_from,
            valid_to: it.valid_to,
            known_from: it.known_from,
        })
        .collect()
}

//! What becomes of messages: applied, parked, put aside or given back.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use domain::Part;
use futures::StreamExt;
use sqlx::PgConnection;
use tokio::time::{Instant, sleep};
use tracing::{Instrument, Span};

use super::{
    BACKOFF, BACKOFF_MAX, Ear, Handler, Judged, LARGE, Manner, Message, PARTS_AT_ONCE,
    Subscription, TURNS_OF_LARGE, Verdict, acknowledge, give_back,
};
use crate::delivered::{
    Continued, Delivered, Signed, continue_from, fingerprint, headers_text, is_of_another_sequence,
};
use crate::organisation::Route;
use crate::signature::Unverified;
use crate::store;
use crate::{Error, follow_trace, meter};

/// Events of one partition in one transaction.
const BATCH_MAX: usize = 5;
/// Tries of a transaction before its messages are given back to JetStream.
const TRIES_MAX: u32 = 8;

/// What came of one partition, in order.
struct Batch {
    part: Part,
    events: Vec<Delivered>,
    messages: Vec<Message>,
}

/// How a transaction ended.
enum Outcome {
    Settled,
    /// The partition is another instance's by now; nothing was done.
    Fenced,
}

impl<H: Handler> Ear<'_, H> {
    /// Sorts what came by partition and applies the partitions side by side.
    pub(super) async fn take(&self, messages: Vec<Message>) {
        let mut parts: BTreeMap<Part, Vec<(Delivered, Message)>> = BTreeMap::new();
        for message in messages {
            if is_of_another_sequence(&self.subscription.speaker, &message) {
                acknowledge(&message).await;
                continue;
            }
            match Delivered::read(&self.subscription.speaker, &message) {
                Ok(delivered) => parts
                    .entry(delivered.part)
                    .or_default()
                    .push((delivered, message)),
                Err(why) => self.put_aside(&message, why).await,
            }
        }
        let batches = parts.into_iter().map(|(part, mut batch)| {
            batch.sort_by_key(|(it, _)| it.seq);
            let (events, messages) = batch.into_iter().unzip();
            Batch {
                part,
                events,
                messages,
            }
        });
        let alone = self.settle_joined(batches.collect()).await;
        futures::stream::iter(alone)
            .for_each_concurrent(PARTS_AT_ONCE, |batch| async move {
                let _turn = self.at_once.acquire_many(turns_of(&batch.events)).await;
                let applied = self.settle(batch.part, &batch.events).await;
                for message in &batch.messages {
                    if applied {
                        acknowledge(message).await;
                    } else {
                        give_back(message, Some(BACKOFF_MAX)).await;
                    }
                }
            })
            .await;
    }

    /// Applies small batches of several partitions in one transaction. Gives back those that are to be
    /// applied alone, among them all where one could not be applied.
    async fn settle_joined(&self, batches: Vec<Batch>) -> Vec<Batch> {
        let (joined, mut alone): (Vec<_>, Vec<_>) =
            batches.into_iter().partition(|it| self.joins(&it.events));
        let mut by_trace: BTreeMap<Option<String>, Vec<Batch>> = BTreeMap::new();
        for batch in joined {
            let trace = batch.events[0].trace_id().map(str::to_owned);
            by_trace.entry(trace).or_default().push(batch);
        }
        for joined in by_trace.into_values() {
            if joined.len() > 1 && self.apply_joined(&joined).await {
                for message in joined.iter().flat_map(|it| &it.messages) {
                    acknowledge(message).await;
                }
            } else {
                alone.extend(joined);
            }
        }
        alone
    }

    fn joins(&self, events: &[Delivered]) -> bool {
        events.len() <= BATCH_MAX
            && turns_of(events) == 1
            && events.iter().all(|it| {
                it.signed.is_none()
                    && it.trace_id() == events[0].trace_id()
                    && self.handler.manner(&it.subject, &it.body) != Manner::Alone
            })
    }

    async fn apply_joined(&self, joined: &[Batch]) -> bool {
        let _turn = self.at_once.acquire().await;
        let batches = joined.iter().map(|it| (it.part, &it.events[..]));
        let batches: Vec<(Part, &[Delivered])> = batches.collect();
        match self.transact(&batches).await {
            Ok(Outcome::Settled) => true,
            // Alone each finds out the same, and is given back.
            Ok(Outcome::Fenced) => false,
            Err(error) => {
                let Subscription { consumer, speaker } = self.subscription;
                tracing::warn!(consumer, speaker, error = %error, "Trying each partition alone");
                false
            }
        }
    }

    /// Applies events of one partition, a few in a transaction. False: JetStream shall bring
    /// them again.
    async fn settle(&self, part: Part, events: &[Delivered]) -> bool {
        // One transaction belongs to one trace: what it says goes on in the trace that it heard.
        let of_one_trace = events.chunk_by(|a, b| a.trace_id() == b.trace_id());
        for batch in of_one_trace.flat_map(|it| it.chunks(BATCH_MAX)) {
            let span = self.span_of(part, batch);
            if !self.insist(part, batch).instrument(span).await {
                return false;
            }
        }
        true
    }

    fn span_of(&self, part: Part, batch: &[Delivered]) -> Span {
        let span = tracing::info_span!(
            "consume",
            otel.name = format!(
                "{} hears {}",
                self.subscription.consumer, self.subscription.speaker
            ),
            service = self.subscription.consumer,
            messaging.system = "nats",
            messaging.destination.name = batch[0].subject,
            messaging.batch.message_count = batch.len(),
            part = part.number(),
        );
        follow_trace(&span, batch[0].trace.as_deref());
        span
    }

    async fn insist(&self, part: Part, batch: &[Delivered]) -> bool {
        let Subscription { consumer, speaker } = self.subscription;
        let mut backoff = BACKOFF;
        for tries in 1..=TRIES_MAX {
            let error = match self.transact(&[(part, batch)]).await {
                Ok(Outcome::Settled) => return true,
                Ok(Outcome::Fenced) => {
                    self.fenced();
                    return false;
                }
                Err(error) => error,
            };
            match error.verdict() {
                Verdict::Retry => {
                    tracing::warn!(consumer, speaker, tries, error = %error, "Trying again");
                }
                // Find the one that fails by applying each alone.
                Verdict::Park | Verdict::Halt if batch.len() > 1 => {
                    for one in batch {
                        if !Box::pin(self.insist(part, std::slice::from_ref(one))).await {
                            return false;
                        }
                    }
                    return true;
                }
                Verdict::Park => match self.park(&batch[0], &error).await {
                    Ok(Outcome::Settled) => return true,
                    Ok(Outcome::Fenced) => {
                        self.fenced();
                        return false;
                    }
                    Err(error) => {
                        tracing::error!(consumer, speaker, error = %error, "Could not park");
                    }
                },
                Verdict::Halt => {
                    let (part, seq) = (part.number(), batch[0].seq);
                    tracing::error!(
                        consumer, speaker, part, seq, error = %error,
                        "Partition stopped at an event that cannot be applied"
                    );
                    break;
                }
            }
            tokio::select! {
                () = self.wires.stop.cancelled() => return false,
                () = sleep(backoff) => {}
            }
            backoff = (backoff * 2).min(BACKOFF_MAX);
        }
        self.redrives()
            .give_back(part, batch[0].seq - 1, Instant::now());
        false
    }

    /// Effects and cursors in one transaction; what was applied before is left out, and so is what
    /// is not its sender's.
    async fn transact(&self, batches: &[(Part, &[Delivered])]) -> Result<Outcome, H::Error> {
        let Subscription { consumer, speaker } = self.subscription;
        let mut tx = self.wires.pool.begin().await?;
        let now = Utc::now();
        let Some(continued) = claimed(self.judge(&mut tx, batches, now).await)? else {
            tx.rollback().await?;
            return Ok(Outcome::Fenced);
        };
        let fresh: usize = continued.iter().map(|(_, it)| it.fresh.len()).sum();
        if fresh == 0 {
            tx.rollback().await?;
        } else {
            // What was heard is evidence before it has effects.
            claimed(self.move_on(&mut tx, &continued, now).await)?;
            self.apply(&mut tx, &continued, now).await?;
            tx.commit().await?;
            self.handler.applied();
            meter::applied(consumer, speaker, fresh);
        }
        for (part, it) in &continued {
            for (event, why) in &it.refused {
                let signed = event.signed.as_ref();
                let headers = signed.map_or("", |it| &it.headers);
                claimed(
                    self.refuse(*why, &event.subject, headers, &event.body)
                        .await,
                )?;
            }
            if it.gap {
                self.ask_redrive(*part, it.place.seq).await;
            }
        }
        Ok(Outcome::Settled)
    }

    /// What is fresh, of one partition or of several.
    async fn apply(
        &self,
        tx: &mut PgConnection,
        continued: &[(Part, Continued<'_>)],
        now: DateTime<Utc>,
    ) -> Result<(), H::Error> {
        let fresh = continued.iter().filter(|(_, it)| !it.fresh.is_empty());
        let fresh: Vec<(Part, &[Delivered])> =
            fresh.map(|(part, it)| (*part, &it.fresh[..])).collect();
        match (&fresh[..], continued.len()) {
            ([(part, batch)], 1) => self.handler.apply(tx, *part, batch, now).await,
            // They are of one trace, and one step of it.
            ([(part, batch), ..], _) => {
                let span = self.span_of(*part, batch);
                self.handler
                    .apply_joined(tx, &fresh, now)
                    .instrument(span)
                    .await
            }
            ([], _) => Ok(()),
        }
    }

    /// What of each batch follows, locked until the transaction ends; `None` where a partition is
    /// another's by now. Whoever wants to be its next owner waits for the lock.
    async fn judge<'a>(
        &self,
        tx: &mut PgConnection,
        batches: &[(Part, &'a [Delivered])],
        now: DateTime<Utc>,
    ) -> Result<Option<Vec<(Part, Continued<'a>)>>, Error> {
        let Subscription { consumer, speaker } = self.subscription;
        let events = batches.iter().flat_map(|(_, it)| it.iter());
        let key_nos: Vec<i64> = events.filter_map(Delivered::key_no).collect();
        let parts: Vec<i16> = batches.iter().map(|(part, _)| part.number()).collect();
        let whose = (*consumer, &speaker[..]);
        let locked = store::lock_cursors(tx, whose, &parts, self.epoch(), &key_nos).await?;
        let Some((places, keys)) = locked else {
            return Ok(None);
        };
        let continued = batches.iter().map(|(part, batch)| {
            let place = places[part];
            (
                *part,
                continue_from(place, batch, |it| it.verify(&keys, now)),
            )
        });
        Ok(Some(continued.collect()))
    }

    async fn move_on(
        &self,
        tx: &mut PgConnection,
        continued: &[(Part, Continued<'_>)],
        now: DateTime<Utc>,
    ) -> Result<(), Error> {
        let Subscription { consumer, speaker } = self.subscription;
        let mut unsigned = Vec::with_capacity(continued.len());
        for (part, it) in continued {
            let signed = it.fresh.iter();
            let signed: Vec<(&Delivered, &Signed)> = signed
                .filter_map(|it| Some((it, it.signed.as_ref()?)))
                .collect();
            if signed.is_empty() {
                unsigned.push((*part, it.place));
            } else {
                store::receive(tx, (consumer, speaker, *part), it.place, &signed, now).await?;
            }
        }
        if unsigned.is_empty() {
            return Ok(());
        }
        store::move_cursors(tx, (consumer, speaker), &unsigned).await
    }

    async fn park(&self, event: &Delivered, error: &H::Error) -> Result<Outcome, Error> {
        let Subscription { consumer, speaker } = self.subscription;
        tracing::error!(
            consumer, speaker, part = event.part.number(), seq = event.seq, error = %error,
            "Parked an event that cannot be applied"
        );
        let mut tx = self.wires.pool.begin().await?;
        let (now, batch) = (Utc::now(), [(event.part, std::slice::from_ref(event))]);
        let Some(continued) = self.judge(&mut tx, &batch, now).await? else {
            return Ok(Outcome::Fenced);
        };
        if continued.iter().any(|(_, it)| !it.fresh.is_empty()) {
            store::park(&mut tx, consumer, event, &error.to_string(), now).await?;
            self.move_on(&mut tx, &continued, now).await?;
        }
        tx.commit().await?;
        meter::parked(consumer, speaker);
        Ok(Outcome::Settled)
    }

    /// A message without our headers. Services say none such, so it is nobody's; between
    /// organisations it is kept as what did not verify.
    async fn put_aside(&self, message: &Message, why: Unverified) {
        if Route::of(&self.subscription.speaker).is_some() {
            let headers = message.headers.as_ref().map(headers_text);
            let headers = headers.unwrap_or_default();
            let kept = self.refuse(why, &message.subject, &headers, &message.payload);
            if let Err(error) = kept.await {
                tracing::warn!(error = %error, "What did not verify comes again to be kept");
                give_back(message, Some(BACKOFF_MAX)).await;
                return;
            }
        }
        acknowledge(message).await;
    }

    /// Keeps and tells what is not its sender's. It has no effect and moves no cursor.
    async fn refuse(
        &self,
        why: Unverified,
        subject: &str,
        headers: &str,
        body: &[u8],
    ) -> Result<(), Error> {
        let Subscription { consumer, speaker } = self.subscription;
        let refused = store::Refused {
            code: why,
            subject,
            headers,
            body,
            sha256: fingerprint(subject, headers, body),
        };
        let whose = (*consumer, &speaker[..]);
        if store::insert_refused(&self.wires.pool, whose, &refused, Utc::now()).await? {
            tracing::error!(
                consumer,
                speaker,
                code = why.code(),
                bytes = body.len(),
                "ALARM: a message is not its sender's and had no effect"
            );
        }
        meter::refused(consumer, speaker, why.code());
        Ok(())
    }
}

/// How much of what may be done at the same time a partition's batch takes.
fn turns_of(events: &[Delivered]) -> u32 {
    let bytes: usize = events.iter().map(|it| it.body.len()).sum();
    if bytes > LARGE { TURNS_OF_LARGE } else { 1 }
}

fn claimed<T, E: From<sqlx::Error>>(result: Result<T, Error>) -> Result<T, E> {
    result.map_err(|error| match error {
        Error::Database(error) => E::from(error),
        other => E::from(sqlx::Error::Protocol(other.to_string())),
    })
}

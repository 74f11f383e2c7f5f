use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_nats::jetstream::AckKind;
use chrono::{DateTime, Utc};
use domain::Part;
use futures::{FutureExt, StreamExt, TryStreamExt};
use sqlx::PgConnection;
use tokio::time::{Instant, sleep};
use tracing::Instrument;

use crate::delivered::{
    Continued, Delivered, Signed, continue_from, fingerprint, headers_text, is_of_another_sequence,
};
use crate::organisation::Route;
use crate::redrive::Redrives;
use crate::relay::{Redrive, Watermark};
use crate::signature::Unverified;
use crate::store;
use crate::stream::{given_consumer, open_consumer};
use crate::{Error, Wires, follow_trace, meter};

/// Events taken from JetStream before their effects are committed.
const PULL_MAX: usize = 24;
/// Events of one partition in one transaction.
const BATCH_MAX: usize = 5;
/// Partitions applied at the same time.
const PARTS_AT_ONCE: usize = 3;
/// Tries of a transaction before its messages are given back to JetStream.
const TRIES_MAX: u32 = 8;
const BACKOFF: Duration = Duration::from_millis(50);
const BACKOFF_MAX: Duration = Duration::from_secs(2);

/// Who hears whom.
#[derive(Debug, Clone)]
pub struct Subscription {
    /// The listening service; its cursor's name.
    pub consumer: &'static str,
    pub speaker: String,
}

impl Delivered {
    /// The second field of the W3C `traceparent`: `00-<trace>-<span>-<flags>`.
    fn trace_id(&self) -> Option<&str> {
        self.trace.as_deref()?.split('-').nth(1)
    }
}

/// What waiting can do about an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Try again: something is away or was in the way.
    Retry,
    /// This event will never apply: keep it for a person, go on with the next.
    Park,
    /// Money is concerned: stop the partition and raise the alarm.
    Halt,
}

/// An error that says what to do next.
pub trait Judged: std::error::Error + From<sqlx::Error> + Send {
    fn verdict(&self) -> Verdict;
}

/// Applies events of one partition inside the transaction that also moves the cursor.
pub trait Handler: Send + Sync + 'static {
    type Error: Judged;

    fn apply(
        &self,
        tx: &mut PgConnection,
        part: Part,
        batch: &[Delivered],
        now: DateTime<Utc>,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send;

    /// What was applied is committed: who waits for it may look.
    fn applied(&self) {}
}

/// Hears a speaker until the process stops. Effects and cursor commit together; the
/// acknowledgement to JetStream afterwards is only a courtesy.
pub async fn consume<H: Handler>(wires: Wires, subscription: Subscription, handler: H) {
    listen_on(wires, subscription, handler, false).await;
}

/// As [`consume`], for a bank: over its own connection, from the consumer that the state made.
pub async fn consume_as_bank<H: Handler>(wires: Wires, subscription: Subscription, handler: H) {
    listen_on(wires, subscription, handler, true).await;
}

async fn listen_on<H: Handler>(
    wires: Wires,
    subscription: Subscription,
    handler: H,
    as_bank: bool,
) {
    let ear = Ear {
        wires,
        subscription,
        handler,
        as_bank,
        redrives: Mutex::default(),
    };
    while !ear.wires.stop.is_cancelled() {
        if let Err(error) = ear.listen().await
            && !ear.wires.stop.is_cancelled()
        {
            let Subscription { consumer, speaker } = &ear.subscription;
            tracing::warn!(consumer, speaker, error = %error, "Listening starts again");
            tokio::select! {
                () = ear.wires.stop.cancelled() => {}
                () = sleep(Duration::from_millis(250)) => {}
            }
        }
    }
}

struct Ear<H> {
    wires: Wires,
    subscription: Subscription,
    handler: H,
    as_bank: bool,
    redrives: Mutex<Redrives>,
}

type Message = async_nats::jetstream::Message;

impl<H: Handler> Ear<H> {
    async fn listen(&self) -> Result<(), Error> {
        let Subscription { consumer, speaker } = &self.subscription;
        *self.redrives() = Redrives::default();
        store::insert_cursors(&self.wires.pool, consumer, speaker).await?;
        let nats = |it: &dyn std::fmt::Display| Error::Nats(it.to_string());
        let watermarks = self
            .wires
            .nats
            .subscribe(format!("watermark.{speaker}"))
            .await;
        let mut watermarks = watermarks.map_err(|it| nats(&it))?;
        let jetstream = &self.wires.jetstream;
        let pull = if self.as_bank {
            given_consumer(jetstream, speaker)
        } else {
            open_consumer(jetstream, consumer, speaker, self.wires.replicas).await?
        };
        let messages = pull
            .stream()
            .max_messages_per_batch(PULL_MAX)
            .expires(Duration::from_secs(5))
            .heartbeat(Duration::from_secs(1))
            .messages();
        let mut messages = messages.await.map_err(|it| nats(&it))?;
        loop {
            tokio::select! {
                // What is here comes first: only what is missing after that may be lost.
                biased;
                () = self.wires.stop.cancelled() => return Ok(()),
                next = messages.try_next() => {
                    let Some(first) = next.map_err(|it| nats(&it))? else {
                        return Err(Error::Nats("the pull ended".to_owned()));
                    };
                    let mut taken = vec![first];
                    while taken.len() < PULL_MAX
                        && let Some(Ok(Some(more))) = messages.try_next().now_or_never()
                    {
                        taken.push(more);
                    }
                    self.take(taken).await;
                }
                Some(mut told) = watermarks.next() => {
                    // Those that came while we were at work are old news.
                    while let Some(Some(newer)) = watermarks.next().now_or_never() {
                        told = newer;
                    }
                    self.heed_watermark(&told.payload).await?;
                }
            }
        }
    }

    /// Sorts what came by partition and applies the partitions side by side.
    async fn take(&self, messages: Vec<Message>) {
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
        futures::stream::iter(parts)
            .for_each_concurrent(PARTS_AT_ONCE, |(part, mut batch)| async move {
                batch.sort_by_key(|(it, _)| it.seq);
                let (events, messages): (Vec<Delivered>, Vec<Message>) = batch.into_iter().unzip();
                let applied = self.settle(part, &events).await;
                for message in &messages {
                    if applied {
                        acknowledge(message).await;
                    } else {
                        give_back(message).await;
                    }
                }
            })
            .await;
    }

    /// Applies events of one partition, a few in a transaction. False: JetStream shall bring
    /// them again.
    async fn settle(&self, part: Part, events: &[Delivered]) -> bool {
        // One transaction belongs to one trace: what it says goes on in the trace that it heard.
        let of_one_trace = events.chunk_by(|a, b| a.trace_id() == b.trace_id());
        for batch in of_one_trace.flat_map(|it| it.chunks(BATCH_MAX)) {
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
            if !self.insist(part, batch).instrument(span).await {
                return false;
            }
        }
        true
    }

    async fn insist(&self, part: Part, batch: &[Delivered]) -> bool {
        let Subscription { consumer, speaker } = &self.subscription;
        let mut backoff = BACKOFF;
        for tries in 1..=TRIES_MAX {
            let error = match self.transact(part, batch).await {
                Ok(()) => return true,
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
                    Ok(()) => return true,
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

    /// Effects and cursor in one transaction; what was applied before is left out, and so is what
    /// is not its sender's.
    async fn transact(&self, part: Part, batch: &[Delivered]) -> Result<(), H::Error> {
        let Subscription { consumer, speaker } = &self.subscription;
        let mut tx = self.wires.pool.begin().await?;
        let now = Utc::now();
        let continued = claimed(self.judge(&mut tx, part, batch, now).await)?;
        if continued.fresh.is_empty() {
            tx.rollback().await?;
        } else {
            // What was heard is evidence before it has effects.
            claimed(self.move_on(&mut tx, part, &continued, now).await)?;
            self.handler
                .apply(&mut tx, part, &continued.fresh, now)
                .await?;
            tx.commit().await?;
            self.handler.applied();
            meter::applied(consumer, speaker, continued.fresh.len());
        }
        for (event, why) in &continued.refused {
            let signed = event.signed.as_ref();
            let headers = signed.map_or("", |it| &it.headers);
            claimed(
                self.refuse(*why, &event.subject, headers, &event.body)
                    .await,
            )?;
        }
        if continued.gap {
            self.ask_redrive(part, continued.place.seq).await;
        }
        Ok(())
    }

    /// What of a batch follows, locked until the transaction ends.
    async fn judge<'a>(
        &self,
        tx: &mut PgConnection,
        part: Part,
        batch: &'a [Delivered],
        now: DateTime<Utc>,
    ) -> Result<Continued<'a>, Error> {
        let Subscription { consumer, speaker } = &self.subscription;
        let signed = batch.iter().filter_map(|it| it.signed.as_ref());
        let key_nos: Vec<i64> = signed.map(|it| it.signature.key_no).collect();
        let (place, keys) = store::lock_cursor(tx, consumer, (speaker, part), &key_nos).await?;
        Ok(continue_from(place, batch, |it| it.verify(&keys, now)))
    }

    async fn move_on(
        &self,
        tx: &mut PgConnection,
        part: Part,
        continued: &Continued<'_>,
        now: DateTime<Utc>,
    ) -> Result<(), Error> {
        let Subscription { consumer, speaker } = &self.subscription;
        let (place, fresh) = (continued.place, continued.fresh.iter());
        let signed: Vec<(&Delivered, &Signed)> = fresh
            .filter_map(|it| Some((it, it.signed.as_ref()?)))
            .collect();
        if signed.is_empty() {
            return store::move_cursor(tx, consumer, speaker, part, place).await;
        }
        store::receive(tx, (consumer, speaker, part), place, &signed, now).await
    }

    async fn park(&self, event: &Delivered, error: &H::Error) -> Result<(), Error> {
        let Subscription { consumer, speaker } = &self.subscription;
        tracing::error!(
            consumer, speaker, part = event.part.number(), seq = event.seq, error = %error,
            "Parked an event that cannot be applied"
        );
        let mut tx = self.wires.pool.begin().await?;
        let (now, batch) = (Utc::now(), std::slice::from_ref(event));
        let continued = self.judge(&mut tx, event.part, batch, now).await?;
        if !continued.fresh.is_empty() {
            store::park(&mut tx, consumer, event, &error.to_string(), now).await?;
            self.move_on(&mut tx, event.part, &continued, now).await?;
        }
        tx.commit().await?;
        meter::parked(consumer, speaker);
        Ok(())
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
                give_back(message).await;
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
        let Subscription { consumer, speaker } = &self.subscription;
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

    /// A sequence that stands still behind the relay's watermark has lost its tail.
    async fn heed_watermark(&self, payload: &[u8]) -> Result<(), Error> {
        let Ok(watermark) = serde_json::from_slice::<Watermark>(payload) else {
            return Ok(());
        };
        let Subscription { consumer, speaker } = &self.subscription;
        let cursors = store::cursors(&self.wires.pool, consumer, speaker).await?;
        let cursors: BTreeMap<Part, i64> = cursors.into_iter().collect();
        for (part, mark) in watermark.parts {
            let cursor = cursors.get(&part).copied().unwrap_or_default();
            let (patience, now) = (self.wires.watermark, Instant::now());
            if self
                .redrives()
                .is_tail_lost(part, (cursor, mark), patience, now)
            {
                self.ask_redrive(part, cursor).await;
            }
        }
        Ok(())
    }

    async fn ask_redrive(&self, part: Part, after: i64) {
        if !self.redrives().may_ask(part, after, Instant::now()) {
            return;
        }
        let Subscription { consumer, speaker } = &self.subscription;
        tracing::warn!(
            consumer,
            speaker,
            part = part.number(),
            after,
            "Asking for a re-drive"
        );
        meter::redrive(consumer, speaker);
        let body = serde_json::to_vec(&Redrive { part, after }).expect("numbers serialize");
        let asked = self
            .wires
            .nats
            .publish(format!("redrive.{speaker}"), body.into())
            .await;
        if let Err(error) = asked {
            tracing::warn!(error = %error, "Could not ask; a later watermark asks again");
        }
    }

    fn redrives(&self) -> MutexGuard<'_, Redrives> {
        // It is only a memory of what was asked, good enough even where a panic tore it.
        self.redrives.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn claimed<T, E: From<sqlx::Error>>(result: Result<T, Error>) -> Result<T, E> {
    result.map_err(|error| match error {
        Error::Database(error) => E::from(error),
        other => E::from(sqlx::Error::Protocol(other.to_string())),
    })
}

async fn acknowledge(message: &Message) {
    if message.ack().await.is_err() {
        tracing::debug!("The acknowledgement was lost; the cursor drops the repetition");
    }
}

async fn give_back(message: &Message) {
    let given_back = message.ack_with(AckKind::Nak(Some(BACKOFF_MAX))).await;
    if given_back.is_err() {
        tracing::debug!("The message comes again by itself");
    }
}

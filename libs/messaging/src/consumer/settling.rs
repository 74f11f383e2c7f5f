//! What becomes of messages: applied, parked, put aside or given back.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use domain::Part;
use futures::StreamExt;
use sqlx::PgConnection;
use tokio::time::{Instant, sleep};
use tracing::Instrument;

use super::{
    BACKOFF, BACKOFF_MAX, Ear, Handler, Judged, LARGE, Message, PARTS_AT_ONCE, Subscription,
    TURNS_OF_LARGE, Verdict, acknowledge, give_back,
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
        futures::stream::iter(parts)
            .for_each_concurrent(PARTS_AT_ONCE, |(part, mut batch)| async move {
                let _turn = self.at_once.acquire_many(turns_of(&batch)).await;
                batch.sort_by_key(|(it, _)| it.seq);
                let (events, messages): (Vec<Delivered>, Vec<Message>) = batch.into_iter().unzip();
                let applied = self.settle(part, &events).await;
                for message in &messages {
                    if applied {
                        acknowledge(message).await;
                    } else {
                        give_back(message, Some(BACKOFF_MAX)).await;
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
        let Subscription { consumer, speaker } = self.subscription;
        let mut backoff = BACKOFF;
        for tries in 1..=TRIES_MAX {
            let error = match self.transact(part, batch).await {
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

    /// Effects and cursor in one transaction; what was applied before is left out, and so is what
    /// is not its sender's.
    async fn transact(&self, part: Part, batch: &[Delivered]) -> Result<Outcome, H::Error> {
        let Subscription { consumer, speaker } = self.subscription;
        let mut tx = self.wires.pool.begin().await?;
        let now = Utc::now();
        let Some(continued) = claimed(self.judge(&mut tx, part, batch, now).await)? else {
            tx.rollback().await?;
            return Ok(Outcome::Fenced);
        };
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
        Ok(Outcome::Settled)
    }

    /// What of a batch follows, locked until the transaction ends; `None` where the partition is
    /// another's by now. Whoever wants to be its next owner waits for the lock.
    async fn judge<'a>(
        &self,
        tx: &mut PgConnection,
        part: Part,
        batch: &'a [Delivered],
        now: DateTime<Utc>,
    ) -> Result<Option<Continued<'a>>, Error> {
        let Subscription { consumer, speaker } = self.subscription;
        let signed = batch.iter().filter_map(|it| it.signed.as_ref());
        let key_nos: Vec<i64> = signed.map(|it| it.signature.key_no).collect();
        let (sequence, epoch) = ((&speaker[..], part), self.epoch());
        let locked = store::lock_cursor(tx, consumer, sequence, epoch, &key_nos).await?;
        Ok(locked.map(|(place, keys)| continue_from(place, batch, |it| it.verify(&keys, now))))
    }

    async fn move_on(
        &self,
        tx: &mut PgConnection,
        part: Part,
        continued: &Continued<'_>,
        now: DateTime<Utc>,
    ) -> Result<(), Error> {
        let Subscription { consumer, speaker } = self.subscription;
        let (place, fresh) = (continued.place, continued.fresh.iter());
        let signed: Vec<(&Delivered, &Signed)> = fresh
            .filter_map(|it| Some((it, it.signed.as_ref()?)))
            .collect();
        if signed.is_empty() {
            return store::move_cursor(tx, consumer, speaker, part, place).await;
        }
        store::receive(tx, (consumer, speaker, part), place, &signed, now).await
    }

    async fn park(&self, event: &Delivered, error: &H::Error) -> Result<Outcome, Error> {
        let Subscription { consumer, speaker } = self.subscription;
        tracing::error!(
            consumer, speaker, part = event.part.number(), seq = event.seq, error = %error,
            "Parked an event that cannot be applied"
        );
        let mut tx = self.wires.pool.begin().await?;
        let (now, batch) = (Utc::now(), std::slice::from_ref(event));
        let Some(continued) = self.judge(&mut tx, event.part, batch, now).await? else {
            return Ok(Outcome::Fenced);
        };
        if !continued.fresh.is_empty() {
            store::park(&mut tx, consumer, event, &error.to_string(), now).await?;
            self.move_on(&mut tx, event.part, &continued, now).await?;
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
fn turns_of(batch: &[(Delivered, Message)]) -> u32 {
    let bytes: usize = batch.iter().map(|(it, _)| it.body.len()).sum();
    if bytes > LARGE { TURNS_OF_LARGE } else { 1 }
}

fn claimed<T, E: From<sqlx::Error>>(result: Result<T, Error>) -> Result<T, E> {
    result.map_err(|error| match error {
        Error::Database(error) => E::from(error),
        other => E::from(sqlx::Error::Protocol(other.to_string())),
    })
}

//! From the outbox to JetStream. Where much is said to a stream it goes there in atomic batches, each of
//! which is on disk with one write: alone, every message would wait for one of its own.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use async_nats::HeaderMap;
use async_nats::header::{
    NATS_BATCH_COMMIT, NATS_BATCH_COMMIT_FINAL, NATS_BATCH_ID, NATS_BATCH_SEQUENCE, NATS_MESSAGE_ID,
};
use async_nats::jetstream::context::PublishAckFuture;
use async_nats::jetstream::message::PublishMessage;
use bytes::Bytes;
use tokio::time::{Instant, timeout_at};
use uuid::Uuid;

use super::{
    CREATED, HASH, KEY, PART, PREV, Progress, Relay, SEQ, SIGNATURE, SPEAKER, Sequence, Session,
    TRACEPARENT,
};
use crate::signature::created_text;
use crate::store::{Moved, Outgoing};
use crate::stream::stream_name;
use crate::{Error, meter};

/// For all acknowledgements of a window together: those that a server took with it never come.
const ACKS_MAX: Duration = Duration::from_secs(3);
/// Bytes of a batch; a larger event goes alone. The server keeps a batch aside in a dozen files of its own
/// until it is complete, and writes it once more then: for many small events that is less than a write to
/// disk for each, for large ones it is more.
const BATCH_BYTES: usize = 1 << 16;
/// Messages of which a batch is made: its files take as long as a dozen writes to disk, however few it has,
/// and of a batch nothing is heard before its end. What is said once to each partition is fewer.
const BATCH_MIN: usize = 20;

/// An event made ready for its stream.
struct Ready {
    sequence: Sequence,
    seq: i64,
    subject: String,
    headers: HeaderMap,
    body: Bytes,
}

/// How far each sequence came.
type Reached = BTreeMap<Sequence, i64>;

impl Relay {
    /// Publishes in order and awaits the acknowledgements; a sequence stops at its first failure.
    pub(super) async fn publish(
        &self,
        session: &mut Session,
        events: Vec<Outgoing>,
    ) -> Result<Vec<Moved>, Error> {
        let ready = events.into_iter().map(|it| {
            let progress = session.progress[&(it.speaker.clone(), it.part)];
            Ready::of(it, progress)
        });
        let ready: Vec<Ready> = ready.collect();
        let mut reached = Reached::new();
        let alone = self.publish_batches(ready, &mut reached).await;
        let failed = self.publish_alone(alone, &mut reached).await;
        for (sequence, seq) in &reached {
            if let Some(progress) = session.progress.get_mut(sequence) {
                progress.after = *seq;
            }
        }
        let speakers: BTreeSet<&String> = failed.iter().map(|(speaker, _)| speaker).collect();
        for speaker in speakers {
            self.ensure_audience(speaker).await?;
        }
        session.turns.extend(failed);
        let moved = reached.into_iter().map(|((speaker, part), seq)| Moved {
            epoch: session.owned.get(&speaker).copied().unwrap_or_default(),
            speaker,
            part,
            seq,
        });
        Ok(moved.collect())
    }

    /// Gives back all of a stream from the first batch on that was not accepted: to be published
    /// message by message. A batch is refused as a whole where one of its messages is there already, as
    /// after a restart; alone, only that one is dropped.
    async fn publish_batches(&self, ready: Vec<Ready>, reached: &mut Reached) -> Vec<Ready> {
        let mut alone = Vec::new();
        let mut sent: Vec<(String, Vec<Ready>, Option<PublishAckFuture>)> = Vec::new();
        // What a bank says goes through its own account, message by message.
        for batch in batches(ready, |speaker| self.banks.contains_key(speaker)) {
            let ack = self.send_batch(&batch).await.ok();
            sent.push((stream_name(&batch[0].sequence.0), batch, ack));
        }
        let deadline = Instant::now() + ACKS_MAX;
        let mut broken: BTreeSet<String> = BTreeSet::new();
        for (stream, batch, ack) in sent {
            let accepted = match ack {
                // Of a batch the server says how many messages are there: the last alone is not enough.
                Some(ack) => match timeout_at(deadline, ack).await {
                    Ok(Ok(ack)) => {
                        batch.len() == 1 || ack.batch_size == u64::try_from(batch.len()).ok()
                    }
                    _ => false,
                },
                None => false,
            };
            if accepted && !broken.contains(&stream) {
                for it in batch {
                    meter::published(&it.sequence.0);
                    reached.insert(it.sequence, it.seq);
                }
            } else {
                broken.insert(stream);
                alone.extend(batch);
            }
        }
        alone
    }

    /// The last message asks for the acknowledgement of all; one alone is no batch.
    async fn send_batch(&self, batch: &[Ready]) -> Result<PublishAckFuture, Error> {
        let nats = |it: &dyn std::fmt::Display| Error::Nats(it.to_string());
        let speaker = &batch[0].sequence.0;
        let id = Uuid::now_v7().to_string();
        let (last, others) = batch.split_last().expect("a batch has messages");
        for (number, it) in (1_usize..).zip(others) {
            let headers = it.in_batch(&id, number);
            self.nats(speaker)
                .publish_with_headers(it.subject.clone(), headers, it.body.clone())
                .await
                .map_err(|it| nats(&it))?;
        }
        let mut headers = last.headers.clone();
        if !others.is_empty() {
            headers = last.in_batch(&id, batch.len());
            headers.insert(NATS_BATCH_COMMIT, NATS_BATCH_COMMIT_FINAL);
        }
        let commit = PublishMessage::build()
            .payload(last.body.clone())
            .headers(headers);
        let sent = self
            .jetstream(speaker)
            .send_publish(last.subject.clone(), commit);
        sent.await.map_err(|it| nats(&it))
    }

    /// Gives back the sequences of which something was not accepted.
    async fn publish_alone(&self, ready: Vec<Ready>, reached: &mut Reached) -> BTreeSet<Sequence> {
        let mut waiting: Vec<(Sequence, i64, PublishAckFuture)> = Vec::with_capacity(ready.len());
        let mut failed: BTreeSet<Sequence> = BTreeSet::new();
        for it in ready {
            let message = PublishMessage::build().payload(it.body).headers(it.headers);
            let jetstream = self.jetstream(&it.sequence.0);
            match jetstream.send_publish(it.subject, message).await {
                Ok(ack) => waiting.push((it.sequence, it.seq, ack)),
                Err(error) => {
                    let (speaker, seq) = (&it.sequence.0, it.seq);
                    tracing::warn!(speaker, seq, error = %error, "Could not publish");
                    failed.insert(it.sequence);
                }
            }
        }
        let deadline = Instant::now() + ACKS_MAX;
        for (sequence, seq, ack) in waiting {
            // No answer is no failure: the message may be stored. Published again under the same
            // id it is dropped as a duplicate, and the consumer's cursor would drop it as well.
            let acked = matches!(timeout_at(deadline, ack).await, Ok(Ok(_)));
            if failed.contains(&sequence) || !acked {
                failed.insert(sequence);
            } else {
                meter::published(&sequence.0);
                reached.insert(sequence, seq);
            }
        }
        failed
    }
}

/// Cuts what is said into what goes to one stream together, in order; few go one by one.
fn batches(ready: Vec<Ready>, is_alone: impl Fn(&String) -> bool) -> Vec<Vec<Ready>> {
    let mut batches: Vec<Vec<Ready>> = Vec::new();
    let (mut stream, mut bytes) = (String::new(), 0);
    for it in ready {
        let (to, length) = (stream_name(&it.sequence.0), it.body.len());
        match batches.last_mut() {
            Some(batch)
                if to == stream && bytes + length <= BATCH_BYTES && !is_alone(&it.sequence.0) =>
            {
                bytes += length;
                batch.push(it);
            }
            _ => {
                (stream, bytes) = (to, length);
                batches.push(vec![it]);
            }
        }
    }
    let sent = batches.into_iter().flat_map(|batch| {
        let at_once = if batch.len() < BATCH_MIN {
            1
        } else {
            batch.len()
        };
        let mut left = batch.into_iter();
        std::iter::from_fn(move || {
            let some: Vec<Ready> = left.by_ref().take(at_once).collect();
            Some(some).filter(|it| !it.is_empty())
        })
    });
    sent.collect()
}

impl Ready {
    fn of(event: Outgoing, progress: Progress) -> Ready {
        let mut headers = HeaderMap::new();
        headers.insert("Content-Type", events::CONTENT_TYPE);
        headers.insert(SPEAKER, event.speaker.as_str());
        headers.insert(PART, event.part.number().to_string());
        headers.insert(SEQ, event.seq.to_string());
        headers.insert(PREV, hex::encode(event.prev_hash));
        headers.insert(HASH, hex::encode(event.hash));
        if let (Some(key_no), Some(signature)) = (event.key_no, event.signature) {
            headers.insert(CREATED, created_text(event.recorded_at));
            headers.insert(KEY, key_no.to_string());
            headers.insert(SIGNATURE, hex::encode(signature));
        }
        if let Some(trace) = event.trace {
            headers.insert(TRACEPARENT, trace);
        }
        let id = if progress.drive == 0 {
            event.event_id.to_string()
        } else {
            // Unlike any earlier id, also one of a relay that ran before this one.
            let (id, drive) = (event.event_id, progress.drive);
            format!("{id}.{drive}.{}", Uuid::now_v7())
        };
        headers.insert(NATS_MESSAGE_ID, id);
        Ready {
            sequence: (event.speaker, event.part),
            seq: event.seq,
            subject: event.subject,
            headers,
            body: event.body.into(),
        }
    }

    fn in_batch(&self, id: &str, number: usize) -> HeaderMap {
        let mut headers = self.headers.clone();
        headers.insert(NATS_BATCH_ID, id);
        headers.insert(NATS_BATCH_SEQUENCE, number.to_string());
        headers
    }
}

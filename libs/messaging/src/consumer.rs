mod settling;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_nats::Subject;
use async_nats::jetstream::AckKind;
use async_nats::jetstream::consumer::pull;
use chrono::{DateTime, TimeDelta, Utc};
use domain::Part;
use futures::stream::FuturesUnordered;
use futures::{FutureExt, StreamExt, TryStreamExt};
use sqlx::PgConnection;
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep, timeout};

use crate::delivered::Delivered;
use crate::leases::Claim;
use crate::redrive::Redrives;
use crate::relay::{Redrive, Watermark};
use crate::share::{Share, is_recorded_here};
use crate::store;
use crate::stream::{given_consumer, open_consumer};
use crate::{Error, Wires, meter};

/// Events taken from JetStream before their effects are committed; of a share of the partitions as
/// many for each.
const PULL_MAX: usize = 24;
const PULL_SHARE_MAX: usize = 12;
/// Partitions of a speaker applied at the same time where their events are small: those wait for
/// commits more than they work. A large batch counts as several of them.
const PARTS_AT_ONCE: usize = 12;
const LARGE: usize = 64 * 1024;
const TURNS_OF_LARGE: u32 = 4;
/// Of how long all partitions of a share are read again because one of them has stopped. One that stopped
/// before misses what it asks to be driven again.
const READ_AGAIN_MAX: TimeDelta = TimeDelta::days(1);
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

/// How an event is applied beside those of other partitions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Manner {
    /// The listener does nothing with it: only its cursor moves, some time, with others.
    Later,
    /// Small ones share a transaction: each alone would wait for a commit of its own. Only where what
    /// it locks beside its partition is locked by nobody who waits for another partition.
    Joined,
    /// By a transaction of its partition.
    Alone,
}

impl Manner {
    /// How long others are waited for.
    fn patience(self) -> Duration {
        match self {
            Manner::Later => Duration::from_millis(250),
            Manner::Joined => Duration::from_millis(2),
            Manner::Alone => Duration::ZERO,
        }
    }
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

    /// As [`Handler::apply`], for several partitions in one transaction: one after the other, where a
    /// listener knows no shorter way.
    fn apply_joined(
        &self,
        tx: &mut PgConnection,
        joined: &[(Part, &[Delivered])],
        now: DateTime<Utc>,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send {
        async move {
            for (part, batch) in joined {
                self.apply(tx, *part, batch, now).await?;
            }
            Ok(())
        }
    }

    /// How an event is applied.
    fn manner(&self, _subject: &str, _body: &[u8]) -> Manner {
        Manner::Alone
    }

    /// What was applied is committed: who waits for it may look.
    fn applied(&self) {}
}

/// Hears a speaker until the process stops: of its partitions those that this instance holds. Effects
/// and cursor commit together; the acknowledgement to JetStream afterwards is only a courtesy.
pub async fn consume<H: Handler>(wires: Wires, subscription: Subscription, handler: H) {
    let shares = Share::all_of(&subscription.speaker);
    let at_once = Semaphore::new(PARTS_AT_ONCE);
    let ears = shares.into_iter().map(|share| {
        let unit = share.unit(subscription.consumer, &subscription.speaker);
        let claim = wires.leases.claim(unit);
        Ear::new(
            (&wires, &at_once),
            &subscription,
            &handler,
            (share, Some(claim)),
        )
    });
    let ears: Vec<Ear<'_, H>> = ears.collect();
    let heard: FuturesUnordered<_> = ears.iter().map(Ear::hear).collect();
    heard.collect::<()>().await;
}

/// As [`consume`], for a bank: over its own connection, from the consumer that the state made. It holds
/// no leases of the state's; how many hear is the bank's own affair.
pub async fn consume_as_bank<H: Handler>(wires: Wires, subscription: Subscription, handler: H) {
    let at_once = Semaphore::new(PARTS_AT_ONCE);
    let whole = (Share::Whole, None);
    let ear = Ear::new((&wires, &at_once), &subscription, &handler, whole);
    ear.hear().await;
}

/// One who hears a share of a speaker.
struct Ear<'a, H> {
    wires: &'a Wires,
    at_once: &'a Semaphore,
    subscription: &'a Subscription,
    handler: &'a H,
    share: Share,
    claim: Option<Claim>,
    /// That of the lease by which it hears; none where it needs no lease.
    epoch: Mutex<Option<i64>>,
    redrives: Mutex<Redrives>,
}

type Message = async_nats::jetstream::Message;

impl<'a, H: Handler> Ear<'a, H> {
    fn new(
        (wires, at_once): (&'a Wires, &'a Semaphore),
        subscription: &'a Subscription,
        handler: &'a H,
        (share, claim): (Share, Option<Claim>),
    ) -> Ear<'a, H> {
        Ear {
            wires,
            at_once,
            subscription,
            handler,
            share,
            claim,
            epoch: Mutex::default(),
            redrives: Mutex::default(),
        }
    }

    /// Listens whenever the share is ours, until the process stops.
    async fn hear(&self) {
        let stop = &self.wires.stop;
        while !stop.is_cancelled() {
            let epoch = match &self.claim {
                Some(claim) => tokio::select! {
                    () = stop.cancelled() => return,
                    epoch = claim.until_held() => Some(epoch),
                },
                None => None,
            };
            *self.epoch.lock().unwrap_or_else(PoisonError::into_inner) = epoch;
            if let Err(error) = self.listen().await
                && !stop.is_cancelled()
            {
                let Subscription { consumer, speaker } = self.subscription;
                tracing::warn!(consumer, speaker, error = %error, "Listening starts again");
                tokio::select! {
                    () = stop.cancelled() => {}
                    () = sleep(Duration::from_millis(250)) => {}
                }
            }
        }
    }

    /// Until the share is another's, the process stops, or something fails.
    async fn listen(&self) -> Result<(), Error> {
        let Subscription { consumer, speaker } = self.subscription;
        *self.redrives() = Redrives::default();
        let whose = (*consumer, &speaker[..]);
        if !store::open_cursors(&self.wires.pool, whose, &self.parts(), self.epoch()).await? {
            self.fenced();
            return Ok(());
        }
        let nats = |it: &dyn std::fmt::Display| Error::Nats(it.to_string());
        let watermarks = self
            .wires
            .nats
            .subscribe(format!("watermark.{speaker}"))
            .await;
        let mut watermarks = watermarks.map_err(|it| nats(&it))?;
        let mut messages = self.pull().await?;
        // How many have not come yet.
        let mut pending = 0;
        loop {
            tokio::select! {
                // What is here comes first: only what is missing after that may be lost.
                biased;
                () = self.until_over() => {
                    // Others wait for it.
                    while let Some(Ok(Some(left))) = messages.try_next().now_or_never() {
                        give_back(&left, None).await;
                    }
                    return Ok(());
                }
                next = messages.try_next() => {
                    let Some(first) = next.map_err(|it| nats(&it))? else {
                        return Err(Error::Nats("the pull ended".to_owned()));
                    };
                    let taken = self.gather(first, &mut messages).await;
                    pending = taken.last().and_then(|it| it.info().ok()).map_or(0, |it| it.pending);
                    self.take(taken).await;
                }
                Some(mut told) = watermarks.next() => {
                    // Those that came while we were at work are old news.
                    while let Some(Some(newer)) = watermarks.next().now_or_never() {
                        told = newer;
                    }
                    if pending == 0 {
                        self.heed_watermark(&told.payload).await?;
                    }
                }
            }
        }
    }

    /// What is here, and what comes soon where it would be applied together: until something is here of
    /// as many partitions as there are.
    async fn gather(&self, first: Message, messages: &mut pull::Stream) -> Vec<Message> {
        let manner = |it: &Message| self.handler.manner(&it.subject, &it.payload);
        let mut strictest = manner(&first);
        let parts = self.share.parts().count();
        let mut heard: BTreeSet<Subject> = BTreeSet::new();
        heard.insert(first.subject.clone());
        let mut taken = vec![first];
        while taken.len() < self.pull_max() {
            let more = match messages.try_next().now_or_never() {
                Some(more) => more,
                None if strictest == Manner::Joined && heard.len() >= parts => break,
                None => match timeout(strictest.patience(), messages.try_next()).await {
                    Ok(more) => more,
                    Err(_) => break,
                },
            };
            // What fails here fails again when it is asked for next.
            let Ok(Some(more)) = more else {
                break;
            };
            strictest = strictest.max(manner(&more));
            heard.insert(more.subject.clone());
            taken.push(more);
        }
        taken
    }

    async fn pull(&self) -> Result<pull::Stream, Error> {
        let Subscription { consumer, speaker } = self.subscription;
        let jetstream = &self.wires.jetstream;
        let pull = match self.claim {
            Some(_) => {
                let (whose, replicas) = ((*consumer, &speaker[..]), self.wires.replicas);
                let (pool, parts) = (&self.wires.pool, self.parts());
                let since = if is_recorded_here(speaker) {
                    let now = Utc::now();
                    let within = (now - READ_AGAIN_MAX, now);
                    Some(store::unapplied_since(pool, whose, &parts, within).await?)
                } else {
                    None
                };
                open_consumer(jetstream, consumer, (speaker, self.share), since, replicas).await?
            }
            None => given_consumer(jetstream, speaker),
        };
        let messages = pull
            .stream()
            .max_messages_per_batch(self.pull_max())
            .expires(Duration::from_secs(5))
            .heartbeat(Duration::from_secs(1))
            .messages();
        messages.await.map_err(|it| Error::Nats(it.to_string()))
    }

    fn pull_max(&self) -> usize {
        match self.share {
            Share::Whole => PULL_MAX,
            Share::Of(_) => PULL_SHARE_MAX,
        }
    }

    fn parts(&self) -> Vec<i16> {
        self.share.parts().map(Part::number).collect()
    }

    fn epoch(&self) -> Option<i64> {
        *self.epoch.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Until the process stops, or the share is ours no more.
    async fn until_over(&self) {
        let stopped = self.wires.stop.cancelled();
        match (&self.claim, self.epoch()) {
            (Some(claim), Some(epoch)) => tokio::select! {
                () = stopped => {}
                () = claim.until_lost(epoch) => {}
            },
            _ => stopped.await,
        }
    }

    /// Somebody else has begun to hear what we believed to be ours.
    fn fenced(&self) {
        if let (Some(claim), Some(epoch)) = (&self.claim, self.epoch()) {
            claim.fenced(epoch);
        }
    }

    /// A sequence that stands still behind the relay's watermark has lost its tail.
    async fn heed_watermark(&self, payload: &[u8]) -> Result<(), Error> {
        let Ok(watermark) = serde_json::from_slice::<Watermark>(payload) else {
            return Ok(());
        };
        let Subscription { consumer, speaker } = self.subscription;
        let whose = (*consumer, &speaker[..]);
        let cursors = store::cursors(&self.wires.pool, whose, &self.parts()).await?;
        let cursors: BTreeMap<Part, i64> = cursors.into_iter().collect();
        for (part, mark) in watermark.parts {
            if !self.share.has(part) {
                continue;
            }
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

async fn acknowledge(message: &Message) {
    if message.ack().await.is_err() {
        tracing::debug!("The acknowledgement was lost; the cursor drops the repetition");
    }
}

async fn give_back(message: &Message, pause: Option<Duration>) {
    let given_back = message.ack_with(AckKind::Nak(pause)).await;
    if given_back.is_err() {
        tracing::debug!("The message comes again by itself");
    }
}

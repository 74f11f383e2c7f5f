mod ownership;
mod publishing;

use std::collections::BTreeMap;
use std::time::Duration;

use async_nats::Client;
use async_nats::jetstream::Context;
use domain::Part;
use futures::{FutureExt, StreamExt};
use serde::{Deserialize, Serialize};
use sqlx::postgres::PgListener;
use sqlx::{Connection, PgConnection};
use tokio::time::Instant;

use crate::organisation::{Organisation, Route};
use crate::store;
use crate::stream::ensure_audience;
use crate::turns::Turns;
use crate::{Error, Wires};
use ownership::Claims;

pub(crate) const PART: &str = "Ansinh-Part";
pub(crate) const SEQ: &str = "Ansinh-Seq";
pub(crate) const PREV: &str = "Ansinh-Prev";
pub(crate) const HASH: &str = "Ansinh-Hash";
pub(crate) const SPEAKER: &str = "Ansinh-Speaker";
pub(crate) const CREATED: &str = "Ansinh-Created";
pub(crate) const KEY: &str = "Ansinh-Key";
pub(crate) const SIGNATURE: &str = "Ansinh-Signature";
pub(crate) const TRACEPARENT: &str = "traceparent";

/// Sequences of which events are published before any acknowledgement is awaited.
const WINDOW_SEQUENCES: usize = 16;
/// Events of one sequence in a window, so that no partition starves another.
const WINDOW_OF_ONE: i64 = 4;
/// Notifications that are heeded before the next window is published.
const WAKES_AT_ONCE: usize = 4096;
/// How often all sequences are looked at, whatever was notified.
const LOOK: Duration = Duration::from_secs(1);
/// Asks for a re-drive that are heeded before the next window is published.
const ASKS_AT_ONCE: usize = 256;
/// Wait after a failure: NATS or PostgreSQL is away.
const RETRY: Duration = Duration::from_millis(250);
/// How often it is looked whether banks still have the consumers that the state made for them. A
/// bank cannot make its own, and after a wipe a neighbour may be the first to make the stream.
const AUDIENCE: Duration = Duration::from_secs(5);

/// Publishes what speakers have said, in order, from the outbox to JetStream.
///
/// One owner a speaker, by a lease. What an earlier one still publishes is dropped as a repetition,
/// and it moves no mark. It never deletes or marks a row of what was said; it can start again from
/// anywhere, and does so when a consumer asks.
#[derive(Debug)]
pub struct Relay {
    wires: Wires,
    speakers: Vec<String>,
    /// Speakers with a connection of their own.
    banks: BTreeMap<String, (Client, Context)>,
}

/// `watermark.<speaker>`: the last published number of each partition.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Watermark {
    pub parts: Vec<(Part, i64)>,
}

/// `redrive.<speaker>`: publish again what follows `after`.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Redrive {
    pub part: Part,
    pub after: i64,
}

/// Where a sequence's publishing stands.
#[derive(Debug, Clone, Copy)]
struct Progress {
    after: i64,
    /// Counts re-drives: JetStream would drop a repeated message id as a duplicate even where it
    /// has lost the message itself.
    drive: u64,
}

pub(crate) type Sequence = (String, Part);

struct Session {
    connection: PgConnection,
    listener: PgListener,
    /// By whose leases it publishes.
    owned: BTreeMap<String, i64>,
    progress: BTreeMap<Sequence, Progress>,
    redrives: futures::stream::SelectAll<async_nats::Subscriber>,
    turns: Turns,
    watermark_at: Instant,
    look_at: Instant,
    audience_at: Instant,
}

impl Relay {
    pub fn new(wires: Wires, speakers: Vec<String>) -> Relay {
        Relay {
            wires,
            speakers,
            banks: BTreeMap::new(),
        }
    }

    /// Says what a bank says over the bank's own connection, which may create nothing.
    #[must_use]
    pub fn through(mut self, speaker: String, nats: Client, jetstream: Context) -> Relay {
        self.banks.insert(speaker, (nats, jetstream));
        self
    }

    fn nats(&self, speaker: &str) -> &Client {
        self.banks.get(speaker).map_or(&self.wires.nats, |it| &it.0)
    }

    fn jetstream(&self, speaker: &str) -> &Context {
        let own = self.banks.get(speaker).map(|it| &it.1);
        own.unwrap_or(&self.wires.jetstream)
    }

    async fn ensure_audience(&self, speaker: &str) -> Result<(), Error> {
        if self.banks.contains_key(speaker) {
            return Ok(());
        }
        ensure_audience(&self.wires.jetstream, speaker, self.wires.replicas).await
    }

    /// Runs until the process stops; failures of NATS or PostgreSQL are waited out.
    pub async fn run(self) {
        let stop = self.wires.stop.clone();
        let mut claims = Claims::of(&self.wires.leases, &self.speakers);
        while !stop.is_cancelled() {
            tokio::select! {
                () = stop.cancelled() => break,
                ended = self.session(&mut claims) => if let Err(error) = ended {
                    tracing::warn!(error = %error, "The relay starts again");
                },
            }
            tokio::select! { () = stop.cancelled() => {}, () = tokio::time::sleep(RETRY) => {} }
        }
    }

    async fn session(&self, claims: &mut Claims) -> Result<(), Error> {
        let mut session = self.open().await?;
        loop {
            claims.own(&mut session).await?;
            self.keep_audience(&mut session).await?;
            heed_asks(&mut session);
            look(&mut session).await?;
            let published = self.publish_window(&mut session, claims).await?;
            self.tell_watermark(&mut session).await?;
            if !published {
                self.wait(&mut session, claims).await?;
            }
        }
    }

    async fn open(&self) -> Result<Session, Error> {
        let mut connection = PgConnection::connect(&self.wires.database_url).await?;
        if let Some(role) = &self.wires.role {
            store::set_role(&mut connection, role).await?;
        }
        store::keep_plans(&mut connection).await?;
        let mut listener = PgListener::connect(&self.wires.database_url).await?;
        listener.listen(store::WAKE).await?;
        let mut redrives = futures::stream::SelectAll::new();
        for speaker in &self.speakers {
            self.ensure_audience(speaker).await?;
            let asks = format!("redrive.{speaker}");
            let subscribed = self.nats(speaker).subscribe(asks).await;
            redrives.push(subscribed.map_err(|it| Error::Nats(it.to_string()))?);
        }
        let now = Instant::now();
        Ok(Session {
            connection,
            listener,
            owned: BTreeMap::new(),
            progress: BTreeMap::new(),
            redrives,
            turns: Turns::default(),
            watermark_at: now,
            look_at: now,
            audience_at: now + AUDIENCE,
        })
    }

    /// Gives banks back what a wipe has taken.
    async fn keep_audience(&self, session: &mut Session) -> Result<(), Error> {
        if Instant::now() < session.audience_at {
            return Ok(());
        }
        session.audience_at = Instant::now() + AUDIENCE;
        let to_banks = |it: &&String| {
            Route::of(it).is_some_and(|it| it.sender == Organisation::State)
                && session.owned.contains_key(*it)
        };
        for speaker in self.speakers.iter().filter(to_banks) {
            self.ensure_audience(speaker).await?;
        }
        Ok(())
    }

    /// Publishes at most a window of events; false where nothing more is to be looked at.
    async fn publish_window(&self, session: &mut Session, claims: &Claims) -> Result<bool, Error> {
        let mut asked = session.turns.take(WINDOW_SEQUENCES);
        asked.retain(|it| session.progress.contains_key(it));
        if asked.is_empty() {
            return Ok(!session.turns.is_empty());
        }
        let mut columns = (Vec::new(), Vec::new(), Vec::new());
        for (speaker, part) in &asked {
            let after = session.progress[&(speaker.clone(), *part)].after;
            columns.0.push(speaker.clone());
            columns.1.push(part.number());
            columns.2.push(after);
        }
        let events = store::outgoing(&mut session.connection, &columns, WINDOW_OF_ONE).await?;
        let is_some = !events.is_empty();
        let full: Vec<Sequence> = events
            .chunk_by(|a, b| (&a.speaker, a.part) == (&b.speaker, b.part))
            .filter(|it| i64::try_from(it.len()) == Ok(WINDOW_OF_ONE))
            .map(|it| (it[0].speaker.clone(), it[0].part))
            .collect();
        let moved = self.publish(session, events).await?;
        for speaker in store::move_published(&mut session.connection, &moved).await? {
            claims.let_go(session, &speaker);
        }
        // Whose window was full may have more to say, behind all others.
        session.turns.extend(full);
        Ok(is_some || !session.turns.is_empty())
    }

    /// Tells consumers how far each sequence is, so that a lost tail shows too.
    async fn tell_watermark(&self, session: &mut Session) -> Result<(), Error> {
        if Instant::now() < session.watermark_at {
            return Ok(());
        }
        session.watermark_at = Instant::now() + self.wires.watermark;
        for speaker in &self.speakers {
            let parts: Vec<(Part, i64)> = session
                .progress
                .iter()
                .filter(|((it, _), progress)| it == speaker && progress.after > 0)
                .map(|((_, part), progress)| (*part, progress.after))
                .collect();
            if parts.is_empty() {
                continue;
            }
            let body = serde_json::to_vec(&Watermark { parts }).expect("numbers serialize");
            let mark = format!("watermark.{speaker}");
            let told = self.nats(speaker).publish(mark, body.into()).await;
            told.map_err(|it| Error::Nats(it.to_string()))?;
        }
        Ok(())
    }

    /// Sleeps until something was said, a consumer asks for a re-drive, or the poll is due.
    async fn wait(&self, session: &mut Session, claims: &mut Claims) -> Result<(), Error> {
        tokio::select! {
            () = claims.until_changed() => {}
            woken = session.listener.recv() => {
                let woken = woken?;
                wake(session, woken.payload());
            }
            Some(asked) = session.redrives.next() => heed(session, &asked),
            // Whatever became of notifications, what was said is seen.
            () = tokio::time::sleep(self.wires.poll) => session.look_at = Instant::now(),
        }
        Ok(())
    }
}

/// Whose turn it is: by notifications, and by looking at all of them once in a while.
async fn look(session: &mut Session) -> Result<(), Error> {
    for _ in 0..WAKES_AT_ONCE {
        let Some(woken) = session.listener.recv().now_or_never() else {
            break;
        };
        let woken = woken?;
        wake(session, woken.payload());
    }
    if Instant::now() < session.look_at {
        return Ok(());
    }
    session.look_at = Instant::now() + LOOK;
    let standing = progress_columns(&session.progress);
    let pending = store::pending(&mut session.connection, &standing).await?;
    session.turns.extend(pending);
    Ok(())
}

fn wake(session: &mut Session, payload: &str) {
    match store::woken(payload) {
        Some(sequence) if session.progress.contains_key(&sequence) => {
            session.turns.extend([sequence]);
        }
        // Another process says it.
        Some(_) => {}
        None => session.look_at = Instant::now(),
    }
}

/// All that was asked meanwhile, also where the next window is waiting already.
fn heed_asks(session: &mut Session) {
    for _ in 0..ASKS_AT_ONCE {
        let Some(Some(asked)) = session.redrives.next().now_or_never() else {
            return;
        };
        heed(session, &asked);
    }
}

fn heed(session: &mut Session, asked: &async_nats::Message) {
    let speaker = asked.subject.strip_prefix("redrive.").unwrap_or_default();
    if let Ok(redrive) = serde_json::from_slice::<Redrive>(&asked.payload) {
        drive_again(session, speaker, redrive);
    }
}

fn drive_again(session: &mut Session, speaker: &str, redrive: Redrive) {
    let part = redrive.part;
    if let Some(progress) = session.progress.get_mut(&(speaker.to_owned(), part))
        && redrive.after >= 0
        && redrive.after < progress.after
    {
        tracing::warn!(
            speaker,
            part = part.number(),
            after = redrive.after,
            "A consumer missed events; publishing again from {}",
            redrive.after + 1
        );
        progress.after = redrive.after;
        progress.drive += 1;
        session.turns.extend([(speaker.to_owned(), part)]);
    }
}

fn progress_columns(progress: &BTreeMap<Sequence, Progress>) -> (Vec<String>, Vec<i16>, Vec<i64>) {
    let mut columns = (Vec::new(), Vec::new(), Vec::new());
    for ((speaker, part), progress) in progress {
        columns.0.push(speaker.clone());
        columns.1.push(part.number());
        columns.2.push(progress.after);
    }
    columns
}

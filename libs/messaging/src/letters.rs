//! What an organisation receives that has no database: verified, in order, its place kept beside what
//! it makes of it.

use std::collections::BTreeMap;
use std::time::Duration;

use async_nats::Client;
use async_nats::jetstream::consumer::PullConsumer;
use async_nats::jetstream::{Context, Message};
use chrono::{DateTime, Utc};
use domain::Part;
use futures::{FutureExt, StreamExt, TryStreamExt};
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, timeout_at};

use crate::Error;
use crate::delivered::{Delivered, continue_from, is_of_another_sequence};
use crate::organisation::Route;
use crate::relay::{Redrive, Watermark};
use crate::signature::{OrganisationKey, Unverified};
use crate::store::Place;
use crate::stream::given_consumer;

/// Messages taken at a time.
const PULL_MAX: usize = 24;
/// Between two asks for what is missing.
const REDRIVE_PAUSE: Duration = Duration::from_secs(2);

/// The last message of one partition that was received: its number and, in hex, its hash.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Received {
    pub seq: i64,
    pub hash: String,
}

/// How far each partition of a sequence was received.
pub type Places = BTreeMap<Part, Received>;

/// A speaker's sequence at the consumer that the state made for who receives it.
#[derive(Debug)]
pub struct Letters {
    nats: Client,
    pull: PullConsumer,
    watermarks: async_nats::Subscriber,
    speaker: String,
    /// Public keys of the sender, as its receiver was given them.
    keys: Vec<Vec<u8>>,
    marks: BTreeMap<Part, i64>,
    asked_at: Option<Instant>,
}

/// Messages that follow one another.
#[derive(Debug)]
pub struct Post {
    /// In their order within each partition; nothing of them was received before.
    pub fresh: Vec<Delivered>,
    /// Where they lead: to be kept, durably, with what was made of them.
    pub places: Places,
    /// What is not its sender's; it has no place, and the true one is asked for.
    pub refused: Vec<Unverified>,
    taken: Vec<Message>,
}

impl Letters {
    /// # Errors
    /// What NATS says.
    pub async fn open(
        nats: Client,
        jetstream: &Context,
        speaker: &str,
        keys: Vec<Vec<u8>>,
    ) -> Result<Letters, Error> {
        let watermarks = nats.subscribe(format!("watermark.{speaker}")).await;
        Ok(Letters {
            watermarks: watermarks.map_err(|it| Error::Nats(it.to_string()))?,
            pull: given_consumer(jetstream, speaker),
            speaker: speaker.to_owned(),
            nats,
            keys,
            marks: BTreeMap::new(),
            asked_at: None,
        })
    }

    /// What comes next behind `places`, at once where it is there. `None` when the sender says that
    /// this was all, or nothing has come until `deadline`.
    ///
    /// # Errors
    /// What NATS says; nothing is lost then.
    pub async fn next(
        &mut self,
        places: &Places,
        deadline: Instant,
    ) -> Result<Option<Post>, Error> {
        loop {
            let taken = self.pull().await?;
            if !taken.is_empty() {
                return self.sort(places, taken).await.map(Some);
            }
            self.read_marks(deadline).await;
            let behind = self.behind(places);
            if self.marks.is_empty() || behind.is_empty() {
                return Ok(None);
            }
            if Instant::now() >= deadline {
                return Err(Error::Nats(format!(
                    "{} has said more than has come",
                    self.speaker
                )));
            }
            self.ask_for(&behind).await?;
        }
    }

    async fn pull(&self) -> Result<Vec<Message>, Error> {
        let nats = |it: &dyn std::fmt::Display| Error::Nats(it.to_string());
        let batch = self.pull.batch().max_messages(PULL_MAX);
        let batch = batch.expires(Duration::from_secs(1)).messages().await;
        let batch = batch.map_err(|it| nats(&it))?;
        batch.try_collect().await.map_err(|it| nats(&it))
    }

    /// Verifies and orders what came.
    async fn sort(&mut self, places: &Places, taken: Vec<Message>) -> Result<Post, Error> {
        let now = Utc::now();
        let mut post = Post {
            fresh: Vec::new(),
            places: places.clone(),
            refused: Vec::new(),
            taken: Vec::new(),
        };
        let mut parts: BTreeMap<Part, Vec<Delivered>> = BTreeMap::new();
        for message in taken {
            if !is_of_another_sequence(&self.speaker, &message) {
                match Delivered::read(&self.speaker, &message) {
                    Ok(it) => parts.entry(it.part).or_default().push(it),
                    Err(why) => post.refused.push(why),
                }
            }
            post.taken.push(message);
        }
        let mut missing = Vec::new();
        for (part, mut batch) in parts {
            batch.sort_by_key(|it| it.seq);
            let place = place_of(places, part);
            let continued = continue_from(place, &batch, |it| self.verify(it, now));
            if continued.gap {
                missing.push((part, continued.place.seq));
            }
            post.refused
                .extend(continued.refused.iter().map(|(_, why)| *why));
            if continued.place.seq > place.seq {
                post.places.insert(part, received(&continued.place));
            }
            post.fresh.extend(continued.fresh);
        }
        self.ask_for(&missing).await?;
        Ok(post)
    }

    /// By any of the sender's keys: which one a message names, its receiver need not know.
    fn verify(&self, it: &Delivered, now: DateTime<Utc>) -> Result<(), Unverified> {
        let sender = Route::of(&self.speaker).map(|it| it.sender.to_string());
        let (sender, key_no) = (sender.unwrap_or_default(), it.key_no().unwrap_or_default());
        let mut outcome = Err(Unverified::KeyUnknown);
        for public_key in &self.keys {
            let key = OrganisationKey {
                key_no,
                organisation: sender.clone(),
                public_key: public_key.clone(),
                valid_from: DateTime::<Utc>::MIN_UTC,
                is_confirmed: true,
                ended_at: None,
            };
            outcome = it.verify(&[key], now);
            if outcome.is_ok() {
                break;
            }
        }
        outcome
    }

    /// The newest of what the sender tells of itself; waits for one where none has come yet.
    async fn read_marks(&mut self, deadline: Instant) {
        let mut newest = None;
        while let Some(Some(told)) = self.watermarks.next().now_or_never() {
            newest = Some(told);
        }
        if newest.is_none() && self.marks.is_empty() {
            newest = timeout_at(deadline, self.watermarks.next())
                .await
                .ok()
                .flatten();
        }
        let read = newest.and_then(|it| serde_json::from_slice::<Watermark>(&it.payload).ok());
        if let Some(watermark) = read {
            self.marks = watermark.parts.into_iter().collect();
        }
    }

    fn behind(&self, places: &Places) -> Vec<(Part, i64)> {
        let marks = self.marks.iter();
        let stands = marks.map(|(part, mark)| (*part, place_of(places, *part).seq, *mark));
        let behind = stands.filter(|(_, seq, mark)| seq < mark);
        behind.map(|(part, seq, _)| (part, seq)).collect()
    }

    async fn ask_for(&mut self, missing: &[(Part, i64)]) -> Result<(), Error> {
        let waits = self.asked_at.is_some_and(|it| it.elapsed() < REDRIVE_PAUSE);
        if missing.is_empty() || waits {
            return Ok(());
        }
        self.asked_at = Some(Instant::now());
        for (part, after) in missing {
            let (part, after) = (*part, *after);
            let body = serde_json::to_vec(&Redrive { part, after }).expect("numbers serialize");
            let subject = format!("redrive.{}", self.speaker);
            let asked = self.nats.publish(subject, body.into()).await;
            asked.map_err(|it| Error::Nats(it.to_string()))?;
        }
        Ok(())
    }
}

impl Post {
    /// Tells JetStream that these need not come again; when what was made of them is durable.
    pub async fn acknowledge(self) {
        for message in &self.taken {
            if let Err(error) = message.ack().await {
                tracing::warn!(error = %error, "A message comes again and is left out then");
            }
        }
    }
}

fn place_of(places: &Places, part: Part) -> Place {
    let start = Place {
        seq: 0,
        hash: [0; 32],
    };
    places.get(&part).map_or(start, |it| {
        let mut hash = [0; 32];
        // A spoilt place fits no message: the chain says so.
        let _spoilt = hex::decode_to_slice(&it.hash, &mut hash);
        Place { seq: it.seq, hash }
    })
}

fn received(place: &Place) -> Received {
    Received {
        seq: place.seq,
        hash: hex::encode(place.hash),
    }
}

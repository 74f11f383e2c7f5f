//! What JetStream and SHA-256 alone make of the messages that the chain has said.

use std::collections::HashMap;
use std::hint::black_box;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use async_nats::HeaderMap;
use async_nats::jetstream::Context;
use async_nats::jetstream::message::PublishMessage;
use async_nats::jetstream::stream::Config;
use serde::Serialize;
use sha2::{Digest, Sha256};
use tokio::time::timeout;
use uuid::Uuid;

use super::elapsed;
use super::store::{Said, Spoken};

const STREAM: &str = "BENCH";
const SUBJECT: &str = "bench.messages";
/// Published before any acknowledgement is awaited, as many as in a relay's window.
const WINDOW: u64 = 64;
/// For all acknowledgements of a window together.
const ACKS_MAX: Duration = Duration::from_secs(30);

/// As many messages as the chain has said, of the sizes of a sample of them.
#[derive(Debug)]
pub(super) struct Sample {
    pub messages: u64,
    pub spoken: Vec<Spoken>,
}

/// What went through a yardstick, and how long it took.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct Passed {
    pub messages: u64,
    pub bytes: u64,
    pub milliseconds: u64,
}

impl Sample {
    /// # Errors
    /// Where the chain has said nothing.
    pub(super) fn of(said: Said, spoken: Vec<Spoken>) -> anyhow::Result<Sample> {
        let messages = said.messages;
        anyhow::ensure!(messages > 0 && !spoken.is_empty(), "nothing was said");
        Ok(Sample { messages, spoken })
    }

    /// The sampled ones, one after the other and again, until all are through.
    fn all(&self) -> impl Iterator<Item = &Spoken> {
        let messages = usize::try_from(self.messages).unwrap_or(usize::MAX);
        self.spoken.iter().cycle().take(messages)
    }

    fn bytes(&self) -> u64 {
        self.all().map(|it| it.body.len() as u64).sum()
    }

    fn passed(&self, begun: Instant) -> Passed {
        Passed {
            messages: self.messages,
            milliseconds: elapsed(begun),
            bytes: self.bytes(),
        }
    }

    /// Publishes them to a stream of the bench's own that is kept as `like` is.
    pub(super) async fn publish(&self, jetstream: &Context, like: &str) -> anyhow::Result<Passed> {
        let like = jetstream.get_stream(like).await?;
        let config = Config {
            name: STREAM.to_owned(),
            subjects: vec![SUBJECT.to_owned()],
            metadata: HashMap::new(),
            ..like.cached_info().config.clone()
        };
        jetstream.create_stream(config).await?;
        let published = self.publish_windows(jetstream).await;
        jetstream.delete_stream(STREAM).await?;
        published
    }

    async fn publish_windows(&self, jetstream: &Context) -> anyhow::Result<Passed> {
        let begun = Instant::now();
        let mut all = self.all();
        loop {
            let mut waiting = Vec::new();
            for it in all.by_ref().take(usize::try_from(WINDOW)?) {
                let published = jetstream.send_publish(SUBJECT, message(it)).await;
                waiting.push(published?);
            }
            if waiting.is_empty() {
                return Ok(self.passed(begun));
            }
            let acks =
                futures::future::try_join_all(waiting.into_iter().map(IntoFuture::into_future));
            timeout(ACKS_MAX, acks)
                .await
                .context("JetStream does not acknowledge")??;
        }
    }

    /// Hashes them, one after the other on one core.
    pub(super) fn hash(&self) -> Passed {
        let begun = Instant::now();
        for it in self.all() {
            black_box(Sha256::digest(black_box(&it.body)));
        }
        self.passed(begun)
    }
}

/// With headers as long as a relay's.
fn message(it: &Spoken) -> PublishMessage {
    let mut headers = HeaderMap::new();
    headers.insert("Content-Type", events::CONTENT_TYPE);
    headers.insert("Ansinh-Speaker", it.speaker.as_str());
    headers.insert("Ansinh-Prev", hex::encode(&it.prev_hash));
    headers.insert("Ansinh-Hash", hex::encode(&it.hash));
    PublishMessage::build()
        .payload(it.body.clone().into())
        .headers(headers)
        .message_id(Uuid::now_v7().to_string())
}

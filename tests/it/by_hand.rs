//! What was said, published by hand: again, out of turn, or forged.

use async_nats::HeaderMap;
use async_nats::jetstream::Context;
use async_nats::jetstream::message::PublishMessage;
use chrono::{DateTime, SecondsFormat, Utc};
use futures::{StreamExt, TryStreamExt, stream};
use sqlx::{FromRow, PgPool};
use uuid::Uuid;

/// A row of the outbox, as the relay would publish it.
#[derive(Debug, Clone, FromRow)]
pub struct Said {
    pub speaker: String,
    pub part: i16,
    pub seq: i64,
    pub event_id: Uuid,
    pub subject: String,
    pub body: Vec<u8>,
    pub prev_hash: Vec<u8>,
    pub hash: Vec<u8>,
    pub recorded_at: DateTime<Utc>,
    pub key_no: Option<i64>,
    pub signature: Option<Vec<u8>>,
}

/// All that was ever said, each sequence in its order.
pub async fn said(pool: &PgPool) -> anyhow::Result<Vec<Said>> {
    let rows = sqlx::query_as(
        "SELECT speaker, part, seq, event_id, subject, body, prev_hash, hash,
            recorded_at, key_no, signature
        FROM messaging.outbox ORDER BY speaker, part, seq",
    );
    Ok(rows.fetch_all(pool).await?)
}

/// Publishes events in this order, each under a message id that JetStream has not seen.
pub async fn deliver(jetstream: &Context, events: &[Said]) -> anyhow::Result<()> {
    for window in events.chunks(200) {
        let mut acks = Vec::with_capacity(window.len());
        for event in window {
            let sent = jetstream.send_publish(event.subject.clone(), message(event));
            acks.push(sent.await?.into_future());
        }
        // All of them, because each holds its place among the unacknowledged until it is awaited.
        stream::iter(acks)
            .buffered(200)
            .try_collect::<Vec<_>>()
            .await?;
    }
    Ok(())
}

/// Waits until every consumer has taken all that its stream holds.
pub async fn until_taken(jetstream: &Context) -> anyhow::Result<()> {
    for _ in 0..600 {
        let mut left = 0;
        let mut streams = jetstream.streams();
        while let Some(info) = streams.try_next().await? {
            let stream = jetstream.get_stream(info.config.name).await?;
            let mut consumers = stream.consumers();
            while let Some(it) = consumers.try_next().await? {
                left += it.num_pending + it.num_ack_pending as u64;
            }
        }
        if left == 0 {
            return Ok(());
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    anyhow::bail!("consumers have not taken everything within a minute")
}

fn message(event: &Said) -> PublishMessage {
    let mut headers = HeaderMap::new();
    headers.insert("Content-Type", events::CONTENT_TYPE);
    headers.insert("Ansinh-Speaker", event.speaker.as_str());
    headers.insert("Ansinh-Part", event.part.to_string());
    headers.insert("Ansinh-Seq", event.seq.to_string());
    headers.insert("Ansinh-Prev", hex::encode(&event.prev_hash));
    headers.insert("Ansinh-Hash", hex::encode(&event.hash));
    if let (Some(key_no), Some(signature)) = (event.key_no, &event.signature) {
        let created = event
            .recorded_at
            .to_rfc3339_opts(SecondsFormat::Micros, true);
        headers.insert("Ansinh-Created", created);
        headers.insert("Ansinh-Key", key_no.to_string());
        headers.insert("Ansinh-Signature", hex::encode(signature));
    }
    PublishMessage::build()
        .payload(event.body.clone().into())
        .headers(headers)
        .message_id(format!("{}.again.{}", event.event_id, Uuid::now_v7()))
}

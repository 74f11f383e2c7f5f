//! What is said to a stream together goes there in one batch.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Context as _;

use super::{Duration, Instant, SPEAKER, Talk, bail, ensure, part, sleep};

const PARTS: i16 = 8;
/// More than a batch takes.
const LARGE: usize = 5 << 14;

impl Talk {
    /// Waits until all was published, however often before.
    async fn until_published(&self, seq: i64) -> anyhow::Result<()> {
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(20) {
            let there: i64 = sqlx::query_scalar(
                "SELECT count(*) FROM messaging.published WHERE speaker = $1 AND seq = $2",
            )
            .bind(SPEAKER)
            .bind(seq)
            .fetch_one(&self.wires.pool)
            .await?;
            if there == i64::from(PARTS) {
                return Ok(());
            }
            sleep(Duration::from_millis(20)).await;
        }
        bail!("not published up to {seq}")
    }

    /// What is in the stream, in its order.
    async fn messages(&self) -> anyhow::Result<Vec<Published>> {
        let stream = messaging::stream_name(SPEAKER);
        let stream = self.wires.jetstream.get_stream(stream).await?;
        let mut messages = Vec::new();
        for number in 1..=self.stored().await? {
            let message = stream.get_raw_message(number).await?;
            let header = |name: &str| message.headers.get(name).map(ToString::to_string);
            messages.push(Published {
                part: header("Ansinh-Part").context("of no partition")?,
                seq: header("Ansinh-Seq").context("of no place")?.parse()?,
                batch: header("Nats-Batch-Id"),
                length: message.payload.len(),
            });
        }
        Ok(messages)
    }
}

struct Published {
    part: String,
    seq: i64,
    batch: Option<String>,
    length: usize,
}

#[tokio::test]
async fn what_is_said_at_once_comes_in_one_batch_and_is_not_doubled_after_a_restart()
-> anyhow::Result<()> {
    let talk = Talk::new().await?;
    for number in 0..PARTS {
        talk.say(part(number), &["one", "two", "three"]).await?;
    }
    let relay = talk.relay();
    talk.until_published(3).await?;
    let messages = talk.messages().await?;
    let batches: BTreeSet<Option<String>> = messages.into_iter().map(|it| it.batch).collect();
    ensure!(
        batches.len() == 1 && !batches.contains(&None),
        "{batches:?}"
    );

    // One that believes that nothing is out: the server refuses the whole batch, as each of its
    // messages is there already, with one that is new.
    relay.abort();
    for number in 0..PARTS {
        talk.set_published(part(number), 0).await?;
        talk.say(part(number), &["four"]).await?;
    }
    talk.relay();
    talk.until_published(4).await?;
    ensure!(talk.stored().await? == 32, "{}", talk.stored().await?);
    talk.listen();
    for number in 0..PARTS {
        talk.until_heard(part(number), &["one", "two", "three", "four"])
            .await?;
    }
    talk.end().await
}

/// The files of a batch take longer than a few messages alone.
#[tokio::test]
async fn few_events_go_one_by_one() -> anyhow::Result<()> {
    let talk = Talk::new().await?;
    for number in 0..PARTS {
        talk.say(part(number), &["one", "two"]).await?;
    }
    talk.relay();
    talk.until_published(2).await?;
    let messages = talk.messages().await?;
    ensure!(messages.len() == 16, "{}", messages.len());
    ensure!(messages.iter().all(|it| it.batch.is_none()), "in a batch");
    talk.end().await
}

/// What is too large for a batch is published by itself, and nothing of its partition before its turn.
#[tokio::test]
async fn a_large_event_goes_alone_and_in_its_turn() -> anyhow::Result<()> {
    let talk = Talk::new().await?;
    let large = "large".repeat(LARGE / 5);
    for number in 0..PARTS {
        let bodies = ["one", "two", &large[..], "four", "five"];
        talk.say(part(number), &bodies).await?;
    }
    talk.relay();
    talk.until_published(5).await?;
    let mut turns: BTreeMap<String, Vec<i64>> = BTreeMap::new();
    for it in talk.messages().await? {
        ensure!(
            it.batch.is_none() || it.length < LARGE,
            "{} in a batch",
            it.seq
        );
        turns.entry(it.part).or_default().push(it.seq);
    }
    ensure!(turns.len() == usize::try_from(PARTS)?, "{turns:?}");
    ensure!(
        turns.values().all(|it| it[..] == [1, 2, 3, 4, 5]),
        "{turns:?}"
    );
    talk.end().await
}

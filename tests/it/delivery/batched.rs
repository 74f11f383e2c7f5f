//! What is said to a stream together goes there in one batch.

use std::collections::BTreeSet;

use anyhow::Context as _;

use super::{Duration, Instant, SPEAKER, Talk, bail, ensure, part, sleep};

const PARTS: i16 = 4;

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

    /// The batches in which messages of the stream came.
    async fn batch_ids(&self) -> anyhow::Result<BTreeSet<String>> {
        let stream = messaging::stream_name(SPEAKER);
        let stream = self.wires.jetstream.get_stream(stream).await?;
        let mut ids = BTreeSet::new();
        for number in 1..=self.stored().await? {
            let message = stream.get_raw_message(number).await?;
            let id = message.headers.get("Nats-Batch-Id");
            ids.insert(id.context("of no batch")?.to_string());
        }
        Ok(ids)
    }
}

#[tokio::test]
async fn what_is_said_at_once_comes_in_one_batch_and_is_not_doubled_after_a_restart()
-> anyhow::Result<()> {
    let talk = Talk::new().await?;
    for number in 0..PARTS {
        talk.say(part(number), &["one", "two"]).await?;
    }
    let relay = talk.relay();
    talk.until_published(2).await?;
    let ids = talk.batch_ids().await?;
    ensure!(ids.len() == 1, "{ids:?}");

    // One that believes that nothing is out: the server refuses the whole batch, as each of its
    // messages is there already, with one that is new.
    relay.abort();
    for number in 0..PARTS {
        talk.set_published(part(number), 0).await?;
        talk.say(part(number), &["three"]).await?;
    }
    talk.relay();
    talk.until_published(3).await?;
    ensure!(talk.stored().await? == 12, "{}", talk.stored().await?);
    talk.listen();
    for number in 0..PARTS {
        talk.until_heard(part(number), &["one", "two", "three"])
            .await?;
    }
    talk.end().await
}

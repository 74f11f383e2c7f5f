//! From where one who hears begins: the server keeps no place for it.

use async_nats::datetime::parse_rfc3339;
use async_nats::jetstream::consumer::DeliverPolicy;
use chrono::{DateTime, TimeDelta, Utc};
use domain::Part;
use events::Event;
use futures::TryStreamExt;
use messaging::{append, stream_name};
use uuid::Uuid;

use super::{Duration, Instant, SPEAKER, Talk, ensure, part, sleep};

impl Talk {
    async fn say_at(&self, part: Part, body: &str, at: DateTime<Utc>) -> anyhow::Result<()> {
        let event = Event {
            id: Uuid::now_v7(),
            speaker: SPEAKER.to_owned(),
            part,
            subject: format!("{SPEAKER}.{part}.said.v1"),
            body: body.as_bytes().to_vec(),
        };
        let mut tx = self.wires.pool.begin().await?;
        append(&mut tx, vec![event], at).await?;
        Ok(tx.commit().await?)
    }

    /// Whether a consumer of the partition's share begins before a time; none is durable.
    async fn begins_before(&self, part: Part, at: DateTime<Utc>) -> anyhow::Result<bool> {
        let begun = Instant::now();
        loop {
            let found = self.begins(part).await?;
            if !found.is_empty() {
                let at = parse_rfc3339(&at.to_rfc3339()).map_err(anyhow::Error::from_boxed)?;
                return Ok(found.iter().any(|it| *it < at));
            }
            ensure!(
                begun.elapsed() < Duration::from_secs(20),
                "nobody hears {part}"
            );
            sleep(Duration::from_millis(20)).await;
        }
    }

    /// When those begin who hear a partition's share.
    async fn begins(&self, part: Part) -> anyhow::Result<Vec<async_nats::datetime::DateTime>> {
        let stream = self.wires.jetstream.get_stream(stream_name(SPEAKER));
        let stream = stream.await?;
        let mut consumers = stream.consumers();
        let mut found = Vec::new();
        while let Some(it) = consumers.try_next().await? {
            ensure!(it.config.durable_name.is_none(), "{}", it.name);
            let subject = format!("{SPEAKER}.{part}.*.*");
            if !it.config.filter_subjects.contains(&subject) {
                continue;
            }
            match it.config.deliver_policy {
                DeliverPolicy::ByStartTime { start_time } => found.push(start_time),
                other => anyhow::bail!("{other:?}"),
            }
        }
        Ok(found)
    }
}

#[tokio::test]
async fn who_hears_begins_behind_what_is_applied() -> anyhow::Result<()> {
    let talk = Talk::new().await?;
    let (one, nine) = (part(1), part(9));
    let long_ago = Utc::now() - TimeDelta::hours(3);
    talk.say_at(one, "long ago", long_ago).await?;
    let relay = talk.relay();
    let listening = talk.listen();
    talk.until_heard(one, &["long ago"]).await?;
    ensure!(talk.begins_before(one, long_ago).await?);
    ensure!(!talk.begins_before(nine, long_ago).await?);

    // What is said while nobody hears is heard by the next, who begins no earlier than needed.
    listening.abort();
    let begun = Utc::now() - TimeDelta::minutes(2);
    talk.say_at(one, "now", Utc::now()).await?;
    talk.say_at(nine, "now", Utc::now()).await?;
    for consumer in talk.consumers().await? {
        talk.forget(&consumer).await?;
    }
    talk.listen();
    talk.until_heard(one, &["long ago", "now"]).await?;
    talk.until_heard(nine, &["now"]).await?;
    ensure!(!talk.begins_before(one, begun).await?);
    relay.abort();
    talk.end().await
}

/// As when the server starts anew, or nobody pulled for a while.
#[tokio::test]
async fn a_consumer_that_the_server_forgot_is_made_again() -> anyhow::Result<()> {
    let talk = Talk::new().await?;
    let five = part(5);
    talk.relay();
    talk.listen();
    talk.say(five, &["one"]).await?;
    talk.until_heard(five, &["one"]).await?;
    for consumer in talk.consumers().await? {
        talk.forget(&consumer).await?;
    }
    talk.say(five, &["two"]).await?;
    talk.until_heard(five, &["one", "two"]).await?;
    // By itself: nothing had to be driven again.
    ensure!(talk.stored().await? == 2, "{}", talk.stored().await?);
    talk.end().await
}

impl Talk {
    async fn consumers(&self) -> anyhow::Result<Vec<String>> {
        let stream = self.wires.jetstream.get_stream(stream_name(SPEAKER));
        let names = stream.await?.consumer_names();
        Ok(names.try_collect().await?)
    }

    async fn forget(&self, consumer: &str) -> anyhow::Result<()> {
        let stream = self.wires.jetstream.get_stream(stream_name(SPEAKER));
        let stream = stream.await?;
        ensure!(
            stream.delete_consumer(consumer).await?.success,
            "{consumer}"
        );
        Ok(())
    }
}

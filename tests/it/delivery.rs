//! Effects exactly once over delivery at least once: gaps, lost tails, events that fail.

mod batched;
mod begun;
mod joined;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use async_nats::jetstream;
use chrono::{DateTime, Utc};
use domain::Part;
use events::Event;
use futures::StreamExt;
use messaging::{
    Delivered, Handler, Judged, Leases, Manner, Relay, Subscription, Verdict, Wires, append,
    consume, register,
};
use sqlx::{PgConnection, PgPool};
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::by_hand::{deliver, said};
use crate::chance::Chance;
use crate::ground::Ground;

const SPEAKER: &str = "tests";

/// How the listener takes a body: often it fails, with which verdict.
type Moods = Arc<Mutex<BTreeMap<&'static str, (u32, Verdict)>>>;

/// Writes down what it hears, unless it is told to fail.
struct Listener {
    moods: Moods,
    /// Who is told of each commit.
    told: Sender<()>,
}

#[derive(Debug)]
enum ListenerError {
    Database(sqlx::Error),
    Told(Verdict),
}

impl fmt::Display for ListenerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ListenerError::Database(error) => error.fmt(f),
            ListenerError::Told(_) => f.write_str("told to fail"),
        }
    }
}

impl std::error::Error for ListenerError {}

impl From<sqlx::Error> for ListenerError {
    fn from(error: sqlx::Error) -> ListenerError {
        ListenerError::Database(error)
    }
}

impl Judged for ListenerError {
    fn verdict(&self) -> Verdict {
        match self {
            ListenerError::Database(_) => Verdict::Retry,
            ListenerError::Told(verdict) => *verdict,
        }
    }
}

impl Handler for Listener {
    type Error = ListenerError;

    async fn apply(
        &self,
        tx: &mut PgConnection,
        part: Part,
        batch: &[Delivered],
        _: DateTime<Utc>,
    ) -> Result<(), ListenerError> {
        for event in batch {
            let body = String::from_utf8_lossy(&event.body).into_owned();
            sqlx::query("INSERT INTO heard (part, body) VALUES ($1, $2)")
                .bind(part.number())
                .bind(&body)
                .execute(&mut *tx)
                .await?;
            let mut moods = self.moods.lock().expect("no test panics with it");
            if let Some((fails, verdict)) = moods.get_mut(&body[..])
                && *fails > 0
            {
                *fails -= 1;
                return Err(ListenerError::Told(*verdict));
            }
        }
        Ok(())
    }

    fn manner(&self, subject: &str, _: &[u8]) -> Manner {
        match subject.rsplit('.').nth(1) {
            Some("joint") => Manner::Joined,
            Some("later") => Manner::Later,
            _ => Manner::Alone,
        }
    }

    fn applied(&self) {
        // Most tests do not listen.
        let _ = self.told.try_send(());
    }
}

/// A speaker, a listener that is not there yet, and what they share.
struct Talk {
    ground: Ground,
    wires: Wires,
    /// Renews the leases of the first instance.
    keeper: JoinHandle<()>,
    moods: Moods,
}

impl Talk {
    async fn new() -> anyhow::Result<Talk> {
        let ground = Ground::new().await?;
        let nats = ground.target().nats().await?;
        let wires = Wires {
            pool: boot::database::connect(&ground.database_url, None, 8).await?,
            database_url: ground.database_url.clone(),
            role: None,
            jetstream: jetstream::new(nats.clone()),
            nats,
            stop: CancellationToken::new(),
            leases: Leases::new("listener"),
            watermark: Duration::from_millis(200),
            poll: Duration::from_millis(50),
            replicas: 1,
        };
        sqlx::raw_sql(
            "CREATE TABLE heard (no bigint GENERATED ALWAYS AS IDENTITY, part smallint, body text)",
        )
        .execute(&wires.pool)
        .await?;
        register(&wires.pool, &[SPEAKER.to_owned()]).await?;
        Ok(Talk {
            ground,
            keeper: tokio::spawn(wires.clone().keep_leases()),
            wires,
            moods: Moods::default(),
        })
    }

    /// Says bodies in one partition, in one transaction.
    async fn say(&self, part: Part, bodies: &[&str]) -> anyhow::Result<()> {
        let event = |body: &&str| Event {
            id: Uuid::now_v7(),
            speaker: SPEAKER.to_owned(),
            part,
            subject: format!("{SPEAKER}.{part}.{}.v1", manner(body)),
            body: body.as_bytes().to_vec(),
        };
        let mut tx = self.wires.pool.begin().await?;
        append(&mut tx, bodies.iter().map(event).collect(), Utc::now()).await?;
        Ok(tx.commit().await?)
    }

    /// Another instance of the same service.
    fn another(&self) -> Wires {
        let wires = Wires {
            leases: Leases::new("listener"),
            ..self.wires.clone()
        };
        tokio::spawn(wires.clone().keep_leases());
        wires
    }

    fn listen(&self) -> JoinHandle<()> {
        self.listen_with(self.wires.clone()).0
    }

    fn listen_with(&self, wires: Wires) -> (JoinHandle<()>, Receiver<()>) {
        let (told, commits) = channel(8);
        let subscription = Subscription {
            consumer: "listener",
            speaker: SPEAKER.to_owned(),
        };
        let listener = Listener {
            moods: self.moods.clone(),
            told,
        };
        let listening = consume(wires, subscription, listener);
        (tokio::spawn(listening), commits)
    }

    fn relay(&self) -> JoinHandle<()> {
        relay_with(self.wires.clone())
    }

    fn fail(&self, body: &'static str, times: u32, verdict: Verdict) {
        let mut moods = self.moods.lock().expect("no test panics with it");
        moods.insert(body, (times, verdict));
    }

    /// What was heard in a partition, in the order of hearing.
    async fn heard(&self, part: Part) -> anyhow::Result<Vec<String>> {
        let heard = sqlx::query_scalar("SELECT body FROM heard WHERE part = $1 ORDER BY no")
            .bind(part.number());
        Ok(heard.fetch_all(&self.wires.pool).await?)
    }

    async fn until_heard(&self, part: Part, bodies: &[&str]) -> anyhow::Result<()> {
        let (begun, mut heard) = (Instant::now(), Vec::new());
        while begun.elapsed() < Duration::from_secs(20) {
            heard = self.heard(part).await?;
            if heard == bodies {
                return Ok(());
            }
            sleep(Duration::from_millis(20)).await;
        }
        bail!("heard {heard:?} instead of {bodies:?}")
    }

    /// The relay believes that it has published so much.
    async fn set_published(&self, part: Part, seq: i64) -> anyhow::Result<()> {
        sqlx::query("UPDATE messaging.published SET seq = $2 WHERE part = $1")
            .bind(part.number())
            .bind(seq)
            .execute(&self.wires.pool)
            .await?;
        Ok(())
    }

    async fn stored(&self) -> anyhow::Result<u64> {
        let stream = messaging::stream_name(SPEAKER);
        let mut stream = self.wires.jetstream.get_stream(stream).await?;
        Ok(stream.info().await?.state.messages)
    }

    async fn end(self) -> anyhow::Result<()> {
        self.wires.stop.cancel();
        self.wires.pool.close().await;
        self.ground.clear().await
    }
}

fn relay_with(wires: Wires) -> JoinHandle<()> {
    tokio::spawn(Relay::new(wires, vec![SPEAKER.to_owned()]).run())
}

/// By its first word.
fn manner(body: &str) -> &str {
    match body.split(',').next() {
        Some(it @ ("joint" | "later")) => it,
        _ => "said",
    }
}

fn part(number: i16) -> Part {
    Part::try_from(number).expect("0 to 15")
}

#[tokio::test]
async fn an_event_before_its_turn_is_not_applied_and_what_is_missing_is_asked_for()
-> anyhow::Result<()> {
    let talk = Talk::new().await?;
    let seven = part(7);
    talk.say(seven, &["one", "two", "three", "four"]).await?;
    let said = said(&talk.wires.pool).await?;
    let asks = talk.wires.nats.subscribe(format!("redrive.{SPEAKER}"));
    let mut asks = asks.await?;
    talk.listen();
    let subject = said[0].subject.clone();
    for _ in 0..100 {
        // The listener makes the stream.
        if talk
            .wires
            .jetstream
            .stream_by_subject(&subject)
            .await
            .is_ok()
        {
            break;
        }
        sleep(Duration::from_millis(50)).await;
    }
    deliver(&talk.wires.jetstream, &[said[0].clone(), said[2].clone()]).await?;
    let asked = timeout(Duration::from_secs(10), asks.next()).await?;
    let asked = asked.context("the listener asks")?.payload;
    ensure!(asked[..] == *br#"{"part":7,"after":1}"#, "{asked:?}");
    talk.until_heard(seven, &["one"]).await?;
    deliver(&talk.wires.jetstream, &[said[1].clone()]).await?;
    talk.until_heard(seven, &["one", "two"]).await?;

    // What came too early was let go; the relay brings it again, though it believes that all is
    // out.
    talk.set_published(seven, 4).await?;
    talk.relay();
    talk.until_heard(seven, &["one", "two", "three", "four"])
        .await?;
    talk.end().await
}

/// A worker that looks when it is told finds what there is, without looking again and again.
#[tokio::test]
async fn what_was_applied_is_told_of_when_it_is_committed() -> anyhow::Result<()> {
    let talk = Talk::new().await?;
    let seven = part(7);
    let (_, mut commits) = talk.listen_with(talk.wires.clone());
    talk.relay();
    for bodies in [&["one"][..], &["one", "two"], &["one", "two", "three"]] {
        let body = bodies.last().copied().unwrap_or_default();
        talk.fail(body, 2, Verdict::Retry);
        talk.say(seven, &[body]).await?;
        timeout(Duration::from_secs(20), commits.recv()).await?;
        ensure!(talk.heard(seven).await? == bodies, "told of before {body}");
    }
    ensure!(commits.is_empty(), "what failed was told of");
    talk.end().await
}

#[tokio::test]
async fn a_lost_tail_shows_and_is_driven_again() -> anyhow::Result<()> {
    let talk = Talk::new().await?;
    for number in 0..16 {
        talk.say(part(number), &["one", "two", "three"]).await?;
        talk.set_published(part(number), 3).await?;
    }
    talk.listen();
    talk.relay();
    for number in 0..16 {
        talk.until_heard(part(number), &["one", "two", "three"])
            .await?;
    }
    talk.end().await
}

#[tokio::test]
async fn an_event_that_cannot_be_applied_is_kept_and_the_next_ones_apply() -> anyhow::Result<()> {
    let talk = Talk::new().await?;
    talk.fail("bad", u32::MAX, Verdict::Park);
    let bodies = ["one", "bad", "two", "three", "bad", "four"];
    talk.say(part(7), &bodies).await?;
    talk.say(part(8), &["five"]).await?;
    talk.listen();
    talk.relay();
    talk.until_heard(part(7), &["one", "two", "three", "four"])
        .await?;
    talk.until_heard(part(8), &["five"]).await?;
    let parked: Vec<(String, i16, i64, Vec<u8>, String)> = sqlx::query_as(
        "SELECT consumer, part, seq, body, error FROM messaging.parked ORDER BY seq",
    )
    .fetch_all(&talk.wires.pool)
    .await?;
    let bad = |seq| {
        let (consumer, error) = ("listener".to_owned(), "told to fail".to_owned());
        (consumer, 7, seq, b"bad".to_vec(), error)
    };
    ensure!(parked == [bad(2), bad(5)], "{parked:?}");
    talk.end().await
}

#[tokio::test]
async fn what_fails_for_a_while_is_tried_until_it_works() -> anyhow::Result<()> {
    let talk = Talk::new().await?;
    talk.fail("two", 11, Verdict::Retry);
    talk.say(part(7), &["one", "two", "three"]).await?;
    talk.listen();
    talk.relay();
    talk.until_heard(part(7), &["one", "two", "three"]).await?;
    ensure!(messaging::parked(&talk.wires.pool).await? == 0);
    talk.end().await
}

#[tokio::test]
async fn a_stopped_partition_stops_alone_and_floods_nobody() -> anyhow::Result<()> {
    let talk = Talk::new().await?;
    talk.fail("stop", u32::MAX, Verdict::Halt);
    let bodies = ["one", "stop", "two", "three", "four", "five", "six"];
    talk.say(part(7), &bodies).await?;
    talk.listen();
    talk.relay();
    talk.until_heard(part(7), &["one"]).await?;
    talk.say(part(8), &["seven"]).await?;
    talk.until_heard(part(8), &["seven"]).await?;
    sleep(Duration::from_secs(6)).await;
    ensure!(talk.heard(part(7)).await? == ["one"], "nothing overtakes");
    let stored = talk.stored().await?;
    ensure!(stored <= 2 * 8, "{stored} messages for 8 events");

    talk.fail("stop", 0, Verdict::Halt);
    talk.until_heard(part(7), &bodies).await?;
    talk.end().await
}

#[tokio::test]
async fn a_second_relay_and_listener_take_over() -> anyhow::Result<()> {
    let talk = Talk::new().await?;
    let (relay, listener) = (talk.relay(), talk.listen());
    talk.say(part(7), &["one"]).await?;
    talk.until_heard(part(7), &["one"]).await?;
    let second = talk.another();
    relay_with(second.clone());
    talk.listen_with(second);
    talk.say(part(7), &["two"]).await?;
    talk.until_heard(part(7), &["one", "two"]).await?;
    relay.abort();
    listener.abort();
    talk.say(part(7), &["three"]).await?;
    talk.until_heard(part(7), &["one", "two", "three"]).await?;
    talk.end().await
}

/// It renews nothing, others own what was its, and it works on as if nothing had happened.
#[tokio::test]
async fn who_was_taken_for_dead_moves_nothing_any_more() -> anyhow::Result<()> {
    let talk = Talk::new().await?;
    talk.listen();
    talk.relay();
    talk.say(part(7), &["one"]).await?;
    talk.until_heard(part(7), &["one"]).await?;
    talk.keeper.abort();
    let begun_by_another = "UPDATE messaging.leases
            SET owner = gen_random_uuid(), epoch = epoch + 1, taken_at = now();
        UPDATE messaging.cursors SET epoch = epoch + 1;
        UPDATE messaging.published SET epoch = epoch + 1";
    sqlx::raw_sql(begun_by_another)
        .execute(&talk.wires.pool)
        .await?;

    // It still publishes and hears, but neither has an effect.
    talk.say(part(7), &["two"]).await?;
    let begun = Instant::now();
    while talk.stored().await? < 2 {
        ensure!(
            begun.elapsed() < Duration::from_secs(20),
            "nothing is published"
        );
        sleep(Duration::from_millis(20)).await;
    }
    sleep(Duration::from_secs(2)).await;
    ensure!(talk.heard(part(7)).await? == ["one"], "it has heard");
    let published: i64 = sqlx::query_scalar("SELECT sum(seq)::bigint FROM messaging.published")
        .fetch_one(&talk.wires.pool)
        .await?;
    ensure!(published == 1, "it has moved the mark to {published}");

    let second = talk.another();
    relay_with(second.clone());
    talk.listen_with(second);
    talk.until_heard(part(7), &["one", "two"]).await?;
    talk.end().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn aborted_at_any_moment_nothing_is_lost_doubled_or_left_open() -> anyhow::Result<()> {
    let talk = Talk::new().await?;
    talk.relay();
    let mut chance = Chance::seeded(4_385);
    let mut said = Vec::new();
    for number in 0..60 {
        let bodies: Vec<String> = (0..8).map(|it| format!("{number}-{it}")).collect();
        let bodies: Vec<&str> = bodies.iter().map(String::as_str).collect();
        talk.say(part(7), &bodies).await?;
        said.extend(bodies.iter().map(|it| (*it).to_owned()));
        let listener = talk.listen();
        sleep(Duration::from_millis(chance.below(120))).await;
        listener.abort();
    }
    ensure!(
        open_transactions(&talk.wires.pool).await? == 0,
        "an aborted listener left a transaction open"
    );
    talk.listen();
    let said: Vec<&str> = said.iter().map(String::as_str).collect();
    talk.until_heard(part(7), &said).await?;
    talk.end().await
}

/// Transactions that nobody is going to end.
async fn open_transactions(pool: &PgPool) -> anyhow::Result<i64> {
    // Whoever is at work now is done by then.
    sleep(Duration::from_secs(1)).await;
    let open = sqlx::query_scalar(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
            AND state LIKE 'idle in transaction%' AND state_change < now() - interval '500 ms'",
    );
    Ok(open.fetch_one(pool).await?)
}

use std::time::Duration;

use async_nats::jetstream::Context;
use async_nats::jetstream::consumer::{
    AckPolicy, DeliverPolicy, IntoConsumerConfig, PullConsumer, pull,
};
use async_nats::jetstream::stream::{
    Compression, Config, DiscardPolicy, PersistenceMode, RetentionPolicy, StorageType,
};
use chrono::{DateTime, TimeDelta, Utc};
use domain::Part;
use serde_json::json;
use uuid::Uuid;

use crate::Error;
use crate::organisation::{Organisation, Route};
use crate::share::Share;

/// After which a message that nobody acknowledged is delivered again.
const ACK_WAIT: Duration = Duration::from_secs(30);

/// After which a consumer is forgotten that nobody pulls from, where its place is known elsewhere.
const FORGOTTEN: Duration = Duration::from_mins(1);
/// By how much the server's clock may differ from ours.
const CLOCKS: TimeDelta = TimeDelta::minutes(1);

/// One of several servers that was killed does not get a compressed stream back: as it starts it shortens
/// its last block, which fails where that is compressed, and goes on without a copy (2.15.1). A stream that
/// is compressed is changed, and its blocks to come are not.
const NOT_COMPRESSED: Compression = Compression::None;

/// The stream that carries a speaker: one a service, two a bank (out and in).
pub fn stream_name(speaker: &str) -> String {
    let mut tokens = speaker.split('.');
    match (tokens.next(), tokens.next(), tokens.next()) {
        (Some("bank"), Some(code), Some(direction)) => {
            format!("BANK_{code}_{}", direction.to_uppercase())
        }
        _ => speaker.to_uppercase(),
    }
}

fn stream_subjects(speaker: &str) -> String {
    let mut tokens = speaker.split('.');
    match (tokens.next(), tokens.next(), tokens.next()) {
        (Some("bank"), Some(code), Some(direction)) => format!("bank.{code}.{direction}.>"),
        // Four tokens: `eligibility.redrive` and `payments.do.open-run` are not facts.
        _ => format!("{speaker}.*.*.*"),
    }
}

/// What a consumer of a share asks its speaker's stream for.
fn filter_subjects(speaker: &str, share: Share) -> Vec<String> {
    match share {
        // `bank.970436.in.results` is told as `bank.970436.in.results.v1`; `out` has many facts.
        Share::Whole if speaker.rsplit('.').next() == Some("out") => vec![format!("{speaker}.>")],
        Share::Whole => vec![format!("{speaker}.*")],
        Share::Of(_) => {
            let subject = |it: Part| format!("{speaker}.{it}.*.*");
            share.parts().map(subject).collect()
        }
    }
}

/// The consumer of a service on a speaker's stream: one for each share, so that what is of another share
/// never comes to an instance that does not hear it.
fn durable_name(consumer: &str, speaker: &str, share: Share) -> String {
    let whole = format!("{consumer}--{}", speaker.replace('.', "-"));
    match share {
        Share::Whole => whole,
        Share::Of(number) => format!("{whole}-{number}"),
    }
}

/// The durable consumer that a bank pulls from. The state makes it, because a bank may not.
pub fn bank_durable(speaker: &str) -> String {
    durable_name("bank", speaker, Share::Whole)
}

fn durable_config(name: &str, speaker: &str, share: Share) -> pull::Config {
    pull::Config {
        durable_name: Some(name.to_owned()),
        ack_policy: AckPolicy::Explicit,
        ack_wait: ACK_WAIT,
        // Never abandoned by the server: what cannot be applied is parked by us.
        max_deliver: -1,
        max_ack_pending: 512,
        filter_subjects: filter_subjects(speaker, share),
        ..pull::Config::default()
    }
}

/// A service's own consumer: a durable one, made where it is missing; or where it is known since when
/// nothing is applied, a new one that hears from there on.
///
/// A durable consumer writes its place to disk ten times a second, which costs the server more than what is
/// said. Where the outbox is ours the cursors know the place, and the server needs to remember nothing: if
/// it forgets the consumer, the next one begins behind the cursors again.
pub(crate) async fn open_consumer(
    jetstream: &Context,
    consumer: &str,
    (speaker, share): (&str, Share),
    since: Option<DateTime<Utc>>,
    replicas: usize,
) -> Result<PullConsumer, Error> {
    ensure_stream(jetstream, speaker, replicas).await?;
    let name = durable_name(consumer, speaker, share);
    let Some(since) = since else {
        return ensure_durable(jetstream, &name, (speaker, share)).await;
    };
    let nats = |it: &dyn std::fmt::Display| Error::Nats(it.to_string());
    let begin = (since - CLOCKS).to_rfc3339();
    let start_time = async_nats::datetime::parse_rfc3339(&begin).map_err(|it| nats(&it))?;
    let config = pull::Config {
        durable_name: None,
        name: Some(format!("{name}-{}", Uuid::now_v7().simple())),
        deliver_policy: DeliverPolicy::ByStartTime { start_time },
        inactive_threshold: FORGOTTEN,
        memory_storage: true,
        num_replicas: 1,
        ..durable_config(&name, speaker, share)
    };
    let stream = jetstream.get_stream(stream_name(speaker)).await;
    let created = stream
        .map_err(|it| nats(&it))?
        .create_consumer(config)
        .await;
    created.map_err(|it| nats(&it))
}

/// Creates what a speaker speaks to: its stream, and the consumer of the bank that it tells.
pub(crate) async fn ensure_audience(
    jetstream: &Context,
    speaker: &str,
    replicas: usize,
) -> Result<(), Error> {
    ensure_stream(jetstream, speaker, replicas).await?;
    if Route::of(speaker).is_some_and(|it| it.sender == Organisation::State) {
        let whole = (speaker, Share::Whole);
        ensure_durable(jetstream, &bank_durable(speaker), whole).await?;
    }
    Ok(())
}

async fn ensure_durable(
    jetstream: &Context,
    name: &str,
    (speaker, share): (&str, Share),
) -> Result<PullConsumer, Error> {
    let nats = |it: &dyn std::fmt::Display| Error::Nats(it.to_string());
    let stream = jetstream.get_stream(stream_name(speaker)).await;
    let stream = stream.map_err(|it| nats(&it))?;
    stream
        .get_or_create_consumer(name, durable_config(name, speaker, share))
        .await
        .map_err(|it| nats(&it))
}

/// The consumer that the state made for a bank, as the bank knows it, who may ask nothing about it.
pub(crate) fn given_consumer(jetstream: &Context, speaker: &str) -> PullConsumer {
    let name = bank_durable(speaker);
    let config = durable_config(&name, speaker, Share::Whole);
    let nothing = json!({ "consumer_seq": 0, "stream_seq": 0 });
    let info = json!({
        "stream_name": stream_name(speaker),
        "name": name,
        "created": "1970-01-01T00:00:00Z",
        "config": config.clone().into_consumer_config(),
        "delivered": nothing,
        "ack_floor": nothing,
        "num_ack_pending": 0,
        "num_redelivered": 0,
        "num_waiting": 0,
        "num_pending": 0,
    });
    let info = serde_json::from_value(info).expect("it is what a server says");
    PullConsumer::new(config, info, jetstream.clone())
}

/// Creates the speaker's stream where it is missing (a wiped store heals so), brings one up that lies
/// on fewer servers than it should or was made otherwise before, and refuses one that would forget or
/// thin out what it acknowledged. Its consumers lie on the same servers.
async fn ensure_stream(jetstream: &Context, speaker: &str, replicas: usize) -> Result<(), Error> {
    let name = stream_name(speaker);
    let nats = |it: &dyn std::fmt::Display| Error::Nats(format!("stream {name}: {it}"));
    let config = stream_config(&name, speaker, replicas);
    let found = jetstream.get_or_create_stream(config).await;
    let found = found.map_err(|it| nats(&it))?.cached_info().config.clone();
    refuse_unsafe(&name, &found)?;
    // Never fewer: whoever was told of fewer must not undo what the others were promised.
    let is_compressed = found.compression == Some(Compression::S2);
    if found.num_replicas < replicas || !found.allow_atomic_publish || is_compressed {
        let wanted = Config {
            num_replicas: found.num_replicas.max(replicas),
            allow_atomic_publish: true,
            compression: Some(NOT_COMPRESSED),
            ..found
        };
        tracing::info!(
            stream = name,
            replicas = wanted.num_replicas,
            "Changing {name}: servers, atomic batches, no compression"
        );
        jetstream
            .update_stream(wanted)
            .await
            .map_err(|it| nats(&it))?;
    }
    Ok(())
}

fn stream_config(name: &str, speaker: &str, replicas: usize) -> Config {
    Config {
        name: name.to_owned(),
        subjects: vec![stream_subjects(speaker)],
        retention: RetentionPolicy::Limits,
        storage: StorageType::File,
        discard: DiscardPolicy::New,
        max_age: Duration::from_hours(35 * 24),
        duplicate_window: Duration::from_mins(2),
        max_message_size: 8 << 20,
        compression: Some(NOT_COMPRESSED),
        deny_delete: true,
        deny_purge: true,
        allow_atomic_publish: true,
        num_replicas: replicas,
        ..Config::default()
    }
}

fn refuse_unsafe(name: &str, found: &Config) -> Result<(), Error> {
    let differs = |detail: &str| {
        Err(Error::StreamDiffers {
            name: name.to_owned(),
            detail: detail.to_owned(),
        })
    };
    if found.storage != StorageType::File {
        return differs("it does not store in files");
    }
    if found.persist_mode == Some(PersistenceMode::Async) {
        return differs("persist_mode async turns synchronous writes off");
    }
    if found.discard != DiscardPolicy::New {
        return differs("it discards old messages when full");
    }
    Ok(())
}

use std::time::Duration;

use async_nats::jetstream::Context;
use async_nats::jetstream::stream::{
    Compression, Config, DiscardPolicy, PersistenceMode, RetentionPolicy, StorageType,
};

use crate::Error;

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

/// What a consumer of a speaker asks its stream for.
pub(crate) fn filter_subject(speaker: &str) -> String {
    if speaker.starts_with("bank.") {
        // `bank.970436.in.results` is told as `bank.970436.in.results.v1`; `out` has many facts.
        if speaker.rsplit('.').next() == Some("out") {
            format!("{speaker}.>")
        } else {
            format!("{speaker}.*")
        }
    } else {
        format!("{speaker}.*.*.*")
    }
}

/// Creates the speaker's stream where it is missing (a wiped store heals so) and refuses one that
/// would forget or thin out what it acknowledged.
pub(crate) async fn ensure_stream(jetstream: &Context, speaker: &str) -> Result<(), Error> {
    let name = stream_name(speaker);
    let config = Config {
        name: name.clone(),
        subjects: vec![stream_subjects(speaker)],
        retention: RetentionPolicy::Limits,
        storage: StorageType::File,
        discard: DiscardPolicy::New,
        max_age: Duration::from_hours(35 * 24),
        duplicate_window: Duration::from_mins(2),
        max_message_size: 8 << 20,
        compression: Some(Compression::S2),
        deny_delete: true,
        deny_purge: true,
        ..Config::default()
    };
    let stream = jetstream
        .get_or_create_stream(config)
        .await
        .map_err(|error| Error::Nats(format!("stream {name}: {error}")))?;
    let found = &stream.cached_info().config;
    let differs = |detail: &str| {
        Err(Error::StreamDiffers {
            name: name.clone(),
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

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use domain::Part;
use events::Event;
use sha2::{Digest, Sha256};
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use crate::store::{self, OutboxRow};
use crate::{Error, current_trace};

/// Gives speakers their sequences, one a partition; harmless when they have them.
pub async fn register(pool: &PgPool, speakers: &[String]) -> Result<(), Error> {
    store::insert_heads(pool, speakers).await
}

/// Says events inside the caller's transaction; call it last, it takes the sequences' locks.
///
/// Events of one `(speaker, part)` keep their order. The number is gapless and in commit order,
/// because the head's row stays locked until the transaction ends.
pub async fn append(
    tx: &mut PgConnection,
    events: Vec<Event>,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    if events.is_empty() {
        return Ok(());
    }
    let mut sequences: BTreeMap<(String, Part), Vec<Event>> = BTreeMap::new();
    for event in events {
        sequences
            .entry((event.speaker.clone(), event.part))
            .or_default()
            .push(event);
    }
    let keys: Vec<(String, Part)> = sequences.keys().cloned().collect();
    let mut heads = store::lock_heads(tx, &keys).await?;
    let trace = current_trace();
    let mut rows = Vec::new();
    for (key, events) in sequences {
        let Some(head) = heads.get_mut(&key) else {
            return Err(Error::NotRegistered { speaker: key.0 });
        };
        for event in events {
            let seq = head.0 + 1;
            let hash = chain(head.1, seq, event.id, &event.subject, &event.body);
            rows.push(OutboxRow {
                seq,
                event,
                prev_hash: head.1,
                hash,
                trace: trace.clone(),
            });
            *head = (seq, hash);
        }
    }
    store::insert_outbox(tx, &rows, now).await?;
    store::move_heads(tx, &heads).await?;
    store::wake_relays(tx).await
}

/// Chains an event to the one before it; every consumer can recompute it from what it received.
pub(crate) fn chain(
    prev_hash: [u8; 32],
    seq: i64,
    id: Uuid,
    subject: &str,
    body: &[u8],
) -> [u8; 32] {
    let length = u64::try_from(subject.len()).expect("a subject is short");
    Sha256::new()
        .chain_update(prev_hash)
        .chain_update(seq.to_be_bytes())
        .chain_update(id.as_bytes())
        .chain_update(length.to_be_bytes())
        .chain_update(subject)
        .chain_update(body)
        .finalize()
        .into()
}

use std::collections::BTreeMap;

use chrono::{DateTime, SubsecRound, Utc};
use domain::Part;
use events::Event;
use privacy::Signer;
use sha2::{Digest, Sha256};
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use crate::organisation::{Organisation, Route};
use crate::signature::{MessageStatement, Signature, Signers, body_sha256};
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
    append_signed(tx, &Signers::default(), events, now).await
}

/// As [`append`], where some events may be for another organisation, or from one: each of those is
/// signed by its sender, or nothing is said.
pub async fn append_signed(
    tx: &mut PgConnection,
    signers: &Signers,
    events: Vec<Event>,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    if events.is_empty() {
        return Ok(());
    }
    // As the database keeps it, because the signature covers it.
    let now = now.trunc_subsecs(6);
    let mut sequences: BTreeMap<(String, Part), Vec<Event>> = BTreeMap::new();
    for event in events {
        sequences
            .entry((event.speaker.clone(), event.part))
            .or_default()
            .push(event);
    }
    let keys: Vec<(String, Part)> = sequences.keys().cloned().collect();
    let routes: Vec<Option<Route>> = keys.iter().map(|(it, _)| Route::of(it)).collect();
    let senders: Vec<Organisation> = routes.iter().flatten().map(|it| it.sender).collect();
    let organisations: Vec<Option<String>> = routes
        .iter()
        .map(|it| it.map(|it| it.sender.to_string()))
        .collect();
    let candidates = signers.public_keys(&senders);
    let mut heads = store::lock_heads(tx, &keys, (&organisations, &candidates), now).await?;
    let trace = current_trace();
    let mut rows = Vec::new();
    for ((key, events), route) in sequences.into_iter().zip(routes) {
        let Some(head) = heads.get_mut(&key) else {
            return Err(Error::NotRegistered { speaker: key.0 });
        };
        let signer = match route {
            Some(route) => Some((route, signers.chosen(route.sender, head.key.as_ref())?)),
            None => None,
        };
        for event in events {
            let seq = head.seq + 1;
            let hash = chain(head.hash, seq, event.id, &event.subject, &event.body);
            rows.push(OutboxRow {
                seq,
                signature: signer.map(|it| sign(it, (&event, seq), head.hash, now)),
                event,
                prev_hash: head.hash,
                hash,
                trace: trace.clone(),
            });
            (head.seq, head.hash) = (seq, hash);
        }
    }
    store::insert_outbox(tx, &rows, &heads, now).await
}

/// By the sender, over all that the event is and where it stands.
fn sign(
    (route, (key_no, signer)): (Route, (i64, &Signer)),
    (event, seq): (&Event, i64),
    prev_hash: [u8; 32],
    created_at: DateTime<Utc>,
) -> Signature {
    let statement = MessageStatement {
        route,
        speaker: &event.speaker,
        subject: &event.subject,
        event_id: event.id,
        part: event.part,
        seq,
        prev_hash: &prev_hash,
        created_at,
        body_sha256: body_sha256(&event.body),
    };
    Signature {
        key_no,
        bytes: signer.sign(statement.to_string().as_bytes()),
    }
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

use async_nats::{HeaderMap, HeaderValue};
use bytes::Bytes;
use chrono::{DateTime, Utc};
use domain::Part;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::organisation::Route;
use crate::outbox::chain;
use crate::relay::{CREATED, HASH, KEY, PART, PREV, SEQ, SIGNATURE, SPEAKER, TRACEPARENT};
use crate::signature::{
    MessageStatement, OrganisationKey, Signature, Unverified, body_sha256, read_created, verify,
};
use crate::store::Place;

const MESSAGE_ID: &str = "Nats-Msg-Id";
/// Characters of a refused message's headers that are kept.
const HEADERS_MAX: usize = 4_096;

/// An event as it was delivered, its place in the speaker's sequence proven.
#[derive(Debug, Clone)]
pub struct Delivered {
    pub speaker: String,
    pub part: Part,
    pub seq: i64,
    pub event_id: Uuid,
    pub subject: String,
    pub body: Bytes,
    pub(crate) trace: Option<String>,
    pub(crate) hash: [u8; 32],
    /// Where another organisation is the sender or the receiver.
    pub(crate) signed: Option<Signed>,
}

/// What the signature of a message covers beside its place, and the signature.
#[derive(Debug, Clone)]
pub(crate) struct Signed {
    pub route: Route,
    pub prev_hash: [u8; 32],
    pub created_at: DateTime<Utc>,
    pub body_sha256: [u8; 32],
    pub signature: Signature,
    /// As [`headers_text`] gives them.
    pub headers: String,
}

impl Delivered {
    /// Reads the headers; the body stays what it is, bytes.
    pub(crate) fn read(
        speaker: &str,
        message: &async_nats::Message,
    ) -> Result<Delivered, Unverified> {
        let headers = message.headers.as_ref().ok_or(Unverified::HeaderInvalid)?;
        let plain = || {
            let part: i16 = text(headers, PART)?.parse().ok()?;
            Some(Delivered {
                speaker: (text(headers, SPEAKER)? == speaker).then(|| speaker.to_owned())?,
                part: Part::try_from(part).ok()?,
                seq: text(headers, SEQ)?.parse().ok()?,
                // A re-driven message carries its drive behind the id.
                event_id: text(headers, MESSAGE_ID)?.get(..36)?.parse().ok()?,
                subject: message.subject.to_string(),
                body: message.payload.clone(),
                trace: text(headers, TRACEPARENT).map(str::to_owned),
                hash: hash_in(headers, HASH)?,
                signed: None,
            })
        };
        let mut delivered = plain().ok_or(Unverified::HeaderInvalid)?;
        if let Some(route) = Route::of(speaker) {
            delivered.signed = Some(Signed::read(route, headers, &message.payload)?);
        }
        Ok(delivered)
    }

    /// The number of the key that it says it is signed with.
    pub(crate) fn key_no(&self) -> Option<i64> {
        self.signed.as_ref().map(|it| it.signature.key_no)
    }

    /// Whether it is its sender's; what services say to each other is not signed.
    pub(crate) fn verify(
        &self,
        keys: &[OrganisationKey],
        now: DateTime<Utc>,
    ) -> Result<(), Unverified> {
        let Some(signed) = &self.signed else {
            return Ok(());
        };
        let statement = MessageStatement {
            route: signed.route,
            speaker: &self.speaker,
            subject: &self.subject,
            event_id: self.event_id,
            part: self.part,
            seq: self.seq,
            prev_hash: &signed.prev_hash,
            created_at: signed.created_at,
            body_sha256: signed.body_sha256,
        };
        verify(&statement, &signed.signature, keys, now)
    }
}

impl Signed {
    fn read(route: Route, headers: &HeaderMap, body: &[u8]) -> Result<Signed, Unverified> {
        let signature = text(headers, SIGNATURE).ok_or(Unverified::SignatureMissing)?;
        let read = || {
            Some(Signed {
                route,
                prev_hash: hash_in(headers, PREV)?,
                created_at: read_created(text(headers, CREATED)?)?,
                body_sha256: body_sha256(body),
                signature: Signature {
                    key_no: text(headers, KEY)?.parse().ok()?,
                    bytes: hex::decode(signature).ok().filter(|it| it.len() == 64)?,
                },
                headers: headers_text(headers),
            })
        };
        read().ok_or(Unverified::HeaderInvalid)
    }
}

/// A message of another sequence on the same stream: what a bank is told and what it is asked lie
/// together, and each has its own listener.
pub(crate) fn is_of_another_sequence(speaker: &str, message: &async_nats::Message) -> bool {
    let said_by = message.headers.as_ref().and_then(|it| text(it, SPEAKER));
    let rest = said_by.and_then(|it| it.strip_prefix(speaker));
    rest.is_some_and(|it| it.starts_with('.'))
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).map(HeaderValue::as_str)
}

fn hash_in(headers: &HeaderMap, name: &str) -> Option<[u8; 32]> {
    let mut hash = [0; 32];
    hex::decode_to_slice(text(headers, name)?, &mut hash).ok()?;
    Some(hash)
}

/// Our own headers, one a line in the order of their names; not what differs each time that the
/// same message is delivered.
pub(crate) fn headers_text(headers: &HeaderMap) -> String {
    let mut lines: Vec<String> = Vec::new();
    for (name, values) in headers.iter() {
        let name = name.to_string();
        for value in values {
            let value = match &name[..] {
                MESSAGE_ID => value.as_str().chars().take(36).collect(),
                it if it.starts_with("Ansinh-") => value.as_str().to_owned(),
                _ => continue,
            };
            lines.push(format!("{name}: {value}\n"));
        }
    }
    lines.sort();
    lines
        .concat()
        .chars()
        .take(HEADERS_MAX)
        .filter(|it| *it != '\0')
        .collect()
}

/// Tells one refused message from another.
pub(crate) fn fingerprint(subject: &str, headers: &str, body: &[u8]) -> [u8; 32] {
    let length = |it: &str| u64::try_from(it.len()).expect("it is short").to_be_bytes();
    Sha256::new()
        .chain_update(length(subject))
        .chain_update(subject)
        .chain_update(length(headers))
        .chain_update(headers)
        .chain_update(body)
        .finalize()
        .into()
}

/// What follows a place of a sequence.
#[derive(Debug)]
pub(crate) struct Continued<'a> {
    /// Verified, without a gap, and hashing to the chain.
    pub fresh: Vec<Delivered>,
    /// Where they lead.
    pub place: Place,
    /// Signed messages that are not their sender's.
    pub refused: Vec<(&'a Delivered, Unverified)>,
    /// Something is missing behind the place: it is to be asked for.
    pub gap: bool,
}

/// The events that follow `place`. What did not verify counts as not there: the true one is still
/// missing.
pub(crate) fn continue_from(
    mut place: Place,
    batch: &[Delivered],
    verify: impl Fn(&Delivered) -> Result<(), Unverified>,
) -> Continued<'_> {
    let mut fresh = Vec::with_capacity(batch.len());
    let (mut refused, mut gap) = (Vec::new(), false);
    for event in batch {
        if event.seq <= place.seq {
            continue;
        }
        if let Err(why) = verify(event) {
            refused.push((event, why));
            continue;
        }
        if event.seq != place.seq + 1 {
            gap = true;
            continue;
        }
        let hash = chain(
            place.hash,
            event.seq,
            event.event_id,
            &event.subject,
            &event.body,
        );
        let continues = event
            .signed
            .as_ref()
            .is_none_or(|it| it.prev_hash == place.hash);
        if hash != event.hash || !continues {
            if event.signed.is_some() {
                refused.push((event, Unverified::ChainBroken));
            }
            gap = true;
            continue;
        }
        place = Place {
            seq: event.seq,
            hash,
        };
        fresh.push(event.clone());
    }
    gap |= !refused.is_empty();
    Continued {
        fresh,
        place,
        refused,
        gap,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sequence(count: i64) -> Vec<Delivered> {
        let mut hash = [0; 32];
        let mut events = Vec::new();
        for seq in 1..=count {
            let (event_id, subject) = (Uuid::from_u128(7), "a.00.b.v1".to_owned());
            let body = Bytes::from(format!("{{\"n\":{seq}}}"));
            hash = chain(hash, seq, event_id, &subject, &body);
            let speaker = "a".to_owned();
            events.push(Delivered {
                speaker,
                part: Part::ZERO,
                seq,
                event_id,
                subject,
                body,
                trace: None,
                hash,
                signed: None,
            });
        }
        events
    }

    fn start() -> Place {
        Place {
            seq: 0,
            hash: [0; 32],
        }
    }

    /// Fresh events, where they lead, and whether something is missing.
    fn followed(place: Place, batch: &[Delivered]) -> (usize, Place, bool) {
        let it = continue_from(place, batch, |_| Ok(()));
        assert_eq!(it.refused.len(), 0);
        (it.fresh.len(), it.place, it.gap)
    }

    #[test]
    fn what_was_applied_is_left_out_and_the_rest_follows() {
        let events = sequence(5);
        let (fresh, place, gap) = followed(start(), &events[..2]);
        assert_eq!((fresh, place.seq, gap), (2, 2, false));
        let (fresh, place, gap) = followed(place, &events);
        assert_eq!((fresh, place.seq, gap), (3, 5, false));
    }

    #[test]
    fn nothing_is_applied_behind_a_gap() {
        let events = sequence(5);
        let torn = [events[0].clone(), events[2].clone(), events[3].clone()];
        let (fresh, place, gap) = followed(start(), &torn);
        assert_eq!((fresh, place.seq, gap), (1, 1, true));
    }

    #[test]
    fn changed_bytes_are_a_gap_too() {
        let mut events = sequence(3);
        events[1].body = Bytes::from_static(b"{\"n\":9}");
        let (fresh, place, gap) = followed(start(), &events);
        assert_eq!((fresh, place.seq, gap), (1, 1, true));
    }

    #[test]
    fn what_does_not_verify_hides_nothing_of_what_does() {
        let events = sequence(3);
        let mut forged = events[1].clone();
        forged.body = Bytes::from_static(b"{\"n\":9}");
        let batch = [
            events[0].clone(),
            forged.clone(),
            events[1].clone(),
            events[2].clone(),
        ];
        let judge = |it: &Delivered| {
            let is_forged = it.body == forged.body;
            if is_forged {
                Err(Unverified::SignatureWrong)
            } else {
                Ok(())
            }
        };
        let it = continue_from(start(), &batch, judge);
        assert_eq!((it.fresh.len(), it.place.seq), (3, 3));
        let why: Vec<Unverified> = it.refused.iter().map(|(_, it)| *it).collect();
        assert_eq!((why, it.gap), (vec![Unverified::SignatureWrong], true));
        let it = continue_from(start(), &batch[..2], judge);
        assert_eq!((it.fresh.len(), it.place.seq, it.gap), (1, 1, true));
        let again = continue_from(Place { seq: 3, ..start() }, &batch, judge);
        assert_eq!((again.refused.len(), again.gap), (0, false), "long past");
    }

    #[test]
    fn what_a_bank_is_asked_is_no_forgery_of_what_it_is_told() {
        let message = |speaker: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(SPEAKER, speaker);
            async_nats::Message {
                subject: "bank.970436.out.verification-requests.v1".into(),
                reply: None,
                payload: Bytes::new(),
                headers: Some(headers),
                status: None,
                description: None,
                length: 0,
            }
        };
        let told = "bank.970436.out";
        let is_other = |it: &str| is_of_another_sequence(told, &message(it));
        assert!(is_other("bank.970436.out.verification-requests"));
        for same in [told, "bank.970405.out", "bank.970436.outside"] {
            assert!(!is_other(same), "{same}");
        }
    }

    #[test]
    fn the_headers_of_one_message_are_the_same_each_time_it_comes() {
        let mut headers = HeaderMap::new();
        headers.insert("Ansinh-Seq", "7");
        headers.insert("Ansinh-Part", "3");
        headers.insert("traceparent", "00-1-2-3");
        let id = Uuid::from_u128(7);
        headers.insert(MESSAGE_ID, format!("{id}.2.{}", Uuid::from_u128(9)));
        let text = headers_text(&headers);
        assert_eq!(
            text,
            format!("Ansinh-Part: 3\nAnsinh-Seq: 7\nNats-Msg-Id: {id}\n")
        );
    }
}

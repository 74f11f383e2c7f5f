use bytes::Bytes;
use domain::Part;
use uuid::Uuid;

use crate::outbox::chain;
use crate::store::Place;

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
}

/// The events that follow `place` without a gap and hash to the chain, where they lead, and
/// whether something is missing behind them.
pub(crate) fn continue_from(
    mut place: Place,
    batch: &[Delivered],
) -> (Vec<Delivered>, Place, bool) {
    let mut fresh = Vec::with_capacity(batch.len());
    for event in batch {
        if event.seq <= place.seq {
            continue;
        }
        let hash = chain(
            place.hash,
            event.seq,
            event.event_id,
            &event.subject,
            &event.body,
        );
        if event.seq != place.seq + 1 || hash != event.hash {
            return (fresh, place, true);
        }
        place = Place {
            seq: event.seq,
            hash,
        };
        fresh.push(event.clone());
    }
    (fresh, place, false)
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

    #[test]
    fn what_was_applied_is_left_out_and_the_rest_follows() {
        let events = sequence(5);
        let (fresh, place, gap) = continue_from(start(), &events[..2]);
        assert_eq!((fresh.len(), place.seq, gap), (2, 2, false));
        let (fresh, place, gap) = continue_from(place, &events);
        assert_eq!(
            (fresh.len(), fresh[0].seq, place.seq, gap),
            (3, 3, 5, false)
        );
    }

    #[test]
    fn nothing_is_applied_behind_a_gap() {
        let events = sequence(5);
        let torn = [events[0].clone(), events[2].clone(), events[3].clone()];
        let (fresh, place, gap) = continue_from(start(), &torn);
        assert_eq!((fresh.len(), place.seq, gap), (1, 1, true));
    }

    #[test]
    fn changed_bytes_are_a_gap_too() {
        let mut events = sequence(3);
        events[1].body = Bytes::from_static(b"{\"n\":9}");
        let (fresh, place, gap) = continue_from(start(), &events);
        assert_eq!((fresh.len(), place.seq, gap), (1, 1, true));
    }
}

use std::collections::BTreeMap;
use std::time::Duration;

use domain::Part;
use tokio::time::Instant;

/// Between two asks for the same place; doubled at each, because whoever did not answer is away
/// or still at it, and each answer is the whole rest of the sequence once more.
const PAUSE: Duration = Duration::from_secs(1);
const PAUSE_MAX: Duration = Duration::from_secs(30);
/// An event that was given back to JetStream comes again well before this is over.
const GIVEN_BACK: Duration = Duration::from_mins(1);

/// What a consumer knows of its sequences' lost tails, and when it has asked for them. Made anew
/// with each listening, because whatever ends that may have lost what was on its way.
#[derive(Debug, Default)]
pub(crate) struct Redrives {
    standing: BTreeMap<Part, Standing>,
    asked: BTreeMap<Part, Asked>,
}

/// A sequence behind its speaker's mark.
#[derive(Debug)]
struct Standing {
    cursor: i64,
    since: Instant,
}

#[derive(Debug)]
struct Asked {
    after: i64,
    pause: Duration,
    again_at: Instant,
}

impl Redrives {
    /// True where the place is to be asked for, which then counts as asked.
    pub(crate) fn may_ask(&mut self, part: Part, after: i64, now: Instant) -> bool {
        let pause = match self.asked.get(&part) {
            Some(it) if it.after == after && now < it.again_at => return false,
            Some(it) if it.after == after => (it.pause * 2).min(PAUSE_MAX),
            _ => PAUSE,
        };
        let asked = Asked {
            after,
            pause,
            again_at: now + pause,
        };
        self.asked.insert(part, asked);
        true
    }

    /// The event behind `after` came and could not be applied. It is not lost: it comes again.
    pub(crate) fn give_back(&mut self, part: Part, after: i64, now: Instant) {
        let given_back = Asked {
            after,
            pause: PAUSE,
            again_at: now + GIVEN_BACK,
        };
        self.asked.insert(part, given_back);
    }

    /// True where the cursor has stood behind the mark for `patience`: what is missing is not
    /// just on its way.
    pub(crate) fn is_tail_lost(
        &mut self,
        part: Part,
        (cursor, mark): (i64, i64),
        patience: Duration,
        now: Instant,
    ) -> bool {
        if cursor >= mark {
            self.standing.remove(&part);
            return false;
        }
        let fresh = Standing { cursor, since: now };
        let standing = self.standing.entry(part).or_insert(fresh);
        if standing.cursor != cursor {
            *standing = Standing { cursor, since: now };
        }
        now >= standing.since + patience
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_millis(200);

    #[test]
    fn the_same_place_is_asked_for_ever_more_seldom_and_the_next_place_at_once() {
        let (mut redrives, begun) = (Redrives::default(), Instant::now());
        let mut asked = Vec::new();
        for tenth in 0..1_000 {
            let now = begun + Duration::from_millis(100) * tenth;
            if redrives.may_ask(Part::ZERO, 7, now) {
                asked.push(tenth);
            }
        }
        assert_eq!(asked, [0, 10, 30, 70, 150, 310, 610, 910]);
        let now = begun + Duration::from_secs(100);
        assert!(redrives.may_ask(Part::ZERO, 8, now));
        assert!(!redrives.may_ask(Part::ZERO, 8, now));
    }

    #[test]
    fn what_comes_again_by_itself_is_not_asked_for() {
        let (mut redrives, mut now) = (Redrives::default(), Instant::now());
        for _ in 0..100 {
            redrives.give_back(Part::ZERO, 7, now);
            now += Duration::from_secs(30);
            assert!(!redrives.may_ask(Part::ZERO, 7, now));
        }
        assert!(redrives.may_ask(Part::ZERO, 8, now), "that was another one");
        redrives.give_back(Part::ZERO, 8, now);
        assert!(
            redrives.may_ask(Part::ZERO, 8, now + GIVEN_BACK),
            "it is lost now"
        );
    }

    #[test]
    fn a_cursor_that_moves_has_lost_nothing() {
        let (mut redrives, begun) = (Redrives::default(), Instant::now());
        let mut lost = |cursor, mark, ms| {
            let now = begun + Duration::from_millis(ms);
            redrives.is_tail_lost(Part::ZERO, (cursor, mark), PATIENCE, now)
        };
        assert!(!lost(3, 5, 0));
        assert!(!lost(3, 6, 199));
        assert!(!lost(4, 6, 200), "it moved");
        assert!(lost(4, 6, 400));
        assert!(!lost(6, 6, 600), "it is there");
        assert!(!lost(6, 7, 800), "just said");
    }
}

use std::collections::{BTreeSet, VecDeque};

use crate::relay::Sequence;

/// The sequences that may have something to publish, one after the other: who was served comes again
/// behind all others.
#[derive(Debug, Default)]
pub(crate) struct Turns {
    waiting: VecDeque<Sequence>,
    known: BTreeSet<Sequence>,
}

impl Turns {
    /// Puts sequences at the end; those that wait already keep their place.
    pub(crate) fn extend(&mut self, sequences: impl IntoIterator<Item = Sequence>) {
        for sequence in sequences {
            if self.known.insert(sequence.clone()) {
                self.waiting.push_back(sequence);
            }
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// The next ones, which wait no more.
    pub(crate) fn take(&mut self, at_most: usize) -> Vec<Sequence> {
        let taken = at_most.min(self.waiting.len());
        let taken: Vec<Sequence> = self.waiting.drain(..taken).collect();
        for sequence in &taken {
            self.known.remove(sequence);
        }
        taken
    }
}

#[cfg(test)]
mod tests {
    use domain::Part;

    use super::*;

    fn of(speakers: &[&str]) -> Vec<Sequence> {
        let sequence = |it: &&str| ((*it).to_owned(), Part::ZERO);
        speakers.iter().map(sequence).collect()
    }

    #[test]
    fn who_was_served_comes_behind_all_others() {
        let mut turns = Turns::default();
        turns.extend(of(&["a", "b", "a", "c"]));
        assert_eq!(turns.take(2), of(&["a", "b"]));
        assert!(!turns.is_empty(), "c waits");
        turns.extend(of(&["a", "c", "d"]));
        assert_eq!(turns.take(9), of(&["c", "a", "d"]));
        assert!(turns.is_empty());
    }
}

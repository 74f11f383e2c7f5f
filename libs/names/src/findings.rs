//! What was found between two names, and the verdict that follows from it.

use crate::reason::Reason;
use crate::{Comparison, Verdict};

/// More than this is another name: two slips, or three lesser differences.
const COST_MAX: u8 = 40;

const SAME_SCORE_MIN: u8 = 95;
const NEAR_SCORE_MAX: u8 = 94;
const DIFFERENT_SCORE_MAX: u8 = 59;

/// Reasons, each once, and what they cost together.
#[derive(Clone, Copy, Default)]
pub(crate) struct Findings {
    reasons: u32,
    cost: u8,
}

impl Findings {
    pub(crate) fn add(&mut self, reason: Reason) {
        // These have one cause, however many words they concern.
        let once = matches!(reason, Reason::MarksPartlyMissing | Reason::WordsJoined);
        let told = once && self.has(reason);
        if !told {
            self.cost = self.cost.saturating_add(cost(reason));
        }
        self.reasons |= bit(reason);
    }

    pub(crate) fn add_if(&mut self, found: bool, reason: Reason) {
        if found {
            self.add(reason);
        }
    }

    pub(crate) fn with(mut self, reason: Reason) -> Findings {
        self.add(reason);
        self
    }

    pub(crate) fn and(mut self, other: Findings) -> Findings {
        self.reasons |= other.reasons;
        self.cost = self.cost.saturating_add(other.cost);
        self
    }

    pub(crate) fn has(self, reason: Reason) -> bool {
        self.reasons & bit(reason) != 0
    }

    /// Which of two readings explains more. Equal costs are told apart by their reasons, so that
    /// it does not matter which was found first.
    pub(crate) fn better(self, other: Findings) -> Findings {
        let rank = |it: Findings| (it.cost, it.reasons.count_ones(), it.reasons);
        if rank(other) < rank(self) {
            other
        } else {
            self
        }
    }

    pub(crate) fn conclude(mut self) -> Comparison {
        let score = 100_u8.saturating_sub(self.cost);
        let (verdict, score) = if self.cost == 0 {
            let ways_of_writing = u8::try_from(self.reasons.count_ones()).unwrap_or(u8::MAX);
            let score = 100_u8.saturating_sub(ways_of_writing);
            (Verdict::Same, score.max(SAME_SCORE_MIN))
        } else if self.cost <= COST_MAX {
            (Verdict::Near, score.min(NEAR_SCORE_MAX))
        } else {
            self.add(Reason::TooManyDifferences);
            (Verdict::Different, score.min(DIFFERENT_SCORE_MAX))
        };
        Comparison {
            verdict,
            score,
            reasons: self.list(),
        }
    }

    fn list(self) -> Vec<Reason> {
        let mut reasons = Vec::with_capacity(self.reasons.count_ones() as usize);
        if self.reasons != 0 {
            reasons.extend(Reason::all().filter(|it| self.has(*it)));
        }
        reasons
    }
}

fn bit(reason: Reason) -> u32 {
    1 << reason as u32
}

/// What a reason takes from the score. Nothing where it is only another way to write.
fn cost(reason: Reason) -> u8 {
    match reason {
        Reason::UnicodeForm
        | Reason::LetterCase
        | Reason::MarksMissing
        | Reason::DWithoutStroke
        | Reason::Eth
        | Reason::TonePlacement
        | Reason::IOrY
        | Reason::Spaces
        | Reason::Punctuation => 0,
        Reason::MarksPartlyMissing | Reason::WordsJoined | Reason::Title => 8,
        Reason::WordOrder | Reason::Initial => 12,
        Reason::MiddleNameMissing | Reason::ClanMissing => 14,
        Reason::Truncated => 16,
        Reason::MarksContradict
        | Reason::TypingSlip
        | Reason::LettersSwapped
        | Reason::LetterDoubled => 21,
        Reason::Mojibake => 30,
        Reason::TooManyDifferences
        | Reason::OtherMiddleName
        | Reason::OtherGivenName
        | Reason::OtherFamilyName
        | Reason::WhollyDifferent
        | Reason::NotLetters
        | Reason::TooLong
        | Reason::Empty => 100,
    }
}

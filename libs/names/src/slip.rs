//! One slip of the fingers in one word.

use domain::Letter;

use crate::reason::Reason;

/// The slip that makes one word the other, if a single one does.
///
/// Half of a word of two letters is no slip: LE and LY are two names.
pub(crate) fn between(one: &[Letter], other: &[Letter]) -> Option<Reason> {
    let (long, short) = if one.len() < other.len() {
        (other, one)
    } else {
        (one, other)
    };
    if long.len() < 3 || short.len() < 2 {
        return None;
    }
    let same = |(a, b): &(&Letter, &Letter)| a.plain == b.plain;
    let head = long.iter().zip(short).take_while(same).count();
    let (long_rest, short_rest) = (&long[head..], &short[head..]);
    let ends = long_rest.iter().rev().zip(short_rest.iter().rev());
    let tail = ends.take_while(same).count();
    match (long_rest.len() - tail, short_rest.len() - tail) {
        (1, 1) => Some(Reason::TypingSlip),
        (2, 2) if swapped(long_rest, short_rest) => Some(Reason::LettersSwapped),
        (1, 0) => Some(if doubled(long, head) {
            Reason::LetterDoubled
        } else {
            Reason::TypingSlip
        }),
        _ => None,
    }
}

fn swapped(one: &[Letter], other: &[Letter]) -> bool {
    one[0].plain == other[1].plain && one[1].plain == other[0].plain
}

/// True where the letter that is too many repeats the one before it.
fn doubled(long: &[Letter], at: usize) -> bool {
    at > 0 && long[at].plain == long[at - 1].plain
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slip(one: &str, other: &str) -> Option<Reason> {
        let letters = |it: &str| Letter::all_of(it).collect::<Vec<_>>();
        let found = between(&letters(one), &letters(other));
        assert_eq!(found, between(&letters(other), &letters(one)));
        found
    }

    #[test]
    fn one_slip_is_told_from_two() {
        assert_eq!(slip("NGUYEN", "NGUYEM"), Some(Reason::TypingSlip));
        assert_eq!(slip("NGUYEN", "NGYEN"), Some(Reason::TypingSlip));
        assert_eq!(slip("NGUYEN", "NGUEYN"), Some(Reason::LettersSwapped));
        assert_eq!(slip("NGUYEN", "NGUYENN"), Some(Reason::LetterDoubled));
        assert_eq!(slip("NGUYEN", "NNGUYEN"), Some(Reason::LetterDoubled));
        assert_eq!(slip("NGUYEN", "NGUYENS"), Some(Reason::TypingSlip));
        for two in ["NGYUNE", "NGUY", "MGUYEM", "NUGYNE", "TRAN"] {
            assert_eq!(slip("NGUYEN", two), None, "{two}");
        }
    }

    #[test]
    fn half_of_a_short_word_is_no_slip() {
        assert_eq!(slip("LE", "LY"), None);
        assert_eq!(slip("AN", "NA"), None);
        assert_eq!(slip("A", "AN"), None);
        assert_eq!(slip("LE", "LEE"), Some(Reason::LetterDoubled));
    }
}

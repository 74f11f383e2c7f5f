//! Two names letter by letter, whatever stands between the letters.

use crate::findings::Findings;
use crate::reason::Reason;
use crate::spelling::Spelling;
use crate::words;

/// What is found between the first letters of two names; `None` where the letters differ.
///
/// A syllable ends where either of the two has a gap, so that joined words are compared by the
/// words of the side that has them.
pub(crate) fn compare(one: &Spelling, other: &Spelling, count: usize) -> Option<Findings> {
    let mut findings = Findings::default();
    findings.add_if(one.gaps[0] != other.gaps[0], Reason::Punctuation);
    let mut start = 0;
    for at in 1..=count {
        let (gap, other_gap) = (one.gaps[at], other.gaps[at]);
        if gap.is_none() && other_gap.is_none() && at < count {
            continue;
        }
        let word = (&one.letters[start..at], one.script);
        let other_word = (&other.letters[start..at], other.script);
        if !words::same_letters(word.0, other_word.0) {
            return None;
        }
        words::compare_same(&mut findings, word, other_word);
        // Where one of them is cut off, nothing is known of the gap.
        let ends = (at == one.letters.len(), at == other.letters.len());
        if ends.0 == ends.1 {
            let one_word = gap.is_none() && other_gap.parts_words();
            let two_words = gap.parts_words() && other_gap.is_none();
            findings.add_if(one_word || two_words, Reason::WordsJoined);
            findings.add_if(
                gap != other_gap && !one_word && !two_words,
                Reason::Punctuation,
            );
        }
        start = at;
    }
    Some(findings)
}

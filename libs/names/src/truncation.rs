//! Names cut off by the width of a bank's column.

use crate::findings::Findings;
use crate::letters;
use crate::reason::Reason;
use crate::spelling::Spelling;

/// Widths of columns for names in core banking systems, in characters.
const WIDTHS: [usize; 3] = [20, 24, 35];

/// What is found between a name and its beginning, if one of the two is the other cut off.
pub(crate) fn reading(one: &Spelling, other: &Spelling) -> Option<Findings> {
    let (whole, cut) = if one.letters.len() < other.letters.len() {
        (other, one)
    } else {
        (one, other)
    };
    let count = cut.letters.len();
    let width = cut.width(count);
    // A space at which a name is cut is not seen any more.
    let ends_a_word = whole.gaps[count].parts_words();
    let fits = WIDTHS.contains(&width) || ends_a_word && WIDTHS.contains(&(width + 1));
    if !fits || count == whole.letters.len() {
        return None;
    }
    let found = letters::compare(whole, cut, count)?;
    Some(found.with(Reason::Truncated))
}

//! A name as it is written, taken apart for comparison.

use domain::Letter;
use unicode_normalization::char::is_combining_mark;
use unicode_normalization::{UnicodeNormalization, is_nfc};

use crate::findings::Findings;
use crate::reason::Reason;

/// More letters than any name has; what comes behind is not read.
pub(crate) const LETTERS_MAX: usize = 200;

/// Characters that are read at most: a decomposed letter has up to three, and spaces come on top.
const CHARS_MAX: usize = 4 * LETTERS_MAX;

/// Letters in a row, and what stands between them.
pub(crate) struct Spelling {
    pub(crate) letters: Vec<Letter>,
    /// What stands before the letter of the same index; the last is what stands at the end.
    pub(crate) gaps: Vec<Gap>,
    pub(crate) script: Script,
    /// What is odd in the text itself, whatever it is compared with.
    pub(crate) oddities: Findings,
    /// Characters that no name has.
    pub(crate) strange: bool,
    /// Letters that are not Latin. A Cyrillic С looks like a C to the person who would decide.
    pub(crate) not_latin: bool,
    pub(crate) too_long: bool,
}

/// Which marks a text has somewhere: where there is none, none is meant then.
#[derive(Clone, Copy, Default)]
pub(crate) struct Script {
    /// A tone, or a mark that makes another vowel.
    pub(crate) marked: bool,
    /// The stroke of Đ.
    pub(crate) stroked: bool,
}

/// What stands between two letters, as a set of bits.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Gap(u8);

impl Gap {
    const SPACE: Gap = Gap(1);
    const APOSTROPHE: Gap = Gap(1 << 1);
    const HYPHEN: Gap = Gap(1 << 2);
    const STOP: Gap = Gap(1 << 3);
    /// A zero-width space, which may or may not have parted words.
    const INVISIBLE: Gap = Gap(1 << 4);
    /// Any other apostrophe than the one on keyboards.
    const CURLY: Gap = Gap(1 << 5);
    /// Any other hyphen than the one on keyboards.
    const DASH: Gap = Gap(1 << 6);

    pub(crate) fn is_none(self) -> bool {
        self == Gap::default()
    }

    /// Only a space: the words are two. Beside an apostrophe a space is a matter of taste, as in
    /// H' Hen, H'Hen, H Hen and Hhen.
    pub(crate) fn parts_words(self) -> bool {
        self == Gap::SPACE
    }

    /// How many characters it takes in a bank's form.
    pub(crate) fn width(self) -> usize {
        (self.0 & !Gap::INVISIBLE.0).count_ones() as usize
    }

    fn add(&mut self, other: Gap) {
        self.0 |= other.0;
    }

    fn has(self, other: Gap) -> bool {
        self.0 & other.0 != 0
    }

    fn without_space(self) -> Gap {
        Gap(self.0 & !Gap::SPACE.0)
    }
}

impl Spelling {
    pub(crate) fn read(text: &str) -> Spelling {
        let too_long = text.chars().nth(CHARS_MAX).is_some();
        let end = text.char_indices().nth(CHARS_MAX).map(|(at, _)| at);
        let text = &text[..end.unwrap_or(text.len())];
        let mut spelling = Spelling {
            letters: Vec::with_capacity(text.len().min(LETTERS_MAX)),
            gaps: Vec::with_capacity(text.len().min(LETTERS_MAX) + 1),
            script: Script::default(),
            oddities: Findings::default(),
            strange: false,
            not_latin: false,
            too_long,
        };
        if text.is_ascii() {
            spelling.read_letters(text);
            return spelling;
        }
        let oddities = &mut spelling.oddities;
        oddities.add_if(!is_nfc(text), Reason::UnicodeForm);
        oddities.add_if(text.contains(['Ð', 'ð']), Reason::Eth);
        if text.chars().any(may_be_compatibility_letter) {
            let usual: String = text.chars().flat_map(usual_letters).collect();
            oddities.add_if(usual != text, Reason::UnicodeForm);
            spelling.read_letters(&usual);
        } else {
            spelling.read_letters(text);
        }
        spelling
    }

    fn read_letters(&mut self, text: &str) {
        let mut gap = Gap::default();
        let mut odd_spaces = false;
        for letter in Letter::all_of(text) {
            match letter.plain {
                'A'..='Z' => self.push(letter, &mut gap),
                ' ' => {
                    // The space that stands alone between two letters is the usual one.
                    odd_spaces |= self.letters.is_empty() || gap.has(Gap::SPACE);
                    gap.add(Gap::SPACE);
                }
                '\'' => gap.add(Gap::APOSTROPHE),
                '’' | '‘' | '`' | '´' | 'ʼ' | '′' => gap.add(Gap::CURLY),
                '-' => gap.add(Gap::HYPHEN),
                '\u{2010}'..='\u{2015}' | '\u{2212}' => gap.add(Gap::DASH),
                '.' | ',' => gap.add(Gap::STOP),
                '\u{200b}' => {
                    odd_spaces = true;
                    gap.add(Gap::INVISIBLE);
                }
                '\u{ad}' | '\u{200c}'..='\u{200f}' | '\u{2060}' | '\u{feff}' => {
                    odd_spaces = true;
                }
                it if it.is_whitespace() => {
                    odd_spaces = true;
                    gap.add(Gap::SPACE);
                }
                it => {
                    self.strange |= !it.is_alphabetic() && !is_combining_mark(it);
                    self.not_latin |= !is_latin(it);
                    self.push(letter, &mut gap);
                }
            }
        }
        // A space at the end parts nothing.
        odd_spaces |= gap.has(Gap::SPACE);
        self.gaps.push(gap.without_space());
        self.oddities.add_if(odd_spaces, Reason::Spaces);
    }

    fn push(&mut self, letter: Letter, gap: &mut Gap) {
        if self.letters.len() == LETTERS_MAX {
            self.too_long = true;
            return;
        }
        let before = std::mem::take(gap);
        self.gaps.push(if self.letters.is_empty() {
            before.without_space()
        } else {
            before
        });
        self.letters.push(letter);
        let marks = letter.marks;
        self.script.marked |= !(marks.tone() | marks.vowel()).is_none();
        self.script.stroked |= !marks.stroke().is_none();
    }

    /// True where all is Latin letters, and what stands between letters in names.
    pub(crate) fn is_readable(&self) -> bool {
        !self.strange && !self.not_latin
    }

    /// The words. With `apart`, an apostrophe or a hyphen parts words as a space does.
    pub(crate) fn words(&self, apart: bool) -> Vec<&[Letter]> {
        let mut words = Vec::with_capacity(6);
        let mut start = 0;
        for at in 1..=self.letters.len() {
            let gap = self.gaps[at];
            let parts = gap.parts_words() || apart && !gap.is_none();
            if parts || at == self.letters.len() {
                words.push(&self.letters[start..at]);
                start = at;
            }
        }
        words
    }

    /// True where [`Spelling::words`] can be read in two ways.
    pub(crate) fn is_ambiguous(&self) -> bool {
        let inner = self.gaps.get(1..self.letters.len()).unwrap_or_default();
        inner.iter().any(|it| !it.is_none() && !it.parts_words())
    }

    /// How many characters the first letters take with what stands between them.
    pub(crate) fn width(&self, letters: usize) -> usize {
        let gaps = self.gaps[..letters].iter().map(|it| it.width());
        letters + gaps.sum::<usize>()
    }
}

/// Fullwidth and mathematical letters, ligatures. Letters of Vietnamese and its neighbours are not.
fn may_be_compatibility_letter(it: char) -> bool {
    it > '\u{2af}' && it.is_alphabetic() && !is_latin(it)
}

/// Itself, or the letters for which a compatibility letter stands.
fn usual_letters(it: char) -> impl Iterator<Item = char> {
    let stands_for_others = may_be_compatibility_letter(it);
    let others = std::iter::once(it)
        .nfkc()
        .filter(move |_| stands_for_others);
    others.chain((!stands_for_others).then_some(it))
}

fn is_latin(it: char) -> bool {
    matches!(it, 'À'..='\u{2af}' | '\u{1e00}'..='\u{1eff}') && it.is_alphabetic()
}

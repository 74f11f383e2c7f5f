use std::char::ToUppercase;
use std::fmt;
use std::iter::Peekable;
use std::ops::BitOr;

use unicode_normalization::{Decompositions, UnicodeNormalization};

/// A character of a name taken apart: the capital that banks print, and what it loses by that.
///
/// Whatever is no letter (a space, an apostrophe) comes as it is, without marks. `Debug` is
/// masked: a row of letters is a name.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Letter {
    /// The capital without marks; `D` for đ and for the Ð (U+00D0) of old files.
    pub plain: char,
    pub marks: Marks,
    /// True where it was written small.
    pub small: bool,
}

/// The marks of one letter, as a set. In which order they were typed does not matter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Marks(u16);

impl Marks {
    pub const NONE: Marks = Marks(0);
    const GRAVE: Marks = Marks(1);
    const ACUTE: Marks = Marks(1 << 1);
    const HOOK: Marks = Marks(1 << 2);
    const TILDE: Marks = Marks(1 << 3);
    const DOT: Marks = Marks(1 << 4);
    const CIRCUMFLEX: Marks = Marks(1 << 5);
    const BREVE: Marks = Marks(1 << 6);
    const HORN: Marks = Marks(1 << 7);
    const FOREIGN: Marks = Marks(1 << 8);
    const STROKE: Marks = Marks(1 << 9);

    /// The tone of the syllable: à á ả ã ạ. A syllable has one, wherever it is drawn.
    pub fn tone(self) -> Marks {
        Marks(self.0 & 0b1_1111)
    }

    /// What makes another vowel: â ă ơ ư, and any mark that Vietnamese has not.
    pub fn vowel(self) -> Marks {
        Marks(self.0 & 0b1_1110_0000)
    }

    /// The stroke of đ.
    pub fn stroke(self) -> Marks {
        Marks(self.0 & Marks::STROKE.0)
    }

    pub fn is_none(self) -> bool {
        self == Marks::NONE
    }

    /// `None` for what is no combining mark.
    fn of(combining: char) -> Option<Marks> {
        Some(match combining {
            '\u{300}' => Marks::GRAVE,
            '\u{301}' => Marks::ACUTE,
            '\u{302}' => Marks::CIRCUMFLEX,
            '\u{303}' => Marks::TILDE,
            '\u{306}' => Marks::BREVE,
            '\u{309}' => Marks::HOOK,
            '\u{31b}' => Marks::HORN,
            '\u{323}' => Marks::DOT,
            '\u{300}'..='\u{36f}' => Marks::FOREIGN,
            _ => return None,
        })
    }
}

impl BitOr for Marks {
    type Output = Marks;

    fn bitor(self, other: Marks) -> Marks {
        Marks(self.0 | other.0)
    }
}

impl Letter {
    /// The one place where names are unaccented, whether to print them or to compare them.
    ///
    /// Text may be in any Unicode form. A mark that follows no letter is left out.
    pub fn all_of(text: &str) -> Letters<'_> {
        Letters {
            parts: text.nfd().peekable(),
            capitals: None,
            last: None,
        }
    }
}

/// What [`Letter::all_of`] walks through.
pub struct Letters<'a> {
    parts: Peekable<Decompositions<std::str::Chars<'a>>>,
    /// What is left of a capital of several letters: the second S of ß.
    capitals: Option<ToUppercase>,
    last: Option<Letter>,
}

impl Iterator for Letters<'_> {
    type Item = Letter;

    fn next(&mut self) -> Option<Letter> {
        if let (Some(plain), Some(last)) = (
            self.capitals.as_mut().and_then(Iterator::next),
            self.last.as_ref(),
        ) {
            return Some(Letter { plain, ..*last });
        }
        self.capitals = None;
        let base = loop {
            let part = self.parts.next()?;
            if Marks::of(part).is_none() {
                break part;
            }
        };
        let mut marks = Marks::NONE;
        while let Some(mark) = self.parts.peek().and_then(|it| Marks::of(*it)) {
            marks = marks | mark;
            self.parts.next();
        }
        let (plain, small) = match base {
            'a'..='z' => (base.to_ascii_uppercase(), true),
            _ if base.is_ascii() => (base, false),
            'đ' | 'ð' => ('D', true),
            'Đ' | 'Ð' => ('D', false),
            _ => {
                let mut capitals = base.to_uppercase();
                let plain = capitals.next().unwrap_or(base);
                self.capitals = Some(capitals);
                (plain, base.is_lowercase())
            }
        };
        if matches!(base, 'đ' | 'ð' | 'Đ' | 'Ð') {
            marks = marks | Marks::STROKE;
        }
        let letter = Letter {
            plain,
            marks,
            small,
        };
        self.last = Some(letter);
        Some(letter)
    }
}

impl fmt::Debug for Letter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Letter(••)")
    }
}

impl fmt::Debug for Letters<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Letters(••)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(text: &str) -> Vec<(char, Marks, bool)> {
        let letters = Letter::all_of(text);
        letters.map(|it| (it.plain, it.marks, it.small)).collect()
    }

    #[test]
    fn a_letter_is_the_same_in_whatever_unicode_form() {
        let e = Marks::CIRCUMFLEX | Marks::DOT;
        for text in ["ệ", "ẹ\u{302}", "ê\u{323}", "e\u{302}\u{323}"] {
            assert_eq!(parts(text), [('E', e, true)]);
        }
        assert_eq!(parts("Ớ"), [('O', Marks::HORN | Marks::ACUTE, false)]);
        assert_eq!(e.tone(), Marks::DOT);
        assert_eq!(e.vowel(), Marks::CIRCUMFLEX);
    }

    #[test]
    fn each_way_to_write_d_with_a_stroke_has_one() {
        let d = |small| ('D', Marks::STROKE, small);
        assert_eq!(parts("đĐðÐ"), [d(true), d(false), d(true), d(false)]);
        assert!(!Marks::STROKE.stroke().is_none());
        assert!(Marks::STROKE.tone().is_none() && Marks::STROKE.vowel().is_none());
    }

    #[test]
    fn what_is_no_vietnamese_letter_is_kept() {
        let plain: String = parts("\u{301}ß' ü").iter().map(|it| it.0).collect();
        assert_eq!(plain, "SS' U");
        assert_eq!(parts("ü"), [('U', Marks::FOREIGN, true)]);
    }

    #[test]
    fn no_letter_is_shown_by_accident() {
        let letters: Vec<Letter> = Letter::all_of("Án").collect();
        assert_eq!(format!("{letters:?}"), "[Letter(••), Letter(••)]");
    }
}

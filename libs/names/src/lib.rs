//! Is the name in a bank's books the name in the population register? Same, near or different,
//! with reasons; no I/O.
//!
//! The register has names in Unicode NFC with their marks; banks answer in capitals without
//! marks, cut, garbled or typed by hand. Thousands of people share a name, so "same" proves
//! nothing by itself: it is one of the checks on whose account it is, beside the citizen number.
//!
//! # What is the same
//!
//! *Same* passes without a person, so it is only what cannot make one name another:
//!
//! * Unicode form, capitals, spaces that are doubled, outer, no-break or zero-width.
//! * Marks, where one of the two texts has none at all: that is how banks write, and how much
//!   they lose by it is known. Where both texts have marks they have to agree word by word.
//!   A word without marks in a text that has some is not passed: Hoa beside Nguyễn is another
//!   name than Hòa.
//! * Đ, its old code Ð (U+00D0), and D in a text that has no marks.
//! * Where the tone is drawn: a syllable has one tone, so hoà and hòa, Tòan and Toàn are one.
//! * i and y at the end after h, k, l, m, s, t and qu, where they are one sound (Lý, Lí). Not
//!   after th, v, n, d: Thi and Thy are two given names, so THY for the middle name Thị is a
//!   slip that a person looks at. Decision 1989/QĐ-BGDĐT of 2018, article 9, leaves names as
//!   their bearers write them.
//! * Apostrophes, hyphens and full stops, and a space or nothing instead: H' Hen, H'Hen, H Hen.
//!
//! Two things are lost by that. A name that has no marks of its own (Mai Lan Anh) looks like a
//! bank's form, so Mai Lan Ánh passes for it; and Mi and My are one. Citizen number and account
//! tell those apart, as they tell apart people of one name.
//!
//! # What a person looks at
//!
//! *Near* is one thing that happens in books of banks, or two light ones: another order, one or
//! two missing middle names, a missing clan (Y Bhăm Niê), an initial, one slip in one word,
//! joined words, a cut at the width of a column, a title, marks that contradict in one word, an
//! old encoding. Each has a price; together more than 40 of 100 is another name.
//!
//! # What is refused
//!
//! *Different* is everything else. A single letter is a slip only where it does not make another
//! common name of the same role: Lan and Lam, Vũ and Võ are refused although they are one letter
//! apart. Sisters are named like that, a clerk who is told "one letter" waves it through, and a
//! bank that did mistype a name has to correct its books anyway. The same holds for the order of
//! middle and given name: Lê Minh Anh and Lê Anh Minh.
//!
//! Letters of another alphabet are refused as digits are, since a Cyrillic С would deceive the
//! person who looks at it. So is what is longer than a name.
//!
//! The comparison is symmetric: which of the two is the register's does not matter.

mod findings;
mod known;
mod letters;
mod marks;
mod mojibake;
mod near;
mod reason;
mod slip;
mod spelling;
mod truncation;
mod words;

pub use reason::Reason;

use std::str::FromStr;

use domain::{Letter, PersonName};

use findings::Findings;
use spelling::Spelling;

/// How two names stand to each other, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comparison {
    pub verdict: Verdict,
    /// 0 to 100: same from 95, near from 60 to 94, different below. 100 is the same text.
    pub score: u8,
    /// Each once, in the order of [`Reason`]; empty where the texts are the same.
    pub reasons: Vec<Reason>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verdict {
    /// It is refused.
    Different,
    /// A person looks at it.
    Near,
    /// It passes.
    Same,
}

impl Verdict {
    /// Stable code; part of the interface.
    pub fn code(self) -> &'static str {
        match self {
            Verdict::Same => "same",
            Verdict::Near => "near",
            Verdict::Different => "different",
        }
    }
}

/// Compares the register's name with the one found in a bank's books.
///
/// Takes any text, never panics, and reads no more of it than a name can have (200 letters).
pub fn compare(registered: &str, found: &str) -> Comparison {
    let (one, other) = (Spelling::read(registered), Spelling::read(found));
    if one.letters.is_empty() || other.letters.is_empty() {
        return different(Reason::Empty, 0);
    }
    // What the register takes is a name, in whatever alphabet.
    if registered == found && PersonName::from_str(registered).is_ok() {
        return Findings::default().conclude();
    }
    if one.too_long || other.too_long {
        return different(Reason::TooLong, 0);
    }
    let readable = one.is_readable() && other.is_readable();
    let oddities = one.oddities.and(other.oddities);
    let count = one.letters.len();
    if readable
        && count == other.letters.len()
        && let Some(found) = letters::compare(&one, &other, count)
    {
        return found.and(oddities).conclude();
    }
    match (
        mojibake::is_suspected(registered),
        mojibake::is_suspected(found),
    ) {
        (true, false) => return garbled(registered, &other),
        (false, true) => return garbled(found, &one),
        _ if !readable => return different(Reason::NotLetters, 0),
        _ => {}
    }
    let reading = truncation::reading(&one, &other).or_else(|| near::reading(&one, &other));
    match reading {
        Some(found) => found.and(oddities).conclude(),
        None => another(&one.words(false), &other.words(false)),
    }
}

fn garbled(text: &str, name: &Spelling) -> Comparison {
    if name.is_readable() && mojibake::may_be(text, name) {
        Findings::default().with(Reason::Mojibake).conclude()
    } else {
        different(Reason::Mojibake, 0)
    }
}

/// Says which part makes it another name.
fn another(one: &[&[Letter]], other: &[&[Letter]]) -> Comparison {
    let family = words::agree(one, other, words::Role::Family);
    let given = words::agree(one, other, words::Role::Given);
    match (family, given) {
        (true, true) => different(Reason::OtherMiddleName, 50),
        (true, false) => different(Reason::OtherGivenName, 40),
        (false, true) => different(Reason::OtherFamilyName, 30),
        (false, false) => different(Reason::WhollyDifferent, 10),
    }
}

fn different(reason: Reason, score: u8) -> Comparison {
    Comparison {
        verdict: Verdict::Different,
        score,
        reasons: vec![reason],
    }
}

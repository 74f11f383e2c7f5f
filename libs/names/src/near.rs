//! Readings of two names, word by word, under which they are one person's.
//!
//! All that is tried has a bound: words, missing words and turns are few.

use domain::Letter;

use crate::findings::Findings;
use crate::reason::Reason;
use crate::spelling::{Script, Spelling};
use crate::words::{self, Role};

/// More words than any name has; longer ones are compared letter by letter only.
const WORDS_MAX: usize = 10;

#[derive(Clone, Copy)]
struct Side<'a> {
    words: &'a [&'a [Letter]],
    script: Script,
}

/// The reading that explains most, if there is one.
pub(crate) fn reading(one: &Spelling, other: &Spelling) -> Option<Findings> {
    let mut best = None;
    for one_words in segmentations(one) {
        for other_words in segmentations(other) {
            let one = Side {
                words: &one_words,
                script: one.script,
            };
            let other = Side {
                words: &other_words,
                script: other.script,
            };
            let found = better(straight(one, other), turned(one, other));
            let found = better(found, untitled(one, other));
            best = better(best, better(found, without_clan(one, other)));
        }
    }
    best
}

fn better(one: Option<Findings>, other: Option<Findings>) -> Option<Findings> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.better(other)),
        (one, other) => one.or(other),
    }
}

/// The words with apostrophes and hyphens inside of them, and parted by them.
fn segmentations(spelling: &Spelling) -> impl Iterator<Item = Vec<&[Letter]>> {
    let ways = if spelling.is_ambiguous() { 2 } else { 1 };
    [false, true]
        .into_iter()
        .take(ways)
        .map(|apart| spelling.words(apart))
        .filter(|it| it.len() <= WORDS_MAX)
}

/// Word for word in the order in which they stand; middle names may be missing on one side.
fn straight(one: Side<'_>, other: Side<'_>) -> Option<Findings> {
    if one.words.len() < other.words.len() {
        aligned(other, one, false)
    } else {
        aligned(one, other, false)
    }
}

/// The given name first: what stood at both ends has moved, otherwise it is another name
/// (Lê Minh Anh and Lê Anh Minh are brother and sister).
fn turned(one: Side<'_>, other: Side<'_>) -> Option<Findings> {
    let (long, short) = if one.words.len() < other.words.len() {
        (other, one)
    } else {
        (one, other)
    };
    let count = short.words.len();
    let mut best = None;
    let mut attempt = |words: &[&[Letter]]| {
        let short = Side { words, ..short };
        best = better(best, aligned(long, short, true));
    };
    let mut words = short.words.to_vec();
    for _ in 1..count {
        words.rotate_left(1);
        attempt(&words);
    }
    if count > 2 {
        let mut words = short.words.to_vec();
        words.swap(0, count - 1);
        attempt(&words);
        words[1..count - 1].reverse();
        attempt(&words);
    }
    best.map(|it| it.with(Reason::WordOrder))
}

/// Without the form of address that one of them has before the name.
fn untitled(one: Side<'_>, other: Side<'_>) -> Option<Findings> {
    let without = |it: Side<'_>, than: Side<'_>| {
        let words = it.words.get(1..).filter(|rest| rest.len() >= 2)?;
        words::is_title(it.words[0]).then_some(())?;
        straight(
            Side {
                words,
                script: it.script,
            },
            than,
        )
    };
    let found = better(without(one, other), without(other, one));
    found.map(|it| it.with(Reason::Title))
}

/// Y Bhăm for Y Bhăm Niê.
fn without_clan(one: Side<'_>, other: Side<'_>) -> Option<Findings> {
    let (long, short) = if one.words.len() < other.words.len() {
        (other, one)
    } else {
        (one, other)
    };
    let count = short.words.len();
    let fits = count >= 2 && long.words.len() == count + 1 && words::is_marker(long.words[0]);
    let pairs = (0..count).map(|at| (at, at));
    fits.then(|| pairwise(long, short, false, pairs))?
        .map(|it| it.with(Reason::ClanMissing))
}

/// The cheapest way to leave middle names of the longer side out.
fn aligned(long: Side<'_>, short: Side<'_>, in_doubt: bool) -> Option<Findings> {
    let count = long.words.len();
    let missing = count.checked_sub(short.words.len())?;
    let mut best = None;
    for left_out in choices(count, missing) {
        let is_middle = |it: &usize| words::role(long.words, *it) == Role::Middle;
        if !left_out.iter().all(is_middle) {
            continue;
        }
        let kept = (0..count).filter(|it| !left_out.contains(it));
        let found = pairwise(long, short, in_doubt, kept.zip(0..));
        let found = found.map(|it| {
            left_out
                .iter()
                .fold(it, |it, _| it.with(Reason::MiddleNameMissing))
        });
        best = better(best, found);
    }
    best
}

/// All ways to choose words that are missing; none where there are too many.
fn choices(count: usize, missing: usize) -> Vec<Vec<usize>> {
    match missing {
        0 => vec![Vec::new()],
        1 => (0..count).map(|it| vec![it]).collect(),
        2 => (0..count)
            .flat_map(|one| (one + 1..count).map(move |two| vec![one, two]))
            .collect(),
        _ => Vec::new(),
    }
}

/// Compares the words of each pair; `None` where one pair is no spellings of a word, or where
/// none but middle names is written out.
fn pairwise(
    long: Side<'_>,
    short: Side<'_>,
    in_doubt: bool,
    pairs: impl Iterator<Item = (usize, usize)>,
) -> Option<Findings> {
    let mut findings = Findings::default();
    let mut written_out = false;
    for (at, other_at) in pairs {
        let role = role(long, at, short, other_at, in_doubt);
        let one = (long.words[at], long.script);
        let other = (short.words[other_at], short.script);
        if !words::compare(&mut findings, role, one, other) {
            return None;
        }
        let shortened = words::is_short_for(one.0, other.0) || words::is_short_for(other.0, one.0);
        written_out |= role != Role::Middle && !shortened;
    }
    written_out.then_some(findings)
}

/// Where the order is in doubt, so is what each word is.
fn role(long: Side<'_>, at: usize, short: Side<'_>, other_at: usize, in_doubt: bool) -> Role {
    let role = words::role(long.words, at);
    if in_doubt || role != words::role(short.words, other_at) {
        Role::Either
    } else {
        role
    }
}

//! A name as words, and what each is in it.

use domain::Letter;

use crate::findings::Findings;
use crate::known::both_are_names;
use crate::marks;
use crate::reason::Reason;
use crate::slip;
use crate::spelling::Script;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Family,
    Middle,
    Given,
    /// Family name or given name, where the order is in doubt.
    Either,
}

/// Consonants that begin a syllable and stand for it: NG for Nguyễn, TH for Thị.
const BEGINNINGS: [&str; 11] = [
    "CH", "GH", "GI", "KH", "NG", "NGH", "NH", "PH", "QU", "TH", "TR",
];

/// Forms of address that lists of customers have before a name.
const TITLES: [&str; 13] = [
    "ANH", "BA", "BAC", "BE", "CHI", "CHU", "CO", "CU", "EM", "MR", "MRS", "MS", "ONG",
];

/// After these the letters i and y are one sound where they end the syllable, and people write
/// either (Decision 240/QĐ of 1984 of the Ministry of Education). After TH, V, N and D they
/// are not folded: Thi and Thy, Vi and Vy are names of different people.
const BEFORE_I_OR_Y: [&str; 7] = ["H", "K", "L", "M", "S", "T", "QU"];

pub(crate) fn is(word: &[Letter], text: &str) -> bool {
    text.chars().eq(word.iter().map(|it| it.plain))
}

pub(crate) fn is_title(word: &[Letter]) -> bool {
    TITLES.iter().any(|it| is(word, it))
}

/// True for the Y of men and the H' of women that begin Ê Đê and Gia Rai names; the clan then
/// stands last.
pub(crate) fn is_marker(word: &[Letter]) -> bool {
    is(word, "Y") || is(word, "H")
}

pub(crate) fn role(words: &[&[Letter]], at: usize) -> Role {
    let last = words.len() - 1;
    let clan_last = last >= 2 && is_marker(words[0]);
    match at {
        1 if clan_last => Role::Given,
        _ if at == last && !clan_last => Role::Given,
        _ if at == last => Role::Family,
        0 => Role::Family,
        _ => Role::Middle,
    }
}

/// True where the letters are the same, but for a last i or y that is one sound.
pub(crate) fn same_letters(one: &[Letter], other: &[Letter]) -> bool {
    let same = |(a, b): (&Letter, &Letter)| a.plain == b.plain;
    one.len() == other.len() && (one.iter().zip(other).all(same) || differ_in_i_or_y(one, other))
}

pub(crate) fn differ_in_i_or_y(one: &[Letter], other: &[Letter]) -> bool {
    let (Some((a, beginning)), Some((b, other_beginning))) = (one.split_last(), other.split_last())
    else {
        return false;
    };
    matches!((a.plain, b.plain), ('I', 'Y') | ('Y', 'I'))
        && beginning.len() <= 2
        && BEFORE_I_OR_Y
            .iter()
            .any(|it| is(beginning, it) && is(other_beginning, it))
}

/// Adds what is found between two words of the same letters.
pub(crate) fn compare_same(
    findings: &mut Findings,
    one: (&[Letter], Script),
    other: (&[Letter], Script),
) {
    let differ = |of: fn(&Letter) -> bool| !one.0.iter().map(of).eq(other.0.iter().map(of));
    findings.add_if(differ(|it| it.small), Reason::LetterCase);
    findings.add_if(differ(|it| it.plain == 'Y'), Reason::IOrY);
    marks::compare(findings, one, other);
}

/// Adds what is found between two words; false where they are no spellings of one.
pub(crate) fn compare(
    findings: &mut Findings,
    role: Role,
    one: (&[Letter], Script),
    other: (&[Letter], Script),
) -> bool {
    if same_letters(one.0, other.0) {
        compare_same(findings, one, other);
    } else if is_short_for(one.0, other.0) || is_short_for(other.0, one.0) {
        findings.add(Reason::Initial);
    } else if let Some(slip) = slip::between(one.0, other.0)
        && !both_are_names(role, one.0, other.0)
    {
        findings.add(slip);
        marks::compare_loosely(findings, one, other);
    } else {
        return false;
    }
    true
}

/// True where both have a word of this role and it can be the same one. An initial is enough for a
/// family name; which given name it stands for is open.
pub(crate) fn agree(one: &[&[Letter]], other: &[&[Letter]], role: Role) -> bool {
    // From the end: the Y or H' in front is no family name where the clan stands last.
    let of_role = |words: &[&[Letter]]| {
        (0..words.len())
            .rev()
            .find(|it| self::role(words, *it) == role)
    };
    let (Some(at), Some(other_at)) = (of_role(one), of_role(other)) else {
        return false;
    };
    let (one, other) = (one[at], other[other_at]);
    let shortened = is_short_for(one, other) || is_short_for(other, one);
    same_letters(one, other)
        || shortened && role == Role::Family
        || slip::between(one, other).is_some() && !both_are_names(role, one, other)
}

/// True where the first word is how the other begins: V or NG.
pub(crate) fn is_short_for(short: &[Letter], whole: &[Letter]) -> bool {
    let begins = short.iter().zip(whole).all(|(a, b)| a.plain == b.plain);
    let is_beginning = short.len() == 1 || BEGINNINGS.iter().any(|it| is(short, it));
    begins && short.len() < whole.len() && is_beginning
}

#[cfg(test)]
mod tests {
    use super::Role::{Family, Given, Middle};
    use super::*;

    fn letters(text: &str) -> Vec<Letter> {
        Letter::all_of(text).collect()
    }

    #[test]
    fn i_and_y_are_one_only_where_they_are_one_sound() {
        let same = |one: &str, other: &str| same_letters(&letters(one), &letters(other));
        for (one, other) in [("Lý", "Lí"), ("MY", "Mĩ"), ("Quý", "QUI"), ("Kỳ", "Kì")] {
            assert!(same(one, other), "{one} {other}");
        }
        for (one, other) in [
            ("Thy", "Thi"),
            ("Vy", "Vi"),
            ("Thúy", "Thúi"),
            ("Mai", "May"),
            ("Y", "I"),
            ("Hy", "Ki"),
            ("Lyn", "Lin"),
        ] {
            assert!(!same(one, other), "{one} {other}");
        }
    }

    #[test]
    fn each_word_has_its_role() {
        let roles = |text: &str| {
            let words: Vec<Vec<Letter>> = text.split(' ').map(letters).collect();
            let words: Vec<&[Letter]> = words.iter().map(|it| &it[..]).collect();
            (0..words.len())
                .map(|at| role(&words, at))
                .collect::<Vec<_>>()
        };
        assert_eq!(
            roles("Nguyễn Thị Ngọc Lan"),
            [Family, Middle, Middle, Given]
        );
        assert_eq!(roles("Y Bhăm Niê"), [Family, Given, Family]);
        assert_eq!(roles("Y Bhăm"), [Family, Given]);
        assert_eq!(roles("An"), [Given]);
    }
}

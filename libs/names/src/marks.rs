//! What marks say about two words of the same letters.
//!
//! Marks count only where both sides have some. Banks write none, and a text that has none
//! anywhere says nothing about them.

use domain::{Letter, Marks};

use crate::findings::Findings;
use crate::reason::Reason;
use crate::spelling::Script;

/// Holds the marks of two words against each other. Their letters are the same, but for i and y.
pub(crate) fn compare(
    findings: &mut Findings,
    (one, one_script): (&[Letter], Script),
    (other, other_script): (&[Letter], Script),
) {
    let mut contradict = strokes(findings, (one, one_script), (other, other_script));
    let vowels_and_tones = |it: &[Letter]| !it.iter().all(|it| vowel_and_tone(*it).is_none());
    match (vowels_and_tones(one), vowels_and_tones(other)) {
        (false, false) => {}
        (true, false) => missing(findings, other_script),
        (false, true) => missing(findings, one_script),
        (true, true) => {
            let vowels = |it: &Letter| it.marks.vowel();
            let same_vowels = one.iter().map(vowels).eq(other.iter().map(vowels));
            if !same_vowels || !tones(one).eq(tones(other)) {
                contradict = true;
            } else if !one
                .iter()
                .zip(other)
                .all(|(a, b)| a.marks.tone() == b.marks.tone())
            {
                findings.add(Reason::TonePlacement);
            }
        }
    }
    if contradict {
        findings.add(Reason::MarksContradict);
    }
}

/// Of words with a slip in one of them: only what cannot come from the slip.
pub(crate) fn compare_loosely(
    findings: &mut Findings,
    (one, one_script): (&[Letter], Script),
    (other, other_script): (&[Letter], Script),
) {
    let all = |it: &[Letter]| {
        it.iter()
            .fold(Marks::NONE, |all, it| all | vowel_and_tone(*it))
    };
    let (one, other) = (all(one), all(other));
    match (one.is_none(), other.is_none()) {
        (true, true) => {}
        (false, true) => missing(findings, other_script),
        (true, false) => missing(findings, one_script),
        (false, false) => findings.add_if(one != other, Reason::MarksContradict),
    }
}

/// The tones of a word in their order, wherever they are drawn: hoà and hòa.
fn tones(word: &[Letter]) -> impl Iterator<Item = Marks> {
    word.iter()
        .map(|it| it.marks.tone())
        .filter(|it| !it.is_none())
}

fn vowel_and_tone(letter: Letter) -> Marks {
    letter.marks.vowel() | letter.marks.tone()
}

/// Where the whole text has no marks they are not missed; where it has, this word is odd.
fn missing(findings: &mut Findings, bare: Script) {
    findings.add(if bare.marked {
        Reason::MarksPartlyMissing
    } else {
        Reason::MarksMissing
    });
}

/// True where a D and a Đ contradict: the text with the D knows the stroke, or has other marks.
fn strokes(
    findings: &mut Findings,
    (one, one_script): (&[Letter], Script),
    (other, other_script): (&[Letter], Script),
) -> bool {
    let mut contradict = false;
    for (a, b) in one.iter().zip(other) {
        let bare = match (a.marks.stroke().is_none(), b.marks.stroke().is_none()) {
            (true, false) => one_script,
            (false, true) => other_script,
            _ => continue,
        };
        if bare.marked || bare.stroked {
            contradict = true;
        } else {
            findings.add(Reason::DWithoutStroke);
        }
    }
    contradict
}

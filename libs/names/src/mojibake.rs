//! Names garbled by an encoding that was taken for another one.
//!
//! TCVN3 (ABC) and VNI fonts put Vietnamese letters on the codes of western ones, so that Nguyễn
//! reads `NguyÔn` or `Nguyeãn` today; UTF-8 read as Latin-1 gives `Nguyá»…n`; a lost letter is `?` or
//! U+FFFD. What such a letter was is never guessed: it may stand for any one letter, the others
//! have to agree, and a person looks at it.

use crate::spelling::Spelling;

/// Signs that the text is garbled. A foreigner's Müller has them as well, so this is asked only
/// where the letters do not agree.
pub(crate) fn is_suspected(text: &str) -> bool {
    let mut before = ' ';
    text.chars().any(|it| {
        let sign = is_foreign(it)
            || is_second_vowel(before, it)
            || before.is_ascii_lowercase() && is_capital_with_mark(it);
        before = it;
        sign
    })
}

/// True where what can still be read of the garbled text agrees with the name, in the order of
/// its letters, and is at least half of it.
pub(crate) fn may_be(garbled: &str, name: &Spelling) -> bool {
    let name: Vec<char> = name.letters.iter().map(|it| it.plain).collect();
    // reach[n]: what was read so far of the garbled text can be the first n letters of the name.
    let mut reach = vec![false; name.len() + 1];
    reach[0] = true;
    let mut readable = 0;
    for it in garbled.chars() {
        if it.is_ascii_alphabetic() {
            readable += 1;
            let capital = it.to_ascii_uppercase();
            for at in (0..name.len()).rev() {
                reach[at + 1] = reach[at] && name[at] == capital;
            }
            reach[0] = false;
        } else if it == '?' || !it.is_ascii() {
            for at in (0..name.len()).rev() {
                reach[at + 1] |= reach[at];
            }
        }
    }
    reach[name.len()] && readable * 2 >= name.len()
}

/// Letters of Vietnamese in Latin-1. No-break space, soft hyphen and acute accent stand in names by
/// mistake, and are no sign either.
const OWN: &str = "ÀÁÂÃÈÉÊÌÍÐÒÓÔÕÙÚÝàáâãèéêìíðòóôõùúý\u{a0}\u{ad}´";

/// What Windows-1252 has where Latin-1 has control characters, but for its apostrophes.
const WINDOWS: &str = "ŒœŠšŽžŸƒˆ˜€™‚„“”†‡•…‰‹›";

/// Characters that neither Vietnamese nor its punctuation has, and old encodings have many of.
fn is_foreign(it: char) -> bool {
    match it {
        '?' | '\u{fffd}' => true,
        '\u{80}'..='\u{ff}' => !OWN.contains(it),
        _ => !it.is_ascii() && WINDOWS.contains(it),
    }
}

/// VNI writes the mark as a letter of its own behind the vowel: aø, eã, oâ, uù. Pairs that
/// Vietnamese has, such as oà and uâ, are no sign.
fn is_second_vowel(vowel: char, mark: char) -> bool {
    let mark = mark.to_lowercase().next().unwrap_or(mark);
    match vowel.to_ascii_lowercase() {
        'a' | 'e' => "àáâãèéêùúõ".contains(mark),
        'o' => "âùõ".contains(mark),
        'u' | 'y' => "ùõ".contains(mark),
        _ => false,
    }
}

fn is_capital_with_mark(it: char) -> bool {
    ('À'..='Þ').contains(&it)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_encodings_are_suspected_and_names_are_not() {
        for garbled in [
            "NguyÔn V¨n Hïng",
            "NguyÔn Lan",
            "Lª §×nh",
            "Nguyeãn Vaên Huøng",
            "NGUYEÃN",
            "Ñaëng",
            "Nguyá»…n",
            "HoÃ ng",
            "NGUY?N",
            "Nguy\u{fffd}n",
        ] {
            assert!(is_suspected(garbled), "{garbled}");
        }
        for name in [
            "Nguyễn Văn Hùng",
            "NGUYỄN VĂN HÙNG",
            "Đặng Thị Hoà",
            "Trần Tuân",
            "Lưu Uyên",
            "H’ Hen Niê",
            "Y Wưn Mlô",
            "Nguye\u{302}\u{303}n",
            "Ngô\u{a0}Quý",
        ] {
            assert!(!is_suspected(name), "{name}");
        }
    }

    #[test]
    fn what_can_be_read_has_to_agree() {
        let name = Spelling::read("Nguyễn Thị Lê");
        for garbled in [
            "NguyÔn ThÞ Lª",
            "Nguyeãn Thò Leâ",
            "Nguyá»…n Thá»‹ LÃª",
            "NGUY?N TH? L?",
        ] {
            assert!(may_be(garbled, &name), "{garbled}");
        }
        for other in [
            "NguyÔn V¨n Lª",
            "NguyÔn ThÞ Lªn",
            "?????? ??? ??",
            "NGUY?N",
            "",
        ] {
            assert!(!may_be(other, &name), "{other}");
        }
    }
}

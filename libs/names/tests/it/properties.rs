use domain::{Letter, PersonName};
use names::{Comparison, Verdict, compare};
use proptest::prelude::*;
use proptest::sample::{Index, select};
use unicode_normalization::UnicodeNormalization;

const FAMILY: &[&str] = &[
    "Nguyễn", "Trần", "Lê", "Phạm", "Hoàng", "Vũ", "Võ", "Đặng", "Đỗ", "Lý", "Mai", "Kpă", "Giàng",
    "Thạch", "Ông", "K'Sor", "H'", "Y", "Phan",
];
const MIDDLE: &[&str] = &[
    "Thị", "Văn", "A", "Đức", "Mỹ", "Hoài", "Thuỳ", "Ngọc", "Sa", "Minh", "Công", "Quý",
];
const GIVEN: &[&str] = &[
    "Lan", "Lam", "Hoà", "Hòa", "Hoa", "Ánh", "Ân", "Anh", "Thy", "Thi", "Khoẻ", "Đạt", "Páo",
    "Bhăm", "Hen Niê", "H'Bia", "Ý", "Mĩ", "Uyên", "Nguyệt", "Rây",
];

/// A name of two to five words, as the register has it.
fn name() -> impl Strategy<Value = String> {
    let middle = prop::collection::vec(select(MIDDLE), 0..=3);
    (select(FAMILY), middle, select(GIVEN)).prop_map(|(family, middle, given)| {
        let words = [&[family][..], &middle, &[given]].concat();
        words.join(" ")
    })
}

/// Any that `PersonName` takes, in any script.
fn valid_name() -> impl Strategy<Value = String> {
    let text = "\\p{L}{1,9}( \\p{L}['’-]?\\p{L}{0,9}){0,7}";
    let valid = |it: &String| it.parse::<PersonName>().is_ok();
    text.prop_map(|it| it.nfc().collect())
        .prop_filter("a name is letters in NFC", valid)
}

/// What happens to names in books of banks, several things at once.
fn spoilt(name: &str, what: &[(u8, Index)]) -> String {
    what.iter().fold(name.to_owned(), |name, (how, at)| {
        let mut letters: Vec<char> = name.chars().collect();
        let mut words: Vec<&str> = name.split(' ').collect();
        let at_letter = if letters.is_empty() {
            0
        } else {
            at.index(letters.len())
        };
        let at_word = at.index(words.len());
        match how % 10 {
            0 => return PersonName::bank_form_of(&name),
            1 => return name.nfd().collect(),
            2 if !letters.is_empty() => drop(letters.remove(at_letter)),
            3 => letters.insert(at_letter, 'N'),
            4 if letters.len() > 1 => {
                letters.swap(at_letter, (at_letter + 1) % name.chars().count());
            }
            5 if words.len() > 1 => {
                words.remove(at_word);
                return words.join(" ");
            }
            6 => {
                words.rotate_left(at_word);
                return words.join(" ");
            }
            7 => return name.replacen(' ', "", at_word.min(1)),
            8 => return name.replace("Nguyễn", "NguyÔn").replace('ị', "ò"),
            9 => return ["BA", &name].join(" "),
            _ => {}
        }
        letters.into_iter().collect()
    })
}

fn pair() -> impl Strategy<Value = (String, String)> {
    let changes = prop::collection::vec((any::<u8>(), any::<Index>()), 0..4);
    let spoilt = (name(), changes).prop_map(|(name, what)| {
        let other = spoilt(&name, &what);
        (name, other)
    });
    prop_oneof![
        spoilt,
        (name(), name()),
        // Few letters and all that stands between them, so that they often meet.
        (
            "[AaĐdYýIĩ' .\u{301}\u{a0}\u{200b}?Ã-]{0,8}",
            "[AaĐdYýIĩ' .\u{301}\u{a0}\u{200b}?Ã-]{0,8}"
        ),
        (any::<String>(), any::<String>()),
    ]
}

fn unmarked(name: &str) -> String {
    Letter::all_of(name).map(|it| it.plain).collect()
}

fn is_well_formed(comparison: &Comparison) -> bool {
    let scores = match comparison.verdict {
        Verdict::Same => 95..=100,
        Verdict::Near => 60..=94,
        Verdict::Different => 0..=59,
    };
    let sorted = comparison.reasons.is_sorted_by(|one, next| one < next);
    let told = comparison.verdict == Verdict::Same || !comparison.reasons.is_empty();
    scores.contains(&comparison.score) && sorted && told
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn any_text_is_compared((one, other) in (any::<String>(), "\\PC{0,300}")) {
        prop_assert!(is_well_formed(&compare(&one, &other)));
    }

    #[test]
    fn it_does_not_matter_which_of_the_two_is_the_registers((one, other) in pair()) {
        let comparison = compare(&one, &other);
        prop_assert!(is_well_formed(&comparison), "{comparison:?}");
        prop_assert_eq!(comparison, compare(&other, &one));
    }

    #[test]
    fn a_name_is_the_same_as_itself(name in valid_name()) {
        let comparison = compare(&name, &name);
        prop_assert_eq!((comparison.verdict, comparison.score), (Verdict::Same, 100));
    }

    #[test]
    fn the_bank_form_of_a_name_is_the_same(name in name()) {
        let form = PersonName::bank_form_of(&name);
        let comparison = compare(&name, &form);
        prop_assert_eq!(comparison.verdict, Verdict::Same, "{:?}", comparison);
        let nfd: String = name.nfd().collect();
        prop_assert_eq!(compare(&nfd, &form).verdict, Verdict::Same);
        prop_assert_eq!(compare(&name, &nfd).verdict, Verdict::Same);
    }

    /// Without marks less is known, so nothing that passed is refused.
    #[test]
    fn taking_the_marks_away_refuses_nobody((one, other) in pair()) {
        if compare(&one, &other).verdict == Verdict::Same {
            let bare = compare(&unmarked(&one), &unmarked(&other));
            prop_assert_ne!(bare.verdict, Verdict::Different, "{:?}", bare);
        }
    }

    /// Money goes out on "same": the letters that banks print are then the same, but for i and y.
    #[test]
    fn nobody_passes_with_other_letters((one, other) in pair()) {
        if compare(&one, &other).verdict == Verdict::Same {
            let letters = |name: &str| -> String {
                let form = PersonName::bank_form_of(&name.nfkc().collect::<String>());
                let letters = form.chars().filter(|it| it.is_alphabetic());
                letters.map(|it| if it == 'Y' { 'I' } else { it }).collect()
            };
            prop_assert_eq!(letters(&one), letters(&other));
        }
    }
}

#[test]
fn a_long_text_is_not_read_to_its_end() {
    let long = "A".repeat(1_000_000);
    assert_eq!(compare(&long, &long).verdict, Verdict::Different);
    let marks = format!("A{}", "\u{301}".repeat(1_000_000));
    assert_eq!(compare("A", &marks).verdict, Verdict::Different);
    let longest = "Ệ".repeat(100);
    let nfd: String = longest.nfd().collect();
    assert_eq!(compare(&longest, &nfd).verdict, Verdict::Same);
}

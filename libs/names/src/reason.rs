use std::fmt;

/// What two spellings of a name have and have not in common.
///
/// The order is that of [`crate::Comparison::reasons`]: first what is only another way to write,
/// then what a person looks at, then what makes it another name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// Decomposed (NFD) or compatibility characters.
    UnicodeForm,
    LetterCase,
    /// One of the two has no marks at all, which is how banks write.
    MarksMissing,
    /// D stands for Đ.
    DWithoutStroke,
    /// Ð (U+00D0, an Icelandic letter) stands for Đ.
    Eth,
    /// hoà and hòa.
    TonePlacement,
    /// Lý and Lí.
    IOrY,
    /// No-break, zero-width, doubled or outer spaces.
    Spaces,
    /// Apostrophes, hyphens and full stops, or a space instead of them; told where that and other
    /// ways to write are all there is.
    Punctuation,
    /// One word has lost its marks while others have kept theirs.
    MarksPartlyMissing,
    /// Both have marks on the same word, and they differ.
    MarksContradict,
    /// Words run together, or one is split.
    WordsJoined,
    /// The given name stands first, as in western lists.
    WordOrder,
    MiddleNameMissing,
    /// The clan that ends Ê Đê and Gia Rai names, as in Y Bhăm Niê.
    ClanMissing,
    /// A word is only its first letter or its first consonants.
    Initial,
    /// One letter is missing, too many or another.
    TypingSlip,
    LettersSwapped,
    LetterDoubled,
    /// Cut at 20, 24 or 35 characters.
    Truncated,
    /// A form of address stands before the name.
    Title,
    /// Letters of TCVN3, VNI or UTF-8 read in another encoding, or lost.
    Mojibake,
    /// Each of the others alone would go to a person; together they are another name.
    TooManyDifferences,
    OtherMiddleName,
    OtherGivenName,
    OtherFamilyName,
    WhollyDifferent,
    /// Digits, emoji and other characters that no name has.
    NotLetters,
    /// Longer than any name; it was not read to its end.
    TooLong,
    /// There is no letter.
    Empty,
}

impl Reason {
    /// In the order in which reasons are told.
    pub fn all() -> impl Iterator<Item = Reason> {
        WORDS.iter().map(|it| it.0)
    }

    /// Stable `snake_case` code; part of the interface, never renamed.
    pub fn code(self) -> &'static str {
        WORDS[self as usize].1
    }

    pub fn sentence_vi(self) -> &'static str {
        WORDS[self as usize].2
    }

    pub fn sentence_en(self) -> &'static str {
        WORDS[self as usize].3
    }
}

/// Code and sentences of each reason, in the order of the enum.
const WORDS: [(Reason, &str, &str, &str); 30] = [
    (
        Reason::UnicodeForm,
        "unicode_form",
        "Hai tên dùng hai dạng mã Unicode khác nhau.",
        "The two are in different Unicode forms.",
    ),
    (
        Reason::LetterCase,
        "letter_case",
        "Khác nhau ở chữ hoa, chữ thường.",
        "They differ in capital and small letters.",
    ),
    (
        Reason::MarksMissing,
        "marks_missing",
        "Một bên viết không dấu.",
        "One of the two is written without marks.",
    ),
    (
        Reason::DWithoutStroke,
        "d_without_stroke",
        "Chữ Đ được viết thành D.",
        "D is written for Đ.",
    ),
    (
        Reason::Eth,
        "eth",
        "Chữ Đ được viết bằng ký tự Ð (U+00D0) của bảng mã khác.",
        "Đ is written as Ð (U+00D0), a letter of another language.",
    ),
    (
        Reason::TonePlacement,
        "tone_placement",
        "Dấu thanh đặt ở vị trí khác (hoà, hòa).",
        "The tone is drawn on another letter of the syllable (hoà, hòa).",
    ),
    (
        Reason::IOrY,
        "i_or_y",
        "Khác nhau ở i và y (Lý, Lí).",
        "They differ in i and y (Lý, Lí).",
    ),
    (
        Reason::Spaces,
        "spaces",
        "Có khoảng trắng thừa hoặc ký tự trắng đặc biệt.",
        "There are extra or unusual spaces.",
    ),
    (
        Reason::Punctuation,
        "punctuation",
        "Khác nhau ở dấu nháy, gạch nối hoặc dấu chấm.",
        "They differ in apostrophes, hyphens or full stops.",
    ),
    (
        Reason::MarksPartlyMissing,
        "marks_partly_missing",
        "Có từ không dấu trong khi các từ khác có dấu.",
        "A word has no marks although other words have theirs.",
    ),
    (
        Reason::MarksContradict,
        "marks_contradict",
        "Dấu của hai bên mâu thuẫn nhau.",
        "The marks of the two contradict each other.",
    ),
    (
        Reason::WordsJoined,
        "words_joined",
        "Có từ viết dính liền hoặc bị tách ra.",
        "Words are run together, or one is split.",
    ),
    (
        Reason::WordOrder,
        "word_order",
        "Thứ tự họ và tên bị đảo.",
        "Family name and given name stand in another order.",
    ),
    (
        Reason::MiddleNameMissing,
        "middle_name_missing",
        "Một bên thiếu tên đệm.",
        "A middle name is missing on one side.",
    ),
    (
        Reason::ClanMissing,
        "clan_missing",
        "Một bên thiếu họ đứng cuối tên.",
        "The clan that ends the name is missing on one side.",
    ),
    (
        Reason::Initial,
        "initial",
        "Có từ chỉ viết tắt chữ đầu.",
        "A word is shortened to how it begins.",
    ),
    (
        Reason::TypingSlip,
        "typing_slip",
        "Sai, thiếu hoặc thừa một chữ cái.",
        "One letter is wrong, missing or too many.",
    ),
    (
        Reason::LettersSwapped,
        "letters_swapped",
        "Hai chữ cái cạnh nhau bị đổi chỗ.",
        "Two neighbouring letters are swapped.",
    ),
    (
        Reason::LetterDoubled,
        "letter_doubled",
        "Một chữ cái bị gõ hai lần.",
        "A letter is typed twice.",
    ),
    (
        Reason::Truncated,
        "truncated",
        "Tên bị cắt ở 20, 24 hoặc 35 ký tự.",
        "The name is cut at 20, 24 or 35 characters.",
    ),
    (
        Reason::Title,
        "title",
        "Có từ xưng hô (ông, bà) đứng trước tên.",
        "A form of address stands before the name.",
    ),
    (
        Reason::Mojibake,
        "mojibake",
        "Tên bị lỗi phông chữ hoặc bảng mã cũ (TCVN3, VNI).",
        "The name is garbled by an old encoding (TCVN3, VNI).",
    ),
    (
        Reason::TooManyDifferences,
        "too_many_differences",
        "Có quá nhiều điểm khác nhau.",
        "There are too many differences.",
    ),
    (
        Reason::OtherMiddleName,
        "other_middle_name",
        "Tên đệm khác nhau.",
        "The middle names differ.",
    ),
    (
        Reason::OtherGivenName,
        "other_given_name",
        "Tên khác nhau.",
        "The given names differ.",
    ),
    (
        Reason::OtherFamilyName,
        "other_family_name",
        "Họ khác nhau.",
        "The family names differ.",
    ),
    (
        Reason::WhollyDifferent,
        "wholly_different",
        "Hai tên hoàn toàn khác nhau.",
        "The names are wholly different.",
    ),
    (
        Reason::NotLetters,
        "not_letters",
        "Có ký tự không thể có trong tên người.",
        "There are characters that no name has.",
    ),
    (
        Reason::TooLong,
        "too_long",
        "Tên quá dài, không được đọc hết.",
        "The name is too long and was not read to its end.",
    ),
    (
        Reason::Empty,
        "empty",
        "Không có chữ cái nào.",
        "There is not a single letter.",
    ),
];

/// The code.
impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_reason_has_words_of_its_own_and_stands_in_its_place() {
        assert!(Reason::all().enumerate().all(|(at, it)| it as usize == at));
        let apart = |of: fn(Reason) -> &'static str| Reason::all().map(of).collect::<BTreeSet<_>>();
        for of in [Reason::code, Reason::sentence_vi, Reason::sentence_en] {
            assert_eq!(apart(of).len(), WORDS.len());
        }
    }
}

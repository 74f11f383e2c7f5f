use domain::BankAccount;

/// Sixteen digits that begin so are test numbers; the last two say what happens. No bank of the
/// sandbox writes its accounts like that, so nobody made up for a demo has one.
const PREFIX: &str = "9999";
const DIGITS: usize = 16;

/// How a bank behaves about an account, as test numbers of card processors say it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Case {
    /// Any other number: open, the asked person's, and answered at once.
    Usual,
    /// 01
    Closed,
    /// 02
    Restricted,
    /// 03
    Unknown,
    /// 11: the bank has another citizen number.
    NumberDiffers,
    /// 12: it has none.
    NumberNotHeld,
    /// 13: it has the number of the person's former identity card.
    OldNumber,
    /// 14: it has the number of another former identity card.
    OtherOldNumber,
    /// 21: one letter of the name is another.
    NameNear,
    /// 22: the name has no word in common.
    NameFar,
    /// 23: the given name stands first.
    NameReordered,
    /// 31: never answered.
    Silent,
    /// 32: answered when it is asked for the third time.
    SilentTwice,
    /// 33: answered after `sandbox.delay_ms`.
    Late,
    /// 34: answered in two messages.
    Twice,
    /// 35: answered in two messages that say the contrary of each other.
    Contradicting,
}

impl Case {
    pub(crate) fn of(account: &BankAccount) -> Case {
        let text = account.expose();
        let digits = text.bytes().all(|it| it.is_ascii_digit());
        if text.len() != DIGITS || !digits || !text.starts_with(PREFIX) {
            return Case::Usual;
        }
        match &text[DIGITS - 2..] {
            "01" => Case::Closed,
            "02" => Case::Restricted,
            "03" => Case::Unknown,
            "11" => Case::NumberDiffers,
            "12" => Case::NumberNotHeld,
            "13" => Case::OldNumber,
            "14" => Case::OtherOldNumber,
            "21" => Case::NameNear,
            "22" => Case::NameFar,
            "23" => Case::NameReordered,
            "31" => Case::Silent,
            "32" => Case::SilentTwice,
            "33" => Case::Late,
            "34" => Case::Twice,
            "35" => Case::Contradicting,
            _ => Case::Usual,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::people::ends_of_account_styles;

    fn case(account: &str) -> Case {
        Case::of(&account.parse().unwrap())
    }

    #[test]
    fn a_test_number_is_told_by_length_beginning_and_end() {
        assert_eq!(case("9999000000000001"), Case::Closed);
        assert_eq!(case("9999876543210035"), Case::Contradicting);
        for usual in [
            "999900000000001",
            "99990000000000001",
            "9998000000000001",
            "99990000000000A1",
            "9999000000000000",
            "9999000000000099",
        ] {
            assert_eq!(case(usual), Case::Usual, "{usual}");
        }
    }

    #[test]
    fn no_account_that_is_made_up_for_people_is_a_test_number() {
        let ends = ends_of_account_styles();
        assert!(ends.len() > 10);
        for account in ends {
            assert!(account.expose().len() < DIGITS, "{account:?}");
        }
    }
}

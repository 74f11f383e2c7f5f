use events::{AccountAtBank, IdentityAtBank};
use names::{Comparison, Verdict};

use crate::refusal::RefusalCode;

/// What a bank said of an account, opened and held against the register.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Told {
    pub account: AccountAtBank,
    pub identity: Option<IdentityAtBank>,
    /// The holder's name in the bank's books against the register's; none where it said none.
    pub name: Option<Comparison>,
    /// The former number that the bank holds is one that the register knows of the person.
    pub old_number_known: bool,
}

/// What follows from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Judgement {
    Confirm,
    /// Near is not the same: a person decides.
    Review {
        kind: &'static str,
        detail: String,
    },
    Refuse(RefusalCode),
}

/// Judges what a bank said. What is not said is not guessed: an open account without a name or a
/// number is not confirmed.
pub(crate) fn judge(told: &Told) -> Judgement {
    match told.account {
        AccountAtBank::Unknown => return Judgement::Refuse(RefusalCode::AccountUnknown),
        AccountAtBank::Closed => return Judgement::Refuse(RefusalCode::AccountClosed),
        AccountAtBank::Restricted => return Judgement::Refuse(RefusalCode::AccountRestricted),
        AccountAtBank::Open => {}
    }
    let old_number = match told.identity {
        Some(IdentityAtBank::Matches) => false,
        Some(IdentityAtBank::OldNumber) => !told.old_number_known,
        Some(IdentityAtBank::Differs) => return Judgement::Refuse(RefusalCode::IdentityDiffers),
        Some(IdentityAtBank::NotHeld) | None => {
            return Judgement::Refuse(RefusalCode::IdentityNotHeld);
        }
    };
    let Some(name) = &told.name else {
        return Judgement::Refuse(RefusalCode::NameDiffers);
    };
    match name.verdict {
        Verdict::Different => Judgement::Refuse(RefusalCode::NameDiffers),
        Verdict::Near => Judgement::Review {
            kind: "name",
            detail: detail(name),
        },
        Verdict::Same if old_number => Judgement::Review {
            kind: "old_number",
            detail: "old_number_unknown".to_owned(),
        },
        Verdict::Same => Judgement::Confirm,
    }
}

/// Score and reasons, by their codes: enough to decide what to look at, and no name.
pub(crate) fn detail(name: &Comparison) -> String {
    let reasons: Vec<&str> = name.reasons.iter().map(|it| it.code()).collect();
    format!("score {}: {}", name.score, reasons.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(account: AccountAtBank, identity: Option<IdentityAtBank>, holder: &str) -> Told {
        Told {
            account,
            identity,
            name: Some(names::compare("Nguyễn Thị Lan", holder)),
            old_number_known: false,
        }
    }

    #[test]
    fn only_an_open_account_of_the_same_person_is_confirmed() {
        use AccountAtBank::{Closed, Open, Restricted, Unknown};
        use IdentityAtBank::{Differs, Matches, NotHeld, OldNumber};
        let refuse = |code| Judgement::Refuse(code);
        let same = "NGUYEN THI LAN";
        for (account, identity, holder, expected) in [
            (Open, Some(Matches), same, Judgement::Confirm),
            (
                Closed,
                Some(Matches),
                same,
                refuse(RefusalCode::AccountClosed),
            ),
            (
                Restricted,
                Some(Matches),
                same,
                refuse(RefusalCode::AccountRestricted),
            ),
            (Unknown, None, same, refuse(RefusalCode::AccountUnknown)),
            (
                Open,
                Some(Differs),
                same,
                refuse(RefusalCode::IdentityDiffers),
            ),
            (
                Open,
                Some(NotHeld),
                same,
                refuse(RefusalCode::IdentityNotHeld),
            ),
            (Open, None, same, refuse(RefusalCode::IdentityNotHeld)),
            (
                Open,
                Some(Matches),
                "TRAN VAN HUNG",
                refuse(RefusalCode::NameDiffers),
            ),
        ] {
            assert_eq!(
                judge(&told(account, identity, holder)),
                expected,
                "{holder}"
            );
        }
        let near = judge(&told(Open, Some(Matches), "NGUYEN LAN"));
        assert!(
            matches!(near, Judgement::Review { kind: "name", .. }),
            "{near:?}"
        );
        let mut old = told(Open, Some(OldNumber), same);
        assert!(matches!(
            judge(&old),
            Judgement::Review {
                kind: "old_number",
                ..
            }
        ));
        old.old_number_known = true;
        assert_eq!(judge(&old), Judgement::Confirm);
        old.name = None;
        assert_eq!(judge(&old), refuse(RefusalCode::NameDiffers));
    }

    #[test]
    fn what_a_reviewer_is_told_holds_no_name() {
        let detail = detail(&names::compare("Nguyễn Thị Lan", "NGUYEN LAN"));
        assert!(detail.starts_with("score "), "{detail}");
        assert!(!detail.to_uppercase().contains("LAN"), "{detail}");
    }
}

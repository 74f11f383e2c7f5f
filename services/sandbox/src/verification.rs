//! What a bank answers when it is asked whose an account is.
//!
//! An account that was opened by `sandbox.do.open-account` has the holder of the bank's books.
//! Of any other the answer is the good one (open, the asked name, the number matches), unless its
//! number is one of the test numbers ([`case`]).

mod case;
mod hearing;
mod store;

use domain::{BankAccount, CitizenNumber, Institution, PersonName};
use events::{AccountAtBank, IdentityAtBank};
use sha2::{Digest, Sha256};

pub(crate) use hearing::{VerificationsHeard, send_late};

use crate::former_number;
use crate::holders::Holder;
use case::Case;

/// What a bank is asked, opened.
pub(crate) struct Asked {
    pub verification_id: String,
    pub account: BankAccount,
    pub holder: PersonName,
    pub citizen_number: CitizenNumber,
}

/// What a bank answers, before it is sealed.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    pub account: AccountAtBank,
    pub identity: Option<IdentityAtBank>,
    pub holder: Option<String>,
    pub old_number: Option<String>,
}

/// Names that a stranger may have; no two share a word.
const STRANGERS: [&str; 6] = [
    "BUI XUAN MAI",
    "DO MINH KHOI",
    "LY THUY DUONG",
    "TA QUANG HUNG",
    "KIM SA RAY",
    "Y BLUM NIE",
];

/// What the bank has of an account that it was never told to open.
fn presumed(bank: Institution, seed: u64, asked: &Asked) -> Holder {
    let usual = Holder {
        name: asked.holder.bank_form(),
        citizen_number: Some(asked.citizen_number.clone()),
        old_number: None,
        standing: AccountAtBank::Open,
        moved_to: None,
    };
    let draw = draw(bank, seed, &asked.account);
    let former = former_number(&asked.citizen_number);
    match Case::of(&asked.account) {
        Case::Closed => Holder {
            standing: AccountAtBank::Closed,
            ..usual
        },
        Case::Restricted => Holder {
            standing: AccountAtBank::Restricted,
            ..usual
        },
        Case::Unknown => Holder {
            standing: AccountAtBank::Unknown,
            ..usual
        },
        Case::NumberDiffers => Holder {
            citizen_number: Some(another_number(&asked.citizen_number)),
            ..usual
        },
        Case::NumberNotHeld => Holder {
            citizen_number: None,
            ..usual
        },
        Case::OldNumber => Holder {
            citizen_number: None,
            old_number: Some(former),
            ..usual
        },
        Case::OtherOldNumber => Holder {
            citizen_number: None,
            old_number: Some(another_digit(&former)),
            ..usual
        },
        Case::NameNear => Holder {
            name: misspelt(&usual.name, draw),
            ..usual
        },
        Case::NameFar => Holder {
            name: stranger(&usual.name, draw),
            ..usual
        },
        Case::NameReordered => Holder {
            name: given_name_first(&usual.name),
            ..usual
        },
        Case::Usual
        | Case::Silent
        | Case::SilentTwice
        | Case::Late
        | Case::Twice
        | Case::Contradicting => usual,
    }
}

/// What the bank says of an account with this holder.
fn answer(asked: &Asked, holder: &Holder) -> Answer {
    let account = holder.standing;
    if !matches!(account, AccountAtBank::Open | AccountAtBank::Restricted) {
        // Of an account that it does not have, or has no longer, a bank names nobody.
        return Answer {
            account,
            identity: None,
            holder: None,
            old_number: None,
        };
    }
    let identity = match (&holder.citizen_number, &holder.old_number) {
        (Some(number), _) if *number == asked.citizen_number => IdentityAtBank::Matches,
        (Some(_), _) => IdentityAtBank::Differs,
        (None, Some(_)) => IdentityAtBank::OldNumber,
        (None, None) => IdentityAtBank::NotHeld,
    };
    let old_number = (identity == IdentityAtBank::OldNumber).then(|| holder.old_number.clone());
    Answer {
        account,
        identity: Some(identity),
        holder: Some(holder.name.clone()),
        old_number: old_number.flatten(),
    }
}

/// The contrary of what the bank has just said.
fn contrary(answer: &Answer, asked: &Asked) -> Answer {
    if answer.account == AccountAtBank::Open {
        return Answer {
            account: AccountAtBank::Closed,
            identity: None,
            holder: None,
            old_number: None,
        };
    }
    Answer {
        account: AccountAtBank::Open,
        identity: Some(IdentityAtBank::Matches),
        holder: Some(asked.holder.bank_form()),
        old_number: None,
    }
}

/// The same for ever, because it is a hash.
fn draw(bank: Institution, seed: u64, account: &BankAccount) -> usize {
    let hash: [u8; 32] = Sha256::new()
        .chain_update(seed.to_be_bytes())
        .chain_update(bank.to_string())
        .chain_update(account.expose())
        .finalize()
        .into();
    usize::from(u16::from_be_bytes([hash[0], hash[1]]))
}

/// The name with one letter replaced by the next of the alphabet.
fn misspelt(name: &str, draw: usize) -> String {
    let letters = name.chars().filter(char::is_ascii_uppercase).count();
    let chosen = draw % letters.max(1);
    let mut at = 0;
    let replaced = name.chars().map(|it| match it {
        'A'..='Z' => {
            at += 1;
            let next = if it == 'Z' {
                'A'
            } else {
                char::from(it as u8 + 1)
            };
            if at - 1 == chosen { next } else { it }
        }
        other => other,
    });
    replaced.collect()
}

/// A name without a word of the other.
fn stranger(name: &str, draw: usize) -> String {
    let foreign = |it: &&str| {
        !it.split(' ')
            .any(|word| name.split(' ').any(|it| it == word))
    };
    let turned = STRANGERS.iter().cycle().skip(draw % STRANGERS.len());
    let found = turned.take(STRANGERS.len()).copied().find(foreign);
    found.unwrap_or(STRANGERS[0]).to_owned()
}

/// As a bank writes it that has forms of another country: `AN NGUYEN VAN`.
fn given_name_first(name: &str) -> String {
    match name.rsplit_once(' ') {
        Some((rest, given)) => format!("{given} {rest}"),
        None => name.to_owned(),
    }
}

/// The number of somebody else born at the same place in the same year.
fn another_number(number: &CitizenNumber) -> CitizenNumber {
    let text = another_digit(number.expose());
    text.parse()
        .expect("the last of twelve digits means nothing")
}

fn another_digit(number: &str) -> String {
    let (rest, last) = number.split_at(number.len() - 1);
    let last = if last == "9" { "0" } else { "9" };
    format!("{rest}{last}")
}

#[cfg(test)]
mod tests {
    use super::*;

    const NUMBER: &str = "001148003117";

    fn asked(account: &str, holder: &str) -> Asked {
        Asked {
            verification_id: "L0000000023-01".to_owned(),
            account: account.parse().unwrap(),
            holder: holder.parse().unwrap(),
            citizen_number: NUMBER.parse().unwrap(),
        }
    }

    fn answered(account: &str, holder: &str) -> Answer {
        let asked = asked(account, holder);
        let bank = "970436".parse().unwrap();
        answer(&asked, &presumed(bank, 7, &asked))
    }

    fn words(name: &str) -> Vec<&str> {
        name.split(' ').collect()
    }

    #[test]
    fn an_account_that_nobody_opened_is_the_asked_persons() {
        let answer = answered("0011004123456", "Nguyễn Thị Ánh");
        assert!(answer.account == AccountAtBank::Open);
        assert_eq!(answer.identity, Some(IdentityAtBank::Matches));
        assert_eq!(answer.holder.as_deref(), Some("NGUYEN THI ANH"));
        assert_eq!(answer.old_number, None);
    }

    #[test]
    fn a_test_number_says_how_the_account_stands() {
        for (account, standing) in [
            ("9999000000000001", AccountAtBank::Closed),
            ("9999123456789002", AccountAtBank::Restricted),
            ("9999000000000003", AccountAtBank::Unknown),
        ] {
            let answer = answered(account, "Nguyễn Thị Ánh");
            assert_eq!(answer.account, standing);
            let named = standing == AccountAtBank::Restricted;
            assert_eq!(
                (answer.holder.is_some(), answer.identity.is_some()),
                (named, named)
            );
        }
    }

    #[test]
    fn a_test_number_says_which_papers_the_bank_has() {
        let former = former_number(&NUMBER.parse().unwrap());
        for (account, identity, old_number) in [
            ("9999000000000011", IdentityAtBank::Differs, None),
            ("9999000000000012", IdentityAtBank::NotHeld, None),
            ("9999000000000013", IdentityAtBank::OldNumber, Some(&former)),
        ] {
            let answer = answered(account, "Nguyễn Thị Ánh");
            assert_eq!(answer.identity, Some(identity));
            assert_eq!(answer.old_number.as_ref(), old_number);
            assert_eq!(answer.account, AccountAtBank::Open);
        }
        let other = answered("9999000000000014", "Nguyễn Thị Ánh");
        assert_eq!(other.identity, Some(IdentityAtBank::OldNumber));
        let other = other.old_number.unwrap();
        assert!(other.len() == 9 && other != former);
    }

    #[test]
    fn a_test_number_says_how_the_name_is_written() {
        for name in [
            "Nguyễn Thị Ánh",
            "H' Hen Niê",
            "Giàng A Páo",
            "Y Blum Niê",
            "Bùi Xuân Mai",
        ] {
            let form = PersonName::bank_form_of(name);
            let held = |account| answered(account, name).holder.unwrap();
            let near = held("9999000000000021");
            let pairs = near.chars().zip(form.chars());
            assert_eq!(pairs.filter(|(a, b)| a != b).count(), 1, "{near} {form}");
            assert_eq!(near.len(), form.len());

            let far = held("9999000000000022");
            assert!(
                words(&far).iter().all(|it| !words(&form).contains(it)),
                "{far}"
            );

            let reordered = held("9999000000000023");
            let (mut ours, mut theirs) = (words(&form), words(&reordered));
            assert_ne!(ours, theirs);
            ours.sort_unstable();
            theirs.sort_unstable();
            assert_eq!(ours, theirs);
        }
        assert_eq!(
            answered("9999000000000023", "Nguyễn Thị Ánh")
                .holder
                .unwrap(),
            "ANH NGUYEN THI"
        );
    }

    #[test]
    fn the_books_are_believed_before_the_number() {
        let asked = asked("9999000000000001", "Nguyễn Thị Ánh");
        let holder = Holder {
            name: "NGUYEN THI ANH".to_owned(),
            citizen_number: None,
            old_number: Some("012345678".to_owned()),
            standing: AccountAtBank::Open,
            moved_to: None,
        };
        let answer = answer(&asked, &holder);
        assert_eq!(answer.account, AccountAtBank::Open);
        assert_eq!(answer.old_number.as_deref(), Some("012345678"));
        // A number that the bank has goes before the former one.
        let both = Holder {
            citizen_number: Some(NUMBER.parse().unwrap()),
            ..holder
        };
        let answer = super::answer(&asked, &both);
        assert_eq!(
            (answer.identity, answer.old_number),
            (Some(IdentityAtBank::Matches), None)
        );
    }

    #[test]
    fn the_contrary_of_an_answer_is_another_end() {
        let asked = asked("9999000000000035", "Nguyễn Thị Ánh");
        let good = answer(&asked, &presumed("970436".parse().unwrap(), 7, &asked));
        let bad = contrary(&good, &asked);
        assert_eq!(bad.account, AccountAtBank::Closed);
        assert!(contrary(&bad, &asked) == good);
    }
}

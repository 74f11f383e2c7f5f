use chrono::Datelike;
use domain::{Institution, Money, Part};
use events::{ResultLine, ResultStatus, Results};

use crate::Error;

/// The longest reference of a bank, in characters (ISO 20022 `Max35Text`).
const TEXT_MAX: usize = 35;
/// How the ids of answers begin that officers gave; no bank's may.
pub(crate) const SETTLED_BY_OFFICERS: &str = "settlement/";

/// What our books know of the payment that a result line names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Found {
    pub institution: Institution,
    pub amount: Money,
    pub standing: Standing,
}

/// How a payment stands when a result arrives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Not handed to any institution yet.
    NotReleased,
    /// Out, no answer yet.
    InTransit,
    /// Out for longer than allowed; late answers still count.
    Unknown,
    /// The first answer stands.
    Answered(ResultStatus),
}

/// What a result line does to the books.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Judgement {
    Apply(ResultStatus),
    /// Changes nothing; kept with its stable code.
    Refuse(&'static str),
}

/// Refuses texts and days that no bank can have meant, before anything is stored.
pub(crate) fn refuse_impossible(message: &Results) -> Result<(), Error> {
    refuse_impossible_id(&message.message_id)?;
    for line in &message.lines {
        if !readable(&line.bank_ref) || !line.reason.as_deref().is_none_or(readable) {
            return Err(Error::ImpossibleMessage(
                "a reference or reason is at most 35 printable characters",
            ));
        }
        if !(1990..=2199).contains(&line.booked_on.year()) {
            return Err(Error::ImpossibleMessage("nothing is booked in that year"));
        }
    }
    Ok(())
}

pub(crate) fn refuse_impossible_id(message_id: &str) -> Result<(), Error> {
    if message_id.is_empty() || !readable(message_id) {
        return Err(Error::ImpossibleMessage(
            "its id is not 1 to 35 printable characters",
        ));
    }
    if message_id.starts_with(SETTLED_BY_OFFICERS) {
        return Err(Error::ImpossibleMessage("its id is one of ours"));
    }
    Ok(())
}

fn readable(text: &str) -> bool {
    text.chars().count() <= TEXT_MAX && !text.chars().any(char::is_control)
}

/// Decides one line of a bank's message. Pure; the first final answer stands, and nothing that
/// does not fit moves money.
pub fn judge(line: &ResultLine, from: Institution, part: Part, found: Option<&Found>) -> Judgement {
    if line.end_to_end_id.part != part {
        return Judgement::Refuse("wrong_partition");
    }
    let Some(found) = found.filter(|it| it.standing != Standing::NotReleased) else {
        return Judgement::Refuse("unknown_payment");
    };
    if found.institution != from {
        return Judgement::Refuse("not_your_payment");
    }
    if found.amount != line.amount {
        return Judgement::Refuse("amount_mismatch");
    }
    if line.status == ResultStatus::Rejected && line.reason.is_none() {
        return Judgement::Refuse("reason_missing");
    }
    match found.standing {
        Standing::Answered(status) if status == line.status => {
            Judgement::Refuse("duplicate_result")
        }
        Standing::Answered(_) => Judgement::Refuse("contradicting_result"),
        Standing::InTransit | Standing::Unknown | Standing::NotReleased => {
            Judgement::Apply(line.status)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ResultStatus::{Credited, Rejected};

    fn line(status: ResultStatus, amount: u64) -> ResultLine {
        ResultLine {
            end_to_end_id: "R000001-07-0001-0001".parse().unwrap(),
            status,
            reason: (status == Rejected).then(|| "AC04".to_owned()),
            amount: Money::dong(amount),
            bank_ref: "B1".to_owned(),
            booked_on: "2026-12-01".parse().unwrap(),
        }
    }

    #[test]
    fn each_standing_and_answer_is_decided() {
        let bank: Institution = "970436".parse().unwrap();
        let other: Institution = "970405".parse().unwrap();
        let amount = Money::dong(540_000);
        let (credited, rejected) = (line(Credited, 540_000), line(Rejected, 540_000));
        for (standing, from, line, expected) in [
            (None, bank, &credited, Err("unknown_payment")),
            (
                Some(Standing::NotReleased),
                bank,
                &credited,
                Err("unknown_payment"),
            ),
            (
                Some(Standing::InTransit),
                other,
                &credited,
                Err("not_your_payment"),
            ),
            (
                Some(Standing::InTransit),
                bank,
                &line(Credited, 540_001),
                Err("amount_mismatch"),
            ),
            (Some(Standing::InTransit), bank, &credited, Ok(Credited)),
            (Some(Standing::Unknown), bank, &rejected, Ok(Rejected)),
            (
                Some(Standing::Answered(Credited)),
                bank,
                &credited,
                Err("duplicate_result"),
            ),
            (
                Some(Standing::Answered(Credited)),
                bank,
                &rejected,
                Err("contradicting_result"),
            ),
            (
                Some(Standing::Answered(Rejected)),
                bank,
                &credited,
                Err("contradicting_result"),
            ),
        ] {
            let found = standing.map(|standing| Found {
                institution: bank,
                amount,
                standing,
            });
            let expected = expected.map_or_else(Judgement::Refuse, Judgement::Apply);
            let part = Part::try_from(7).unwrap();
            assert_eq!(
                judge(line, from, part, found.as_ref()),
                expected,
                "{found:?}"
            );
        }
    }

    #[test]
    fn a_rejection_needs_its_reason_and_a_line_its_partition() {
        let bank: Institution = "970436".parse().unwrap();
        let found = Found {
            institution: bank,
            amount: Money::dong(1),
            standing: Standing::InTransit,
        };
        let mut rejected = line(Rejected, 1);
        rejected.reason = None;
        let part = Part::try_from(7).unwrap();
        assert_eq!(
            judge(&rejected, bank, part, Some(&found)),
            Judgement::Refuse("reason_missing")
        );
        let line = line(Credited, 1);
        assert_eq!(
            judge(&line, bank, Part::ZERO, Some(&found)),
            Judgement::Refuse("wrong_partition")
        );
    }

    #[test]
    fn a_message_with_impossible_texts_or_days_is_never_stored() {
        let message = || Results {
            institution: "970436".parse().unwrap(),
            part: Part::try_from(7).unwrap(),
            message_id: "M1".to_owned(),
            lines: vec![line(Rejected, 1)],
        };
        assert!(refuse_impossible(&message()).is_ok());
        let wrong: [fn(&mut Results); 6] = [
            |it| it.message_id.clear(),
            |it| it.message_id = "M\0".to_owned(),
            |it| it.message_id = "M".repeat(36),
            |it| it.lines[0].bank_ref = "FT\0".to_owned(),
            |it| it.lines[0].reason = Some("AC04\n".to_owned()),
            |it| it.lines[0].booked_on = chrono::NaiveDate::MIN,
        ];
        for spoil in wrong {
            let mut message = message();
            spoil(&mut message);
            assert!(refuse_impossible(&message).is_err(), "{message:?}");
        }
    }
}

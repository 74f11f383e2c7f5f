//! Whether what was not paid may be paid again, by how its latest attempt ended.

use std::collections::{BTreeMap, HashMap};

use domain::{Institution, Money, Period, PersonNo, Position, Province};
use events::ResultStatus;

use crate::line::Line;
use crate::recovery::Deduction;
use crate::result::Standing;
use crate::store::Begun;

/// Lines that one run pays again at most; what is left is for the next one.
pub(crate) const REISSUED_MAX: i64 = 50_000;
/// Lines that a command may name.
pub(crate) const NAMED_MAX: usize = 10_000;
/// Lines in one event: each carries the ways that have failed.
pub(crate) const EVENT_LINES_MAX: usize = 500;

/// What an institution says of a person who is dead: nobody else pays on without a person's word.
const REPORTED_DEAD: &str = "MD07";

/// An attempt at paying an obligation, with its line and how that stands.
#[derive(Debug, Clone)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a fact of its own about the line"
)]
pub(crate) struct Attempt {
    pub position: Position,
    /// 1 is the obligation's own line.
    pub number: i16,
    pub person_no: PersonNo,
    pub determination_no: i16,
    pub amount: Money,
    pub deduction: Option<Deduction>,
    pub local: Money,
    pub province: Province,
    pub rate_no: i32,
    pub period: Period,
    pub institution: Institution,
    pub standing: Standing,
    /// Of its result.
    pub reason: Option<String>,
    /// The run is through with its lines: what it has held back stays held back.
    pub is_left_behind: bool,
    pub holds: Holds,
    pub doubt: Doubt,
    /// Kept from going out for good: its money is the fund's again.
    pub is_stopped: bool,
    /// Set aside, because nobody has fetched it for months.
    pub is_unclaimed: bool,
    /// Another attempt follows it already.
    pub is_succeeded: bool,
    /// An earlier attempt left its money in payable.
    pub was_reserved: bool,
    /// Where an earlier attempt left the treasury's cash.
    pub cash_at: Option<Institution>,
}

/// What holds a line.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Holds {
    pub open: i64,
    /// Those of them that are over and leave the line to be issued again.
    pub over: i64,
    /// All of them came after the approval, so that the line was reserved with its run.
    pub after_approval: bool,
}

/// What speaks against an attempt beside its own end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Doubt {
    Nothing,
    /// The obligation was withdrawn, or its money is asked back.
    NotOwed,
    /// The institution says two different things, so the person may have been paid.
    Contradicted,
}

/// What the next attempt begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Succession {
    /// The money is in payable, so that nothing is committed or reserved for it again.
    pub is_reserved: bool,
    /// Where the treasury's cash for it lies; none while it is in its own hands.
    pub cash_at: Option<Institution>,
}

/// Where the treasury's cash for lines lies, and how much of it; none while it is in its own hands.
pub(crate) fn cash_by_place(
    lines: &[Line],
    begun: &HashMap<Position, Begun>,
) -> BTreeMap<Option<Institution>, Money> {
    let mut cash: BTreeMap<Option<Institution>, Money> = BTreeMap::new();
    for line in lines {
        let lies_at = begun.get(&line.position).and_then(|it| it.cash_at);
        let sum = cash.entry(lies_at).or_default();
        *sum = Money::sum([*sum, line.amount]);
    }
    cash
}

impl Attempt {
    /// What the next attempt begins with, or by a stable code why there may be none. `is_named` says
    /// that an officer named this very line.
    pub(crate) fn succession(&self, is_named: bool) -> Result<Succession, &'static str> {
        if self.is_succeeded {
            return Err("issued_again");
        }
        match self.doubt {
            Doubt::Nothing => {}
            Doubt::NotOwed => return Err("not_owed"),
            Doubt::Contradicted => return Err("contradicted"),
        }
        match self.standing {
            Standing::Answered(ResultStatus::Credited) => Err("paid"),
            Standing::Answered(ResultStatus::Rejected) => {
                if self.reason.as_deref() == Some(REPORTED_DEAD) && !is_named {
                    return Err("reported_dead");
                }
                if self.is_unclaimed && !is_named {
                    return Err("unclaimed");
                }
                Ok(Succession {
                    is_reserved: true,
                    cash_at: Some(self.institution),
                })
            }
            // Nothing is left of what its run has committed for it.
            _ if self.is_stopped => self.left_behind(false),
            // Whatever its chunk does, a line that is held stays here.
            _ if self.holds.open > 0 => self.freed(),
            Standing::NotReleased => Err("planned"),
            Standing::InTransit => Err("in_transit"),
            Standing::Unknown => Err("unknown"),
        }
    }

    fn freed(&self) -> Result<Succession, &'static str> {
        if self.holds.over < self.holds.open {
            return Err("held");
        }
        self.left_behind(self.was_reserved || self.holds.after_approval)
    }

    fn left_behind(&self, is_reserved: bool) -> Result<Succession, &'static str> {
        if !self.is_left_behind {
            return Err("planned");
        }
        Ok(Succession {
            is_reserved,
            cash_at: self.cash_at,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ResultStatus::{Credited, Rejected};

    fn attempt(standing: Standing) -> Attempt {
        Attempt {
            position: "R000001-07-0001-0001".parse().unwrap(),
            number: 1,
            person_no: PersonNo(7),
            determination_no: 1,
            amount: Money::dong(540_000),
            deduction: None,
            local: Money::ZERO,
            province: "79".parse().unwrap(),
            rate_no: 1,
            period: "2026-12".parse().unwrap(),
            institution: "970436".parse().unwrap(),
            standing,
            reason: (standing == Standing::Answered(Rejected)).then(|| "AC04".to_owned()),
            is_left_behind: true,
            holds: Holds::default(),
            doubt: Doubt::Nothing,
            is_stopped: false,
            is_unclaimed: false,
            is_succeeded: false,
            was_reserved: false,
            cash_at: None,
        }
    }

    #[test]
    fn only_what_has_ended_without_paying_is_paid_again() {
        let institution = "970436".parse().unwrap();
        let rejected = Succession {
            is_reserved: true,
            cash_at: Some(institution),
        };
        for (standing, expected) in [
            (Standing::NotReleased, Err("planned")),
            (Standing::InTransit, Err("in_transit")),
            (Standing::Unknown, Err("unknown")),
            (Standing::Answered(Credited), Err("paid")),
            (Standing::Answered(Rejected), Ok(rejected)),
        ] {
            let it = attempt(standing);
            assert_eq!(it.succession(false), expected, "{standing:?}");
            let succeeded = Attempt {
                is_succeeded: true,
                ..it.clone()
            };
            assert_eq!(succeeded.succession(true), Err("issued_again"));
            for (doubt, code) in [
                (Doubt::NotOwed, "not_owed"),
                (Doubt::Contradicted, "contradicted"),
            ] {
                let doubted = Attempt {
                    doubt,
                    ..it.clone()
                };
                assert_eq!(doubted.succession(true), Err(code), "{standing:?}");
            }
        }
    }

    #[test]
    fn the_reported_dead_and_the_unclaimed_are_paid_again_by_name_only() {
        let mut it = attempt(Standing::Answered(Rejected));
        it.is_unclaimed = true;
        assert_eq!(it.succession(false), Err("unclaimed"));
        it.reason = Some("MD07".to_owned());
        assert_eq!(it.succession(false), Err("reported_dead"));
        assert!(it.succession(true).is_ok());
    }

    #[test]
    fn a_line_that_was_held_is_paid_again_when_nothing_holds_it_and_its_run_is_through() {
        let held = |open, over, after_approval| Holds {
            open,
            over,
            after_approval,
        };
        for standing in [Standing::NotReleased, Standing::InTransit] {
            for (holds, is_left_behind, was_reserved, expected) in [
                (held(1, 0, false), true, false, Err("held")),
                (held(2, 1, true), true, false, Err("held")),
                (held(1, 1, true), false, false, Err("planned")),
                (held(1, 1, true), true, false, Ok(true)),
                (held(2, 2, false), true, false, Ok(false)),
                (held(1, 1, false), true, true, Ok(true)),
            ] {
                let it = Attempt {
                    is_left_behind,
                    holds,
                    was_reserved,
                    ..attempt(standing)
                };
                let is_reserved = it.succession(false).map(|it| it.is_reserved);
                assert_eq!(is_reserved, expected, "{standing:?} {holds:?}");
            }
        }
    }

    #[test]
    fn what_was_stopped_is_committed_and_reserved_anew() {
        // A chunk is stopped before any message of it has left, or after one.
        for standing in [Standing::NotReleased, Standing::InTransit] {
            for (is_left_behind, expected) in [(false, Err("planned")), (true, Ok(false))] {
                let it = Attempt {
                    is_left_behind,
                    is_stopped: true,
                    ..attempt(standing)
                };
                let is_reserved = it.succession(false).map(|it| it.is_reserved);
                assert_eq!(is_reserved, expected, "{standing:?}");
            }
        }
    }

    #[test]
    fn the_cash_stays_where_the_attempt_before_left_it() {
        let bank = "970405".parse().unwrap();
        let it = Attempt {
            holds: Holds {
                open: 1,
                over: 1,
                after_approval: false,
            },
            was_reserved: true,
            cash_at: Some(bank),
            ..attempt(Standing::NotReleased)
        };
        assert_eq!(it.succession(false).unwrap().cash_at, Some(bank));
    }
}

//! What a bank makes of a message where a scenario is in force.

use chrono::NaiveDate;
use events::{EntryKind, Instruction, Instructions, ResultLine};

use super::{Bank, CarriedOut, Draw, Entry, Movement, Status, entry, result, results};
use crate::Error;
use crate::scenario::{Deviation, Scenario};

impl Bank {
    /// Carries out a whole message or none of it: who is hit is as the scenario says, the others are
    /// paid or rejected by its seed and answered at once.
    pub(crate) fn play(
        &self,
        message: &Instructions,
        scenario: Scenario,
    ) -> Result<CarriedOut, Error> {
        self.verify(message)?;
        self.read(message)?;
        let mut played = Played::default();
        for it in &message.lines {
            let draw = Draw::of(u64::from(scenario.seed), it.end_to_end_id);
            let deviation = scenario.deviation(it.end_to_end_id, it.amount);
            let reason = self.rejection(draw.outcome);
            let reason = reason.filter(|_| !deviation.is_some_and(Deviation::pays));
            played.line(it, deviation, (reason, &draw), message.business_date);
        }
        let Played {
            entries,
            movements,
            mut at_once,
            mut late,
        } = played;
        at_once.sort_by_key(|(order, _)| *order);
        late.sort_by_key(|(_, it)| std::cmp::Reverse(it.end_to_end_id));
        Ok(CarriedOut {
            entries,
            movements,
            at_once: results(message, "", at_once),
            late: results(message, "-late", late),
        })
    }
}

/// What a scenario makes of a message, grown line by line; answers with their place in the order.
#[derive(Debug, Default)]
struct Played {
    entries: Vec<Entry>,
    movements: Vec<Movement>,
    at_once: Vec<(u64, ResultLine)>,
    late: Vec<(u64, ResultLine)>,
}

impl Played {
    fn line(
        &mut self,
        it: &Instruction,
        deviation: Option<Deviation>,
        (reason, draw): (Option<&'static str>, &Draw),
        booked_on: NaiveDate,
    ) {
        let status = reason.map_or(Status::Credited, |_| Status::Rejected);
        let mut booked = entry(it, status, reason, draw);
        let mut answer = result(it, reason, draw, booked_on);
        let mut later = answer.clone();
        let (mut is_now, mut is_later) = (true, false);
        match deviation {
            None => {}
            Some(Deviation::Late) => (is_now, is_later) = (false, true),
            Some(Deviation::Repeated) => is_later = true,
            Some(Deviation::Lost) => is_now = false,
            Some(Deviation::Contradicted) => {
                later = result(it, Some("AC04"), draw, booked_on);
                is_later = true;
            }
            Some(Deviation::OtherAmount(amount)) => {
                later.amount = amount;
                is_later = true;
            }
            Some(Deviation::PaidTwice) => self.moved(it, EntryKind::Payment, draw),
            Some(Deviation::WrongAmount { paid, admitted }) => {
                booked.amount = paid;
                answer.amount = if admitted { paid } else { it.amount };
            }
            Some(Deviation::Withheld) => (booked.vague, is_now) = (true, false),
            Some(Deviation::Dropped) => {
                booked = entry(it, Status::Silent, None, draw);
                is_now = false;
            }
            Some(Deviation::ReturnedLate) => self.moved(it, EntryKind::Return, draw),
        }
        self.entries.push(booked);
        if is_now {
            self.at_once.push((draw.order, answer));
        }
        if is_later {
            self.late.push((draw.order, later));
        }
    }

    fn moved(&mut self, it: &Instruction, kind: EntryKind, draw: &Draw) {
        self.movements.push(Movement {
            line: it.end_to_end_id.line,
            kind,
            amount: it.amount,
            bank_ref: format!("{}-2", draw.bank_ref()),
        });
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use domain::{Channel, Money};
    use events::ResultStatus;

    use super::*;
    use crate::banks::tests::{bank, message};
    use crate::scenario::ScenarioKind;

    /// What a line was executed with, what else moved, and what was said of it, in order.
    #[derive(Debug, Default, PartialEq, Eq)]
    struct Told {
        paid: Option<Money>,
        moved: Vec<EntryKind>,
        said: Vec<(ResultStatus, Money)>,
    }

    fn played(kind: ScenarioKind) -> Vec<(Option<Deviation>, Told)> {
        let bank = bank("970405", Channel::BankAccount);
        let message = message(&bank, 3, 7, 1_000);
        let scenario = Scenario {
            kind,
            seed: 7,
            share_per_mille: 300,
        };
        let carried = bank.play(&message, scenario).unwrap();
        let mut told: BTreeMap<i32, Told> = BTreeMap::new();
        for it in &carried.entries {
            let paid = (it.status == Status::Credited).then_some(it.amount);
            told.entry(it.line.0).or_default().paid = paid;
        }
        for it in &carried.movements {
            told.entry(it.line.0).or_default().moved.push(it.kind);
        }
        let messages = [carried.at_once, carried.late];
        for it in messages.into_iter().flatten().flat_map(|it| it.lines) {
            let line = told.entry(it.end_to_end_id.line.0).or_default();
            line.said.push((it.status, it.amount));
        }
        let lines = message.lines.iter();
        lines
            .zip(told.into_values())
            .map(|(it, told)| (scenario.deviation(it.end_to_end_id, it.amount), told))
            .collect()
    }

    #[test]
    fn books_say_what_was_done_and_answers_what_the_scenario_has_them_say() {
        use ResultStatus::{Credited, Rejected};
        let amount = Money::dong(500_000);
        let right = (Credited, amount);
        for kind in [
            ScenarioKind::Contradicts,
            ScenarioKind::PaysTwice,
            ScenarioKind::WrongAmount,
            ScenarioKind::Silent,
            ScenarioKind::ReturnsLate,
        ] {
            for (deviation, told) in played(kind) {
                let (paid, moved, said) = match deviation {
                    None if told.paid.is_none() => (None, vec![], vec![(Rejected, amount)]),
                    None => (Some(amount), vec![], vec![right]),
                    Some(Deviation::Contradicted) => {
                        (Some(amount), vec![], vec![right, (Rejected, amount)])
                    }
                    Some(Deviation::OtherAmount(other)) => {
                        (Some(amount), vec![], vec![right, (Credited, other)])
                    }
                    Some(Deviation::PaidTwice) => {
                        (Some(amount), vec![EntryKind::Payment], vec![right])
                    }
                    Some(Deviation::WrongAmount { paid, admitted }) => {
                        let told = if admitted { paid } else { amount };
                        (Some(paid), vec![], vec![(Credited, told)])
                    }
                    Some(Deviation::Withheld) => (Some(amount), vec![], vec![]),
                    Some(Deviation::Dropped) => (None, vec![], vec![]),
                    Some(Deviation::ReturnedLate) => {
                        (Some(amount), vec![EntryKind::Return], vec![right])
                    }
                    Some(other) => panic!("{other:?} is of month-end"),
                };
                assert_eq!(told, Told { paid, moved, said }, "{deviation:?}");
            }
        }
    }

    #[test]
    fn month_end_changes_when_and_how_often_a_line_is_answered_and_nothing_else() {
        for (deviation, told) in played(ScenarioKind::MonthEnd) {
            let times = match deviation {
                Some(Deviation::Lost) => 0,
                Some(Deviation::Repeated) => 2,
                None | Some(Deviation::Late) => 1,
                Some(other) => panic!("{other:?} is none of month-end"),
            };
            assert_eq!((told.said.len(), told.moved.len()), (times, 0));
            let statuses = told.said.iter().map(|(status, _)| *status);
            let paid = told.paid.is_some();
            assert!(
                statuses
                    .into_iter()
                    .all(|it| (it == ResultStatus::Credited) == paid)
            );
        }
    }
}

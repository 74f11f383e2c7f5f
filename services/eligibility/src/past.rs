//! Past periods of people, decided again.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, Utc};
use domain::{Part, Period, PersonNo, Programme};
use events::WithdrawnLine;
use rules::{At, Bench, Law};
use sqlx::PgConnection;

use crate::Error;
use crate::arrears::{Correction, Obligated, corrections};
use crate::determination::{Determination, decide, inputs_json, overlapping};
use crate::law::Laws;
use crate::store::{self, Decided, Known, Past};

/// Runs of a programme that are looked back at: two years of months, and extra runs among them.
pub(crate) const LOOK_BACK: i64 = 36;

/// The past of one programme's partition.
pub(crate) struct History {
    /// All runs before this one, the oldest first.
    runs: Vec<Past>,
    /// Periods of which the law now says something else than when it was looked at last.
    changed: Vec<Period>,
}

/// What deciding the past again has found.
#[derive(Default)]
pub(crate) struct Found {
    pub arrears: Vec<Decided>,
    pub withdrawn: Vec<WithdrawnLine>,
}

/// On what the past is decided again.
pub(crate) struct Present<'a> {
    pub law: &'a Law,
    pub part: Part,
    pub programme: Programme,
    /// The day by which rates and events are known.
    pub known: NaiveDate,
}

impl History {
    /// What ran before `run_no`, without a look at the law.
    pub async fn of_runs(
        tx: &mut PgConnection,
        (part, programme): (Part, Programme),
        run_no: i64,
    ) -> Result<History, Error> {
        let runs = store::earlier_freezes(tx, (part, programme), run_no, LOOK_BACK).await?;
        Ok(History {
            runs,
            changed: Vec::new(),
        })
    }

    /// What ran before `run_no`, and for which periods the law of now says another thing than the
    /// law of then.
    pub async fn before(
        tx: &mut PgConnection,
        laws: &Laws,
        present: &Present<'_>,
        run_no: i64,
    ) -> Result<History, Error> {
        let key = (present.part, present.programme);
        let mut history = History::of_runs(tx, key, run_no).await?;
        if let Some(last) = history.runs.last() {
            let then = laws.numbered(tx, last.law_no).await?;
            let changed = |period: &Period| {
                let saw = said(
                    &then.law,
                    present.programme,
                    at(*period, last.business_date),
                );
                said(present.law, present.programme, at(*period, present.known)) != saw
            };
            history.changed = history.periods().into_iter().filter(changed).collect();
        }
        Ok(history)
    }

    /// When the past was looked at last; `None` where there is none.
    pub fn looked_at(&self) -> Option<DateTime<Utc>> {
        self.runs.last().map(|it| it.frozen_at)
    }

    /// The latest day by which rates were known to a run.
    pub fn known(&self) -> Option<NaiveDate> {
        self.runs.iter().map(|it| it.business_date).max()
    }

    pub fn has_changed_law(&self) -> bool {
        !self.changed.is_empty()
    }

    /// The periods before one of which the law now says another thing.
    pub fn changed_before(&self, period: Period) -> impl Iterator<Item = Period> {
        let changed = self.changed.iter().copied();
        changed.filter(move |it| *it < period)
    }

    pub fn run_nos(&self) -> Vec<i64> {
        self.runs.iter().map(|it| it.run_no).collect()
    }

    pub fn periods(&self) -> Vec<Period> {
        let mut periods: Vec<Period> = self.runs.iter().map(|it| it.period).collect();
        periods.sort_unstable();
        periods.dedup();
        periods
    }

    /// The periods to decide again for a person: all where something became known of the person,
    /// else those of which the law speaks otherwise. The run's own period is not past.
    fn periods_of(&self, has_news: bool, current: Option<Period>) -> Vec<Period> {
        let periods = if has_news {
            self.periods()
        } else {
            self.changed.clone()
        };
        periods
            .into_iter()
            .filter(|it| Some(*it) != current)
            .collect()
    }
}

/// Decides the past of people again and says what has to be corrected. Pure but for its inputs:
/// `standing` is what is obligated.
pub(crate) fn decide_again(
    bench: &mut Bench,
    present: &Present<'_>,
    history: &History,
    person: &Known,
    (has_news, current): (bool, Option<Period>),
    standing: &BTreeMap<(PersonNo, Period), Vec<Obligated>>,
    found: &mut Found,
) -> Result<(), Error> {
    for period in history.periods_of(has_news, current) {
        let looked_at = standing.get(&(person.person_no, period));
        if looked_at.is_none() && !person.was_entitled(present.programme, period) {
            continue;
        }
        let obligated = looked_at.map(Vec::as_slice).unwrap_or_default();
        let Some(inputs) = person.inputs(present.programme, period) else {
            continue;
        };
        let at = at(period, present.known);
        let determination = decide(present.law, bench, present.programme, &inputs, at)?;
        for correction in corrections(obligated, determination.owed) {
            match correction {
                Correction::Arrears {
                    determination_no,
                    amount,
                } => found.arrears.push(Decided {
                    person_no: person.person_no,
                    period,
                    determination_no,
                    amount,
                    province: inputs.enrolled[&present.programme].province,
                    determination: determination.clone(),
                    inputs: inputs_json(present.programme, &inputs, at),
                }),
                Correction::Withdraw {
                    determination_no,
                    turn,
                    amount,
                }
                | Correction::Restore {
                    determination_no,
                    turn,
                    amount,
                } => found.withdrawn.push(WithdrawnLine {
                    person_no: person.person_no,
                    programme: present.programme,
                    period,
                    determination_no,
                    turn,
                    amount,
                    reason: reason(&determination).to_owned(),
                }),
            }
        }
    }
    Ok(())
}

fn reason(determination: &Determination) -> &str {
    determination.reason.as_deref().unwrap_or("amount_changed")
}

/// What the law says of a programme and those it overlaps with, for a period as known on a day:
/// the versions that hold and the values of their parameters.
fn said(law: &Law, programme: Programme, at: At) -> Vec<(String, Vec<i32>)> {
    let mut programmes = overlapping(law, programme);
    programmes.push(programme);
    let holding = programmes.iter().filter_map(|it| {
        let version = law.programme(*it)?.holding(at)?;
        Some((version.rule(), law.rates_of(version, at)))
    });
    holding.collect()
}

pub(crate) fn at(period: Period, known: NaiveDate) -> At {
    At { period, known }
}

//! Pauses an institution that rejects too much of what it gets.

use chrono::{DateTime, Utc};
use domain::{Institution, Part, RunNo};
use events::{ResultStatus, ResultsApplied};
use sqlx::PgConnection;
use std::collections::BTreeMap;

use crate::Error;
use crate::release::Scope;
use crate::store;

/// What an institution last answered of a run, and what is too much.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Window {
    pub answer_no: i64,
    pub lines: i64,
    pub rejected: i64,
    pub rejected_percent: i64,
    pub enough_lines: i64,
}

impl Window {
    /// Whether so much was rejected that nothing more goes there; pure.
    pub(crate) fn is_too_much(&self) -> bool {
        self.lines >= self.enough_lines && self.rejected * 100 > self.lines * self.rejected_percent
    }
}

/// An institution answered: where it rejected too much, it is paused until an officer resumes it.
pub(crate) async fn on_answers(
    tx: &mut PgConnection,
    (part, institution): (Part, Institution),
    applied: &[ResultsApplied],
    now: DateTime<Utc>,
) -> Result<(), Error> {
    let mut by_run: BTreeMap<RunNo, (i64, i64)> = BTreeMap::new();
    for line in applied.iter().flat_map(|it| &it.lines) {
        let (lines, rejected) = by_run.entry(line.run_no).or_default();
        *lines += 1;
        *rejected += i64::from(line.status == ResultStatus::Rejected);
    }
    for (run_no, counted) in by_run {
        let window = store::count_answer(tx, (run_no, institution, part), counted).await?;
        if window.is_too_much() {
            pause(tx, (run_no, institution), &window, now).await?;
        }
    }
    Ok(())
}

async fn pause(
    tx: &mut PgConnection,
    (run_no, institution): (RunNo, Institution),
    window: &Window,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    let reason = format!(
        "{} of the last {} lines that {institution} answered of {run_no} were rejected",
        window.rejected, window.lines
    );
    let scope = Scope::Institution(institution);
    let paused = store::pause(tx, scope, (None, &reason), Some(window.answer_no), now).await?;
    if let Some(order_no) = paused {
        let alarm = ("institution_paused", format!("{institution} {order_no}"));
        store::raise_alarms(tx, &[alarm], now).await?;
        tracing::error!(
            run = run_no.0,
            institution = institution.number(),
            rejected = window.rejected,
            lines = window.lines,
            "An institution rejects too much and is paused"
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_institution_is_paused_above_its_limit_and_not_for_a_handful() {
        let window = |lines, rejected| Window {
            answer_no: 1,
            lines,
            rejected,
            rejected_percent: 30,
            enough_lines: 100,
        };
        for (lines, rejected, expected) in [
            (99, 99, false),
            (100, 30, false),
            (100, 31, true),
            (500, 150, false),
            (500, 151, true),
            (0, 0, false),
        ] {
            let too_much = window(lines, rejected).is_too_much();
            assert_eq!(too_much, expected, "{rejected} of {lines}");
        }
    }
}

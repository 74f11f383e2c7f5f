//! Releasing a run, in time or late.

use chrono::{DateTime, Utc};
use domain::{Officer, RunNo};
use messaging::Problem;
use serde_json::{Value, json};
use sqlx::PgConnection;

use super::commands::{act, shown};
use crate::Error;
use crate::command::{ReleaseLate, ReleaseRun};
use crate::run::{Action, Run, State};
use crate::store::{self, Act};

pub(super) async fn on_release_run(
    tx: &mut PgConnection,
    command: ReleaseRun,
    now: DateTime<Utc>,
) -> Result<Value, Error> {
    release(tx, command.run_no, &command.officer, None, now).await
}

pub(super) async fn on_release_late(
    tx: &mut PgConnection,
    command: ReleaseLate,
    now: DateTime<Utc>,
) -> Result<Value, Error> {
    if command.reason.trim().is_empty() {
        return Err(Problem::new(422, "reason_missing", "a late release has a reason").into());
    }
    release(
        tx,
        command.run_no,
        &command.officer,
        Some(command.reason),
        now,
    )
    .await
}

async fn release(
    tx: &mut PgConnection,
    run_no: RunNo,
    officer: &Officer,
    reason: Option<String>,
    now: DateTime<Utc>,
) -> Result<Value, Error> {
    let mut run = store::lock_run(tx, run_no).await?;
    run.state.allow(Action::Release)?;
    let late = refuse_late(tx, &run, reason.is_some(), now).await?;
    let release = Act {
        reason,
        ..Act::new(run_no, officer, "release")
    };
    act(tx, release.bound_to(&run), now).await?;
    store::set_state(tx, run_no, State::Releasing).await?;
    run.state = State::Releasing;
    let mut answer = shown(&run);
    answer["warnings"] = json!(late.as_slice());
    Ok(answer)
}

/// Why a release comes too late, by a code. What the schedule opened has a day to keep, so that it
/// goes out late for a reason or not at all; who opens by hand names any day, and is warned.
async fn refuse_late(
    tx: &mut PgConnection,
    run: &Run,
    has_reason: bool,
    now: DateTime<Utc>,
) -> Result<Option<&'static str>, Error> {
    let (business_date, is_scheduled) = store::booked_on(tx, run.run_no).await?;
    let timetable = store::timetable(tx, run.programme).await?;
    let late = timetable.too_late(business_date, now);
    let Some(code) = late.filter(|_| is_scheduled && !has_reason) else {
        return Ok(late);
    };
    let what = if code == "after_cut_off" {
        "institutions take nothing more for"
    } else {
        "nothing is booked on"
    };
    let detail = format!("{what} {business_date}; a late release needs a reason");
    Err(Problem::new(409, code, detail).into())
}

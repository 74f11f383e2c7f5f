//! Commands on what goes out of released runs: waves, pauses, stops, limits.

use chrono::{DateTime, Utc};
use domain::{Officer, RunNo};
use messaging::Problem;
use serde_json::{Value, json};
use sqlx::PgConnection;

use super::commands::shown;
use crate::Error;
use crate::command::{ApproveLimit, ContinueRun, LimitInstitution, OrderRelease};
use crate::matter::{self, decide};
use crate::release::{Scope, Waves};
use crate::run::{Action, Run, State};
use crate::store;

/// Plans the waves of a run that is released; the first may go out.
pub(super) async fn begin_waves(
    tx: &mut PgConnection,
    run: &Run,
    waves: Option<&Waves>,
    officer: &Officer,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    let chunks = store::chunk_sizes(tx, run.run_no).await?;
    let planned = match waves {
        Some(waves) => waves.of(&chunks)?,
        None => vec![1; chunks.len()],
    };
    store::plan_waves(tx, run.run_no, (&chunks, &planned)).await?;
    store::open_wave(tx, run, officer, now).await?;
    Ok(())
}

/// The next wave may go out. Whoever may release may let it: not the maker, nor who approved.
pub(super) async fn on_continue_run(
    tx: &mut PgConnection,
    command: ContinueRun,
    now: DateTime<Utc>,
) -> Result<Value, Error> {
    let run = store::lock_run(tx, command.run_no).await?;
    run.state.allow(Action::Continue)?;
    let acts = store::acts_of(tx, run.run_no, &command.officer).await?;
    let bars = |it: &&String| matches!(it.as_str(), "open" | "edit" | "approve");
    if let Some(earlier) = acts.iter().find(bars) {
        let officer = &command.officer;
        let detail = format!("{officer} did {earlier} this run and may not continue it as well");
        return Err(Problem::new(403, "same_person", detail).into());
    }
    let Some(wave) = store::open_wave(tx, &run, &command.officer, now).await? else {
        let detail = format!("no wave of {} waits", run.run_no);
        return Err(Problem::new(409, "no_wave_waits", detail).into());
    };
    let mut answer = shown(&run);
    answer["wave"] = json!(wave);
    Ok(answer)
}

/// From the answer on nothing more of the scope goes out. What is out stays out.
pub async fn pause(
    tx: &mut PgConnection,
    command: OrderRelease,
    now: DateTime<Utc>,
) -> Result<Value, Error> {
    let (scope, officer) = (command.scope, &command.officer);
    let reason = reason(&command)?;
    store::lock_releasing(tx, scope).await?;
    allowed(tx, scope, Action::Pause).await?;
    let Some(order_no) = store::pause(tx, scope, (Some(officer), reason), None, now).await? else {
        let detail = format!("{} is paused already", scope.key());
        return Err(Problem::new(409, "already_paused", detail).into());
    };
    Ok(json!({ "order": order_no, "scope": scope.key(), "state": "paused" }))
}

/// Goes on where it was paused: another officer than who paused says so, and why.
pub async fn resume(
    tx: &mut PgConnection,
    command: OrderRelease,
    now: DateTime<Utc>,
) -> Result<Value, Error> {
    let (scope, officer) = (command.scope, &command.officer);
    let reason = reason(&command)?;
    store::lock_releasing(tx, scope).await?;
    let Some(pause) = store::lock_pause(tx, scope).await? else {
        let detail = format!("{} is not paused", scope.key());
        return Err(Problem::new(409, "not_paused", detail).into());
    };
    if pause.officer.as_ref() == Some(officer) {
        let detail = format!("{officer} paused it; another officer resumes it");
        return Err(Problem::new(403, "same_person", detail).into());
    }
    store::resume(tx, (scope, &pause), (officer, reason), now).await?;
    let freed = if scope.is_place() {
        free(tx, scope, now).await?
    } else {
        0
    };
    Ok(json!({ "scope": scope.key(), "state": "resumed", "lines": freed }))
}

/// What is not out is not paid by its run: final.
pub async fn stop(
    tx: &mut PgConnection,
    command: OrderRelease,
    now: DateTime<Utc>,
) -> Result<Value, Error> {
    let (scope, officer) = (command.scope, &command.officer);
    let reason = reason(&command)?;
    scope.can_be_stopped()?;
    store::lock_releasing(tx, scope).await?;
    allowed(tx, scope, Action::Stop).await?;
    let chunks = store::stop(tx, scope, (officer, reason), now).await?;
    if chunks == 0 {
        let detail = format!("of {} nothing waits to go out", scope.key());
        return Err(Problem::new(409, "nothing_waits", detail).into());
    }
    if let Scope::Run(run_no) = scope {
        store::set_state(tx, run_no, State::Releasing).await?;
    }
    Ok(json!({ "scope": scope.key(), "state": "stopped", "chunks": chunks }))
}

fn reason(command: &OrderRelease) -> Result<&str, Error> {
    let reason = command.reason.trim();
    if reason.is_empty() {
        return Err(Problem::new(422, "reason_missing", "an order has a reason").into());
    }
    Ok(reason)
}

/// A run must be where the order makes sense; the other scopes are of any number of runs.
async fn allowed(tx: &mut PgConnection, scope: Scope, action: Action) -> Result<(), Error> {
    match scope {
        Scope::Run(run_no) => {
            let run: Run = store::lock_run(tx, run_no).await?;
            run.state.allow(action)
        }
        _ => Ok(()),
    }
}

/// Lines of the place come back: with their chunk, or with a message after it.
async fn free(tx: &mut PgConnection, place: Scope, now: DateTime<Utc>) -> Result<usize, Error> {
    let lines = store::paused_lines(tx, place).await?;
    for of_part in lines.chunk_by(|(part, ..), (next, ..)| part == next) {
        let part = of_part[0].0;
        let runs: Vec<RunNo> = of_part.iter().map(|(_, run_no, _)| *run_no).collect();
        store::lock_parts(tx, part, &runs).await?;
        let holds: Vec<i64> = of_part.iter().map(|(.., hold)| *hold).collect();
        store::free_lines(tx, part, &holds, now).await?;
        store::send_later(tx, part, &holds).await?;
    }
    Ok(lines.len())
}

/// Keeps how much an institution takes until another officer has looked at it.
pub async fn limit_institution(
    tx: &mut PgConnection,
    command: LimitInstitution,
    now: DateTime<Utc>,
) -> Result<Value, Error> {
    if command.reason.trim().is_empty() {
        return Err(Problem::new(422, "reason_missing", "a limit has a reason").into());
    }
    if command.lines_per_minute < 1 {
        let detail = "who is to get nothing is paused; a limit is at least one line a minute";
        return Err(Problem::new(422, "limit_invalid", detail).into());
    }
    let limit_no = store::insert_limit(tx, &command, now).await?;
    Ok(json!({ "limit": limit_no, "state": "ordered" }))
}

pub async fn approve_limit(
    tx: &mut PgConnection,
    command: ApproveLimit,
    must_sign: bool,
    now: DateTime<Utc>,
) -> Result<Value, Error> {
    let limit_no = command.limit_no;
    let limit = store::lock_limit(tx, limit_no).await?;
    if let Some(checker) = limit.checker {
        let detail = format!("{checker} has approved limit {limit_no} already");
        return Err(Problem::new(409, "already_approved", detail).into());
    }
    if limit.maker == command.officer {
        let detail = format!("{} ordered it and may not approve it as well", limit.maker);
        return Err(Problem::new(403, "same_person", detail).into());
    }
    let matter = matter::of_limit(limit_no, &limit);
    let decision = matter.decision(true, None, &command.officer);
    decide(
        tx,
        &decision,
        (command.signature.as_deref(), must_sign),
        now,
    )
    .await?;
    store::approve_limit(tx, (limit_no, limit.institution), &command.officer, now).await?;
    Ok(json!({ "limit": limit_no, "state": "approved" }))
}

use chrono::{DateTime, Utc};
use domain::{Money, Officer, Part, RunNo};
use events::{Event, RunClosed, RunOpened};
use ledger::Root;
use messaging::{Command, CommandHandler, Problem};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use sqlx::PgConnection;

use super::keys::{
    on_confirm_organisation_key, on_end_key, on_end_organisation_key, on_register_key,
    on_register_organisation_key,
};
use super::release::{late, refuse_late};
use super::schedule::{approve_order, order_schedule, plan_schedule};
use crate::approval::{SignedAct, Statement};
use crate::command::{Appropriate, ApproveRun, CloseRun, FreeLine, HoldLine, OpenRun, ReleaseRun};
use crate::holds::restate;
use crate::preview::answered;
use crate::run::{Action, Run, Seen, State};
use crate::store::{self, Act, HeldBy, Hold};
use crate::work::Work;
use crate::{Error, posting};

pub(crate) struct OnCommand {
    pub approvals_required: i16,
    pub signatures_required: bool,
    pub work: Work,
}

impl CommandHandler for OnCommand {
    type Error = Error;

    /// Takes a command by its name; the answer is what the caller is shown.
    async fn take(
        &self,
        tx: &mut PgConnection,
        command: &Command,
        now: DateTime<Utc>,
    ) -> Result<Value, Error> {
        let required = self.approvals_required;
        let signed = self.signatures_required;
        let answer = match command.name.as_str() {
            "appropriate" => on_appropriate(tx, read(command)?, now).await,
            "open-run" => on_open_run(tx, read(command)?, required, now).await,
            "hold-line" => on_hold_line(tx, read(command)?, now).await,
            "free-line" => on_free_line(tx, read(command)?, now).await,
            "approve-run" => on_approve_run(tx, read(command)?, signed, now).await,
            "release-run" => on_release_run(tx, (read(command)?, None), signed, now).await,
            "release-late" => on_release_run(tx, late(read(command)?)?, signed, now).await,
            "register-key" => on_register_key(tx, read(command)?, now).await,
            "end-key" => on_end_key(tx, read(command)?, now).await,
            "register-organisation-key" => {
                on_register_organisation_key(tx, read(command)?, now).await
            }
            "confirm-organisation-key" => {
                on_confirm_organisation_key(tx, read(command)?, now).await
            }
            "end-organisation-key" => on_end_organisation_key(tx, read(command)?, now).await,
            "close-run" => on_close_run(tx, read(command)?, now).await,
            "plan-schedule" => plan_schedule(tx, read(command)?, now).await,
            "order-schedule" => order_schedule(tx, read(command)?, now).await,
            "approve-order" => approve_order(tx, read(command)?, now).await,
            other => {
                let detail = format!("there is no command {other}");
                Err(Problem::new(404, "command_unknown", detail).into())
            }
        };
        self.work.wake();
        answer
    }
}

fn read<T: DeserializeOwned>(command: &Command) -> Result<T, Error> {
    serde_json::from_slice(&command.body)
        .map_err(|it| Problem::new(422, "command_malformed", it.to_string()).into())
}

async fn on_appropriate(
    tx: &mut PgConnection,
    command: Appropriate,
    now: DateTime<Utc>,
) -> Result<Value, Error> {
    if command.amount.is_zero() {
        return Err(Problem::new(422, "amount_zero", "an appropriation of 0 đồng is none").into());
    }
    if !store::insert_appropriation(tx, &command, now).await? {
        let detail = format!("the decision {} is recorded already", command.reference);
        return Err(Problem::new(409, "appropriation_repeated", detail).into());
    }
    let Appropriate {
        programme,
        province,
        amount,
        reference,
        ..
    } = &command;
    let journal = posting::appropriation(*programme, *province, *amount, reference);
    ledger::post(tx, Part::ZERO, &[journal], now).await?;
    Ok(json!({ "reference": command.reference, "amount": command.amount }))
}

async fn on_open_run(
    tx: &mut PgConnection,
    command: OpenRun,
    approvals_required: i16,
    now: DateTime<Utc>,
) -> Result<Value, Error> {
    let opened = open_run(tx, &command, None, approvals_required, now).await?;
    let run_no = opened.ok_or_else(|| {
        let (programme, period) = (command.programme, command.period);
        let detail = format!("{programme} has a run for {period} already");
        Problem::new(409, "period_already_run", detail)
    })?;
    Ok(json!({ "run": run_no.to_string(), "state": State::Preparing.as_str() }))
}

/// Opens a run, by an officer's word or for the reason that the schedule gives. `None` where the
/// programme has a run for the period already.
pub(crate) async fn open_run(
    tx: &mut PgConnection,
    opening: &OpenRun,
    reason: Option<String>,
    approvals_required: i16,
    now: DateTime<Utc>,
) -> Result<Option<RunNo>, Error> {
    let trace = messaging::current_trace();
    let run_no = store::insert_run(tx, opening, approvals_required, trace, now).await?;
    let Some(run_no) = run_no else {
        return Ok(None);
    };
    let open = Act {
        reason,
        ..Act::new(run_no, &opening.officer, "open")
    };
    act(tx, open, now).await?;
    let opened = Part::all().map(|part| RunOpened {
        run_no,
        part,
        programme: opening.programme,
        period: opening.period,
        business_date: opening.business_date,
    });
    messaging::append(tx, opened.map(|it| Event::of(&it, now)).collect(), now).await?;
    Ok(Some(run_no))
}

/// Sets a line aside. The run is another one then, so approvals given so far are void.
async fn on_hold_line(
    tx: &mut PgConnection,
    command: HoldLine,
    now: DateTime<Utc>,
) -> Result<Value, Error> {
    let position = command.line;
    store::lock_parts(tx, position.part, &[position.run]).await?;
    let run = store::lock_run(tx, position.run).await?;
    run.state.allow(Action::Hold)?;
    if command.reason.trim().is_empty() {
        return Err(Problem::new(422, "reason_missing", "a line is held for a reason").into());
    }
    let aside = Hold {
        position,
        reason: &command.reason,
        by: HeldBy::Officer,
    };
    let held = store::hold_lines(tx, position.part, &[aside], now).await?;
    if held.opened == 0 {
        let detail = format!("{position} is no line of the run, or an officer holds it already");
        return Err(Problem::new(404, "line_unknown", detail).into());
    }
    restate(tx, position.part, &held.moved, now).await?;
    let run = store::lock_run(tx, run.run_no).await?;
    let held = Act {
        reason: Some(command.reason),
        ..Act::new(run.run_no, &command.officer, "hold")
    };
    act(tx, held.bound_to(&run), now).await?;
    Ok(shown(&run))
}

/// Ends what holds a line, as far as a person may end it. The run is another one then, unless
/// something else holds the line as well.
async fn on_free_line(
    tx: &mut PgConnection,
    command: FreeLine,
    now: DateTime<Utc>,
) -> Result<Value, Error> {
    let position = command.line;
    store::lock_parts(tx, position.part, &[position.run]).await?;
    let run = store::lock_run(tx, position.run).await?;
    run.state.allow(Action::Free)?;
    if command.reason.trim().is_empty() {
        return Err(Problem::new(422, "reason_missing", "a line is set free for a reason").into());
    }
    if store::is_editor(tx, position, &command.officer).await? {
        return Err(changed_account(run.run_no).into());
    }
    let holds = store::holds_of(tx, position).await?;
    let (ours, others): (Vec<_>, Vec<_>) = holds.into_iter().partition(|(_, is_free)| *is_free);
    if ours.is_empty() {
        let detail = if others.is_empty() {
            format!("{position} is no line of the run that is held")
        } else {
            format!("{position} is held because it is not owed; who says so takes it back")
        };
        return Err(Problem::new(409, "line_not_freeable", detail).into());
    }
    let numbers: Vec<i64> = ours.into_iter().map(|(number, _)| number).collect();
    let freed = store::free_lines(tx, position.part, &numbers, now).await?;
    restate(tx, position.part, &freed, now).await?;
    let run = store::lock_run(tx, run.run_no).await?;
    let free = Act {
        reason: Some(command.reason),
        ..Act::new(run.run_no, &command.officer, "free")
    };
    act(tx, free.bound_to(&run), now).await?;
    let mut answer = shown(&run);
    answer["is_held"] = json!(!others.is_empty());
    Ok(answer)
}

async fn on_approve_run(
    tx: &mut PgConnection,
    command: ApproveRun,
    must_sign: bool,
    now: DateTime<Utc>,
) -> Result<Value, Error> {
    let mut run = store::lock_run(tx, command.run_no).await?;
    run.state.allow(Action::Approve)?;
    let root = hex::decode(&command.root)
        .ok()
        .and_then(|it| Root::from_slice(&it));
    let root =
        root.ok_or_else(|| Problem::new(422, "root_invalid", "a root is 64 hexadecimal digits"))?;
    run.is_as_seen(&Seen {
        root,
        lines: command.lines,
        total: command.total,
    })?;
    let statement = Statement::of(SignedAct::Approve, &command.officer, &run);
    let key = store::key_of(tx, &command.officer).await?;
    let approval = Act {
        signed: statement.signed(key, command.signature.as_deref(), must_sign)?,
        ..Act::new(run.run_no, &command.officer, "approve").bound_to(&run)
    };
    act(tx, approval, now).await?;
    let guards = store::measures(tx, run.run_no).await?.guards();
    let before = store::answered_guards(tx, run.run_no, root).await?;
    let answers = answered(&guards, &command.reasons, &before)?;
    store::insert_answers(tx, (run.run_no, root), &answers, &command.officer, now).await?;
    let approvals = store::count_approvals(tx, run.run_no).await?;
    let required = store::approvals_for(tx, run.total).await?;
    let required = required.max(run.approvals_required);
    if approvals >= i64::from(required) {
        commit(tx, &run, now).await?;
        store::set_state(tx, run.run_no, State::Approved).await?;
        run.state = State::Approved;
    }
    let mut answer = shown(&run);
    answer["approvals"] = json!(approvals);
    answer["approvals_required"] = json!(required);
    Ok(answer)
}

/// Every fund that pays for the run commits its part, or none does.
async fn commit(tx: &mut PgConnection, run: &Run, now: DateTime<Utc>) -> Result<(), Error> {
    let local = store::local_by_province(tx, run.run_no).await?;
    let all_local = Money::sum(local.iter().map(|(_, amount)| *amount));
    let national = run.total.checked_sub(all_local);
    let national = national.ok_or_else(|| Error::ControlTotals {
        run: run.run_no,
        part: Part::ZERO,
        detail: format!("{all_local} đồng are local, of {} in all", run.total),
    })?;
    // One at a time: the ledger names a paying account of what it is given.
    for journal in posting::commitments(run.run_no, run.programme, national, &local) {
        ledger::post(tx, Part::ZERO, &[journal], now).await?;
    }
    Ok(())
}

async fn on_release_run(
    tx: &mut PgConnection,
    (command, late): (ReleaseRun, Option<String>),
    must_sign: bool,
    now: DateTime<Utc>,
) -> Result<Value, Error> {
    let mut run = store::lock_run(tx, command.run_no).await?;
    run.state.allow(Action::Release)?;
    let warning = refuse_late(tx, &run, late.is_some(), now).await?;
    let statement = Statement::of(SignedAct::Release, &command.officer, &run);
    let key = store::key_of(tx, &command.officer).await?;
    let release = Act {
        reason: late,
        signed: statement.signed(key, command.signature.as_deref(), must_sign)?,
        ..Act::new(run.run_no, &command.officer, "release").bound_to(&run)
    };
    act(tx, release, now).await?;
    store::set_state(tx, run.run_no, State::Releasing).await?;
    run.state = State::Releasing;
    let mut answer = shown(&run);
    answer["warnings"] = json!(warning.as_slice());
    Ok(answer)
}

/// A run closes only when every line has an end and the bank's statement has shown it.
async fn on_close_run(
    tx: &mut PgConnection,
    command: CloseRun,
    now: DateTime<Utc>,
) -> Result<Value, Error> {
    let mut run = store::lock_run(tx, command.run_no).await?;
    run.state.allow(Action::Close)?;
    let ends = store::run_ends(tx, run.run_no).await?;
    let waiting =
        ends.released_lines - ends.credited_lines - ends.returned_lines - ends.unknown_lines;
    if waiting != 0 {
        let detail = format!("{waiting} lines wait for an answer of their institution");
        return Err(Problem::new(409, "answers_outstanding", detail).into());
    }
    let shown_lines = ends.matched_lines + ends.missing_lines;
    if shown_lines != ends.credited_lines
        || Money::sum([ends.matched, ends.missing]) != ends.credited
    {
        let detail = format!(
            "{} lines are credited; statements show {} and miss {}",
            ends.credited_lines, ends.matched_lines, ends.missing_lines
        );
        return Err(Problem::new(409, "not_reconciled", detail).into());
    }
    act(
        tx,
        Act::new(run.run_no, &command.officer, "close").bound_to(&run),
        now,
    )
    .await?;
    store::close_run(tx, run.run_no, now).await?;
    let closed = RunClosed {
        run_no: run.run_no,
        lines: run.lines,
        total: run.total,
        credited: ends.credited,
        returned: ends.returned,
        unknown: ends.unknown,
        held: ends.held,
    };
    messaging::append(tx, vec![Event::of(&closed, now)], now).await?;
    run.state = State::Closed;
    Ok(shown(&run))
}

/// Remembers who acts, and refuses who may not: maker, checkers and releaser are different
/// persons, and none of them changed where somebody is paid. The database refuses as well, should two act at the same moment.
async fn act(tx: &mut PgConnection, act: Act, now: DateTime<Utc>) -> Result<(), Error> {
    let before = store::acts_of(tx, act.run_no, &act.officer).await?;
    if matches!(act.act, "approve" | "release")
        && let Some(earlier) = before
            .iter()
            .find(|it| matches!(it.as_str(), "open" | "edit" | "approve" | "release"))
    {
        if earlier == "edit" {
            return Err(changed_account(act.run_no).into());
        }
        return Err(second_act(&act.officer, earlier, act.act).into());
    }
    match store::insert_act(tx, &act, now).await {
        Err(Error::Database(sqlx::Error::Database(error)))
            if error.constraint() == Some("different_persons") =>
        {
            Err(second_act(&act.officer, "act on", act.act).into())
        }
        done => done,
    }
}

/// Names the run only: whose account it was is nobody's business here.
fn changed_account(run_no: RunNo) -> Problem {
    let detail = format!(
        "an account that {run_no} pays was changed by the officer who asks; another one has to act"
    );
    Problem::new(403, "changed_account", detail)
}

fn second_act(officer: &Officer, earlier: &str, now: &str) -> Problem {
    if (earlier, now) == ("approve", "approve") {
        let detail = format!("{officer} has approved this run already");
        return Problem::new(409, "already_approved", detail);
    }
    let detail = format!("{officer} did {earlier} this run and may not {now} it as well");
    Problem::new(403, "same_person", detail)
}

fn shown(run: &Run) -> Value {
    let allowed: Vec<&str> = run
        .state
        .allowed_actions()
        .iter()
        .map(|it| it.as_str())
        .collect();
    json!({
        "run": run.run_no.to_string(),
        "state": run.state.as_str(),
        "lines": run.lines,
        "total": run.total,
        "root": run.root.map(|it| it.hex()),
        "allowed_actions": allowed,
    })
}

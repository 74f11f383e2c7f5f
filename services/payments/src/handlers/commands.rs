use chrono::{DateTime, Utc};
use domain::{BudgetYear, Money, Part, Refusal, RunNo};
use events::{Event, RunClosed, RunOpened};
use ledger::Root;
use messaging::{Command, CommandHandler, Problem};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use sqlx::PgConnection;

use super::acts::{act, changed_account, lent, on_send_back_run, on_submit_run};
use super::cash::{on_age_cash, on_cash_return, on_move_cash, on_take_cash};
use super::enquiries::{on_decide_unknown, on_settle_unknown};
use super::funding::{fund_approved, on_fund_run};
use super::keys::{
    on_confirm_organisation_key, on_end_key, on_end_organisation_key, on_register_key,
    on_register_organisation_key,
};
use super::pauses::{
    approve_limit, begin_waves, limit_institution, on_continue_run, pause, resume, stop,
};
use super::proposals::{on_decide_proposal, on_end_delegation, on_propose};
use super::reissue::on_open_reissue;
use super::release::{Asked, in_waves, late, plain, refuse_late};
use super::schedule::{approve_order, order_schedule, plan_schedule};
use super::year_end::{approve_closing, close_year};
use crate::command::{Appropriate, ApproveRun, CloseRun, FreeLine, HoldLine, OpenRun};
use crate::funding::Fund;
use crate::holds::restate;
use crate::preview::answered;
use crate::run::{Action, Run, Seen, State, plausible};
use crate::statement::{SignedAct, Statement};
use crate::store::{self, Act, HeldBy, Hold};
use crate::work::Work;
use crate::{Error, posting};

/// Takes the commands `payments.do.*`.
#[derive(Debug)]
pub struct OnCommand {
    /// At least so many persons approve a run, whatever its sum.
    pub approvals_required: i16,
    /// Whether also those sign who have no key.
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
        match command.name.as_str() {
            "appropriate" => on_appropriate(tx, read(command)?, now).await,
            "open-run" => on_open_run(tx, read(command)?, required, now).await,
            "open-reissue" => on_open_reissue(tx, read(command)?, required, now).await,
            "take-cash" => on_take_cash(tx, read(command)?, now).await,
            "move-cash" => on_move_cash(tx, read(command)?, now).await,
            "age-cash" => on_age_cash(tx, &read(command)?, now).await,
            "cash-return" => on_cash_return(tx, read(command)?, now).await,
            "hold-line" => on_hold_line(tx, read(command)?, now).await,
            "free-line" => on_free_line(tx, read(command)?, now).await,
            "approve-run" => on_approve_run(tx, read(command)?, signed, now).await,
            "release-run" => on_release_run(tx, plain(read(command)?), signed, now).await,
            "release-late" => on_release_run(tx, late(read(command)?)?, signed, now).await,
            "release-in-waves" => on_release_run(tx, in_waves(read(command)?), signed, now).await,
            "continue-run" => on_continue_run(tx, read(command)?, now).await,
            "pause" => pause(tx, read(command)?, now).await,
            "resume" => resume(tx, read(command)?, now).await,
            "stop" => stop(tx, read(command)?, now).await,
            "limit-institution" => limit_institution(tx, read(command)?, now).await,
            "approve-limit" => approve_limit(tx, read(command)?, signed, now).await,
            "register-key" => on_register_key(tx, read(command)?, now).await,
            "end-key" => on_end_key(tx, read(command)?, now).await,
            "send-back-run" => on_send_back_run(tx, read(command)?, now).await,
            "submit-run" => on_submit_run(tx, read(command)?, now).await,
            "propose" => on_propose(tx, read(command)?, now).await,
            "decide-proposal" => on_decide_proposal(tx, read(command)?, signed, now).await,
            "end-delegation" => on_end_delegation(tx, read(command)?, now).await,
            "settle-unknown" => on_settle_unknown(tx, read(command)?, now).await,
            "decide-unknown" => on_decide_unknown(tx, read(command)?, signed, now).await,
            "fund-run" => on_fund_run(tx, read(command)?, now).await,
            "close-year" => close_year(tx, read(command)?, now).await,
            "approve-closing" => approve_closing(tx, read(command)?, signed, now).await,
            "register-organisation-key" => {
                on_register_organisation_key(tx, read(command)?, now).await
            }
            "confirm-organisation-key" => {
                on_confirm_organisation_key(tx, read(command)?, signed, now).await
            }
            "end-organisation-key" => on_end_organisation_key(tx, read(command)?, now).await,
            "close-run" => on_close_run(tx, read(command)?, now).await,
            "plan-schedule" => plan_schedule(tx, read(command)?, now).await,
            "order-schedule" => order_schedule(tx, read(command)?, now).await,
            "approve-order" => approve_order(tx, read(command)?, signed, now).await,
            other => {
                let detail = format!("there is no command {other}");
                Err(Problem::new(404, "command_unknown", detail).into())
            }
        }
    }

    fn taken(&self) {
        self.work.wake();
    }
}

fn read<T: DeserializeOwned>(command: &Command) -> Result<T, Error> {
    serde_json::from_slice(&command.body)
        .map_err(|it| Problem::new(422, "command_malformed", it.to_string()).into())
}

pub(super) fn refused(refusal: &Refusal) -> Problem {
    Problem::new(422, refusal.code, refusal.to_string())
}

async fn on_appropriate(
    tx: &mut PgConnection,
    command: Appropriate,
    now: DateTime<Utc>,
) -> Result<Value, Error> {
    if command.amount.is_zero() {
        return Err(Problem::new(422, "amount_zero", "an appropriation of 0 đồng is none").into());
    }
    let year = BudgetYear::try_from(command.budget_year).map_err(|it| refused(&it))?;
    if !store::insert_appropriation(tx, &command, now).await? {
        let detail = format!("the decision {} is recorded already", command.reference);
        return Err(Problem::new(409, "appropriation_repeated", detail).into());
    }
    let fund = Fund {
        programme: command.programme,
        province: command.province,
        year,
    };
    let journal = posting::appropriation(fund, command.amount, &command.reference);
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
    plausible(opening.period, opening.business_date)?;
    BudgetYear::of(opening.business_date).map_err(|it| refused(&it))?;
    let trace = messaging::current_trace();
    let run_no = store::insert_run(tx, opening, 0, approvals_required, trace, now).await?;
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
    let lent = lent(tx, command.principal.as_ref(), &command.officer, now).await?;
    let statement = Statement::of(SignedAct::Approve, &command.officer, &run);
    let statement = statement.in_place_of(lent.clone());
    let key = approval::key_of(tx, &command.officer).await?;
    let approval = Act {
        signed: statement.signed(key, command.signature.as_deref(), must_sign)?,
        lent,
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
        run.state = fund_approved(tx, &run, now).await?;
    }
    let mut answer = shown(&run);
    answer["approvals"] = json!(approvals);
    answer["approvals_required"] = json!(required);
    Ok(answer)
}

async fn on_release_run(
    tx: &mut PgConnection,
    Asked {
        release: command,
        late,
        waves,
    }: Asked,
    must_sign: bool,
    now: DateTime<Utc>,
) -> Result<Value, Error> {
    let mut run = store::lock_run(tx, command.run_no).await?;
    run.state.allow(Action::Release)?;
    let warning = refuse_late(tx, &run, late.is_some(), now).await?;
    let lent = lent(tx, command.principal.as_ref(), &command.officer, now).await?;
    let statement = Statement::of(SignedAct::Release, &command.officer, &run);
    let statement = statement.in_place_of(lent.clone());
    let key = approval::key_of(tx, &command.officer).await?;
    let release = Act {
        reason: late,
        signed: statement.signed(key, command.signature.as_deref(), must_sign)?,
        lent,
        ..Act::new(run.run_no, &command.officer, "release").bound_to(&run)
    };
    act(tx, release, now).await?;
    begin_waves(tx, &run, waves.as_ref(), &command.officer, now).await?;
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

pub(super) fn shown(run: &Run) -> Value {
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

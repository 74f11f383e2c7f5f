//! Who acts on a run, and who may not.

use chrono::{DateTime, Utc};
use domain::{Officer, RunNo};
use messaging::Problem;
use serde_json::Value;
use sqlx::PgConnection;

use super::commands::shown;
use crate::Error;
use crate::command::{SendBackRun, SubmitRun};
use crate::run::{Action, State};
use crate::statement::Delegation;
use crate::store::{self, Act};

/// What bars a person from approving or releasing a run.
const BARRING: [&str; 5] = ["open", "edit", "approve", "release", "lend"];

/// Remembers who acts, and refuses who may not: maker, checkers and releaser are different
/// persons, none of them changed where somebody is paid, and who lends a right has used it. The
/// database refuses as well, should two act at the same moment.
pub(super) async fn act(tx: &mut PgConnection, act: Act, now: DateTime<Utc>) -> Result<(), Error> {
    if matches!(act.act, "approve" | "release") {
        refuse_second(tx, act.run_no, &act.officer, act.act).await?;
    }
    if let Some(lent) = &act.lent {
        refuse_second(tx, act.run_no, &lent.principal, act.act).await?;
        let lending = Act {
            act: "lend",
            officer: lent.principal.clone(),
            reason: Some(format!("{} by {}", act.act, act.officer)),
            signed: None,
            lent: None,
            ..act.clone()
        };
        insert(tx, &lending, now).await?;
    }
    insert(tx, &act, now).await
}

async fn insert(tx: &mut PgConnection, act: &Act, now: DateTime<Utc>) -> Result<(), Error> {
    match store::insert_act(tx, act, now).await {
        Err(Error::Database(sqlx::Error::Database(error)))
            if error.constraint() == Some("different_persons") =>
        {
            Err(second_act(&act.officer, "act on", act.act).into())
        }
        done => done,
    }
}

async fn refuse_second(
    tx: &mut PgConnection,
    run_no: RunNo,
    officer: &Officer,
    now: &str,
) -> Result<(), Error> {
    let before = store::acts_of(tx, run_no, officer).await?;
    let earlier = before.iter().find(|it| BARRING.contains(&it.as_str()));
    match earlier.map(String::as_str) {
        None => Ok(()),
        Some("edit") => Err(changed_account(run_no).into()),
        Some(earlier) => Err(second_act(officer, earlier, now).into()),
    }
}

/// By what an officer acts in the place of another, who is named; `None` where nobody is.
///
/// # Errors
/// `delegation_unknown` where nothing lets them, or not at this time.
pub(super) async fn lent(
    tx: &mut PgConnection,
    principal: Option<&Officer>,
    officer: &Officer,
    now: DateTime<Utc>,
) -> Result<Option<Delegation>, Error> {
    let Some(principal) = principal else {
        return Ok(None);
    };
    let found = store::delegation(tx, principal, officer, now).await?;
    if found.is_none() {
        let detail = format!("{principal} has lent {officer} no right that holds now");
        return Err(Problem::new(403, "delegation_unknown", detail).into());
    }
    Ok(found)
}

/// An approver does not approve, and says why: whoever holds or frees lines sees what to do.
pub(super) async fn on_send_back_run(
    tx: &mut PgConnection,
    command: SendBackRun,
    now: DateTime<Utc>,
) -> Result<Value, Error> {
    let mut run = store::lock_run(tx, command.run_no).await?;
    run.state.allow(Action::SendBack)?;
    let reason = reasoned(command.reason, "a run is sent back for a reason")?;
    store::void_approvals(tx, run.run_no, now).await?;
    let sent_back = Act {
        reason: Some(reason),
        ..Act::new(run.run_no, &command.officer, "send_back")
    };
    insert(tx, &sent_back.bound_to(&run), now).await?;
    run.state = State::SentBack;
    store::set_state(tx, run.run_no, run.state).await?;
    Ok(shown(&run))
}

/// Somebody else than who sent it back says what was done; it is approved from the beginning.
pub(super) async fn on_submit_run(
    tx: &mut PgConnection,
    command: SubmitRun,
    now: DateTime<Utc>,
) -> Result<Value, Error> {
    let mut run = store::lock_run(tx, command.run_no).await?;
    run.state.allow(Action::Submit)?;
    let reason = reasoned(
        command.reason,
        "who submits a run says what was done about it",
    )?;
    if store::sent_back_by(tx, run.run_no).await?.as_ref() == Some(&command.officer) {
        return Err(second_act(&command.officer, "send_back", "submit").into());
    }
    let submitted = Act {
        reason: Some(reason),
        ..Act::new(run.run_no, &command.officer, "submit")
    };
    insert(tx, &submitted.bound_to(&run), now).await?;
    run.state = State::AwaitingApproval;
    store::set_state(tx, run.run_no, run.state).await?;
    Ok(shown(&run))
}

fn reasoned(reason: String, why: &str) -> Result<String, Error> {
    if reason.trim().is_empty() {
        return Err(Problem::new(422, "reason_missing", why).into());
    }
    Ok(reason)
}

/// Names the run only: whose account it was is nobody's business here.
pub(super) fn changed_account(run_no: RunNo) -> Problem {
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

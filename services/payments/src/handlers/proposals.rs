use chrono::{DateTime, Utc};
use messaging::Problem;
use serde_json::{Value, json};
use sqlx::PgConnection;

use super::overpayments::{allow_subject, close_decided, post_accepted};
use crate::command::{DecideProposal, EndDelegation, Propose};
use crate::{Error, store};

/// Keeps what is proposed until another officer has decided it.
pub(super) async fn on_propose(
    tx: &mut PgConnection,
    command: Propose,
    now: DateTime<Utc>,
) -> Result<Value, Error> {
    if command.reason.trim().is_empty() {
        let detail = "a proposal names the decision that it rests on";
        return Err(Problem::new(422, "reason_missing", detail).into());
    }
    command.proposed.allow(&command.officer, now)?;
    allow_subject(tx, &command.proposed).await?;
    let proposal_no = store::insert_proposal(tx, &command, now).await?;
    Ok(json!({ "proposal": proposal_no, "state": "proposed" }))
}

/// Another officer accepts or refuses, and signs for it. What is accepted holds from now on.
pub(super) async fn on_decide_proposal(
    tx: &mut PgConnection,
    command: DecideProposal,
    must_sign: bool,
    now: DateTime<Utc>,
) -> Result<Value, Error> {
    let gives_reason = command
        .reason
        .as_deref()
        .is_some_and(|it| !it.trim().is_empty());
    if !command.accept && !gives_reason {
        return Err(Problem::new(422, "reason_missing", "a refusal has a reason").into());
    }
    let proposal = store::proposal(tx, command.proposal_no).await?;
    proposal.allow_decision(&command.officer)?;
    if command.accept {
        // Its time may have passed since.
        proposal.proposed.allow(&proposal.maker, now)?;
    }
    let key = approval::key_of(tx, &command.officer).await?;
    let decision = proposal.decision(command.accept, &command.officer);
    let given = command.signature.as_deref();
    let signed = approval::signed(&decision, &command.officer, key, given, must_sign)?;
    if !store::insert_decision(tx, &command, signed.as_ref(), now).await? {
        let detail = format!("proposal {} is decided", proposal.proposal_no);
        return Err(Problem::new(409, "proposal_decided", detail).into());
    }
    if command.accept {
        allow_subject(tx, &proposal.proposed).await?;
        store::carry_out(tx, &proposal, now).await?;
        post_accepted(tx, &proposal, now).await?;
        close_decided(tx, &proposal.proposed, now).await?;
    }
    let state = if command.accept {
        "accepted"
    } else {
        "refused"
    };
    Ok(json!({ "proposal": proposal.proposal_no, "state": state }))
}

/// What was done by it stays done.
pub(super) async fn on_end_delegation(
    tx: &mut PgConnection,
    command: EndDelegation,
    now: DateTime<Utc>,
) -> Result<Value, Error> {
    if command.reason.trim().is_empty() {
        let detail = "a delegation ends before its time for a reason";
        return Err(Problem::new(422, "reason_missing", detail).into());
    }
    if !store::end_delegation(tx, &command, now).await? {
        let number = command.proposal_no;
        let detail = format!("there is no delegation {number} that has not ended");
        return Err(Problem::new(404, "delegation_unknown", detail).into());
    }
    Ok(json!({ "proposal": command.proposal_no, "state": "ended" }))
}

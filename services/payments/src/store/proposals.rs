//! What one officer proposes and another decides.

use approval::Signed;
use chrono::{DateTime, Utc};
use domain::{Money, Officer, Period, Programme};
use messaging::Problem;
use sqlx::PgConnection;
use sqlx::types::Json;

use super::recovery::{
    insert_cap, insert_giving_back, insert_recovery, insert_repayment, insert_upheld,
    insert_write_off,
};
use crate::Error;
use crate::command::{DecideProposal, EndDelegation, Propose};
use crate::preview::Guard;
use crate::proposal::{Proposal, Proposed};
use crate::statement::Delegation;

pub(crate) async fn insert_proposal(
    tx: &mut PgConnection,
    command: &Propose,
    now: DateTime<Utc>,
) -> Result<i64, Error> {
    Ok(sqlx::query_scalar!(
        r#"
        INSERT INTO payments.proposals (kind, proposed, maker, reason, proposed_at)
        VALUES ($1, $2, $3, $4, $5) RETURNING proposal_no
        "#,
        command.proposed.kind(),
        Json(&command.proposed) as Json<&Proposed>,
        command.officer.as_str(),
        command.reason.trim(),
        now,
    )
    .fetch_one(tx)
    .await?)
}

pub(crate) async fn proposal(tx: &mut PgConnection, proposal_no: i64) -> Result<Proposal, Error> {
    let row = sqlx::query!(
        r#"
        SELECT p.proposed AS "proposed: Json<Proposed>", p.maker AS "maker: Officer", p.reason,
            (SELECT d.officer FROM payments.proposal_decisions d
                WHERE d.proposal_no = p.proposal_no) AS "decided_by: Officer"
        FROM payments.proposals p WHERE p.proposal_no = $1
        "#,
        proposal_no,
    )
    .fetch_optional(tx)
    .await?;
    let detail = format!("there is no proposal {proposal_no}");
    let row = row.ok_or_else(|| Problem::new(404, "proposal_unknown", detail))?;
    Ok(Proposal {
        proposal_no,
        proposed: row.proposed.0,
        maker: row.maker,
        reason: row.reason,
        decided_by: row.decided_by,
    })
}

/// False where somebody has decided it at the same moment.
pub(crate) async fn insert_decision(
    tx: &mut PgConnection,
    command: &DecideProposal,
    signed: Option<&Signed>,
    now: DateTime<Utc>,
) -> Result<bool, Error> {
    let done = sqlx::query!(
        r#"
        INSERT INTO payments.proposal_decisions (proposal_no, officer, is_accepted, reason, key_no,
            statement, signature, decided_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING
        "#,
        command.proposal_no,
        command.officer.as_str(),
        command.accept,
        command.reason.as_deref().map(str::trim),
        signed.map(|it| it.key_no),
        signed.map(|it| &it.statement),
        signed.map(|it| &it.signature[..]),
        now,
    )
    .execute(tx)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// From now on it holds.
pub(crate) async fn carry_out(
    tx: &mut PgConnection,
    proposal: &Proposal,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    let proposal_no = proposal.proposal_no;
    match &proposal.proposed {
        Proposed::ApprovalLevel {
            from_total,
            approvals,
        } => insert_level(tx, (*from_total, *approvals), proposal_no, now).await,
        Proposed::GuardLimit {
            guard,
            limit,
            block,
        } => insert_limit(tx, (*guard, *limit, *block), proposal_no, now).await,
        Proposed::Forecast {
            programme,
            period,
            total,
        } => insert_forecast(tx, (*programme, *period, *total), proposal_no, now).await,
        Proposed::Delegation {
            principal,
            delegate,
            starts_at,
            ends_at,
        } => {
            let time = (*starts_at, *ends_at);
            insert_delegation(tx, (principal, delegate), time, proposal_no).await
        }
        Proposed::Recovery {
            case_no,
            decision_no,
            decided_on,
            amount,
            way,
        } => {
            let (of_case, decision) = ((*case_no, *amount), (&decision_no[..], *decided_on));
            insert_recovery(tx, (proposal_no, now), of_case, decision, way).await
        }
        Proposed::WriteOff {
            case_no,
            amount,
            basis,
        } => insert_write_off(tx, (proposal_no, now), (*case_no, *amount), basis).await,
        Proposed::NettingCap {
            percent,
            valid_from,
        } => insert_cap(tx, (proposal_no, now), (*percent, *valid_from)).await,
        Proposed::Repayment {
            case_no,
            amount,
            receipt,
        } => insert_repayment(tx, proposal, (*case_no, *amount), receipt, now).await,
        Proposed::GiveBack {
            exception_no,
            amount,
            receipt,
        } => insert_giving_back(tx, proposal_no, (*exception_no, *amount), receipt, now).await,
        Proposed::FirstAnswer {
            line,
            status,
            basis,
        } => insert_upheld(tx, proposal_no, (*line, *status), basis, now).await,
    }
}

async fn insert_delegation(
    tx: &mut PgConnection,
    (principal, delegate): (&Officer, &Officer),
    (starts_at, ends_at): (DateTime<Utc>, DateTime<Utc>),
    proposal_no: i64,
) -> Result<(), Error> {
    sqlx::query!(
        r#"
        INSERT INTO payments.delegations
            (proposal_no, principal, delegate, starts_at, ends_at)
        VALUES ($1, $2, $3, $4, $5)
        "#,
        proposal_no,
        principal.as_str(),
        delegate.as_str(),
        starts_at,
        ends_at,
    )
    .execute(tx)
    .await?;
    Ok(())
}

async fn insert_level(
    tx: &mut PgConnection,
    (from_total, approvals): (Money, i16),
    proposal_no: i64,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    sqlx::query!(
        r#"
        INSERT INTO payments.approval_levels (from_total, approvals, known_at, proposal_no)
        VALUES ($1, $2, $3, $4)
        "#,
        from_total as Money,
        approvals,
        now,
        proposal_no,
    )
    .execute(tx)
    .await?;
    Ok(())
}

async fn insert_limit(
    tx: &mut PgConnection,
    (guard, limit, block): (Guard, i64, Option<i64>),
    proposal_no: i64,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    sqlx::query!(
        r#"
        INSERT INTO payments.guard_limits
            (guard, limit_number, block_number, known_at, proposal_no)
        VALUES ($1, $2, $3, $4, $5)
        "#,
        guard.as_str(),
        limit,
        block,
        now,
        proposal_no,
    )
    .execute(tx)
    .await?;
    Ok(())
}

async fn insert_forecast(
    tx: &mut PgConnection,
    (programme, period, total): (Programme, Period, Money),
    proposal_no: i64,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    sqlx::query!(
        r#"
        INSERT INTO payments.forecasts (programme, period, total, known_at, proposal_no)
        VALUES ($1, $2, $3, $4, $5)
        "#,
        programme.number(),
        period.first_day(),
        total as Money,
        now,
        proposal_no,
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// By what a delegate acts for somebody now; `None` where nothing lets them.
pub(crate) async fn delegation(
    tx: &mut PgConnection,
    principal: &Officer,
    delegate: &Officer,
    now: DateTime<Utc>,
) -> Result<Option<Delegation>, Error> {
    let number = sqlx::query_scalar!(
        r#"
        SELECT proposal_no FROM payments.delegations
        WHERE principal = $1 AND delegate = $2 AND starts_at <= $3 AND $3 < ends_at
            AND NOT EXISTS (SELECT FROM payments.delegation_ends e
                WHERE e.proposal_no = delegations.proposal_no)
        ORDER BY proposal_no DESC LIMIT 1
        "#,
        principal.as_str(),
        delegate.as_str(),
        now,
    )
    .fetch_optional(tx)
    .await?;
    Ok(number.map(|delegation_no| Delegation {
        principal: principal.clone(),
        delegation_no,
    }))
}

/// False where there is no such delegation, or it was ended before.
pub(crate) async fn end_delegation(
    tx: &mut PgConnection,
    command: &EndDelegation,
    now: DateTime<Utc>,
) -> Result<bool, Error> {
    let done = sqlx::query!(
        r#"
        INSERT INTO payments.delegation_ends (proposal_no, ended_by, reason, ended_at)
        SELECT proposal_no, $2, $3, $4 FROM payments.delegations WHERE proposal_no = $1
        ON CONFLICT DO NOTHING
        "#,
        command.proposal_no,
        command.officer.as_str(),
        command.reason.trim(),
        now,
    )
    .execute(tx)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// How many persons have to approve a run of this sum.
pub(crate) async fn approvals_for(tx: &mut PgConnection, total: Money) -> Result<i16, Error> {
    Ok(sqlx::query_scalar!(
        r#"
        SELECT coalesce(max(approvals), 1::smallint) AS "approvals!" FROM payments.levels_in_force
        WHERE from_total <= $1
        "#,
        total as Money,
    )
    .fetch_one(tx)
    .await?)
}

use std::path::PathBuf;
use std::process::ExitCode;

use chrono::{DateTime, NaiveDate, NaiveTime, Utc};
use domain::Officer;
use payments::{DecideProposal, EndDelegation, ProposalRow, Propose, Proposed};

use super::signer::show_and_sign;
use crate::cli::{By, NewProposal, Proposals, Shared};
use crate::output::{Failure, show, table};
use crate::target::Target;

/// Rows that are shown of what grows without end.
const SHOWN_MAX: i64 = 200;

pub(super) async fn proposal(command: Proposals, shared: &Shared) -> Result<ExitCode, Failure> {
    let target = Target::find(&shared.home)?;
    match command {
        Proposals::New(new) => propose_new(&target, shared, new).await,
        Proposals::List => {
            let rows = payments::proposals(&target.pool(None).await?, None, SHOWN_MAX).await?;
            show(shared.output, &rows, |rows| listed(rows))?;
            Ok(ExitCode::SUCCESS)
        }
        Proposals::Accept { proposal, key, by } => {
            decide(&target, shared, (proposal, true, None), (key, &by)).await
        }
        Proposals::Refuse {
            proposal,
            reason,
            key,
            by,
        } => decide(&target, shared, (proposal, false, Some(reason)), (key, &by)).await,
        Proposals::End {
            proposal,
            reason,
            by,
        } => {
            let body = EndDelegation {
                officer: by.by.clone(),
                proposal_no: proposal,
                reason,
            };
            super::ask(&target, shared.output, "end-delegation", &by, &body).await
        }
    }
}

async fn propose_new(
    target: &Target,
    shared: &Shared,
    new: NewProposal,
) -> Result<ExitCode, Failure> {
    let (proposed, reason, by) = match new {
        NewProposal::Level {
            from_total,
            approvals,
            reason,
            by,
        } => {
            let proposed = Proposed::ApprovalLevel {
                from_total,
                approvals,
            };
            (proposed, reason, by)
        }
        NewProposal::Limit {
            guard,
            limit,
            block,
            reason,
            by,
        } => {
            let proposed = Proposed::GuardLimit {
                guard,
                limit,
                block,
            };
            (proposed, reason, by)
        }
        NewProposal::Forecast {
            programme,
            period,
            total,
            reason,
            by,
        } => {
            let proposed = Proposed::Forecast {
                programme,
                period,
                total,
            };
            (proposed, reason, by)
        }
        NewProposal::FirstAnswer {
            line,
            status,
            basis,
            reason,
            by,
        } => {
            let proposed = Proposed::FirstAnswer {
                line,
                status,
                basis,
            };
            (proposed, reason, by)
        }
        NewProposal::Lend {
            delegate,
            from,
            to,
            reason,
            by,
        } => {
            let proposed = lent(by.by.clone(), delegate, (from, to));
            (proposed, reason, by)
        }
    };
    propose(target, shared, (proposed, reason), &by).await
}

/// From the beginning of the first day to the end of the last.
fn lent(principal: Officer, delegate: Officer, (from, to): (NaiveDate, NaiveDate)) -> Proposed {
    Proposed::Delegation {
        principal,
        delegate,
        starts_at: start_of_day(from),
        ends_at: start_of_day(to.succ_opt().unwrap_or(to)),
    }
}

fn start_of_day(day: NaiveDate) -> DateTime<Utc> {
    boot::clock::from_vietnam(day, NaiveTime::MIN)
}

pub(super) async fn propose(
    target: &Target,
    shared: &Shared,
    (proposed, reason): (Proposed, String),
    by: &By,
) -> Result<ExitCode, Failure> {
    let body = Propose {
        officer: by.by.clone(),
        proposed,
        reason,
    };
    super::ask(target, shared.output, "propose", by, &body).await
}

/// Shows what is signed before it is.
async fn decide(
    target: &Target,
    shared: &Shared,
    (proposal_no, accept, reason): (i64, bool, Option<String>),
    (key, by): (Option<PathBuf>, &By),
) -> Result<ExitCode, Failure> {
    let found = payments::proposals(&target.pool(None).await?, Some(proposal_no), 1).await?;
    let row = found.into_iter().next().ok_or_else(|| {
        Failure::Refused(format!(
            "proposal_unknown: there is no proposal {proposal_no}"
        ))
    })?;
    let decision = row.decision(accept, by.by.clone());
    let signature = show_and_sign(shared, &decision, (key, &by.by))?;
    let body = DecideProposal {
        officer: by.by.clone(),
        proposal_no,
        accept,
        reason,
        signature,
    };
    super::ask(target, shared.output, "decide-proposal", by, &body).await
}

fn listed(rows: &[ProposalRow]) -> comfy_table::Table {
    let rows = rows.iter().map(|it| {
        [
            it.proposal_no.to_string(),
            it.proposed.to_string(),
            it.reason.clone(),
            it.maker.to_string(),
            it.state.to_owned(),
            it.decided_by
                .as_ref()
                .map(Officer::to_string)
                .unwrap_or_default(),
            it.signature.unwrap_or_default().to_owned(),
        ]
    });
    let header = [
        "no.",
        "what",
        "because of",
        "maker",
        "state",
        "decided by",
        "signature",
    ];
    table(&header, 7, rows)
}

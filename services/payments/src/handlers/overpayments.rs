//! What was overpaid comes back, or is given up.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use domain::{BudgetYear, Money, Part, PersonNo, Position};
use events::ResultStatus;
use messaging::Problem;
use sqlx::PgConnection;

use super::commands::refused;
use crate::Error;
use crate::funding::Fund;
use crate::posting::{self, Answered, Netted};
use crate::proposal::{Proposal, Proposed};
use crate::recovery::Deduction;
use crate::result::Standing;
use crate::store::{self, Owed};

/// Holds what is proposed or accepted against what it is about.
pub(super) async fn allow_subject(tx: &mut PgConnection, proposed: &Proposed) -> Result<(), Error> {
    match proposed {
        Proposed::Recovery {
            case_no, amount, ..
        }
        | Proposed::WriteOff {
            case_no, amount, ..
        }
        | Proposed::Repayment {
            case_no, amount, ..
        } => store::lock_case(tx, *case_no).await?.allow(*amount),
        Proposed::GiveBack {
            exception_no,
            amount,
            ..
        } => {
            let waiting = store::lock_over_recovered(tx, *exception_no).await?;
            if waiting.amount != *amount {
                let detail = format!("{} đồng are owed back, all at once", waiting.amount);
                return Err(Problem::new(409, "amount_mismatch", detail).into());
            }
            Ok(())
        }
        Proposed::FirstAnswer { line, status, .. } => allow_first_answer(tx, *line, *status).await,
        Proposed::ApprovalLevel { .. }
        | Proposed::GuardLimit { .. }
        | Proposed::Forecast { .. }
        | Proposed::Delegation { .. }
        | Proposed::NettingCap { .. } => Ok(()),
    }
}

/// Only what is contradicted is decided on, and only as its first answer: another end is the
/// statement's to show, and a case of reconciliation then.
async fn allow_first_answer(
    tx: &mut PgConnection,
    line: Position,
    status: ResultStatus,
) -> Result<(), Error> {
    if !store::is_contradicted(tx, line).await? {
        let detail = format!("nothing open contradicts the first answer about {line}");
        return Err(Problem::new(404, "contradiction_unknown", detail).into());
    }
    let found = store::find_lines(tx, line.part, &[line]).await?;
    let standing = found.get(&line).map(|it| it.found.standing);
    if standing != Some(Standing::Answered(status)) {
        let detail = format!("{line} ended otherwise; its first answer stands, or none");
        return Err(Problem::new(409, "not_the_first_answer", detail).into());
    }
    Ok(())
}

/// The journal of what was accepted, where money moves by it.
pub(super) async fn post_accepted(
    tx: &mut PgConnection,
    proposal: &Proposal,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    let (part, journal) = match &proposal.proposed {
        Proposed::WriteOff {
            case_no, amount, ..
        } => {
            let case = store::lock_case(tx, *case_no).await?;
            let journal = posting::write_off(&case, *amount, proposal.proposal_no);
            (case.part(), journal)
        }
        Proposed::Repayment {
            case_no,
            amount,
            receipt,
        } => {
            let case = store::lock_case(tx, *case_no).await?;
            (case.part(), posting::repayment(&case, *amount, receipt))
        }
        Proposed::GiveBack {
            exception_no,
            receipt,
            ..
        } => {
            let waiting = store::lock_over_recovered(tx, *exception_no).await?;
            let fund = Fund {
                programme: waiting.programme,
                province: None,
                year: BudgetYear::of(receipt.paid_on).map_err(|it| refused(&it))?,
            };
            // A fund lies in one partition.
            (Part::ZERO, posting::given_back(fund, &waiting, receipt))
        }
        _ => return Ok(()),
    };
    ledger::post(tx, part, &[journal], now).await?;
    Ok(())
}

/// An exception that was decided on is none any more.
pub(super) async fn close_decided(
    tx: &mut PgConnection,
    proposed: &Proposed,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    match proposed {
        Proposed::GiveBack { exception_no, .. } => {
            store::close_over_recovered(tx, *exception_no, now).await
        }
        Proposed::FirstAnswer { line, .. } => store::close_contradiction(tx, *line, now).await,
        _ => Ok(()),
    }
}

/// What credited lines were reduced by recovers something, as far as their cases are still open;
/// what is beyond that is owed back, by a name.
pub(super) async fn on_credited(
    tx: &mut PgConnection,
    part: Part,
    answered: &[Answered],
    now: DateTime<Utc>,
) -> Result<Vec<Netted>, Error> {
    let credited = answered
        .iter()
        .filter(|it| it.status == ResultStatus::Credited);
    let mut reduced: Vec<(&Answered, Deduction)> = credited
        .filter_map(|it| Some((it, it.deduction?)))
        .collect();
    if reduced.is_empty() {
        return Ok(Vec::new());
    }
    let lines: Vec<Position> = reduced.iter().map(|(it, _)| it.position(part)).collect();
    // What came back after its credit is paid again, and has recovered its part already.
    let before = store::netted_before(tx, part, &lines).await?;
    reduced.retain(|(it, _)| !before.contains(&it.position(part)));
    let recoveries: Vec<i64> = reduced.iter().map(|(_, it)| it.recovery_no).collect();
    let owed = store::lock_recovered(tx, &recoveries).await?;
    let mut open: HashMap<i64, Money> = owed.values().map(|it| (it.case_no, it.open)).collect();
    let (mut nettings, mut netted) = (Vec::new(), Vec::new());
    let mut owed_back: Vec<(Position, PersonNo, Money)> = Vec::new();
    for (answer, deduction) in reduced {
        let Owed {
            case_no, province, ..
        } = owed[&deduction.recovery_no];
        let left = open.entry(case_no).or_default();
        let (recovered, excess) = deduction.split(*left);
        *left = left.checked_sub(recovered).unwrap_or_default();
        let position = answer.position(part);
        nettings.push((position, deduction, recovered));
        if !recovered.is_zero() {
            netted.push(Netted {
                answer: *answer,
                province,
                amount: recovered,
            });
        }
        if !excess.is_zero() {
            tracing::warn!(
                case = case_no,
                "A line was netted beyond its case; owed back"
            );
            owed_back.push((position, answer.line.person_no, excess));
        }
    }
    store::insert_nettings(tx, part, &nettings, now).await?;
    store::open_over_recovered(tx, part, &owed_back, now).await?;
    Ok(netted)
}

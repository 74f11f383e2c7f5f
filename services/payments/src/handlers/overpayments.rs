//! What was overpaid comes back, or is given up.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use domain::{Money, Part, PersonNo, Position};
use events::ResultStatus;
use messaging::Problem;
use serde_json::{Value, json};
use sqlx::PgConnection;

use crate::Error;
use crate::command::RecordRepayment;
use crate::posting::{self, Answered, Netted};
use crate::proposal::{Proposal, Proposed};
use crate::recovery::{Deduction, readable};
use crate::store::{self, Owed};

/// Somebody paid back, at a bank or in cash; the same receipt counts once.
pub(super) async fn on_record_repayment(
    tx: &mut PgConnection,
    command: RecordRepayment,
    now: DateTime<Utc>,
) -> Result<Value, Error> {
    let refused = |status, code, detail: &str| Err(Problem::new(status, code, detail).into());
    if command.amount.is_zero() {
        return refused(422, "amount_zero", "0 đồng are not paid back");
    }
    if !readable(&command.reference) {
        return refused(422, "reference_invalid", "a receipt has a number");
    }
    if command.institution.info().is_none() {
        return refused(
            422,
            "institution_unknown",
            "nobody is connected by that number",
        );
    }
    if command.paid_on > boot::clock::today_in_vietnam(now) {
        return refused(
            422,
            "paid_on_invalid",
            "what was paid was not paid in days to come",
        );
    }
    let case = store::lock_case(tx, command.case_no).await?;
    if !store::insert_repayment(tx, &command, now).await? {
        let detail = "a receipt of that number is recorded already";
        return refused(409, "repayment_repeated", detail);
    }
    case.allow(command.amount)?;
    let journal = posting::repayment(&case, &command);
    ledger::post(tx, case.part(), &[journal], now).await?;
    let open = case.open().checked_sub(command.amount);
    tracing::info!(case = case.case_no, officer = %command.officer, "Overpaid money came back");
    Ok(json!({ "case": case.case_no, "amount": command.amount, "open": open }))
}

/// Holds what is proposed or accepted against the case that it is about.
pub(super) async fn allow_case(tx: &mut PgConnection, proposed: &Proposed) -> Result<(), Error> {
    match proposed {
        Proposed::Recovery {
            case_no, amount, ..
        }
        | Proposed::WriteOff {
            case_no, amount, ..
        } => store::lock_case(tx, *case_no).await?.allow(*amount),
        Proposed::ApprovalLevel { .. }
        | Proposed::GuardLimit { .. }
        | Proposed::Forecast { .. }
        | Proposed::Delegation { .. }
        | Proposed::NettingCap { .. } => Ok(()),
    }
}

/// What is given up leaves the receivable for an account of its own.
pub(super) async fn post_write_off(
    tx: &mut PgConnection,
    proposal: &Proposal,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    let Proposed::WriteOff {
        case_no, amount, ..
    } = &proposal.proposed
    else {
        return Ok(());
    };
    let case = store::lock_case(tx, *case_no).await?;
    let journal = posting::write_off(&case, *amount, proposal.proposal_no);
    ledger::post(tx, case.part(), &[journal], now).await?;
    Ok(())
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

use std::process::ExitCode;

use chrono::Utc;
use domain::Institution;
use payments::{OverpaymentCase, OverpaymentFilter, OverpaymentRow, Proposed, Receipt, Way};

use super::proposal::propose;
use crate::cli::{Overpayment, Shared};
use crate::output::{Failure, grouped, print, show, table};
use crate::target::Target;

/// Rows that are shown of what grows without end.
const SHOWN_MAX: i64 = 200;

#[expect(clippy::too_many_lines, reason = "one short arm a command")]
pub(super) async fn overpayment(
    command: Overpayment,
    shared: &Shared,
) -> Result<ExitCode, Failure> {
    let target = Target::find(&shared.home)?;
    let today = boot::clock::today_in_vietnam(Utc::now());
    match command {
        Overpayment::List { programme, overdue } => {
            let filter = OverpaymentFilter {
                programme,
                case_no: None,
                is_overdue: overdue,
            };
            let pool = target.pool(None).await?;
            let rows = payments::overpayments(&pool, &filter, today, SHOWN_MAX).await?;
            show(shared.output, &rows, |rows| listed(rows))?;
            Ok(ExitCode::SUCCESS)
        }
        Overpayment::Show { case } => {
            let pool = target.pool(None).await?;
            let found = payments::overpayment(&pool, case, today).await?;
            let found = found.ok_or_else(|| {
                Failure::Refused(format!("case_unknown: there is no case {case}"))
            })?;
            show(shared.output, &found, shown)?;
            Ok(ExitCode::SUCCESS)
        }
        Overpayment::Decide {
            case,
            decision,
            decided_on,
            amount,
            instalment,
            monthly,
            reason,
            by,
        } => {
            let way = match monthly {
                Some(monthly) => Way::Net { monthly },
                None => Way::Repay {
                    instalments: instalment,
                },
            };
            let proposed = Proposed::Recovery {
                case_no: case,
                decision_no: decision,
                decided_on,
                amount,
                way,
            };
            propose(&target, shared, (proposed, reason), &by).await
        }
        Overpayment::Repaid {
            case,
            amount,
            institution,
            reference,
            paid_on,
            reason,
            by,
        } => {
            let receipt = Receipt {
                institution,
                reference,
                paid_on: paid_on.unwrap_or(today),
            };
            let proposed = Proposed::Repayment {
                case_no: case,
                amount,
                receipt,
            };
            propose(&target, shared, (proposed, reason), &by).await
        }
        Overpayment::GiveBack {
            exception,
            amount,
            institution,
            reference,
            paid_on,
            reason,
            by,
        } => {
            let receipt = Receipt {
                institution,
                reference,
                paid_on: paid_on.unwrap_or(today),
            };
            let proposed = Proposed::GiveBack {
                exception_no: exception,
                amount,
                receipt,
            };
            propose(&target, shared, (proposed, reason), &by).await
        }
        Overpayment::WriteOff {
            case,
            amount,
            basis,
            reason,
            by,
        } => {
            let proposed = Proposed::WriteOff {
                case_no: case,
                amount,
                basis,
            };
            propose(&target, shared, (proposed, reason), &by).await
        }
        Overpayment::Cap {
            percent,
            from,
            reason,
            by,
        } => {
            let proposed = Proposed::NettingCap {
                percent,
                valid_from: from,
            };
            propose(&target, shared, (proposed, reason), &by).await
        }
    }
}

fn listed(rows: &[OverpaymentRow]) -> comfy_table::Table {
    let rows = rows.iter().map(|it| {
        [
            it.case_no.to_string(),
            it.line.to_string(),
            it.period.to_string(),
            it.reason.clone(),
            it.state().to_owned(),
            grouped(it.amount),
            grouped(it.repaid),
            grouped(it.netted),
            grouped(it.pending),
            grouped(it.written_off),
            grouped(it.open),
            grouped(it.overdue),
        ]
    });
    let header = [
        "case",
        "line",
        "month",
        "because of",
        "state",
        "đồng",
        "repaid",
        "netted",
        "on its way",
        "written off",
        "open",
        "overdue",
    ];
    table(&header, 5, rows)
}

/// The case, what was decided and what is due, above what came back.
fn shown(of: &OverpaymentCase) -> comfy_table::Table {
    print(&listed(std::slice::from_ref(&of.case)).to_string());
    for it in &of.recoveries {
        let way = match it.monthly {
            Some(monthly) => format!("{} a month netted", grouped(monthly)),
            None => "by instalments".to_owned(),
        };
        print(&format!(
            "Decision {} of {} (proposal {}): {} đồng, {way}",
            it.decision_no,
            it.decided_on,
            it.recovery_no,
            grouped(it.amount)
        ));
    }
    let instalments = of.instalments.iter().map(|it| {
        let late = if it.is_overdue { "overdue" } else { "" };
        [
            it.number.to_string(),
            it.due_on.to_string(),
            late.to_owned(),
            grouped(it.amount),
            grouped(it.paid),
        ]
    });
    let header = ["instalment", "due on", "", "đồng", "paid"];
    if !of.instalments.is_empty() {
        print(&table(&header, 3, instalments).to_string());
    }
    let recovered = of.recovered.iter().map(|it| {
        let institution = it.institution.as_ref().map(Institution::to_string);
        let day = boot::clock::today_in_vietnam(it.at);
        [
            day.to_string(),
            it.how.clone(),
            institution.unwrap_or_default(),
            it.reference.clone(),
            grouped(it.amount),
        ]
    });
    table(
        &["on", "how", "institution", "reference", "đồng"],
        4,
        recovered,
    )
}

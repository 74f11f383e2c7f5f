use std::fmt;

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use domain::{Money, Officer, Period, Position, Programme};
use events::ResultStatus;
use messaging::Problem;
use serde::{Deserialize, Serialize};

use crate::Error;
use crate::matter::ended;
use crate::preview::Guard;
use crate::recovery::{Receipt, Way, allow_decision, readable};

/// The longest time for which a right is lent.
const LENT_MAX: TimeDelta = TimeDelta::days(366);

/// What holds once another officer has accepted it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Proposed {
    /// From this sum on so many persons approve a run.
    ApprovalLevel { from_total: Money, approvals: i16 },
    /// Beyond this an approver writes a reason; beyond `block` nobody approves.
    GuardLimit {
        guard: Guard,
        limit: i64,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        block: Option<i64>,
    },
    /// What a programme is expected to cost in a month.
    Forecast {
        programme: Programme,
        period: Period,
        total: Money,
    },
    /// One officer approves and releases in the place of another, for a time.
    Delegation {
        principal: Officer,
        delegate: Officer,
        starts_at: DateTime<Utc>,
        ends_at: DateTime<Utc>,
    },
    /// How an overpayment comes back, by a written decision of the authority.
    Recovery {
        case_no: i64,
        decision_no: String,
        decided_on: NaiveDate,
        amount: Money,
        way: Way,
    },
    /// So much of an overpayment is given up.
    WriteOff {
        case_no: i64,
        amount: Money,
        /// The document that it rests on.
        basis: String,
    },
    /// What is netted of a month's gross amount at most, for runs booked from a day on.
    NettingCap { percent: i16, valid_from: NaiveDate },
    /// Somebody paid back, at a bank or in cash.
    Repayment {
        case_no: i64,
        amount: Money,
        receipt: Receipt,
    },
    /// What was recovered too much, as an exception says, was given to the person.
    GiveBack {
        exception_no: i64,
        amount: Money,
        receipt: Receipt,
    },
    /// How a line ended first is how it ended, whatever its institution said later.
    FirstAnswer {
        line: Position,
        status: ResultStatus,
        /// The document that it rests on.
        basis: String,
    },
}

/// A proposal that is not decided yet, or was.
#[derive(Debug, Clone)]
pub(crate) struct Proposal {
    pub proposal_no: i64,
    pub proposed: Proposed,
    pub maker: Officer,
    pub reason: String,
    pub decided_by: Option<Officer>,
}

/// The text that is signed by who decides a proposal; its bytes (UTF-8) as they are.
#[derive(Debug, Clone)]
pub struct Decision {
    pub proposal_no: i64,
    pub proposed: Proposed,
    pub maker: Officer,
    pub reason: String,
    pub is_accepted: bool,
    pub officer: Officer,
}

impl Proposed {
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Proposed::ApprovalLevel { .. } => "approval_level",
            Proposed::GuardLimit { .. } => "guard_limit",
            Proposed::Forecast { .. } => "forecast",
            Proposed::Delegation { .. } => "delegation",
            Proposed::Recovery { .. } => "recovery",
            Proposed::WriteOff { .. } => "write_off",
            Proposed::NettingCap { .. } => "netting_cap",
            Proposed::Repayment { .. } => "repayment",
            Proposed::GiveBack { .. } => "give_back",
            Proposed::FirstAnswer { .. } => "first_answer",
        }
    }

    /// Refuses what nobody could accept.
    ///
    /// # Errors
    /// `approvals_invalid`, `limit_invalid`, `delegation_invalid`, and `not_the_principal` where
    /// somebody lends what is another's; `decision_invalid`, `instalments_invalid`, `amount_zero`,
    /// `basis_invalid`, `cap_invalid`, `reference_invalid`, `institution_unknown`,
    /// `paid_on_invalid`.
    pub(crate) fn allow(&self, maker: &Officer, now: DateTime<Utc>) -> Result<(), Error> {
        let refused = |status, code, detail: &str| Err(Problem::new(status, code, detail).into());
        match self {
            Proposed::ApprovalLevel { approvals, .. } if !(1..=9).contains(approvals) => {
                refused(422, "approvals_invalid", "1 to 9 persons approve a run")
            }
            Proposed::GuardLimit { limit, block, .. }
                if *limit < 0 || block.is_some_and(|it| it < *limit) =>
            {
                let detail = "a limit is 0 or more, and what blocks is not below it";
                refused(422, "limit_invalid", detail)
            }
            Proposed::Forecast { total, .. } if total.is_zero() => {
                refused(422, "amount_zero", "a forecast of 0 đồng is none")
            }
            Proposed::Delegation { principal, .. } if principal != maker => {
                let detail = "who lends a right proposes it themselves";
                refused(403, "not_the_principal", detail)
            }
            Proposed::Delegation {
                principal,
                delegate,
                starts_at,
                ends_at,
            } => {
                let in_order = starts_at < ends_at && now < *ends_at;
                if principal == delegate || !in_order || *ends_at - *starts_at > LENT_MAX {
                    let detail = "a right is lent to somebody else, for a year at most, and has \
                                  an end that is still to come";
                    return refused(422, "delegation_invalid", detail);
                }
                Ok(())
            }
            Proposed::Recovery {
                decision_no,
                decided_on,
                amount,
                way,
                ..
            } => {
                let today = boot::clock::today_in_vietnam(now);
                allow_decision((decision_no, *decided_on, today), *amount, way)
            }
            Proposed::WriteOff { amount, .. } if amount.is_zero() => {
                refused(422, "amount_zero", "0 đồng are not written off")
            }
            Proposed::WriteOff { basis, .. } | Proposed::FirstAnswer { basis, .. }
                if !readable(basis) =>
            {
                refused(422, "basis_invalid", "it rests on a document")
            }
            Proposed::Repayment { amount, .. } | Proposed::GiveBack { amount, .. }
                if amount.is_zero() =>
            {
                refused(422, "amount_zero", "0 đồng are not paid back")
            }
            Proposed::Repayment { receipt, .. } | Proposed::GiveBack { receipt, .. } => {
                receipt.allow(boot::clock::today_in_vietnam(now))
            }
            Proposed::NettingCap { percent, .. } if !(1..=100).contains(percent) => refused(
                422,
                "cap_invalid",
                "1 to 100 percent of an amount are netted",
            ),
            _ => Ok(()),
        }
    }
}

impl Proposal {
    /// Whoever proposed it or is concerned does not decide it, and it is decided once.
    ///
    /// # Errors
    /// `proposal_decided`, `same_person`.
    pub(crate) fn allow_decision(&self, by: &Officer) -> Result<(), Error> {
        if let Some(earlier) = &self.decided_by {
            let detail = format!("{earlier} has decided proposal {}", self.proposal_no);
            return Err(Problem::new(409, "proposal_decided", detail).into());
        }
        let concerned = match &self.proposed {
            Proposed::Delegation {
                principal,
                delegate,
                ..
            } => [principal, delegate].contains(&by),
            _ => false,
        };
        if by == &self.maker || concerned {
            let detail = format!("{by} proposed it or is concerned; another officer decides");
            return Err(Problem::new(403, "same_person", detail).into());
        }
        Ok(())
    }

    pub(crate) fn decision(&self, is_accepted: bool, officer: &Officer) -> Decision {
        Decision {
            proposal_no: self.proposal_no,
            proposed: self.proposed.clone(),
            maker: self.maker.clone(),
            reason: self.reason.clone(),
            is_accepted,
            officer: officer.clone(),
        }
    }
}

/// In the words of who decides it.
impl fmt::Display for Proposed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let day = |it: &DateTime<Utc>| {
            let it = boot::clock::in_vietnam(*it);
            it.format("%d/%m/%Y %H:%M:%S").to_string()
        };
        match self {
            Proposed::ApprovalLevel {
                from_total,
                approvals,
            } => write!(
                f,
                "từ {} cần {approvals} người phê duyệt",
                in_full(from_total)
            ),
            Proposed::GuardLimit {
                guard,
                limit,
                block,
            } => {
                write!(f, "ngưỡng cảnh báo {}: {limit}", guard.as_str())?;
                block.map_or(Ok(()), |it| write!(f, ", ngưỡng chặn: {it}"))
            }
            Proposed::Forecast {
                programme,
                period,
                total,
            } => write!(f, "dự báo chi {programme} kỳ {period}: {}", in_full(total)),
            Proposed::Delegation {
                principal,
                delegate,
                starts_at,
                ends_at,
            } => write!(
                f,
                "{principal} uỷ quyền cho {delegate} từ {} đến {}",
                day(starts_at),
                day(ends_at)
            ),
            Proposed::Recovery { .. }
            | Proposed::WriteOff { .. }
            | Proposed::NettingCap { .. }
            | Proposed::Repayment { .. }
            | Proposed::GiveBack { .. }
            | Proposed::FirstAnswer { .. } => self.fmt_on_payments(f),
        }
    }
}

fn in_full(amount: &Money) -> String {
    format!("{} ({})", amount.vi(), amount.in_words())
}

impl Proposed {
    /// What is decided on payments that were made.
    fn fmt_on_payments(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sum = in_full;
        match self {
            Proposed::Recovery {
                case_no,
                decision_no,
                decided_on,
                amount,
                way,
            } => write!(
                f,
                "thu hồi {} chi không đúng, hồ sơ {case_no}, theo quyết định {decision_no} \
                 ngày {}: {way}",
                sum(amount),
                decided_on.format("%d/%m/%Y"),
            ),
            Proposed::WriteOff {
                case_no,
                amount,
                basis,
            } => {
                let sum = sum(amount);
                write!(
                    f,
                    "xoá nợ {sum} chi không đúng, hồ sơ {case_no}, theo {basis}"
                )
            }
            Proposed::NettingCap {
                percent,
                valid_from,
            } => write!(
                f,
                "khấu trừ mỗi tháng tối đa {percent} % mức hưởng từ {}",
                valid_from.format("%d/%m/%Y"),
            ),
            Proposed::Repayment {
                case_no,
                amount,
                receipt,
            } => {
                let sum = sum(amount);
                write!(f, "ghi nhận {sum} đã hoàn trả, hồ sơ {case_no}, {receipt}")
            }
            Proposed::GiveBack {
                exception_no,
                amount,
                receipt,
            } => {
                let sum = sum(amount);
                write!(
                    f,
                    "ghi nhận {sum} thu hồi thừa đã trả lại người hưởng, ngoại lệ \
                     {exception_no}, {receipt}"
                )
            }
            Proposed::FirstAnswer {
                line,
                status,
                basis,
            } => {
                let end = ended(*status);
                write!(
                    f,
                    "giữ nguyên kết quả đầu tiên của khoản chi {line}: {end}, theo {basis}"
                )
            }
            Proposed::ApprovalLevel { .. }
            | Proposed::GuardLimit { .. }
            | Proposed::Forecast { .. }
            | Proposed::Delegation { .. } => Ok(()),
        }
    }
}

/// Another text is another version, named in its first line.
impl fmt::Display for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let how = if self.is_accepted {
            "chấp thuận"
        } else {
            "từ chối"
        };
        writeln!(f, "An Sinh · {how} đề nghị · v1")?;
        writeln!(f, "Đề nghị số: {}", self.proposal_no)?;
        writeln!(f, "Nội dung: {}", self.proposed)?;
        writeln!(f, "Căn cứ: {}", self.reason)?;
        writeln!(f, "Người đề nghị: {}", self.maker)?;
        writeln!(f, "Người ký: {}", self.officer)
    }
}

#[cfg(test)]
mod tests;

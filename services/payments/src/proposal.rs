use std::fmt;

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use domain::{Money, Officer, Period, Programme};
use messaging::Problem;
use serde::{Deserialize, Serialize};

use crate::Error;
use crate::preview::Guard;
use crate::recovery::{Way, allow_decision, readable};

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
        }
    }

    /// Refuses what nobody could accept.
    ///
    /// # Errors
    /// `approvals_invalid`, `limit_invalid`, `delegation_invalid`, and `not_the_principal` where
    /// somebody lends what is another's; `decision_invalid`, `instalments_invalid`, `amount_zero`,
    /// `basis_invalid`, `cap_invalid`.
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
            Proposed::WriteOff { basis, .. } if !readable(basis) => {
                refused(422, "basis_invalid", "a write-off rests on a document")
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
        let sum = |it: &Money| format!("{} ({})", it.vi(), it.in_words());
        match self {
            Proposed::ApprovalLevel {
                from_total,
                approvals,
            } => write!(f, "từ {} cần {approvals} người phê duyệt", sum(from_total)),
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
            } => write!(f, "dự báo chi {programme} kỳ {period}: {}", sum(total)),
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
mod tests {
    use super::*;

    fn officer(name: &str) -> Officer {
        name.parse().unwrap()
    }

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    fn lent(principal: &str, delegate: &str, starts: &str, ends: &str) -> Proposed {
        Proposed::Delegation {
            principal: officer(principal),
            delegate: officer(delegate),
            starts_at: at(starts),
            ends_at: at(ends),
        }
    }

    fn code(result: Result<(), Error>) -> String {
        result.map_or_else(|it| Problem::from(it).code, |()| "done".to_owned())
    }

    #[test]
    fn what_nobody_could_accept_is_refused() {
        let level = |approvals| Proposed::ApprovalLevel {
            from_total: Money::dong(1),
            approvals,
        };
        let limit = |limit, block| Proposed::GuardLimit {
            guard: Guard::ManyStopped,
            limit,
            block,
        };
        let (noon, later) = ("2026-12-01T05:00:00Z", "2026-12-05T05:00:00Z");
        for (proposed, expected) in [
            (level(1), "done"),
            (level(9), "done"),
            (level(0), "approvals_invalid"),
            (level(10), "approvals_invalid"),
            (limit(1, None), "done"),
            (limit(0, Some(0)), "done"),
            (limit(-1, None), "limit_invalid"),
            (limit(2, Some(1)), "limit_invalid"),
            (lent("le.binh", "do.giang", noon, later), "done"),
            (
                lent("do.giang", "le.binh", noon, later),
                "not_the_principal",
            ),
            (
                lent("le.binh", "le.binh", noon, later),
                "delegation_invalid",
            ),
            (
                lent("le.binh", "do.giang", later, noon),
                "delegation_invalid",
            ),
            (
                lent(
                    "le.binh",
                    "do.giang",
                    "2026-11-01T00:00:00Z",
                    "2026-11-02T00:00:00Z",
                ),
                "delegation_invalid",
            ),
            (
                lent("le.binh", "do.giang", noon, "2027-12-03T05:00:00Z"),
                "delegation_invalid",
            ),
        ] {
            let told = proposed.allow(&officer("le.binh"), at(noon));
            assert_eq!(code(told), expected, "{proposed}");
        }
    }

    #[test]
    fn a_proposal_is_decided_once_and_by_nobody_whom_it_concerns() {
        let mut proposal = Proposal {
            proposal_no: 3,
            proposed: lent(
                "le.binh",
                "do.giang",
                "2026-12-01T00:00:00Z",
                "2026-12-05T00:00:00Z",
            ),
            maker: officer("le.binh"),
            reason: "nghỉ phép".to_owned(),
            decided_by: None,
        };
        for (by, expected) in [
            ("le.binh", "same_person"),
            ("do.giang", "same_person"),
            ("tran.chi", "done"),
        ] {
            assert_eq!(code(proposal.allow_decision(&officer(by))), expected);
        }
        proposal.decided_by = Some(officer("vo.hoa"));
        let told = proposal.allow_decision(&officer("tran.chi"));
        assert_eq!(code(told), "proposal_decided");
    }

    #[test]
    fn the_text_of_a_decision_is_a_promise() {
        let decision = Decision {
            proposal_no: 3,
            proposed: Proposed::ApprovalLevel {
                from_total: Money::dong(5_000_000),
                approvals: 2,
            },
            maker: officer("le.binh"),
            reason: "QĐ 12/2026".to_owned(),
            is_accepted: true,
            officer: officer("tran.chi"),
        };
        let text = "An Sinh · chấp thuận đề nghị · v1\nĐề nghị số: 3\n\
            Nội dung: từ 5.000.000 đồng (Năm triệu đồng) cần 2 người phê duyệt\n\
            Căn cứ: QĐ 12/2026\nNgười đề nghị: le.binh\nNgười ký: tran.chi\n";
        assert_eq!(decision.to_string(), text);
        let lent = lent(
            "le.binh",
            "do.giang",
            "2026-12-01T00:00:00Z",
            "2026-12-05T17:00:00Z",
        );
        assert_eq!(
            lent.to_string(),
            "le.binh uỷ quyền cho do.giang từ 01/12/2026 07:00:00 đến 06/12/2026 00:00:00"
        );
        let recovery = Proposed::Recovery {
            case_no: 7,
            decision_no: "45/QĐ-BHXH".to_owned(),
            decided_on: "2026-11-20".parse().unwrap(),
            amount: Money::dong(540_000),
            way: Way::Net {
                monthly: Money::dong(150_000),
            },
        };
        assert_eq!(
            recovery.to_string(),
            "thu hồi 540.000 đồng (Năm trăm bốn mươi nghìn đồng) chi không đúng, hồ sơ 7, theo \
             quyết định 45/QĐ-BHXH ngày 20/11/2026: khấu trừ 150.000 đồng mỗi tháng"
        );
        let write_off = Proposed::WriteOff {
            case_no: 7,
            amount: Money::dong(1_000),
            basis: "BB 3/2026".to_owned(),
        };
        assert_eq!(
            write_off.to_string(),
            "xoá nợ 1.000 đồng (Một nghìn đồng) chi không đúng, hồ sơ 7, theo BB 3/2026"
        );
        let cap = Proposed::NettingCap {
            percent: 20,
            valid_from: "2027-01-01".parse().unwrap(),
        };
        assert_eq!(
            cap.to_string(),
            "khấu trừ mỗi tháng tối đa 20 % mức hưởng từ 01/01/2027"
        );
    }
}

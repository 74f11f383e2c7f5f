//! Cash at communes: what an agent says of its list, and who of two who decide about an entry is first.

use std::collections::BTreeSet;
use std::fmt;

use domain::{Money, Officer, Position};
use events::ResultStatus;
use messaging::Problem;
use sha2::{Digest, Sha256};

use crate::Error;
use crate::command::{CashReturn, CashRow};
use crate::result::Standing;

/// Rows of one return.
pub(crate) const RETURN_ROWS_MAX: usize = 10_000;
/// The longest number of a return: with its mark in front it is a message's id.
const RETURN_NO_MAX: usize = 32;
/// Why an entry that its owner has not fetched is not paid (ISO 20022: on the customer's side).
pub(crate) const NOT_FETCHED: &str = "CUST";
/// Why an entry is not paid whose owner wants it on an account.
pub(crate) const MOVED: &str = "MOVED";

/// What somebody decides about an entry of a cash list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Decision {
    /// It was paid at the commune.
    Take,
    /// It is not to be paid in cash any more.
    Move,
}

/// The text under an agent's return: the sums, and a hash that binds each row.
#[derive(Debug, Clone)]
pub struct CashStatement<'a> {
    pub of: &'a CashReturn,
}

/// What the decision makes of a line, or by a stable code why not; the first decision stands. Pure:
/// who asks keeps the line as it is until the answer is written.
pub(crate) fn decide(
    decision: Decision,
    is_cash: bool,
    standing: Option<Standing>,
    is_asked_back: bool,
) -> Result<ResultStatus, &'static str> {
    match (standing, is_cash) {
        (None, _) => Err("line_unknown"),
        (Some(Standing::NotReleased), _) => Err("not_released"),
        (Some(Standing::Answered(ResultStatus::Credited)), _) => Err("already_paid"),
        (Some(Standing::Answered(ResultStatus::Rejected)), _) => Err("already_cancelled"),
        // Whoever has the order may carry it out at this very moment.
        (Some(Standing::InTransit), false) => Err("in_transit"),
        (Some(Standing::Unknown), false) => Err("unknown"),
        (Some(Standing::InTransit | Standing::Unknown), true) => match decision {
            Decision::Take if is_asked_back => Err("not_owed"),
            Decision::Take => Ok(ResultStatus::Credited),
            Decision::Move => Ok(ResultStatus::Rejected),
        },
    }
}

impl CashReturn {
    /// Holds the control totals against the rows, before anything is done with any of them.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let no = self.return_no.as_str();
        let is_printable = |it: char| it.is_alphanumeric() || "./-_".contains(it);
        if no.is_empty() || no.chars().count() > RETURN_NO_MAX || !no.chars().all(is_printable) {
            let detail =
                format!("a return has a number of 1 to {RETURN_NO_MAX} letters and digits");
            return Err(Problem::new(422, "return_no_invalid", detail).into());
        }
        if self.rows.is_empty() || self.rows.len() > RETURN_ROWS_MAX {
            let detail = format!("a return has 1 to {RETURN_ROWS_MAX} rows");
            return Err(Problem::new(422, "rows_too_many", detail).into());
        }
        let mut seen = BTreeSet::new();
        for (row, it) in (1..).zip(&self.rows) {
            let code = if it.line.run != self.run_no {
                "other_run"
            } else if !seen.insert(it.line) {
                "row_repeated"
            } else {
                continue;
            };
            return Err(row_refused(row, it.line, code).into());
        }
        let handed_over = Money::sum(self.rows.iter().map(|it| it.amount));
        let paid = self.sum_of(true);
        for (name, said, is) in [
            ("handed_over", self.handed_over, Some(handed_over)),
            ("paid", self.paid, Some(paid)),
            ("balance", self.balance, handed_over.checked_sub(paid)),
        ] {
            if Some(said) != is {
                let is = is.unwrap_or_default();
                let detail = format!("{name} says {said} đồng, and the rows add up to {is}");
                return Err(Problem::new(422, "control_totals_differ", detail).into());
            }
        }
        Ok(())
    }

    fn of(&self, is_paid: bool) -> impl Iterator<Item = &CashRow> {
        self.rows.iter().filter(move |it| it.is_paid == is_paid)
    }

    fn sum_of(&self, is_paid: bool) -> Money {
        Money::sum(self.of(is_paid).map(|it| it.amount))
    }

    /// SHA-256 over `id;paid|unpaid;amount` and a line feed for each row, as they come.
    fn rows_hash(&self) -> String {
        let mut hash = Sha256::new();
        for it in &self.rows {
            let what = if it.is_paid { "paid" } else { "unpaid" };
            hash.update(format!("{};{what};{}\n", it.line, it.amount));
        }
        hex::encode(hash.finalize())
    }

    /// Its id as a message of the agent.
    pub(crate) fn message_id(&self) -> String {
        format!("BK-{}", self.return_no)
    }
}

/// Names the row, from 1, and why it cannot be.
pub(crate) fn row_refused(row: usize, line: Position, code: &str) -> Problem {
    Problem::new(422, code, format!("row {row}, {line}: {code}"))
}

impl fmt::Display for CashStatement<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let it = self.of;
        let officer: &Officer = &it.officer;
        writeln!(f, "An Sinh · bảng kê chi tiền mặt · v1")?;
        writeln!(f, "Số bảng kê: {}", it.return_no)?;
        writeln!(f, "Đợt chi: {}", it.run_no)?;
        writeln!(f, "Đơn vị chi trả: {}", it.institution)?;
        writeln!(f, "Ngày chi: {}", it.paid_on.format("%d/%m/%Y"))?;
        writeln!(f, "Số tiền đã nhận: {}", it.handed_over.vi())?;
        writeln!(f, "Đã chi: {} khoản, {}", it.of(true).count(), it.paid.vi())?;
        writeln!(f, "Bằng chữ: {}", it.paid.in_words())?;
        let unpaid = it.of(false).count();
        writeln!(f, "Chưa chi: {unpaid} khoản, {}", it.balance.vi())?;
        writeln!(f, "Mã băm bảng kê: {}", it.rows_hash())?;
        writeln!(f, "Người ký: {officer}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ResultStatus::{Credited, Rejected};

    #[test]
    fn cash_and_transfer_exclude_each_other() {
        use Decision::{Move, Take};
        let answered = |status| Some(Standing::Answered(status));
        for (standing, in_cash, at_a_bank) in [
            (None, Err("line_unknown"), Err("line_unknown")),
            (
                Some(Standing::NotReleased),
                Err("not_released"),
                Err("not_released"),
            ),
            (Some(Standing::InTransit), Ok(()), Err("in_transit")),
            (Some(Standing::Unknown), Ok(()), Err("unknown")),
            (answered(Credited), Err("already_paid"), Err("already_paid")),
            (
                answered(Rejected),
                Err("already_cancelled"),
                Err("already_cancelled"),
            ),
        ] {
            for (decision, status) in [(Take, Credited), (Move, Rejected)] {
                let of = |is_cash| decide(decision, is_cash, standing, false);
                assert_eq!(of(true), in_cash.map(|()| status), "{standing:?}");
                assert_eq!(of(false), at_a_bank.map(|()| status), "{standing:?}");
            }
        }
        let asked_back = |decision| decide(decision, true, Some(Standing::InTransit), true);
        assert_eq!(asked_back(Take), Err("not_owed"));
        assert_eq!(asked_back(Move), Ok(Rejected));
    }

    fn returned() -> CashReturn {
        let row = |line: &str, is_paid, amount| CashRow {
            line: line.parse().unwrap(),
            is_paid,
            amount: Money::dong(amount),
        };
        CashReturn {
            officer: "do.giang".parse().unwrap(),
            institution: domain::CASH_AGENT,
            run_no: domain::RunNo(1),
            return_no: "BK01".to_owned(),
            paid_on: "2026-12-05".parse().unwrap(),
            handed_over: Money::dong(1_190_000),
            paid: Money::dong(540_000),
            balance: Money::dong(650_000),
            rows: vec![
                row("R000001-07-0001-0001", true, 540_000),
                row("R000001-07-0001-0002", false, 650_000),
            ],
            signature: None,
        }
    }

    #[test]
    fn a_return_adds_up_before_any_row_is_looked_at() {
        type Spoil = fn(&mut CashReturn);
        assert!(returned().check().is_ok());
        let wrong: [(Spoil, &str); 9] = [
            (|it| it.return_no.clear(), "return_no_invalid"),
            (|it| it.return_no = "BK 1".to_owned(), "return_no_invalid"),
            (|it| it.rows.clear(), "rows_too_many"),
            (|it| it.rows[1] = it.rows[0].clone(), "row_repeated"),
            (|it| it.run_no = domain::RunNo(2), "other_run"),
            (|it| it.rows[1].is_paid = true, "control_totals_differ"),
            (|it| it.handed_over = it.paid, "control_totals_differ"),
            (|it| it.paid = it.balance, "control_totals_differ"),
            (|it| it.balance = Money::ZERO, "control_totals_differ"),
        ];
        for (spoil, code) in wrong {
            let mut spoilt = returned();
            spoil(&mut spoilt);
            let Err(Error::Refused(problem)) = spoilt.check() else {
                panic!("{spoilt:?}");
            };
            assert_eq!(problem.code, code);
        }
    }

    /// What an agent has signed is verified years later: this text never changes.
    #[test]
    fn the_text_that_is_signed_binds_sums_and_rows() {
        let of = returned();
        let text = CashStatement { of: &of }.to_string();
        assert_eq!(
            text,
            "An Sinh · bảng kê chi tiền mặt · v1\n\
             Số bảng kê: BK01\n\
             Đợt chi: R000001\n\
             Đơn vị chi trả: 990001\n\
             Ngày chi: 05/12/2026\n\
             Số tiền đã nhận: 1.190.000 đồng\n\
             Đã chi: 1 khoản, 540.000 đồng\n\
             Bằng chữ: Năm trăm bốn mươi nghìn đồng\n\
             Chưa chi: 1 khoản, 650.000 đồng\n\
             Mã băm bảng kê: b295466f6e576affcfb62916df4eecc9363f5f6559874020c269584b16280239\n\
             Người ký: do.giang\n"
        );
        let mut other = returned();
        other.rows.swap(0, 1);
        assert_ne!(CashStatement { of: &other }.to_string(), text);
    }
}

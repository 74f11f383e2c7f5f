use std::fmt;

use approval::{OfficerKey, Signed};
use chrono::NaiveDate;
use domain::{Money, Officer, Period, Programme, RunNo};

use crate::run::Run;
use crate::{Error, RunSummary};

/// What an officer signs of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignedAct {
    Approve,
    Release,
}

/// The text under a signature: what a person reads before signing, and what an auditor reads who
/// verifies it years later. Its bytes (UTF-8) are signed as they are; another text is another
/// version, named in its first line.
#[derive(Debug, Clone)]
pub struct Statement {
    pub act: SignedAct,
    pub officer: Officer,
    pub run_no: RunNo,
    pub programme: Programme,
    pub period: Period,
    pub business_date: NaiveDate,
    pub lines: i64,
    pub total: Money,
    /// Hex; the RFC 6962 root over the lines.
    pub root: String,
    /// In whose place the officer acts, if not in their own.
    pub lent: Option<Delegation>,
}

/// By what an officer acts in the place of another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delegation {
    pub principal: Officer,
    /// The number of the proposal that was accepted.
    pub delegation_no: i64,
}

impl SignedAct {
    fn words(self) -> &'static str {
        match self {
            SignedAct::Approve => "phê duyệt chi trả",
            SignedAct::Release => "phát lệnh chi trả",
        }
    }
}

impl Statement {
    /// What an officer signs of a run as it is shown.
    pub fn seen(act: SignedAct, officer: Officer, it: &RunSummary) -> Statement {
        Statement {
            act,
            officer,
            run_no: it.run_no,
            programme: it.programme,
            period: it.period,
            business_date: it.business_date,
            lines: it.lines,
            total: it.total,
            root: it.root.clone().unwrap_or_default(),
            lent: None,
        }
    }

    pub(crate) fn of(act: SignedAct, officer: &Officer, run: &Run) -> Statement {
        Statement {
            act,
            officer: officer.clone(),
            run_no: run.run_no,
            programme: run.programme,
            period: run.period,
            business_date: run.business_date,
            lines: run.lines,
            total: run.total,
            root: run.root.map(|it| it.hex()).unwrap_or_default(),
            lent: None,
        }
    }

    pub fn in_place_of(self, lent: Option<Delegation>) -> Statement {
        Statement { lent, ..self }
    }

    pub(crate) fn signed(
        &self,
        key: Option<OfficerKey>,
        signature: Option<&str>,
        required: bool,
    ) -> Result<Option<Signed>, Error> {
        Ok(approval::signed(
            self,
            &self.officer,
            key,
            signature,
            required,
        )?)
    }
}

/// Two versions of a text never mean the same bytes, so each names itself first.
impl fmt::Display for Statement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let version = if self.lent.is_some() { "v2" } else { "v1" };
        writeln!(f, "An Sinh · {} · {version}", self.act.words())?;
        writeln!(f, "Đợt chi: {}", self.run_no)?;
        writeln!(f, "Chương trình: {}", self.programme)?;
        writeln!(f, "Kỳ: {}", self.period.first_day().format("%m/%Y"))?;
        writeln!(f, "Ngày chi: {}", self.business_date.format("%d/%m/%Y"))?;
        writeln!(f, "Số khoản: {}", self.lines)?;
        writeln!(f, "Số tiền: {}", self.total.vi())?;
        writeln!(f, "Bằng chữ: {}", self.total.in_words())?;
        writeln!(f, "Mã băm danh sách: {}", self.root)?;
        if let Some(lent) = &self.lent {
            let (principal, number) = (&lent.principal, lent.delegation_no);
            writeln!(f, "Thay mặt: {principal} (uỷ quyền số {number})")?;
        }
        writeln!(f, "Người ký: {}", self.officer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn statement() -> Statement {
        Statement {
            act: SignedAct::Approve,
            officer: "le.binh".parse().unwrap(),
            run_no: RunNo(1),
            programme: Programme::SocialPension,
            period: "2026-12".parse().unwrap(),
            business_date: NaiveDate::from_ymd_opt(2026, 12, 1).unwrap(),
            lines: 535,
            total: Money::dong(305_280_000),
            root: "8a".repeat(32),
            lent: None,
        }
    }

    #[test]
    fn the_text_that_is_signed_is_a_promise() {
        let expected = "An Sinh · phê duyệt chi trả · v1\nĐợt chi: R000001\nChương trình: HTXH\n\
            Kỳ: 12/2026\nNgày chi: 01/12/2026\nSố khoản: 535\nSố tiền: 305.280.000 đồng\n\
            Bằng chữ: Ba trăm linh năm triệu hai trăm tám mươi nghìn đồng\n\
            Mã băm danh sách: "
            .to_owned()
            + &"8a".repeat(32)
            + "\nNgười ký: le.binh\n";
        assert_eq!(statement().to_string(), expected);
        let lent = statement().in_place_of(Some(Delegation {
            principal: "vo.hoa".parse().unwrap(),
            delegation_no: 3,
        }));
        let signer = "Thay mặt: vo.hoa (uỷ quyền số 3)\nNgười ký: le.binh\n";
        let expected = expected.replace("Người ký: le.binh\n", signer);
        assert_eq!(lent.to_string(), expected.replace("· v1", "· v2"));
    }
}

//! What two officers decide about a break, as it is stored and as they sign it.

use approval::{Kind, Matter};
use events::Resolution;
use messaging::Problem;
use sqlx::PgConnection;

use crate::Error;
use crate::case::Case;
use crate::store::{self, Proposal};

/// A proposal on a case as it is stored; whoever is to sign it is shown this.
///
/// # Errors
/// `proposal_unknown`.
pub async fn matter(tx: &mut PgConnection, proposal_no: i64) -> Result<Matter, Error> {
    let unknown = || {
        let detail = format!("there is no proposal {proposal_no}");
        Problem::new(404, "proposal_unknown", detail)
    };
    let proposal = store::proposal(tx, proposal_no).await?;
    let proposal = proposal.ok_or_else(unknown)?;
    let case = store::case(tx, proposal.case).await?;
    Ok(of_proposal(&proposal, &case.ok_or_else(unknown)?))
}

pub(crate) fn of_proposal(proposal: &Proposal, case: &Case) -> Matter {
    let how = match proposal.how {
        Resolution::Accepted => "chấp nhận",
        Resolution::Matched => "khớp với khoản chi",
        Resolution::Split => "tách thành các khoản chi",
        Resolution::Offset => "bù trừ với chênh lệch khác",
        Resolution::WrittenOff => "xoá sổ",
        Resolution::OwedAgain => "phải chi lại",
        Resolution::ShownLater => "sao kê sau đã thể hiện",
        Resolution::LateResult => "kết quả đến muộn",
    };
    let mut matter = Matter::new(Kind::Case, proposal.proposal_no)
        .saying("Chênh lệch", proposal.case)
        .saying("Loại", case.kind.code());
    if let Some(line) = case.line {
        matter = matter.saying("Khoản chi", line);
    }
    matter = matter
        .amounting("Số tiền", case.amount)
        .saying("Xử lý", how);
    for line in &proposal.lines {
        matter = matter.saying("Của khoản chi", line);
    }
    if let Some(against) = proposal.against {
        matter = matter.saying("Bù trừ với", against);
    }
    matter.by(&proposal.officer, &proposal.reason)
}

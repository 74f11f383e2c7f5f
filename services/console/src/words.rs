//! What codes are called on a citizen's page.

use boot::clock::in_vietnam;
use chrono::{DateTime, NaiveDate, Utc};
use serde_json::Value;

use crate::accounts::RequestKind;

pub(crate) const REQUEST_KINDS: [RequestKind; 7] = [
    RequestKind::View,
    RequestKind::Copy,
    RequestKind::Correct,
    RequestKind::Restrict,
    RequestKind::Object,
    RequestKind::Withdraw,
    RequestKind::Delete,
];

impl RequestKind {
    pub(crate) fn code(self) -> &'static str {
        match self {
            RequestKind::View => "view",
            RequestKind::Copy => "copy",
            RequestKind::Correct => "correct",
            RequestKind::Restrict => "restrict",
            RequestKind::Object => "object",
            RequestKind::Withdraw => "withdraw",
            RequestKind::Delete => "delete",
        }
    }

    pub(crate) fn words(self) -> &'static str {
        match self {
            RequestKind::View => "Xem dữ liệu của tôi",
            RequestKind::Copy => "Nhận bản sao dữ liệu",
            RequestKind::Correct => "Chỉnh sửa dữ liệu sai",
            RequestKind::Restrict => "Hạn chế xử lý dữ liệu",
            RequestKind::Object => "Phản đối việc xử lý dữ liệu",
            RequestKind::Withdraw => "Rút lại sự đồng ý",
            RequestKind::Delete => "Xóa dữ liệu",
        }
    }
}

pub(crate) fn link_kind(code: &str) -> &str {
    match code {
        "ssa" => "Tài khoản an sinh xã hội",
        "benefit_account" => "Tài khoản nhận trợ cấp",
        other => other,
    }
}

pub(crate) fn link_state(code: &str) -> &str {
    match code {
        "requested" => "Đã gửi yêu cầu",
        "pending" => "Đang chờ ngân hàng xác nhận",
        "linked" => "Đã liên kết",
        "refused" => "Không liên kết được",
        "expired" => "Quá hạn xác nhận",
        "suspended" => "Tạm dừng",
        "replaced" => "Đã thay bằng tài khoản khác",
        "unlinked" => "Đã hủy liên kết",
        other => other,
    }
}

/// Whether a citizen can still end a link in this state.
pub(crate) fn can_be_ended(state: &str) -> bool {
    matches!(state, "requested" | "pending" | "linked" | "suspended")
}

pub(crate) fn request_state(code: &str) -> &str {
    match code {
        "received" => "Đã nhận",
        "acknowledged" => "Đang xử lý",
        "answered" => "Đã trả lời",
        "refused" => "Không được chấp nhận",
        other => other,
    }
}

pub(crate) fn role(code: &str) -> &str {
    match code {
        "citizen" => "Chính bạn",
        "officer" => "Cán bộ",
        "auditor" => "Kiểm toán",
        "service" => "Hệ thống",
        other => other,
    }
}

/// What was seen, in a list.
pub(crate) fn fields(codes: &[String]) -> String {
    let words = codes.iter().map(|it| match &it[..] {
        "citizen_number" => "số định danh cá nhân",
        "old_number" => "số chứng minh nhân dân cũ",
        "name" | "full_name" => "họ và tên",
        "birth_date" => "ngày sinh",
        "account" | "account_number" => "số tài khoản",
        "holder" => "tên chủ tài khoản",
        "links" => "các tài khoản đã liên kết",
        "payments" => "các khoản chi trả",
        other => other,
    });
    words.collect::<Vec<_>>().join(", ")
}

/// Where the money goes when no account can be used: one channel, or several in their order.
pub(crate) fn then(told: &Value) -> String {
    let channels: Vec<&str> = match told {
        Value::String(one) => vec![one],
        Value::Array(several) => several.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    let words = channels.iter().map(|it| match *it {
        "bank_account" => "chuyển vào tài khoản ngân hàng",
        "wallet" => "chuyển vào ví điện tử",
        _ => "nhận tiền mặt tại điểm chi trả",
    });
    let words: Vec<&str> = words.collect();
    if words.is_empty() {
        "nhận tiền mặt tại điểm chi trả".to_owned()
    } else {
        words.join(", rồi ")
    }
}

/// `12/05/2026 lúc 09:30`, in Viet Nam.
pub(crate) fn moment(at: &DateTime<Utc>) -> String {
    in_vietnam(*at).format("%d/%m/%Y lúc %H:%M").to_string()
}

/// `12/05/2026`
pub(crate) fn day(on: NaiveDate) -> String {
    on.format("%d/%m/%Y").to_string()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_day_is_a_day_in_viet_nam() {
        let at = "2026-11-30T17:05:00Z".parse().unwrap();
        assert_eq!(moment(&at), "01/12/2026 lúc 00:05");
        let on = NaiveDate::from_ymd_opt(2026, 12, 1).unwrap();
        assert_eq!(day(on), "01/12/2026");
    }

    #[test]
    fn cash_is_never_forgotten() {
        assert_eq!(then(&json!("cash")), "nhận tiền mặt tại điểm chi trả");
        assert_eq!(then(&json!(null)), "nhận tiền mặt tại điểm chi trả");
        assert_eq!(
            then(&json!(["wallet", "cash"])),
            "chuyển vào ví điện tử, rồi nhận tiền mặt tại điểm chi trả"
        );
    }
}

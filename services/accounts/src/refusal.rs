use std::str::FromStr;

/// Why an account is not, or no longer, paid to. The codes are stable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RefusalCode {
    /// The bank has no such account (ISO 20022 `AC01`).
    AccountUnknown,
    /// ISO 20022 `AC04`.
    AccountClosed,
    /// Blocked, or its holder's papers have run out (ISO 20022 `AC06`).
    AccountRestricted,
    /// The bank's papers name another number (ISO 20022 `BE01`).
    IdentityDiffers,
    /// The account was never verified: the bank holds no number of its holder.
    IdentityNotHeld,
    /// The bank's books name somebody else (ISO 20022 `BE01`).
    NameDiffers,
    /// An officer looked at name or old number and did not accept it.
    ReviewRefused,
    /// The central bank warns of the account, and an officer agreed.
    Suspicion,
    /// More people were paid to it than one account may have, and an officer saw no reason.
    SharedAccount,
}

impl RefusalCode {
    pub const ALL: [RefusalCode; 9] = [
        RefusalCode::AccountUnknown,
        RefusalCode::AccountClosed,
        RefusalCode::AccountRestricted,
        RefusalCode::IdentityDiffers,
        RefusalCode::IdentityNotHeld,
        RefusalCode::NameDiffers,
        RefusalCode::ReviewRefused,
        RefusalCode::Suspicion,
        RefusalCode::SharedAccount,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            RefusalCode::AccountUnknown => "account_unknown",
            RefusalCode::AccountClosed => "account_closed",
            RefusalCode::AccountRestricted => "account_restricted",
            RefusalCode::IdentityDiffers => "identity_differs",
            RefusalCode::IdentityNotHeld => "identity_not_held",
            RefusalCode::NameDiffers => "name_differs",
            RefusalCode::ReviewRefused => "review_refused",
            RefusalCode::Suspicion => "suspicion",
            RefusalCode::SharedAccount => "shared_account",
        }
    }

    /// What the citizen reads: what happened, and what to do. It never says that somebody is
    /// suspected.
    pub fn sentence_vi(self) -> &'static str {
        match self {
            RefusalCode::AccountUnknown => {
                "Ngân hàng không có tài khoản này. Vui lòng kiểm tra lại số tài khoản."
            }
            RefusalCode::AccountClosed => {
                "Tài khoản đã đóng. Vui lòng chọn tài khoản khác; trước mắt khoản chi trả được nhận theo hình thức kế tiếp."
            }
            RefusalCode::AccountRestricted => {
                "Tài khoản đang bị hạn chế giao dịch hoặc giấy tờ đã hết hạn. Vui lòng liên hệ ngân hàng để cập nhật."
            }
            RefusalCode::IdentityDiffers => {
                "Số định danh tại ngân hàng không phải của ông/bà. Chỉ liên kết được tài khoản do chính mình đứng tên."
            }
            RefusalCode::IdentityNotHeld => {
                "Tài khoản chưa được ngân hàng xác thực bằng căn cước. Vui lòng đến ngân hàng cập nhật rồi liên kết lại."
            }
            RefusalCode::NameDiffers => {
                "Họ tên chủ tài khoản tại ngân hàng khác với họ tên trong dữ liệu dân cư."
            }
            RefusalCode::ReviewRefused => {
                "Cán bộ đã xem xét và chưa chấp nhận tài khoản này. Vui lòng liên hệ Ủy ban nhân dân cấp xã."
            }
            RefusalCode::Suspicion | RefusalCode::SharedAccount => {
                "Tài khoản cần được xác minh thêm. Trước mắt khoản chi trả được nhận theo hình thức kế tiếp."
            }
        }
    }

    pub fn sentence_en(self) -> &'static str {
        match self {
            RefusalCode::AccountUnknown => "the bank has no such account",
            RefusalCode::AccountClosed => "the account is closed",
            RefusalCode::AccountRestricted => {
                "the account is restricted, or its holder's papers have run out"
            }
            RefusalCode::IdentityDiffers => "the bank's papers name another citizen number",
            RefusalCode::IdentityNotHeld => "the bank holds no citizen number of the holder",
            RefusalCode::NameDiffers => "the holder's name at the bank is another",
            RefusalCode::ReviewRefused => "an officer looked at it and did not accept it",
            RefusalCode::Suspicion => "the account has to be verified further",
            RefusalCode::SharedAccount => "more people are paid to it than one account may have",
        }
    }
}

impl FromStr for RefusalCode {
    type Err = ();

    fn from_str(text: &str) -> Result<RefusalCode, ()> {
        let mut all = RefusalCode::ALL.into_iter();
        all.find(|it| it.as_str() == text).ok_or(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_code_is_read_back_and_has_its_sentences() {
        let codes: BTreeSet<&str> = RefusalCode::ALL.iter().map(|it| it.as_str()).collect();
        assert_eq!(codes.len(), RefusalCode::ALL.len());
        for code in RefusalCode::ALL {
            assert_eq!(code.as_str().parse(), Ok(code));
            assert!(code.sentence_vi().ends_with('.'), "{code:?}");
            assert!(!code.sentence_en().is_empty());
        }
        assert_eq!("account".parse::<RefusalCode>(), Err(()));
    }
}

/// Why nobody is known to have logged in. No text repeats a claim, a token or a code.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Form, signature, issuer, audience, time or nonce; the word says which, for the log.
    #[error("the ID token is not valid: {0}")]
    TokenInvalid(&'static str),
    /// Signed with a key that is not in the key set that was fetched last; after
    /// [`IdentityProvider::refresh`](crate::IdentityProvider::refresh) it may be.
    #[error("the ID token is signed with a key that is not known")]
    KeyUnknown,
    #[error("the assurance level {0} is too low")]
    LevelTooLow(u8),
    #[error("the login is too long ago")]
    LoginTooOld,
    /// The claim that is missing or is no such value, and why.
    #[error("claim {claim}: {code}")]
    ClaimsInvalid {
        claim: &'static str,
        code: &'static str,
    },
    /// The provider does not take the code: used before, too old, or somebody else's.
    #[error("the provider refused the code")]
    CodeRefused,
    /// Not reached, or what it said is not `OpenID` Connect; the sentence is for the log.
    #[error("the identity provider is not available: {0}")]
    ProviderUnavailable(String),
    #[error("identity settings: {0}")]
    Settings(String),
}

impl Error {
    /// Stable; part of the interface.
    pub fn code(&self) -> &'static str {
        match self {
            Error::TokenInvalid(_) | Error::KeyUnknown => "identity_token_invalid",
            Error::LevelTooLow(_) => "identity_level_too_low",
            Error::LoginTooOld => "identity_login_too_old",
            Error::ClaimsInvalid { .. } => "identity_claims_invalid",
            Error::CodeRefused => "identity_code_refused",
            Error::ProviderUnavailable(_) | Error::Settings(_) => "identity_provider_unavailable",
        }
    }

    /// As in HTTP.
    pub fn status(&self) -> u16 {
        match self {
            Error::LevelTooLow(_) => 403,
            Error::ProviderUnavailable(_) | Error::Settings(_) => 503,
            Error::TokenInvalid(_)
            | Error::KeyUnknown
            | Error::LoginTooOld
            | Error::ClaimsInvalid { .. }
            | Error::CodeRefused => 401,
        }
    }

    /// What a citizen is told, and can do.
    pub fn vietnamese(&self) -> &'static str {
        match self {
            Error::TokenInvalid(_) | Error::KeyUnknown => {
                "Không xác thực được lần đăng nhập VNeID này. Mời bạn đăng nhập lại."
            }
            Error::LevelTooLow(_) => {
                "Cần tài khoản định danh điện tử mức độ 2. Bạn hãy nâng mức tại cơ quan Công an nơi gần nhất."
            }
            Error::LoginTooOld => "Lần đăng nhập VNeID đã quá lâu. Mời bạn đăng nhập lại.",
            Error::ClaimsInvalid { .. } => {
                "VNeID chưa cung cấp đủ thông tin hợp lệ về bạn. Bạn hãy kiểm tra thông tin trong VNeID rồi đăng nhập lại."
            }
            Error::CodeRefused => {
                "Lần đăng nhập VNeID này đã được dùng hoặc đã hết hạn. Mời bạn đăng nhập lại."
            }
            Error::ProviderUnavailable(_) | Error::Settings(_) => {
                "Hiện chưa kết nối được với VNeID. Bạn hãy thử lại sau ít phút."
            }
        }
    }

    /// The same in English.
    pub fn english(&self) -> &'static str {
        match self {
            Error::TokenInvalid(_) | Error::KeyUnknown => {
                "This VNeID login could not be verified. Please log in again."
            }
            Error::LevelTooLow(_) => {
                "A level 2 electronic identity is needed. It can be had at the nearest police office."
            }
            Error::LoginTooOld => "The VNeID login is too long ago. Please log in again.",
            Error::ClaimsInvalid { .. } => {
                "VNeID did not give all that is needed about you. Please check your details in VNeID and log in again."
            }
            Error::CodeRefused => {
                "This VNeID login was used before or has expired. Please log in again."
            }
            Error::ProviderUnavailable(_) | Error::Settings(_) => {
                "VNeID cannot be reached at the moment. Please try again in a few minutes."
            }
        }
    }
}

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use messaging::{CommandError, Problem};
use serde::Serialize;
use utoipa::ToSchema;

use crate::language::Language;

/// Why a request was not served. [`crate::guard`] writes it out, as a page or as a problem.
#[derive(Debug, Clone)]
pub(crate) enum Refusal {
    /// The door itself says no.
    Own(Reason),
    /// Too many requests; seconds until the next one.
    TooMany(u64),
    Identity(identity::Error),
    /// What accounts says, passed on.
    Told(Box<Problem>),
}

/// What the door can say no to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reason {
    NotFound,
    MethodNotAllowed,
    TooLarge,
    UnsupportedMedia,
    Malformed,
    Invalid,
    SessionMissing,
    CrossOrigin,
    FormExpired,
    KeyMissing,
    LoginLost,
    LoginDenied,
    Unavailable,
    NotUnderstood,
    Busy,
    TooSlow,
    Broken,
}

/// An RFC 9457 problem as callers get it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Told {
    /// `urn:ansinh:problem:<code>`.
    #[serde(rename = "type")]
    pub kind: String,
    pub title: String,
    pub status: u16,
    /// Stable; what a program looks at.
    pub code: String,
    /// One sentence for a person, in the language of `Accept-Language`.
    pub detail: String,
    /// What the state allows instead.
    pub allowed_actions: Vec<String>,
    /// Always false: who is refused has set no money in motion.
    pub money_moved: bool,
    /// Names this request in the log; also in `X-Request-Id`.
    pub request_id: String,
}

impl Refusal {
    pub(crate) fn status(&self) -> StatusCode {
        let status = match self {
            Refusal::Own(reason) => reason.words().0,
            Refusal::TooMany(_) => 429,
            Refusal::Identity(error) => error.status(),
            Refusal::Told(problem) => problem.status,
        };
        let refused = StatusCode::from_u16(status).ok();
        let refused = refused.filter(|it| it.is_client_error() || it.is_server_error());
        refused.unwrap_or(StatusCode::BAD_GATEWAY)
    }

    /// What a framework answered without a reason of ours.
    pub(crate) fn of_status(status: StatusCode) -> Refusal {
        Refusal::Own(match status {
            StatusCode::NOT_FOUND => Reason::NotFound,
            StatusCode::METHOD_NOT_ALLOWED => Reason::MethodNotAllowed,
            StatusCode::PAYLOAD_TOO_LARGE => Reason::TooLarge,
            StatusCode::UNSUPPORTED_MEDIA_TYPE => Reason::UnsupportedMedia,
            it if it.is_client_error() => Reason::Malformed,
            _ => Reason::Broken,
        })
    }

    /// Seconds after which it is worth to ask again.
    pub(crate) fn retry_after(&self) -> Option<u64> {
        match self {
            Refusal::TooMany(seconds) => Some(*seconds),
            refused if refused.status() == StatusCode::SERVICE_UNAVAILABLE => Some(5),
            _ => None,
        }
    }

    pub(crate) fn code(&self) -> &str {
        match self {
            Refusal::Own(reason) => reason.words().1,
            Refusal::TooMany(_) => "too_many_requests",
            Refusal::Identity(error) => error.code(),
            Refusal::Told(problem) => &problem.code,
        }
    }

    pub(crate) fn sentence(&self, language: Language) -> String {
        let (vietnamese, english) = match self {
            Refusal::Own(reason) => {
                let (_, _, vietnamese, english) = reason.words();
                (vietnamese, english)
            }
            Refusal::TooMany(_) => (
                "Bạn gửi quá nhiều yêu cầu. Vui lòng chờ một lát rồi thử lại.",
                "Too many requests. Please wait a moment and try again.",
            ),
            Refusal::Identity(error) => (error.vietnamese(), error.english()),
            Refusal::Told(problem) => return problem.detail.clone(),
        };
        match language {
            Language::Vietnamese => vietnamese.to_owned(),
            Language::English => english.to_owned(),
        }
    }

    pub(crate) fn told(&self, language: Language, request_id: &str) -> Told {
        let code = self.code();
        if let Refusal::Told(it) = self {
            return Told {
                kind: it.kind.clone(),
                title: it.title.clone(),
                allowed_actions: it.allowed_actions.clone(),
                ..self.own(code, language, request_id)
            };
        }
        self.own(code, language, request_id)
    }

    fn own(&self, code: &str, language: Language, request_id: &str) -> Told {
        let login = self.status() == StatusCode::UNAUTHORIZED;
        Told {
            kind: format!("urn:ansinh:problem:{code}"),
            title: code.replace('_', " "),
            status: self.status().as_u16(),
            code: code.to_owned(),
            detail: self.sentence(language),
            allowed_actions: login.then(|| "login".to_owned()).into_iter().collect(),
            money_moved: false,
            request_id: request_id.to_owned(),
        }
    }
}

impl Reason {
    /// Status, stable code, and the sentence in Vietnamese and in English.
    #[rustfmt::skip]
    fn words(self) -> (u16, &'static str, &'static str, &'static str) {
        match self {
            Reason::NotFound => (404, "not_found",
                "Không tìm thấy nội dung này.",
                "There is nothing here."),
            Reason::MethodNotAllowed => (405, "method_not_allowed",
                "Không thể thực hiện thao tác này ở đây.",
                "This cannot be done here."),
            Reason::TooLarge => (413, "body_too_large",
                "Nội dung gửi lên quá dài.",
                "What was sent is too long."),
            Reason::UnsupportedMedia => (415, "media_type_unsupported",
                "Nội dung gửi lên phải ở dạng JSON (application/json).",
                "What is sent must be JSON (application/json)."),
            Reason::Malformed => (400, "request_malformed",
                "Yêu cầu không đúng định dạng.",
                "The request is not well formed."),
            Reason::Invalid => (422, "request_invalid",
                "Yêu cầu thiếu thông tin hoặc có thông tin không hợp lệ.",
                "A field is missing, unknown or not valid."),
            Reason::SessionMissing => (401, "session_missing",
                "Bạn chưa đăng nhập. Mời bạn đăng nhập bằng VNeID.",
                "You are not logged in. Please log in with VNeID."),
            Reason::CrossOrigin => (403, "cross_origin_refused",
                "Yêu cầu không đến từ trang này nên không được thực hiện.",
                "The request did not come from this site and was not carried out."),
            Reason::FormExpired => (403, "form_expired",
                "Trang đã cũ. Mời bạn tải lại trang rồi thử lại.",
                "The page is out of date. Please reload it and try again."),
            Reason::KeyMissing => (400, "idempotency_key_missing",
                "Yêu cầu cần có tiêu đề Idempotency-Key gồm 1 đến 200 ký tự ASCII.",
                "The request needs an Idempotency-Key header of 1 to 200 ASCII characters."),
            Reason::LoginLost => (400, "login_lost",
                "Lần đăng nhập này không còn hiệu lực. Mời bạn đăng nhập lại.",
                "This login is no longer valid. Please log in again."),
            Reason::LoginDenied => (403, "login_denied",
                "Bạn đã không đồng ý đăng nhập, hoặc VNeID từ chối lần đăng nhập này.",
                "You did not agree to log in, or VNeID refused this login."),
            Reason::Unavailable => (503, "accounts_unavailable",
                "Hệ thống đang bận. Mời bạn thử lại sau ít phút.",
                "The system is busy. Please try again in a few minutes."),
            Reason::NotUnderstood => (502, "answer_not_understood",
                "Hệ thống gặp lỗi. Mời bạn thử lại sau.",
                "Something went wrong on our side. Please try again later."),
            Reason::Busy => (503, "busy",
                "Đang có quá nhiều người truy cập. Mời bạn thử lại sau ít phút.",
                "Too many people are here at the moment. Please try again in a few minutes."),
            Reason::TooSlow => (504, "timeout",
                "Chưa nhận được trả lời. Yêu cầu có thể vẫn đang được xử lý; hãy gửi lại đúng yêu cầu đó.",
                "There was no answer in time. The request may still be in work; send the same one again."),
            Reason::Broken => (500, "internal_error",
                "Hệ thống gặp lỗi. Mời bạn thử lại sau.",
                "Something went wrong on our side. Please try again later."),
        }
    }
}

impl From<Reason> for Refusal {
    fn from(reason: Reason) -> Refusal {
        Refusal::Own(reason)
    }
}

impl From<identity::Error> for Refusal {
    fn from(error: identity::Error) -> Refusal {
        tracing::info!(%error, "A login failed");
        Refusal::Identity(error)
    }
}

impl From<CommandError> for Refusal {
    fn from(error: CommandError) -> Refusal {
        match error {
            CommandError::Refused(problem) => Refusal::Told(Box::new(problem)),
            CommandError::Unavailable(asked) => {
                tracing::warn!(asked, "No answer from accounts");
                Reason::Unavailable.into()
            }
            CommandError::Malformed(error) => not_understood(&error),
        }
    }
}

/// The place of the error only: its text may hold a piece of the answer.
pub(crate) fn not_understood(error: &serde_json::Error) -> Refusal {
    let (line, column) = (error.line(), error.column());
    tracing::error!(line, column, "The answer of accounts is not understood");
    Reason::NotUnderstood.into()
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut response = self.status().into_response();
        response.extensions_mut().insert(self);
        response
    }
}

use std::fmt;
use std::io;

use domain::Refusal;

/// Why a file is refused: a stable code for machines, a sentence for people, and where.
///
/// The sentence repeats nothing of the file, which may be somebody's name or account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flaw {
    /// One of [`FLAW_CODES`].
    pub code: &'static str,
    pub place: Place,
    pub sentence: String,
}

/// Where a flaw is: line and column in characters, from 1, and the way to the element there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    pub line: u64,
    pub column: u64,
    /// `/Document/BkToCstmrStmt/Stmt/Ntry/Amt`; in MT940 the field, `:61:`.
    pub path: String,
}

/// A point in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Spot {
    pub line: u64,
    pub column: u64,
}

/// How reading a file ends before its end.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The file is not what it has to be; reading it again will not help. In a box, because each
    /// of millions of steps could end so.
    #[error("{0}")]
    Refused(Box<Flaw>),
    #[error("the file cannot be read: {0}")]
    Io(#[from] io::Error),
}

/// How writing ends before its end.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// What was to be written is not allowed in such a message, or does not add up.
    #[error("{0}")]
    Refused(Refusal),
    #[error("the message cannot be written: {0}")]
    Io(#[from] io::Error),
}

/// Every code that a reader can refuse with; part of the interface, never renamed.
pub const FLAW_CODES: [&str; 24] = [
    "agent_invalid",
    "amount_invalid",
    "code_invalid",
    "control_total_mismatch",
    "currency_invalid",
    "date_invalid",
    "element_misplaced",
    "element_missing",
    "element_repeated",
    "message_unknown",
    "mt940_encoding",
    "mt940_malformed",
    "mt940_too_long",
    "number_invalid",
    "statement_balance_mismatch",
    "statement_page_missing",
    "text_empty",
    "text_forbidden",
    "text_too_long",
    "xml_encoding",
    "xml_forbidden",
    "xml_malformed",
    "xml_too_deep",
    "xml_too_long",
];

impl From<Flaw> for ReadError {
    fn from(flaw: Flaw) -> ReadError {
        ReadError::Refused(Box::new(flaw))
    }
}

impl From<Refusal> for WriteError {
    fn from(refusal: Refusal) -> WriteError {
        WriteError::Refused(refusal)
    }
}

impl Flaw {
    /// What to do about it, for people in Viet Nam.
    pub fn advice(&self) -> &'static str {
        match self.code {
            "agent_invalid" => "mã BIC gồm 8 hoặc 11 chữ hoa và số, ví dụ BFTVVNVX",
            "amount_invalid" => "số tiền là số đồng nguyên dương, chỉ gồm chữ số 0–9",
            "code_invalid" => "mã không thuộc danh mục cho phép ở vị trí này",
            "control_total_mismatch" => "số lượng hoặc tổng tiền không khớp với các dòng chi tiết",
            "currency_invalid" => "chỉ nhận đồng Việt Nam, ghi rõ VND",
            "date_invalid" => "ngày không có thật hoặc sai định dạng, ví dụ đúng: 2026-12-01",
            "element_misplaced" => "thành phần hoặc văn bản nằm sai chỗ",
            "element_missing" => "thiếu thành phần bắt buộc",
            "element_repeated" => "thành phần chỉ được xuất hiện một lần",
            "message_unknown" => "không phải loại điện hoặc phiên bản được hỗ trợ",
            "mt940_encoding" | "xml_encoding" => "tệp phải được mã hóa UTF-8",
            "mt940_malformed" => "trường MT940 sai cấu trúc",
            "mt940_too_long" | "xml_too_long" => "tệp, dòng hoặc giá trị dài quá mức cho phép",
            "number_invalid" => "chỉ được dùng chữ số 0–9",
            "statement_balance_mismatch" => "dư đầu kỳ cộng phát sinh không bằng dư cuối kỳ",
            "statement_page_missing" => "thiếu trang hoặc các trang không liên tiếp",
            "text_empty" => "giá trị để trống",
            "text_forbidden" => "có ký tự điều khiển không được phép",
            "text_too_long" => "giá trị dài hơn độ dài tối đa của chuẩn",
            "xml_forbidden" => "không nhận DTD, thực thể, chỉ thị xử lý và tham chiếu ra ngoài tệp",
            "xml_malformed" => "XML không đúng cú pháp hoặc tệp bị cắt",
            "xml_too_deep" => "các thành phần lồng nhau quá sâu",
            _ => "",
        }
    }
}

impl ReadError {
    pub fn flaw(&self) -> Option<&Flaw> {
        match self {
            ReadError::Refused(flaw) => Some(flaw),
            ReadError::Io(_) => None,
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}", self.line, self.column)?;
        if self.path.is_empty() {
            Ok(())
        } else {
            write!(f, ", {}", self.path)
        }
    }
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: {}", self.place, self.code, self.sentence)
    }
}

impl std::error::Error for Flaw {}

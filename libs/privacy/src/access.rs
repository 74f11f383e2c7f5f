//! Who looks at whom, and why: a row is written before anything is shown.

use chrono::{DateTime, Utc};
use domain::PersonNo;
use sqlx::PgConnection;

use crate::masked::Kind;
use crate::{Field, Keys, Masked, PrivacyError, Sealed, Secret, store};

/// One look at one person.
#[derive(Debug, Clone, Copy)]
pub struct Access<'a> {
    /// An officer's id such as `nguyen.an`, `person-42` for a citizen, a service's name for the
    /// system. Never a name or a number of anybody's papers.
    pub actor: &'a str,
    pub role: Role,
    pub purpose: Purpose,
    /// The case that it is for, such as `KN-2026/123`; it has no nine digits in a row, which
    /// would be somebody's number.
    pub case_ref: Option<&'a str>,
    /// Whose data it is.
    pub person_no: PersonNo,
    pub fields: &'a [Field],
    /// Whether clear values are shown, and not only masks.
    pub unmasked: bool,
}

/// As whom somebody looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    Citizen,
    Officer,
    Auditor,
    System,
}

/// What for. The list is closed: nobody looks for a reason of their own making (Law 91/2025/QH15
/// on the protection of personal data: processing is for a stated purpose).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Purpose {
    OwnData,
    PaymentEnquiry,
    AccountChange,
    NameReview,
    SuspicionReview,
    Complaint,
    Audit,
    DataSubjectRequest,
    Correction,
}

/// A row of the log as the person it is about may see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessRow {
    pub entry_no: i64,
    pub recorded_at: DateTime<Utc>,
    pub actor: String,
    pub role: Role,
    pub purpose: Purpose,
    pub case_ref: Option<String>,
    pub fields: Vec<Field>,
    pub unmasked: bool,
    pub service: String,
}

/// The proof that an access stands in the log: who holds it may open what was recorded.
///
/// It is made by [`record`] alone. What it opens leaves the service only after the transaction
/// of the record has committed: a row that is rolled back was never written.
#[derive(Debug)]
pub struct Granted {
    entry_no: i64,
    person_no: PersonNo,
    fields: Vec<Field>,
    unmasked: bool,
}

/// The most rows that [`accesses_of`] gives at a time.
pub const PAGE_MAX: u32 = 200;

/// Writes the access into the log, in the transaction that reads what is shown.
///
/// # Errors
///
/// [`PrivacyError::AccessUnclear`] where it does not say who looks at what.
pub async fn record(
    tx: &mut PgConnection,
    access: &Access<'_>,
    service: &'static str,
    now: DateTime<Utc>,
) -> Result<Granted, PrivacyError> {
    access.refuse_unclear()?;
    let entry_no = store::insert_access(tx, access, service, now).await?;
    Ok(Granted {
        entry_no,
        person_no: access.person_no,
        fields: access.fields.to_vec(),
        unmasked: access.unmasked,
    })
}

/// Who looked at a person, the newest first: rows before `before`, at most [`PAGE_MAX`].
pub async fn accesses_of(
    connection: &mut PgConnection,
    person_no: PersonNo,
    before: Option<i64>,
    limit: u32,
) -> Result<Vec<AccessRow>, PrivacyError> {
    let limit = limit.clamp(1, PAGE_MAX);
    Ok(store::accesses_of(connection, person_no, before, limit).await?)
}

impl Access<'_> {
    fn refuse_unclear(&self) -> Result<(), PrivacyError> {
        let unclear = |reason| Err(PrivacyError::AccessUnclear { reason });
        if !is_actor(self.actor) {
            return unclear("the actor is an officer's id, person-<number> or a service");
        }
        if !self.case_ref.is_none_or(is_case_ref) {
            return unclear(
                "a case is 1 to 64 letters, digits, points, hyphens and slashes, without nine \
                 digits in a row",
            );
        }
        if self.unmasked && self.fields.is_empty() {
            return unclear("nothing is named that would be unmasked");
        }
        Ok(())
    }
}

fn is_actor(actor: &str) -> bool {
    let number = actor.strip_prefix("person-");
    if let Some(number) = number {
        return !number.starts_with('+') && number.parse::<i64>().is_ok_and(|it| it >= 0);
    }
    (2..=64).contains(&actor.len())
        && actor.starts_with(|it: char| it.is_ascii_lowercase())
        && actor
            .bytes()
            .all(|it| it.is_ascii_lowercase() || it.is_ascii_digit() || b".-".contains(&it))
        && !has_long_number(actor)
}

fn is_case_ref(case_ref: &str) -> bool {
    (1..=64).contains(&case_ref.chars().count())
        && case_ref
            .chars()
            .all(|it| it.is_alphanumeric() || "./-_".contains(it))
        && !has_long_number(case_ref)
}

/// Nine digits in a row: an identity card, a citizen number, a telephone, an account.
fn has_long_number(text: &str) -> bool {
    text.split(|it: char| !it.is_numeric())
        .any(|it| it.chars().count() >= 9)
}

impl Granted {
    /// The row's number in the log.
    pub fn entry_no(&self) -> i64 {
        self.entry_no
    }

    /// Opens a value of the recorded person that is to be shown in clear.
    ///
    /// # Errors
    ///
    /// [`PrivacyError::NotGranted`] where the record is of another person, of other fields or of
    /// masks; those of [`Keys::open`].
    pub fn open(
        &self,
        keys: &Keys,
        field: Field,
        context: &[u8],
        sealed: &Sealed,
    ) -> Result<Secret, PrivacyError> {
        self.refuse_unmasking(self.person_no, field)?;
        self.refuse_context(context)?;
        keys.open(field, context, sealed)
    }

    /// Opens a value of the recorded person that is to be shown by its mask.
    ///
    /// # Errors
    ///
    /// As [`Granted::open`], but a record of masks is enough.
    pub fn mask<K: Kind>(
        &self,
        keys: &Keys,
        context: &[u8],
        sealed: &Sealed,
    ) -> Result<Masked<K>, PrivacyError> {
        self.refuse_field(K::FIELD)?;
        self.refuse_context(context)?;
        let clear = keys.open(K::FIELD, context, sealed)?;
        Ok(Masked::new(self.person_no, clear))
    }

    pub(crate) fn refuse_unmasking(
        &self,
        person_no: PersonNo,
        field: Field,
    ) -> Result<(), PrivacyError> {
        self.refuse_field(field)?;
        let reason = if person_no != self.person_no {
            "another person"
        } else if !self.unmasked {
            "masks only"
        } else {
            return Ok(());
        };
        Err(PrivacyError::NotGranted { reason })
    }

    fn refuse_field(&self, field: Field) -> Result<(), PrivacyError> {
        if self.fields.contains(&field) {
            return Ok(());
        }
        Err(PrivacyError::NotGranted {
            reason: "another field",
        })
    }

    /// What is sealed for a person has a context that begins with the person's number.
    fn refuse_context(&self, context: &[u8]) -> Result<(), PrivacyError> {
        if context.starts_with(&self.person_no.0.to_be_bytes()) {
            return Ok(());
        }
        Err(PrivacyError::NotGranted {
            reason: "another person",
        })
    }
}

impl Role {
    pub const ALL: [Role; 4] = [Role::Citizen, Role::Officer, Role::Auditor, Role::System];

    /// What the log keeps; it stays as it is.
    pub fn code(self) -> &'static str {
        match self {
            Role::Citizen => "citizen",
            Role::Officer => "officer",
            Role::Auditor => "auditor",
            Role::System => "system",
        }
    }

    pub fn from_code(code: &str) -> Option<Role> {
        Role::ALL.into_iter().find(|it| it.code() == code)
    }

    pub fn vi(self) -> &'static str {
        match self {
            Role::Citizen => "Công dân",
            Role::Officer => "Cán bộ",
            Role::Auditor => "Kiểm toán viên",
            Role::System => "Hệ thống",
        }
    }

    pub fn en(self) -> &'static str {
        match self {
            Role::Citizen => "Citizen",
            Role::Officer => "Officer",
            Role::Auditor => "Auditor",
            Role::System => "System",
        }
    }
}

impl Purpose {
    pub const ALL: [Purpose; 9] = [
        Purpose::OwnData,
        Purpose::PaymentEnquiry,
        Purpose::AccountChange,
        Purpose::NameReview,
        Purpose::SuspicionReview,
        Purpose::Complaint,
        Purpose::Audit,
        Purpose::DataSubjectRequest,
        Purpose::Correction,
    ];

    /// What the log keeps; it stays as it is.
    pub fn code(self) -> &'static str {
        match self {
            Purpose::OwnData => "own_data",
            Purpose::PaymentEnquiry => "payment_enquiry",
            Purpose::AccountChange => "account_change",
            Purpose::NameReview => "name_review",
            Purpose::SuspicionReview => "suspicion_review",
            Purpose::Complaint => "complaint",
            Purpose::Audit => "audit",
            Purpose::DataSubjectRequest => "data_subject_request",
            Purpose::Correction => "correction",
        }
    }

    pub fn from_code(code: &str) -> Option<Purpose> {
        Purpose::ALL.into_iter().find(|it| it.code() == code)
    }

    pub fn vi(self) -> &'static str {
        match self {
            Purpose::OwnData => "Công dân xem dữ liệu của chính mình.",
            Purpose::PaymentEnquiry => "Tra cứu một khoản chi trả.",
            Purpose::AccountChange => "Liên kết hoặc thay đổi tài khoản nhận tiền.",
            Purpose::NameReview => "Đối chiếu họ tên chủ tài khoản.",
            Purpose::SuspicionReview => "Xem xét cảnh báo nghi ngờ gian lận.",
            Purpose::Complaint => "Giải quyết khiếu nại.",
            Purpose::Audit => "Kiểm toán, thanh tra.",
            Purpose::DataSubjectRequest => "Giải quyết yêu cầu của chủ thể dữ liệu.",
            Purpose::Correction => "Chỉnh sửa dữ liệu sai.",
        }
    }

    pub fn en(self) -> &'static str {
        match self {
            Purpose::OwnData => "A citizen looks at their own data.",
            Purpose::PaymentEnquiry => "An enquiry about a payment.",
            Purpose::AccountChange => "An account is linked or changed.",
            Purpose::NameReview => "An account holder's name is compared.",
            Purpose::SuspicionReview => "A suspicion of fraud is reviewed.",
            Purpose::Complaint => "A complaint is dealt with.",
            Purpose::Audit => "An audit or inspection.",
            Purpose::DataSubjectRequest => "A request of the data subject is dealt with.",
            Purpose::Correction => "Wrong data is corrected.",
        }
    }
}

#[cfg(test)]
mod tests;

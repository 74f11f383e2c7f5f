use chrono::{DateTime, Utc};
use domain::{Institution, Money, Officer, Position};
use events::{ResultStatus, StandingAtBank};
use serde::Serialize;

/// A line that nobody has answered, for who finds out what became of it.
#[derive(Debug, Clone, Serialize)]
pub struct UnknownRow {
    pub end_to_end_id: Position,
    pub institution: Institution,
    pub amount: Money,
    pub since: DateTime<Utc>,
    pub enquiries: i16,
    pub asked_at: Option<DateTime<Utc>>,
    /// When its institution is asked again, or given up; none where officers settle it.
    pub enquire_at: Option<DateTime<Utc>>,
    /// What the institution said last, and when.
    pub said: Option<StandingAtBank>,
    pub said_at: Option<DateTime<Utc>>,
    /// A statement of the institution debits it.
    pub on_statement: bool,
    /// What an officer says became of it, and nobody has decided.
    pub settlement: Option<i64>,
    pub settled_as: Option<ResultStatus>,
    pub settled_by: Option<Officer>,
    pub evidence: Option<String>,
}

impl UnknownRow {
    /// Whose turn it is: the institution's, or an officer's to settle or to decide.
    pub fn waits_for(&self) -> &'static str {
        match (self.enquire_at, self.settlement) {
            (Some(_), _) => "institution",
            (None, None) => "officer",
            (None, Some(_)) => "another officer",
        }
    }
}

use chrono::{DateTime, NaiveDate, Utc};
use domain::{Institution, Money, Period, Position, Programme};
use serde::Serialize;

/// Which cases are asked for.
#[derive(Debug, Clone, Copy, Default)]
pub struct OverpaymentFilter {
    pub programme: Option<Programme>,
    pub case_no: Option<i64>,
    /// Only those of whose instalments one is late.
    pub is_overdue: bool,
}

/// What was credited and is not owed, and what has become of it; no name.
#[derive(Debug, Clone, Serialize)]
pub struct OverpaymentRow {
    pub case_no: i64,
    pub programme: Programme,
    pub period: Period,
    pub person_no: i64,
    pub line: Position,
    /// Why it is not owed.
    pub reason: String,
    pub amount: Money,
    pub repaid: Money,
    pub netted: Money,
    /// Deducted from lines that nobody has been credited yet.
    pub pending: Money,
    pub written_off: Money,
    pub open: Money,
    /// Of instalments whose day has passed, what nobody has paid.
    pub overdue: Money,
    pub is_cancelled: bool,
    /// The bank gave back what it had credited.
    pub is_returned: bool,
    pub opened_at: DateTime<Utc>,
}

/// A case with all that was decided about it and all that came back.
#[derive(Debug, Clone, Serialize)]
pub struct OverpaymentCase {
    pub case: OverpaymentRow,
    /// The latest is in force.
    pub recoveries: Vec<RecoveryRow>,
    /// Of the decision in force.
    pub instalments: Vec<InstalmentRow>,
    pub recovered: Vec<RecoveredRow>,
}

/// A written decision, as it was accepted.
#[derive(Debug, Clone, Serialize)]
pub struct RecoveryRow {
    pub recovery_no: i64,
    pub decision_no: String,
    pub decided_on: NaiveDate,
    pub amount: Money,
    /// What is netted a month; none where the person pays back by instalments.
    pub monthly: Option<Money>,
    pub known_at: DateTime<Utc>,
}

#[derive(Debug, Clone, Serialize)]
pub struct InstalmentRow {
    pub number: i16,
    pub due_on: NaiveDate,
    pub amount: Money,
    pub paid: Money,
    pub is_overdue: bool,
}

/// A sum that came back, is on its way, or was given up.
#[derive(Debug, Clone, Serialize)]
pub struct RecoveredRow {
    /// `repaid`, `netted`, `pending`, `excess`, `written_off`.
    pub how: String,
    pub amount: Money,
    pub at: DateTime<Utc>,
    pub institution: Option<Institution>,
    /// The receipt, the line, or the document.
    pub reference: String,
}

impl OverpaymentRow {
    pub fn state(&self) -> &'static str {
        match () {
            () if self.is_cancelled => "cancelled",
            () if self.is_returned => "returned",
            () if self.open.is_zero() => "settled",
            () if !self.overdue.is_zero() => "overdue",
            () => "open",
        }
    }
}

use domain::{Institution, Part};
use privacy::Sealed;
use serde::{Deserialize, Serialize};

use crate::Fact;

/// The sequence of what a bank is asked about accounts.
pub fn bank_out_verification_requests(institution: Institution) -> String {
    format!("bank.{institution}.out.verification-requests")
}

/// The sequence of a bank's answers about accounts.
pub fn bank_in_verifications(institution: Institution) -> String {
    format!("bank.{institution}.in.verifications")
}

/// A bank is asked whose these accounts are (what acmt.023 says in XML).
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct VerificationRequests {
    pub institution: Institution,
    pub part: Part,
    /// Unique at the asker; what is asked again comes in a message of its own.
    pub message_id: String,
    pub requests: Vec<VerificationRequest>,
}

/// Account, name and number are sealed with the bank's exchange key; the context of each is the
/// verification's id.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct VerificationRequest {
    /// The same however often it is asked.
    pub verification_id: String,
    pub account: Sealed,
    pub holder: Sealed,
    pub citizen_number: Sealed,
}

/// A bank's answers (what acmt.024 says in XML); they may repeat, come late and in any order.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Verifications {
    pub institution: Institution,
    pub part: Part,
    /// The bank's own id of this message, unique at the bank.
    pub message_id: String,
    pub verifications: Vec<Verification>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Verification {
    pub verification_id: String,
    pub account: AccountAtBank,
    /// What the bank's papers say of the number; only for an account that it has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<IdentityAtBank>,
    /// The name in the bank's books, sealed with the exchange key for the verification's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub holder: Option<Sealed>,
    /// The old number in its books where it has no other, sealed likewise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub old_number: Option<Sealed>,
}

/// How the account stands in the bank's books.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, sqlx::Type)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum AccountAtBank {
    /// Takes credits (no reason code).
    Open,
    /// ISO 20022 `AC04`.
    Closed,
    /// ISO 20022 `AC06`: blocked, or papers that have run out.
    Restricted,
    /// ISO 20022 `AC01`.
    Unknown,
}

/// What the holder's number in the bank's books is, held against the one that was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, sqlx::Type)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum IdentityAtBank {
    Matches,
    /// The bank still has the nine digits of the former identity card.
    OldNumber,
    Differs,
    /// The bank has no number of its holder: an account that was never verified.
    NotHeld,
}

impl Fact for VerificationRequests {
    const NAME: &'static str = "verification-requests.v1";

    fn speaker(&self) -> String {
        bank_out_verification_requests(self.institution)
    }

    fn part(&self) -> Part {
        self.part
    }

    fn key(&self) -> String {
        format!("{}/{}", self.part, self.message_id)
    }

    fn subject(&self) -> String {
        format!("bank.{}.out.verification-requests.v1", self.institution)
    }
}

impl Fact for Verifications {
    const NAME: &'static str = "verifications.v1";

    fn speaker(&self) -> String {
        bank_in_verifications(self.institution)
    }

    fn part(&self) -> Part {
        self.part
    }

    fn key(&self) -> String {
        format!("{}/{}", self.part, self.message_id)
    }

    fn subject(&self) -> String {
        format!("bank.{}.in.verifications.v1", self.institution)
    }
}

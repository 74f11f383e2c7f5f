use std::fmt;

use chrono::{DateTime, NaiveDate, Utc};
use domain::{Money, Officer, PersonNo, Programme, Province};
use serde::{Deserialize, Serialize};

use crate::authority::AuthorityKind;
use crate::link::{Kind, LinkId};
use crate::subject_request::RequestKind;

/// A text that travels in a command's body and in nothing else: no log and no error shows it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Unlogged(pub String);

impl fmt::Debug for Unlogged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Unlogged(••)")
    }
}

/// `accounts.do.open-session`: a citizen has shown who they are.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OpenSession {
    /// Made by the door, 32 random bytes as base64url; only its hash is kept here.
    pub session: Unlogged,
    /// What the identity provider signed, as it came.
    pub id_token: Unlogged,
    /// What the door asked the provider to sign in it.
    pub nonce: Unlogged,
}

/// `accounts.do.close-session`
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CloseSession {
    pub session: Unlogged,
}

/// `accounts.do.request-link`: the citizen wants to be paid to this account.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RequestLink {
    pub session: Unlogged,
    pub institution: String,
    pub account_number: Unlogged,
}

/// `accounts.do.unlink`
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Unlink {
    pub session: Unlogged,
    pub link: LinkId,
}

/// `accounts.do.request-data`: what Law 91/2025/QH15 lets people ask of their data.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RequestData {
    pub session: Unlogged,
    pub kind: RequestKind,
    /// The person's own words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<Unlogged>,
}

/// `accounts.do.appoint-officer`: what an officer may see.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AppointOfficer {
    pub officer: Officer,
    pub appointed: Officer,
    /// None for the nation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub province: Option<Province>,
    /// Of the officer's key over the [`Decision`](approval::Decision), in hex.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<String>,
}

/// `accounts.do.change-account`: an officer asks for a link in a person's name.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChangeAccount {
    pub officer: Officer,
    pub citizen_number: Unlogged,
    pub kind: Kind,
    pub institution: String,
    pub account_number: Unlogged,
    /// Number of the person's written request.
    pub basis: String,
}

/// `accounts.do.end-link`, `suspend-link` and `resume-link`, by an officer.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StepLink {
    pub officer: Officer,
    pub link: LinkId,
    pub reason: String,
}

/// `accounts.do.decide-review`
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DecideReview {
    pub officer: Officer,
    pub review: i64,
    pub accept: bool,
    pub reason: String,
    /// Of the officer's key over the [`Decision`](approval::Decision), in hex.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<String>,
}

/// `accounts.do.grant-authority`: somebody else is paid for the person.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GrantAuthority {
    pub officer: Officer,
    pub person: PersonNo,
    pub payee: PersonNo,
    pub kind: AuthorityKind,
    /// Empty for all.
    #[serde(default)]
    pub programmes: Vec<Programme>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amount_max: Option<Money>,
    /// Number of the decision or certificate.
    pub proof: String,
    pub valid_from: NaiveDate,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_to: Option<NaiveDate>,
}

/// `accounts.do.end-authority`
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EndAuthority {
    pub officer: Officer,
    pub person: PersonNo,
    pub ends_on: NaiveDate,
    pub reason: String,
}

/// `accounts.do.step-request`: what became of what somebody asked of their data.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StepRequest {
    pub officer: Officer,
    pub request: i64,
    /// `acknowledged`, `extended`, `answered` or `refused`.
    pub state: String,
    pub reason: String,
}

/// `accounts.get.my-links`, `my-requests`
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mine {
    pub session: Unlogged,
}

/// `accounts.get.my-access-log`, newest first, behind the entry that was seen last.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MyAccessLog {
    pub session: Unlogged,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<i64>,
}

/// `accounts.get.person`: where somebody is paid; each look is logged.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShowPerson {
    pub officer: Officer,
    /// By number or by the register's own number; one of both.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub citizen_number: Option<Unlogged>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub person: Option<PersonNo>,
    /// Code of a purpose, as the access log has them.
    pub purpose: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub case_ref: Option<String>,
    /// Names and account numbers in the clear.
    #[serde(default)]
    pub unmask: bool,
}

/// `accounts.get.paid-at`: where somebody was paid on a day, by what was known on another.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PaidAtQuery {
    pub officer: Officer,
    pub person: PersonNo,
    pub about: DateTime<Utc>,
    /// Now where it is not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub known: Option<DateTime<Utc>>,
}

/// `accounts.get.request`: one request with the person's own words; the look is logged.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShowRequest {
    pub officer: Officer,
    pub request: i64,
}

/// `accounts.get.reviews` and `requests`: what waits for officers, by deadline.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Queue {
    pub officer: Officer,
}

use chrono::{DateTime, Utc};
use domain::Officer;
use serde::{Deserialize, Serialize};

/// `payments.do.register-key`: the public key by which another officer signs.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RegisterKey {
    /// Who has seen whose key it is; not its owner.
    pub officer: Officer,
    pub owner: Officer,
    /// Ed25519 (RFC 8032), in hex.
    pub public_key: String,
    /// The owner's signature over the [`KeyStatement`](approval::KeyStatement), in hex.
    pub proof: String,
}

/// `payments.do.end-key`: nothing more is signed by the officer's key.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EndKey {
    pub officer: Officer,
    pub owner: Officer,
    pub reason: String,
}

/// `payments.do.register-organisation-key`: by which the state, or a bank, signs its messages.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RegisterOrganisationKey {
    pub officer: Officer,
    /// `state`, or the bank's six digits.
    pub organisation: String,
    /// Ed25519 (RFC 8032), in hex.
    pub public_key: String,
    /// At once where left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_from: Option<DateTime<Utc>>,
}

/// `payments.do.confirm-organisation-key`: another officer has seen whose key it is.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConfirmOrganisationKey {
    pub officer: Officer,
    pub key_no: i64,
    /// Of the officer's key over the [`Decision`](approval::Decision), in hex.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<String>,
}

/// `payments.do.end-organisation-key`: nothing that is made later stands by it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EndOrganisationKey {
    pub officer: Officer,
    pub key_no: i64,
    pub reason: String,
    /// At once where left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<DateTime<Utc>>,
}

//! What was said and heard between the state and banks, for who verifies it years later.

use chrono::{DateTime, Utc};
use domain::{Institution, Part};
use serde::Serialize;
use sqlx::PgPool;
use uuid::Uuid;

use crate::Error;
use crate::organisation::Route;
use crate::signature::{MessageStatement, Signature, Unverified, body_sha256, stands};
use crate::store::{self, Kept};

/// A message as it is kept, and whether its signature stands.
#[derive(Debug, Clone, Serialize)]
pub struct SignedMessage {
    /// Who heard it; absent for what lies in the outbox here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub heard_by: Option<String>,
    pub speaker: String,
    pub part: Part,
    pub seq: i64,
    pub id: Uuid,
    pub subject: String,
    pub created_at: DateTime<Utc>,
    pub key_no: i64,
    pub sender: String,
    /// Hex.
    pub body_sha256: String,
    /// Hex.
    pub signature: String,
    /// What was signed, by which key (hex).
    #[serde(skip)]
    pub signed_text: String,
    #[serde(skip)]
    pub public_key: String,
    /// Whether the body itself is kept beside its hash.
    pub body_kept: bool,
    /// Why it does not stand; absent where it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub broken: Option<&'static str>,
}

/// Verifies every message between the state and one institution, or all, and hands it over.
///
/// # Errors
/// What the database says.
pub async fn each_message(
    pool: &PgPool,
    institution: Option<Institution>,
    mut take: impl FnMut(SignedMessage),
) -> Result<(), Error> {
    store::each_kept(pool, institution, |it| take(verified(it))).await
}

fn verified(kept: Kept) -> SignedMessage {
    let of_body = kept.body.as_deref().map(body_sha256);
    let noted: Option<[u8; 32]> = kept
        .body_sha256
        .as_ref()
        .and_then(|it| it[..].try_into().ok());
    let sha256 = noted.or(of_body).unwrap_or_default();
    let signature = Signature {
        key_no: kept.key.key_no,
        bytes: kept.signature.clone(),
    };
    let statement = Route::of(&kept.speaker).map(|route| MessageStatement {
        route,
        speaker: &kept.speaker,
        subject: &kept.subject,
        event_id: kept.event_id,
        part: kept.part,
        seq: kept.seq,
        prev_hash: &kept.prev_hash,
        created_at: kept.created_at,
        body_sha256: sha256,
    });
    let judged = match (&statement, of_body) {
        (None, _) => Err(Unverified::HeaderInvalid),
        (_, Some(of_body)) if of_body != sha256 => Err(Unverified::SignatureWrong),
        (Some(statement), _) => stands(statement, &signature, Some(&kept.key)),
    };
    let signed_text = statement.map(|it| it.to_string()).unwrap_or_default();
    SignedMessage {
        heard_by: kept.consumer,
        speaker: kept.speaker,
        part: kept.part,
        seq: kept.seq,
        id: kept.event_id,
        subject: kept.subject,
        created_at: kept.created_at,
        key_no: kept.key.key_no,
        sender: kept.key.organisation,
        body_sha256: hex::encode(sha256),
        signature: hex::encode(kept.signature),
        signed_text,
        public_key: hex::encode(&kept.key.public_key),
        body_kept: kept.body.is_some(),
        broken: judged.err().map(Unverified::code),
    }
}

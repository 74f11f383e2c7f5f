//! Files in the place of a bank's messages.

use chrono::{DateTime, Utc};
use domain::{Institution, Officer};
use sqlx::PgConnection;

use crate::Error;

/// A file that is said as a bank's messages.
#[derive(Debug, Clone)]
pub struct BankFile {
    pub sha256: [u8; 32],
    pub institution: Institution,
    pub bytes: i64,
    /// Who had it read.
    pub officer: Officer,
}

/// Keeps that a file was read, in the transaction in which it is said; false where it was before.
pub async fn insert_file(
    tx: &mut PgConnection,
    file: &BankFile,
    now: DateTime<Utc>,
) -> Result<bool, Error> {
    let done = sqlx::query!(
        r#"
        INSERT INTO messaging.files (sha256, institution, bytes, officer, read_at)
        VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING
        "#,
        &file.sha256[..],
        file.institution.to_string(),
        file.bytes,
        file.officer.as_str(),
        now,
    )
    .execute(tx)
    .await?;
    Ok(done.rows_affected() == 1)
}

use chrono::{DateTime, NaiveDate, Utc};
use domain::Institution;
use sqlx::{PgConnection, PgPool};

use crate::Error;
use crate::bank_list::ListSums;

/// The outcome of a list that was imported before.
pub(crate) async fn list_of(pool: &PgPool, sha256: &[u8; 32]) -> Result<Option<ListSums>, Error> {
    let row = sqlx::query!(
        r#"
        SELECT rows, refused, not_ours, agreed, closed, restricted, renamed, moved
        FROM accounts.bank_lists WHERE file_sha256 = $1
        "#,
        &sha256[..],
    )
    .fetch_optional(pool)
    .await?;
    Ok(row.map(|it| ListSums {
        rows: it.rows,
        refused: it.refused,
        not_ours: it.not_ours,
        agreed: it.agreed,
        closed: it.closed,
        restricted: it.restricted,
        renamed: it.renamed,
        moved: it.moved,
    }))
}

pub(crate) async fn insert_list(
    tx: &mut PgConnection,
    (institution, as_of): (Institution, NaiveDate),
    sha256: &[u8; 32],
    sums: &ListSums,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    sqlx::query!(
        r#"
        INSERT INTO accounts.bank_lists (institution, as_of, file_sha256, rows, refused, not_ours,
            agreed, closed, restricted, renamed, moved, imported_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
        "#,
        institution.number(),
        as_of,
        &sha256[..],
        sums.rows,
        sums.refused,
        sums.not_ours,
        sums.agreed,
        sums.closed,
        sums.restricted,
        sums.renamed,
        sums.moved,
        now,
    )
    .execute(tx)
    .await?;
    Ok(())
}

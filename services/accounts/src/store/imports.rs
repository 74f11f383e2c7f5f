use chrono::{DateTime, Utc};
use domain::Money;
use intake::{Refused, Sums, Tally};
use sqlx::{PgConnection, PgPool};

use crate::Error;

/// The outcome of a file that was imported before.
pub(crate) async fn import_of(pool: &PgPool, sha256: &[u8; 32]) -> Result<Option<Sums>, Error> {
    let row = sqlx::query!(
        "SELECT rows, accepted, refused, duplicates FROM accounts.imports WHERE file_sha256 = $1",
        &sha256[..],
    )
    .fetch_optional(pool)
    .await?;
    let tally = |rows: i64| Tally {
        rows: rows.unsigned_abs(),
        amount: Money::ZERO,
    };
    Ok(row.map(|it| Sums {
        file: tally(it.rows),
        accepted: tally(it.accepted),
        refused: tally(it.refused),
        duplicates: tally(it.duplicates),
    }))
}

pub(crate) async fn insert_import(
    pool: &PgPool,
    sha256: &[u8; 32],
    sums: &Sums,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    let count = |it: Tally| i64::try_from(it.rows).expect("a file has fewer rows than i64");
    sqlx::query!(
        r#"
        INSERT INTO accounts.imports (file_sha256, rows, accepted, refused, duplicates, imported_at)
        VALUES ($1, $2, $3, $4, $5, $6)
        "#,
        &sha256[..],
        count(sums.file),
        count(sums.accepted),
        count(sums.refused),
        count(sums.duplicates),
        now,
    )
    .execute(pool)
    .await?;
    Ok(())
}

pub(crate) async fn insert_refusals(
    tx: &mut PgConnection,
    sha256: &[u8; 32],
    refused: &[Refused],
) -> Result<(), Error> {
    let lines: Vec<i64> = refused.iter().map(|it| it.line.cast_signed()).collect();
    let columns: Vec<&str> = refused.iter().map(|it| it.column).collect();
    let codes: Vec<&str> = refused.iter().map(|it| it.code).collect();
    let sentences: Vec<&str> = refused.iter().map(|it| &it.sentence[..]).collect();
    // An import that was cut off left its refusals here already.
    sqlx::query!(
        r#"
        INSERT INTO accounts.refusals (file_sha256, line, "column", code, sentence)
        SELECT $1, r.* FROM unnest($2::bigint[], $3::text[], $4::text[], $5::text[]) AS r
        ON CONFLICT DO NOTHING
        "#,
        &sha256[..],
        &lines,
        &columns as &[&str],
        &codes as &[&str],
        &sentences as &[&str],
    )
    .execute(tx)
    .await?;
    Ok(())
}

//! Laws: whole folders of programmes, one after the other.

use chrono::{DateTime, Utc};
use rules::Files;
use sqlx::PgConnection;

use crate::Error;
use crate::law::{LawRecord, law_hash};

/// One change of the law at a time.
pub(crate) async fn lock_laws(tx: &mut PgConnection) -> Result<(), Error> {
    sqlx::query!("SELECT pg_advisory_xact_lock(hashtextextended('ansinh laws', 0))")
        .execute(tx)
        .await?;
    Ok(())
}

/// The law that was approved last.
pub(crate) async fn latest_law_no(tx: &mut PgConnection) -> Result<Option<i64>, Error> {
    let latest = sqlx::query_scalar!(
        "SELECT max(law_no) FROM eligibility.laws WHERE approved_at IS NOT NULL"
    );
    Ok(latest.fetch_one(tx).await?)
}

pub(crate) async fn next_law_no(tx: &mut PgConnection) -> Result<i64, Error> {
    let next = sqlx::query_scalar!(
        r#"SELECT coalesce(max(law_no), 0) + 1 AS "next!" FROM eligibility.laws"#
    );
    Ok(next.fetch_one(tx).await?)
}

pub(crate) async fn law_by_hash(
    tx: &mut PgConnection,
    sha256: &[u8; 32],
) -> Result<Option<i64>, Error> {
    let found = sqlx::query_scalar!(
        "SELECT law_no FROM eligibility.laws WHERE sha256 = $1",
        &sha256[..],
    );
    Ok(found.fetch_optional(tx).await?)
}

pub(crate) async fn insert_law(
    tx: &mut PgConnection,
    law_no: i64,
    files: &Files,
    maker: &str,
    reason: &str,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    sqlx::query!(
        r#"
        INSERT INTO eligibility.laws (law_no, sha256, maker, reason, proposed_at)
        VALUES ($1, $2, $3, $4, $5)
        "#,
        law_no,
        &law_hash(files)[..],
        maker,
        reason,
        now,
    )
    .execute(&mut *tx)
    .await?;
    let paths: Vec<String> = files.0.keys().cloned().collect();
    let texts: Vec<String> = files.0.values().cloned().collect();
    sqlx::query!(
        r#"
        INSERT INTO eligibility.law_files (law_no, path, text)
        SELECT $1, f.* FROM unnest($2::text[], $3::text[]) AS f
        "#,
        law_no,
        &paths,
        &texts,
    )
    .execute(tx)
    .await?;
    Ok(())
}

pub(crate) async fn approve_law(
    tx: &mut PgConnection,
    law_no: i64,
    checker: &str,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    sqlx::query!(
        r#"
        UPDATE eligibility.laws SET checker = $2, approved_at = $3
        WHERE law_no = $1 AND approved_at IS NULL
        "#,
        law_no,
        checker,
        now,
    )
    .execute(tx)
    .await?;
    Ok(())
}

pub(crate) async fn laws(tx: &mut PgConnection) -> Result<Vec<LawRecord>, Error> {
    Ok(sqlx::query_as!(
        LawRecord,
        r#"
        SELECT law_no, sha256, maker, reason, proposed_at, checker, approved_at
        FROM eligibility.laws ORDER BY law_no
        "#
    )
    .fetch_all(tx)
    .await?)
}

/// The files of a law; none where there is no such law.
pub(crate) async fn law_files(tx: &mut PgConnection, law_no: i64) -> Result<Files, Error> {
    let rows = sqlx::query!(
        "SELECT path, text FROM eligibility.law_files WHERE law_no = $1",
        law_no,
    )
    .fetch_all(tx)
    .await?;
    Ok(Files(
        rows.into_iter().map(|it| (it.path, it.text)).collect(),
    ))
}

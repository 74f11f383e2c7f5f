//! SQL of who is let in to ask with a client of their own.

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::{PgConnection, PgPool};

/// That somebody was let in to ask with a client of their own, or dismissed.
#[derive(Debug, Serialize)]
pub(super) struct Admission {
    pub login: String,
    pub is_admitted: bool,
    pub ends_at: Option<DateTime<Utc>>,
    pub decided_by: String,
    pub reason: String,
    pub decided_at: DateTime<Utc>,
}

/// Whether the server has a role of this name, and what was decided of it last.
pub(super) async fn admission(
    tx: &mut PgConnection,
    login: &str,
) -> anyhow::Result<(bool, Option<Admission>)> {
    // One decision at a time.
    sqlx::query!("LOCK TABLE audit.admissions IN EXCLUSIVE MODE")
        .execute(&mut *tx)
        .await?;
    let is_there = sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = $1) AS "it!""#,
        login,
    )
    .fetch_one(&mut *tx)
    .await?;
    let last = sqlx::query_as!(
        Admission,
        "SELECT login, is_admitted, ends_at, decided_by, reason, decided_at
        FROM audit.admissions WHERE login = $1 ORDER BY admission_no DESC LIMIT 1",
        login,
    )
    .fetch_optional(tx)
    .await?;
    Ok((is_there, last))
}

/// Every decision, in order.
pub(super) async fn admissions(pool: &PgPool) -> anyhow::Result<Vec<Admission>> {
    Ok(sqlx::query_as!(
        Admission,
        "SELECT login, is_admitted, ends_at, decided_by, reason, decided_at
        FROM audit.admissions ORDER BY admission_no",
    )
    .fetch_all(pool)
    .await?)
}

pub(super) async fn admit(
    tx: &mut PgConnection,
    it: &Admission,
    verifier: &str,
) -> anyhow::Result<()> {
    sqlx::query!(
        "SELECT audit.admit($1, $2, $3)",
        it.login,
        verifier,
        it.ends_at
    )
    .execute(&mut *tx)
    .await?;
    insert_admission(tx, it).await
}

pub(super) async fn dismiss(tx: &mut PgConnection, it: &Admission) -> anyhow::Result<()> {
    sqlx::query!("SELECT audit.dismiss($1)", it.login)
        .execute(&mut *tx)
        .await?;
    insert_admission(tx, it).await
}

async fn insert_admission(tx: &mut PgConnection, it: &Admission) -> anyhow::Result<()> {
    sqlx::query!(
        "INSERT INTO audit.admissions (login, is_admitted, ends_at, decided_by, reason, decided_at)
        VALUES ($1, $2, $3, $4, $5, $6)",
        it.login,
        it.is_admitted,
        it.ends_at,
        it.decided_by,
        it.reason,
        it.decided_at,
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Ends what a login is doing.
pub(super) async fn end_sessions(pool: &PgPool, login: &str) -> anyhow::Result<()> {
    sqlx::query!(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = $1",
        login,
    )
    .fetch_all(pool)
    .await?;
    Ok(())
}

pub(super) async fn database(tx: &mut PgConnection) -> anyhow::Result<String> {
    let name = sqlx::query_scalar!(r#"SELECT current_database()::text AS "it!""#);
    Ok(name.fetch_one(tx).await?)
}

//! SQL of what auditors take away, and of who they are.

mod answer;

use chrono::{DateTime, NaiveDate, Utc};
use domain::{Money, RunNo};
use futures::stream::BoxStream;
use sqlx::PgPool;

pub(super) use answer::{as_auditor, columns, rows, totals};

pub(super) struct RunRow {
    pub programme: i16,
    pub period: NaiveDate,
    pub series: i16,
    pub business_date: NaiveDate,
    pub state: String,
    pub lines: i64,
    pub total: Money,
    pub root: Option<Vec<u8>>,
}

pub(super) async fn run(pool: &PgPool, run_no: RunNo) -> anyhow::Result<Option<RunRow>> {
    Ok(sqlx::query_as!(
        RunRow,
        r#"
        SELECT programme, period, series, business_date, state, lines, total AS "total: Money", root
        FROM payments.runs WHERE run_no = $1
        "#,
        run_no.0,
    )
    .fetch_optional(pool)
    .await?)
}

pub(super) struct LineRow {
    pub part: i16,
    pub chunk: i32,
    pub line: i32,
    pub person_no: i64,
    pub payee_no: Option<i64>,
    pub determination_no: i16,
    pub amount: Money,
    pub deducted: Money,
    pub local: Money,
    pub province: i16,
    pub institution: i32,
    pub channel: String,
    pub account_index: Option<Vec<u8>>,
    pub arrears_of: Option<NaiveDate>,
    /// What was approved counts it.
    pub counted: bool,
    pub status: Option<String>,
    pub reason: Option<String>,
    pub booked_on: Option<NaiveDate>,
}

/// In the order in which they were hashed.
pub(super) fn lines(pool: &PgPool, run_no: RunNo) -> BoxStream<'_, Result<LineRow, sqlx::Error>> {
    sqlx::query_as!(
        LineRow,
        r#"
        SELECT l.part, l.chunk, l.line, l.person_no, l.payee_no, l.determination_no,
            l.amount AS "amount: Money", l.deducted AS "deducted: Money", l.local AS "local: Money",
            l.province, c.institution, c.channel, l.account_index,
            nullif(l.period, r.period) AS arrears_of,
            NOT EXISTS (SELECT FROM payments.exceptions x
                WHERE (x.run_no, x.part, x.chunk, x.line, x.kind)
                    = (l.run_no, l.part, l.chunk, l.line, 'held')
                    AND x.resolved_at IS NULL AND NOT x.after_approval) AS "counted!",
            a.status AS "status?", a.reason, a.booked_on AS "booked_on?"
        FROM payments.lines l
        JOIN payments.chunks c USING (run_no, part, chunk)
        JOIN payments.runs r USING (run_no)
        LEFT JOIN payments.results a USING (run_no, part, chunk, line)
        WHERE l.run_no = $1 ORDER BY l.part, l.chunk, l.line
        "#,
        run_no.0,
    )
    .fetch(pool)
}

/// Journals of the run, and those of others that moved money of its lines.
pub(super) async fn journals(pool: &PgPool, run_no: RunNo) -> anyhow::Result<Vec<(i16, i64)>> {
    let rows = sqlx::query!(
        "SELECT part, seq FROM ledger.journals WHERE run_no = $1 ORDER BY part, seq",
        run_no.0,
    )
    .fetch_all(pool)
    .await?;
    Ok(rows.into_iter().map(|it| (it.part, it.seq)).collect())
}

/// An act of the run, with what was signed.
pub(super) struct ActRow {
    pub act_no: i64,
    pub voided_at: Option<DateTime<Utc>>,
    pub statement: Option<String>,
    pub signature: Option<Vec<u8>>,
    pub public_key: Option<Vec<u8>>,
}

pub(super) async fn acts(pool: &PgPool, run_no: RunNo) -> anyhow::Result<Vec<ActRow>> {
    Ok(sqlx::query_as!(
        ActRow,
        r#"
        SELECT a.act_no, a.voided_at, a.statement, a.signature, k.public_key AS "public_key?"
        FROM payments.acts a LEFT JOIN approval.officer_keys k USING (key_no)
        WHERE a.run_no = $1 ORDER BY a.act_no
        "#,
        run_no.0,
    )
    .fetch_all(pool)
    .await?)
}

/// The laws by which the run's lines were determined, with their files.
pub(super) async fn law_files(
    pool: &PgPool,
    run_no: RunNo,
) -> anyhow::Result<Vec<(i64, String, String)>> {
    let rows = sqlx::query!(
        r#"
        SELECT f.law_no, f.path, f.text FROM eligibility.law_files f
        WHERE f.law_no IN (SELECT law_no FROM eligibility.freezes WHERE run_no = $1)
        ORDER BY f.law_no, f.path
        "#,
        run_no.0,
    )
    .fetch_all(pool)
    .await?;
    Ok(rows
        .into_iter()
        .map(|it| (it.law_no, it.path, it.text))
        .collect())
}

/// A message between the state and a bank that names the run.
pub(super) struct MessageRow {
    pub key: String,
    pub id: uuid::Uuid,
}

pub(super) async fn messages(pool: &PgPool, run_no: RunNo) -> anyhow::Result<Vec<MessageRow>> {
    Ok(sqlx::query_as!(
        MessageRow,
        r#"
        SELECT consumer || '/' || speaker || '/' || part || '/' || seq AS "key!", event_id AS id
        FROM messaging.received
        WHERE body IS NOT NULL AND (position(convert_to($1, 'UTF8') IN body) > 0
            OR position(convert_to($2, 'UTF8') IN body) > 0)
        ORDER BY speaker, part, seq, consumer
        "#,
        format!("\"{run_no}-"),
        format!("\"run_no\":{},", run_no.0),
    )
    .fetch_all(pool)
    .await?)
}

/// Notes down that somebody asks.
pub(super) async fn insert_query(
    pool: &PgPool,
    asked_by: &str,
    (question, parameters): (&str, &serde_json::Value),
    now: DateTime<Utc>,
) -> anyhow::Result<()> {
    sqlx::query!(
        "INSERT INTO audit.queries (asked_by, question, parameters, asked_at)
        VALUES ($1, $2, $3, $4)",
        asked_by,
        question,
        parameters,
        now,
    )
    .execute(pool)
    .await?;
    Ok(())
}

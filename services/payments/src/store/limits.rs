//! How much institutions take, and when they reject too much.

use chrono::{DateTime, Utc};
use domain::{Institution, Officer, Part, RunNo};
use messaging::Problem;
use sqlx::PgConnection;

use crate::Error;
use crate::breaker::Window;
use crate::command::LimitInstitution;

/// A limit as it waits for its checker.
#[derive(Debug)]
pub(crate) struct WaitingLimit {
    pub institution: i32,
    pub lines_per_minute: i32,
    pub holds_from: DateTime<Utc>,
    pub reason: String,
    pub maker: Officer,
    pub checker: Option<Officer>,
}

pub(crate) async fn insert_limit(
    tx: &mut PgConnection,
    command: &LimitInstitution,
    now: DateTime<Utc>,
) -> Result<i64, Error> {
    Ok(sqlx::query_scalar!(
        r#"
        INSERT INTO payments.rate_limits
            (institution, lines_per_minute, holds_from, reason, maker, ordered_at)
        VALUES ($1, $2, $3, $4, $5, $6) RETURNING limit_no
        "#,
        command.institution.number(),
        command.lines_per_minute,
        command.holds_from,
        command.reason,
        command.officer.as_str(),
        now,
    )
    .fetch_one(tx)
    .await?)
}

pub(crate) async fn lock_limit(
    tx: &mut PgConnection,
    limit_no: i64,
) -> Result<WaitingLimit, Error> {
    let found = sqlx::query_as!(
        WaitingLimit,
        r#"
        SELECT institution, lines_per_minute, holds_from, reason, maker AS "maker: Officer",
            checker AS "checker: Officer"
        FROM payments.rate_limits WHERE limit_no = $1 FOR UPDATE
        "#,
        limit_no,
    )
    .fetch_optional(tx)
    .await?;
    let detail = format!("there is no limit {limit_no}");
    Ok(found.ok_or_else(|| Problem::new(404, "limit_unknown", detail))?)
}

/// The limit may hold from now on, by its own time.
pub(crate) async fn approve_limit(
    tx: &mut PgConnection,
    (limit_no, institution): (i64, i32),
    officer: &Officer,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    sqlx::query!(
        "UPDATE payments.rate_limits SET checker = $2, approved_at = $3 WHERE limit_no = $1",
        limit_no,
        officer.as_str(),
        now,
    )
    .execute(&mut *tx)
    .await?;
    sqlx::query!(
        r#"
        INSERT INTO payments.rate_buckets (institution, next_at) VALUES ($1, '-infinity')
        ON CONFLICT DO NOTHING
        "#,
        institution,
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Takes a message's lines out of what an institution may get; false where it has had its share for
/// now. Processes take turns on the institution's row. One without a limit takes whatever comes.
///
/// A message goes whole, and uses up the time that its lines take at the limit: over any longer time
/// an institution gets no more than that, and one message.
pub(crate) async fn take_tokens(
    tx: &mut PgConnection,
    institution: Institution,
    lines: usize,
    now: DateTime<Utc>,
) -> Result<bool, Error> {
    let limit = sqlx::query_scalar!(
        r#"
        SELECT lines_per_minute FROM payments.rate_limits
        WHERE institution = $1 AND checker IS NOT NULL AND holds_from <= $2
        ORDER BY holds_from DESC, limit_no DESC LIMIT 1
        "#,
        institution.number(),
        now,
    )
    .fetch_optional(&mut *tx)
    .await?;
    let Some(lines_per_minute) = limit else {
        return Ok(true);
    };
    let lines = i64::try_from(lines).expect("at most a thousand");
    let taken = sqlx::query!(
        r#"
        UPDATE payments.rate_buckets
        SET next_at = $2 + make_interval(secs => 60) * $3::bigint / $4::int
        WHERE institution = $1 AND next_at <= $2
        "#,
        institution.number(),
        now,
        lines,
        lines_per_minute,
    )
    .execute(tx)
    .await?;
    Ok(taken.rows_affected() == 1)
}

/// Counts what an institution answered of a run in one message, and gives back how its last answers
/// look. Partitions take turns, so that the last one sees all of them.
pub(crate) async fn count_answer(
    tx: &mut PgConnection,
    (run_no, institution, part): (RunNo, Institution, Part),
    (lines, rejected): (i64, i64),
) -> Result<Window, Error> {
    // Free when the transaction ends.
    sqlx::query!(
        "SELECT pg_advisory_xact_lock($1, $2)",
        i32::try_from(run_no.0 % 1_000_000_000).expect("within range"),
        institution.number(),
    )
    .execute(&mut *tx)
    .await?;
    sqlx::query!(
        r#"
        INSERT INTO payments.answers (run_no, institution, part, lines, rejected)
        VALUES ($1, $2, $3, $4, $5)
        "#,
        run_no.0,
        institution.number(),
        part.number(),
        lines,
        rejected,
    )
    .execute(&mut *tx)
    .await?;
    Ok(sqlx::query_as!(
        Window,
        r#"
        SELECT max(a.answer_no) AS "answer_no!", coalesce(sum(a.lines), 0)::bigint AS "lines!",
            coalesce(sum(a.rejected), 0)::bigint AS "rejected!",
            max(l.rejected_percent)::bigint AS "rejected_percent!",
            max(l.enough_lines)::bigint AS "enough_lines!"
        FROM payments.breaker_limits l
        CROSS JOIN LATERAL (
            SELECT answer_no, lines, rejected,
                sum(lines) OVER (ORDER BY answer_no DESC) - lines AS later
            FROM payments.answers
            WHERE run_no = $1 AND institution = $2
                -- What paused it once and was looked at pauses it no more.
                AND answer_no > (SELECT coalesce(max(o.answer_no), 0)
                    FROM payments.release_orders o
                    WHERE o.scope = 'institution/' || $2::int AND o.answer_no IS NOT NULL)
        ) a
        WHERE a.later < l.last_lines
        "#,
        run_no.0,
        institution.number(),
    )
    .fetch_one(tx)
    .await?)
}

//! Lines set aside, and set free again.

use chrono::{DateTime, Utc};
use domain::{ChunkNo, Money, Part, Position, RunNo};
use rust_decimal::Decimal;
use sqlx::PgConnection;

use super::Columns;
use crate::Error;

/// A line to be set aside.
#[derive(Debug)]
pub(crate) struct Hold<'a> {
    pub position: Position,
    pub reason: &'a str,
    /// Where a withdrawal is why.
    pub withdrawal_no: Option<i64>,
}

/// A line that left what is to be paid, or came back to it.
#[derive(Debug)]
pub(crate) struct Moved {
    pub run_no: RunNo,
    pub chunk: ChunkNo,
    pub amount: Money,
    /// The part of it that the province pays.
    pub local: Money,
    pub is_arrears: bool,
}

/// Takes lines out of what is to be paid; gives back those that were in it.
pub(crate) async fn hold_lines(
    tx: &mut PgConnection,
    part: Part,
    holds: &[Hold<'_>],
    now: DateTime<Utc>,
) -> Result<Vec<Moved>, Error> {
    let columns = Columns::of(holds.iter().map(|it| &it.position));
    let reasons: Vec<&str> = holds.iter().map(|it| it.reason).collect();
    let withdrawals: Vec<Option<i64>> = holds.iter().map(|it| it.withdrawal_no).collect();
    let held = sqlx::query_as!(
        Moved,
        r#"
        WITH held AS (
            INSERT INTO payments.exceptions (run_no, part, chunk, line, person_no, kind, amount,
                detail, opened_at, withdrawal_no, after_approval)
            SELECT l.run_no, l.part, l.chunk, l.line, l.person_no, 'held', l.amount, n.reason, $7,
                n.withdrawal_no, r.state NOT IN ('preparing', 'awaiting_approval')
            FROM unnest($2::bigint[], $3::int[], $4::int[], $5::text[], $6::bigint[])
                AS n (run_no, chunk, line, reason, withdrawal_no)
            JOIN payments.lines l
                ON (l.run_no, l.part, l.chunk, l.line) = (n.run_no, $1, n.chunk, n.line)
            JOIN payments.runs r ON r.run_no = l.run_no
            ON CONFLICT DO NOTHING
            RETURNING run_no, part, chunk, line, amount
        )
        SELECT h.run_no AS "run_no: RunNo", h.chunk AS "chunk!: ChunkNo",
            h.amount AS "amount: Money", l.local AS "local: Money", l.period <> r.period AS "is_arrears!"
        FROM held h JOIN payments.lines l USING (run_no, part, chunk, line)
        JOIN payments.runs r USING (run_no)
        "#,
        part.number(),
        &columns.run_nos,
        &columns.chunks,
        &columns.lines,
        &reasons as &[&str],
        &withdrawals as &[Option<i64>],
        now,
    )
    .fetch_all(&mut *tx)
    .await?;
    add_to_pay(tx, part, &held, -1).await?;
    Ok(held)
}

/// Puts held lines back into what is to be paid, by their exceptions.
pub(crate) async fn free_lines(
    tx: &mut PgConnection,
    part: Part,
    exceptions: &[i64],
    now: DateTime<Utc>,
) -> Result<Vec<Moved>, Error> {
    let freed = sqlx::query_as!(
        Moved,
        r#"
        WITH freed AS (
            UPDATE payments.exceptions SET resolved_at = $2
            WHERE exception_no = ANY($1) AND resolved_at IS NULL
            RETURNING run_no, part, chunk, line, amount
        )
        SELECT f.run_no AS "run_no: RunNo", f.chunk AS "chunk!: ChunkNo",
            f.amount AS "amount: Money", l.local AS "local: Money", l.period <> r.period AS "is_arrears!"
        FROM freed f JOIN payments.lines l USING (run_no, part, chunk, line)
        JOIN payments.runs r USING (run_no)
        "#,
        exceptions,
        now,
    )
    .fetch_all(&mut *tx)
    .await?;
    add_to_pay(tx, part, &freed, 1).await?;
    Ok(freed)
}

/// Moves the counters of chunks and partitions: 1 adds to what is to be paid, −1 takes away.
async fn add_to_pay(
    tx: &mut PgConnection,
    part: Part,
    moved: &[Moved],
    sign: i32,
) -> Result<(), Error> {
    let run_nos: Vec<i64> = moved.iter().map(|it| it.run_no.0).collect();
    let chunks: Vec<i32> = moved.iter().map(|it| it.chunk.0).collect();
    let amounts: Vec<Decimal> = moved.iter().map(|it| it.amount.decimal()).collect();
    let local: Vec<Decimal> = moved.iter().map(|it| it.local.decimal()).collect();
    let arrears: Vec<bool> = moved.iter().map(|it| it.is_arrears).collect();
    sqlx::query!(
        r#"
        UPDATE payments.chunks c
        SET lines = c.lines + $5::int * n.lines, total = c.total + $5::int * n.total
        FROM (
            SELECT run_no, chunk, count(*)::int AS lines, sum(amount) AS total
            FROM unnest($2::bigint[], $3::int[], $4::numeric[]) AS m (run_no, chunk, amount)
            GROUP BY run_no, chunk
        ) n
        WHERE c.part = $1 AND (c.run_no, c.chunk) = (n.run_no, n.chunk)
        "#,
        part.number(),
        &run_nos,
        &chunks,
        &amounts,
        sign,
    )
    .execute(&mut *tx)
    .await?;
    sqlx::query!(
        r#"
        UPDATE payments.run_parts p
        SET lines = p.lines + $5::int * n.lines, total = p.total + $5::int * n.total,
            held_lines = p.held_lines - $5::int * n.lines, held_total = p.held_total - $5::int * n.total,
            arrears_lines = p.arrears_lines + $5::int * n.arrears_lines,
            arrears_total = p.arrears_total + $5::int * n.arrears_total,
            local_total = p.local_total + $5::int * n.local
        FROM (
            SELECT run_no, count(*) AS lines, sum(amount) AS total, sum(local) AS local,
                count(*) FILTER (WHERE is_arrears) AS arrears_lines,
                coalesce(sum(amount) FILTER (WHERE is_arrears), 0) AS arrears_total
            FROM unnest($2::bigint[], $3::numeric[], $4::boolean[], $6::numeric[])
                AS m (run_no, amount, is_arrears, local)
            GROUP BY run_no
        ) n
        WHERE p.part = $1 AND p.run_no = n.run_no
        "#,
        part.number(),
        &run_nos,
        &amounts,
        &arrears,
        sign,
        &local,
    )
    .execute(tx)
    .await?;
    Ok(())
}

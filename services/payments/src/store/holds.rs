//! Lines set aside, and set free again.

use chrono::{DateTime, Utc};
use domain::{ChunkNo, Money, Part, Position, RunNo};
use rust_decimal::Decimal;
use sqlx::{PgConnection, PgPool};

use super::Columns;
use crate::Error;

/// A line to be set aside. In a batch a line comes once.
#[derive(Debug)]
pub(crate) struct Hold<'a> {
    pub position: Position,
    pub reason: &'a str,
    pub by: HeldBy,
}

/// Who sets a line aside, and what of it ends the hold.
#[derive(Debug, Clone, Copy)]
pub(crate) enum HeldBy {
    /// By itself at a time, where there is one, or a person.
    Account { until: Option<DateTime<Utc>> },
    /// A person.
    Officer,
    /// What restores the obligation.
    Withdrawal(i64),
    /// Who resumes what was paused.
    Pause,
}

/// What came of setting lines aside.
#[derive(Debug)]
pub(crate) struct Held {
    /// Holds that were opened: not those that were there.
    pub opened: usize,
    /// The lines that were held for nothing else before.
    pub moved: Vec<Moved>,
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

/// An open hold whose time is over.
#[derive(Debug)]
pub(crate) struct EndedHold {
    pub exception_no: i64,
    /// The line has another open hold.
    pub has_others: bool,
}

impl HeldBy {
    fn as_str(self) -> &'static str {
        match self {
            HeldBy::Account { .. } => "account",
            HeldBy::Officer => "officer",
            HeldBy::Withdrawal(_) => "withdrawal",
            HeldBy::Pause => "pause",
        }
    }

    fn until(self) -> Option<DateTime<Utc>> {
        match self {
            HeldBy::Account { until } => until,
            HeldBy::Officer | HeldBy::Withdrawal(_) | HeldBy::Pause => None,
        }
    }

    fn withdrawal_no(self) -> Option<i64> {
        match self {
            HeldBy::Withdrawal(number) => Some(number),
            HeldBy::Account { .. } | HeldBy::Officer | HeldBy::Pause => None,
        }
    }
}

/// Takes lines out of what is to be paid. A hold more of a line that is held already is written
/// down and moves nothing.
pub(crate) async fn hold_lines(
    tx: &mut PgConnection,
    part: Part,
    holds: &[Hold<'_>],
    now: DateTime<Utc>,
) -> Result<Held, Error> {
    let columns = Columns::of(holds.iter().map(|it| &it.position));
    let reasons: Vec<&str> = holds.iter().map(|it| it.reason).collect();
    let held_by: Vec<&str> = holds.iter().map(|it| it.by.as_str()).collect();
    let until: Vec<Option<DateTime<Utc>>> = holds.iter().map(|it| it.by.until()).collect();
    let withdrawals: Vec<Option<i64>> = holds.iter().map(|it| it.by.withdrawal_no()).collect();
    let rows = sqlx::query!(
        r#"
        -- LATERAL with OFFSET 0 looks each line up by key, whatever the statistics say.
        WITH named AS (
            SELECT l.run_no, l.part, l.chunk, l.line, l.person_no, l.amount, l.local,
                l.period <> r.period AS is_arrears, n.reason, n.held_by, n.until, n.withdrawal_no,
                x.line IS NOT NULL AS was_held,
                -- What was approved counts the line only if nothing held it then.
                r.state NOT IN ('preparing', 'awaiting_approval', 'sent_back')
                    AND coalesce(x.after_approval, true) AS after_approval
            FROM unnest($2::bigint[], $3::int[], $4::int[], $5::text[], $6::text[],
                $7::timestamptz[], $8::bigint[])
                AS n (run_no, chunk, line, reason, held_by, until, withdrawal_no)
            CROSS JOIN LATERAL (
                SELECT * FROM payments.lines l
                WHERE (l.run_no, l.part, l.chunk, l.line) = (n.run_no, $1, n.chunk, n.line) OFFSET 0
            ) l
            JOIN payments.runs r ON r.run_no = l.run_no
            LEFT JOIN LATERAL (
                SELECT x.line, bool_and(x.after_approval) AS after_approval
                FROM payments.exceptions x
                WHERE (x.run_no, x.part, x.chunk, x.line) = (l.run_no, l.part, l.chunk, l.line)
                    AND x.kind = 'held' AND x.resolved_at IS NULL
                GROUP BY x.line
            ) x ON true
        ), opened AS (
            INSERT INTO payments.exceptions (run_no, part, chunk, line, person_no, kind, amount,
                detail, opened_at, held_by, hold_until, withdrawal_no, after_approval)
            SELECT run_no, part, chunk, line, person_no, 'held', amount, reason, $9, held_by, until,
                withdrawal_no, after_approval
            FROM named
            ON CONFLICT DO NOTHING
            RETURNING run_no, part, chunk, line
        )
        SELECT run_no AS "run_no: RunNo", chunk AS "chunk!: ChunkNo", n.amount AS "amount: Money",
            n.local AS "local: Money", n.is_arrears AS "is_arrears!", n.was_held AS "was_held!"
        FROM opened JOIN named n USING (run_no, part, chunk, line)
        "#,
        part.number(),
        &columns.run_nos,
        &columns.chunks,
        &columns.lines,
        &reasons as &[&str],
        &held_by as &[&str],
        &until as &[Option<DateTime<Utc>>],
        &withdrawals as &[Option<i64>],
        now,
    )
    .fetch_all(&mut *tx)
    .await?;
    let opened = rows.len();
    let left = rows.into_iter().filter(|it| !it.was_held);
    let moved: Vec<Moved> = left
        .map(|it| Moved {
            run_no: it.run_no,
            chunk: it.chunk,
            amount: it.amount,
            local: it.local,
            is_arrears: it.is_arrears,
        })
        .collect();
    add_to_pay(tx, part, &moved, -1).await?;
    Ok(Held { opened, moved })
}

/// Ends holds by their exceptions; puts those lines back into what is to be paid that nothing
/// else holds, and gives them back.
pub(crate) async fn free_lines(
    tx: &mut PgConnection,
    part: Part,
    exceptions: &[i64],
    now: DateTime<Utc>,
) -> Result<Vec<Moved>, Error> {
    let freed = sqlx::query_as!(
        Moved,
        r#"
        WITH ended AS (
            UPDATE payments.exceptions SET resolved_at = $2
            WHERE exception_no = ANY($1) AND kind = 'held' AND resolved_at IS NULL
            RETURNING run_no, part, chunk, line
        ), freed AS (
            SELECT DISTINCT run_no, part, chunk, line FROM ended e
            WHERE NOT EXISTS (SELECT FROM payments.exceptions o
                WHERE (o.run_no, o.part, o.chunk, o.line, o.kind)
                    = (e.run_no, e.part, e.chunk, e.line, 'held')
                    AND o.resolved_at IS NULL AND o.exception_no <> ALL($1))
        )
        SELECT f.run_no AS "run_no: RunNo", f.chunk AS "chunk!: ChunkNo",
            l.amount AS "amount: Money", l.local AS "local: Money",
            l.period <> r.period AS "is_arrears!"
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

/// The open holds of a line, and whether a person may end each.
pub(crate) async fn holds_of(
    tx: &mut PgConnection,
    line: Position,
) -> Result<Vec<(i64, bool)>, Error> {
    let rows = sqlx::query!(
        r#"
        SELECT exception_no, held_by IN ('account', 'officer') AS "is_free!"
        FROM payments.exceptions
        WHERE run_no = $1 AND part = $2 AND chunk = $3 AND line = $4 AND kind = 'held'
            AND resolved_at IS NULL
        ORDER BY exception_no
        "#,
        line.run.0,
        line.part.number(),
        line.chunk.0,
        line.line.0,
    )
    .fetch_all(tx)
    .await?;
    Ok(rows
        .into_iter()
        .map(|it| (it.exception_no, it.is_free))
        .collect())
}

/// Partitions with holds whose time is over, in runs where something follows from it: that nobody
/// has approved yet, or that are approved.
pub(crate) async fn parts_with_ended_holds(
    pool: &PgPool,
    now: DateTime<Utc>,
    limit: i64,
) -> Result<Vec<(RunNo, Part)>, Error> {
    let rows = sqlx::query!(
        r#"
        SELECT DISTINCT x.run_no AS "run_no: RunNo", x.part AS "part: Part"
        FROM payments.exceptions x JOIN payments.runs r USING (run_no)
        WHERE x.hold_until <= $1 AND x.resolved_at IS NULL AND NOT x.to_issue_again
            AND r.state <> 'preparing' AND NOT (
                r.state = 'awaiting_approval' AND EXISTS (SELECT FROM payments.acts a
                    WHERE a.run_no = x.run_no AND a.act = 'approve' AND a.voided_at IS NULL))
        ORDER BY 1, 2 LIMIT $2
        "#,
        now,
        limit,
    )
    .fetch_all(pool)
    .await?;
    Ok(rows.into_iter().map(|it| (it.run_no, it.part)).collect())
}

/// The holds of a partition whose time is over, those that ended first at the front.
pub(crate) async fn ended_holds(
    tx: &mut PgConnection,
    (run_no, part): (RunNo, Part),
    now: DateTime<Utc>,
    limit: i64,
) -> Result<Vec<EndedHold>, Error> {
    Ok(sqlx::query_as!(
        EndedHold,
        r#"
        SELECT x.exception_no, EXISTS (SELECT FROM payments.exceptions o
                WHERE (o.run_no, o.part, o.chunk, o.line, o.kind)
                    = (x.run_no, x.part, x.chunk, x.line, 'held')
                    AND o.resolved_at IS NULL AND o.exception_no <> x.exception_no)
                AS "has_others!"
        FROM payments.exceptions x
        WHERE x.run_no = $1 AND x.part = $2 AND x.hold_until <= $3 AND x.resolved_at IS NULL
            AND NOT x.to_issue_again
        ORDER BY x.hold_until, x.exception_no LIMIT $4
        "#,
        run_no.0,
        part.number(),
        now,
        limit,
    )
    .fetch_all(tx)
    .await?)
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

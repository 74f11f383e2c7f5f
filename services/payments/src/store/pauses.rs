//! Orders that pause, resume and stop what goes out.

use chrono::{DateTime, Utc};
use domain::{Officer, Part, RunNo};
use sqlx::PgConnection;

use crate::Error;
use crate::release::Scope;

/// A pause that holds now.
#[derive(Debug)]
pub(crate) struct Pause {
    pub order_no: i64,
    /// `None` where the engine paused.
    pub officer: Option<Officer>,
}

/// Keeps everything from going out until the transaction ends, as far as the scope goes: what is
/// under way is out before, and what follows reads the order.
pub(crate) async fn lock_releasing(tx: &mut PgConnection, scope: Scope) -> Result<(), Error> {
    let (run_no, programme, _) = columns(scope);
    sqlx::query!(
        r#"
        SELECT p.run_no FROM payments.run_parts p JOIN payments.runs r USING (run_no)
        WHERE r.state IN ('reserved', 'releasing', 'unfunded')
            AND ($1::bigint IS NULL OR p.run_no = $1)
            AND ($2::smallint IS NULL OR r.programme = $2)
        ORDER BY p.run_no, p.part FOR NO KEY UPDATE OF p
        "#,
        run_no,
        programme,
    )
    .fetch_all(tx)
    .await?;
    Ok(())
}

fn columns(scope: Scope) -> (Option<i64>, Option<i16>, Option<i32>) {
    match scope {
        Scope::Run(run_no) => (Some(run_no.0), None, None),
        Scope::Programme(programme) => (None, Some(programme.number()), None),
        Scope::Institution(institution) => (None, None, Some(institution.number())),
        Scope::Province(_) | Scope::Commune(_) => (None, None, None),
    }
}

/// Pauses what is not paused; the number of the order, or `None` where it was paused before.
pub(crate) async fn pause(
    tx: &mut PgConnection,
    scope: Scope,
    (officer, reason): (Option<&Officer>, &str),
    answer_no: Option<i64>,
    now: DateTime<Utc>,
) -> Result<Option<i64>, Error> {
    Ok(sqlx::query_scalar!(
        r#"
        WITH ordered AS (
            INSERT INTO payments.release_orders
                (kind, scope, officer, reason, ordered_at, answer_no)
            SELECT 'pause', $1, $2, $3, $4, $5
            WHERE NOT EXISTS (SELECT FROM payments.pauses WHERE scope = $1)
            RETURNING order_no, scope
        )
        INSERT INTO payments.pauses (scope, order_no) SELECT scope, order_no FROM ordered
        RETURNING order_no
        "#,
        scope.key(),
        officer.map(Officer::as_str),
        reason,
        now,
        answer_no,
    )
    .fetch_optional(tx)
    .await?)
}

/// The pause that holds, kept until the transaction ends.
pub(crate) async fn lock_pause(
    tx: &mut PgConnection,
    scope: Scope,
) -> Result<Option<Pause>, Error> {
    Ok(sqlx::query_as!(
        Pause,
        r#"
        SELECT o.order_no, o.officer AS "officer: Officer"
        FROM payments.pauses p JOIN payments.release_orders o USING (order_no)
        WHERE p.scope = $1 FOR UPDATE OF p
        "#,
        scope.key(),
    )
    .fetch_optional(tx)
    .await?)
}

pub(crate) async fn resume(
    tx: &mut PgConnection,
    (scope, pause): (Scope, &Pause),
    (officer, reason): (&Officer, &str),
    now: DateTime<Utc>,
) -> Result<(), Error> {
    sqlx::query!("DELETE FROM payments.pauses WHERE scope = $1", scope.key())
        .execute(&mut *tx)
        .await?;
    sqlx::query!(
        r#"
        INSERT INTO payments.release_orders
            (kind, scope, officer, reason, ordered_at, ends, paused_by)
        VALUES ('resume', $1, $2, $3, $4, $5, $6)
        "#,
        scope.key(),
        officer.as_str(),
        reason,
        now,
        pause.order_no,
        pause.officer.as_ref().map(Officer::as_str),
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Stops every chunk of the scope that is approved and not out, or only in part; how many. Of an
/// institution or programme that is what its runs of now have; later ones go out.
pub(crate) async fn stop(
    tx: &mut PgConnection,
    scope: Scope,
    (officer, reason): (&Officer, &str),
    now: DateTime<Utc>,
) -> Result<u64, Error> {
    let order_no = sqlx::query_scalar!(
        r#"
        INSERT INTO payments.release_orders (kind, scope, officer, reason, ordered_at)
        VALUES ('stop', $1, $2, $3, $4) RETURNING order_no
        "#,
        scope.key(),
        officer.as_str(),
        reason,
        now,
    )
    .fetch_one(&mut *tx)
    .await?;
    let (run_no, programme, institution) = columns(scope);
    let stopped = sqlx::query!(
        r#"
        UPDATE payments.chunks c SET stopped_by = $1, standing = 'waiting'
        FROM payments.runs r
        WHERE r.run_no = c.run_no AND r.state IN ('reserved', 'releasing', 'unfunded')
            -- What is paid again was owed before the run: it is paused, and stays payable.
            AND r.series = 0
            AND c.stopped_by IS NULL
            AND ($2::bigint IS NULL OR c.run_no = $2)
            AND ($3::smallint IS NULL OR r.programme = $3)
            AND ($4::int IS NULL OR c.institution = $4)
            AND (c.standing = 'waiting' OR EXISTS (SELECT FROM payments.exceptions x
                WHERE (x.run_no, x.part, x.chunk) = (c.run_no, c.part, c.chunk)
                    AND x.held_by IN ('pause', 'funding') AND x.resolved_at IS NULL))
        "#,
        order_no,
        run_no,
        programme,
        institution,
    )
    .execute(tx)
    .await?;
    Ok(stopped.rows_affected())
}

/// Open holds that somebody's pause of the place put on lines of approved runs, by partition; not
/// those of which another place is paused still.
pub(crate) async fn paused_lines(
    tx: &mut PgConnection,
    place: Scope,
) -> Result<Vec<(Part, RunNo, i64)>, Error> {
    let (province, commune) = match place {
        Scope::Province(province) => (Some(province.number()), None),
        Scope::Commune(commune) => (None, Some(commune.number())),
        _ => return Ok(Vec::new()),
    };
    let rows = sqlx::query!(
        r#"
        SELECT x.part AS "part: Part", x.run_no AS "run_no: RunNo", x.exception_no
        FROM payments.exceptions x
        JOIN payments.lines l ON (l.run_no, l.part, l.chunk, l.line)
            = (x.run_no, x.part, x.chunk, x.line)
        WHERE x.held_by = 'pause' AND x.resolved_at IS NULL
            AND (l.province = $1 OR l.commune = $2)
            AND NOT EXISTS (SELECT FROM payments.pauses p
                WHERE p.scope IN ('province/' || l.province, 'commune/' || l.commune))
        ORDER BY x.part, x.run_no, x.exception_no
        "#,
        province,
        commune,
    )
    .fetch_all(tx)
    .await?;
    let row = rows.into_iter();
    Ok(row
        .map(|it| (it.part, it.run_no, it.exception_no))
        .collect())
}

/// Lines that are free again go out: with their chunk, or where that has left, with a message after
/// it. Their holds are resolved by then, and their partition is held.
pub(crate) async fn send_later(
    tx: &mut PgConnection,
    part: Part,
    holds: &[i64],
) -> Result<(), Error> {
    sqlx::query!(
        r#"
        INSERT INTO payments.later_lines (run_no, part, chunk, line, message)
        SELECT x.run_no, x.part, x.chunk, x.line, c.messages
        FROM payments.exceptions x JOIN payments.chunks c USING (run_no, part, chunk)
        WHERE x.exception_no = ANY($1) AND x.part = $2 AND c.messages > 0
            AND NOT EXISTS (SELECT FROM payments.exceptions o
                WHERE (o.run_no, o.part, o.chunk, o.line, o.kind)
                    = (x.run_no, x.part, x.chunk, x.line, 'held') AND o.resolved_at IS NULL)
        ON CONFLICT DO NOTHING
        "#,
        holds,
        part.number(),
    )
    .execute(&mut *tx)
    .await?;
    sqlx::query!(
        r#"
        UPDATE payments.chunks c SET standing = 'waiting'
        WHERE c.part = $2 AND c.standing = 'done' AND (c.run_no, c.chunk) IN (
            SELECT run_no, chunk FROM payments.exceptions WHERE exception_no = ANY($1))
        "#,
        holds,
        part.number(),
    )
    .execute(tx)
    .await?;
    Ok(())
}

//! Returns of cash lists.

use chrono::{DateTime, NaiveDate, Utc};
use domain::{ChunkNo, Institution, LineNo, Money, Officer, Part, PersonNo, Position, RunNo};
use sqlx::PgConnection;

use super::{Columns, programme_of};
use crate::Error;
use crate::command::CashReturn;
use crate::unclaimed::Unfetched;

/// The text of a return, and the signature under it.
#[derive(Debug)]
pub(crate) struct SignedReturn {
    pub key_no: i64,
    pub statement: String,
    pub signature: Vec<u8>,
}

/// False where the agent's return of this number was taken already.
pub(crate) async fn insert_cash_return(
    tx: &mut PgConnection,
    it: &CashReturn,
    signed: &SignedReturn,
    now: DateTime<Utc>,
) -> Result<bool, Error> {
    let done = sqlx::query!(
        r#"
        INSERT INTO payments.cash_returns (institution, return_no, run_no, paid_on, rows,
            handed_over, paid, officer, key_no, statement, signature, recorded_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
        ON CONFLICT DO NOTHING
        "#,
        it.institution.number(),
        it.return_no,
        it.run_no.0,
        it.paid_on,
        i32::try_from(it.rows.len()).expect("rows have a bound"),
        it.handed_over as Money,
        it.paid as Money,
        it.officer.as_str(),
        signed.key_no,
        signed.statement,
        signed.signature,
        now,
    )
    .execute(tx)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// How many lines of a run an institution has answered, by the counters.
pub(crate) async fn count_results(
    tx: &mut PgConnection,
    run_no: RunNo,
    institution: Institution,
) -> Result<i64, Error> {
    Ok(sqlx::query_scalar!(
        r#"
        SELECT coalesce(sum(credited_lines + returned_lines), 0)::bigint AS "count!"
        FROM payments.tallies WHERE run_no = $1 AND institution = $2
        "#,
        run_no.0,
        institution.number(),
    )
    .fetch_one(tx)
    .await?)
}

/// Lines that were paid in cash last and not fetched, first so long ago as terms say, and that nothing
/// follows; in the order of partitions.
pub(crate) async fn unfetched_lines(
    tx: &mut PgConnection,
    as_of: NaiveDate,
    limit: i64,
) -> Result<Vec<Position>, Error> {
    let rows = sqlx::query!(
        r#"
        SELECT r.run_no AS "run_no: RunNo", r.part AS "part: Part", r.chunk AS "chunk: ChunkNo",
            r.line AS "line: LineNo"
        FROM payments.results r
        JOIN payments.chunks c USING (run_no, part, chunk)
        JOIN payments.lines l USING (run_no, part, chunk, line)
        JOIN payments.runs u USING (run_no)
        LEFT JOIN payments.unclaimed n USING (run_no, part, chunk, line)
        LEFT JOIN payments.attempts s ON (s.before_run_no, s.part, s.before_chunk, s.before_line)
            = (r.run_no, r.part, r.chunk, r.line)
        -- Where it was to be fetched first: at this attempt, or at an earlier one.
        CROSS JOIN LATERAL (
            SELECT min(f.booked_on) AS booked_on FROM (
                SELECT run_no, chunk, line FROM payments.obligations o
                WHERE (o.part, o.programme, o.period, o.person_no, o.determination_no)
                    = (l.part, u.programme, l.period, l.person_no, l.determination_no)
                UNION ALL
                SELECT run_no, chunk, line FROM payments.attempts a
                WHERE (a.part, a.programme, a.period, a.person_no, a.determination_no)
                    = (l.part, u.programme, l.period, l.person_no, l.determination_no)
            ) t JOIN payments.results f ON (f.run_no, f.part, f.chunk, f.line, f.reason)
                = (t.run_no, l.part, t.chunk, t.line, 'CUST')
        ) f
        WHERE r.status = 'rejected' AND r.reason = 'CUST' AND c.channel = 'cash'
            AND f.booked_on + make_interval(months =>
                (SELECT unclaimed_after_months FROM payments.cash_terms)::int) <= $1::date
            AND s.line IS NULL AND n.line IS NULL
            AND NOT EXISTS (SELECT FROM payments.exceptions x
                WHERE (x.run_no, x.part, x.chunk, x.line) = (r.run_no, r.part, r.chunk, r.line)
                    AND x.kind IN ('withdrawn', 'contradicted') AND x.resolved_at IS NULL)
        ORDER BY r.part, r.run_no, r.chunk, r.line LIMIT $2
        "#,
        as_of,
        limit,
    )
    .fetch_all(tx)
    .await?;
    let position = rows.into_iter().map(|it| Position {
        run: it.run_no,
        part: it.part,
        chunk: it.chunk,
        line: it.line,
    });
    Ok(position.collect())
}

/// Marks those lines of a partition that nothing follows, while their chunks are locked; gives back
/// what of them is new.
pub(crate) async fn insert_unclaimed(
    tx: &mut PgConnection,
    part: Part,
    lines: &[Position],
    (officer, now): (&Officer, DateTime<Utc>),
) -> Result<Vec<Unfetched>, Error> {
    let columns = Columns::of(lines);
    let rows = sqlx::query!(
        r#"
        WITH aged AS (
            INSERT INTO payments.unclaimed (run_no, part, chunk, line, officer, aged_at)
            SELECT n.run_no, $1, n.chunk, n.line, $5, $6
            FROM unnest($2::bigint[], $3::int[], $4::int[]) AS n (run_no, chunk, line)
            WHERE NOT EXISTS (SELECT FROM payments.attempts s
                WHERE (s.before_run_no, s.part, s.before_chunk, s.before_line)
                    = (n.run_no, $1, n.chunk, n.line))
            ON CONFLICT DO NOTHING
            RETURNING run_no, part, chunk, line
        )
        SELECT l.run_no AS "run_no: RunNo", l.chunk AS "chunk: ChunkNo", l.line AS "line: LineNo",
            r.programme, l.person_no AS "person_no: PersonNo", l.period <> r.period AS "is_arrears!",
            l.amount AS "amount: Money"
        FROM aged JOIN payments.lines l USING (run_no, part, chunk, line)
        JOIN payments.runs r USING (run_no)
        ORDER BY l.run_no, l.chunk, l.line
        "#,
        part.number(),
        &columns.run_nos,
        &columns.chunks,
        &columns.lines,
        officer.as_str(),
        now,
    )
    .fetch_all(tx)
    .await?;
    let line = rows.into_iter().map(|it| Unfetched {
        position: Position {
            run: it.run_no,
            part,
            chunk: it.chunk,
            line: it.line,
        },
        programme: programme_of(it.programme),
        person_no: it.person_no,
        is_arrears: it.is_arrears,
        amount: it.amount,
    });
    Ok(line.collect())
}

/// Once for what was set aside on a day.
pub(crate) async fn raise_unclaimed(
    tx: &mut PgConnection,
    as_of: NaiveDate,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    sqlx::query!(
        r#"
        INSERT INTO payments.alarms (kind, subject, raised_at) VALUES ('unclaimed', $1, $2)
        ON CONFLICT DO NOTHING
        "#,
        as_of.to_string(),
        now,
    )
    .execute(tx)
    .await?;
    Ok(())
}

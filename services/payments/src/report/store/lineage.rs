use domain::{Channel, ChunkNo, LineNo, Money, Part, Position, RunNo};
use sqlx::PgPool;

use crate::Error;
use crate::report::AttemptRow;

/// All attempts at the obligation of a line, the first one first; empty where there is no such line.
pub async fn lineage(pool: &PgPool, line: Position) -> Result<Vec<AttemptRow>, Error> {
    let rows = sqlx::query!(
        r#"
        WITH obligation AS (
            SELECT l.part, r.programme, l.period, l.person_no, l.determination_no
            FROM payments.lines l JOIN payments.runs r USING (run_no)
            WHERE l.run_no = $1 AND l.part = $2 AND l.chunk = $3 AND l.line = $4
        ), tried AS (
            SELECT 1::smallint AS attempt, o.run_no, o.part, o.chunk, o.line
            FROM obligation JOIN payments.obligations o
                USING (part, programme, period, person_no, determination_no)
            UNION ALL
            SELECT a.attempt, a.run_no, a.part, a.chunk, a.line
            FROM obligation JOIN payments.attempts a
                USING (part, programme, period, person_no, determination_no)
        )
        SELECT t.attempt AS "attempt!", t.run_no AS "run_no!: RunNo", t.part AS "part!: Part",
            t.chunk AS "chunk!: ChunkNo", t.line AS "line!: LineNo", r.series, r.state AS run_state,
            c.institution, c.channel AS "channel: Channel", l.amount AS "amount: Money",
            a.reason AS "reason?", a.booked_on AS "booked_on?",
            CASE WHEN b.line IS NOT NULL THEN 'came_back'
                WHEN a.status = 'credited' THEN 'credited'
                WHEN a.status = 'rejected' THEN 'returned'
                WHEN x.kind IS NOT NULL THEN x.kind
                WHEN c.released_at IS NOT NULL THEN 'in_transit'
                ELSE 'planned' END AS "state!"
        FROM tried t
        JOIN payments.lines l USING (run_no, part, chunk, line)
        JOIN payments.chunks c USING (run_no, part, chunk)
        JOIN payments.runs r USING (run_no)
        LEFT JOIN payments.results a USING (run_no, part, chunk, line)
        LEFT JOIN payments.returns b USING (run_no, part, chunk, line)
        LEFT JOIN LATERAL (
            SELECT x.kind FROM payments.exceptions x
            WHERE (x.run_no, x.part, x.chunk, x.line) = (t.run_no, t.part, t.chunk, t.line)
                AND x.kind IN ('held', 'unknown') AND x.resolved_at IS NULL
            ORDER BY x.kind LIMIT 1
        ) x ON true
        ORDER BY t.attempt
        "#,
        line.run.0,
        line.part.number(),
        line.chunk.0,
        line.line.0,
    )
    .fetch_all(pool)
    .await?;
    let row = rows.into_iter().map(|it| AttemptRow {
        attempt: it.attempt,
        end_to_end_id: Position {
            run: it.run_no,
            part: it.part,
            chunk: it.chunk,
            line: it.line,
        },
        series: it.series,
        run_state: it.run_state,
        institution: crate::store::institution_of(it.institution),
        channel: it.channel,
        amount: it.amount,
        state: it.state,
        reason: it.reason,
        booked_on: it.booked_on,
    });
    Ok(row.collect())
}

use domain::{ChunkNo, LineNo, Money, Officer, Part, Position, RunNo};
use events::{ResultStatus, StandingAtBank};
use sqlx::PgPool;

use crate::Error;
use crate::report::UnknownRow;
use crate::store::institution_of;

/// Lines that nobody has answered, the oldest first; of these runs, or of all where none is named.
pub async fn unknown(pool: &PgPool, runs: &[RunNo], limit: i64) -> Result<Vec<UnknownRow>, Error> {
    let runs: Vec<i64> = runs.iter().map(|it| it.0).collect();
    let rows = sqlx::query!(
        r#"
        SELECT x.run_no AS "run: RunNo", x.part AS "part: Part", x.chunk AS "chunk!: ChunkNo",
            x.line AS "line!: LineNo", c.institution, x.amount AS "amount: Money", x.opened_at,
            x.enquiries, x.enquire_at, e.asked_at AS "asked_at?",
            s.standing AS "said?: StandingAtBank", s.recorded_at AS "said_at?",
            EXISTS (SELECT FROM payments.breaks b
                WHERE (b.run_no, b.part, b.chunk, b.line) = (x.run_no, x.part, x.chunk, x.line)
                    AND b.institution = c.institution
                    AND b.kind IN ('debited_without_result', 'amount_differs', 'account_differs'))
                AS "on_statement!",
            o.settlement_no AS "settlement?", o.settled_as AS "settled_as?: ResultStatus",
            o.officer AS "settled_by?: Officer", o.evidence AS "evidence?"
        FROM payments.exceptions x
        JOIN payments.chunks c USING (run_no, part, chunk)
        LEFT JOIN payments.enquiries e ON (e.run_no, e.part, e.chunk, e.line, e.round)
            = (x.run_no, x.part, x.chunk, x.line, x.enquiries)
        LEFT JOIN LATERAL (
            SELECT s.standing, s.recorded_at FROM payments.standings s
            WHERE (s.run_no, s.part, s.chunk, s.line) = (x.run_no, x.part, x.chunk, x.line)
                AND s.code IS NULL
            ORDER BY s.recorded_at DESC, s.message_id DESC, s.entry DESC LIMIT 1
        ) s ON true
        LEFT JOIN LATERAL (
            SELECT o.* FROM payments.settlements o
            LEFT JOIN payments.settlement_decisions d USING (settlement_no)
            WHERE (o.run_no, o.part, o.chunk, o.line) = (x.run_no, x.part, x.chunk, x.line)
                AND d.settlement_no IS NULL
            ORDER BY o.settlement_no LIMIT 1
        ) o ON true
        WHERE x.kind = 'unknown' AND x.resolved_at IS NULL
            AND ($1::bigint[] = '{}' OR x.run_no = ANY($1))
        ORDER BY x.opened_at, x.run_no, x.part, x.chunk, x.line LIMIT $2
        "#,
        &runs,
        limit,
    )
    .fetch_all(pool)
    .await?;
    let row = rows.into_iter().map(|it| UnknownRow {
        end_to_end_id: Position {
            run: it.run,
            part: it.part,
            chunk: it.chunk,
            line: it.line,
        },
        institution: institution_of(it.institution),
        amount: it.amount,
        since: it.opened_at,
        enquiries: it.enquiries,
        asked_at: it.asked_at,
        enquire_at: it.enquire_at,
        said: it.said,
        said_at: it.said_at,
        on_statement: it.on_statement,
        settlement: it.settlement,
        settled_as: it.settled_as,
        settled_by: it.settled_by,
        evidence: it.evidence,
    });
    Ok(row.collect())
}

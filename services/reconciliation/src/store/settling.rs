//! What agrees with its statement, all at once.

use domain::{ChunkNo, LineNo, Money, Part, RunNo};
use events::MatchedRun;
use sqlx::PgConnection;

use super::Received;
use crate::Error;
use crate::matching::FoundLine;

/// Looks rows up by their keys. A table that has just grown has no statistics, and a plan made
/// without them would read all of it for each partition.
pub(crate) async fn look_up_by_key(tx: &mut PgConnection) -> Result<(), Error> {
    sqlx::query!(
        r#"
        SELECT set_config('enable_hashjoin', 'off', true) AS "hash",
            set_config('enable_mergejoin', 'off', true) AS "merge",
            set_config('enable_nestloop', 'on', true) AS "loop"
        "#
    )
    .fetch_one(tx)
    .await?;
    Ok(())
}

/// Joins what was read by chunk in memory, each side once.
async fn join_in_memory(tx: &mut PgConnection) -> Result<(), Error> {
    sqlx::query!(
        r#"
        SELECT set_config('enable_hashjoin', 'on', true) AS "hash",
            set_config('enable_nestloop', 'off', true) AS "loop"
        "#
    )
    .fetch_one(tx)
    .await?;
    Ok(())
}

/// Settles every payment of the partition on which id, amount, account, institution and status
/// agree, the entry with the lowest number first. Gives back what is settled of each run, and the
/// lines that are for another day than the bank's result said.
pub(crate) async fn settle_exact(
    tx: &mut PgConnection,
    statement: &Received,
    part: Part,
) -> Result<(Vec<MatchedRun>, Vec<FoundLine>), Error> {
    join_in_memory(tx).await?;
    let rows = sqlx::query!(
        r#"
        WITH stated AS MATERIALIZED (
            SELECT * FROM reconciliation.entries e
            WHERE e.part = $1 AND e.institution = $2 AND e.statement_no = $3
                AND e.entry_kind = 'payment'
        ), chunks AS MATERIALIZED (
            SELECT DISTINCT run_no, chunk FROM stated
        ), settled AS (
            INSERT INTO reconciliation.matches (run_no, part, chunk, line, institution,
                statement_no, entry_no, amount, other_day)
            SELECT e.run_no, e.part, e.chunk, e.line, e.institution, e.statement_no, e.entry_no,
                e.amount, coalesce(e.booked_on <> r.booked_on, false)
            FROM stated e
            -- OFFSET 0 reads each chunk by key, whatever the statistics say.
            JOIN (SELECT i.* FROM chunks c CROSS JOIN LATERAL (
                    SELECT * FROM reconciliation.instructions i
                    WHERE (i.run_no, i.part, i.chunk) = (c.run_no, $1, c.chunk) OFFSET 0
                ) i) i
                ON (i.run_no, i.chunk, i.line) = (e.run_no, e.chunk, e.line)
                AND (i.institution, i.amount) = (e.institution, e.amount)
                AND i.account_index IS NOT DISTINCT FROM e.account_index
            JOIN (SELECT r.* FROM chunks c CROSS JOIN LATERAL (
                    SELECT * FROM reconciliation.results r
                    WHERE (r.run_no, r.part, r.chunk) = (c.run_no, $1, c.chunk) OFFSET 0
                ) r WHERE r.status = 'credited') r
                ON (r.run_no, r.chunk, r.line) = (e.run_no, e.chunk, e.line)
            ORDER BY e.entry_no
            ON CONFLICT DO NOTHING
            RETURNING run_no, chunk, line, entry_no, amount, other_day
        )
        SELECT s.run_no AS "run_no!: RunNo", NULL::integer AS "chunk: ChunkNo",
            NULL::integer AS "line: LineNo", NULL::bigint AS entry_no, count(*) AS "lines!",
            sum(s.amount) AS "total!: Money", count(b.unsettled) AS "found_lines!",
            coalesce(sum(b.unsettled), 0) AS "found_total!: Money"
        FROM settled s
        LEFT JOIN reconciliation.breaks b
            ON (b.run_no, b.part, b.chunk, b.line) = (s.run_no, $1, s.chunk, s.line)
            AND b.unsettled IS NOT NULL
        GROUP BY s.run_no
        UNION ALL
        SELECT run_no, chunk, line, entry_no, 1, amount, 0, 0 FROM settled WHERE other_day
        "#,
        part.number(),
        statement.institution.number(),
        statement.statement_no,
    )
    .fetch_all(&mut *tx)
    .await?;
    look_up_by_key(tx).await?;
    let (mut runs, mut other_day) = (Vec::new(), Vec::new());
    for it in rows {
        let (run_no, total) = (it.run_no, it.total);
        if let Some((chunk, line)) = it.chunk.zip(it.line) {
            other_day.push(FoundLine {
                run_no,
                chunk,
                line,
                entry_no: it.entry_no,
                amount: total,
            });
        } else {
            runs.push(MatchedRun {
                run_no,
                lines: it.lines,
                total,
                found_lines: it.found_lines,
                found_total: it.found_total,
            });
        }
    }
    Ok((runs, other_day))
}

//! Lines that no statement shows.

use domain::{ChunkNo, LineNo, Money, Part, RunNo};
use sqlx::{PgConnection, PgPool};

use super::Received;
use crate::Error;
use crate::matching::FoundLine;

/// The runs in which lines may be missing: those that any entry of the statement names (true),
/// and those that are not closed yet.
pub(crate) async fn mentioned_runs(
    pool: &PgPool,
    statement: &Received,
) -> Result<Vec<(i64, bool)>, Error> {
    let parts: Vec<i16> = Part::all().map(Part::number).collect();
    let rows = sqlx::query!(
        r#"
        SELECT run_no AS "run_no!", bool_or(mentioned) AS "mentioned!" FROM (
            SELECT DISTINCT run_no, true AS mentioned FROM reconciliation.entries
            WHERE part = ANY($1) AND institution = $2 AND statement_no = $3 AND run_no > 0
            UNION ALL
            SELECT run_no, false FROM reconciliation.runs WHERE NOT closed
        ) r
        GROUP BY run_no ORDER BY run_no
        "#,
        &parts,
        statement.institution.number(),
        statement.statement_no,
    )
    .fetch_all(pool)
    .await?;
    Ok(rows
        .into_iter()
        .map(|it| (it.run_no, it.mentioned))
        .collect())
}

/// Lines of these runs that the bank said it credited by the statement's day (in a run that the
/// statement does not name: before its day), that no statement settles, and that were not told of
/// before.
pub(crate) async fn missing(
    tx: &mut PgConnection,
    statement: &Received,
    part: Part,
    runs: &[(i64, bool)],
) -> Result<Vec<FoundLine>, Error> {
    let all: Vec<i64> = runs.iter().map(|(run_no, _)| *run_no).collect();
    let named: Vec<i64> = runs
        .iter()
        .filter(|(_, named)| *named)
        .map(|(run_no, _)| *run_no)
        .collect();
    Ok(sqlx::query_as!(
        FoundLine,
        r#"
        SELECT c.run_no AS "run_no: RunNo", c.chunk AS "chunk: ChunkNo", l.line AS "line!: LineNo",
            NULL::bigint AS entry_no, l.amount AS "amount!: Money"
        FROM reconciliation.chunks c
        -- A chunk's lines are held against its matches at once: less than looking each up.
        CROSS JOIN LATERAL (
            SELECT s.line, max(s.amount) AS amount FROM (
                SELECT unnest(a.lines) AS line, unnest(a.amounts) AS amount, false AS is_settled
                FROM reconciliation.answered_chunks a
                WHERE (a.run_no, a.part, a.chunk) = (c.run_no, c.part, c.chunk)
                    AND a.institution = c.institution AND a.status = 'credited'
                    AND a.booked_on <= $4 AND (a.booked_on < $4 OR a.run_no = ANY($5))
                UNION ALL
                SELECT m.line, NULL, true FROM reconciliation.matches m
                WHERE (m.run_no, m.part, m.chunk) = (c.run_no, c.part, c.chunk)
            ) s
            GROUP BY s.line HAVING NOT bool_or(s.is_settled)
        ) l
        WHERE c.run_no = ANY($1) AND c.part = $2 AND c.institution = $3
            AND NOT EXISTS (SELECT FROM reconciliation.breaks b WHERE
                (b.run_no, b.part, b.chunk, b.line) = (c.run_no, c.part, c.chunk, l.line)
                AND b.unsettled IS NOT NULL)
        "#,
        &all,
        part.number(),
        statement.institution.number(),
        statement.date,
        &named,
    )
    .fetch_all(tx)
    .await?)
}

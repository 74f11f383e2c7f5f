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
        SELECT r.run_no AS "run_no: RunNo", r.chunk AS "chunk: ChunkNo", r.line AS "line: LineNo",
            NULL::bigint AS entry_no, r.amount AS "amount: Money"
        FROM reconciliation.chunks c
        -- A chunk's rows lie together on both sides: reading them is less than looking each up.
        CROSS JOIN LATERAL (
            SELECT r.line FROM reconciliation.results r
            WHERE (r.run_no, r.part, r.chunk) = (c.run_no, c.part, c.chunk)
                AND r.institution = c.institution AND r.status = 'credited'
                AND r.booked_on <= $4 AND (r.booked_on < $4 OR r.run_no = ANY($5))
            EXCEPT
            SELECT m.line FROM reconciliation.matches m
            WHERE (m.run_no, m.part, m.chunk) = (c.run_no, c.part, c.chunk)
        ) l
        JOIN reconciliation.results r
            ON (r.run_no, r.part, r.chunk, r.line) = (c.run_no, c.part, c.chunk, l.line)
        WHERE c.run_no = ANY($1) AND c.part = $2 AND c.institution = $3
            AND NOT EXISTS (SELECT FROM reconciliation.breaks b WHERE
                (b.run_no, b.part, b.chunk, b.line) = (r.run_no, r.part, r.chunk, r.line)
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

//! The one rule that settles, for all entries of a partition at once, and the entries that it may still
//! come to apply to. Each chunk that they name is taken apart once.

use domain::{ChunkNo, LineNo, Money, Part, RunNo};
use events::MatchedRun;
use sqlx::PgConnection;

use super::Received;
use super::joins::{join_by_hash, look_up_by_key};
use crate::Error;
use crate::matching::FoundLine;

/// How many more entries are looked at in each step to the first open one: mostly it is the one that
/// was open before, and where it is not, no chunk is taken apart often.
const MORE: i64 = 10;

/// The first entry from `entry_no` on that may still get its instruction or its result.
pub(crate) async fn first_open_entry(
    tx: &mut PgConnection,
    statement: &Received,
    part: Part,
    entry_no: i64,
) -> Result<Option<i64>, Error> {
    join_by_hash(tx).await?;
    let (mut from, mut limit) = (entry_no, 1);
    let open = loop {
        let seen = look_on(tx, (statement, part), from, limit).await?;
        if seen.open.is_some() || seen.entries < limit {
            break seen.open;
        }
        from = seen.last.map_or(from, |it| it + 1);
        limit *= MORE;
    };
    look_up_by_key(tx).await?;
    Ok(open)
}

/// Some entries, and the first of them that is open.
struct Seen {
    entries: i64,
    last: Option<i64>,
    open: Option<i64>,
}

async fn look_on(
    tx: &mut PgConnection,
    (statement, part): (&Received, Part),
    from: i64,
    limit: i64,
) -> Result<Seen, Error> {
    Ok(sqlx::query_as!(
        Seen,
        r#"
        WITH next AS MATERIALIZED (
            SELECT e.entry_no, e.run_no, e.chunk, e.line FROM reconciliation.entries e
            WHERE e.part = $1 AND e.institution = $2 AND e.statement_no = $3 AND e.entry_no >= $4
                AND e.run_no > 0 AND e.entry_kind = 'payment'
            ORDER BY e.entry_no LIMIT $5
        ), named AS MATERIALIZED (
            SELECT DISTINCT run_no, chunk FROM next
        ), instructed AS MATERIALIZED (
            SELECT n.run_no, n.chunk, i.institution, unnest(i.lines) AS line
            FROM named n CROSS JOIN LATERAL (
                SELECT * FROM reconciliation.instructed_chunks i
                WHERE (i.run_no, i.part, i.chunk) = (n.run_no, $1, n.chunk) OFFSET 0) i
        ), answered AS MATERIALIZED (
            SELECT n.run_no, n.chunk, unnest(a.lines) AS line
            FROM named n CROSS JOIN LATERAL (
                SELECT * FROM reconciliation.answered_chunks a
                WHERE (a.run_no, a.part, a.chunk) = (n.run_no, $1, n.chunk) OFFSET 0) a
        )
        SELECT count(*) AS "entries!", max(e.entry_no) AS last,
            -- What another institution was instructed to pay is settled: it is none of this one's.
            min(e.entry_no) FILTER (WHERE i.line IS NULL OR (i.institution = $2 AND r.line IS NULL))
                AS open
        FROM next e
        LEFT JOIN instructed i USING (run_no, chunk, line)
        LEFT JOIN answered r USING (run_no, chunk, line)
        "#,
        part.number(),
        statement.institution.number(),
        statement.statement_no,
        from,
        limit,
    )
    .fetch_one(tx)
    .await?)
}

/// What agreed.
#[derive(Default)]
pub(crate) struct Settled {
    pub runs: Vec<MatchedRun>,
    /// Numbers of the entries.
    pub entries: Vec<i64>,
    /// Lines that are for another day than the bank's result said.
    pub other_day: Vec<FoundLine>,
}

/// Settles every payment of the partition on which id, amount, account, institution and status
/// agree, the entry with the lowest number first.
pub(crate) async fn settle_exact(
    tx: &mut PgConnection,
    statement: &Received,
    part: Part,
) -> Result<Settled, Error> {
    join_by_hash(tx).await?;
    let rows = settle(tx, statement, part).await?;
    look_up_by_key(tx).await?;
    let mut settled = Settled::default();
    for it in rows {
        let (run_no, total) = (it.run_no, it.total);
        if let Some((chunk, line)) = it.chunk.zip(it.line) {
            settled.other_day.push(FoundLine {
                run_no,
                chunk,
                line,
                entry_no: it.entry_no,
                amount: total,
            });
        } else {
            settled.entries.extend(it.entries.unwrap_or_default());
            settled.runs.push(MatchedRun {
                run_no,
                lines: it.lines,
                total,
                found_lines: it.found_lines,
                found_total: it.found_total,
            });
        }
    }
    Ok(settled)
}

/// Lines of a run that are settled; or one of them, for another day.
struct Row {
    run_no: RunNo,
    chunk: Option<ChunkNo>,
    line: Option<LineNo>,
    entry_no: Option<i64>,
    lines: i64,
    total: Money,
    entries: Option<Vec<i64>>,
    found_lines: i64,
    found_total: Money,
}

async fn settle(
    tx: &mut PgConnection,
    statement: &Received,
    part: Part,
) -> Result<Vec<Row>, Error> {
    Ok(sqlx::query_as!(
        Row,
        r#"
        WITH named AS MATERIALIZED (
            SELECT DISTINCT e.run_no, e.chunk FROM reconciliation.entries e
            WHERE e.part = $1 AND e.institution = $2 AND e.statement_no = $3
                AND e.entry_kind = 'payment' AND e.run_no > 0
        ), instructed AS MATERIALIZED (
            SELECT n.run_no, n.chunk, unnest(i.lines) AS line, unnest(i.amounts) AS amount,
                unnest(i.account_indexes) AS account_index
            FROM named n CROSS JOIN LATERAL (
                SELECT * FROM reconciliation.instructed_chunks i
                WHERE (i.run_no, i.part, i.chunk) = (n.run_no, $1, n.chunk)
                    AND i.institution = $2 OFFSET 0) i
        ), credited AS MATERIALIZED (
            SELECT n.run_no, n.chunk, a.booked_on, unnest(a.lines) AS line
            FROM named n CROSS JOIN LATERAL (
                SELECT * FROM reconciliation.answered_chunks a
                WHERE (a.run_no, a.part, a.chunk) = (n.run_no, $1, n.chunk)
                    AND a.status = 'credited' OFFSET 0) a
        ), broken AS MATERIALIZED (
            SELECT n.run_no, n.chunk, b.line, b.unsettled
            FROM named n CROSS JOIN LATERAL (
                SELECT * FROM reconciliation.breaks b
                WHERE (b.run_no, b.part, b.chunk) = (n.run_no, $1, n.chunk)
                    AND b.unsettled IS NOT NULL OFFSET 0) b
        ), settled AS (
            INSERT INTO reconciliation.matches (run_no, part, chunk, line, institution,
                statement_no, entry_no, amount, other_day)
            SELECT e.run_no, e.part, e.chunk, e.line, e.institution, e.statement_no, e.entry_no,
                e.amount, coalesce(e.booked_on <> r.booked_on, false)
            FROM reconciliation.entries e
            JOIN instructed i ON (i.run_no, i.chunk, i.line) = (e.run_no, e.chunk, e.line)
                AND i.amount = e.amount AND i.account_index IS NOT DISTINCT FROM e.account_index
            JOIN credited r ON (r.run_no, r.chunk, r.line) = (e.run_no, e.chunk, e.line)
            WHERE e.part = $1 AND e.institution = $2 AND e.statement_no = $3
                AND e.entry_kind = 'payment'
            ORDER BY e.entry_no
            ON CONFLICT DO NOTHING
            RETURNING run_no, chunk, line, entry_no, amount, other_day
        )
        SELECT s.run_no AS "run_no!: RunNo", NULL::integer AS "chunk: ChunkNo",
            NULL::integer AS "line: LineNo", NULL::bigint AS entry_no, count(*) AS "lines!",
            sum(s.amount) AS "total!: Money", array_agg(s.entry_no) AS entries,
            count(b.unsettled) AS "found_lines!",
            coalesce(sum(b.unsettled), 0) AS "found_total!: Money"
        FROM settled s
        LEFT JOIN broken b ON (b.run_no, b.chunk, b.line) = (s.run_no, s.chunk, s.line)
        GROUP BY s.run_no
        UNION ALL
        SELECT run_no, chunk, line, entry_no, 1, amount, NULL, 0, 0 FROM settled WHERE other_day
        "#,
        part.number(),
        statement.institution.number(),
        statement.statement_no,
    )
    .fetch_all(tx)
    .await?)
}

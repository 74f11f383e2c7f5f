use chrono::{DateTime, NaiveDate, Utc};
use domain::{ChunkNo, Institution, LineNo, Money, Part, RunNo};
use events::{Break, BreakKind, ResultStatus};
use sqlx::{PgConnection, PgPool};

use crate::Error;
use crate::matching::{Compared, Match, Place};

/// Rows of one statement of SQL.
const ROWS_MAX: usize = 5_000;

/// An accepted statement that is not matched to its end.
#[derive(Debug, Clone)]
pub(crate) struct Received {
    pub institution: Institution,
    pub statement_no: i64,
    pub date: NaiveDate,
    /// When it was accepted.
    pub since: DateTime<Utc>,
    /// Numbers of the partitions that are matched.
    pub done: Vec<i16>,
}

/// The lowest accepted and unmatched statement of each institution: a later one is matched
/// against what the earlier left.
pub(crate) async fn received_statements(pool: &PgPool) -> Result<Vec<Received>, Error> {
    Ok(sqlx::query_as!(
        Received,
        r#"
        SELECT DISTINCT ON (s.institution) s.institution AS "institution: Institution",
            s.statement_no, s.date, s.received_at AS since,
            ARRAY(SELECT p.part FROM reconciliation.matched_parts p
                WHERE (p.institution, p.statement_no) = (s.institution, s.statement_no))
                AS "done!"
        FROM reconciliation.statements s
        WHERE s.state = 'received'
        ORDER BY s.institution, s.statement_no
        "#
    )
    .fetch_all(pool)
    .await?)
}

/// Takes the right to match a partition; false where it is matched or another is at it.
pub(crate) async fn claim_part(
    tx: &mut PgConnection,
    statement: &Received,
    part: Part,
) -> Result<bool, Error> {
    let claimed = sqlx::query_scalar!(
        r#"
        SELECT statement_no FROM reconciliation.statements
        WHERE institution = $1 AND statement_no = $2 AND state = 'received'
        FOR NO KEY UPDATE SKIP LOCKED
        "#,
        statement.institution.number(),
        statement.statement_no,
    )
    .fetch_optional(&mut *tx)
    .await?;
    if claimed.is_none() {
        return Ok(false);
    }
    let open = sqlx::query_scalar!(
        r#"
        SELECT NOT EXISTS (SELECT FROM reconciliation.matched_parts
            WHERE institution = $1 AND statement_no = $2 AND part = $3) AS "open!"
        "#,
        statement.institution.number(),
        statement.statement_no,
        part.number(),
    )
    .fetch_one(tx)
    .await?;
    Ok(open)
}

/// The first entry from `entry_no` on that may still get its instruction or its result.
pub(crate) async fn first_open_entry(
    tx: &mut PgConnection,
    statement: &Received,
    part: Part,
    entry_no: i64,
) -> Result<Option<i64>, Error> {
    Ok(sqlx::query_scalar!(
        r#"
        SELECT e.entry_no FROM reconciliation.entries e
        LEFT JOIN reconciliation.instructions i
            ON (i.run_no, i.part, i.chunk, i.line) = (e.run_no, e.part, e.chunk, e.line)
        LEFT JOIN reconciliation.results r
            ON (r.run_no, r.part, r.chunk, r.line) = (e.run_no, e.part, e.chunk, e.line)
        WHERE e.part = $1 AND e.institution = $2 AND e.statement_no = $3 AND e.entry_no >= $4
            AND e.run_no > 0
            -- What another institution was instructed to pay is settled: it is none of this one's.
            AND (i.institution IS NULL OR (i.institution = e.institution AND r.status IS NULL))
        ORDER BY e.entry_no LIMIT 1
        "#,
        part.number(),
        statement.institution.number(),
        statement.statement_no,
        entry_no,
    )
    .fetch_optional(tx)
    .await?)
}

/// The next entries after `entry_no` beside what is known of their lines.
pub(crate) async fn compare(
    tx: &mut PgConnection,
    statement: &Received,
    part: Part,
    entry_no: i64,
    limit: i64,
) -> Result<Vec<Compared>, Error> {
    Ok(sqlx::query_as!(
        Compared,
        r#"
        SELECT e.entry_no, e.run_no AS "run_no: RunNo", e.chunk AS "chunk: ChunkNo",
            e.line AS "line: LineNo", e.amount AS "amount: Money", e.account_index,
            i.amount AS "instructed?: Money", i.account_index AS "instructed_index?",
            r.status AS "status?: ResultStatus",
            EXISTS (SELECT FROM reconciliation.matches m WHERE
                (m.run_no, m.part, m.chunk, m.line) = (e.run_no, e.part, e.chunk, e.line))
                AS "matched!"
        FROM reconciliation.entries e
        LEFT JOIN reconciliation.instructions i
            ON (i.run_no, i.part, i.chunk, i.line) = (e.run_no, e.part, e.chunk, e.line)
            AND i.institution = e.institution
        LEFT JOIN reconciliation.results r
            ON (r.run_no, r.part, r.chunk, r.line) = (e.run_no, e.part, e.chunk, e.line)
        WHERE e.part = $1 AND e.institution = $2 AND e.statement_no = $3 AND e.entry_no > $4
        ORDER BY e.entry_no LIMIT $5
        "#,
        part.number(),
        statement.institution.number(),
        statement.statement_no,
        entry_no,
        limit,
    )
    .fetch_all(tx)
    .await?)
}

pub(crate) async fn insert_matches(
    tx: &mut PgConnection,
    statement: &Received,
    part: Part,
    matches: &[Match],
) -> Result<(), Error> {
    let mut copied = bulk::Rows::into(
        "COPY reconciliation.matches (run_no, part, chunk, line, institution, statement_no,
            entry_no) FROM STDIN (FORMAT binary)",
        7,
    );
    for it in matches {
        let (run_no, chunk, line) = it.place;
        copied
            .row()
            .with(run_no.0)
            .with(part.number())
            .with(chunk.0)
            .with(line.0)
            .with(statement.institution.number())
            .with(statement.statement_no)
            .with(it.entry_no)
            .end();
    }
    copied.send(tx).await?;
    Ok(())
}

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
/// statement does not name: before its day), that no statement shows as instructed, and that were
/// not told of before.
pub(crate) async fn missing(
    tx: &mut PgConnection,
    statement: &Received,
    part: Part,
    runs: &[(i64, bool)],
) -> Result<Vec<(Place, Money)>, Error> {
    let all: Vec<i64> = runs.iter().map(|(run_no, _)| *run_no).collect();
    let named: Vec<i64> = runs
        .iter()
        .filter(|(_, named)| *named)
        .map(|(run_no, _)| *run_no)
        .collect();
    let rows = sqlx::query!(
        r#"
        SELECT r.run_no AS "run_no: RunNo", r.chunk AS "chunk: ChunkNo", r.line AS "line: LineNo",
            r.amount AS "amount: Money"
        FROM reconciliation.results r
        WHERE r.run_no = ANY($1) AND r.part = $2 AND r.institution = $3
            AND r.status = 'credited' AND r.booked_on <= $4
            AND (r.booked_on < $4 OR r.run_no = ANY($5))
            AND NOT EXISTS (SELECT FROM reconciliation.matches m WHERE
                (m.run_no, m.part, m.chunk, m.line) = (r.run_no, r.part, r.chunk, r.line))
            AND NOT EXISTS (SELECT FROM reconciliation.breaks b WHERE
                (b.run_no, b.part, b.chunk, b.line) = (r.run_no, r.part, r.chunk, r.line)
                AND b.kind = 'not_on_statement')
        "#,
        &all,
        part.number(),
        statement.institution.number(),
        statement.date,
        &named,
    )
    .fetch_all(tx)
    .await?;
    Ok(rows
        .into_iter()
        .map(|it| ((it.run_no, it.chunk, it.line), it.amount))
        .collect())
}

/// Keeps the breaks in the order in which they are told.
pub(crate) async fn insert_breaks(
    tx: &mut PgConnection,
    statement: &Received,
    part: Part,
    breaks: &[Break],
) -> Result<(), Error> {
    let numbered: Vec<(i32, &Break)> = (1..).zip(breaks).collect();
    for rows in numbered.chunks(ROWS_MAX) {
        let numbers: Vec<i32> = rows.iter().map(|(number, _)| *number).collect();
        let kinds: Vec<BreakKind> = rows.iter().map(|(_, it)| it.kind).collect();
        let runs: Vec<Option<RunNo>> = rows.iter().map(|(_, it)| it.run_no).collect();
        let chunks: Vec<Option<ChunkNo>> = rows.iter().map(|(_, it)| it.chunk).collect();
        let lines: Vec<Option<LineNo>> = rows.iter().map(|(_, it)| it.line).collect();
        let entries: Vec<Option<i64>> = rows.iter().map(|(_, it)| it.entry_no).collect();
        let amounts: Vec<Money> = rows.iter().map(|(_, it)| it.amount).collect();
        sqlx::query!(
            r#"
            INSERT INTO reconciliation.breaks (part, institution, statement_no, break_no, kind,
                run_no, chunk, line, entry_no, amount)
            SELECT $8, $9, $10, b.*
            FROM unnest($1::integer[], $2::text[], $3::bigint[], $4::integer[], $5::integer[],
                $6::bigint[], $7::numeric[]) AS b
            "#,
            &numbers,
            &kinds as &[BreakKind],
            &runs as &[Option<RunNo>],
            &chunks as &[Option<ChunkNo>],
            &lines as &[Option<LineNo>],
            &entries as &[Option<i64>],
            &amounts as &[Money],
            part.number(),
            statement.institution.number(),
            statement.statement_no,
        )
        .execute(&mut *tx)
        .await?;
    }
    Ok(())
}

pub(crate) async fn insert_matched_part(
    tx: &mut PgConnection,
    statement: &Received,
    part: Part,
    (matched, breaks): (i64, i64),
    now: DateTime<Utc>,
) -> Result<(), Error> {
    sqlx::query!(
        r#"
        INSERT INTO reconciliation.matched_parts
            (institution, statement_no, part, matched, breaks, matched_at)
        VALUES ($1, $2, $3, $4, $5, $6)
        "#,
        statement.institution.number(),
        statement.statement_no,
        part.number(),
        matched,
        breaks,
        now,
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Ends a statement whose partitions are all matched; false while one is not.
pub(crate) async fn finish_statement(
    tx: &mut PgConnection,
    statement: &Received,
) -> Result<bool, Error> {
    let finished = sqlx::query!(
        r#"
        UPDATE reconciliation.statements s SET state = 'matched'
        WHERE s.institution = $1 AND s.statement_no = $2
            AND $3 = (SELECT count(*) FROM reconciliation.matched_parts p
                WHERE (p.institution, p.statement_no) = (s.institution, s.statement_no))
        "#,
        statement.institution.number(),
        statement.statement_no,
        i64::from(domain::PARTS),
    )
    .execute(tx)
    .await?;
    Ok(finished.rows_affected() == 1)
}

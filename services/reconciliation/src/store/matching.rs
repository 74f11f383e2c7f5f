use chrono::{DateTime, NaiveDate, Utc};
use domain::{ChunkNo, Institution, LineNo, Money, Part, RunNo};
use events::{Break, BreakKind, EntryKind, MatchedRun, ResultStatus};
use sqlx::{PgConnection, PgPool};

use crate::Error;
use crate::matching::{Compared, FoundLine, RuleHits};

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
            -- A frozen day stands still.
            AND NOT EXISTS (SELECT FROM reconciliation.freezes f
                LEFT JOIN reconciliation.thaws t USING (freeze_no)
                WHERE (f.institution, f.date) = (s.institution, s.date) AND t.freeze_no IS NULL)
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
            AND e.run_no > 0 AND e.entry_kind = 'payment'
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

/// Looks rows up by their keys. A table that has just grown has no statistics, and a plan made
/// without them would read all of it for each partition.
pub(crate) async fn look_up_by_key(tx: &mut PgConnection) -> Result<(), Error> {
    sqlx::query!(
        r#"
        SELECT set_config('enable_hashjoin', 'off', true) AS "hash",
            set_config('enable_mergejoin', 'off', true) AS "merge"
        "#
    )
    .fetch_one(tx)
    .await?;
    Ok(())
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
    let rows = sqlx::query!(
        r#"
        WITH settled AS (
            INSERT INTO reconciliation.matches (run_no, part, chunk, line, institution,
                statement_no, entry_no, amount, other_day)
            SELECT e.run_no, e.part, e.chunk, e.line, e.institution, e.statement_no, e.entry_no,
                e.amount, coalesce(e.booked_on <> r.booked_on, false)
            FROM reconciliation.entries e
            JOIN reconciliation.instructions i
                ON (i.run_no, i.part, i.chunk, i.line) = (e.run_no, e.part, e.chunk, e.line)
                AND (i.institution, i.amount) = (e.institution, e.amount)
                AND i.account_index IS NOT DISTINCT FROM e.account_index
            JOIN reconciliation.results r
                ON (r.run_no, r.part, r.chunk, r.line) = (e.run_no, e.part, e.chunk, e.line)
                AND r.status = 'credited'
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
        LEFT JOIN reconciliation.breaks b
            ON (b.run_no, b.part, b.chunk, b.line) = (s.run_no, $1, s.chunk, s.line)
            AND b.unsettled IS NOT NULL
        GROUP BY s.run_no
        UNION ALL
        SELECT run_no, chunk, line, entry_no, 1, amount, NULL, 0, 0 FROM settled WHERE other_day
        "#,
        part.number(),
        statement.institution.number(),
        statement.statement_no,
    )
    .fetch_all(tx)
    .await?;
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

/// The next entries after `entry_no` that are not among those settled, beside what is known of their
/// lines: those that bring money back, or the others.
pub(crate) async fn compare(
    tx: &mut PgConnection,
    statement: &Received,
    part: Part,
    settled: &[i64],
    (returns, entry_no): (bool, i64),
    limit: i64,
) -> Result<Vec<Compared>, Error> {
    Ok(sqlx::query_as!(
        Compared,
        r#"
        WITH odd AS MATERIALIZED (
            SELECT * FROM reconciliation.entries e
            WHERE e.part = $1 AND e.institution = $2 AND e.statement_no = $3 AND e.entry_no > $4
                AND (e.entry_kind = 'return') = $5
                AND e.entry_no NOT IN (SELECT unnest($7::bigint[]))
            ORDER BY e.entry_no LIMIT $6
        )
        SELECT e.entry_no, e.run_no AS "run_no: RunNo", e.chunk AS "chunk: ChunkNo",
            e.line AS "line: LineNo", e.entry_kind AS "kind: EntryKind",
            e.amount AS "amount: Money", e.account_index, i.amount AS "instructed?: Money",
            coalesce(i.institution = e.institution, false) AS "instructed_here!",
            i.account_index AS "instructed_index?", r.status AS "status?: ResultStatus",
            EXISTS (SELECT FROM reconciliation.matches m WHERE
                (m.run_no, m.part, m.chunk, m.line) = (e.run_no, e.part, e.chunk, e.line))
                AS "matched!",
            EXISTS (SELECT FROM reconciliation.breaks b WHERE
                (b.run_no, b.part, b.chunk, b.line) = (e.run_no, e.part, e.chunk, e.line)
                AND b.institution = e.institution AND b.kind = 'returned_after_credit')
                AS "returned!",
            EXISTS (SELECT FROM reconciliation.breaks b WHERE
                (b.run_no, b.part, b.chunk, b.line) = (e.run_no, e.part, e.chunk, e.line)
                AND b.unsettled IS NOT NULL) AS "unsettled!"
        FROM odd e
        LEFT JOIN reconciliation.instructions i
            ON (i.run_no, i.part, i.chunk, i.line) = (e.run_no, e.part, e.chunk, e.line)
        LEFT JOIN reconciliation.results r
            ON (r.run_no, r.part, r.chunk, r.line) = (e.run_no, e.part, e.chunk, e.line)
        ORDER BY e.entry_no
        "#,
        part.number(),
        statement.institution.number(),
        statement.statement_no,
        entry_no,
        returns,
        limit,
        settled,
    )
    .fetch_all(tx)
    .await?)
}

/// What a statement says of a partition.
pub(crate) struct Turnover {
    pub entries: i64,
    /// All that left the account, and all that came back.
    pub debits: Money,
    pub returned: Money,
}

pub(crate) async fn turnover(
    tx: &mut PgConnection,
    statement: &Received,
    part: Part,
) -> Result<Turnover, Error> {
    Ok(sqlx::query_as!(
        Turnover,
        r#"
        SELECT count(*) AS "entries!",
            coalesce(sum(amount) FILTER (WHERE entry_kind <> 'return'), 0) AS "debits!: Money",
            coalesce(sum(amount) FILTER (WHERE entry_kind = 'return'), 0) AS "returned!: Money"
        FROM reconciliation.entries
        WHERE part = $1 AND institution = $2 AND statement_no = $3
        "#,
        part.number(),
        statement.institution.number(),
        statement.statement_no,
    )
    .fetch_one(tx)
    .await?)
}

/// Lines about which the bank said two different things, and that were not told of before.
pub(crate) async fn contradicted(
    tx: &mut PgConnection,
    statement: &Received,
    part: Part,
) -> Result<Vec<FoundLine>, Error> {
    Ok(sqlx::query_as!(
        FoundLine,
        r#"
        SELECT c.run_no AS "run_no: RunNo", c.chunk AS "chunk: ChunkNo", c.line AS "line: LineNo",
            NULL::bigint AS entry_no, c.amount AS "amount: Money"
        FROM reconciliation.contradictions c
        WHERE c.part = $1 AND c.institution = $2
            AND NOT EXISTS (SELECT FROM reconciliation.breaks b WHERE
                (b.run_no, b.part, b.chunk, b.line) = (c.run_no, c.part, c.chunk, c.line)
                AND (b.institution, b.kind) = (c.institution, 'contradicting_result'))
        "#,
        part.number(),
        statement.institution.number(),
    )
    .fetch_all(tx)
    .await?)
}

pub(crate) async fn insert_hits(
    tx: &mut PgConnection,
    statement: &Received,
    part: Part,
    hits: &[RuleHits],
) -> Result<(), Error> {
    let priorities: Vec<i16> = hits.iter().map(|it| it.priority).collect();
    let rules: Vec<String> = hits.iter().map(|it| it.rule.to_owned()).collect();
    let counts: Vec<i64> = hits.iter().map(|it| it.hits).collect();
    sqlx::query!(
        r#"
        INSERT INTO reconciliation.rule_hits (institution, statement_no, part, priority, rule, hits)
        SELECT $1, $2, $3, h.* FROM unnest($4::smallint[], $5::text[], $6::bigint[]) AS h
        "#,
        statement.institution.number(),
        statement.statement_no,
        part.number(),
        &priorities,
        &rules,
        &counts,
    )
    .execute(tx)
    .await?;
    Ok(())
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
        let unsettled: Vec<Option<Money>> = rows.iter().map(|(_, it)| it.unsettled).collect();
        sqlx::query!(
            r#"
            INSERT INTO reconciliation.breaks (part, institution, statement_no, break_no, kind,
                run_no, chunk, line, entry_no, amount, unsettled)
            SELECT $9, $10, $11, b.*
            FROM unnest($1::integer[], $2::text[], $3::bigint[], $4::integer[], $5::integer[],
                $6::bigint[], $7::numeric[], $8::numeric[]) AS b
            "#,
            &numbers,
            &kinds as &[BreakKind],
            &runs as &[Option<RunNo>],
            &chunks as &[Option<ChunkNo>],
            &lines as &[Option<LineNo>],
            &entries as &[Option<i64>],
            &amounts as &[Money],
            &unsettled as &[Option<Money>],
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

use chrono::{DateTime, NaiveDate, Utc};
use domain::{ChunkNo, Institution, LineNo, Money, Part, RunNo};
use events::{Break, BreakKind, EntryKind, ResultStatus};
use sqlx::{PgConnection, PgPool};

use super::joins::{join_by_hash, look_up_by_key};
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
    join_by_hash(tx).await?;
    let compared = sqlx::query_as!(
        Compared,
        r#"
        WITH odd AS MATERIALIZED (
            SELECT * FROM reconciliation.entries e
            WHERE e.part = $1 AND e.institution = $2 AND e.statement_no = $3 AND e.entry_no > $4
                AND (e.entry_kind = 'return') = $5
                AND e.entry_no NOT IN (SELECT unnest($7::bigint[]))
            ORDER BY e.entry_no LIMIT $6
        ), named AS MATERIALIZED (
            SELECT DISTINCT run_no, chunk FROM odd WHERE run_no > 0
        ), instructed AS MATERIALIZED (
            SELECT n.run_no, n.chunk, i.institution, unnest(i.lines) AS line,
                unnest(i.amounts) AS amount, unnest(i.account_indexes) AS account_index
            FROM named n CROSS JOIN LATERAL (
                SELECT * FROM reconciliation.instructed_chunks i
                WHERE (i.run_no, i.part, i.chunk) = (n.run_no, $1, n.chunk) OFFSET 0) i
        ), answered AS MATERIALIZED (
            SELECT n.run_no, n.chunk, a.status, unnest(a.lines) AS line
            FROM named n CROSS JOIN LATERAL (
                SELECT * FROM reconciliation.answered_chunks a
                WHERE (a.run_no, a.part, a.chunk) = (n.run_no, $1, n.chunk) OFFSET 0) a
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
        LEFT JOIN instructed i USING (run_no, chunk, line)
        LEFT JOIN answered r USING (run_no, chunk, line)
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
    .fetch_all(&mut *tx)
    .await?;
    look_up_by_key(tx).await?;
    Ok(compared)
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

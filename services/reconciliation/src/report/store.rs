//! SQL of what people are shown.

use chrono::NaiveDate;
use domain::{ChunkNo, EndToEndId, Institution, LineNo, Money, Part, RunNo};
use events::{BreakKind, Resolution};
use sqlx::PgPool;

use super::{AgeingRow, CaseFilter, CaseRow, CaseState, FreezeRow, RuleRow, StatementRow, Waiting};
use crate::Error;
use crate::case::{Age, CaseNo};
use crate::store::{Kept, join_by_hash};

struct Row {
    institution: Institution,
    statement_no: i64,
    part: Part,
    break_no: i32,
    kind: BreakKind,
    date: NaiveDate,
    run_no: Option<RunNo>,
    chunk: Option<ChunkNo>,
    line: Option<LineNo>,
    entry_no: Option<i64>,
    amount: Money,
    how: Option<Resolution>,
    closed_by: Option<i64>,
    proposal_no: Option<i64>,
    proposed: Option<Resolution>,
    proposed_by: Option<String>,
}

impl Row {
    fn shown(self, today: NaiveDate) -> CaseRow {
        let line = self.run_no.zip(self.chunk).zip(self.line);
        let state = if self.how.is_some() {
            CaseState::Resolved
        } else if self.proposal_no.is_some() {
            CaseState::Proposed
        } else {
            CaseState::Open
        };
        CaseRow {
            case: CaseNo {
                institution: self.institution,
                statement_no: self.statement_no,
                part: self.part,
                break_no: self.break_no,
            },
            kind: self.kind,
            date: self.date,
            age: Age::of(self.date, today),
            line: line.map(|((run, chunk), line)| EndToEndId {
                run,
                part: self.part,
                chunk,
                line,
            }),
            entry_no: self.entry_no,
            amount: self.amount,
            state,
            how: self.how,
            proposal: self.closed_by.or(self.proposal_no),
            proposed: self.proposed,
            proposed_by: self.proposed_by,
        }
    }
}

pub(super) async fn cases(
    pool: &PgPool,
    filter: CaseFilter,
    today: NaiveDate,
) -> Result<Vec<CaseRow>, Error> {
    let rows = sqlx::query_as!(
        Row,
        r#"
        SELECT b.institution AS "institution: Institution", b.statement_no, b.part AS "part: Part",
            b.break_no, b.kind AS "kind: BreakKind", s.date, b.run_no AS "run_no: RunNo",
            b.chunk AS "chunk: ChunkNo", b.line AS "line: LineNo", b.entry_no,
            b.amount AS "amount: Money", r.how AS "how?: Resolution",
            r.proposal_no AS "closed_by?", p.proposal_no AS "proposal_no?",
            p.how AS "proposed?: Resolution", p.officer AS "proposed_by?"
        FROM reconciliation.breaks b
        JOIN reconciliation.statements s USING (institution, statement_no)
        LEFT JOIN reconciliation.resolutions r USING (part, institution, statement_no, break_no)
        LEFT JOIN LATERAL (
            SELECT p.proposal_no, p.how, p.officer FROM reconciliation.proposals p
            LEFT JOIN reconciliation.decisions d USING (proposal_no)
            WHERE (p.part, p.institution, p.statement_no, p.break_no)
                = (b.part, b.institution, b.statement_no, b.break_no) AND d.proposal_no IS NULL
        ) p ON true
        WHERE ($1::integer IS NULL OR b.institution = $1) AND ($2::text IS NULL OR b.kind = $2)
            AND ($3 OR r.break_no IS NULL)
        ORDER BY s.date, b.institution, b.statement_no, b.part, b.break_no LIMIT $4
        "#,
        filter.institution.map(Institution::number),
        filter.kind.map(BreakKind::code),
        filter.all,
        filter.limit,
    )
    .fetch_all(pool)
    .await?;
    Ok(rows.into_iter().map(|it| it.shown(today)).collect())
}

pub(super) async fn case(
    pool: &PgPool,
    no: CaseNo,
    today: NaiveDate,
) -> Result<Option<CaseRow>, Error> {
    let row = sqlx::query_as!(
        Row,
        r#"
        SELECT b.institution AS "institution: Institution", b.statement_no, b.part AS "part: Part",
            b.break_no, b.kind AS "kind: BreakKind", s.date, b.run_no AS "run_no: RunNo",
            b.chunk AS "chunk: ChunkNo", b.line AS "line: LineNo", b.entry_no,
            b.amount AS "amount: Money", r.how AS "how?: Resolution",
            r.proposal_no AS "closed_by?", p.proposal_no AS "proposal_no?",
            p.how AS "proposed?: Resolution", p.officer AS "proposed_by?"
        FROM reconciliation.breaks b
        JOIN reconciliation.statements s USING (institution, statement_no)
        LEFT JOIN reconciliation.resolutions r USING (part, institution, statement_no, break_no)
        LEFT JOIN LATERAL (
            SELECT p.proposal_no, p.how, p.officer FROM reconciliation.proposals p
            WHERE (p.part, p.institution, p.statement_no, p.break_no)
                = (b.part, b.institution, b.statement_no, b.break_no)
            ORDER BY p.proposal_no DESC LIMIT 1
        ) p ON true
        WHERE b.part = $1 AND b.institution = $2 AND b.statement_no = $3 AND b.break_no = $4
        "#,
        no.part.number(),
        no.institution.number(),
        no.statement_no,
        no.break_no,
    )
    .fetch_optional(pool)
    .await?;
    Ok(row.map(|it| it.shown(today)))
}

pub(super) async fn cases_of(pool: &PgPool, line: EndToEndId) -> Result<Vec<CaseNo>, Error> {
    let rows = sqlx::query!(
        r#"
        SELECT institution AS "institution: Institution", statement_no, break_no
        FROM reconciliation.breaks WHERE run_no = $1 AND part = $2 AND chunk = $3 AND line = $4
        ORDER BY institution, statement_no, break_no
        "#,
        line.run.0,
        line.part.number(),
        line.chunk.0,
        line.line.0,
    )
    .fetch_all(pool)
    .await?;
    let numbered = rows.into_iter().map(|it| CaseNo {
        institution: it.institution,
        statement_no: it.statement_no,
        part: line.part,
        break_no: it.break_no,
    });
    Ok(numbered.collect())
}

pub(super) async fn ageing(
    pool: &PgPool,
    institution: Option<Institution>,
    today: NaiveDate,
) -> Result<Vec<AgeingRow>, Error> {
    let rows = sqlx::query!(
        r#"
        SELECT b.kind AS "kind: BreakKind", s.date, count(*) AS "breaks!",
            sum(b.amount) AS "total!: Money"
        FROM reconciliation.breaks b
        JOIN reconciliation.statements s USING (institution, statement_no)
        LEFT JOIN reconciliation.resolutions r USING (part, institution, statement_no, break_no)
        WHERE r.break_no IS NULL AND ($1::integer IS NULL OR b.institution = $1)
        GROUP BY b.kind, s.date
        "#,
        institution.map(Institution::number),
    )
    .fetch_all(pool)
    .await?;
    let mut sums = std::collections::BTreeMap::<(BreakKind, Age), (i64, Money)>::new();
    for it in rows {
        let sum = sums.entry((it.kind, Age::of(it.date, today))).or_default();
        *sum = (sum.0 + it.breaks, Money::sum([sum.1, it.total]));
    }
    let row = |((kind, age), (breaks, total))| AgeingRow {
        kind,
        age,
        breaks,
        total,
    };
    Ok(sums.into_iter().map(row).collect())
}

/// Lines that nothing is wrong with and that are not reconciled yet.
pub(super) async fn waiting(
    pool: &PgPool,
    institution: Option<Institution>,
) -> Result<Waiting, Error> {
    let mut tx = pool.begin().await?;
    join_by_hash(&mut tx).await?;
    Ok(sqlx::query_as!(
        Waiting,
        r#"
        SELECT count(*) FILTER (WHERE r.line IS NULL) AS "in_flight!",
            coalesce(sum(i.amount) FILTER (WHERE r.line IS NULL), 0) AS "in_flight_total!: Money",
            count(*) FILTER (WHERE r.status = 'credited') AS "tentative!",
            coalesce(sum(i.amount) FILTER (WHERE r.status = 'credited'), 0)
                AS "tentative_total!: Money"
        FROM reconciliation.instructions i
        LEFT JOIN reconciliation.results r USING (run_no, part, chunk, line)
        LEFT JOIN reconciliation.matches m USING (run_no, part, chunk, line)
        WHERE ($1::integer IS NULL OR i.institution = $1) AND m.line IS NULL
            AND r.status IS DISTINCT FROM 'rejected'
            AND NOT EXISTS (SELECT FROM reconciliation.breaks b
                WHERE (b.run_no, b.part, b.chunk, b.line) = (i.run_no, i.part, i.chunk, i.line))
        "#,
        institution.map(Institution::number),
    )
    .fetch_one(&mut *tx)
    .await?)
}

pub(super) async fn statements(
    pool: &PgPool,
    institution: Institution,
    date: NaiveDate,
) -> Result<Vec<StatementRow>, Error> {
    Ok(sqlx::query_as!(
        StatementRow,
        r#"
        SELECT s.statement_no, s.state, s.code, s.opening AS "opening: Money",
            s.received AS "received: Money", s.returned AS "returned: Money",
            s.debits AS "debits: Money", s.closing AS "closing: Money",
            s.entries_count AS entries, coalesce(p.matched, 0) AS "matched!",
            coalesce(p.breaks, 0) AS "breaks!"
        FROM reconciliation.statements s
        LEFT JOIN LATERAL (
            SELECT sum(matched)::bigint AS matched, sum(breaks)::bigint AS breaks
            FROM reconciliation.matched_parts p
            WHERE (p.institution, p.statement_no) = (s.institution, s.statement_no)
        ) p ON true
        WHERE s.institution = $1 AND s.date = $2 ORDER BY s.statement_no
        "#,
        institution.number(),
        date,
    )
    .fetch_all(pool)
    .await?)
}

pub(super) async fn freezes(
    pool: &PgPool,
    institution: Institution,
    date: NaiveDate,
) -> Result<Vec<FreezeRow>, Error> {
    Ok(sqlx::query_as!(
        FreezeRow,
        r#"
        SELECT f.statement_no, f.page, f.code, t.statement_no AS "thawed_by_statement?",
            t.officer AS "thawed_by?", t.reason AS "reason?", t.freeze_no IS NULL AS "frozen!"
        FROM reconciliation.freezes f LEFT JOIN reconciliation.thaws t USING (freeze_no)
        WHERE f.institution = $1 AND f.date = $2 ORDER BY f.freeze_no
        "#,
        institution.number(),
        date,
    )
    .fetch_all(pool)
    .await?)
}

pub(super) async fn rules(
    pool: &PgPool,
    institution: Institution,
    date: NaiveDate,
) -> Result<Vec<RuleRow>, Error> {
    Ok(sqlx::query_as!(
        RuleRow,
        r#"
        SELECT h.priority, h.rule, sum(h.hits)::bigint AS "hits!"
        FROM reconciliation.rule_hits h
        JOIN reconciliation.statements s USING (institution, statement_no)
        WHERE s.institution = $1 AND s.date = $2 GROUP BY h.priority, h.rule ORDER BY h.priority
        "#,
        institution.number(),
        date,
    )
    .fetch_all(pool)
    .await?)
}

/// All closed days of an institution in their order.
pub(super) async fn closings(pool: &PgPool, institution: Institution) -> Result<Vec<Kept>, Error> {
    Ok(sqlx::query_as!(
        Kept,
        r#"
        SELECT body, hash, public_key, signature FROM reconciliation.closings
        WHERE institution = $1 ORDER BY date
        "#,
        institution.number(),
    )
    .fetch_all(pool)
    .await?)
}

use chrono::{DateTime, Utc};
use domain::{ChunkNo, EndToEndId, Institution, LineNo, Money, Officer, Part, RunNo};
use events::{BreakKind, Resolution, ResultStatus};
use sqlx::PgConnection;

use super::Received;
use super::joins::{join_by_hash, look_up_by_key};
use crate::Error;
use crate::case::{Case, CaseNo, LineStanding};
use crate::command::{Decide, Propose};

/// Late results looked up at a time.
const LATE_MAX: i64 = 5_000;

/// What an officer proposed and nobody need have decided.
pub(crate) struct Proposal {
    pub proposal_no: i64,
    pub case: CaseNo,
    pub how: Resolution,
    pub against: Option<CaseNo>,
    pub officer: Officer,
    pub reason: String,
    pub lines: Vec<EndToEndId>,
}

/// One officer at a time decides about an institution's cases.
pub(crate) async fn lock_cases(
    tx: &mut PgConnection,
    institution: Institution,
) -> Result<(), Error> {
    let name = format!("ansinh reconciliation cases {institution}");
    sqlx::query!(
        "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))",
        name
    )
    .execute(tx)
    .await?;
    Ok(())
}

pub(crate) async fn case(tx: &mut PgConnection, no: CaseNo) -> Result<Option<Case>, Error> {
    let row = sqlx::query!(
        r#"
        SELECT b.kind AS "kind: BreakKind", b.run_no AS "run_no: RunNo",
            b.chunk AS "chunk: ChunkNo", b.line AS "line: LineNo", b.amount AS "amount: Money",
            b.entry_no, r.how AS "how?: Resolution",
            (SELECT max(p.proposal_no) FROM reconciliation.proposals p
                LEFT JOIN reconciliation.decisions d USING (proposal_no)
                WHERE (p.part, p.institution, p.statement_no, p.break_no)
                    = (b.part, b.institution, b.statement_no, b.break_no)
                    AND d.proposal_no IS NULL) AS proposed
        FROM reconciliation.breaks b
        LEFT JOIN reconciliation.resolutions r USING (part, institution, statement_no, break_no)
        WHERE b.part = $1 AND b.institution = $2 AND b.statement_no = $3 AND b.break_no = $4
        "#,
        no.part.number(),
        no.institution.number(),
        no.statement_no,
        no.break_no,
    )
    .fetch_optional(tx)
    .await?;
    Ok(row.map(|it| Case {
        no,
        kind: it.kind,
        line: it
            .run_no
            .zip(it.chunk)
            .zip(it.line)
            .map(|((run, chunk), line)| EndToEndId {
                run,
                part: no.part,
                chunk,
                line,
            }),
        amount: it.amount,
        entry_no: it.entry_no,
        resolved: it.how,
        proposed: it.proposed,
    }))
}

/// What is known of lines that were instructed; the others are left out.
pub(crate) async fn standings(
    tx: &mut PgConnection,
    lines: &[EndToEndId],
) -> Result<Vec<LineStanding>, Error> {
    let runs: Vec<i64> = lines.iter().map(|it| it.run.0).collect();
    let parts: Vec<i16> = lines.iter().map(|it| it.part.number()).collect();
    let chunks: Vec<i32> = lines.iter().map(|it| it.chunk.0).collect();
    let numbers: Vec<i32> = lines.iter().map(|it| it.line.0).collect();
    let rows = sqlx::query!(
        r#"
        WITH asked AS MATERIALIZED (
            SELECT run_no, part, chunk, array_agg(line) AS lines
            FROM unnest($1::bigint[], $2::smallint[], $3::integer[], $4::integer[])
                AS n (run_no, part, chunk, line)
            GROUP BY run_no, part, chunk
        ), told AS (
            SELECT n.*, i.institution, NULL AS status, unnest(i.lines) AS line,
                unnest(i.amounts) AS amount
            FROM asked n CROSS JOIN LATERAL (
                SELECT * FROM reconciliation.instructed_chunks i
                WHERE (i.run_no, i.part, i.chunk) = (n.run_no, n.part, n.chunk) OFFSET 0) i
            UNION ALL
            SELECT n.*, NULL, a.status, unnest(a.lines), NULL
            FROM asked n CROSS JOIN LATERAL (
                SELECT * FROM reconciliation.answered_chunks a
                WHERE (a.run_no, a.part, a.chunk) = (n.run_no, n.part, n.chunk) OFFSET 0) a
        ), instructed AS MATERIALIZED (
            SELECT run_no, part, chunk, line, max(institution) AS institution,
                max(amount) AS amount, max(status) AS status
            FROM told WHERE line = ANY (lines) GROUP BY run_no, part, chunk, line
            HAVING max(institution) IS NOT NULL
        )
        SELECT i.run_no AS "run_no!: RunNo", i.part AS "part!: Part", i.chunk AS "chunk!: ChunkNo",
            i.line AS "line!: LineNo", i.institution AS "institution!: Institution",
            i.amount AS "amount!: Money", i.status AS "status?: ResultStatus",
            m.line IS NOT NULL AS "matched!",
            EXISTS (SELECT FROM reconciliation.breaks b
                LEFT JOIN reconciliation.resolutions x
                    USING (part, institution, statement_no, break_no)
                WHERE (b.run_no, b.part, b.chunk, b.line) = (i.run_no, i.part, i.chunk, i.line)
                    AND x.break_no IS NULL) AS "broken!",
            m.line IS NULL AND EXISTS (SELECT FROM reconciliation.breaks b
                WHERE (b.run_no, b.part, b.chunk, b.line) = (i.run_no, i.part, i.chunk, i.line)
                    AND b.unsettled IS NOT NULL) AS "unsettled!"
        FROM instructed i
        LEFT JOIN reconciliation.matches m USING (run_no, part, chunk, line)
        ORDER BY i.run_no, i.part, i.chunk, i.line
        "#,
        &runs,
        &parts,
        &chunks,
        &numbers,
    )
    .fetch_all(tx)
    .await?;
    let standings = rows.into_iter().map(|it| LineStanding {
        line: EndToEndId {
            run: it.run_no,
            part: it.part,
            chunk: it.chunk,
            line: it.line,
        },
        institution: it.institution,
        amount: it.amount,
        status: it.status,
        matched: it.matched,
        broken: it.broken,
        unsettled: it.unsettled,
    });
    Ok(standings.collect())
}

pub(crate) async fn insert_proposal(
    tx: &mut PgConnection,
    command: &Propose,
    now: DateTime<Utc>,
) -> Result<i64, Error> {
    let case = command.case;
    let proposal_no = sqlx::query_scalar!(
        r#"
        INSERT INTO reconciliation.proposals (institution, statement_no, part, break_no, how,
            against_statement_no, against_part, against_break_no, reason, officer, proposed_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
        RETURNING proposal_no
        "#,
        case.institution.number(),
        case.statement_no,
        case.part.number(),
        case.break_no,
        command.how as Resolution,
        command.against.map(|it| it.statement_no),
        command.against.map(|it| it.part.number()),
        command.against.map(|it| it.break_no),
        command.reason.trim(),
        command.officer.as_str(),
        now,
    )
    .fetch_one(&mut *tx)
    .await?;
    let lines = &command.lines;
    let runs: Vec<i64> = lines.iter().map(|it| it.run.0).collect();
    let parts: Vec<i16> = lines.iter().map(|it| it.part.number()).collect();
    let chunks: Vec<i32> = lines.iter().map(|it| it.chunk.0).collect();
    let numbers: Vec<i32> = lines.iter().map(|it| it.line.0).collect();
    sqlx::query!(
        r#"
        INSERT INTO reconciliation.proposal_lines (proposal_no, run_no, part, chunk, line)
        SELECT $1, l.* FROM unnest($2::bigint[], $3::smallint[], $4::integer[], $5::integer[]) AS l
        "#,
        proposal_no,
        &runs,
        &parts,
        &chunks,
        &numbers,
    )
    .execute(tx)
    .await?;
    Ok(proposal_no)
}

pub(crate) async fn proposal(
    tx: &mut PgConnection,
    proposal_no: i64,
) -> Result<Option<Proposal>, Error> {
    let row = sqlx::query!(
        r#"
        SELECT institution AS "institution: Institution", statement_no, part AS "part: Part",
            break_no, how AS "how: Resolution", against_statement_no,
            against_part AS "against_part: Part", against_break_no, officer AS "officer: Officer",
            reason
        FROM reconciliation.proposals WHERE proposal_no = $1
        "#,
        proposal_no,
    )
    .fetch_optional(&mut *tx)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let lines = sqlx::query!(
        r#"
        SELECT run_no AS "run: RunNo", part AS "part: Part", chunk AS "chunk: ChunkNo",
            line AS "line: LineNo"
        FROM reconciliation.proposal_lines WHERE proposal_no = $1
        ORDER BY run_no, part, chunk, line
        "#,
        proposal_no,
    )
    .fetch_all(tx)
    .await?;
    let numbered = |(statement_no, part, break_no)| CaseNo {
        institution: row.institution,
        statement_no,
        part,
        break_no,
    };
    let against = row.against_statement_no.zip(row.against_part);
    let against = against.zip(row.against_break_no);
    Ok(Some(Proposal {
        proposal_no,
        case: numbered((row.statement_no, row.part, row.break_no)),
        how: row.how,
        against: against
            .map(|((statement_no, part), number)| numbered((statement_no, part, number))),
        officer: row.officer,
        reason: row.reason,
        lines: lines
            .into_iter()
            .map(|it| EndToEndId {
                run: it.run,
                part: it.part,
                chunk: it.chunk,
                line: it.line,
            })
            .collect(),
    }))
}

pub(crate) async fn insert_decision(
    tx: &mut PgConnection,
    proposal: &Proposal,
    command: &Decide,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    sqlx::query!(
        r#"
        INSERT INTO reconciliation.decisions
            (proposal_no, proposed_by, officer, accepted, reason, decided_at)
        VALUES ($1, $2, $3, $4, $5, $6)
        "#,
        proposal.proposal_no,
        proposal.officer.as_str(),
        command.officer.as_str(),
        command.accept,
        command.reason.as_deref(),
        now,
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Settles lines, each with the entry of a break, and closes what was told of them as missing.
pub(crate) async fn insert_matches_of(
    tx: &mut PgConnection,
    institution: Institution,
    settled: &[(Case, LineStanding)],
    now: DateTime<Utc>,
) -> Result<(), Error> {
    let lines = || settled.iter().map(|(_, it)| it.line);
    let runs: Vec<i64> = lines().map(|it| it.run.0).collect();
    let parts: Vec<i16> = lines().map(|it| it.part.number()).collect();
    let chunks: Vec<i32> = lines().map(|it| it.chunk.0).collect();
    let numbers: Vec<i32> = lines().map(|it| it.line.0).collect();
    let amounts: Vec<Money> = settled.iter().map(|(_, it)| it.amount).collect();
    let statements: Vec<i64> = settled.iter().map(|(it, _)| it.no.statement_no).collect();
    let entries = settled
        .iter()
        .map(|(it, _)| it.entry_no.unwrap_or_default());
    let entries: Vec<i64> = entries.collect();
    sqlx::query!(
        r#"
        INSERT INTO reconciliation.matches (run_no, part, chunk, line, amount, statement_no,
            entry_no, institution)
        SELECT l.*, $8
        FROM unnest($1::bigint[], $2::smallint[], $3::integer[], $4::integer[], $5::numeric[],
            $6::bigint[], $7::bigint[]) AS l
        "#,
        &runs,
        &parts,
        &chunks,
        &numbers,
        &amounts as &[Money],
        &statements,
        &entries,
        institution.number(),
    )
    .execute(&mut *tx)
    .await?;
    close_shown(tx, institution, now).await
}

pub(crate) async fn insert_resolutions(
    tx: &mut PgConnection,
    cases: &[(CaseNo, Resolution)],
    proposal_no: Option<i64>,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    let parts: Vec<i16> = cases.iter().map(|(no, _)| no.part.number()).collect();
    let institutions: Vec<i32> = (cases.iter().map(|(no, _)| no.institution.number())).collect();
    let statements: Vec<i64> = cases.iter().map(|(no, _)| no.statement_no).collect();
    let numbers: Vec<i32> = cases.iter().map(|(no, _)| no.break_no).collect();
    let hows: Vec<Resolution> = cases.iter().map(|(_, how)| *how).collect();
    sqlx::query!(
        r#"
        INSERT INTO reconciliation.resolutions (part, institution, statement_no, break_no, how,
            proposal_no, resolved_at)
        SELECT r.*, $6, $7
        FROM unnest($1::smallint[], $2::integer[], $3::bigint[], $4::integer[], $5::text[]) AS r
        "#,
        &parts,
        &institutions,
        &statements,
        &numbers,
        &hows as &[Resolution],
        proposal_no,
        now,
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// What was told as missing and is settled now is no case any more.
pub(crate) async fn close_shown(
    tx: &mut PgConnection,
    institution: Institution,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    sqlx::query!(
        r#"
        INSERT INTO reconciliation.resolutions (part, institution, statement_no, break_no, how,
            resolved_at)
        SELECT b.part, b.institution, b.statement_no, b.break_no, 'shown_later', $2
        FROM reconciliation.breaks b
        JOIN reconciliation.matches m USING (run_no, part, chunk, line)
        WHERE b.institution = $1 AND b.kind = 'not_on_statement'
        ON CONFLICT DO NOTHING
        "#,
        institution.number(),
        now,
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Debits without a result whose result has come, says credited, and nothing else settles.
pub(crate) async fn late_results(
    tx: &mut PgConnection,
    statement: &Received,
    part: Part,
) -> Result<Vec<(Case, EndToEndId)>, Error> {
    join_by_hash(tx).await?;
    let rows = sqlx::query!(
        r#"
        WITH open AS MATERIALIZED (
            SELECT b.statement_no, b.break_no, b.amount, b.entry_no, b.run_no, b.chunk, b.line
            FROM reconciliation.breaks b
            WHERE b.part = $1 AND b.institution = $2 AND b.kind = 'debited_without_result'
                -- Written as values, they are looked up by key.
                AND (SELECT m.line FROM reconciliation.matches m WHERE
                    (m.run_no, m.part, m.chunk, m.line) = (b.run_no, b.part, b.chunk, b.line))
                    IS NULL
                AND (SELECT x.break_no FROM reconciliation.resolutions x WHERE
                    (x.part, x.institution, x.statement_no, x.break_no)
                    = (b.part, b.institution, b.statement_no, b.break_no)) IS NULL
        ), named AS MATERIALIZED (
            SELECT DISTINCT run_no, chunk FROM open
        ), credited AS MATERIALIZED (
            SELECT n.run_no, n.chunk, unnest(a.lines) AS line
            FROM named n CROSS JOIN LATERAL (
                SELECT * FROM reconciliation.answered_chunks a
                WHERE (a.run_no, a.part, a.chunk) = (n.run_no, $1, n.chunk)
                    AND a.status = 'credited' OFFSET 0) a
        )
        SELECT DISTINCT ON (b.run_no, b.chunk, b.line) b.statement_no, b.break_no,
            b.amount AS "amount: Money", b.entry_no, b.run_no AS "run!: RunNo",
            b.chunk AS "chunk!: ChunkNo", b.line AS "line!: LineNo"
        FROM open b JOIN credited USING (run_no, chunk, line)
        ORDER BY b.run_no, b.chunk, b.line, b.statement_no, b.break_no LIMIT $3
        "#,
        part.number(),
        statement.institution.number(),
        LATE_MAX,
    )
    .fetch_all(&mut *tx)
    .await?;
    look_up_by_key(tx).await?;
    let late = rows.into_iter().map(|it| {
        let no = CaseNo {
            institution: statement.institution,
            statement_no: it.statement_no,
            part,
            break_no: it.break_no,
        };
        let line = EndToEndId {
            run: it.run,
            part,
            chunk: it.chunk,
            line: it.line,
        };
        let case = Case {
            no,
            kind: BreakKind::DebitedWithoutResult,
            line: Some(line),
            amount: it.amount,
            entry_no: it.entry_no,
            resolved: None,
            proposed: None,
        };
        (case, line)
    });
    Ok(late.collect())
}

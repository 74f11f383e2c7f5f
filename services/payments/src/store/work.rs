//! Reserving, releasing, and the watch over answers.

use std::collections::HashSet;

use chrono::{DateTime, NaiveDate, Utc};
use domain::{
    BudgetYear, ChunkNo, Institution, LineNo, Money, Part, Period, PersonNo, Position, Programme,
    RunNo,
};
use ledger::TransferLine;
use privacy::{BlindIndex, Sealed};
use rust_decimal::Decimal;
use sqlx::{PgConnection, PgPool};

use super::{deduction_of, institution_of, programme_of, province_of, runs};
use crate::Error;
use crate::line::Line;
use crate::run::State;

/// A partition of a run that has something to do, held by this transaction.
#[derive(Debug)]
pub(crate) struct PartWork {
    pub run_no: RunNo,
    pub part: Part,
    pub programme: Programme,
    pub business_date: NaiveDate,
    pub year: BudgetYear,
    pub state: State,
    /// 0 is the regular run of its period.
    pub series: i16,
    /// The last chunk that is reserved.
    pub after: ChunkNo,
    pub chunks: i32,
    /// Of its funding the latest, and whether that is of some lines only.
    pub step: i16,
    pub by_lines: bool,
    /// Whether any money was committed to it.
    pub is_funded: bool,
    pub trace: Option<String>,
}

/// A chunk that waits for answers longer than allowed.
#[derive(Debug)]
pub(crate) struct OverdueChunk {
    pub run_no: RunNo,
    pub part: Part,
    pub chunk: ChunkNo,
    pub programme: Programme,
    pub institution: Institution,
}

/// The first partition of a run in which something is to be reserved, or may go out now, but for those
/// that are left alone.
pub(crate) async fn take_part(
    tx: &mut PgConnection,
    left_alone: &[(RunNo, Part)],
    now: DateTime<Utc>,
) -> Result<Option<PartWork>, Error> {
    let (run_nos, parts): (Vec<i64>, Vec<i16>) = left_alone
        .iter()
        .map(|(run_no, part)| (run_no.0, part.number()))
        .unzip();
    let row = sqlx::query!(
        r#"
        SELECT p.run_no AS "run_no: RunNo", p.part AS "part: Part", r.programme, r.business_date,
            r.budget_year AS "budget_year: BudgetYear", r.state AS "state: State", r.series,
            p.chunks, r.trace, p.reserved AS "after: ChunkNo",
            coalesce(f.step, 1::smallint) AS "step!",
            coalesce(f.step > 1 OR f.rule <> 'whole', false) AS "by_lines!",
            f.step IS NOT NULL
                OR NOT EXISTS (SELECT FROM payments.needs n WHERE n.run_no = r.run_no)
                AS "is_funded!"
        FROM payments.run_parts p JOIN payments.runs r USING (run_no)
        LEFT JOIN LATERAL (
            SELECT step, rule FROM payments.fundings f WHERE f.run_no = r.run_no
            ORDER BY step DESC LIMIT 1
        ) f ON true
        WHERE (r.state = 'approved' AND p.reserved < p.chunks
            OR r.state = 'releasing' AND EXISTS (
                SELECT FROM payments.chunks c
                WHERE c.run_no = p.run_no AND c.part = p.part AND c.standing = 'waiting'
                    AND (c.stopped_by IS NOT NULL OR c.wave <= r.wave
                        AND NOT payments.is_paused(c.run_no, c.institution, r.programme)
                        AND NOT EXISTS (SELECT FROM payments.rate_buckets b
                            WHERE b.institution = c.institution AND b.next_at > $1))))
            AND NOT EXISTS (SELECT FROM unnest($2::bigint[], $3::smallint[]) AS a (run_no, part)
                WHERE a.run_no = p.run_no AND a.part = p.part)
        ORDER BY p.run_no, p.part LIMIT 1
        FOR NO KEY UPDATE OF p SKIP LOCKED
        "#,
        now,
        &run_nos,
        &parts,
    )
    .fetch_optional(tx)
    .await?;
    Ok(row.map(|it| PartWork {
        run_no: it.run_no,
        part: it.part,
        programme: programme_of(it.programme),
        business_date: it.business_date,
        year: it.budget_year,
        state: it.state,
        series: it.series,
        after: it.after,
        chunks: it.chunks,
        step: it.step,
        by_lines: it.by_lines,
        is_funded: it.is_funded,
        trace: it.trace,
    }))
}

/// The lines of the next chunks, held ones included, in order.
pub(super) async fn lines_after(
    tx: &mut PgConnection,
    run_no: RunNo,
    part: Part,
    after: ChunkNo,
    chunks: i64,
) -> Result<Vec<(ChunkNo, Vec<Line>)>, Error> {
    let last = ChunkNo(after.0 + i32::try_from(chunks).expect("a few chunks"));
    let rows = sqlx::query!(
        r#"
        SELECT l.chunk AS "chunk: ChunkNo", l.line AS "line: LineNo", c.institution,
            l.person_no AS "person_no: PersonNo", l.payee_no AS "payee_no: PersonNo",
            l.determination_no, l.amount AS "amount: Money", l.local AS "local: Money", l.province, l.rate_no, l.account_sealed, l.account_index, l.holder_sealed, l.commune,
            l.deducted AS "deducted: Money", l.recovery_no,
            nullif(l.period, (SELECT period FROM payments.runs WHERE run_no = $1))
                AS "arrears_of: Period"
        FROM (
            SELECT chunk, institution FROM payments.chunks
            WHERE run_no = $1 AND part = $2 AND chunk > $3 AND chunk <= $4 OFFSET 0
        ) c
        CROSS JOIN LATERAL (
            SELECT * FROM payments.lines l
            WHERE l.run_no = $1 AND l.part = $2 AND l.chunk = c.chunk OFFSET 0
        ) l
        ORDER BY l.chunk, l.line
        "#,
        run_no.0,
        part.number(),
        after.0,
        last.0,
    )
    .fetch_all(tx)
    .await?;
    let mut chunked: Vec<(ChunkNo, Vec<Line>)> = Vec::new();
    for row in rows {
        let line = Line {
            position: Position {
                run: run_no,
                part,
                chunk: row.chunk,
                line: row.line,
            },
            institution: institution_of(row.institution),
            person_no: row.person_no,
            payee_no: row.payee_no,
            determination_no: row.determination_no,
            arrears_of: row.arrears_of,
            amount: row.amount,
            deduction: deduction_of(row.recovery_no, row.deducted),
            local: row.local,
            province: province_of(row.province),
            rate_no: row.rate_no,
            account: row.account_sealed.map(Sealed::from),
            account_index: row.account_index.as_deref().map(index_of),
            holder: Sealed::from(row.holder_sealed),
            commune: row.commune,
        };
        match chunked.last_mut() {
            Some((chunk, lines)) if *chunk == row.chunk => lines.push(line),
            _ => chunked.push((row.chunk, vec![line])),
        }
    }
    Ok(chunked)
}

/// The next chunks to be reserved. What was held before the approval is out of it; what was held
/// after it is reserved, being approved; what was funded in parts is reserved step by step.
pub(crate) async fn payable_chunks(
    tx: &mut PgConnection,
    work: &PartWork,
    chunks: i64,
) -> Result<Vec<(ChunkNo, Vec<Line>)>, Error> {
    let next = lines_after(tx, work.run_no, work.part, work.after, chunks).await?;
    if !work.by_lines {
        return without_held(tx, (work.run_no, work.part), next, false).await;
    }
    let mut next = next;
    for (chunk, lines) in &mut next {
        let funded = funded_lines(tx, work, *chunk).await?;
        lines.retain(|it| funded.contains(&it.position.line));
    }
    Ok(next)
}

async fn funded_lines(
    tx: &mut PgConnection,
    work: &PartWork,
    chunk: ChunkNo,
) -> Result<HashSet<LineNo>, Error> {
    let rows = sqlx::query_scalar!(
        r#"
        SELECT line AS "line: LineNo" FROM payments.funded_lines
        WHERE run_no = $1 AND part = $2 AND chunk = $3 AND step = $4
        "#,
        work.run_no.0,
        work.part.number(),
        chunk.0,
        work.step,
    )
    .fetch_all(tx)
    .await?;
    Ok(rows.into_iter().collect())
}

/// The next chunks after one without the lines that are held.
pub(crate) async fn payable_after(
    tx: &mut PgConnection,
    run_no: RunNo,
    part: Part,
    after: ChunkNo,
    chunks: i64,
) -> Result<Vec<(ChunkNo, Vec<Line>)>, Error> {
    let next = lines_after(tx, run_no, part, after, chunks).await?;
    without_held(tx, (run_no, part), next, true).await
}

pub(crate) async fn payable_lines(
    tx: &mut PgConnection,
    run_no: RunNo,
    part: Part,
    chunk: ChunkNo,
) -> Result<Vec<Line>, Error> {
    let next = payable_after(tx, run_no, part, ChunkNo(chunk.0 - 1), 1).await?;
    Ok(next.into_iter().flat_map(|(_, lines)| lines).collect())
}

/// Leaves out the lines set aside in a partition, which are few; those that were held after the
/// approval only where that is asked.
async fn without_held(
    tx: &mut PgConnection,
    (run_no, part): (RunNo, Part),
    mut chunks: Vec<(ChunkNo, Vec<Line>)>,
    after_approval: bool,
) -> Result<Vec<(ChunkNo, Vec<Line>)>, Error> {
    let rows = sqlx::query!(
        r#"
        SELECT chunk AS "chunk!: ChunkNo", line AS "line!: LineNo" FROM payments.exceptions
        WHERE run_no = $1 AND part = $2 AND kind = 'held' AND resolved_at IS NULL
            AND (NOT after_approval OR $3)
        "#,
        run_no.0,
        part.number(),
        after_approval,
    )
    .fetch_all(tx)
    .await?;
    let held: HashSet<(ChunkNo, LineNo)> = rows.into_iter().map(|it| (it.chunk, it.line)).collect();
    if !held.is_empty() {
        for (chunk, lines) in &mut chunks {
            lines.retain(|it| !held.contains(&(*chunk, it.position.line)));
        }
    }
    Ok(chunks)
}

pub(crate) async fn set_reserved(
    tx: &mut PgConnection,
    work: &PartWork,
    last: ChunkNo,
) -> Result<(), Error> {
    sqlx::query!(
        "UPDATE payments.run_parts SET reserved = $3 WHERE run_no = $1 AND part = $2",
        work.run_no.0,
        work.part.number(),
        last.0,
    )
    .execute(&mut *tx)
    .await?;
    if last.0 == work.chunks {
        finish(tx, work.run_no).await?;
    }
    Ok(())
}

/// With the last partition the run is reserved; one that was released goes on with what was funded
/// since. Two partitions that end together take turns on the run's row.
async fn finish(tx: &mut PgConnection, run_no: RunNo) -> Result<(), Error> {
    runs::lock_run(tx, run_no).await?;
    let row = sqlx::query!(
        r#"
        SELECT count(*) FILTER (WHERE chunks > reserved) AS "left!",
            EXISTS (SELECT FROM payments.acts
                WHERE run_no = $1 AND act = 'release' AND voided_at IS NULL) AS "is_released!"
        FROM payments.run_parts WHERE run_no = $1
        "#,
        run_no.0,
    )
    .fetch_one(&mut *tx)
    .await?;
    if row.left == 0 {
        let state = if row.is_released {
            State::Releasing
        } else {
            State::Reserved
        };
        runs::set_state(tx, run_no, state).await?;
    }
    Ok(())
}

pub(crate) async fn overdue_chunks(
    pool: &PgPool,
    before: DateTime<Utc>,
    limit: i64,
) -> Result<Vec<OverdueChunk>, Error> {
    let rows = sqlx::query!(
        r#"
        SELECT c.run_no AS "run_no: RunNo", c.part AS "part: Part", c.chunk AS "chunk: ChunkNo",
            r.programme, c.institution
        FROM payments.chunks c JOIN payments.runs r USING (run_no)
        WHERE r.state <> 'closed' AND c.released_at < $1 AND c.answered < c.lines
            AND c.overdue_at IS NULL
        ORDER BY c.released_at LIMIT $2
        "#,
        before,
        limit,
    )
    .fetch_all(pool)
    .await?;
    let chunk = rows.into_iter().map(|it| OverdueChunk {
        run_no: it.run_no,
        part: it.part,
        chunk: it.chunk,
        programme: programme_of(it.programme),
        institution: institution_of(it.institution),
    });
    Ok(chunk.collect())
}

/// The chunk's lines without an answer, none where another has looked meanwhile; the chunk stays locked,
/// so that none comes either.
pub(crate) async fn unanswered(
    tx: &mut PgConnection,
    chunk: &OverdueChunk,
) -> Result<Vec<(TransferLine, Money)>, Error> {
    let is_open = sqlx::query_scalar!(
        r#"
        SELECT chunk FROM payments.chunks
        WHERE run_no = $1 AND part = $2 AND chunk = $3 AND overdue_at IS NULL FOR NO KEY UPDATE
        "#,
        chunk.run_no.0,
        chunk.part.number(),
        chunk.chunk.0,
    )
    .fetch_optional(&mut *tx)
    .await?;
    if is_open.is_none() {
        return Ok(Vec::new());
    }
    let rows = sqlx::query!(
        r#"
        SELECT l.line AS "line: LineNo", l.person_no AS "person_no: PersonNo",
            l.amount AS "amount: Money"
        FROM payments.lines l
        LEFT JOIN payments.results a USING (run_no, part, chunk, line)
        LEFT JOIN payments.exceptions x
            ON (x.run_no, x.part, x.chunk, x.line) = (l.run_no, l.part, l.chunk, l.line)
            AND x.kind IN ('held', 'unknown', 'stopped') AND x.resolved_at IS NULL
        WHERE l.run_no = $1 AND l.part = $2 AND l.chunk = $3
            AND a.line IS NULL AND x.line IS NULL
            -- What goes with a later message is not with the institution yet.
            AND NOT EXISTS (SELECT FROM payments.later_lines n
                JOIN payments.chunks c USING (run_no, part, chunk)
                WHERE (n.run_no, n.part, n.chunk, n.line) = (l.run_no, l.part, l.chunk, l.line)
                    AND n.message >= c.messages)
        ORDER BY l.line
        "#,
        chunk.run_no.0,
        chunk.part.number(),
        chunk.chunk.0,
    )
    .fetch_all(tx)
    .await?;
    let line = |line, person_no| TransferLine {
        person_no,
        chunk: chunk.chunk,
        line,
    };
    Ok(rows
        .into_iter()
        .map(|it| (line(it.line, it.person_no), it.amount))
        .collect())
}

pub(crate) async fn open_unknown(
    tx: &mut PgConnection,
    chunk: &OverdueChunk,
    lines: &[(TransferLine, Money)],
    now: DateTime<Utc>,
) -> Result<(), Error> {
    let numbers: Vec<i32> = lines.iter().map(|(line, _)| line.line.0).collect();
    let persons: Vec<i64> = lines.iter().map(|(line, _)| line.person_no.0).collect();
    let amounts: Vec<Decimal> = lines.iter().map(|(_, amount)| amount.decimal()).collect();
    sqlx::query!(
        r#"
        INSERT INTO payments.exceptions
            (run_no, part, chunk, kind, detail, opened_at, enquire_at, line, person_no, amount)
        SELECT $1, $2, $3, 'unknown', 'no answer in time; to be enquired about', $4, $4, x.*
        FROM unnest($5::int[], $6::bigint[], $7::numeric[]) AS x
        "#,
        chunk.run_no.0,
        chunk.part.number(),
        chunk.chunk.0,
        now,
        &numbers,
        &persons,
        &amounts,
    )
    .execute(&mut *tx)
    .await?;
    sqlx::query!(
        r#"
        UPDATE payments.tallies
        SET unknown_lines = unknown_lines + $4, unknown_total = unknown_total + $5
        WHERE run_no = $1 AND part = $2 AND institution = $3
        "#,
        chunk.run_no.0,
        chunk.part.number(),
        chunk.institution.number(),
        i64::try_from(lines.len()).expect("at most a thousand"),
        Money::sum(lines.iter().map(|(_, amount)| *amount)) as Money,
    )
    .execute(tx)
    .await?;
    Ok(())
}

pub(crate) async fn set_overdue(
    tx: &mut PgConnection,
    chunk: &OverdueChunk,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    sqlx::query!(
        r#"
        UPDATE payments.chunks SET overdue_at = $4
        WHERE run_no = $1 AND part = $2 AND chunk = $3 AND overdue_at IS NULL
        "#,
        chunk.run_no.0,
        chunk.part.number(),
        chunk.chunk.0,
        now,
    )
    .execute(tx)
    .await?;
    Ok(())
}

fn index_of(bytes: &[u8]) -> BlindIndex {
    BlindIndex::try_from(bytes).expect("the schema keeps indexes at 32 bytes")
}

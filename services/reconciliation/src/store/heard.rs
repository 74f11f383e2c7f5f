use std::collections::{BTreeMap, HashSet};

use domain::{ChunkNo, EndToEndId, Institution, LineNo, Money, Part, RunNo};
use events::{AppliedResult, ClearingTold, ResultsApplied};
use sqlx::PgConnection;

use crate::Error;
use crate::matching::Place;

/// What one message instructs of a chunk, as it is kept.
pub(crate) struct Instructed {
    pub institution: Institution,
    pub run: RunNo,
    pub chunk: ChunkNo,
    pub lines: Vec<InstructedLine>,
}

pub(crate) struct InstructedLine {
    pub line: LineNo,
    pub amount: Money,
    pub account_index: Option<Vec<u8>>,
}

/// Keeps what was instructed in one partition, a row a message.
pub(crate) async fn insert_instructions(
    tx: &mut PgConnection,
    part: Part,
    told: &mut [Instructed],
) -> Result<(), Error> {
    if told.is_empty() {
        return Ok(());
    }
    for it in &mut *told {
        it.lines.sort_unstable_by_key(|it| it.line);
    }
    refuse_instructed_again(tx, part, told).await?;
    let mut copied = bulk::Rows::into(
        "COPY reconciliation.instructed_chunks (run_no, part, chunk, institution, lines, amounts,
            account_indexes) FROM STDIN (FORMAT binary)",
        7,
    );
    for it in told.iter().filter(|it| !it.lines.is_empty()) {
        let lines: Vec<i32> = it.lines.iter().map(|it| it.line.0).collect();
        let amounts: Vec<Money> = it.lines.iter().map(|it| it.amount).collect();
        let indexes = it.lines.iter().map(|it| it.account_index.as_deref());
        let indexes: Vec<Option<&[u8]>> = indexes.collect();
        copied
            .row()
            .with(it.run.0)
            .with(part.number())
            .with(it.chunk.0)
            .with(it.institution.number())
            .with(lines)
            .with(amounts)
            .with(indexes)
            .end();
    }
    copied.send(tx).await?;
    insert_chunks(tx, part, told).await?;
    count_instructed(tx, part, told).await
}

/// Whose the chunks are, and that their runs are open.
async fn insert_chunks(
    tx: &mut PgConnection,
    part: Part,
    told: &[Instructed],
) -> Result<(), Error> {
    let institutions: Vec<i32> = told.iter().map(|it| it.institution.number()).collect();
    let runs: Vec<i64> = told.iter().map(|it| it.run.0).collect();
    let chunks: Vec<i32> = told.iter().map(|it| it.chunk.0).collect();
    sqlx::query!(
        r#"
        INSERT INTO reconciliation.runs (run_no)
        SELECT DISTINCT r.run_no FROM unnest($1::bigint[]) AS r (run_no) ORDER BY r.run_no
        ON CONFLICT DO NOTHING
        "#,
        &runs,
    )
    .execute(&mut *tx)
    .await?;
    sqlx::query!(
        r#"
        INSERT INTO reconciliation.chunks (institution, part, run_no, chunk)
        SELECT DISTINCT c.institution, $1::smallint, c.run_no, c.chunk
        FROM unnest($2::integer[], $3::bigint[], $4::integer[]) AS c (institution, run_no, chunk)
        ON CONFLICT DO NOTHING
        "#,
        part.number(),
        &institutions,
        &runs,
        &chunks,
    )
    .execute(tx)
    .await?;
    Ok(())
}

async fn count_instructed(
    tx: &mut PgConnection,
    part: Part,
    told: &[Instructed],
) -> Result<(), Error> {
    let mut sums = BTreeMap::<Institution, (i64, Money)>::new();
    for it in told {
        let (lines, total) = sums.entry(it.institution).or_default();
        *lines += count(&it.lines);
        let amounts = it.lines.iter().map(|it| it.amount);
        *total = Money::sum(amounts.chain([*total]));
    }
    let institutions: Vec<i32> = sums.keys().map(|it| it.number()).collect();
    let (lines, totals): (Vec<i64>, Vec<Money>) = sums.into_values().unzip();
    sqlx::query!(
        r#"
        INSERT INTO reconciliation.tallies AS t
            (institution, part, instructed_lines, instructed_total)
        SELECT s.institution, $1, s.lines, s.total
        FROM unnest($2::integer[], $3::bigint[], $4::numeric[]) AS s (institution, lines, total)
        ON CONFLICT (institution, part) DO UPDATE
        SET instructed_lines = t.instructed_lines + excluded.instructed_lines,
            instructed_total = t.instructed_total + excluded.instructed_total
        "#,
        part.number(),
        &institutions,
        &lines,
        &totals as &[Money],
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Nothing of a closed run can be missing.
pub(crate) async fn close_run(tx: &mut PgConnection, run_no: RunNo) -> Result<(), Error> {
    sqlx::query!(
        "UPDATE reconciliation.runs SET closed = true WHERE run_no = $1",
        run_no.0
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Keeps results that took effect, a row for each chunk and what is said the same of its lines.
pub(crate) async fn insert_results(
    tx: &mut PgConnection,
    results: &ResultsApplied,
) -> Result<(), Error> {
    refuse_answered_again(tx, results).await?;
    let mut alike = BTreeMap::<_, Vec<&AppliedResult>>::new();
    for it in &results.lines {
        let what = (it.run_no, it.chunk, it.status, it.booked_on);
        alike.entry(what).or_default().push(it);
    }
    let mut copied = bulk::Rows::into(
        "COPY reconciliation.answered_chunks (run_no, part, chunk, institution, status, booked_on,
            lines, amounts) FROM STDIN (FORMAT binary)",
        8,
    );
    for ((run, chunk, status, booked_on), mut lines) in alike {
        lines.sort_unstable_by_key(|it| it.line);
        let numbers: Vec<i32> = lines.iter().map(|it| it.line.0).collect();
        let amounts: Vec<Money> = lines.iter().map(|it| it.amount).collect();
        copied
            .row()
            .with(run.0)
            .with(results.part.number())
            .with(chunk.0)
            .with(results.institution.number())
            .with(status)
            .with(booked_on)
            .with(numbers)
            .with(amounts)
            .end();
    }
    copied.send(tx).await?;
    count_answered(tx, results).await?;
    insert_contradictions(tx, results).await
}

async fn count_answered(tx: &mut PgConnection, results: &ResultsApplied) -> Result<(), Error> {
    let amounts = results.lines.iter().map(|it| it.amount);
    sqlx::query!(
        r#"
        INSERT INTO reconciliation.tallies AS t (institution, part, answered_lines, answered_total)
        VALUES ($1, $2, $3, $4)
        ON CONFLICT (institution, part) DO UPDATE
        SET answered_lines = t.answered_lines + excluded.answered_lines,
            answered_total = t.answered_total + excluded.answered_total
        "#,
        results.institution.number(),
        results.part.number(),
        count(&results.lines),
        Money::sum(amounts) as Money,
    )
    .execute(tx)
    .await?;
    Ok(())
}

fn count<T>(lines: &[T]) -> i64 {
    i64::try_from(lines.len()).expect("a message fits in memory")
}

/// Keeps how the clearing accounts stand, beside what the institution had answered by then.
pub(crate) async fn insert_clearing(
    tx: &mut PgConnection,
    told: &ClearingTold,
) -> Result<(), Error> {
    sqlx::query!(
        r#"
        INSERT INTO reconciliation.clearings (institution, part, after, released, in_transit,
            unknown, settled, suspense_debits, suspense_credits, answered)
        SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, coalesce((
            SELECT answered_total FROM reconciliation.tallies
            WHERE institution = $1 AND part = $2), 0)
        "#,
        told.institution.number(),
        told.part.number(),
        told.after,
        told.released as Money,
        told.in_transit as Money,
        told.unknown as Money,
        told.settled as Money,
        told.suspense_debits as Money,
        told.suspense_credits as Money,
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Keeps what the bank said against what is known; the first word of a line is enough.
async fn insert_contradictions(
    tx: &mut PgConnection,
    results: &ResultsApplied,
) -> Result<(), Error> {
    let refused = &results.refused;
    if refused.is_empty() {
        return Ok(());
    }
    let at = || refused.iter().map(|it| it.end_to_end_id);
    let runs: Vec<i64> = at().map(|it| it.run.0).collect();
    let chunks: Vec<i32> = at().map(|it| it.chunk.0).collect();
    let lines: Vec<i32> = at().map(|it| it.line.0).collect();
    let codes: Vec<String> = refused.iter().map(|it| it.code.clone()).collect();
    let amounts: Vec<Money> = refused.iter().map(|it| it.amount).collect();
    sqlx::query!(
        r#"
        INSERT INTO reconciliation.contradictions (run_no, part, chunk, line, institution, code,
            amount)
        SELECT c.run_no, $6, c.chunk, c.line, $7, c.code, c.amount
        FROM unnest($1::bigint[], $2::integer[], $3::integer[], $4::text[], $5::numeric[])
            AS c (run_no, chunk, line, code, amount)
        ON CONFLICT DO NOTHING
        "#,
        &runs,
        &chunks,
        &lines,
        &codes,
        &amounts as &[Money],
        results.part.number(),
        results.institution.number(),
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Lines of a chunk that are kept.
struct Recorded {
    run_no: RunNo,
    chunk: ChunkNo,
    lines: Vec<i32>,
}

/// From which to which line of each chunk something is told.
#[derive(Default)]
struct Stretches {
    runs: Vec<i64>,
    chunks: Vec<i32>,
    firsts: Vec<i32>,
    lasts: Vec<i32>,
}

impl Stretches {
    fn of(told: impl Iterator<Item = Place>) -> Stretches {
        let mut ends = BTreeMap::<(RunNo, ChunkNo), (i32, i32)>::new();
        for (run, chunk, LineNo(line)) in told {
            let (first, last) = ends.entry((run, chunk)).or_insert((line, line));
            (*first, *last) = ((*first).min(line), (*last).max(line));
        }
        let mut stretches = Stretches::default();
        for ((run, chunk), (first, last)) in ends {
            stretches.runs.push(run.0);
            stretches.chunks.push(chunk.0);
            stretches.firsts.push(first);
            stretches.lasts.push(last);
        }
        stretches
    }
}

/// A line is instructed once. The key of a row holds its first line only, so that no other stands in an
/// earlier row is seen to here; whoever hears a partition has its cursor, and hears it alone.
async fn refuse_instructed_again(
    tx: &mut PgConnection,
    part: Part,
    told: &[Instructed],
) -> Result<(), Error> {
    let places = || {
        let chunks = told.iter();
        chunks.flat_map(|of| of.lines.iter().map(|it| (of.run, of.chunk, it.line)))
    };
    let asked = Stretches::of(places());
    let kept = sqlx::query_as!(
        Recorded,
        r#"
        SELECT k.run_no AS "run_no: RunNo", k.chunk AS "chunk: ChunkNo", k.lines
        FROM unnest($2::bigint[], $3::integer[], $4::integer[], $5::integer[])
            AS n (run_no, chunk, first, last)
        CROSS JOIN LATERAL (
            SELECT i.run_no, i.chunk, i.lines FROM reconciliation.instructed_chunks i
            WHERE (i.run_no, i.part, i.chunk) = (n.run_no, $1, n.chunk)
                AND i.first_line <= n.last AND i.lines[cardinality(i.lines)] >= n.first
            OFFSET 0
        ) k
        "#,
        part.number(),
        &asked.runs,
        &asked.chunks,
        &asked.firsts,
        &asked.lasts,
    )
    .fetch_all(tx)
    .await?;
    refuse_again(kept, places(), part)
}

/// A line is answered once, as it is instructed once.
async fn refuse_answered_again(
    tx: &mut PgConnection,
    results: &ResultsApplied,
) -> Result<(), Error> {
    let places = || {
        let lines = results.lines.iter();
        lines.map(|it| (it.run_no, it.chunk, it.line))
    };
    let asked = Stretches::of(places());
    let kept = sqlx::query_as!(
        Recorded,
        r#"
        SELECT k.run_no AS "run_no: RunNo", k.chunk AS "chunk: ChunkNo", k.lines
        FROM unnest($2::bigint[], $3::integer[], $4::integer[], $5::integer[])
            AS n (run_no, chunk, first, last)
        CROSS JOIN LATERAL (
            SELECT a.run_no, a.chunk, a.lines FROM reconciliation.answered_chunks a
            WHERE (a.run_no, a.part, a.chunk) = (n.run_no, $1, n.chunk)
                AND a.first_line <= n.last AND a.lines[cardinality(a.lines)] >= n.first
            OFFSET 0
        ) k
        "#,
        results.part.number(),
        &asked.runs,
        &asked.chunks,
        &asked.firsts,
        &asked.lasts,
    )
    .fetch_all(tx)
    .await?;
    refuse_again(kept, places(), results.part)
}

fn refuse_again(
    kept: Vec<Recorded>,
    told: impl Iterator<Item = Place>,
    part: Part,
) -> Result<(), Error> {
    let lines =
        |it: Recorded| (it.lines.into_iter()).map(move |no| (it.run_no, it.chunk, LineNo(no)));
    let mut seen: HashSet<Place> = kept.into_iter().flat_map(lines).collect();
    for (run, chunk, line) in told {
        if !seen.insert((run, chunk, line)) {
            let line = EndToEndId {
                run,
                part,
                chunk,
                line,
            };
            return Err(Error::ToldAgain(line));
        }
    }
    Ok(())
}

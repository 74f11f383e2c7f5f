//! What banks and statements say about lines.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use domain::{ChunkNo, Money, Part, PersonNo, Position, RunNo};
use events::{BreaksResolved, Resolution, ResultLine, ResultStatus, Results, StatementMatched};
use rust_decimal::Decimal;
use sqlx::PgConnection;

use crate::Error;
use crate::posting::Answered;

#[derive(Debug)]
pub(crate) struct Refusal {
    /// The line's number in its message, from 1.
    pub entry: i32,
    pub position: Position,
    pub code: &'static str,
    /// Whose payment it names, where we know it.
    pub payment: Option<(PersonNo, Money)>,
}

/// Locks the chunks that these positions name, in order.
pub(crate) async fn lock_chunks(
    tx: &mut PgConnection,
    part: Part,
    positions: &[Position],
) -> Result<(), Error> {
    let mut named: Vec<(RunNo, ChunkNo)> = positions.iter().map(|it| (it.run, it.chunk)).collect();
    named.sort_unstable();
    named.dedup();
    let run_nos: Vec<i64> = named.iter().map(|(run, _)| run.0).collect();
    let chunks: Vec<i32> = named.iter().map(|(_, chunk)| chunk.0).collect();
    sqlx::query!(
        r#"
        SELECT c.chunk FROM payments.chunks c
        JOIN unnest($2::bigint[], $3::int[]) AS n (run_no, chunk)
            ON (c.run_no, c.chunk) = (n.run_no, n.chunk)
        WHERE c.part = $1
        ORDER BY c.run_no, c.chunk
        FOR NO KEY UPDATE OF c
        "#,
        part.number(),
        &run_nos,
        &chunks,
    )
    .fetch_all(tx)
    .await?;
    Ok(())
}

pub(crate) async fn insert_results(
    tx: &mut PgConnection,
    part: Part,
    message_id: &str,
    applied: &[&ResultLine],
) -> Result<(), Error> {
    let mut copied = bulk::Rows::into(
        "COPY payments.results (run_no, part, chunk, line, status, reason, bank_ref, booked_on,
            message_id) FROM STDIN (FORMAT binary)",
        9,
    );
    for it in applied {
        let at = it.end_to_end_id;
        copied
            .row()
            .with(at.run.0)
            .with(part.number())
            .with(at.chunk.0)
            .with(at.line.0)
            .with(status_text(it.status))
            .with(it.reason.as_deref())
            .with(&it.bank_ref[..])
            .with(it.booked_on)
            .with(message_id)
            .end();
    }
    copied.send(tx).await?;
    Ok(())
}

pub(crate) async fn insert_result_refusals(
    tx: &mut PgConnection,
    message: &Results,
    refusals: &[Refusal],
    now: DateTime<Utc>,
) -> Result<(), Error> {
    let entries: Vec<i32> = refusals.iter().map(|it| it.entry).collect();
    let ids: Vec<String> = refusals.iter().map(|it| it.position.to_string()).collect();
    let codes: Vec<&str> = refusals.iter().map(|it| it.code).collect();
    sqlx::query!(
        r#"
        INSERT INTO payments.result_refusals
            (institution, part, message_id, recorded_at, entry, end_to_end_id, code)
        SELECT $1, $2, $3, $4, f.* FROM unnest($5::int[], $6::text[], $7::text[]) AS f
        ON CONFLICT DO NOTHING
        "#,
        message.institution.number(),
        message.part.number(),
        message.message_id,
        now,
        &entries,
        &ids,
        &codes as &[&str],
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// A bank that says the contrary of what it said before: money is untouched, a person looks.
pub(crate) async fn open_contradictions(
    tx: &mut PgConnection,
    part: Part,
    refusals: &[Refusal],
    now: DateTime<Utc>,
) -> Result<(), Error> {
    let contradicting = refusals
        .iter()
        .filter(|it| it.code == "contradicting_result");
    let known: Vec<(Position, PersonNo, Money)> = contradicting
        .filter_map(|it| {
            let (person_no, amount) = it.payment?;
            Some((it.position, person_no, amount))
        })
        .collect();
    let words = (
        "contradicted",
        "the institution contradicts its first answer",
    );
    super::insert_exceptions(tx, part, words, &known, now).await
}

/// Whether the institution's contrary word about a line stands open; kept so until the transaction
/// ends.
pub(crate) async fn is_contradicted(tx: &mut PgConnection, line: Position) -> Result<bool, Error> {
    let open = sqlx::query_scalar!(
        r#"
        SELECT exception_no FROM payments.exceptions
        WHERE (run_no, part, chunk, line) = ($1, $2, $3, $4) AND kind = 'contradicted'
            AND resolved_at IS NULL
        FOR UPDATE
        "#,
        line.run.0,
        line.part.number(),
        line.chunk.0,
        line.line.0,
    )
    .fetch_optional(tx)
    .await?;
    Ok(open.is_some())
}

pub(crate) async fn close_contradiction(
    tx: &mut PgConnection,
    line: Position,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    sqlx::query!(
        r#"
        UPDATE payments.exceptions SET resolved_at = $5
        WHERE (run_no, part, chunk, line) = ($1, $2, $3, $4) AND kind = 'contradicted'
            AND resolved_at IS NULL
        "#,
        line.run.0,
        line.part.number(),
        line.chunk.0,
        line.line.0,
        now,
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Adds to the counters of institution and chunk; what was unknown is so no more.
pub(crate) async fn count_answers(
    tx: &mut PgConnection,
    part: Part,
    answered: &[Answered],
) -> Result<(), Error> {
    let mut by_chunk: BTreeMap<(RunNo, ChunkNo), i32> = BTreeMap::new();
    for answer in answered {
        *by_chunk
            .entry((answer.run_no, answer.line.chunk))
            .or_default() += 1;
    }
    let run_nos: Vec<i64> = by_chunk.keys().map(|(run, _)| run.0).collect();
    let chunks: Vec<i32> = by_chunk.keys().map(|(_, chunk)| chunk.0).collect();
    let counts: Vec<i32> = by_chunk.values().copied().collect();
    sqlx::query!(
        r#"
        UPDATE payments.chunks c SET answered = c.answered + n.count
        FROM unnest($2::bigint[], $3::int[], $4::int[]) AS n (run_no, chunk, count)
        WHERE c.part = $1 AND (c.run_no, c.chunk) = (n.run_no, n.chunk)
        "#,
        part.number(),
        &run_nos,
        &chunks,
        &counts,
    )
    .execute(&mut *tx)
    .await?;
    let run_nos: Vec<i64> = answered.iter().map(|it| it.run_no.0).collect();
    let institutions: Vec<i32> = answered.iter().map(|it| it.institution.number()).collect();
    let amounts: Vec<Decimal> = answered.iter().map(|it| it.amount.decimal()).collect();
    let credited: Vec<bool> = answered
        .iter()
        .map(|it| it.status == ResultStatus::Credited)
        .collect();
    let unknown: Vec<bool> = answered.iter().map(|it| it.was_unknown).collect();
    sqlx::query!(
        r#"
        UPDATE payments.tallies t
        SET credited_lines = t.credited_lines + n.credited_lines,
            credited_total = t.credited_total + n.credited_total,
            returned_lines = t.returned_lines + n.lines - n.credited_lines,
            returned_total = t.returned_total + n.total - n.credited_total,
            unknown_lines = t.unknown_lines - n.unknown_lines,
            unknown_total = t.unknown_total - n.unknown_total
        FROM (
            SELECT run_no, institution, count(*) AS lines, sum(amount) AS total,
                count(*) FILTER (WHERE credited) AS credited_lines,
                coalesce(sum(amount) FILTER (WHERE credited), 0) AS credited_total,
                count(*) FILTER (WHERE unknown) AS unknown_lines,
                coalesce(sum(amount) FILTER (WHERE unknown), 0) AS unknown_total
            FROM unnest($2::bigint[], $3::int[], $4::numeric[], $5::boolean[], $6::boolean[])
                AS a (run_no, institution, amount, credited, unknown)
            GROUP BY run_no, institution
        ) n
        WHERE t.part = $1 AND (t.run_no, t.institution) = (n.run_no, n.institution)
        "#,
        part.number(),
        &run_nos,
        &institutions,
        &amounts,
        &credited,
        &unknown,
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// A late answer resolves what was unknown.
pub(crate) async fn close_unknown(
    tx: &mut PgConnection,
    part: Part,
    answered: &[Answered],
    now: DateTime<Utc>,
) -> Result<(), Error> {
    let late: Vec<&Answered> = answered.iter().filter(|it| it.was_unknown).collect();
    if late.is_empty() {
        return Ok(());
    }
    let run_nos: Vec<i64> = late.iter().map(|it| it.run_no.0).collect();
    let chunks: Vec<i32> = late.iter().map(|it| it.line.chunk.0).collect();
    let lines: Vec<i32> = late.iter().map(|it| it.line.line.0).collect();
    sqlx::query!(
        r#"
        UPDATE payments.exceptions x SET resolved_at = $5
        FROM unnest($2::bigint[], $3::int[], $4::int[]) AS n (run_no, chunk, line)
        WHERE x.part = $1 AND (x.run_no, x.chunk, x.line) = (n.run_no, n.chunk, n.line)
            AND x.kind = 'unknown'
        "#,
        part.number(),
        &run_nos,
        &chunks,
        &lines,
        now,
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Adds what a statement has shown, and which credited lines it does not settle, to the counters;
/// what an earlier one did not settle and this one does is taken off again.
pub(crate) async fn add_matched(
    tx: &mut PgConnection,
    part: Part,
    matched: &StatementMatched,
) -> Result<(), Error> {
    let mut by_run: BTreeMap<RunNo, (i64, Money, i64, Decimal)> = BTreeMap::new();
    for run in &matched.matched {
        let sums = by_run.entry(run.run_no).or_default();
        (sums.0, sums.1) = (sums.0 + run.lines, Money::sum([sums.1, run.total]));
        (sums.2, sums.3) = (sums.2 - run.found_lines, sums.3 - run.found_total.decimal());
    }
    for lost in &matched.breaks {
        if let (Some(run_no), Some(amount)) = (lost.run_no, lost.unsettled) {
            let sums = by_run.entry(run_no).or_default();
            (sums.2, sums.3) = (sums.2 + 1, sums.3 + amount.decimal());
        }
    }
    let run_nos: Vec<i64> = by_run.keys().map(|it| it.0).collect();
    let lines: Vec<i64> = by_run.values().map(|it| it.0).collect();
    let totals: Vec<Decimal> = by_run.values().map(|it| it.1.decimal()).collect();
    let lost: Vec<i64> = by_run.values().map(|it| it.2).collect();
    let lost_totals: Vec<Decimal> = by_run.values().map(|it| it.3).collect();
    sqlx::query!(
        r#"
        UPDATE payments.tallies t
        SET matched_lines = t.matched_lines + n.lines, matched_total = t.matched_total + n.total,
            missing_lines = t.missing_lines + n.lost, missing_total = t.missing_total + n.lost_total
        FROM unnest($3::bigint[], $4::bigint[], $5::numeric[], $6::bigint[], $7::numeric[])
            AS n (run_no, lines, total, lost, lost_total)
        WHERE t.part = $1 AND t.institution = $2 AND t.run_no = n.run_no
        "#,
        part.number(),
        matched.institution.number(),
        &run_nos,
        &lines,
        &totals,
        &lost,
        &lost_totals,
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Counts the lines that resolved breaks settle, each in its own partition. What is owed again was
/// settled before it came back.
pub(crate) async fn add_resolved(
    tx: &mut PgConnection,
    resolved: &BreaksResolved,
) -> Result<(), Error> {
    let settling = resolved.resolved.iter();
    let settling = settling.filter(|it| it.how != Resolution::OwedAgain);
    let lines = || settling.clone().flat_map(|it| &it.lines);
    let run_nos: Vec<i64> = lines().map(|it| it.end_to_end_id.run.0).collect();
    let parts: Vec<i16> = lines().map(|it| it.end_to_end_id.part.number()).collect();
    let amounts: Vec<Decimal> = lines().map(|it| it.amount.decimal()).collect();
    let unsettled: Vec<bool> = lines().map(|it| it.was_unsettled).collect();
    sqlx::query!(
        r#"
        UPDATE payments.tallies t
        SET matched_lines = t.matched_lines + n.lines, matched_total = t.matched_total + n.total,
            missing_lines = t.missing_lines - n.found,
            missing_total = t.missing_total - n.found_total
        FROM (
            SELECT run_no, part, count(*) AS lines, sum(amount) AS total,
                count(*) FILTER (WHERE unsettled) AS found,
                coalesce(sum(amount) FILTER (WHERE unsettled), 0) AS found_total
            FROM unnest($2::bigint[], $3::smallint[], $4::numeric[], $5::boolean[])
                AS l (run_no, part, amount, unsettled)
            GROUP BY run_no, part
        ) n
        WHERE t.institution = $1 AND (t.run_no, t.part) = (n.run_no, n.part)
        "#,
        resolved.institution.number(),
        &run_nos,
        &parts,
        &amounts,
        &unsettled,
    )
    .execute(tx)
    .await?;
    Ok(())
}

pub(crate) async fn insert_breaks(
    tx: &mut PgConnection,
    part: Part,
    matched: &StatementMatched,
) -> Result<(), Error> {
    let numbers: Vec<i32> = (1..).take(matched.breaks.len()).collect();
    let breaks = &matched.breaks;
    let kinds: Vec<String> = breaks.iter().map(|it| it.kind.code().to_owned()).collect();
    let run_nos: Vec<Option<i64>> = breaks.iter().map(|it| it.run_no.map(|it| it.0)).collect();
    let chunks: Vec<Option<i32>> = breaks.iter().map(|it| it.chunk.map(|it| it.0)).collect();
    let lines: Vec<Option<i32>> = breaks.iter().map(|it| it.line.map(|it| it.0)).collect();
    let entries: Vec<Option<i64>> = breaks.iter().map(|it| it.entry_no).collect();
    let amounts: Vec<Decimal> = breaks.iter().map(|it| it.amount.decimal()).collect();
    sqlx::query!(
        r#"
        INSERT INTO payments.breaks (institution, statement_no, part, break_no, kind, run_no,
            chunk, line, entry_no, amount)
        SELECT $1, $2, $3, b.* FROM unnest($4::int[], $5::text[], $6::bigint[], $7::int[],
            $8::int[], $9::bigint[], $10::numeric[]) AS b
        "#,
        matched.institution.number(),
        matched.statement_no,
        part.number(),
        &numbers,
        &kinds,
        &run_nos as &[Option<i64>],
        &chunks as &[Option<i32>],
        &lines as &[Option<i32>],
        &entries as &[Option<i64>],
        &amounts,
    )
    .execute(tx)
    .await?;
    Ok(())
}

fn status_text(status: ResultStatus) -> &'static str {
    match status {
        ResultStatus::Credited => "credited",
        ResultStatus::Rejected => "rejected",
    }
}

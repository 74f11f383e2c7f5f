//! What goes out of released runs: waves, messages, and what is stopped.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, Utc};
use domain::{ChunkNo, Institution, LineNo, Money, Part, Province, RunNo};
use rust_decimal::Decimal;
use sqlx::PgConnection;

use super::work::{PartWork, lines_after};
use super::{institution_of, province_of, runs};
use crate::Error;
use crate::line::Line;
use crate::release::ChunkSize;
use crate::run::{Run, State};

/// A chunk that something is to be done with.
#[derive(Debug)]
pub(crate) struct NextChunk {
    pub chunk: ChunkNo,
    pub institution: Institution,
    /// Messages that have left with lines of it.
    pub messages: i16,
    pub stopped_by: Option<i64>,
}

/// Lines of a chunk that are not out, by what is to become of each.
#[derive(Debug, Default)]
pub(crate) struct NotOut {
    /// To go with the next message.
    pub going: Vec<Line>,
    /// Held because somebody paused it or no money was there for it; with the hold.
    pub aside: Vec<(Line, i64, HeldFor)>,
}

/// What the engine holds a line of an approved run for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::Type)]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub(crate) enum HeldFor {
    Pause,
    Funding,
}

pub(crate) async fn chunk_sizes(
    tx: &mut PgConnection,
    run_no: RunNo,
) -> Result<Vec<ChunkSize>, Error> {
    let rows = sqlx::query!(
        r#"
        SELECT part AS "part: Part", chunk AS "chunk: ChunkNo", institution, lines
        FROM payments.chunks WHERE run_no = $1 ORDER BY part, chunk
        "#,
        run_no.0,
    )
    .fetch_all(tx)
    .await?;
    let size = rows.into_iter().map(|it| ChunkSize {
        part: it.part,
        chunk: it.chunk,
        institution: institution_of(it.institution),
        lines: it.lines.into(),
    });
    Ok(size.collect())
}

/// Plans which chunk goes out in which wave, and lets the first begin.
pub(crate) async fn plan_waves(
    tx: &mut PgConnection,
    run_no: RunNo,
    (chunks, waves): (&[ChunkSize], &[i16]),
) -> Result<(), Error> {
    let parts: Vec<i16> = chunks.iter().map(|it| it.part.number()).collect();
    let numbers: Vec<i32> = chunks.iter().map(|it| it.chunk.0).collect();
    sqlx::query!(
        r#"
        WITH planned AS (
            UPDATE payments.chunks c SET wave = w.wave
            FROM unnest($2::smallint[], $3::int[], $4::smallint[]) AS w (part, chunk, wave)
            WHERE c.run_no = $1 AND (c.part, c.chunk) = (w.part, w.chunk)
            RETURNING w.wave, c.lines, c.total
        )
        INSERT INTO payments.waves (run_no, wave, lines, total)
        SELECT $1, wave, sum(lines), sum(total) FROM planned GROUP BY wave
        "#,
        run_no.0,
        &parts,
        &numbers,
        waves,
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Lets the next planned wave begin; `None` where there is none.
pub(crate) async fn open_wave(
    tx: &mut PgConnection,
    run: &Run,
    officer: &domain::Officer,
    now: DateTime<Utc>,
) -> Result<Option<i16>, Error> {
    Ok(sqlx::query_scalar!(
        r#"
        WITH next AS (
            SELECT min(w.wave) AS wave FROM payments.waves w JOIN payments.runs r USING (run_no)
            WHERE w.run_no = $1 AND w.wave > r.wave
        ), opened AS (
            INSERT INTO payments.wave_openings (run_no, wave, officer, opened_at)
            SELECT $1, wave, $2, $3 FROM next WHERE wave IS NOT NULL
            RETURNING wave
        )
        UPDATE payments.runs r SET wave = o.wave FROM opened o WHERE r.run_no = $1
        RETURNING r.wave
        "#,
        run.run_no.0,
        officer.as_str(),
        now,
    )
    .fetch_optional(tx)
    .await?)
}

/// The next chunks of a partition that may go out now or are stopped, read while it is held.
pub(crate) async fn next_chunks(
    tx: &mut PgConnection,
    work: &PartWork,
    limit: i64,
    now: DateTime<Utc>,
) -> Result<Vec<NextChunk>, Error> {
    let rows = sqlx::query!(
        r#"
        SELECT c.chunk AS "chunk: ChunkNo", c.institution, c.messages, c.stopped_by
        FROM payments.chunks c JOIN payments.runs r USING (run_no)
        WHERE c.run_no = $1 AND c.part = $2 AND c.standing = 'waiting'
            AND (c.stopped_by IS NOT NULL OR c.wave <= r.wave
                AND NOT payments.is_paused(c.run_no, c.institution, r.programme)
                AND NOT EXISTS (SELECT FROM payments.rate_buckets b
                    WHERE b.institution = c.institution AND b.next_at > $4))
        ORDER BY c.chunk LIMIT $3
        "#,
        work.run_no.0,
        work.part.number(),
        limit,
        now,
    )
    .fetch_all(tx)
    .await?;
    let next = rows.into_iter().map(|it| NextChunk {
        chunk: it.chunk,
        institution: institution_of(it.institution),
        messages: it.messages,
        stopped_by: it.stopped_by,
    });
    Ok(next.collect())
}

/// What of a chunk is not out yet. What is held for another reason stays where it is.
pub(crate) async fn not_out(
    tx: &mut PgConnection,
    work: &PartWork,
    next: &NextChunk,
) -> Result<NotOut, Error> {
    let before = ChunkNo(next.chunk.0 - 1);
    let lines = lines_after(tx, work.run_no, work.part, before, 1).await?;
    let holds = holds_of_chunk(tx, work, next.chunk).await?;
    let later = later_lines(tx, work, next).await?;
    let mut not_out = NotOut::default();
    for line in lines.into_iter().flat_map(|(_, lines)| lines) {
        let number = line.position.line;
        match holds.get(&number) {
            Some(held) => {
                let only = match &held[..] {
                    [(exception_no, Some(held_for))] => Some((*exception_no, *held_for)),
                    _ => None,
                };
                not_out
                    .aside
                    .extend(only.map(|(hold, held_for)| (line, hold, held_for)));
            }
            None if next.messages == 0 || later.contains(&number) => not_out.going.push(line),
            None => {}
        }
    }
    Ok(not_out)
}

type Holds = HashMap<LineNo, Vec<(i64, Option<HeldFor>)>>;

async fn holds_of_chunk(
    tx: &mut PgConnection,
    work: &PartWork,
    chunk: ChunkNo,
) -> Result<Holds, Error> {
    let rows = sqlx::query!(
        r#"
        SELECT line AS "line!: LineNo", exception_no,
            CASE WHEN held_by IN ('pause', 'funding') THEN held_by END AS "held_for: HeldFor"
        FROM payments.exceptions
        WHERE run_no = $1 AND part = $2 AND chunk = $3 AND kind IN ('held', 'stopped')
            AND resolved_at IS NULL
        "#,
        work.run_no.0,
        work.part.number(),
        chunk.0,
    )
    .fetch_all(tx)
    .await?;
    let mut holds = Holds::new();
    for row in rows {
        let of_line = holds.entry(row.line).or_default();
        of_line.push((row.exception_no, row.held_for));
    }
    Ok(holds)
}

async fn later_lines(
    tx: &mut PgConnection,
    work: &PartWork,
    next: &NextChunk,
) -> Result<HashSet<LineNo>, Error> {
    if next.messages == 0 {
        return Ok(HashSet::new());
    }
    let rows = sqlx::query_scalar!(
        r#"
        SELECT line AS "line: LineNo" FROM payments.later_lines
        WHERE run_no = $1 AND part = $2 AND chunk = $3 AND message = $4
        "#,
        work.run_no.0,
        work.part.number(),
        next.chunk.0,
        next.messages,
    )
    .fetch_all(tx)
    .await?;
    Ok(rows.into_iter().collect())
}

/// The places whose lines are paused, as their scopes are stored.
pub(crate) async fn paused_places(tx: &mut PgConnection) -> Result<HashSet<String>, Error> {
    let scopes = sqlx::query_scalar!(
        r#"
        SELECT scope FROM payments.pauses
        WHERE starts_with(scope, 'province/') OR starts_with(scope, 'commune/')
        "#
    )
    .fetch_all(tx)
    .await?;
    Ok(scopes.into_iter().collect())
}

/// These chunks have said all that they have to say now; those with lines by a message.
pub(crate) async fn set_released(
    tx: &mut PgConnection,
    work: &PartWork,
    (done, sent): (&[ChunkNo], &[Vec<Line>]),
    now: DateTime<Utc>,
) -> Result<(), Error> {
    let done: Vec<i32> = done.iter().map(|it| it.0).collect();
    let numbers: Vec<i32> = sent.iter().map(|it| it[0].position.chunk.0).collect();
    sqlx::query!(
        r#"
        UPDATE payments.chunks
        SET standing = 'done', messages = messages + (chunk = ANY($4))::int,
            released_at = CASE WHEN chunk = ANY($4) THEN $5 ELSE released_at END,
            overdue_at = CASE WHEN chunk = ANY($4) THEN NULL ELSE overdue_at END
        WHERE run_no = $1 AND part = $2 AND chunk = ANY($3)
        "#,
        work.run_no.0,
        work.part.number(),
        &done,
        &numbers,
        now,
    )
    .execute(&mut *tx)
    .await?;
    let institutions: Vec<i32> = sent.iter().map(|it| it[0].institution.number()).collect();
    let counts = sent.iter().map(|it| i64::try_from(it.len()));
    let counts: Vec<i64> = counts.map(|it| it.expect("at most a thousand")).collect();
    let total = |it: &Vec<Line>| Money::sum(it.iter().map(|it| it.amount)).decimal();
    let totals: Vec<Decimal> = sent.iter().map(total).collect();
    sqlx::query!(
        r#"
        INSERT INTO payments.tallies AS t
            (run_no, part, institution, released_lines, released_total)
        SELECT $1, $2, s.institution, sum(s.lines), sum(s.total)
        FROM unnest($3::int[], $4::bigint[], $5::numeric[]) AS s (institution, lines, total)
        GROUP BY s.institution ORDER BY s.institution
        ON CONFLICT (run_no, part, institution) DO UPDATE
        SET released_lines = t.released_lines + excluded.released_lines,
            released_total = t.released_total + excluded.released_total
        "#,
        work.run_no.0,
        work.part.number(),
        &institutions,
        &counts,
        &totals,
    )
    .execute(&mut *tx)
    .await?;
    finish_release(tx, work).await
}

/// With its last chunk the run is out, or waits for money again where some of it had none. What is
/// paused keeps it releasing. Two partitions that end together take turns on the run's row.
async fn finish_release(tx: &mut PgConnection, work: &PartWork) -> Result<(), Error> {
    if is_waiting(tx, work.run_no, Some(work.part)).await? {
        return Ok(());
    }
    runs::lock_run(tx, work.run_no).await?;
    if is_waiting(tx, work.run_no, None).await? {
        return Ok(());
    }
    let aside = sqlx::query_scalar!(
        r#"
        SELECT DISTINCT held_by AS "held_for!: HeldFor" FROM payments.exceptions
        WHERE run_no = $1 AND held_by IN ('pause', 'funding') AND resolved_at IS NULL
        "#,
        work.run_no.0,
    )
    .fetch_all(&mut *tx)
    .await?;
    let state = match &aside[..] {
        [] => State::Released,
        [HeldFor::Funding] => State::Unfunded,
        _ => return Ok(()),
    };
    runs::set_state(tx, work.run_no, state).await
}

async fn is_waiting(
    tx: &mut PgConnection,
    run_no: RunNo,
    part: Option<Part>,
) -> Result<bool, Error> {
    Ok(sqlx::query_scalar!(
        r#"
        SELECT EXISTS (SELECT FROM payments.chunks
            WHERE run_no = $1 AND ($2::smallint IS NULL OR part = $2) AND standing = 'waiting')
            AS "waiting!"
        "#,
        run_no.0,
        part.map(Part::number),
    )
    .fetch_one(tx)
    .await?)
}

/// The chunk is stopped for good: its lines are exceptions, what held them holds them no more, and
/// what goes back to each level's fund is written down.
pub(crate) async fn set_stopped(
    tx: &mut PgConnection,
    work: &PartWork,
    (next, order_no): (&NextChunk, i64),
    (lines, holds): (&[&Line], &[i64]),
    paid_back: &[(Option<Province>, Money)],
    now: DateTime<Utc>,
) -> Result<(), Error> {
    let numbers: Vec<i32> = lines.iter().map(|it| it.position.line.0).collect();
    let persons: Vec<i64> = lines.iter().map(|it| it.person_no.0).collect();
    let amounts: Vec<Decimal> = lines.iter().map(|it| it.amount.decimal()).collect();
    sqlx::query!(
        r#"
        INSERT INTO payments.exceptions
            (run_no, part, chunk, kind, detail, opened_at, line, person_no, amount)
        SELECT $1, $2, $3, 'stopped', 'stopped, to be issued again', $4, x.*
        FROM unnest($5::int[], $6::bigint[], $7::numeric[]) AS x
        "#,
        work.run_no.0,
        work.part.number(),
        next.chunk.0,
        now,
        &numbers,
        &persons,
        &amounts,
    )
    .execute(&mut *tx)
    .await?;
    super::holds::free_lines(tx, work.part, holds, now).await?;
    let levels = paid_back.iter();
    let levels: Vec<i16> = levels
        .map(|(it, _)| it.map_or(0, Province::number))
        .collect();
    let sums: Vec<Decimal> = paid_back.iter().map(|(_, it)| it.decimal()).collect();
    sqlx::query!(
        r#"
        INSERT INTO payments.stops (run_no, part, chunk, order_no, province, amount)
        SELECT $1, $2, $3, $4, s.* FROM unnest($5::smallint[], $6::numeric[]) AS s
        "#,
        work.run_no.0,
        work.part.number(),
        next.chunk.0,
        order_no,
        &levels,
        &sums,
    )
    .execute(&mut *tx)
    .await?;
    sqlx::query!(
        r#"
        UPDATE payments.chunks SET standing = 'stopped'
        WHERE run_no = $1 AND part = $2 AND chunk = $3
        "#,
        work.run_no.0,
        work.part.number(),
        next.chunk.0,
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// What an order has taken back of a run by level, once its last chunk is stopped. Partitions take
/// turns on the run's row, so that the last one sees the others.
pub(crate) async fn stopped_by(
    tx: &mut PgConnection,
    run_no: RunNo,
    order_no: i64,
) -> Result<Option<Vec<(Option<Province>, Money)>>, Error> {
    runs::lock_run(tx, run_no).await?;
    let waiting = sqlx::query_scalar!(
        r#"
        SELECT EXISTS (SELECT FROM payments.chunks
            WHERE run_no = $1 AND stopped_by = $2 AND standing = 'waiting') AS "waiting!"
        "#,
        run_no.0,
        order_no,
    )
    .fetch_one(&mut *tx)
    .await?;
    if waiting {
        return Ok(None);
    }
    let rows = sqlx::query!(
        r#"
        SELECT province, sum(amount) AS "amount!: Money" FROM payments.stops
        WHERE run_no = $1 AND order_no = $2 GROUP BY province ORDER BY province
        "#,
        run_no.0,
        order_no,
    )
    .fetch_all(tx)
    .await?;
    let level = |it| (it > 0).then(|| province_of(it));
    let sums = rows.into_iter().map(|it| (level(it.province), it.amount));
    Ok(Some(sums.collect()))
}

//! Payees become lines.

use std::collections::HashMap;

use chrono::{DateTime, NaiveDate, Utc};
use domain::{
    Channel, ChunkNo, Institution, Money, Part, Period, PersonNo, Programme, RunNo, stretches,
};
use events::{PartResolved, PayeeLine};
use ledger::{Root, merkle_root};
use rust_decimal::Decimal;
use sqlx::PgConnection;

use super::institution_of;
use crate::Error;
use crate::line::Line;
use crate::run::State;

/// A chunk that still takes lines.
#[derive(Debug, Clone)]
pub(crate) struct OpenChunk {
    pub chunk: ChunkNo,
    pub institution: Institution,
    pub channel: Channel,
    pub next_line: i32,
    pub lines: i32,
    pub total: Money,
    pub touched: bool,
}

/// What has arrived of a partition.
#[derive(Debug, Clone)]
pub(crate) struct Prepared {
    pub lines: i64,
    pub total: Money,
    /// Taken off what was announced.
    pub deducted_total: Money,
    pub held_lines: i64,
    pub held_total: Money,
    /// Of the lines, those of past periods.
    pub arrears_lines: i64,
    pub arrears_total: Money,
    /// Of their sum, what provinces pay.
    pub local_total: Money,
    pub chunks: i32,
}

impl OpenChunk {
    pub fn new(chunk: ChunkNo, institution: Institution, channel: Channel) -> OpenChunk {
        OpenChunk {
            chunk,
            institution,
            channel,
            next_line: 1,
            lines: 0,
            total: Money::ZERO,
            touched: false,
        }
    }
}

/// Which of these people's obligations of a period exist already, in any run.
pub(crate) async fn obliged(
    tx: &mut PgConnection,
    (part, programme, period): (Part, Programme, Period),
    persons: &[PersonNo],
) -> Result<Vec<(PersonNo, i16)>, Error> {
    let (first, last) = stretches(persons);
    let rows = sqlx::query!(
        r#"
        -- LATERAL with OFFSET 0 reads by key, whatever the statistics say of a table that grows
        -- while the run is prepared. Strangers among the people do no harm.
        SELECT o.person_no AS "person_no: PersonNo", o.determination_no
        FROM unnest($4::bigint[], $5::bigint[]) AS s (first, last)
        CROSS JOIN LATERAL (
            SELECT person_no, determination_no FROM payments.obligations o
            WHERE o.part = $1 AND o.programme = $2 AND o.period = $3
                AND o.person_no BETWEEN s.first AND s.last OFFSET 0
        ) o
        "#,
        part.number(),
        programme.number(),
        period.first_day(),
        &first,
        &last,
    )
    .fetch_all(tx)
    .await?;
    Ok(rows
        .into_iter()
        .map(|it| (it.person_no, it.determination_no))
        .collect())
}

/// How many chunks the partition has, and those with room. `None` once it is prepared: it takes no
/// more lines.
pub(crate) async fn open_chunks(
    tx: &mut PgConnection,
    run_no: RunNo,
    part: Part,
) -> Result<Option<(i32, Vec<OpenChunk>)>, Error> {
    let chunks = sqlx::query_scalar!(
        r#"
        SELECT chunks FROM payments.run_parts WHERE run_no = $1 AND part = $2 AND NOT prepared
        FOR NO KEY UPDATE
        "#,
        run_no.0,
        part.number(),
    )
    .fetch_optional(&mut *tx)
    .await?;
    let Some(chunks) = chunks else {
        return Ok(None);
    };
    let rows = sqlx::query!(
        r#"
        SELECT chunk AS "chunk: ChunkNo", institution, channel AS "channel: Channel", next_line,
            lines, total AS "total: Money"
        FROM payments.chunks WHERE run_no = $1 AND part = $2 AND next_line <= $3
        "#,
        run_no.0,
        part.number(),
        domain::CHUNK_LINES_MAX,
    )
    .fetch_all(tx)
    .await?;
    let open = rows.into_iter().map(|it| OpenChunk {
        chunk: it.chunk,
        institution: institution_of(it.institution),
        channel: it.channel,
        next_line: it.next_line,
        lines: it.lines,
        total: it.total,
        touched: false,
    });
    Ok(Some((chunks, open.collect())))
}

/// `period` is the run's own.
pub(crate) async fn insert_lines(
    tx: &mut PgConnection,
    period: Period,
    lines: &[Line],
) -> Result<(), Error> {
    let mut copied = bulk::Rows::into(
        "COPY payments.lines (run_no, part, chunk, line, person_no, determination_no, amount,
            province, rate_no, account_sealed, account_index, holder_sealed, period, local,
            payee_no, commune, deducted, recovery_no) FROM STDIN (FORMAT binary)",
        18,
    );
    for line in lines {
        let at = line.position;
        copied
            .row()
            .with(at.run.0)
            .with(at.part.number())
            .with(at.chunk.0)
            .with(at.line.0)
            .with(line.person_no.0)
            .with(line.determination_no)
            .with(line.amount.decimal())
            .with(line.province.number())
            .with(line.rate_no)
            .with(line.account.as_ref().map(privacy::Sealed::as_bytes))
            .with(line.account_index.as_ref().map(|it| &it.as_bytes()[..]))
            .with(line.holder.as_bytes())
            .with(line.arrears_of.unwrap_or(period).first_day())
            .with(line.local.decimal())
            .with(line.payee_no.map(|it| it.0))
            .with(line.commune)
            .with(line.deduction.map_or(Money::ZERO, |it| it.amount).decimal())
            .with(line.deduction.map(|it| it.recovery_no))
            .end();
    }
    copied.send(tx).await?;
    Ok(())
}

/// Takes what is owed once; a second taker fails on the constraint. `period` is the run's own.
pub(crate) async fn insert_obligations(
    tx: &mut PgConnection,
    (part, programme, period): (Part, Programme, Period),
    lines: &[Line],
) -> Result<(), Error> {
    let mut copied = bulk::Rows::into(
        "COPY payments.obligations (part, programme, period, person_no, determination_no, run_no,
            chunk, line) FROM STDIN (FORMAT binary)",
        8,
    );
    for line in lines {
        let at = line.position;
        copied
            .row()
            .with(part.number())
            .with(programme.number())
            .with(line.arrears_of.unwrap_or(period).first_day())
            .with(line.person_no.0)
            .with(line.determination_no)
            .with(at.run.0)
            .with(at.chunk.0)
            .with(at.line.0)
            .end();
    }
    copied.send(tx).await?;
    Ok(())
}

/// What another run owes already is not paid again; a person looks at each.
pub(crate) async fn insert_obligation_exceptions(
    tx: &mut PgConnection,
    (run_no, part, period): (RunNo, Part, Period),
    (refused, detail): (&[PayeeLine], &str),
    now: DateTime<Utc>,
) -> Result<(), Error> {
    if refused.is_empty() {
        return Ok(());
    }
    let persons: Vec<i64> = refused.iter().map(|it| it.person_no.0).collect();
    let amounts: Vec<Decimal> = refused.iter().map(|it| it.amount.decimal()).collect();
    let periods: Vec<NaiveDate> = refused
        .iter()
        .map(|it| it.period.unwrap_or(period).first_day())
        .collect();
    let determinations: Vec<i16> = refused.iter().map(|it| it.determination_no).collect();
    sqlx::query!(
        r#"
        INSERT INTO payments.exceptions
            (run_no, part, kind, detail, opened_at, person_no, amount, period, determination_no)
        SELECT $1, $2, 'obligation_exists', $8, $3, x.*
        FROM unnest($4::bigint[], $5::numeric[], $6::date[], $7::smallint[]) AS x
        "#,
        run_no.0,
        part.number(),
        now,
        &persons,
        &amounts,
        &periods,
        &determinations,
        detail,
    )
    .execute(tx)
    .await?;
    Ok(())
}

pub(crate) async fn upsert_chunks(
    tx: &mut PgConnection,
    run_no: RunNo,
    part: Part,
    chunks: &[OpenChunk],
) -> Result<(), Error> {
    let numbers: Vec<i32> = chunks.iter().map(|it| it.chunk.0).collect();
    let institutions: Vec<i32> = chunks.iter().map(|it| it.institution.number()).collect();
    let channels: Vec<String> = chunks.iter().map(|it| it.channel.to_string()).collect();
    let next_lines: Vec<i32> = chunks.iter().map(|it| it.next_line).collect();
    let lines: Vec<i32> = chunks.iter().map(|it| it.lines).collect();
    let totals: Vec<Decimal> = chunks.iter().map(|it| it.total.decimal()).collect();
    sqlx::query!(
        r#"
        INSERT INTO payments.chunks
            (run_no, part, chunk, institution, channel, next_line, lines, total)
        SELECT $1, $2, c.*
        FROM unnest($3::int[], $4::int[], $5::text[], $6::int[], $7::int[], $8::numeric[]) AS c
        ON CONFLICT (run_no, part, chunk) DO UPDATE
        SET next_line = excluded.next_line, lines = excluded.lines, total = excluded.total
        "#,
        run_no.0,
        part.number(),
        &numbers,
        &institutions,
        &channels,
        &next_lines,
        &lines,
        &totals,
    )
    .execute(tx)
    .await?;
    Ok(())
}

pub(crate) async fn add_prepared(
    tx: &mut PgConnection,
    run_no: RunNo,
    part: Part,
    prepared: &Prepared,
) -> Result<(), Error> {
    sqlx::query!(
        r#"
        UPDATE payments.run_parts
        SET lines = lines + $3, total = total + $4, held_lines = held_lines + $5,
            held_total = held_total + $6, chunks = $7, arrears_lines = arrears_lines + $8,
            arrears_total = arrears_total + $9, local_total = local_total + $10,
            deducted_total = deducted_total + $11
        WHERE run_no = $1 AND part = $2
        "#,
        run_no.0,
        part.number(),
        prepared.lines,
        prepared.total as Money,
        prepared.held_lines,
        prepared.held_total as Money,
        prepared.chunks,
        prepared.arrears_lines,
        prepared.arrears_total as Money,
        prepared.local_total as Money,
        prepared.deducted_total as Money,
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Notes what was announced of partitions and gives back what has arrived of each.
pub(crate) async fn announce(
    tx: &mut PgConnection,
    run_no: RunNo,
    announced: &[&PartResolved],
) -> Result<HashMap<Part, Prepared>, Error> {
    let parts: Vec<i16> = announced.iter().map(|it| it.part.number()).collect();
    let lines: Vec<i64> = announced.iter().map(|it| it.lines).collect();
    let totals: Vec<Decimal> = announced.iter().map(|it| it.total.decimal()).collect();
    let not_owed: Vec<i64> = announced.iter().map(|it| it.not_owed).collect();
    let rows = sqlx::query!(
        r#"
        UPDATE payments.run_parts p
        SET expected_lines = a.lines, expected_total = a.total, not_owed = a.not_owed
        FROM unnest($2::smallint[], $3::bigint[], $4::numeric[], $5::bigint[])
            AS a (part, lines, total, not_owed)
        WHERE p.run_no = $1 AND p.part = a.part
        RETURNING p.part AS "part: Part", p.lines, p.total AS "total: Money",
            p.deducted_total AS "deducted_total: Money", p.held_lines,
            p.held_total AS "held_total: Money", p.arrears_lines,
            p.arrears_total AS "arrears_total: Money", p.local_total AS "local_total: Money",
            p.chunks
        "#,
        run_no.0,
        &parts,
        &lines,
        &totals,
        &not_owed,
    )
    .fetch_all(tx)
    .await?;
    let arrived = rows.into_iter().map(|it| {
        let prepared = Prepared {
            lines: it.lines,
            total: it.total,
            deducted_total: it.deducted_total,
            held_lines: it.held_lines,
            held_total: it.held_total,
            arrears_lines: it.arrears_lines,
            arrears_total: it.arrears_total,
            local_total: it.local_total,
            chunks: it.chunks,
        };
        (it.part, prepared)
    });
    Ok(arrived.collect())
}

pub(crate) async fn set_roots(
    tx: &mut PgConnection,
    run_no: RunNo,
    part: Part,
    roots: &[(ChunkNo, Root)],
) -> Result<(), Error> {
    let chunks: Vec<i32> = roots.iter().map(|(chunk, _)| chunk.0).collect();
    let roots: Vec<&[u8]> = roots.iter().map(|(_, root)| &root.0[..]).collect();
    sqlx::query!(
        r#"
        UPDATE payments.chunks c SET root = r.root
        FROM unnest($3::int[], $4::bytea[]) AS r (chunk, root)
        WHERE c.run_no = $1 AND c.part = $2 AND c.chunk = r.chunk
        "#,
        run_no.0,
        part.number(),
        &chunks,
        &roots as &[&[u8]],
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Partitions are prepared; with the last one the run awaits approval.
pub(crate) async fn finish_preparation(
    tx: &mut PgConnection,
    run_no: RunNo,
    parts: &[i16],
    now: DateTime<Utc>,
) -> Result<(), Error> {
    // Those that finish together take turns here, so that the second sees the first.
    sqlx::query!(
        r#"
        WITH prepared AS (
            UPDATE payments.run_parts SET prepared = true WHERE run_no = $1 AND part = ANY($2)
        )
        SELECT run_no FROM payments.runs WHERE run_no = $1 FOR NO KEY UPDATE
        "#,
        run_no.0,
        parts,
    )
    .fetch_one(&mut *tx)
    .await?;
    let left = sqlx::query_scalar!(
        r#"
        SELECT count(*) AS "left!" FROM payments.run_parts WHERE run_no = $1 AND NOT prepared
        "#,
        run_no.0,
    )
    .fetch_one(&mut *tx)
    .await?;
    if left == 0 {
        super::editors::record_edits(tx, run_no, now).await?;
        super::runs::sum_up_run(tx, run_no).await?;
        super::runs::set_state(tx, run_no, State::AwaitingApproval).await?;
    }
    Ok(())
}

/// The root of a run: over its chunks' roots in the order of partition and chunk.
pub(super) async fn run_root(tx: &mut PgConnection, run_no: RunNo) -> Result<Root, Error> {
    let roots = sqlx::query_scalar!(
        r#"
        SELECT root AS "root!" FROM payments.chunks
        WHERE run_no = $1 AND lines > 0 ORDER BY part, chunk
        "#,
        run_no.0,
    )
    .fetch_all(tx)
    .await?;
    let leaves = roots.iter().map(|it| ledger::leaf_hash(it));
    Ok(merkle_root(leaves))
}

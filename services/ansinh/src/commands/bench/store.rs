//! SQL of the bench: yardsticks, and what the server says of itself.

mod books;
pub(super) mod history;

use std::time::Instant;

use chrono::{DateTime, Utc};
use domain::{ChunkNo, LineNo, Part, Position, RunNo};
use sqlx::{PgConnection, PgPool};

use super::{elapsed, per_second};

pub(super) use books::{
    AMOUNT, Copied, OwnDatabase, RUN, booked_and_copied, checkpoint, create_copied,
};

pub(super) const YARDSTICK_ROWS: u64 = 1_000_000;
/// The signature, no flags, no header extension (PostgreSQL manual, "COPY", "Binary Format").
const COPY_HEADER: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
/// A sample of messages stays below this in memory, whatever the chain has said.
const SAMPLE_BYTES: u64 = 64 << 20;
const SAMPLE_MESSAGES: u64 = 4_096;

/// What services have said.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Said {
    pub messages: u64,
    pub bytes: u64,
}

/// Where a run's lines are.
#[derive(Debug, sqlx::FromRow)]
pub(super) struct Stand {
    pub state: String,
    pub released: i64,
    pub answered: i64,
    pub credited: i64,
    pub matched: i64,
}

/// A message as it stands in an outbox.
#[derive(Debug, sqlx::FromRow)]
pub(super) struct Spoken {
    pub speaker: String,
    pub body: Vec<u8>,
    pub prev_hash: Vec<u8>,
    pub hash: Vec<u8>,
}

/// Raw binary `COPY` into a narrow table with a primary key: what this machine can do at most, in rows a
/// second.
pub(super) async fn yardstick(pool: &PgPool) -> anyhow::Result<u64> {
    const CREATE: &str = "CREATE TABLE public.yardstick
        (id bigint PRIMARY KEY, person_no bigint NOT NULL, amount bigint NOT NULL)";
    sqlx::raw_sql(CREATE).execute(pool).await?;
    let begun = Instant::now();
    let mut connection = pool.acquire().await?;
    let copy = "COPY public.yardstick (id, person_no, amount) FROM STDIN (FORMAT binary)";
    let mut copy = connection.copy_in_raw(copy).await?;
    let mut buffer: Vec<u8> = COPY_HEADER.to_vec();
    for id in 0..YARDSTICK_ROWS {
        buffer.extend(3i16.to_be_bytes());
        for value in [id, id * 7, 540_000] {
            buffer.extend(8i32.to_be_bytes());
            buffer.extend(value.to_be_bytes());
        }
        if buffer.len() > 512 * 1024 {
            copy.send(std::mem::take(&mut buffer)).await?;
        }
    }
    buffer.extend((-1i16).to_be_bytes());
    copy.send(buffer).await?;
    copy.finish().await?;
    let milliseconds = elapsed(begun);
    sqlx::raw_sql("DROP TABLE public.yardstick")
        .execute(pool)
        .await?;
    Ok(per_second(YARDSTICK_ROWS, milliseconds))
}

pub(super) async fn database_bytes(pool: &PgPool) -> anyhow::Result<u64> {
    let bytes: i64 = sqlx::query_scalar("SELECT pg_database_size(current_database())")
        .fetch_one(pool)
        .await?;
    Ok(bytes.unsigned_abs())
}

/// The server's processes that work for the banks.
pub(super) async fn bank_connections(pool: &PgPool) -> anyhow::Result<Vec<u32>> {
    const PIDS: &str =
        "SELECT pid FROM pg_stat_activity WHERE starts_with(application_name, 'ansinh_sandbox')";
    let pids: Vec<i32> = sqlx::query_scalar(PIDS).fetch_all(pool).await?;
    Ok(pids.into_iter().map(i32::unsigned_abs).collect())
}

/// What autovacuum does within minutes, so that the look-ups are those of a database at rest.
pub(super) async fn analyze(owner: &PgPool) -> anyhow::Result<()> {
    sqlx::raw_sql("ANALYZE").execute(owner).await?;
    sqlx::raw_sql("SELECT brin_summarize_new_values('ledger.transfers_of_lines')")
        .execute(owner)
        .await?;
    Ok(())
}

/// Bytes of the write-ahead log since the server's first start.
pub(super) async fn wal_bytes(pool: &PgPool) -> anyhow::Result<u64> {
    let bytes: i64 = sqlx::query_scalar("SELECT (pg_current_wal_lsn() - '0/0')::bigint")
        .fetch_one(pool)
        .await?;
    Ok(bytes.unsigned_abs())
}

/// Since a time.
pub(super) async fn said(pool: &PgPool, since: DateTime<Utc>) -> anyhow::Result<Said> {
    let (messages, bytes): (i64, i64) = sqlx::query_as(
        "SELECT count(*), coalesce(sum(octet_length(body)), 0)::bigint FROM messaging.outbox
        WHERE recorded_at >= $1",
    )
    .bind(since)
    .fetch_one(pool)
    .await?;
    Ok(Said {
        messages: messages.unsigned_abs(),
        bytes: bytes.unsigned_abs(),
    })
}

/// Every so many messages of what was said since a time, so that they fit into memory.
pub(super) async fn sample(
    pool: &PgPool,
    since: DateTime<Utc>,
    said: Said,
) -> anyhow::Result<Vec<Spoken>> {
    let by_bytes = said.bytes.div_ceil(SAMPLE_BYTES);
    let every = by_bytes.max(said.messages.div_ceil(SAMPLE_MESSAGES)).max(1);
    Ok(sqlx::query_as(
        "SELECT speaker, body, prev_hash, hash FROM (
            SELECT o.*, row_number() OVER (ORDER BY speaker, part, seq) AS at
            FROM messaging.outbox o WHERE recorded_at >= $1
        ) o
        WHERE (at - 1) % $2 = 0",
    )
    .bind(since)
    .bind(i64::try_from(every)?)
    .fetch_all(pool)
    .await?)
}

/// By a look that costs next to nothing.
pub(super) async fn stand(connection: &mut PgConnection, run: RunNo) -> anyhow::Result<Stand> {
    Ok(sqlx::query_as(
        "SELECT r.state, t.* FROM payments.runs r
        CROSS JOIN LATERAL (
            SELECT coalesce(sum(released_lines), 0)::bigint AS released,
                coalesce(sum(credited_lines + returned_lines), 0)::bigint AS answered,
                coalesce(sum(credited_lines), 0)::bigint AS credited,
                coalesce(sum(matched_lines), 0)::bigint AS matched
            FROM payments.tallies WHERE run_no = r.run_no
        ) t
        WHERE r.run_no = $1",
    )
    .bind(run)
    .fetch_one(connection)
    .await?)
}

/// Whether everybody has heard all that was said, and all statements are matched.
pub(super) async fn is_at_rest(pool: &PgPool) -> anyhow::Result<bool> {
    Ok(sqlx::query_scalar(
        "SELECT NOT EXISTS (
                SELECT FROM messaging.cursors c JOIN messaging.heads h USING (speaker, part)
                WHERE c.seq < h.seq)
            AND NOT EXISTS (
                SELECT FROM reconciliation.statements WHERE state IN ('arriving', 'received'))",
    )
    .fetch_one(pool)
    .await?)
}

/// The first lines of a run, partition after partition.
pub(super) async fn some_lines(
    pool: &PgPool,
    run: RunNo,
    at_most: i64,
) -> anyhow::Result<Vec<Position>> {
    let lines: Vec<(Part, ChunkNo, LineNo)> = sqlx::query_as(
        "SELECT part, chunk, line FROM payments.lines WHERE run_no = $1
        ORDER BY part, chunk, line LIMIT $2",
    )
    .bind(run)
    .bind(at_most)
    .fetch_all(pool)
    .await?;
    let lines = lines.into_iter().map(|(part, chunk, line)| Position {
        run,
        part,
        chunk,
        line,
    });
    Ok(lines.collect())
}

/// Has nothing entered as evidence any more, in a database that is thrown away.
pub(super) async fn enter_nothing(owner: &PgPool) -> anyhow::Result<()> {
    sqlx::raw_sql(
        "DO $$
        DECLARE
            it record;
        BEGIN
            FOR it IN SELECT tgrelid::regclass AS of_table, tgname FROM pg_trigger
                WHERE tgname LIKE 'evident\\_%' LOOP
                EXECUTE format('ALTER TABLE %s DISABLE TRIGGER %I', it.of_table, it.tgname);
            END LOOP;
        END $$",
    )
    .execute(owner)
    .await?;
    Ok(())
}

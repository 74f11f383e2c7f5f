//! SQL of the bench: the yardstick, and what the server says of itself.

use std::time::Instant;

use sqlx::PgPool;

use super::{elapsed, per_second};

pub(super) const YARDSTICK_ROWS: u64 = 1_000_000;

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
    let mut buffer: Vec<u8> = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0".to_vec();
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

/// How many messages services have said, and their bytes.
pub(super) async fn said(pool: &PgPool) -> anyhow::Result<(u64, u64)> {
    let (messages, bytes): (i64, i64) = sqlx::query_as(
        "SELECT count(*), coalesce(sum(octet_length(body)), 0)::bigint FROM messaging.outbox",
    )
    .fetch_one(pool)
    .await?;
    Ok((messages.unsigned_abs(), bytes.unsigned_abs()))
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

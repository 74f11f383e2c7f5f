//! All SQL of the queue and of what was sealed.

pub(crate) mod stamps;

use chrono::{DateTime, Utc};
use domain::Part;
use sqlx::postgres::PgAdvisoryLock;
use sqlx::{PgConnection, PgPool, Postgres, Row as _, Transaction};

use crate::Error;
use crate::checkpoint::SignedCheckpoint;
use crate::leaf::Leaf;
use crate::sources::Source;

/// One sealer at a time, whatever process it is of; and none while somebody notes down where the log is.
pub(crate) fn log_lock() -> PgAdvisoryLock {
    PgAdvisoryLock::new("ansinh proof log")
}

/// A service's transaction may not be idle for long; this one waits for files to be on the disk.
pub(crate) async fn wait_for_files(tx: &mut PgConnection) -> Result<(), Error> {
    sqlx::query!("SELECT set_config('idle_in_transaction_session_timeout', '60s', true)")
        .fetch_one(tx)
        .await?;
    Ok(())
}

/// What was signed last; `None` before the first.
pub(crate) async fn last_checkpoint(
    tx: &mut PgConnection,
) -> Result<Option<(u64, [u8; 32], String)>, Error> {
    let row =
        sqlx::query!("SELECT size, root, note FROM proof.checkpoints ORDER BY size DESC LIMIT 1")
            .fetch_optional(tx)
            .await?;
    Ok(row.map(|it| (it.size.unsigned_abs(), hash_of(&it.root), it.note)))
}

/// Enters what was signed before as evidence.
pub(crate) async fn enter_checkpoints(tx: &mut PgConnection) -> Result<(), Error> {
    sqlx::query!("SELECT proof.enter_checkpoints()")
        .execute(tx)
        .await?;
    Ok(())
}

/// An entry as the queue has it.
struct EntryRow {
    lane: i16,
    seq: i64,
    source: String,
    key: String,
    root: Option<Vec<u8>>,
    commitment: Vec<u8>,
}

impl From<EntryRow> for Leaf {
    fn from(it: EntryRow) -> Leaf {
        Leaf {
            source: it.source,
            key: it.key,
            lane: it.lane,
            seq: it.seq,
            root: it.root.map(hex::encode),
            commitment: hex::encode(it.commitment),
        }
    }
}

/// Entries that no leaf holds yet, lane after lane and in each lane in its order, so many at most.
pub(crate) async fn unsealed(tx: &mut PgConnection, limit: i64) -> Result<Vec<Leaf>, Error> {
    let rows = sqlx::query_as!(
        EntryRow,
        r#"
        -- LATERAL with OFFSET 0 looks each lane up by key, whatever the statistics say.
        SELECT e.lane, e.seq, e.source, e.key, e.root, e.commitment
        FROM proof.sealed s
        CROSS JOIN LATERAL (
            SELECT * FROM proof.entries e WHERE e.lane = s.lane AND e.seq > s.seq
            ORDER BY e.seq LIMIT $1 OFFSET 0
        ) e
        ORDER BY e.lane, e.seq LIMIT $1
        "#,
        limit,
    )
    .fetch_all(tx)
    .await?;
    Ok(rows.into_iter().map(Leaf::from).collect())
}

/// Writes which entries became leaves from `first` on, how far that seals each lane, and what is
/// signed of it.
pub(crate) async fn insert_sealed(
    tx: &mut PgConnection,
    first: u64,
    leaves: &[Leaf],
    signed: &SignedCheckpoint,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    let first = i64::try_from(first).expect("a log of less than 2^63 leaves");
    let lanes: Vec<i16> = leaves.iter().map(|it| it.lane).collect();
    let seqs: Vec<i64> = leaves.iter().map(|it| it.seq).collect();
    sqlx::query!(
        r#"
        INSERT INTO proof.leaves (index, lane, seq)
        SELECT $1 + n.position - 1, n.lane, n.seq
        FROM unnest($2::smallint[], $3::bigint[]) WITH ORDINALITY AS n (lane, seq, position)
        "#,
        first,
        &lanes,
        &seqs,
    )
    .execute(&mut *tx)
    .await?;
    sqlx::query!(
        r#"
        UPDATE proof.sealed s SET seq = n.seq
        FROM (SELECT lane, max(seq) AS seq
            FROM unnest($1::smallint[], $2::bigint[]) AS n (lane, seq) GROUP BY lane) n
        WHERE s.lane = n.lane
        "#,
        &lanes,
        &seqs,
    )
    .execute(&mut *tx)
    .await?;
    sqlx::query!(
        "INSERT INTO proof.checkpoints (size, root, note, sealed_at) VALUES ($1, $2, $3, $4)",
        i64::try_from(signed.size).expect("a log of less than 2^63 leaves"),
        &signed.root[..],
        signed.note,
        now,
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Since when the oldest entry waits to be sealed; `None` where none does.
///
/// # Errors
/// What the database says.
pub async fn waiting_since(tx: &mut PgConnection) -> Result<Option<DateTime<Utc>>, Error> {
    Ok(sqlx::query_scalar!("SELECT since FROM proof.waiting")
        .fetch_one(tx)
        .await?)
}

/// The note that was signed last; `None` before the first.
///
/// # Errors
/// What the database says.
pub async fn newest_checkpoint(tx: &mut PgConnection) -> Result<Option<String>, Error> {
    Ok(last_checkpoint(tx).await?.map(|(.., note)| note))
}

/// Every checkpoint that was signed, by size.
pub(crate) async fn checkpoints(
    tx: &mut PgConnection,
) -> Result<Vec<(u64, [u8; 32], String)>, Error> {
    let rows = sqlx::query!("SELECT size, root, note FROM proof.checkpoints ORDER BY size")
        .fetch_all(tx)
        .await?;
    let checkpoint = rows
        .into_iter()
        .map(|it| (it.size.unsigned_abs(), hash_of(&it.root), it.note));
    Ok(checkpoint.collect())
}

/// The leaf of a journal and its index; `None` while it is not sealed.
pub(crate) async fn leaf_of(
    pool: &PgPool,
    part: Part,
    seq: i64,
) -> Result<Option<(u64, Leaf)>, Error> {
    let row = sqlx::query!(
        r#"
        SELECT l.index, e.lane, e.seq, e.source, e.key, e.root, e.commitment
        FROM proof.entries e JOIN proof.leaves l USING (lane, seq)
        WHERE e.source = 'journal' AND e.key = $1
        "#,
        format!("{}/{seq}", part.number()),
    )
    .fetch_optional(pool)
    .await?;
    Ok(row.map(|it| {
        let leaf = Leaf {
            source: it.source,
            key: it.key,
            lane: it.lane,
            seq: it.seq,
            root: it.root.map(hex::encode),
            commitment: hex::encode(it.commitment),
        };
        (it.index.unsigned_abs(), leaf)
    }))
}

/// The leaves of the log from one index to below another, in their order.
pub(crate) async fn leaves(tx: &mut PgConnection, from: u64, to: u64) -> Result<Vec<Leaf>, Error> {
    let below_2_63 = "a log of less than 2^63 leaves";
    let rows = sqlx::query_as!(
        EntryRow,
        r#"
        SELECT e.lane, e.seq, e.source, e.key, e.root, e.commitment
        FROM proof.leaves l JOIN proof.entries e USING (lane, seq)
        WHERE l.index >= $1 AND l.index < $2 ORDER BY l.index
        "#,
        i64::try_from(from).expect(below_2_63),
        i64::try_from(to).expect(below_2_63),
    )
    .fetch_all(tx)
    .await?;
    Ok(rows.into_iter().map(Leaf::from).collect())
}

/// What a leaf commits to.
pub(crate) struct Contents {
    pub leaf: Leaf,
    pub index: u64,
    pub content: String,
    pub salt: Vec<u8>,
}

/// Leaves of a source by their keys, each with what it commits to.
pub(crate) async fn contents(
    pool: &PgPool,
    source: &Source,
    keys: &[String],
) -> Result<Vec<Contents>, Error> {
    let mut tx = pool.begin().await?;
    one_spelling(&mut tx).await?;
    // Built from constants of `sources.rs`.
    let statement = format!(
        "SELECT l.index, e.lane, e.seq, e.source, e.key, e.root, e.commitment, s.content,
            proof.salt(e.lane, e.seq) AS salt
        FROM proof.entries e JOIN proof.leaves l USING (lane, seq)
        JOIN (SELECT {key} AS key, ({content})::text AS content FROM {rows}) s USING (key)
        WHERE e.source = '{name}' AND e.key = ANY($1) ORDER BY l.index",
        key = source.key,
        content = source.content,
        rows = source.rows,
        name = source.name,
    );
    let rows = sqlx::query(sqlx::AssertSqlSafe(statement))
        .bind(keys)
        .fetch_all(&mut *tx)
        .await?;
    let contents = rows.into_iter().map(|it| Contents {
        leaf: Leaf {
            source: it.get("source"),
            key: it.get("key"),
            lane: it.get("lane"),
            seq: it.get("seq"),
            root: it.get::<Option<Vec<u8>>, _>("root").map(hex::encode),
            commitment: hex::encode(it.get::<Vec<u8>, _>("commitment")),
        },
        index: it.get::<i64, _>("index").unsigned_abs(),
        content: it.get("content"),
        salt: it.get("salt"),
    });
    Ok(contents.collect())
}

/// Times and bytes as they were written when rows were entered, until the transaction ends.
pub(crate) async fn one_spelling(tx: &mut PgConnection) -> Result<(), Error> {
    let spelling = "SELECT set_config('timezone', 'UTC', true), \
        set_config('bytea_output', 'hex', true), set_config('datestyle', 'ISO', true)";
    sqlx::raw_sql(spelling).execute(tx).await?;
    Ok(())
}

/// How a transaction begins that reads all as of one moment.
pub(crate) const AS_OF_NOW: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";

/// By which other connections read as of the same moment while `tx` is open.
pub(crate) async fn export_snapshot(tx: &mut PgConnection) -> Result<String, Error> {
    Ok(
        sqlx::query_scalar!(r#"SELECT pg_export_snapshot() AS "snapshot!""#)
            .fetch_one(tx)
            .await?,
    )
}

/// A transaction that reads as of the moment of the snapshot's.
pub(crate) async fn as_of(
    pool: &PgPool,
    snapshot: &str,
) -> Result<Transaction<'static, Postgres>, Error> {
    let mut tx = pool.begin_with(AS_OF_NOW).await?;
    // The statement takes no parameters; the server's names of snapshots are hexadecimal.
    if !snapshot
        .bytes()
        .all(|it| it.is_ascii_hexdigit() || it == b'-')
    {
        return Err(sqlx::Error::Protocol("a snapshot's name".to_owned()).into());
    }
    let statement = format!("SET TRANSACTION SNAPSHOT '{snapshot}'");
    sqlx::raw_sql(sqlx::AssertSqlSafe(statement))
        .execute(&mut *tx)
        .await?;
    Ok(tx)
}

pub(crate) fn hash_of(bytes: &[u8]) -> [u8; 32] {
    bytes
        .try_into()
        .expect("the schema keeps hashes at 32 bytes")
}

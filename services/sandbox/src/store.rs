//! All SQL of the sandbox banks.

use chrono::{DateTime, Utc};
use domain::{ChunkNo, Institution, LineNo, Money, Part, RunNo};
use events::{EntryKind, Instructions, MalformedEvent, Results};
use privacy::Sealed;
use sqlx::{PgConnection, PgPool};

use crate::Error;
use crate::banks::Entry;
use crate::statement::{Last, Paid, PartTotals, Statement};

/// Late messages sent at a time.
const DELAYED_MAX: i64 = 100;

/// A message that was carried out, with the money that came for it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FundedChunk {
    pub part: Part,
    pub run_no: RunNo,
    pub chunk: ChunkNo,
    /// Which one of the chunk, from 0.
    pub message: i16,
    pub amount: Money,
}

/// True where the bank has had no other message of the run and partition.
pub(crate) async fn is_first_of_run(
    tx: &mut PgConnection,
    message: &Instructions,
) -> Result<bool, Error> {
    Ok(sqlx::query_scalar!(
        r#"
        SELECT NOT EXISTS (SELECT FROM sandbox.funds WHERE institution = $1 AND part = $2
            AND run_no = $3 AND chunk <> $4) AS "first!"
        "#,
        message.institution.number(),
        message.part.number(),
        message.run_no.0,
        message.chunk.0,
    )
    .fetch_one(tx)
    .await?)
}

/// Takes the money of a message; false where it was taken before.
pub(crate) async fn insert_funds(
    tx: &mut PgConnection,
    message: &Instructions,
) -> Result<bool, Error> {
    let inserted = sqlx::query!(
        r#"
        INSERT INTO sandbox.funds (institution, part, run_no, chunk, amount, message)
        VALUES ($1, $2, $3, $4, $5, $6)
        ON CONFLICT DO NOTHING
        "#,
        message.institution.number(),
        message.part.number(),
        message.run_no.0,
        message.chunk.0,
        message.total as Money,
        message.message.unwrap_or_default(),
    )
    .execute(tx)
    .await?;
    Ok(inserted.rows_affected() == 1)
}

/// Books the lines of a message. A line that is booked already breaks the transaction: nothing is
/// paid twice.
pub(crate) async fn insert_entries(
    tx: &mut PgConnection,
    message: &Instructions,
    entries: &[Entry],
) -> Result<(), Error> {
    let mut copied = bulk::Rows::into(
        "COPY sandbox.entries (institution, part, run_no, chunk, line, amount, account_sealed, status,
            reason, bank_ref, vague, message) FROM STDIN (FORMAT binary)",
        12,
    );
    for entry in entries {
        copied
            .row()
            .with(message.institution.number())
            .with(message.part.number())
            .with(message.run_no.0)
            .with(message.chunk.0)
            .with(entry.line.0)
            .with(entry.amount)
            .with(entry.account.as_ref().map(Sealed::as_bytes))
            .with(entry.status)
            .with(entry.reason)
            .with(&entry.bank_ref[..])
            .with(entry.vague)
            .with(message.message.unwrap_or_default())
            .end();
    }
    copied.send(tx).await?;
    Ok(())
}

pub(crate) async fn insert_delayed(
    tx: &mut PgConnection,
    results: &Results,
    due_at: DateTime<Utc>,
) -> Result<(), Error> {
    let body = serde_json::to_string(results).expect("results serialize");
    sqlx::query!(
        r#"
        INSERT INTO sandbox.delayed (institution, part, message_id, due_at, body)
        VALUES ($1, $2, $3, $4, $5)
        "#,
        results.institution.number(),
        results.part.number(),
        &results.message_id,
        due_at,
        body,
    )
    .execute(tx)
    .await?;
    Ok(())
}

pub(crate) async fn is_any_due(pool: &PgPool, now: DateTime<Utc>) -> Result<bool, Error> {
    Ok(sqlx::query_scalar!(
        r#"
        SELECT EXISTS (SELECT FROM sandbox.delayed WHERE NOT sent AND due_at <= $1) AS "due!"
        "#,
        now,
    )
    .fetch_one(pool)
    .await?)
}

/// Keeps others from sending late answers until the transaction ends: who sends several batches
/// holds outbox sequences that another may be waiting for with late answers in hand.
pub(crate) async fn lock_delayed(tx: &mut PgConnection) -> Result<(), Error> {
    sqlx::query!("SELECT pg_advisory_xact_lock(hashtextextended('ansinh sandbox delayed', 0))")
        .execute(tx)
        .await?;
    Ok(())
}

/// The same, false where somebody else is at it.
pub(crate) async fn try_lock_delayed(tx: &mut PgConnection) -> Result<bool, Error> {
    Ok(sqlx::query_scalar!(
        r#"
        SELECT pg_try_advisory_xact_lock(hashtextextended('ansinh sandbox delayed', 0)) AS "ours!"
        "#
    )
    .fetch_one(tx)
    .await?)
}

/// Marks late answers as sent and gives them back, those due by `due_by` or any; a bounded number
/// in the order in which they became due.
pub(crate) async fn take_delayed(
    tx: &mut PgConnection,
    due_by: Option<DateTime<Utc>>,
) -> Result<Vec<Results>, Error> {
    let bodies = sqlx::query_scalar!(
        r#"
        WITH due AS (
            SELECT institution, part, message_id, due_at FROM sandbox.delayed
            WHERE NOT sent AND ($1::timestamptz IS NULL OR due_at <= $1)
            ORDER BY due_at, institution, part, message_id LIMIT $2
        ), taken AS (
            UPDATE sandbox.delayed d SET sent = true FROM due
            WHERE (d.institution, d.part, d.message_id) =
                (due.institution, due.part, due.message_id)
            RETURNING d.due_at, d.institution, d.part, d.message_id, d.body
        )
        SELECT body FROM taken ORDER BY due_at, institution, part, message_id
        "#,
        due_by,
        DELAYED_MAX,
    )
    .fetch_all(tx)
    .await?;
    let mut results = Vec::with_capacity(bodies.len());
    for body in bodies {
        results.push(serde_json::from_str(&body).map_err(MalformedEvent::from)?);
    }
    Ok(results)
}

pub(crate) async fn last_statement(
    tx: &mut PgConnection,
    institution: Institution,
) -> Result<Last, Error> {
    let last = sqlx::query_as!(
        Last,
        r#"
        SELECT statement_no AS number, closing AS "closing: Money" FROM sandbox.statements
        WHERE institution = $1 ORDER BY statement_no DESC LIMIT 1
        "#,
        institution.number(),
    )
    .fetch_optional(tx)
    .await?;
    Ok(last.unwrap_or_default())
}

/// Puts all that no statement shows yet on this one, in the order of the statement.
pub(crate) async fn claim_funds(
    tx: &mut PgConnection,
    institution: Institution,
    statement_no: i64,
) -> Result<Vec<FundedChunk>, Error> {
    Ok(sqlx::query_as!(
        FundedChunk,
        r#"
        WITH claimed AS (
            UPDATE sandbox.funds SET statement_no = $2
            WHERE institution = $1 AND statement_no IS NULL
            RETURNING part, run_no, chunk, message, amount
        )
        SELECT part AS "part: Part", run_no AS "run_no: RunNo", chunk AS "chunk: ChunkNo", message,
            amount AS "amount: Money"
        FROM claimed ORDER BY part, run_no, chunk, message
        "#,
        institution.number(),
        statement_no,
    )
    .fetch_all(tx)
    .await?)
}

/// Count and sum of what was paid of these messages, for each partition that is among them.
pub(crate) async fn totals(
    tx: &mut PgConnection,
    institution: Institution,
    chunks: &[FundedChunk],
) -> Result<Vec<PartTotals>, Error> {
    let (parts, runs, numbers, messages) = columns(chunks);
    Ok(sqlx::query_as!(
        PartTotals,
        r#"
        SELECT k.part AS "part!: Part", sum(e.entries)::bigint AS "entries!",
            coalesce(sum(e.debits), 0) AS "debits!: Money", 0::numeric AS "returned!: Money"
        FROM unnest($1::smallint[], $2::bigint[], $3::integer[], $5::smallint[])
            AS k (part, run_no, chunk, message)
        CROSS JOIN LATERAL (
            SELECT count(*) AS entries, sum(amount) AS debits FROM sandbox.entries e
            WHERE e.institution = $4 AND e.part = k.part AND e.run_no = k.run_no
                AND e.chunk = k.chunk AND e.message = k.message AND e.status = 'credited'
        ) e
        GROUP BY k.part ORDER BY k.part
        "#,
        &parts,
        &runs,
        &numbers,
        institution.number(),
        &messages,
    )
    .fetch_all(tx)
    .await?)
}

/// What was paid of a few messages, in the order of the statement.
pub(crate) async fn paid(
    tx: &mut PgConnection,
    institution: Institution,
    chunks: &[FundedChunk],
) -> Result<Vec<Paid>, Error> {
    let (parts, runs, numbers, messages) = columns(chunks);
    Ok(sqlx::query_as!(
        Paid,
        r#"
        SELECT e.run_no AS "run_no: RunNo", e.chunk AS "chunk: ChunkNo", e.line AS "line: LineNo",
            e.amount AS "amount: Money", e.account_sealed AS "account: Vec<u8>", e.bank_ref,
            'payment' AS "kind!: EntryKind"
        FROM unnest($1::smallint[], $2::bigint[], $3::integer[], $5::smallint[])
            AS k (part, run_no, chunk, message)
        JOIN sandbox.entries e ON (e.part, e.run_no, e.chunk, e.message)
            = (k.part, k.run_no, k.chunk, k.message)
        WHERE e.institution = $4 AND e.status = 'credited'
        ORDER BY e.part, e.run_no, e.chunk, e.line
        "#,
        &parts,
        &runs,
        &numbers,
        institution.number(),
        &messages,
    )
    .fetch_all(tx)
    .await?)
}

pub(crate) async fn insert_statement(
    tx: &mut PgConnection,
    statement: &Statement,
) -> Result<(), Error> {
    sqlx::query!(
        r#"
        INSERT INTO sandbox.statements (institution, statement_no, date, closing)
        VALUES ($1, $2, $3, $4)
        "#,
        statement.institution.number(),
        statement.number,
        statement.date,
        statement.closing as Money,
    )
    .execute(tx)
    .await?;
    Ok(())
}

fn columns(chunks: &[FundedChunk]) -> (Vec<i16>, Vec<i64>, Vec<i32>, Vec<i16>) {
    let parts = chunks.iter().map(|it| it.part.number()).collect();
    let runs = chunks.iter().map(|it| it.run_no.0).collect();
    let numbers = chunks.iter().map(|it| it.chunk.0).collect();
    let messages = chunks.iter().map(|it| it.message).collect();
    (parts, runs, numbers, messages)
}

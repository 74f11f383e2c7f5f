//! Reading the books.

use chrono::{DateTime, Utc};
use domain::{Institution, Money, Part, Position};
use rust_decimal::Decimal;
use sqlx::{PgConnection, PgExecutor, PgPool};

use crate::journal::{Salt, TransferContent};
use crate::{AccountNo, Error};

/// One account's turnover over all partitions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrialBalanceRow {
    pub account_no: AccountNo,
    pub debits: Money,
    pub credits: Money,
}

#[derive(Debug, Clone)]
pub struct JournalView {
    pub part: Part,
    pub seq: i64,
    pub kind: String,
    pub reference: String,
    pub lines: i32,
    pub total: Money,
    pub root: String,
    pub hash: String,
    pub recorded_at: DateTime<Utc>,
    pub transfers: Vec<TransferView>,
}

#[derive(Debug, Clone)]
pub struct TransferView {
    pub line: i32,
    pub debit: AccountNo,
    pub credit: AccountNo,
    pub amount: Money,
    pub person_no: i64,
    pub chunk: i32,
    pub chunk_line: i32,
}

/// Every account in number order; debits and credits of the whole are equal at every commit.
pub async fn trial_balance(books: impl PgExecutor<'_>) -> Result<Vec<TrialBalanceRow>, Error> {
    let rows = sqlx::query!(
        r#"
        SELECT account_no, sum(debits) AS "debits!", sum(credits) AS "credits!"
        FROM ledger.balances GROUP BY account_no ORDER BY account_no
        "#
    )
    .fetch_all(books)
    .await?;
    let row = |no, debits, credits| TrialBalanceRow {
        account_no: AccountNo(no),
        debits: whole(debits),
        credits: whole(credits),
    };
    Ok(rows
        .into_iter()
        .map(|it| row(it.account_no, it.debits, it.credits))
        .collect())
}

/// One account; zero turnover where it was never used.
pub async fn account_balance(
    pool: &PgPool,
    account_no: AccountNo,
) -> Result<TrialBalanceRow, Error> {
    let row = sqlx::query!(
        r#"
        SELECT coalesce(sum(debits), 0) AS "debits!", coalesce(sum(credits), 0) AS "credits!"
        FROM ledger.balances WHERE account_no = $1
        "#,
        account_no.0,
    )
    .fetch_one(pool)
    .await?;
    Ok(TrialBalanceRow {
        account_no,
        debits: whole(row.debits),
        credits: whole(row.credits),
    })
}

/// What is left on credit accounts in one partition, in the order asked. Holds the partition's
/// books until the transaction ends, so that it is true of whatever is posted next.
///
/// # Errors
/// What the database says.
pub async fn left(
    tx: &mut PgConnection,
    part: Part,
    accounts: &[AccountNo],
) -> Result<Vec<Money>, Error> {
    crate::store::lock_head(tx, part).await?;
    stands(tx, part, accounts).await
}

/// What credit accounts stand at in one partition just now, in the order asked.
///
/// # Errors
/// What the database says.
pub async fn stands(
    connection: &mut PgConnection,
    part: Part,
    accounts: &[AccountNo],
) -> Result<Vec<Money>, Error> {
    let numbers: Vec<i64> = accounts.iter().map(|it| it.0).collect();
    let left = sqlx::query_scalar!(
        r#"
        SELECT coalesce(b.credits - b.debits, 0) AS "left!"
        FROM unnest($2::bigint[]) WITH ORDINALITY AS n (account_no, position)
        LEFT JOIN ledger.balances b ON b.part = $1 AND b.account_no = n.account_no
        ORDER BY n.position
        "#,
        part.number(),
        &numbers,
    )
    .fetch_all(connection)
    .await?;
    Ok(left.into_iter().map(whole).collect())
}

/// One journal with its transfers; `None` where there is none.
pub async fn journal(pool: &PgPool, part: Part, seq: i64) -> Result<Option<JournalView>, Error> {
    let Some(found) = sqlx::query!(
        r#"
        SELECT run_no, kind, reference, lines, total, root, hash, recorded_at
        FROM ledger.journals WHERE part = $1 AND seq = $2
        "#,
        part.number(),
        seq,
    )
    .fetch_optional(pool)
    .await?
    else {
        return Ok(None);
    };
    let transfers = sqlx::query!(
        r#"
        SELECT line, debit, credit, amount, person_no, chunk, chunk_line
        FROM ledger.transfers WHERE run_no = $1 AND part = $2 AND seq = $3 ORDER BY line
        "#,
        found.run_no,
        part.number(),
        seq,
    )
    .fetch_all(pool)
    .await?;
    Ok(Some(JournalView {
        part,
        seq,
        kind: found.kind,
        reference: found.reference,
        lines: found.lines,
        total: whole(found.total),
        root: hex::encode(found.root),
        hash: hex::encode(found.hash),
        recorded_at: found.recorded_at,
        transfers: transfers
            .into_iter()
            .map(|it| TransferView {
                line: it.line,
                debit: AccountNo(it.debit),
                credit: AccountNo(it.credit),
                amount: whole(it.amount),
                person_no: it.person_no,
                chunk: it.chunk,
                chunk_line: it.chunk_line,
            })
            .collect(),
    }))
}

pub(crate) fn whole(amount: Decimal) -> Money {
    Money::try_from(amount).expect("the schema keeps amounts whole and not negative")
}

/// How many journals there are.
pub async fn journal_count(pool: &PgPool) -> Result<i64, Error> {
    Ok(
        sqlx::query_scalar!(r#"SELECT count(*) AS "count!" FROM ledger.journals"#)
            .fetch_one(pool)
            .await?,
    )
}

/// How an institution's clearing accounts stand in one partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Clearing {
    /// All that was ever handed to it.
    pub released: Money,
    pub in_transit: Money,
    pub unknown: Money,
    /// What its statements settled.
    pub settled: Money,
    pub suspense_debits: Money,
    pub suspense_credits: Money,
}

/// Holds the partition's books until the transaction ends, so that what it reads is true until
/// whatever the transaction says of it.
///
/// # Errors
/// What the database says.
pub async fn clearing(
    tx: &mut PgConnection,
    part: Part,
    institution: Institution,
) -> Result<Clearing, Error> {
    crate::store::lock_head(tx, part).await?;
    let row = sqlx::query!(
        r#"
        SELECT coalesce(sum(credits) FILTER (WHERE kind = 50), 0) AS "released!",
            coalesce(sum(credits - debits) FILTER (WHERE kind = 50), 0) AS "in_transit!",
            coalesce(sum(credits - debits) FILTER (WHERE kind = 55), 0) AS "unknown!",
            coalesce(sum(debits - credits) FILTER (WHERE kind = 70), 0) AS "settled!",
            coalesce(sum(debits) FILTER (WHERE kind = 80), 0) AS "suspense_debits!",
            coalesce(sum(credits) FILTER (WHERE kind = 80), 0) AS "suspense_credits!"
        FROM (
            SELECT b.account_no / 10000000000 AS kind, b.debits, b.credits
            FROM ledger.balances b JOIN ledger.accounts a USING (account_no)
            WHERE b.part = $1 AND a.institution = $2
        ) b
        "#,
        part.number(),
        institution.number(),
    )
    .fetch_one(tx)
    .await?;
    Ok(Clearing {
        released: whole(row.released),
        in_transit: whole(row.in_transit),
        unknown: whole(row.unknown),
        settled: whole(row.settled),
        suspense_debits: whole(row.suspense_debits),
        suspense_credits: whole(row.suspense_credits),
    })
}

/// The leaves of a journal's tree in their order, and what salts each.
#[derive(Debug, Clone, Default)]
pub struct JournalLeaves {
    pub contents: Vec<TransferContent>,
    pub leaves: Vec<[u8; 32]>,
    /// None for a journal of before there were salts.
    pub salts: Vec<[u8; 32]>,
}

/// # Errors
/// What the database says.
pub async fn leaves_of(pool: &PgPool, part: Part, seq: i64) -> Result<JournalLeaves, Error> {
    let secret = crate::check::secret_of(&mut *pool.acquire().await?, part).await?;
    let rows = sqlx::query!(
        r#"
        SELECT t.run_no, t.line, t.debit, t.credit, t.amount, t.person_no, t.chunk, t.chunk_line,
            j.is_salted
        FROM ledger.journals j JOIN ledger.transfers t USING (run_no, part, seq)
        WHERE j.part = $1 AND j.seq = $2 ORDER BY t.line
        "#,
        part.number(),
        seq,
    )
    .fetch_all(pool)
    .await?;
    let of_journal = Salt::of_journal(&secret, part, seq);
    let mut found = JournalLeaves::default();
    for it in rows {
        let salt = of_journal.of_line(it.line);
        let content = TransferContent {
            run_no: it.run_no,
            part,
            debit: it.debit,
            credit: it.credit,
            amount: whole(it.amount),
            person_no: it.person_no,
            chunk: it.chunk,
            chunk_line: it.chunk_line,
        };
        found.contents.push(content);
        found
            .leaves
            .push(content.leaf(Some(salt).filter(|_| it.is_salted)));
        found.salts.extend(it.is_salted.then_some(salt));
    }
    Ok(found)
}

/// A transfer of a payment, and where its journal has it.
#[derive(Debug, Clone, Copy)]
pub struct Booked {
    pub seq: i64,
    /// From 1.
    pub line: i32,
    pub content: TransferContent,
}

/// What was booked for a payment, in the order of its journals.
///
/// # Errors
/// What the database says.
pub async fn booked(pool: &PgPool, of: Position) -> Result<Vec<Booked>, Error> {
    let rows = sqlx::query!(
        r#"
        SELECT seq, line, debit, credit, amount, person_no FROM ledger.transfers
        WHERE run_no = $1 AND part = $2 AND chunk = $3 AND chunk_line = $4 ORDER BY seq, line
        "#,
        of.run.0,
        of.part.number(),
        of.chunk.0,
        of.line.0,
    )
    .fetch_all(pool)
    .await?;
    let booked = rows.into_iter().map(|it| Booked {
        seq: it.seq,
        line: it.line,
        content: TransferContent {
            run_no: of.run.0,
            part: of.part,
            debit: it.debit,
            credit: it.credit,
            amount: whole(it.amount),
            person_no: it.person_no,
            chunk: of.chunk.0,
            chunk_line: of.line.0,
        },
    });
    Ok(booked.collect())
}

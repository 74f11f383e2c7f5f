//! All SQL that writes the books.

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, Utc};
use domain::{Money, Part};
use rust_decimal::Decimal;
use sqlx::PgConnection;

use crate::posting::HashedFields;
use crate::{AccountNo, Error, Journal, Normal, Root};

pub(crate) struct JournalRow<'a> {
    pub seq: i64,
    pub journal: &'a Journal,
    pub total: Money,
    pub root: Root,
    pub prev_hash: [u8; 32],
    pub hash: [u8; 32],
}

impl JournalRow<'_> {
    pub fn lines(&self) -> i32 {
        i32::try_from(self.journal.transfers.len()).expect("a journal is a chunk")
    }

    pub fn fields(&self) -> HashedFields<'_> {
        HashedFields {
            seq: self.seq,
            kind: self.journal.kind.as_str(),
            reference: &self.journal.reference,
            run_no: self.journal.run_no.0,
            lines: self.lines(),
            total: self.total,
            root: self.root,
            prev_hash: self.prev_hash,
        }
    }
}

/// Where a partition's books end, and the secret by which its leaves are salted.
pub(crate) struct Head {
    pub seq: i64,
    pub hash: [u8; 32],
    pub secret: Vec<u8>,
}

/// A journal that is there already.
pub(crate) struct Posted {
    pub seq: i64,
    pub root: Root,
    pub is_salted: bool,
}

/// Takes the partition's sequence until the transaction ends.
pub(crate) async fn lock_head(tx: &mut PgConnection, part: Part) -> Result<Head, Error> {
    let head = sqlx::query!(
        "SELECT seq, hash, secret FROM ledger.heads WHERE part = $1 FOR NO KEY UPDATE",
        part.number(),
    )
    .fetch_one(tx)
    .await?;
    Ok(Head {
        seq: head.seq,
        hash: hash_of(&head.hash),
        secret: head.secret,
    })
}

pub(crate) async fn move_head(
    tx: &mut PgConnection,
    part: Part,
    seq: i64,
    hash: [u8; 32],
) -> Result<(), Error> {
    sqlx::query!(
        "UPDATE ledger.heads SET seq = $2, hash = $3 WHERE part = $1",
        part.number(),
        seq,
        &hash[..],
    )
    .execute(tx)
    .await?;
    Ok(())
}

pub(crate) async fn posted(
    tx: &mut PgConnection,
    part: Part,
    references: Vec<String>,
) -> Result<HashMap<String, Posted>, Error> {
    let rows = sqlx::query!(
        "SELECT reference, seq, root, is_salted FROM ledger.journals
        WHERE part = $1 AND reference = ANY($2)",
        part.number(),
        &references,
    )
    .fetch_all(tx)
    .await?;
    let posted = rows.into_iter().map(|it| {
        let posted = Posted {
            seq: it.seq,
            root: Root(hash_of(&it.root)),
            is_salted: it.is_salted,
        };
        (it.reference, posted)
    });
    Ok(posted.collect())
}

pub(crate) async fn insert_journals(
    tx: &mut PgConnection,
    part: Part,
    rows: &[JournalRow<'_>],
    now: DateTime<Utc>,
) -> Result<(), Error> {
    let seqs: Vec<i64> = rows.iter().map(|it| it.seq).collect();
    let kinds: Vec<String> = rows
        .iter()
        .map(|it| it.journal.kind.as_str().to_owned())
        .collect();
    let references: Vec<String> = rows.iter().map(|it| it.journal.reference.clone()).collect();
    let run_nos: Vec<i64> = rows.iter().map(|it| it.journal.run_no.0).collect();
    let lines: Vec<i32> = rows.iter().map(JournalRow::lines).collect();
    let totals: Vec<Decimal> = rows.iter().map(|it| it.total.decimal()).collect();
    let roots: Vec<Vec<u8>> = rows.iter().map(|it| it.root.0.to_vec()).collect();
    let prev_hashes: Vec<Vec<u8>> = rows.iter().map(|it| it.prev_hash.to_vec()).collect();
    let hashes: Vec<Vec<u8>> = rows.iter().map(|it| it.hash.to_vec()).collect();
    sqlx::query!(
        r#"
        INSERT INTO ledger.journals
            (part, seq, kind, reference, run_no, lines, total, root, prev_hash, hash, recorded_at)
        SELECT $1, j.*, $11
        FROM unnest($2::bigint[], $3::text[], $4::text[], $5::bigint[], $6::int[],
            $7::numeric[], $8::bytea[], $9::bytea[], $10::bytea[]) AS j
        "#,
        part.number(),
        &seqs,
        &kinds,
        &references,
        &run_nos,
        &lines,
        &totals,
        &roots,
        &prev_hashes,
        &hashes,
        now,
    )
    .execute(tx)
    .await?;
    Ok(())
}

pub(crate) async fn insert_transfers(
    tx: &mut PgConnection,
    part: Part,
    rows: &[JournalRow<'_>],
) -> Result<(), Error> {
    let mut copied = bulk::Rows::into(
        "COPY ledger.transfers (part, run_no, seq, line, debit, credit, amount, person_no, chunk,
            chunk_line) FROM STDIN (FORMAT binary)",
        10,
    );
    for row in rows {
        for (line, transfer) in (1i32..).zip(&row.journal.transfers) {
            let of_person = transfer.line;
            copied
                .row()
                .with(part.number())
                .with(row.journal.run_no.0)
                .with(row.seq)
                .with(line)
                .with(transfer.debit.number().0)
                .with(transfer.credit.number().0)
                .with(transfer.amount.decimal())
                .with(of_person.map_or(0, |it| it.person_no.0))
                .with(of_person.map_or(0, |it| it.chunk.0))
                .with(of_person.map_or(0, |it| it.line.0))
                .end();
        }
    }
    copied.send(tx).await?;
    Ok(())
}

/// Adds to each control account once; opens accounts on their first use. Whoever posts to a
/// partition holds its head, so rows of one partition are never waited for in a ring.
pub(crate) async fn add_turnover(
    tx: &mut PgConnection,
    part: Part,
    turnover: &BTreeMap<AccountNo, (Money, Money)>,
) -> Result<(), Error> {
    let added = update_balances(tx, part, turnover).await?;
    if added.len() < turnover.len() {
        let fresh: BTreeMap<AccountNo, (Money, Money)> = turnover
            .iter()
            .filter(|(no, _)| !added.contains(&no.0))
            .map(|(no, sides)| (*no, *sides))
            .collect();
        open_accounts(tx, fresh.keys().copied()).await?;
        let numbers: Vec<i64> = fresh.keys().map(|it| it.0).collect();
        sqlx::query!(
            r#"
            INSERT INTO ledger.balances (part, account_no, normal)
            SELECT $1, account_no, normal FROM ledger.accounts WHERE account_no = ANY($2)
            "#,
            part.number(),
            &numbers,
        )
        .execute(&mut *tx)
        .await?;
        update_balances(tx, part, &fresh).await?;
    }
    Ok(())
}

/// Adds to the balances that exist and says which those are.
async fn update_balances(
    tx: &mut PgConnection,
    part: Part,
    turnover: &BTreeMap<AccountNo, (Money, Money)>,
) -> Result<Vec<i64>, Error> {
    let numbers: Vec<i64> = turnover.keys().map(|it| it.0).collect();
    let debits: Vec<Decimal> = turnover
        .values()
        .map(|(debit, _)| debit.decimal())
        .collect();
    let credits: Vec<Decimal> = turnover
        .values()
        .map(|(_, credit)| credit.decimal())
        .collect();
    let added = sqlx::query_scalar!(
        r#"
        UPDATE ledger.balances b SET debits = b.debits + t.debits, credits = b.credits + t.credits
        FROM unnest($2::bigint[], $3::numeric[], $4::numeric[]) AS t (account_no, debits, credits)
        WHERE b.part = $1 AND b.account_no = t.account_no
        RETURNING b.account_no
        "#,
        part.number(),
        &numbers,
        &debits,
        &credits,
    )
    .fetch_all(tx)
    .await;
    match added {
        Ok(added) => Ok(added),
        Err(sqlx::Error::Database(error)) if error.constraint() == Some("not_overdrawn") => {
            // Which one is not in the error, and a transaction that failed cannot be asked: the
            // account that pays in this journal is the one a person wants to hear of.
            let paying = turnover.iter().find(|(no, (debit, credit))| {
                debit > credit
                    && no
                        .account()
                        .is_some_and(|it| it.kind.normal() == Normal::Credit)
            });
            let number = paying.or_else(|| turnover.iter().next()).map(|(no, _)| *no);
            Err(Error::Overdrawn(number.expect("a journal has accounts")))
        }
        Err(error) => Err(error.into()),
    }
}

async fn open_accounts(
    tx: &mut PgConnection,
    numbers: impl Iterator<Item = AccountNo>,
) -> Result<(), Error> {
    let accounts: Vec<_> = numbers
        .filter_map(|it| it.account().map(|account| (it, account)))
        .collect();
    let numbers: Vec<i64> = accounts.iter().map(|(no, _)| no.0).collect();
    let kinds: Vec<String> = accounts
        .iter()
        .map(|(_, it)| it.kind.name().to_owned())
        .collect();
    let programmes: Vec<Option<i16>> = accounts
        .iter()
        .map(|(_, it)| it.programme.map(domain::Programme::number))
        .collect();
    let institutions: Vec<Option<i32>> = accounts
        .iter()
        .map(|(_, it)| it.institution.map(domain::Institution::number))
        .collect();
    let provinces: Vec<Option<i16>> = accounts
        .iter()
        .map(|(_, it)| it.province.map(domain::Province::number))
        .collect();
    let years: Vec<Option<i16>> = accounts
        .iter()
        .map(|(_, it)| it.year.map(domain::BudgetYear::number))
        .collect();
    let normals: Vec<String> = accounts
        .iter()
        .map(|(_, it)| it.kind.normal().as_str().to_owned())
        .collect();
    sqlx::query!(
        r#"
        INSERT INTO ledger.accounts
            (account_no, kind, programme, institution, province, normal, budget_year)
        SELECT a.* FROM unnest($1::bigint[], $2::text[], $3::smallint[], $4::int[], $5::smallint[],
            $6::text[], $7::smallint[]) AS a
        ORDER BY 1
        ON CONFLICT DO NOTHING
        "#,
        &numbers,
        &kinds,
        &programmes as &[Option<i16>],
        &institutions as &[Option<i32>],
        &provinces as &[Option<i16>],
        &normals,
        &years as &[Option<i16>],
    )
    .execute(tx)
    .await?;
    Ok(())
}

pub(crate) fn hash_of(bytes: &[u8]) -> [u8; 32] {
    bytes
        .try_into()
        .expect("the schema keeps hashes at 32 bytes")
}

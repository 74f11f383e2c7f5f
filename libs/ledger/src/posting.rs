use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use domain::{Money, Part};
use sqlx::PgConnection;

use crate::journal::Salt;
use crate::merkle::sha256;
use crate::store::{self, Head, JournalRow, Posted};
use crate::{AccountNo, Error, Journal, Root};

/// Posts journals of one partition inside the caller's transaction.
///
/// A journal whose reference is there already with the same content is left alone, so that the
/// same step done twice is done once; with another content it is an error that names it.
/// Returns how many journals were new.
///
/// # Errors
/// [`Error::Overdrawn`] where an account would go to its forbidden side; nothing is posted then.
pub async fn post(
    tx: &mut PgConnection,
    part: Part,
    journals: &[Journal],
    now: DateTime<Utc>,
) -> Result<usize, Error> {
    for journal in journals {
        let zero = |it: &crate::Transfer| it.amount.is_zero() || it.debit == it.credit;
        if journal.transfers.is_empty() || journal.transfers.iter().any(zero) {
            return Err(Error::EmptyOrZero {
                reference: journal.reference.clone(),
            });
        }
    }
    let Head {
        mut seq,
        hash: mut prev_hash,
        secret,
    } = store::lock_head(tx, part).await?;
    let known = store::posted(
        tx,
        part,
        journals.iter().map(|it| it.reference.clone()).collect(),
    )
    .await?;
    let mut rows = Vec::with_capacity(journals.len());
    for journal in journals {
        if let Some(posted) = known.get(&journal.reference) {
            let salt = |_: &Posted| Salt::of_journal(&secret, part, posted.seq);
            let salt = Some(posted).filter(|it| it.is_salted).map(salt);
            if journal.root(part, salt) == posted.root {
                continue;
            }
            return Err(Error::ReferenceReused {
                reference: journal.reference.clone(),
            });
        }
        seq += 1;
        let salt = Salt::of_journal(&secret, part, seq);
        let mut row = JournalRow {
            seq,
            journal,
            total: journal.total(),
            root: journal.root(part, Some(salt)),
            prev_hash,
            hash: [0; 32],
        };
        row.hash = journal_hash(part, &row.fields(), now);
        prev_hash = row.hash;
        rows.push(row);
    }
    if rows.is_empty() {
        return Ok(0);
    }
    store::insert_journals(tx, part, &rows, now).await?;
    store::insert_transfers(tx, part, &rows).await?;
    store::move_head(tx, part, seq, prev_hash).await?;
    store::add_turnover(tx, part, &turnover(&rows)).await?;
    Ok(rows.len())
}

/// What each account gains on each side, in account order: the order in which rows are locked.
fn turnover(rows: &[JournalRow<'_>]) -> BTreeMap<AccountNo, (Money, Money)> {
    let mut turnover: BTreeMap<AccountNo, (Money, Money)> = BTreeMap::new();
    for row in rows {
        // Neighbours mostly share an account: a sum of theirs is one search for it.
        let transfers = &row.journal.transfers;
        for of_one in transfers.chunk_by(|a, b| a.debit == b.debit) {
            let debited = turnover.entry(of_one[0].debit.number()).or_default();
            debited.0 = Money::sum(of_one.iter().map(|it| it.amount).chain([debited.0]));
        }
        for of_one in transfers.chunk_by(|a, b| a.credit == b.credit) {
            let credited = turnover.entry(of_one[0].credit.number()).or_default();
            credited.1 = Money::sum(of_one.iter().map(|it| it.amount).chain([credited.1]));
        }
    }
    turnover
}

/// What a journal's hash covers besides its partition and time.
pub(crate) struct HashedFields<'a> {
    pub seq: i64,
    pub kind: &'a str,
    pub reference: &'a str,
    pub run_no: i64,
    pub lines: i32,
    pub total: Money,
    pub root: Root,
    pub prev_hash: [u8; 32],
}

/// Chains a journal to the one before it in its partition.
pub(crate) fn journal_hash(part: Part, fields: &HashedFields<'_>, at: DateTime<Utc>) -> [u8; 32] {
    let text = |it: &str| u32::try_from(it.len()).expect("short text").to_be_bytes();
    sha256(&[
        &fields.prev_hash,
        &part.number().to_be_bytes(),
        &fields.seq.to_be_bytes(),
        &text(fields.kind),
        fields.kind.as_bytes(),
        &text(fields.reference),
        fields.reference.as_bytes(),
        &fields.run_no.to_be_bytes(),
        &fields.lines.to_be_bytes(),
        &fields.total.units().to_be_bytes(),
        &fields.root.0,
        &at.timestamp_micros().to_be_bytes(),
    ])
}

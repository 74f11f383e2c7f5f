//! Recomputes the books from their rows.

use std::collections::BTreeMap;

use domain::{Money, Part};
use futures::TryStreamExt;
use sqlx::PgConnection;

use crate::journal::{Salt, TransferContent};
use crate::posting::{HashedFields, journal_hash};
use crate::report::whole;
use crate::store::hash_of;
use crate::{AccountNo, Error, Root, merkle_root};

/// An invariant that does not hold, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    pub invariant: &'static str,
    pub place: String,
    pub detail: String,
}

/// Re-reads every journal and transfer: counts, totals, roots, the hash chain, and that the
/// balances are what the transfers add up to. Memory does not grow with the books.
/// Returns how many journals and transfers were covered, and what was found wrong.
pub async fn check_books(connection: &mut PgConnection) -> Result<(u64, u64, Vec<Finding>), Error> {
    let (mut journals, mut transfers, mut findings) = (0, 0, Vec::new());
    for part in Part::all() {
        let mut turnover = BTreeMap::new();
        journals += check_chain(connection, part, &mut findings).await?;
        transfers += check_transfers(connection, part, &mut turnover, &mut findings).await?;
        check_balances(connection, part, &turnover, &mut findings).await?;
    }
    let balance = crate::trial_balance(&mut *connection).await?;
    let debits = Money::sum(balance.iter().map(|it| it.debits));
    let credits = Money::sum(balance.iter().map(|it| it.credits));
    if debits != credits {
        findings.push(Finding {
            invariant: "trial_balance_zero",
            place: "ledger.balances".to_owned(),
            detail: format!("debits {debits}, credits {credits}"),
        });
    }
    Ok((journals, transfers, findings))
}

/// Sequence without gap, each hash over its own fields and the hash before.
async fn check_chain(
    connection: &mut PgConnection,
    part: Part,
    findings: &mut Vec<Finding>,
) -> Result<u64, Error> {
    let mut rows = sqlx::query!(
        r#"
        SELECT seq, kind, reference, run_no, lines, total, root, prev_hash, hash, recorded_at
        FROM ledger.journals WHERE part = $1 ORDER BY seq
        "#,
        part.number(),
    )
    .fetch(&mut *connection);
    let (mut seq, mut prev_hash, mut count) = (0, [0; 32], 0);
    while let Some(row) = rows.try_next().await? {
        let fields = HashedFields {
            seq: row.seq,
            kind: &row.kind,
            reference: &row.reference,
            run_no: row.run_no,
            lines: row.lines,
            total: whole(row.total),
            root: Root(hash_of(&row.root)),
            prev_hash,
        };
        let expected = journal_hash(part, &fields, row.recorded_at);
        let linked =
            row.seq == seq + 1 && row.prev_hash[..] == prev_hash && row.hash[..] == expected;
        if !linked {
            findings.push(Finding {
                invariant: "journal_chain",
                place: format!("journal {part}/{}", row.seq),
                detail: "the journal is not what was chained".to_owned(),
            });
        }
        (seq, prev_hash) = (row.seq, hash_of(&row.hash));
        count += 1;
    }
    drop(rows);
    let head = sqlx::query!(
        "SELECT seq, hash FROM ledger.heads WHERE part = $1",
        part.number()
    )
    .fetch_optional(&mut *connection)
    .await?;
    let ends = head.map(|it| (it.seq, it.hash));
    if ends != Some((seq, prev_hash.to_vec())) {
        let says = ends.map_or("nothing".to_owned(), |(seq, _)| seq.to_string());
        findings.push(Finding {
            invariant: "journal_chain",
            place: format!("head {part}"),
            detail: format!("the chain ends at {seq}, its head says {says}"),
        });
    }
    Ok(count)
}

/// Each journal's count, total and root against its transfers, which stream in journal order.
async fn check_transfers(
    connection: &mut PgConnection,
    part: Part,
    turnover: &mut BTreeMap<AccountNo, (Money, Money)>,
    findings: &mut Vec<Finding>,
) -> Result<u64, Error> {
    let secret = secret_of(&mut *connection, part).await?;
    let mut rows = sqlx::query!(
        r#"
        SELECT coalesce(t.run_no, j.run_no) AS "run_no!", coalesce(t.seq, j.seq) AS "seq!",
            t.line AS "line?", t.debit AS "debit?", t.credit AS "credit?", t.amount AS "amount?",
            t.person_no AS "person_no?", t.chunk AS "chunk?", t.chunk_line AS "chunk_line?",
            j.lines AS "lines?", j.total AS "total?", j.root AS "root?",
            j.is_salted AS "is_salted?"
        FROM (SELECT * FROM ledger.transfers WHERE part = $1) t
        FULL JOIN (SELECT * FROM ledger.journals WHERE part = $1) j
            ON (j.run_no, j.seq) = (t.run_no, t.seq)
        ORDER BY 1, 2, 3
        "#,
        part.number(),
    )
    .fetch(&mut *connection);
    let (mut open, mut count) = (None::<OpenJournal>, 0);
    while let Some(row) = rows.try_next().await? {
        if open.as_ref().is_none_or(|it| it.seq != row.seq) {
            if let Some(journal) = open.take() {
                findings.extend(journal.finding(part));
            }
            open = Some(OpenJournal::new(
                row.seq,
                row.lines,
                row.total.map(whole),
                row.root,
            ));
            if row.is_salted == Some(true)
                && let Some(journal) = &mut open
            {
                journal.salt = Some(Salt::of_journal(&secret, part, row.seq));
            }
        }
        let (Some(journal), Some(debit), Some(credit), Some(amount)) =
            (open.as_mut(), row.debit, row.credit, row.amount.map(whole))
        else {
            continue;
        };
        let content = TransferContent {
            run_no: row.run_no,
            part,
            debit,
            credit,
            amount,
            person_no: row.person_no.unwrap_or_default(),
            chunk: row.chunk.unwrap_or_default(),
            chunk_line: row.chunk_line.unwrap_or_default(),
        };
        journal.total = Money::sum([journal.total, amount]);
        let salt = journal
            .salt
            .zip(row.line)
            .map(|(salt, line)| salt.of_line(line));
        journal.leaves.push(content.leaf(salt));
        let debited = turnover.entry(AccountNo(debit)).or_default();
        debited.0 = Money::sum([debited.0, amount]);
        let credited = turnover.entry(AccountNo(credit)).or_default();
        credited.1 = Money::sum([credited.1, amount]);
        count += 1;
    }
    findings.extend(open.and_then(|it| it.finding(part)));
    Ok(count)
}

/// Empty where there is no head: then nothing is what it was hashed to, and found.
pub(crate) async fn secret_of(connection: &mut PgConnection, part: Part) -> Result<Vec<u8>, Error> {
    let secret = sqlx::query_scalar!(
        "SELECT secret FROM ledger.heads WHERE part = $1",
        part.number()
    )
    .fetch_optional(&mut *connection)
    .await?;
    Ok(secret.unwrap_or_default())
}

struct OpenJournal {
    seq: i64,
    stated: Option<(i32, Money, Vec<u8>)>,
    salt: Option<Salt>,
    total: Money,
    leaves: Vec<[u8; 32]>,
}

impl OpenJournal {
    fn new(
        seq: i64,
        lines: Option<i32>,
        total: Option<Money>,
        root: Option<Vec<u8>>,
    ) -> OpenJournal {
        let stated = lines
            .zip(total)
            .zip(root)
            .map(|((lines, total), root)| (lines, total, root));
        OpenJournal {
            seq,
            stated,
            salt: None,
            total: Money::ZERO,
            leaves: Vec::new(),
        }
    }

    fn finding(self, part: Part) -> Option<Finding> {
        let place = format!("journal {part}/{}", self.seq);
        let Some((lines, total, root)) = self.stated else {
            return Some(Finding {
                invariant: "journal_transfers",
                place,
                detail: "transfers without a journal".to_owned(),
            });
        };
        let computed = merkle_root(self.leaves.iter().copied());
        let same = usize::try_from(lines).ok() == Some(self.leaves.len())
            && total == self.total
            && root[..] == computed.0;
        (!same).then(|| Finding {
            invariant: "journal_transfers",
            place,
            detail: format!(
                "stated {lines} lines, {total} đồng; its transfers are {} lines, {} đồng{}",
                self.leaves.len(),
                self.total,
                if root[..] == computed.0 {
                    ""
                } else {
                    " and have another root"
                },
            ),
        })
    }
}

async fn check_balances(
    connection: &mut PgConnection,
    part: Part,
    turnover: &BTreeMap<AccountNo, (Money, Money)>,
    findings: &mut Vec<Finding>,
) -> Result<(), Error> {
    let rows = sqlx::query!(
        "SELECT account_no, debits, credits FROM ledger.balances WHERE part = $1",
        part.number(),
    )
    .fetch_all(&mut *connection)
    .await?;
    let stored: BTreeMap<AccountNo, (Money, Money)> = rows
        .into_iter()
        .map(|it| {
            (
                AccountNo(it.account_no),
                (whole(it.debits), whole(it.credits)),
            )
        })
        .collect();
    let zero = (Money::ZERO, Money::ZERO);
    for account_no in stored
        .keys()
        .chain(turnover.keys().filter(|it| !stored.contains_key(it)))
    {
        let (is, should) = (
            stored.get(account_no).unwrap_or(&zero),
            turnover.get(account_no).unwrap_or(&zero),
        );
        if is != should {
            findings.push(Finding {
                invariant: "balances_are_transfers",
                place: format!("account {account_no} in partition {part}"),
                detail: format!(
                    "stored {}/{}, transfers {}/{}",
                    is.0, is.1, should.0, should.1
                ),
            });
        }
    }
    Ok(())
}

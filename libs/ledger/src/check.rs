//! Recomputes the books from their rows.

use std::collections::BTreeMap;

use bulk::RowsOut;
use domain::{Money, Part};
use futures::TryStreamExt;
use rust_decimal::Decimal;
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

/// What was recomputed, and what is not as it was recorded.
#[derive(Debug, Clone, Default)]
pub struct Checked {
    pub journals: u64,
    pub transfers: u64,
    pub findings: Vec<Finding>,
}

/// Re-reads every journal and transfer: counts, totals, roots, the hash chain, and that the
/// balances are what the transfers add up to. Memory grows with the journals alone.
pub async fn check_books(connection: &mut PgConnection) -> Result<Checked, Error> {
    let mut checked = Checked::default();
    for part in Part::all() {
        let of_part = check_part(connection, part).await?;
        checked.journals += of_part.journals;
        checked.transfers += of_part.transfers;
        checked.findings.extend(of_part.findings);
    }
    checked
        .findings
        .extend(check_trial_balance(connection).await?);
    Ok(checked)
}

/// As [`check_books`], of one partition's books: those of several can be checked at the same time.
pub async fn check_part(connection: &mut PgConnection, part: Part) -> Result<Checked, Error> {
    let mut checked = Checked::default();
    let mut turnover = BTreeMap::new();
    let stated = check_chain(connection, part, &mut checked).await?;
    check_transfers(connection, part, stated, &mut turnover, &mut checked).await?;
    check_balances(connection, part, &turnover, &mut checked.findings).await?;
    Ok(checked)
}

/// Debits are credits over all accounts.
pub async fn check_trial_balance(connection: &mut PgConnection) -> Result<Option<Finding>, Error> {
    let balance = crate::trial_balance(&mut *connection).await?;
    let debits = Money::sum(balance.iter().map(|it| it.debits));
    let credits = Money::sum(balance.iter().map(|it| it.credits));
    Ok((debits != credits).then(|| Finding {
        invariant: "trial_balance_zero",
        place: "ledger.balances".to_owned(),
        detail: format!("debits {debits}, credits {credits}"),
    }))
}

/// What journals say of their transfers, by run and number.
type Stated = BTreeMap<(i64, i64), OpenJournal>;

/// Sequence without gap, each hash over its own fields and the hash before.
async fn check_chain(
    connection: &mut PgConnection,
    part: Part,
    checked: &mut Checked,
) -> Result<Stated, Error> {
    let secret = secret_of(&mut *connection, part).await?;
    let mut rows = sqlx::query!(
        r#"
        SELECT seq, kind, reference, run_no, lines, total, root, prev_hash, hash, recorded_at,
            is_salted
        FROM ledger.journals WHERE part = $1 ORDER BY seq
        "#,
        part.number(),
    )
    .fetch(&mut *connection);
    let (mut seq, mut prev_hash) = (0, [0; 32]);
    let mut stated = Stated::new();
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
            checked.findings.push(Finding {
                invariant: "journal_chain",
                place: format!("journal {part}/{}", row.seq),
                detail: "the journal is not what was chained".to_owned(),
            });
        }
        (seq, prev_hash) = (row.seq, hash_of(&row.hash));
        let says = (row.lines, whole(row.total), fields.root);
        let salt = row
            .is_salted
            .then(|| Salt::of_journal(&secret, part, row.seq));
        stated.insert(
            (row.run_no, row.seq),
            OpenJournal::new(row.seq, Some(says), salt),
        );
        checked.journals += 1;
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
        checked.findings.push(Finding {
            invariant: "journal_chain",
            place: format!("head {part}"),
            detail: format!("the chain ends at {seq}, its head says {says}"),
        });
    }
    Ok(stated)
}

/// Each journal's count, total and root against its transfers, which stream in journal order.
async fn check_transfers(
    connection: &mut PgConnection,
    part: Part,
    mut stated: Stated,
    turnover: &mut BTreeMap<AccountNo, (Money, Money)>,
    checked: &mut Checked,
) -> Result<(), Error> {
    for run_no in runs_of(&mut *connection).await? {
        // By key and run after run: rows come in their order and nothing is sorted.
        let statement = format!(
            "COPY (SELECT seq, line, debit, credit, amount, person_no, chunk, chunk_line
            FROM ledger.transfers WHERE run_no = {run_no} AND part = {}
            ORDER BY run_no, part, seq, line) TO STDOUT (FORMAT binary)",
            part.number(),
        );
        let mut rows = RowsOut::of(&mut *connection, &statement).await?;
        let mut open = None::<OpenJournal>;
        while let Some(mut row) = rows.next().await? {
            let (seq, line) = (row.i64()?, row.i32()?);
            let content = TransferContent {
                run_no,
                part,
                debit: row.i64()?,
                credit: row.i64()?,
                amount: whole(Decimal::from_i128_with_scale(row.whole()?, 0)),
                person_no: row.i64()?,
                chunk: row.i32()?,
                chunk_line: row.i32()?,
            };
            if open.as_ref().is_none_or(|it| it.seq != seq) {
                checked
                    .findings
                    .extend(open.and_then(|it| it.finding(part)));
                let of_journal = stated.remove(&(run_no, seq));
                open = Some(of_journal.unwrap_or_else(|| OpenJournal::new(seq, None, None)));
            }
            let journal = open.as_mut().expect("opened above");
            journal.add(line, &content);
            let debited = turnover.entry(AccountNo(content.debit)).or_default();
            debited.0 = Money::sum([debited.0, content.amount]);
            let credited = turnover.entry(AccountNo(content.credit)).or_default();
            credited.1 = Money::sum([credited.1, content.amount]);
            checked.transfers += 1;
        }
        checked
            .findings
            .extend(open.and_then(|it| it.finding(part)));
    }
    // Journals of which no transfer is left.
    let empty = stated.into_values().filter_map(|it| it.finding(part));
    checked.findings.extend(empty);
    Ok(())
}

/// The runs that transfers are of, each found by a step along the key.
async fn runs_of(connection: &mut PgConnection) -> Result<Vec<i64>, Error> {
    Ok(sqlx::query_scalar!(
        r#"
        WITH RECURSIVE runs AS (
            SELECT min(run_no) AS run_no FROM ledger.transfers
            UNION ALL
            SELECT (SELECT min(t.run_no) FROM ledger.transfers t WHERE t.run_no > r.run_no)
            FROM runs r WHERE r.run_no IS NOT NULL
        )
        SELECT run_no AS "run_no!" FROM runs WHERE run_no IS NOT NULL
        "#
    )
    .fetch_all(connection)
    .await?)
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

/// A journal with those of its transfers that were read.
struct OpenJournal {
    seq: i64,
    /// Lines, total and root; `None` where there is no such journal.
    stated: Option<(i32, Money, Root)>,
    salt: Option<Salt>,
    total: Money,
    leaves: Vec<[u8; 32]>,
}

impl OpenJournal {
    fn new(seq: i64, stated: Option<(i32, Money, Root)>, salt: Option<Salt>) -> OpenJournal {
        OpenJournal {
            seq,
            stated,
            salt,
            total: Money::ZERO,
            leaves: Vec::new(),
        }
    }

    fn add(&mut self, line: i32, content: &TransferContent) {
        self.total = Money::sum([self.total, content.amount]);
        let salt = self.salt.map(|it| it.of_line(line));
        self.leaves.push(content.leaf(salt));
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
            && root == computed;
        (!same).then(|| Finding {
            invariant: "journal_transfers",
            place,
            detail: format!(
                "stated {lines} lines, {total} đồng; its transfers are {} lines, {} đồng{}",
                self.leaves.len(),
                self.total,
                if root == computed {
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

use std::collections::BTreeMap;

use domain::Part;
use futures::TryStreamExt;
use serde::Serialize;
use sha2::{Digest, Sha256};
use sqlx::{PgConnection, PgPool, Row as _};
use tokio::task::JoinSet;

use crate::Error;
use crate::checkpoint::SignedCheckpoint;
use crate::leaf::Leaf;
use crate::sources::{SOURCES, Source};
use crate::store;
use crate::tiles::Log;
use crate::walk::Walk;
use crate::witness::Witness;

/// Findings that are named; all are counted.
const FINDINGS_MAX: usize = 100;

/// Connections that the books are read by at the same time, where there are cores for them.
const WORKERS_MAX: usize = 4;

/// Something that is not as it was recorded, and where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Stable.
    pub code: &'static str,
    pub place: String,
}

/// What was recomputed, and what was found.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Verified {
    pub journals: u64,
    pub transfers: u64,
    pub entries: u64,
    pub leaves: u64,
    pub checkpoints: u64,
    pub time_stamps: u64,
    pub size: u64,
    pub root: String,
    pub tampered: u64,
    /// The first hundred.
    pub findings: Vec<Finding>,
    /// What could not be covered.
    pub incomplete: Vec<String>,
}

impl Verified {
    pub(crate) fn found(&mut self, code: &'static str, place: impl Into<String>) {
        self.tampered += 1;
        if self.findings.len() < FINDINGS_MAX {
            let place = place.into();
            self.findings.push(Finding { code, place });
        }
    }

    /// Takes in what was found of the books.
    fn booked(
        &mut self,
        parts: impl IntoIterator<Item = ledger::Checked>,
        difference: Option<ledger::Finding>,
    ) {
        let mut findings = Vec::new();
        for it in parts {
            self.journals += it.journals;
            self.transfers += it.transfers;
            findings.extend(it.findings);
        }
        for it in findings.into_iter().chain(difference) {
            self.found("books", format!("{}: {}", it.place, it.detail));
        }
    }
}

/// What somebody else keeps, by which another history is found.
#[derive(Debug, Clone, Default)]
pub struct Held {
    /// Checkpoints from before: the log has to go on from them.
    pub notes: Vec<String>,
    /// Who has to have signed the published checkpoint.
    pub witnesses: Vec<Witness>,
}

/// Recomputes all evidence: the books from their transfers, each entry from its row, each leaf from its
/// entry, each tile and root from the leaves.
///
/// # Errors
/// What the database says; what is wrong with the evidence is no error but found.
pub async fn verify(
    pool: &PgPool,
    log: &Log,
    verifier_key: &str,
    held: &Held,
) -> Result<Verified, Error> {
    // Sealing waits only until it is noted down where files and database are; what is sealed after that
    // leaves the tiles of this size as they are.
    let lock = store::log_lock();
    let held_log = lock.acquire(pool.acquire().await?).await?;
    let note = log.checkpoint()?;
    let mut tx = pool.begin_with(store::AS_OF_NOW).await?;
    // The first query decides as of when all others read.
    store::one_spelling(&mut tx).await?;
    held_log.release_now().await?;
    let snapshot = store::export_snapshot(&mut tx).await?;
    let books = books(pool, &snapshot);
    let (mut told, books) =
        tokio::try_join!(recompute(&mut tx, log, note, verifier_key, held), books)?;
    let difference = ledger::check_trial_balance(&mut tx).await?;
    told.booked(books, difference);
    Ok(told)
}

/// As [`verify`], in the caller's transaction, while nothing is sealed.
///
/// # Errors
/// What the database says.
pub async fn verify_in(
    tx: &mut PgConnection,
    log: &Log,
    verifier_key: &str,
    held: &Held,
) -> Result<Verified, Error> {
    store::one_spelling(tx).await?;
    let note = log.checkpoint()?;
    let mut told = recompute(&mut *tx, log, note, verifier_key, held).await?;
    told.booked([ledger::check_books(tx).await?], None);
    Ok(told)
}

/// All but the books, by the note that was published at the moment that `tx` reads as of.
async fn recompute(
    tx: &mut PgConnection,
    log: &Log,
    note: Option<String>,
    verifier_key: &str,
    held: &Held,
) -> Result<Verified, Error> {
    let mut told = Verified::default();
    lanes(&mut *tx, &mut told).await?;
    for source in &SOURCES {
        rows(&mut *tx, source, &mut told).await?;
    }
    let signed = signed(&mut *tx, note, verifier_key, held, &mut told).await?;
    tree(&mut *tx, log, &signed, &mut told).await?;
    crate::stamp::verify(&mut *tx, log, &mut told).await?;
    Ok(told)
}

/// The partitions' books, several at a time, all as of the same moment.
async fn books(pool: &PgPool, snapshot: &str) -> Result<Vec<ledger::Checked>, Error> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    // One connection of the pool reads the rest of the evidence meanwhile.
    let free = pool.options().get_max_connections().saturating_sub(1);
    let free = usize::try_from(free).unwrap_or(WORKERS_MAX);
    let workers = cores.min(WORKERS_MAX).min(free).max(1);
    let mut checking = JoinSet::new();
    for first in 0..workers {
        let mut tx = store::as_of(pool, snapshot).await?;
        checking.spawn(async move {
            let mut checked = Vec::new();
            for part in Part::all().skip(first).step_by(workers) {
                checked.push(ledger::check_part(&mut tx, part).await?);
            }
            Ok::<_, Error>(checked)
        });
    }
    let mut checked = Vec::new();
    while let Some(of_worker) = checking.join_next().await {
        checked.extend(of_worker.map_err(|it| Error::Tree(it.to_string()))??);
    }
    Ok(checked)
}

/// Every lane counts from 1 without a gap, and its counters say so.
async fn lanes(tx: &mut PgConnection, told: &mut Verified) -> Result<(), Error> {
    let lanes = sqlx::query!(
        r#"
        SELECT h.lane, h.seq AS head, s.seq AS sealed, coalesce(e.entries, 0) AS "entries!",
            coalesce(e.last, 0) AS "last!", coalesce(l.leaves, 0) AS "leaves!",
            coalesce(l.last, 0) AS "last_leaf!"
        FROM proof.heads h JOIN proof.sealed s USING (lane)
        LEFT JOIN (SELECT lane, count(*) AS entries, max(seq) AS last FROM proof.entries
            GROUP BY lane) e USING (lane)
        LEFT JOIN (SELECT lane, count(*) AS leaves, max(seq) AS last FROM proof.leaves
            GROUP BY lane) l USING (lane)
        ORDER BY h.lane
        "#
    )
    .fetch_all(tx)
    .await?;
    if lanes.len() != 64 {
        told.found("lane_missing", format!("{} of 64 lanes", lanes.len()));
    }
    for it in lanes {
        told.entries += it.entries.unsigned_abs();
        if (it.head, it.last) != (it.entries, it.entries) {
            told.found("entry_missing", format!("lane {}", it.lane));
        }
        if (it.sealed, it.last_leaf) != (it.leaves, it.leaves) {
            told.found("leaf_missing", format!("lane {}", it.lane));
        }
        if it.leaves < it.entries {
            let waiting = it.entries - it.leaves;
            let place = format!("{waiting} entries of lane {} are not sealed yet", it.lane);
            told.incomplete.push(place);
        }
    }
    Ok(())
}

/// Each row of a source has its entry, each entry its row, and the entry commits to what stands there.
async fn rows(tx: &mut PgConnection, source: &Source, told: &mut Verified) -> Result<(), Error> {
    // Built from constants of `sources.rs`.
    let statement = format!(
        "SELECT coalesce(s.key, e.key) AS key, s.key IS NULL AS gone, e.key IS NULL AS unentered,
            (s.lane, s.root) IS DISTINCT FROM (e.lane, e.root) AS elsewhere, s.content,
            e.commitment, proof.salt(e.lane, e.seq) AS salt
        FROM (SELECT ({lane})::smallint AS lane, {key} AS key, ({content})::text AS content,
            {root} AS root FROM {rows}) s
        FULL JOIN (SELECT * FROM proof.entries WHERE source = '{name}') e USING (key)",
        lane = source.lane,
        key = source.key,
        content = source.content,
        root = source.root,
        rows = source.rows,
        name = source.name,
    );
    let mut rows = sqlx::query(sqlx::AssertSqlSafe(statement)).fetch(tx);
    while let Some(row) = rows.try_next().await? {
        let place = format!("{} {}", source.name, row.get::<String, _>("key"));
        if row.get("gone") {
            told.found("row_removed", place);
        } else if row.get("unentered") {
            told.found("row_not_entered", place);
        } else {
            let hash = Sha256::new()
                .chain_update(row.get::<Vec<u8>, _>("salt"))
                .chain_update(row.get::<String, _>("content"))
                .finalize();
            if row.get("elsewhere") || hash[..] != row.get::<Vec<u8>, _>("commitment")[..] {
                told.found("row_changed", place);
            }
        }
    }
    Ok(())
}

/// What was signed: the published checkpoint first, then all that are on record and held elsewhere, as
/// the root that each size has to have.
pub(crate) struct Signed {
    published: Option<SignedCheckpoint>,
    pub(crate) roots: BTreeMap<u64, Vec<(String, [u8; 32])>>,
}

async fn signed(
    tx: &mut PgConnection,
    note: Option<String>,
    verifier_key: &str,
    held: &Held,
    told: &mut Verified,
) -> Result<Signed, Error> {
    let mut roots: BTreeMap<u64, Vec<(String, [u8; 32])>> = BTreeMap::new();
    let mut newest = 0;
    for (size, root, note) in store::checkpoints(tx).await? {
        told.checkpoints += 1;
        newest = size;
        let place = format!("checkpoint of {size} leaves on record");
        match SignedCheckpoint::open(&note, verifier_key) {
            Ok(it) if (it.size, it.root) == (size, root) => {
                roots.entry(size).or_default().push((place, root));
            }
            _ => told.found("checkpoint_changed", place),
        }
    }
    for witness in &held.witnesses {
        if note.as_ref().and_then(|it| witness.signed_at(it)).is_none() {
            let place = format!("the published checkpoint, by {}", witness.name());
            told.found("not_witnessed", place);
        }
    }
    let published = match note.map(|it| SignedCheckpoint::open(&it, verifier_key)) {
        Some(Ok(it)) => Some(it),
        Some(Err(_)) => {
            told.found("checkpoint_changed", "the published checkpoint");
            None
        }
        None if newest > 0 => {
            told.found("checkpoint_removed", "the published checkpoint");
            None
        }
        None => None,
    };
    let size = published.as_ref().map_or(0, |it| it.size);
    for (number, note) in (1..).zip(&held.notes) {
        let place = format!("checkpoint {number} held elsewhere");
        match SignedCheckpoint::open(note, verifier_key) {
            // A log that has become shorter does not go on from it.
            Ok(it) if it.size > size.max(newest) => told.found("history_rewritten", place),
            Ok(it) => roots.entry(it.size).or_default().push((place, it.root)),
            Err(_) => told.found("checkpoint_changed", place),
        }
    }
    if size != newest {
        told.found(
            "checkpoint_replaced",
            format!("{size} leaves are published, {newest} signed"),
        );
    }
    Ok(Signed { published, roots })
}

/// Walks the log once, beside the entries that its leaves are.
async fn tree(
    tx: &mut PgConnection,
    log: &Log,
    signed: &Signed,
    told: &mut Verified,
) -> Result<(), Error> {
    let newest = signed.roots.keys().next_back().copied().unwrap_or_default();
    let published = signed.published.as_ref().map_or(0, |it| it.size);
    let size = newest.max(published);
    let mut leaves = sqlx::query!(
        r#"
        SELECT l.index, e.lane AS "lane?", e.seq AS "seq?", e.source AS "source?", e.key AS "key?",
            e.root, e.commitment AS "commitment?"
        FROM proof.leaves l LEFT JOIN proof.entries e USING (lane, seq) ORDER BY l.index
        "#
    )
    .fetch(tx);
    let mut walk = Walk::new(log, size);
    while let Some(row) = leaves.try_next().await? {
        told.leaves += 1;
        let (Some(lane), Some(seq), Some(source), Some(key), Some(commitment)) =
            (row.lane, row.seq, row.source, row.key, row.commitment)
        else {
            told.found("entry_missing", format!("leaf {}", row.index));
            continue;
        };
        let leaf = Leaf {
            source,
            key,
            lane,
            seq,
            root: row.root.map(hex::encode),
            commitment: hex::encode(commitment),
        };
        let place = format!("leaf {}: {} {}", row.index, leaf.source, leaf.key);
        if row.index.unsigned_abs() != walk.next {
            told.found("leaf_reordered", place);
            break;
        }
        match walk.step(signed, told) {
            Some(entry) if entry == leaf.bytes() => {}
            Some(_) => told.found("leaf_changed", place),
            None => break,
        }
    }
    drop(leaves);
    if walk.next < size {
        told.found(
            "leaf_missing",
            format!("{} of {size} leaves are on record", walk.next),
        );
        while walk.step(signed, told).is_some() {}
    }
    walk.end(told);
    told.size = published;
    told.root = signed
        .published
        .as_ref()
        .map_or_else(String::new, |it| hex::encode(it.root));
    if let Some(it) = &signed.published
        && walk
            .roots
            .get(&it.size)
            .is_some_and(|root| *root != it.root)
    {
        told.found("history_rewritten", "the published checkpoint");
    }
    Ok(())
}

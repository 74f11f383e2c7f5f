use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use futures::TryStreamExt;
use serde::Serialize;
use sha2::{Digest, Sha256};
use sqlx::{PgConnection, PgPool, Row as _};
use tlog_tiles::{Hash, Tile, record_hash};

use crate::Error;
use crate::checkpoint::SignedCheckpoint;
use crate::leaf::Leaf;
use crate::sources::{SOURCES, Source};
use crate::store;
use crate::tiles::{HEIGHT, Log, entries_path, path_of, split};
use crate::witness::Witness;

/// Findings that are named; all are counted.
const FINDINGS_MAX: usize = 100;

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
    let mut tx = pool
        .begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        .await?;
    // The first query decides as of when all others read.
    store::one_spelling(&mut tx).await?;
    held_log.release_now().await?;
    recompute(&mut tx, log, note, verifier_key, held).await
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
    recompute(tx, log, log.checkpoint()?, verifier_key, held).await
}

/// By the note that was published at the moment that `tx` reads as of.
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
    let (journals, transfers, findings) = ledger::check_books(tx).await?;
    (told.journals, told.transfers) = (journals, transfers);
    for it in findings {
        told.found("books", format!("{}: {}", it.place, it.detail));
    }
    Ok(told)
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
struct Signed {
    published: Option<SignedCheckpoint>,
    roots: BTreeMap<u64, Vec<(String, [u8; 32])>>,
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

/// A reading of the log's files from the first leaf on, each hash computed and held against the file
/// that has it.
struct Walk<'a> {
    log: &'a Log,
    size: u64,
    next: u64,
    entries: Vec<Vec<u8>>,
    /// The hashes of the tile under way, by level.
    levels: Vec<Vec<Hash>>,
    /// Roots of full subtrees from the left.
    subtrees: Vec<(u32, Hash)>,
    roots: BTreeMap<u64, [u8; 32]>,
    unreadable: BTreeSet<String>,
}

impl<'a> Walk<'a> {
    fn new(log: &'a Log, size: u64) -> Walk<'a> {
        Walk {
            log,
            size,
            next: 0,
            entries: Vec::new(),
            levels: Vec::new(),
            subtrees: Vec::new(),
            roots: BTreeMap::new(),
            unreadable: BTreeSet::new(),
        }
    }

    /// The bytes of the next leaf; `None` behind the last, or where the log cannot be read on.
    fn step(&mut self, signed: &Signed, told: &mut Verified) -> Option<Vec<u8>> {
        if self.next >= self.size {
            return None;
        }
        let within = usize::try_from(self.next % 256).expect("below 256");
        if within == 0 {
            self.entries = self.bundle(told)?;
        }
        let entry = self.entries.get(within)?.clone();
        self.push(0, record_hash(&entry), told);
        self.grow(record_hash(&entry));
        self.next += 1;
        if signed.roots.contains_key(&self.next) || self.next == self.size {
            let root = self.root();
            self.roots.insert(self.next, root);
            for (place, expected) in signed.roots.get(&self.next).into_iter().flatten() {
                if *expected != root {
                    told.found("history_rewritten", place.clone());
                }
            }
        }
        Some(entry)
    }

    fn tile(&self, level: u8, number: u64) -> Tile {
        let of_level = self.size >> (8 * u32::from(level));
        let width = (of_level - number * 256).min(256);
        let width = u32::try_from(width).expect("at most 256");
        Tile::new(HEIGHT, level, number, width, false)
    }

    fn bundle(&mut self, told: &mut Verified) -> Option<Vec<Vec<u8>>> {
        let tile = self.tile(0, self.next / 256);
        let path = entries_path(&tile);
        let bundle = fs::read(self.log.folder().join(&path)).ok();
        let entries = bundle.and_then(|it| split(&it));
        let whole = entries.filter(|it| it.len() == tile.width() as usize);
        if whole.is_none() && self.unreadable.insert(path.clone()) {
            told.found("tile_changed", path);
        }
        whole
    }

    /// A hash of a level; where a tile is full it is held against its file and hashed into the next.
    fn push(&mut self, level: u8, hash: Hash, told: &mut Verified) {
        let at = usize::from(level);
        if self.levels.len() == at {
            self.levels.push(Vec::new());
        }
        self.levels[at].push(hash);
        if self.levels[at].len() < 256 {
            return;
        }
        let full = std::mem::take(&mut self.levels[at]);
        let below = (self.next + 1) >> (8 * u32::from(level));
        self.compare(&self.tile(level, below / 256 - 1), &full, told);
        let data: Vec<u8> = full.iter().flat_map(|it| it.0).collect();
        self.push(level + 1, Tile::subtree_hash(&data), told);
    }

    fn compare(&self, tile: &Tile, hashes: &[Hash], told: &mut Verified) {
        let path = path_of(tile);
        let expected: Vec<u8> = hashes.iter().flat_map(|it| it.0).collect();
        let found = fs::read(self.log.folder().join(&path));
        if found.ok().as_ref() != Some(&expected) {
            told.found("tile_changed", path);
        }
    }

    /// The tiles that are not full.
    fn end(&mut self, told: &mut Verified) {
        if self.next < self.size {
            return;
        }
        let levels = std::mem::take(&mut self.levels);
        for (level, hashes) in (0_u8..).zip(&levels) {
            if !hashes.is_empty() {
                let number = (self.size >> (8 * u32::from(level))) / 256;
                self.compare(&self.tile(level, number), hashes, told);
            }
        }
    }

    fn grow(&mut self, leaf: Hash) {
        let (mut height, mut hash) = (0, leaf);
        while let Some((left_height, left)) = self.subtrees.last().copied() {
            if left_height != height {
                break;
            }
            self.subtrees.pop();
            hash = tlog_tiles::node_hash(left, hash);
            height += 1;
        }
        self.subtrees.push((height, hash));
    }

    fn root(&self) -> [u8; 32] {
        let hashes = self.subtrees.iter().rev().map(|(_, it)| *it);
        let root = hashes.reduce(|right, left| tlog_tiles::node_hash(left, right));
        root.unwrap_or(tlog_tiles::EMPTY_HASH).0
    }
}

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use tlog_tiles::{Hash, Tile, record_hash};

use crate::tiles::{HEIGHT, Log, entries_path, path_of, split};
use crate::verify::{Signed, Verified};

/// A reading of the log's files from the first leaf on, each hash computed and held against the file
/// that has it.
pub(crate) struct Walk<'a> {
    log: &'a Log,
    size: u64,
    pub(crate) next: u64,
    entries: Vec<Vec<u8>>,
    /// The hashes of the tile under way, by level.
    levels: Vec<Vec<Hash>>,
    /// Roots of full subtrees from the left.
    subtrees: Vec<(u32, Hash)>,
    /// Of the sizes that were signed.
    pub(crate) roots: BTreeMap<u64, [u8; 32]>,
    unreadable: BTreeSet<String>,
}

impl<'a> Walk<'a> {
    pub(crate) fn new(log: &'a Log, size: u64) -> Walk<'a> {
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
    pub(crate) fn step(&mut self, signed: &Signed, told: &mut Verified) -> Option<Vec<u8>> {
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
    pub(crate) fn end(&mut self, told: &mut Verified) {
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

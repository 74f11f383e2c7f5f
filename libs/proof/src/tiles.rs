//! The log as files: C2SP tlog-tiles, hashes under `tile/<level>/`, leaves under `tile/entries/`.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use tlog_tiles::{
    Hash, HashReader, Tile, TileHashReader, TileReader, record_hash, stored_hash_index,
    stored_hashes_for_record_hash, sub_tree_index, tree_hash,
};

use crate::Error;

/// Hashes of 2⁸ leaves or subtrees in a tile, as tlog-tiles has it.
pub(crate) const HEIGHT: u8 = 8;
const WIDTH: u64 = 1 << HEIGHT;
/// The published checkpoint.
const CHECKPOINT: &str = "checkpoint";

/// A folder that holds a log.
#[derive(Debug, Clone)]
pub struct Log {
    folder: PathBuf,
}

/// A size of the log and its root.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Tree {
    pub size: u64,
    pub root: Hash,
}

impl Tree {
    pub const EMPTY: Tree = Tree {
        size: 0,
        root: tlog_tiles::EMPTY_HASH,
    };
}

impl Log {
    /// # Errors
    /// [`Error::File`] where the folder cannot be made.
    pub fn open(folder: &Path) -> Result<Log, Error> {
        fs::create_dir_all(folder).map_err(Error::file(folder))?;
        Ok(Log {
            folder: folder.to_owned(),
        })
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The note that was published last; `None` before the first.
    ///
    /// # Errors
    /// [`Error::File`].
    pub fn checkpoint(&self) -> Result<Option<String>, Error> {
        let path = self.folder.join(CHECKPOINT);
        match fs::read(&path) {
            // What is no text is a note that nobody signed, and no reason to stop: it is found, and sealing
            // publishes what was signed in its place.
            Ok(note) => Ok(Some(String::from_utf8_lossy(&note).into_owned())),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Error::file(&path)(error)),
        }
    }

    /// # Errors
    /// [`Error::File`].
    pub fn publish(&self, note: &str) -> Result<(), Error> {
        self.write(CHECKPOINT, note.as_bytes())
    }

    /// Publishes a note with more signatures, where what it was made of is still the one that is
    /// published; false where the log has grown meanwhile.
    ///
    /// # Errors
    /// [`Error::File`], also while the log is being written to.
    pub fn publish_signed(&self, bare: &str, signed: &str) -> Result<bool, Error> {
        let _claim = self.claim()?;
        let is_newest = self.checkpoint()?.is_some_and(|it| it.starts_with(bare));
        if is_newest {
            self.publish(signed)?;
        }
        Ok(is_newest)
    }

    /// Nobody else writes to the log until this is dropped, or the process has ended. The database
    /// ends the session of a process that sleeps, and its locks with it; files cannot be fenced off
    /// from it, so they wait until it wakes or is killed.
    pub(crate) fn claim(&self) -> Result<File, Error> {
        let claimed = File::open(&self.folder).and_then(|folder| {
            folder.try_lock()?;
            Ok(folder)
        });
        claimed.map_err(Error::file(&self.folder))
    }

    /// Adds leaves behind a tree that was signed. What is written before it is signed is nobody's yet,
    /// and written over when the same is tried again.
    pub(crate) fn append(&self, before: Tree, leaves: &[Vec<u8>]) -> Result<Tree, Error> {
        let growing = Growing::new(self, before)?;
        for (index, leaf) in (before.size..).zip(leaves) {
            growing.push(index, record_hash(leaf))?;
        }
        let size = before.size + leaves.len() as u64;
        for tile in Tile::new_tiles(HEIGHT, before.size, size) {
            let data = tile.read_data(&growing).map_err(tree)?;
            self.write(&path_of(&tile), &data)?;
            if tile.level() == 0 {
                let bundle = self.bundle(before.size, leaves, &tile)?;
                self.write(&entries_path(&tile), &bundle)?;
            }
        }
        let root = tree_hash(size, &growing).map_err(tree)?;
        Ok(Tree { size, root })
    }

    /// The leaves of a tile: those that are there and those that are new.
    fn bundle(&self, old_size: u64, leaves: &[Vec<u8>], tile: &Tile) -> Result<Vec<u8>, Error> {
        let first = tile.level_index() * WIDTH;
        let mut entries = Vec::new();
        if first < old_size {
            let width = u32::try_from(old_size - first).unwrap_or(u32::MAX);
            let old = Tile::new(HEIGHT, 0, tile.level_index(), width.min(256), false);
            entries = self.entries(&old)?;
        }
        let from = usize::try_from(first.max(old_size) - old_size).expect("it is one of the new");
        let left = tile.width() as usize - entries.len();
        entries.extend(leaves[from..from + left].iter().cloned());
        Ok(bundle_of(&entries))
    }

    /// The leaves of a tile of level 0, each of its hash.
    pub(crate) fn entries(&self, tile: &Tile) -> Result<Vec<Vec<u8>>, Error> {
        let path = entries_path(tile);
        let bundle = self.read(&path)?;
        let entries = split(&bundle).ok_or(Error::Tile { path: path.clone() })?;
        let hashes = self.read(&path_of(tile))?;
        let same = entries.len() == tile.width() as usize
            && hashes.len() == entries.len() * 32
            && (hashes.chunks(32).zip(&entries)).all(|(hash, it)| record_hash(it).0[..] == *hash);
        if !same {
            return Err(Error::Tile { path });
        }
        Ok(entries)
    }

    pub(crate) fn read(&self, path: &str) -> Result<Vec<u8>, Error> {
        let path = self.folder.join(path);
        fs::read(&path).map_err(Error::file(&path))
    }

    /// Whole or not at all, and on the disk.
    pub(crate) fn write(&self, path: &str, bytes: &[u8]) -> Result<(), Error> {
        let path = self.folder.join(path);
        let folder = path.parent().expect("it lies in the log's folder");
        fs::create_dir_all(folder).map_err(Error::file(folder))?;
        let part = path.with_extension("part");
        let written = File::create(&part).and_then(|mut file| {
            file.write_all(bytes)?;
            file.sync_all()
        });
        written.map_err(Error::file(&part))?;
        fs::rename(&part, &path).map_err(Error::file(&path))?;
        File::open(folder)
            .and_then(|it| it.sync_all())
            .map_err(Error::file(folder))
    }
}

/// Leaves as a bundle has them.
pub(crate) fn bundle_of(entries: &[Vec<u8>]) -> Vec<u8> {
    let mut bundle = Vec::new();
    for entry in entries {
        let length = u16::try_from(entry.len()).expect("a leaf is short");
        bundle.extend_from_slice(&length.to_be_bytes());
        bundle.extend_from_slice(entry);
    }
    bundle
}

/// The leaves in a bundle: two bytes of length before each (tlog-tiles).
pub(crate) fn split(mut bundle: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut entries = Vec::new();
    while !bundle.is_empty() {
        let (length, rest) = bundle.split_first_chunk::<2>()?;
        let (entry, rest) = rest.split_at_checked(u16::from_be_bytes(*length).into())?;
        entries.push(entry.to_vec());
        bundle = rest;
    }
    Some(entries)
}

/// The crate's paths name the height, tlog-tiles does not.
pub(crate) fn path_of(tile: &Tile) -> String {
    tile.path().replacen("tile/8/", "tile/", 1)
}

pub(crate) fn entries_path(tile: &Tile) -> String {
    let mut data = *tile;
    data.set_is_data();
    path_of(&data).replacen("tile/data/", "tile/entries/", 1)
}

#[expect(clippy::needless_pass_by_value, reason = "errors are mapped with it")]
pub(crate) fn tree(error: tlog_tiles::Error) -> Error {
    Error::Tree(error.to_string())
}

impl TileReader for Log {
    fn height(&self) -> u8 {
        HEIGHT
    }

    fn read_tiles(&self, tiles: &[Tile]) -> Result<Vec<Vec<u8>>, tlog_tiles::Error> {
        let read = tiles.iter().map(|it| {
            let bytes = self.read(&path_of(it));
            bytes.map_err(|_| tlog_tiles::Error::InvalidTile)
        });
        read.collect()
    }

    fn save_tiles(&self, _tiles: &[Tile], _data: &[Vec<u8>]) {}
}

/// The stored hashes of a tree that grows: those of before are read and held against its root.
struct Growing<'a> {
    before: Option<TileHashReader<'a>>,
    before_count: u64,
    new: RefCell<HashMap<u64, Hash>>,
}

impl<'a> Growing<'a> {
    fn new(log: &'a Log, before: Tree) -> Result<Growing<'a>, Error> {
        if before.size == 0 {
            return Ok(Growing {
                before: None,
                before_count: 0,
                new: RefCell::default(),
            });
        }
        let reader = TileHashReader::new(before.size, before.root, log);
        // What the next leaves are hashed with: the whole subtrees at the right edge.
        let edge = sub_tree_index(0, before.size, vec![]);
        let forked = |_| Error::Forked { size: before.size };
        let hashes = reader.read_hashes(&edge).map_err(forked)?;
        Ok(Growing {
            before: Some(reader),
            before_count: stored_hash_index(0, before.size),
            new: RefCell::new(edge.into_iter().zip(hashes).collect()),
        })
    }

    fn push(&self, index: u64, leaf: Hash) -> Result<(), Error> {
        let hashes = stored_hashes_for_record_hash(index, leaf, self).map_err(tree)?;
        let mut new = self.new.borrow_mut();
        new.extend((stored_hash_index(0, index)..).zip(hashes));
        Ok(())
    }
}

impl HashReader for Growing<'_> {
    fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<Hash>, tlog_tiles::Error> {
        let new = self.new.borrow();
        let missing: Vec<u64> = (indexes.iter().copied())
            .filter(|it| !new.contains_key(it))
            .collect();
        if missing.iter().any(|it| *it >= self.before_count) {
            return Err(tlog_tiles::Error::IndexesNotInTree);
        }
        let read = match (&self.before, missing.is_empty()) {
            (Some(before), false) => before.read_hashes(&missing)?,
            _ => Vec::new(),
        };
        let old: HashMap<u64, Hash> = missing.into_iter().zip(read).collect();
        let of = |it: &u64| new.get(it).or_else(|| old.get(it)).copied();
        let hashes: Option<Vec<Hash>> = indexes.iter().map(of).collect();
        hashes.ok_or(tlog_tiles::Error::IndexesNotInTree)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ledger::{leaf_hash, merkle_root};

    fn leaves(from: u64, to: u64) -> Vec<Vec<u8>> {
        (from..to)
            .map(|it| format!("leaf {it}").into_bytes())
            .collect()
    }

    #[test]
    fn a_log_that_grows_in_any_steps_has_the_root_of_the_rfc() {
        for steps in [
            &[1, 2, 3, 255, 256, 257][..],
            &[300, 600, 601, 70_000][..],
            &[256, 512, 65_536, 65_537, 66_000][..],
        ] {
            let folder = tempfile::tempdir().unwrap();
            let log = Log::open(folder.path()).unwrap();
            let mut tree = Tree::EMPTY;
            for size in steps {
                tree = log.append(tree, &leaves(tree.size, *size)).unwrap();
                let all = leaves(0, *size);
                let root = merkle_root(all.iter().map(|it| leaf_hash(it)));
                assert_eq!((tree.size, tree.root.0), (*size, root.0), "{steps:?}");
            }
            let last = (tree.size - 1) / WIDTH;
            let width = u32::try_from(tree.size - last * WIDTH).unwrap();
            let tile = Tile::new(HEIGHT, 0, last, width, false);
            let found = log.entries(&tile).unwrap();
            assert_eq!(found, leaves(last * WIDTH, tree.size));
        }
    }

    #[test]
    fn one_writes_at_a_time_and_an_older_note_never_takes_the_place_of_a_newer() {
        let folder = tempfile::tempdir().unwrap();
        let log = Log::open(folder.path()).unwrap();
        log.publish("one\n").unwrap();
        let claim = log.claim().unwrap();
        let told = log.publish_signed("one\n", "one\nsigned\n").unwrap_err();
        assert!(matches!(told, Error::File { .. }), "{told}");
        drop(claim);
        assert!(log.publish_signed("one\n", "one\nsigned\n").unwrap());
        log.publish("two\n").unwrap();
        assert!(!log.publish_signed("one\n", "one\nagain\n").unwrap());
        assert_eq!(log.checkpoint().unwrap().unwrap(), "two\n");
    }

    #[test]
    fn nothing_grows_on_a_spoilt_or_another_tree() {
        let folder = tempfile::tempdir().unwrap();
        let log = Log::open(folder.path()).unwrap();
        let tree = log.append(Tree::EMPTY, &leaves(0, 300)).unwrap();
        let other = Tree {
            root: record_hash(b"another"),
            ..tree
        };
        let told = log.append(other, &leaves(300, 301)).unwrap_err();
        assert!(matches!(told, Error::Forked { size: 300 }), "{told}");
        let path = folder.path().join("tile/0/001.p/44");
        let mut bytes = fs::read(&path).unwrap();
        bytes[7] ^= 1;
        fs::write(&path, &bytes).unwrap();
        let told = log.append(tree, &leaves(300, 301)).unwrap_err();
        assert!(matches!(told, Error::Forked { size: 300 }), "{told}");
        bytes[7] ^= 1;
        fs::write(&path, &bytes).unwrap();
        log.append(tree, &leaves(300, 301)).unwrap();
    }
}

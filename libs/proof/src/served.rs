//! The log as others read it over HTTP: the paths of C2SP tlog-tiles, and nothing else of the folder.

use tlog_tiles::Tile;

use crate::Error;
use crate::tiles::{HEIGHT, Log, bundle_of, entries_path, path_of, split};

/// Of a log whose size is a number of 64 bits.
const LEVELS: u8 = 8;
/// The longest path of a tile, with its slash.
const PATH_MAX: usize = 64;

/// What lies at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Served {
    /// It is another one soon.
    Checkpoint(String),
    /// The same for ever.
    Tile(Vec<u8>),
}

impl Log {
    /// What the log has at a path such as `/tile/0/x001/234.p/5`. Only what the published checkpoint
    /// covers is there: leaves that were written and are not signed yet may still become others.
    ///
    /// # Errors
    /// [`Error::File`], [`Error::Tile`]: what should be there cannot be read.
    pub fn serve(&self, path: &str) -> Result<Option<Served>, Error> {
        let Some(note) = self.checkpoint()? else {
            return Ok(None);
        };
        if path == "/checkpoint" {
            return Ok(Some(Served::Checkpoint(note)));
        }
        let size = note.lines().nth(1).and_then(|it| it.parse::<u64>().ok());
        let (Some(asked), Some(size)) = (Asked::read(path), size) else {
            return Ok(None);
        };
        let Some(stored) = asked.stored(size) else {
            return Ok(None);
        };
        Ok(Some(Served::Tile(self.part_of(&asked, &stored)?)))
    }

    /// The first hashes or leaves of the tile as it stands, so many as are asked for.
    fn part_of(&self, asked: &Asked, stored: &Tile) -> Result<Vec<u8>, Error> {
        let width = asked.tile.width() as usize;
        if !asked.is_entries {
            let mut hashes = self.read(&path_of(stored))?;
            hashes.truncate(width * 32);
            return Ok(hashes);
        }
        let path = entries_path(stored);
        let bundle = self.read(&path)?;
        let entries = split(&bundle).and_then(|it| Some(bundle_of(it.get(..width)?)));
        entries.ok_or(Error::Tile { path })
    }
}

/// A tile by its hashes, or by its leaves.
struct Asked {
    tile: Tile,
    is_entries: bool,
}

impl Asked {
    /// Only the one spelling of a tile is a path: what is read is named by the tile, never by what was
    /// asked.
    fn read(path: &str) -> Option<Asked> {
        let name = path.strip_prefix('/').filter(|it| it.len() < PATH_MAX)?;
        let rest = name.strip_prefix("tile/")?;
        let is_entries = rest.starts_with("entries/");
        // The crate takes neither for a mistake of its caller's.
        let level = rest.split('/').next().and_then(|it| it.parse::<u8>().ok());
        let is_level = is_entries || level.is_some_and(|it| it < LEVELS);
        let width = rest.rsplit_once(".p/").map(|(_, it)| it.parse::<u32>());
        if !is_level || width == Some(Ok(0)) {
            return None;
        }
        // The crate names the height and has another word for leaves.
        let theirs = match rest.strip_prefix("entries/") {
            Some(number) => format!("tile/{HEIGHT}/data/{number}"),
            None => format!("tile/{HEIGHT}/{rest}"),
        };
        let mut tile = Tile::from_path(&theirs).ok()?;
        if is_entries {
            tile = Tile::new(HEIGHT, 0, tile.level_index(), tile.width(), false);
        }
        let ours = if is_entries {
            entries_path(&tile)
        } else {
            path_of(&tile)
        };
        (ours == name).then_some(Asked { tile, is_entries })
    }

    /// The tile in a log of `size` leaves; `None` where that has not so much of it.
    fn stored(&self, size: u64) -> Option<Tile> {
        let of_level = size >> (u32::from(HEIGHT) * u32::from(self.tile.level()));
        let first = self.tile.level_index().checked_mul(1 << HEIGHT)?;
        let width = u32::try_from(of_level.checked_sub(first)?.min(1 << HEIGHT)).ok()?;
        let it = &self.tile;
        (width >= it.width()).then(|| Tile::new(HEIGHT, it.level(), it.level_index(), width, false))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tiles::Tree;

    #[test]
    fn what_is_signed_is_there_and_nothing_else_of_the_disk() {
        let folder = tempfile::tempdir().unwrap();
        let log = Log::open(folder.path()).unwrap();
        let leaves = |from: u64, to| (from..to).map(|it| it.to_be_bytes().to_vec()).collect();
        assert_eq!(log.serve("/checkpoint").unwrap(), None);
        let leaves: Vec<Vec<u8>> = leaves(0, 600);
        let tree = log.append(Tree::EMPTY, &leaves[..300]).unwrap();
        log.append(tree, &leaves[300..]).unwrap();
        log.publish("a log\n520\nroot\n\n").unwrap();
        let found = |path: &str| match log.serve(path).unwrap()? {
            Served::Checkpoint(note) => Some(note.into_bytes()),
            Served::Tile(bytes) => Some(bytes),
        };
        let read = |path: &str| std::fs::read(folder.path().join(path)).unwrap();
        assert_eq!(found("/tile/0/000").unwrap(), read("tile/0/000"));
        assert_eq!(
            found("/tile/entries/001").unwrap(),
            read("tile/entries/001")
        );
        assert_eq!(found("/tile/1/000.p/2").unwrap(), read("tile/1/000.p/2"));
        // Never written by itself, and signed: the beginning of what was.
        log.publish("a log\n600\nroot\n\n").unwrap();
        let whole = read("tile/0/002.p/88");
        assert_eq!(found("/tile/0/002.p/8").unwrap(), whole[..8 * 32]);
        let whole = read("tile/entries/002.p/88");
        assert_eq!(found("/tile/entries/002.p/8").unwrap(), whole[..8 * 10]);
        log.publish("a log\n300\nroot\n\n").unwrap();
        std::fs::write(folder.path().join("secret"), "x").unwrap();
        for path in [
            "/tile/0/001",
            "/tile/0/001.p/45",
            "/tile/entries/001.p/45",
            "/tile/0/002.p/8",
            "/tile/1/000.p/2",
            "/tile/0/001.p/0",
            "/tile/entries/001.p/0",
            "/tile/0/001.p/044",
            "/tile/0/1.p/44",
            "/tile/0/x000/001.p/44",
            "/tile/00/000",
            "/tile/+0/000",
            "/tile/0/-01",
            "/tile/63/000",
            "/tile/255/000",
            "/tile/0/x999/x999/x999/x999/x999/x999/999",
            "/tile/data/000",
            "/tile/8/0/000",
            "/tile/0/000/",
            "/tile/0/../0/000",
            "/tile/0/000.p/../../../secret",
            "/../secret",
            "/secret",
            "/tile",
            "/",
            "",
            "tile/0/000",
        ] {
            assert_eq!(found(path), None, "{path}");
        }
        assert_eq!(found("/tile/0/001.p/44").unwrap().len(), 44 * 32);
    }
}

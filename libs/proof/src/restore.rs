use std::fs;

use sqlx::{PgConnection, PgPool};
use tlog_tiles::Hash;

use crate::Error;
use crate::checkpoint::SignedCheckpoint;
use crate::leaf::Leaf;
use crate::stamp;
use crate::store;
use crate::tiles::{Log, Tree};

/// Where the log is put together: what is not whole is not the log's.
const UNDER_WAY: &str = ".restoring";
/// Moved out of there in this order: a checkpoint is published when all that it covers is there.
const PIECES: [&str; 3] = ["stamps", "tile", "checkpoint"];

/// What was put together again.
#[derive(Debug, Clone)]
pub struct Restored {
    pub checkpoints: u64,
    pub stamps: u64,
    pub checkpoint: SignedCheckpoint,
}

/// Writes a lost log again from what the database keeps of it, as it grew: through every checkpoint
/// that was signed, each of which has to be what comes out. Nothing is signed anew; the signatures of
/// witnesses come back with the next checkpoint.
///
/// # Errors
/// [`Error::Refused`]: `log_is_there`, `nothing_to_restore`. [`Error::Forked`],
/// [`Error::Checkpoint`]: the records are not what was signed, and nothing is left in the folder.
pub async fn restore(pool: &PgPool, log: &Log, verifier_key: &str) -> Result<Restored, Error> {
    let lock = store::log_lock();
    let held_log = lock.acquire(pool.acquire().await?).await?;
    let claim = log.claim()?;
    if log.folder().join("tile").exists() {
        return Err(Error::Refused {
            code: "log_is_there",
            detail: format!("{} has tiles already", log.folder().display()),
        });
    }
    let under_way = log.folder().join(UNDER_WAY);
    let begin = Log::open(&under_way)?;
    // What a stop left behind.
    fs::remove_dir_all(&under_way).map_err(Error::file(&under_way))?;
    let mut tx = pool
        .begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        .await?;
    let restored = grow(&mut tx, &begin, verifier_key).await;
    if restored.is_ok() {
        for piece in PIECES.map(|it| (under_way.join(it), log.folder().join(it))) {
            if piece.0.exists() {
                fs::rename(&piece.0, &piece.1).map_err(Error::file(&piece.1))?;
            }
        }
    }
    if under_way.exists() {
        fs::remove_dir_all(&under_way).map_err(Error::file(&under_way))?;
    }
    drop(claim);
    held_log.release_now().await?;
    restored
}

async fn grow(tx: &mut PgConnection, log: &Log, verifier_key: &str) -> Result<Restored, Error> {
    let mut tree = Tree::EMPTY;
    let mut restored = None;
    let mut checkpoints = 0;
    for (size, root, note) in store::checkpoints(tx).await? {
        let signed = SignedCheckpoint::open(&note, verifier_key)?;
        let leaves: Vec<Leaf> = store::leaves(tx, tree.size, size).await?;
        let whole = u64::try_from(leaves.len()).is_ok_and(|it| tree.size + it == size);
        if !whole || (signed.size, signed.root) != (size, root) {
            return Err(Error::Forked { size });
        }
        let bytes: Vec<Vec<u8>> = leaves.iter().map(Leaf::bytes).collect();
        let grown = {
            let log = log.clone();
            tokio::task::spawn_blocking(move || log.append(tree, &bytes))
        };
        tree = grown.await.map_err(|it| Error::Tree(it.to_string()))??;
        if tree.root != Hash(root) {
            return Err(Error::Forked { size });
        }
        checkpoints += 1;
        restored = Some(signed);
    }
    let Some(checkpoint) = restored else {
        return Err(Error::Refused {
            code: "nothing_to_restore",
            detail: "no checkpoint has been signed".to_owned(),
        });
    };
    let stamps = stamp::restore(tx, log).await?;
    log.publish(&checkpoint.note)?;
    Ok(Restored {
        checkpoints,
        stamps,
        checkpoint,
    })
}

use std::fs::File;
use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::{Connection as _, PgConnection, PgPool};
use tlog_tiles::Hash;

use crate::Error;
use crate::checkpoint::{LogKey, SignedCheckpoint};
use crate::store;
use crate::tiles::{Log, Tree};

/// Entries of one round; what is left is for the next one.
pub const BATCH_MAX: i64 = 10_000;

/// Tries to have the files alone, and the pause between two.
const CLAIMS_MAX: usize = 50;
const CLAIM_PAUSE: Duration = Duration::from_millis(20);

/// What a round sealed.
#[derive(Debug, Clone)]
pub struct Sealed {
    pub entries: usize,
    /// There are more than one round takes.
    pub is_more: bool,
    pub checkpoint: SignedCheckpoint,
}

/// Makes leaves of entries that wait, signs the log that they lead to and publishes it. `None` where
/// nothing waits.
///
/// It may be stopped anywhere: the files are on the disk before the database says that they count, and
/// the signature is public after it. A log that is not what was signed last is never signed on.
///
/// # Errors
/// [`Error::Forked`], [`Error::File`]: what waits goes on waiting.
pub async fn seal(
    pool: &PgPool,
    log: &Log,
    key: &LogKey,
    now: DateTime<Utc>,
) -> Result<Option<Sealed>, Error> {
    // Held until it is published: nobody finds the database ahead of the files.
    let lock = store::log_lock();
    let mut held_log = lock.acquire(pool.acquire().await?).await?;
    let claim = claimed(log).await?;
    let sealed = round(&mut held_log, log, key, now).await?;
    drop(claim);
    held_log.release_now().await?;
    Ok(sealed)
}

/// Who publishes signatures of witnesses has the files for a moment.
async fn claimed(log: &Log) -> Result<File, Error> {
    for _ in 1..CLAIMS_MAX {
        match log.claim() {
            Ok(claim) => return Ok(claim),
            Err(_) => tokio::time::sleep(CLAIM_PAUSE).await,
        }
    }
    log.claim()
}

async fn round(
    connection: &mut PgConnection,
    log: &Log,
    key: &LogKey,
    now: DateTime<Utc>,
) -> Result<Option<Sealed>, Error> {
    let mut tx = connection.begin().await?;
    store::wait_for_files(&mut tx).await?;
    let last = store::last_checkpoint(&mut tx).await?;
    let waiting = store::unsealed(&mut tx, BATCH_MAX).await?;
    if waiting.is_empty() {
        // What was signed before a stop was not published perhaps.
        if let Some((.., note)) = last
            && !log.checkpoint()?.is_some_and(|it| it.starts_with(&note))
        {
            log.publish(&note)?;
        }
        return Ok(None);
    }
    // With what waits, the checkpoints before: by themselves they are no reason to grow.
    store::enter_checkpoints(&mut tx).await?;
    let waiting = store::unsealed(&mut tx, BATCH_MAX).await?;
    let before = last.map_or(Tree::EMPTY, |(size, root, _)| Tree {
        size,
        root: Hash(root),
    });
    let leaves: Vec<Vec<u8>> = waiting.iter().map(crate::Leaf::bytes).collect();
    let grown = {
        let log = log.clone();
        tokio::task::spawn_blocking(move || log.append(before, &leaves))
    };
    let tree = grown.await.map_err(|it| Error::Tree(it.to_string()))??;
    let signed = key.sign(tree.size, tree.root.0)?;
    store::insert_sealed(&mut tx, before.size, &waiting, &signed, now).await?;
    tx.commit().await?;
    log.publish(&signed.note)?;
    Ok(Some(Sealed {
        entries: waiting.len(),
        is_more: i64::try_from(waiting.len()).is_ok_and(|it| it == BATCH_MAX),
        checkpoint: signed,
    }))
}

use serde::Serialize;
use sqlx::PgPool;
use tlog_tiles::{Hash, TileHashReader, prove_record};

use crate::Error;
use crate::checkpoint::SignedCheckpoint;
use crate::leaf::Leaf;
use crate::sources::SOURCES;
use crate::store;
use crate::tiles::{Log, tree};

/// A leaf with what it commits to, and the way from it to a checkpoint: who has the log's key verifies
/// that this was recorded, as it stands here.
#[derive(Debug, Clone, Serialize)]
pub struct Opened {
    pub leaf: Leaf,
    pub index: u64,
    /// Hex hashes from the leaf to the root (RFC 6962).
    pub path: Vec<String>,
    /// The row's content, JSON; its SHA-256 behind the salt is the leaf's commitment.
    pub content: String,
    /// Hex; of this leaf alone.
    pub salt: String,
}

/// Opens leaves of a source by their keys, in their order; what is not in the log yet is left out.
///
/// # Errors
/// `source_unknown`; what database and log say.
pub async fn open(
    pool: &PgPool,
    log: &Log,
    signed: &SignedCheckpoint,
    (source, keys): (&str, &[String]),
) -> Result<Vec<Opened>, Error> {
    let known = SOURCES.iter().find(|it| it.name == source);
    let known = known.ok_or_else(|| Error::Refused {
        code: "source_unknown",
        detail: format!("nothing is evident as {source}"),
    })?;
    let reader = TileHashReader::new(signed.size, Hash(signed.root), log);
    let mut opened = Vec::with_capacity(keys.len());
    for it in store::contents(pool, known, keys).await? {
        if it.index >= signed.size {
            continue;
        }
        let path = prove_record(signed.size, it.index, &reader).map_err(tree)?;
        opened.push(Opened {
            leaf: it.leaf,
            index: it.index,
            path: path.iter().map(|hash| hex::encode(hash.0)).collect(),
            content: it.content,
            salt: hex::encode(it.salt),
        });
    }
    Ok(opened)
}

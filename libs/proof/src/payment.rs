use ledger::TransferContent;
use serde::{Deserialize, Serialize};
use sqlx::PgPool;
use std::cell::RefCell;
use std::collections::HashMap;
use tlog_tiles::{
    Hash, HashReader, RecordProof, TileHashReader, check_record, prove_record, record_hash,
    stored_hash_index, stored_hashes_for_record_hash,
};

use crate::Error;
use crate::checkpoint::SignedCheckpoint;
use crate::leaf::Leaf;
use crate::store;
use crate::tiles::{Log, tree};

/// The form of the file; another form is another number.
const FORMAT: &str = "an-sinh-payment-proof/1";

/// What no proof of a log proves.
const DOES_NOT_PROVE: [&str; 3] = [
    "that what was recorded was true when it was recorded",
    "that nothing else was paid beside what was recorded",
    "who the person behind the number is",
];

/// Everything that shows what was booked for one payment: no database and no secret is needed to
/// verify it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PaymentProof {
    pub format: String,
    /// The payment's end-to-end id.
    pub line: String,
    /// The signed note that the log is proven by.
    pub checkpoint: String,
    pub steps: Vec<Step>,
    pub does_not_prove: Vec<String>,
}

/// One transfer of the payment: it is in its journal, and the journal in the log.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    pub transfer: Content,
    /// Hex; of this line alone.
    pub salt: String,
    /// Where the transfer stands among the journal's, from 0, and how many they are.
    pub index: u64,
    pub size: u64,
    /// Hex hashes from the leaf to the journal's root (RFC 6962).
    pub path: Vec<String>,
    /// The journal as the log has it.
    pub leaf: Leaf,
    pub leaf_index: u64,
    pub log_path: Vec<String>,
}

/// A transfer in the field's words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Content {
    pub run_no: i64,
    pub part: i16,
    pub debit: i64,
    pub credit: i64,
    /// Whole đồng.
    pub amount: String,
    pub person_no: i64,
    pub chunk: i32,
    pub line: i32,
}

impl Content {
    fn of(it: &TransferContent) -> Content {
        Content {
            run_no: it.run_no,
            part: it.part.number(),
            debit: it.debit,
            credit: it.credit,
            amount: it.amount.to_string(),
            person_no: it.person_no,
            chunk: it.chunk,
            line: it.chunk_line,
        }
    }

    fn hashed(&self) -> Result<TransferContent, Error> {
        let wrong = |what: &str| Error::Refused {
            code: "proof_malformed",
            detail: format!("{what} is none"),
        };
        Ok(TransferContent {
            run_no: self.run_no,
            part: self.part.try_into().map_err(|_| wrong("a partition"))?,
            debit: self.debit,
            credit: self.credit,
            amount: self.amount.parse().map_err(|_| wrong("an amount"))?,
            person_no: self.person_no,
            chunk: self.chunk,
            chunk_line: self.line,
        })
    }
}

/// Makes the proof of a payment by the newest checkpoint that is published.
///
/// # Errors
/// `line_unknown` where nothing was booked for it, `not_sealed` where something is not in the log yet.
pub async fn prove(
    pool: &PgPool,
    log: &Log,
    verifier_key: &str,
    line: domain::Position,
) -> Result<PaymentProof, Error> {
    let note = log.checkpoint()?.unwrap_or_default();
    let signed = SignedCheckpoint::open(&note, verifier_key)?;
    let booked = ledger::booked(pool, line).await?;
    if booked.is_empty() {
        return Err(Error::Refused {
            code: "line_unknown",
            detail: format!("nothing was booked for {line}"),
        });
    }
    let mut steps = Vec::with_capacity(booked.len());
    for it in booked {
        let journal = ledger::leaves_of(pool, line.part, it.seq).await?;
        let Some((leaf_index, leaf)) = store::leaf_of(pool, line.part, it.seq).await? else {
            return Err(not_sealed(line));
        };
        if leaf_index >= signed.size {
            return Err(not_sealed(line));
        }
        let index = u64::from(it.line.unsigned_abs()) - 1;
        let (size, path) = (journal.leaves.len() as u64, path(&journal.leaves, index)?);
        let reader = TileHashReader::new(signed.size, Hash(signed.root), log);
        let log_path = prove_record(signed.size, leaf_index, &reader).map_err(tree)?;
        let salt = journal
            .salts
            .get(usize::try_from(index).unwrap_or(usize::MAX));
        steps.push(Step {
            transfer: Content::of(&it.content),
            salt: salt.map(hex::encode).unwrap_or_default(),
            index,
            size,
            path,
            leaf,
            leaf_index,
            log_path: hexed(&log_path),
        });
    }
    Ok(PaymentProof {
        format: FORMAT.to_owned(),
        line: line.to_string(),
        checkpoint: signed.note,
        steps,
        does_not_prove: DOES_NOT_PROVE.map(str::to_owned).to_vec(),
    })
}

fn not_sealed(line: domain::Position) -> Error {
    Error::Refused {
        code: "not_sealed",
        detail: format!("what was booked for {line} is not in the log yet"),
    }
}

fn hexed(path: &RecordProof) -> Vec<String> {
    path.iter().map(|it| hex::encode(it.0)).collect()
}

/// From a leaf to the root of the tree over all.
fn path(leaves: &[[u8; 32]], index: u64) -> Result<Vec<String>, Error> {
    let stored = Stored::default();
    for (number, leaf) in (0..).zip(leaves) {
        let hashes = stored_hashes_for_record_hash(number, Hash(*leaf), &stored).map_err(tree)?;
        let places = (stored_hash_index(0, number)..).zip(hashes);
        stored.0.borrow_mut().extend(places);
    }
    let path = prove_record(leaves.len() as u64, index, &stored).map_err(tree)?;
    Ok(hexed(&path))
}

#[derive(Default)]
struct Stored(RefCell<HashMap<u64, Hash>>);

impl HashReader for Stored {
    fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<Hash>, tlog_tiles::Error> {
        let stored = self.0.borrow();
        let hashes: Option<Vec<Hash>> = indexes.iter().map(|it| stored.get(it).copied()).collect();
        hashes.ok_or(tlog_tiles::Error::IndexesNotInTree)
    }
}

/// Verifies a proof with the log's public key alone.
///
/// # Errors
/// `proof_malformed`, `checkpoint_wrong`, `transfer_wrong`, `journal_wrong`, each with its step.
pub fn verify_proof(proof: &PaymentProof, verifier_key: &str) -> Result<SignedCheckpoint, Error> {
    let refused = |code, detail: String| Err(Error::Refused { code, detail });
    if proof.format != FORMAT || proof.steps.is_empty() {
        return refused("proof_malformed", format!("it is no {FORMAT}"));
    }
    let line: domain::Position = match proof.line.parse() {
        Ok(line) => line,
        Err(_) => return refused("proof_malformed", "it is of no payment".to_owned()),
    };
    let signed = SignedCheckpoint::open(&proof.checkpoint, verifier_key);
    let signed = match signed {
        Ok(signed) => signed,
        Err(why) => return refused("checkpoint_wrong", why.to_string()),
    };
    for (number, step) in (1..).zip(&proof.steps) {
        let it = &step.transfer;
        let is_its = (it.run_no, it.part, it.chunk, it.line)
            == (line.run.0, line.part.number(), line.chunk.0, line.line.0);
        let salt = read_hash(&step.salt);
        let root = step.leaf.root.as_deref().and_then(read_hash);
        let (Some(salt), Some(root), true) = (salt, root, is_its) else {
            return refused("transfer_wrong", format!("step {number} is not of {line}"));
        };
        let leaf = Hash(it.hashed()?.leaf(Some(salt)));
        let path = read_path(&step.path);
        if check_record(&path, step.size, Hash(root), step.index, leaf).is_err() {
            return refused(
                "transfer_wrong",
                format!("step {number} is not in its journal"),
            );
        }
        let (entry, path) = (record_hash(&step.leaf.bytes()), read_path(&step.log_path));
        let root = Hash(signed.root);
        let in_log = check_record(&path, signed.size, root, step.leaf_index, entry);
        if in_log.is_err() || step.leaf.source != "journal" {
            return refused("journal_wrong", format!("step {number} is not in the log"));
        }
    }
    Ok(signed)
}

fn read_hash(text: &str) -> Option<[u8; 32]> {
    let mut hash = [0; 32];
    hex::decode_to_slice(text, &mut hash).ok()?;
    Some(hash)
}

/// What is no hash proves nothing: the path is as if it ended there.
fn read_path(path: &[String]) -> RecordProof {
    path.iter()
        .map_while(|it| read_hash(it))
        .map(Hash)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ledger::{Root, leaf_hash};

    #[test]
    fn a_path_leads_from_each_leaf_to_the_root_and_from_no_other() {
        for count in [1_u64, 2, 3, 7, 8, 33] {
            let leaves: Vec<[u8; 32]> = (0..count).map(|it| leaf_hash(&it.to_be_bytes())).collect();
            let Root(root) = ledger::merkle_root(leaves.iter().copied());
            for index in 0..count {
                let path = read_path(&path(&leaves, index).unwrap());
                for other in 0..count {
                    let leaf = Hash(leaves[usize::try_from(other).unwrap()]);
                    let checked = check_record(&path, count, Hash(root), index, leaf);
                    assert_eq!(checked.is_ok(), other == index, "{count} {index} {other}");
                }
            }
        }
    }
}

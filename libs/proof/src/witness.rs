//! Witnesses: who keeps what a log signed last and signs only what goes on from it (C2SP tlog-witness,
//! tlog-cosignature).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use signed_note::Signature;
use tlog_tiles::{Hash, TileHashReader, prove_tree};

use crate::Error;
use crate::checkpoint::SignedCheckpoint;
use crate::tiles::{Log, tree};

/// The first byte of a key that signs with a time (tlog-cosignature, Ed25519).
const COSIGNATURE: u8 = 4;

/// Somebody else's word on checkpoints of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Witness {
    name: String,
    id: u32,
    public_key: Vec<u8>,
}

impl Witness {
    /// Reads a witness's verifier key, `name+id+base64`.
    ///
    /// # Errors
    /// [`Error::Checkpoint`] for anything else.
    pub fn of_key(text: &str) -> Result<Witness, Error> {
        let wrong = || Error::Checkpoint("that is no witness's verifier key");
        let mut pieces = text.trim().splitn(3, '+');
        let (name, id, key) = (pieces.next(), pieces.next(), pieces.next());
        let (name, id, key) = (
            name.ok_or_else(wrong)?,
            id.ok_or_else(wrong)?,
            key.ok_or_else(wrong)?,
        );
        let bytes = STANDARD.decode(key).map_err(|_| wrong())?;
        let named = signed_note::key_id(name, &bytes);
        let id = u32::from_str_radix(id, 16).map_err(|_| wrong())?;
        match bytes.split_first() {
            Some((&COSIGNATURE, public_key)) if public_key.len() == 32 && id == named => {
                Ok(Witness {
                    name: name.to_owned(),
                    id,
                    public_key: public_key.to_vec(),
                })
            }
            _ => Err(wrong()),
        }
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// When it signed the note; `None` where it has not.
    pub fn signed_at(&self, note: &str) -> Option<u64> {
        let (text, signatures) = note.rsplit_once("\n\n")?;
        let mut lines = signatures.lines();
        lines.find_map(|line| {
            let signature = Signature::from_bytes(line.as_bytes()).ok()?;
            let of_it = signature.name() == self.name && signature.id() == self.id;
            let (time, bytes) = signature.signature().split_first_chunk::<8>()?;
            let time = u64::from_be_bytes(*time);
            let message = format!("cosignature/v1\ntime {time}\n{text}\n");
            let stands = privacy::verifies(&self.public_key, message.as_bytes(), bytes);
            (of_it && stands).then_some(time)
        })
    }
}

/// What a witness that knows the log at `old` leaves is asked to sign: the proof that the checkpoint
/// goes on from there, and the checkpoint.
///
/// # Errors
/// [`Error::Tree`] where the log has not so many leaves, or is not what was signed.
pub fn witness_request(log: &Log, old: u64, signed: &SignedCheckpoint) -> Result<String, Error> {
    let mut body = format!("old {old}\n");
    if old > 0 && old < signed.size {
        let reader = TileHashReader::new(signed.size, Hash(signed.root), log);
        for hash in prove_tree(signed.size, old, &reader).map_err(tree)? {
            body.push_str(&STANDARD.encode(hash.0));
            body.push('\n');
        }
    }
    body.push('\n');
    body.push_str(&signed.note);
    Ok(body)
}

/// The note with what a witness answered behind it.
///
/// # Errors
/// [`Error::Checkpoint`] where that is not this witness's signature of it.
pub fn cosigned(note: &str, answer: &str, witness: &Witness) -> Result<String, Error> {
    let with = format!("{note}{}\n", answer.trim_end());
    if witness.signed_at(&with).is_none() {
        return Err(Error::Checkpoint("the witness has not signed it"));
    }
    Ok(with)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::LogKey;
    use privacy::Signer;

    #[test]
    fn a_witness_signs_with_its_time_and_nothing_else_counts() {
        let signer = Signer::new(&[4; 32]);
        let key = [&[COSIGNATURE], &signer.public_key()[..]].concat();
        let id = signed_note::key_id("ktnn.example/w1", &key);
        let text = format!("ktnn.example/w1+{id:08x}+{}", STANDARD.encode(&key));
        let witness = Witness::of_key(&text).unwrap();
        let log = LogKey::new("an-sinh/evidence", Signer::new(&[1; 32])).unwrap();
        let note = log.sign(7, [3; 32]).unwrap().note;
        assert_eq!(witness.signed_at(&note), None);

        let (body, _) = note.rsplit_once("\n\n").unwrap();
        let message = format!("cosignature/v1\ntime 1764100000\n{body}\n");
        let mut bytes = 1_764_100_000_u64.to_be_bytes().to_vec();
        bytes.extend(signer.sign(message.as_bytes()));
        let line = Signature::new("ktnn.example/w1".to_owned(), id, bytes).unwrap();
        let line = String::from_utf8(line.to_bytes()).unwrap();
        let with = cosigned(&note, &line, &witness).unwrap();
        assert_eq!(witness.signed_at(&with), Some(1_764_100_000));
        SignedCheckpoint::open(&with, &log.verifier_key()).unwrap();
        let other = log.sign(8, [3; 32]).unwrap().note;
        cosigned(&other, &line, &witness).unwrap_err();
        assert!(Witness::of_key(&log.verifier_key()).is_err());
    }
}

use privacy::Signer;
use signed_note::{Note, StandardVerifier, VerifierList};
use tlog_tiles::{Checkpoint, Hash};

use crate::Error;

/// What the log's key signs; part of the key, so another purpose has another key.
pub const PURPOSE: &str = "transparency-log";

/// The first byte of an Ed25519 key in a verifier key (C2SP signed-note).
const ED25519: u8 = 1;

/// Signs the log's checkpoints under its name.
#[derive(Debug)]
pub struct LogKey {
    origin: String,
    signer: Signer,
}

/// A size and root of the log that its key has signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedCheckpoint {
    pub origin: String,
    pub size: u64,
    pub root: [u8; 32],
    /// As it is published: text, empty line, signatures.
    pub note: String,
}

impl LogKey {
    /// # Errors
    /// [`Error::Checkpoint`] for an origin with a blank or a plus in it, or none at all.
    pub fn new(origin: &str, signer: Signer) -> Result<LogKey, Error> {
        if !signed_note::is_key_name_valid(origin) {
            return Err(Error::Checkpoint("an origin has no blank and no plus"));
        }
        let origin = origin.to_owned();
        Ok(LogKey { origin, signer })
    }

    /// The public half as auditors keep it: `origin+id+base64` (C2SP signed-note).
    pub fn verifier_key(&self) -> String {
        use base64::Engine as _;
        let key = self.public_key();
        let id = signed_note::key_id(&self.origin, &key);
        let text = base64::engine::general_purpose::STANDARD.encode(&key);
        format!("{}+{id:08x}+{text}", self.origin)
    }

    fn public_key(&self) -> Vec<u8> {
        [&[ED25519], &self.signer.public_key()[..]].concat()
    }

    pub(crate) fn sign(&self, size: u64, root: [u8; 32]) -> Result<SignedCheckpoint, Error> {
        let text = Checkpoint::new(&self.origin, size, Hash(root), "");
        let text = text.map_err(|_| Error::Checkpoint("an origin is one line"))?;
        let note = Note::new(&text.to_bytes(), &[]);
        let mut note = note.map_err(|_| Error::Checkpoint("a note is text"))?;
        note.add_sigs(&[self])
            .map_err(|_| Error::Checkpoint("it could not be signed"))?;
        let note = String::from_utf8(note.to_bytes());
        Ok(SignedCheckpoint {
            origin: self.origin.clone(),
            size,
            root,
            note: note.map_err(|_| Error::Checkpoint("a note is text"))?,
        })
    }
}

impl signed_note::Signer for LogKey {
    fn name(&self) -> &str {
        &self.origin
    }

    fn key_id(&self) -> u32 {
        signed_note::key_id(&self.origin, &self.public_key())
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, signature::Error> {
        Ok(self.signer.sign(message))
    }
}

impl SignedCheckpoint {
    /// Reads a note and verifies the log's own signature on it; what witnesses signed beside stands.
    ///
    /// # Errors
    /// [`Error::Checkpoint`] where it is none, is of another log, or is not signed by this key.
    pub fn open(note: &str, verifier_key: &str) -> Result<SignedCheckpoint, Error> {
        let verifier = StandardVerifier::new(verifier_key);
        let verifier = verifier.map_err(|_| Error::Checkpoint("that is no verifier key"))?;
        let known = VerifierList::new(vec![Box::new(verifier)]);
        let read = Note::from_bytes(note.as_bytes());
        let read = read.map_err(|_| Error::Checkpoint("it is no signed note"))?;
        read.verify(&known)
            .map_err(|_| Error::Checkpoint("the log's key has not signed it"))?;
        let text = Checkpoint::from_bytes(read.text());
        let text = text.map_err(|_| Error::Checkpoint("its text is none"))?;
        let name = verifier_key.split('+').next().unwrap_or_default();
        if text.origin() != name {
            return Err(Error::Checkpoint("it is of another log"));
        }
        Ok(SignedCheckpoint {
            origin: text.origin().to_owned(),
            size: text.size(),
            root: text.hash().0,
            note: note.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(seed: u8) -> LogKey {
        LogKey::new("an-sinh/evidence", Signer::new(&[seed; 32])).unwrap()
    }

    #[test]
    fn a_checkpoint_is_its_logs_word_and_nobody_elses() {
        let signed = key(1).sign(7, [3; 32]).unwrap();
        let opened = SignedCheckpoint::open(&signed.note, &key(1).verifier_key());
        assert_eq!(opened.unwrap(), signed);
        let other = key(2).verifier_key();
        SignedCheckpoint::open(&signed.note, &other).unwrap_err();
        for (from, to) in [("\n7\n", "\n8\n"), ("evidence", "evidenc3"), ("\n\n", "\n")] {
            let spoilt = signed.note.replacen(from, to, 1);
            SignedCheckpoint::open(&spoilt, &key(1).verifier_key()).unwrap_err();
        }
        assert!(LogKey::new("an sinh", Signer::new(&[1; 32])).is_err());
    }
}

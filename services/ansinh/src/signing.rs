//! Officers' private keys: made and used where the officer sits, never sent anywhere.

use std::fmt::Display;
use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use approval::KeyStatement;
use domain::Officer;
use ed25519_dalek::pkcs8::spki::der::pem::LineEnding;
use ed25519_dalek::pkcs8::{DecodePrivateKey, EncodePrivateKey, KeypairBytes};
use ed25519_dalek::{Signer, SigningKey};
use payments::RegisterKey;

/// An officer's key (Ed25519); in a file it is PKCS #8 in PEM, as other tools read it.
pub(crate) struct OfficerKey(SigningKey);

impl OfficerKey {
    pub(crate) fn generate() -> anyhow::Result<OfficerKey> {
        let mut seed = zeroize::Zeroizing::new([0; 32]);
        getrandom::fill(&mut seed[..]).context("the system gives no randomness")?;
        Ok(OfficerKey(SigningKey::from_bytes(&seed)))
    }

    /// Where an officer's key lies if nothing else is said.
    pub(crate) fn place(home: &Path, officer: &Officer) -> PathBuf {
        home.join("officers").join(format!("{officer}.pem"))
    }

    pub(crate) fn read(file: &Path) -> anyhow::Result<OfficerKey> {
        let cannot = || format!("cannot read the key {}", file.display());
        let metadata = std::fs::metadata(file).with_context(cannot)?;
        let mode = metadata.permissions().mode() & 0o777;
        ensure!(
            matches!(mode, 0o400 | 0o600),
            "key_exposed: {} can be read by others (mode {mode:o}); chmod 600 it",
            file.display()
        );
        let text = zeroize::Zeroizing::new(std::fs::read_to_string(file).with_context(cannot)?);
        let key = SigningKey::from_pkcs8_pem(&text);
        let key = key.map_err(|_| anyhow::anyhow!("key_invalid: {} is no key", file.display()))?;
        Ok(OfficerKey(key))
    }

    /// A new file that only its owner reads; one that is there is never overwritten.
    pub(crate) fn write(&self, file: &Path) -> anyhow::Result<()> {
        if let Some(folder) = file.parent() {
            std::fs::create_dir_all(folder)?;
        }
        // Without the public key beside it, as the older tools expect.
        let pair = KeypairBytes {
            secret_key: self.0.to_bytes(),
            public_key: None,
        };
        let text = pair.to_pkcs8_pem(LineEnding::LF);
        let text = text.map_err(|it| anyhow::anyhow!("the key cannot be written: {it}"))?;
        let mut options = std::fs::OpenOptions::new();
        let created = options.write(true).create_new(true).mode(0o600).open(file);
        let mut created = created.with_context(|| format!("cannot create {}", file.display()))?;
        created.write_all(text.as_bytes())?;
        Ok(created.sync_all()?)
    }

    /// Hex.
    pub(crate) fn public(&self) -> String {
        hex::encode(self.0.verifying_key().to_bytes())
    }

    /// Hex.
    pub(crate) fn sign(&self, statement: &impl Display) -> String {
        hex::encode(self.0.sign(statement.to_string().as_bytes()).to_bytes())
    }

    /// What registers the key as `owner`'s, asked for by another officer.
    pub(crate) fn registration(&self, owner: &Officer, by: &Officer) -> RegisterKey {
        RegisterKey {
            officer: by.clone(),
            owner: owner.clone(),
            public_key: self.public(),
            proof: self.proof(owner),
        }
    }

    pub(crate) fn proof(&self, owner: &Officer) -> String {
        self.sign(&KeyStatement {
            officer: owner.clone(),
            public_key: self.public(),
        })
    }
}

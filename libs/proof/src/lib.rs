//! Evidence in a transparency log: what was recorded is shown to be there, once and unchanged, by tools
//! that nobody here wrote.
//!
//! The database enters each row of evidence in the transaction that writes it (schema `proof`). Entries
//! become leaves of a log in the order in which they were committed ([`seal`]): C2SP `tlog-tiles` on
//! disk, RFC 6962 hashes, checkpoints as signed notes (Ed25519). A leaf commits to a row by a salted
//! hash, so the log tells nobody who was paid what. [`verify`] recomputes all of it from the tables.

mod checkpoint;
mod error;
mod leaf;
mod opening;
mod payment;
mod restore;
mod seal;
mod served;
mod sources;
mod stamp;
mod store;
mod tiles;
mod verify;
mod walk;
mod witness;

pub use checkpoint::{LogKey, PURPOSE, SignedCheckpoint};
pub use error::Error;
pub use leaf::Leaf;
pub use opening::{Opened, open};
pub use payment::{PaymentProof, prove, verify_proof};
pub use restore::{Restored, restore};
pub use seal::{BATCH_MAX, Sealed, seal};
pub use served::Served;
pub use stamp::{Anchors, KeptStamp, Stamp, StampRequest, keep_stamp, stamp_due, stamps};
pub use store::{newest_checkpoint, waiting_since};
pub use tiles::Log;
pub use verify::{Finding, Held, Verified, verify, verify_in};
pub use witness::{Witness, cosigned, witness_request};

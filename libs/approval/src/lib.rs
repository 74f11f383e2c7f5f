//! What two officers do together: one proposes a matter, another decides it and signs a text that
//! anybody verifies later without us.
//!
//! Owns schema `approval`: the officers' public keys, and the decisions with what was signed. A
//! service builds the [`Matter`] from what it has stored, never from what it is told, and calls
//! [`decide`] in the transaction of what follows.

mod decision;
mod error;
mod matter;
mod signature;
mod store;

pub use decision::{Decided, Signing, decide, decisions};
pub use error::Error;
pub use matter::{Decision, Kind, Matter};
pub use signature::{KeyStatement, OfficerKey, Signed, signed, stands};
pub use store::{RegisteredKey, end_key, insert_key, key_of, keys};

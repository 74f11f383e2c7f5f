//! Personal data at rest: sealed with a key, found by a keyed index, shown by its tail.
//!
//! * [`Sealed`] is what a table holds instead of a citizen number, a name or a bank account:
//!   AES-256-GCM-SIV (RFC 8452), bound to its [`Field`], to the key's version and to a context of
//!   the caller's choice (the row it belongs to), so that a sealed value copied into another row
//!   does not open there.
//! * [`BlindIndex`] finds a row by a value without opening any: HMAC-SHA256 (RFC 2104) with a
//!   second key. Citizen numbers can be enumerated, so the index is only as secret as that key.
//! * [`Secret`] is the opened value: wiped when dropped, never printed, read by
//!   [`Secret::expose`], which is easy to search for.

mod cipher;
mod error;
mod exchange;
mod index;
mod key_file;
mod keys;
mod nonce;
mod sealed;
mod secret;

pub use error::PrivacyError;
pub use exchange::ExchangeKey;
pub use index::BlindIndex;
pub use keys::{Field, Keys};
pub use sealed::Sealed;
pub use secret::{Secret, mask_tail};

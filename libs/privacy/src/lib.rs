//! Personal data: sealed with a key at rest, found by a keyed index, shown by its mask, and seen
//! in clear only by whom the access log names.
//!
//! * [`Sealed`] is what a table holds instead of a citizen number, a name or a bank account:
//!   AES-256-GCM-SIV (RFC 8452), bound to its [`Field`], to the key's version and to a context of
//!   the caller's choice (the row it belongs to), so that a sealed value copied into another row
//!   does not open there.
//! * [`Keys`] is a ring: the current version seals, retired ones still open, and [`reseal()`]
//!   brings rows that may be changed to the current one in the background.
//! * [`BlindIndex`] finds a row by a value without opening any: HMAC-SHA256 (RFC 2104) with a
//!   second key. Citizen numbers can be enumerated, so the index is only as secret as that key.
//! * [`Secret`] is the opened value: wiped when dropped, never printed, read by
//!   [`Secret::expose`], which is easy to search for. [`Masked`] shows its mask wherever it goes.
//! * [`record`] writes who looks at whom and why; what it gives back, [`Granted`], is the key to
//!   the clear value of a [`Masked`].
//!
//! Owns schema `privacy`.
//!
//! # Rotation
//!
//! A sealed value begins with the version of its key. The key file holds one version to seal with
//! and up to eight retired ones that open. After a rotation [`reseal`] goes through the tables that
//! may be changed, 1,000 rows a transaction by primary key; `privacy.reseals` keeps how far, its
//! row lock shares the work among processes, and a row changed meanwhile is left to the next look.
//! Append-only rows keep their key: a rotation ends the use of a key, it does not take back what
//! the key has sealed. A blind index has no version, because it is found only under the key that
//! made it; a second index column, filled from opened numbers while both are asked for, would be
//! the way to a new one.

mod access;
mod cipher;
mod error;
mod exchange;
mod index;
mod key_file;
mod keys;
mod masked;
mod nonce;
mod reseal;
mod sealed;
mod secret;
mod signing;
mod store;

pub use access::{Access, AccessRow, Granted, PAGE_MAX, Purpose, Role, accesses_of, record};
pub use error::PrivacyError;
pub use exchange::ExchangeKey;
pub use index::BlindIndex;
pub use keys::{Field, KeyPurpose, Keys};
pub use masked::{Account, Kind, Masked, MaskedAccount, MaskedName, MaskedNumber, Name, Number};
pub use reseal::{Replacement, SealedRow, SealedTable, reseal};
pub use sealed::Sealed;
pub use secret::{Secret, mask_tail};
pub use signing::{Signer, verifies};

//! Double-entry books in schema `ledger`: accounts, journals, transfers, proofs.
//!
//! Called inside the caller's transaction; only payments writes. A transfer has both sides in one
//! row, so a journal cannot be out of balance. A journal's reference is its idempotency key. A
//! control account's turnover is one row a partition, added to once a journal; a person's balance
//! is derived from transfers.

mod account;
mod check;
mod error;
mod journal;
mod merkle;
mod posting;
mod report;
mod store;

pub use account::{Account, AccountKind, AccountNo, Normal};
pub use check::{Checked, Finding, check_books, check_part, check_trial_balance};
pub use error::Error;
pub use journal::{Journal, JournalKind, Transfer, TransferContent, TransferLine};
pub use merkle::{Root, leaf_hash, merkle_root};
pub use posting::post;
pub use report::{
    Booked, Clearing, JournalLeaves, JournalView, TransferView, TrialBalanceRow, account_balance,
    booked, clearing, journal, journal_count, leaves_of, left, stands, trial_balance,
};

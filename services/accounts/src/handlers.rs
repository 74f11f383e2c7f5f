//! One `on_…` for each event that is heard and each command that is taken.

mod banks;
mod central_bank;
mod citizen;
mod commands;
mod eligibility;
mod officer;
mod payments;
mod queries;

pub(crate) use banks::{OnBank, rank_of};
pub(crate) use central_bank::OnCentralBank;
pub(crate) use citizen::CitizenDoor;
pub(crate) use commands::OnCommand;
pub(crate) use eligibility::{OnEligibility, on_entitlements_determined};
pub(crate) use officer::OfficerDoor;
pub(crate) use payments::OnPayments;
pub(crate) use queries::OnQuery;

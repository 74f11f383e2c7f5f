//! What the services say to each other: `CloudEvents` 1.0 in structured JSON mode, one file a speaker.
//!
//! A serialized event is a promise: its golden JSON is committed under `tests/it/golden`, a new
//! optional field keeps the version, anything else is a new `vN`. No personal data stands in a
//! subject or a header; citizen numbers, names and accounts travel sealed between services.

mod accounts;
mod bank;
mod central_bank;
mod eligibility;
mod enquiry;
mod envelope;
mod payments;
mod population;
mod reconciliation;
mod verification;

pub use accounts::{
    HoldReason, IndicatorTold, IndicatorsTold, LinkChange, LinksChanged, PartResolved, PayeeHold,
    PayeeLine, PayeesResolved, PayeesWithdrawn,
};
pub use bank::{
    EntryKind, Instruction, Instructions, ResultLine, ResultStatus, Results, StatementEntry,
    StatementPage, bank_in_results, bank_in_statement, bank_out,
};
pub use central_bank::{SuspicionTold, SuspicionsTold};
pub use eligibility::{
    EntitlementLine, EntitlementsDetermined, EntitlementsWithdrawn, PartDetermined,
    PersonsRegistered, RateCited, RegisteredPerson, WithdrawnLine,
};
pub use enquiry::{Enquiries, Enquiry, StandingAtBank, StandingLine, Standings, bank_in_standings};
pub use envelope::{CONTENT_TYPE, Envelope, Event, Fact, MalformedEvent, tells};
pub use payments::{
    AppliedResult, ClearingTold, FailedWay, RefusedResult, ReissueLine, ReissuesOpened,
    ResultsApplied, RunClosed, RunOpened,
};
pub use population::{LifeEventTold, LifeEventsTold};
pub use reconciliation::{
    Break, BreakKind, BreaksResolved, MatchedRun, Resolution, ResolvedBreak, SettledLine,
    StatementMatched, Suspense,
};
pub use verification::{
    AccountAtBank, IdentityAtBank, Verification, VerificationRequest, VerificationRequests,
    Verifications, bank_in_verifications, bank_out_verification_requests,
};

pub const ELIGIBILITY: &str = "eligibility";
pub const ACCOUNTS: &str = "accounts";
pub const PAYMENTS: &str = "payments";
/// The population register, the sandbox's or the real one.
pub const POPULATION: &str = "population";
/// The central bank's warning system, the sandbox's or the real one.
pub const CENTRAL_BANK: &str = "centralbank";
pub const RECONCILIATION: &str = "reconciliation";

/// An optional sum is left out where it is nothing.
fn is_nothing(sum: &domain::Money) -> bool {
    sum.is_zero()
}

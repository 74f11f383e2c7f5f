//! Values of the field: what money, a person, a place, a period and a position in a run are.
//!
//! No I/O and no clock. A value that exists is valid: text from outside is parsed once, at the
//! edge, and refused with a stable code ([`Refusal`]).

mod account;
mod birth;
mod budget_year;
pub mod calendar;
mod channel;
mod citizen;
mod commune;
mod institutions;
mod letter;
mod money;
mod name;
mod officer;
mod old_number;
mod period;
mod position;
mod programme;
mod province;
mod refusal;
mod wire;
mod words;

pub use account::BankAccount;
pub use birth::BirthDate;
pub use budget_year::BudgetYear;
pub use channel::{CASH_AGENT, Channel, Institution};
pub use citizen::{CitizenNumber, Sex};
pub use commune::{Commune, CommuneKind};
pub use institutions::InstitutionInfo;
pub use letter::{Letter, Letters, Marks};
pub use money::Money;
pub use name::PersonName;
pub use officer::Officer;
pub use old_number::OldNumber;
pub use period::Period;
pub use position::{
    CHUNK_LINES_MAX, ChunkNo, EndToEndId, LineNo, PARTS, Part, PersonNo, Position, RunNo, stretches,
};
pub use programme::Programme;
pub use province::Province;
pub use refusal::Refusal;

//! The one binary: every service, and the commands of people.

mod budget;
mod check;
mod cli;
mod commands;
mod matter;
mod organisations;
mod output;
mod process;
pub mod servers;
mod signing;
mod target;

pub use budget::{BudgetRow, budget};
pub use check::{Invariant, check_all};
pub use cli::{ServiceName, run};
pub use matter::{Judged, Standing, decisions, matter};
pub use organisations::made_up_signers;
pub use process::{Services, start_services, start_some};
pub use target::Target;

//! Budgets: what was appropriated and where it is, added up from every table that knows of it.

mod store;

use domain::Money;
use payments::Fund;
use serde::Serialize;

pub use store::budget;

/// Where the money of one programme, level and year is; the parts add up to what was appropriated.
#[derive(Debug, Clone, Serialize)]
pub struct BudgetRow {
    #[serde(flatten)]
    pub fund: Fund,
    pub appropriated: Money,
    /// From the year before.
    pub carried_in: Money,
    /// To the next year.
    pub carried_out: Money,
    /// To the treasury.
    pub given_back: Money,
    /// Credited, what is to be recovered included.
    pub paid: Money,
    /// With institutions, answered or not.
    pub in_flight: Money,
    /// Owed to people and not on its way.
    pub payable: Money,
    /// For approved runs, not set aside for their lines yet.
    pub committed: Money,
    pub left: Money,
}

impl BudgetRow {
    /// What came is what is somewhere.
    pub fn adds_up(&self) -> bool {
        let gone = [self.carried_out, self.given_back];
        let here = [
            self.paid,
            self.in_flight,
            self.payable,
            self.committed,
            self.left,
        ];
        Money::sum([self.appropriated, self.carried_in]) == Money::sum(gone.into_iter().chain(here))
    }
}

use clap::Subcommand;
use domain::{BudgetYear, Money, Programme, Province};
use payments::Surplus;

use super::{By, Deciding};

#[derive(Debug, Subcommand)]
pub(crate) enum Ledger {
    /// Every account with its turnover
    #[command(before_help = "Example:  ansinh ledger trial-balance")]
    TrialBalance,
    /// One account
    #[command(before_help = "Example:  ansinh ledger account 50-01-970436-00")]
    Account { number: ledger::AccountNo },
    /// One journal with its transfers
    #[command(before_help = "Example:  ansinh ledger journal 7/42")]
    Journal {
        /// Partition and number, e.g. 7/42
        place: String,
    },
    /// Where the money of each programme, level and year is; it adds up to what was appropriated
    #[command(before_help = "Example:  ansinh ledger budget --programme HTXH --year 2026")]
    Budget {
        #[arg(long)]
        programme: Option<Programme>,
        #[arg(long)]
        year: Option<BudgetYear>,
    },
    /// Order what becomes of what a fund has left of a year that is over; another officer approves
    #[command(
        before_help = "Example:  ansinh ledger close-year --programme HTXH --year 2026 \
                       --surplus given_back --reference 'LC 7/2027' --by pham.dung"
    )]
    CloseYear {
        #[arg(long)]
        programme: Programme,
        /// Of the province's own level; of the programme's own fund where it is not said
        #[arg(long)]
        province: Option<Province>,
        #[arg(long)]
        year: BudgetYear,
        /// given_back to the treasury, or carried_over to the next year
        #[arg(long, value_parser = surplus)]
        surplus: Surplus,
        #[arg(long)]
        reference: String,
        #[command(flatten)]
        by: By,
    },
    /// Approve a closing; what is left goes; not by who ordered it
    #[command(before_help = "Example:  ansinh ledger approve-closing 1 --by vo.hoa")]
    ApproveClosing {
        closing_no: i64,
        #[command(flatten)]
        deciding: Deciding,
    },
    /// Record an appropriation
    #[command(
        before_help = "Example:  ansinh ledger appropriate --programme HTXH --year 2026 \
                       --amount 900000000000 --reference 'QĐ 100/2026' --by pham.dung"
    )]
    Appropriate {
        #[arg(long)]
        programme: Programme,
        /// For the province's own level, e.g. 01; the programme's own fund where it is not said
        #[arg(long)]
        province: Option<Province>,
        #[arg(long)]
        year: i16,
        #[arg(long)]
        amount: Money,
        #[arg(long)]
        reference: String,
        #[command(flatten)]
        by: By,
    },
}

/// `given_back` or `carried_over`
fn surplus(text: &str) -> Result<Surplus, String> {
    serde_json::from_value(text.into()).map_err(|it| it.to_string())
}

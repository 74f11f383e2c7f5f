//! Commands on what is paid in cash at communes.

use std::path::PathBuf;

use chrono::NaiveDate;
use clap::{Subcommand, ValueEnum};
use domain::{Commune, Institution, Position, RunNo};

use super::By;

#[derive(Debug, Subcommand)]
pub(crate) enum Cash {
    /// The list of a commune: who is to be paid in cash, names by their masks
    #[command(before_help = "Example:  ansinh cash list --run R000001 --commune 00004 --by le.an")]
    List {
        #[arg(long)]
        run: RunNo,
        /// All communes where left out
        #[arg(long)]
        commune: Option<Commune>,
        /// Show names in clear; each look is in the person's log
        #[arg(long)]
        unmask: bool,
        /// Write the list here as a CSV, to be filled in for `cash return`
        #[arg(long, value_name = "OUT")]
        csv: Option<PathBuf>,
        #[command(flatten)]
        by: By,
    },
    /// Take an agent's list back, signed: each row paid or unpaid
    #[command(
        before_help = "Example:  ansinh cash return list.csv --return-no BK01/2026 --paid-on 2026-12-10 --by do.giang"
    )]
    Return {
        /// CSV with the columns line, amount, paid (x where it was paid)
        file: PathBuf,
        /// The agent's number of this return; the same one counts once
        #[arg(long)]
        return_no: String,
        #[arg(long, default_value_t = domain::CASH_AGENT)]
        institution: Institution,
        #[arg(long)]
        paid_on: NaiveDate,
        /// The officer's private key; officers/<officer>.pem beside the servers where left out
        #[arg(long, value_name = "FILE")]
        key: Option<PathBuf>,
        #[command(flatten)]
        by: By,
    },
    /// One entry was paid at the commune; a transfer that is out is not payable in cash
    #[command(
        before_help = "Example:  ansinh cash take R000001-07-0003-0001 --receipt PC-17 --by do.giang"
    )]
    Take {
        line: Position,
        #[arg(long)]
        receipt: String,
        /// Today in Viet Nam where left out
        #[arg(long)]
        paid_on: Option<NaiveDate>,
        #[command(flatten)]
        by: By,
    },
    /// Set aside what was not fetched for months as unclaimed; `run reissue --lines` pays it on request
    #[command(before_help = "Example:  ansinh cash age --as-of 2027-03-20 --by do.giang")]
    Age {
        /// Today in Viet Nam where left out
        #[arg(long)]
        as_of: Option<NaiveDate>,
        #[command(flatten)]
        by: By,
    },
    /// Cancel an entry, so that `run reissue` pays it to the person's account
    #[command(
        before_help = "Example:  ansinh cash move R000001-07-0003-0001 --to account --by do.giang"
    )]
    Move {
        line: Position,
        #[arg(long, value_enum)]
        to: To,
        /// Today in Viet Nam where left out
        #[arg(long)]
        moved_on: Option<NaiveDate>,
        #[command(flatten)]
        by: By,
    },
}

/// Where an entry goes.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum To {
    Account,
}

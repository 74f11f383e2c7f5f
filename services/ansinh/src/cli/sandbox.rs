use std::path::PathBuf;

use clap::Subcommand;
use domain::{Institution, Period, Programme};

#[derive(Debug, Subcommand)]
pub(crate) enum Sandbox {
    /// Write made-up people and links that look like the nation
    #[command(before_help = "Example:  ansinh sandbox people --count 20000 --seed 7 --out people/")]
    People {
        #[arg(long, default_value_t = 20_000)]
        count: u64,
        #[arg(long, default_value_t = 7)]
        seed: u64,
        #[arg(long)]
        out: PathBuf,
        /// The month for which ages fit
        #[arg(long, default_value = "2026-12")]
        period: Period,
        /// Only this programme; may be repeated
        #[arg(long)]
        programme: Vec<Programme>,
    },
    /// Write a bank's own list of linked accounts, some of them closed, renamed or moved
    #[command(
        before_help = "Example:  ansinh sandbox bank-list --institution 970436 --links people/links.csv --out list.csv --closed 100"
    )]
    BankList {
        #[arg(long)]
        institution: Institution,
        /// The links that the bank knows, as `sandbox people` writes them
        #[arg(long, default_value = "people/links.csv")]
        links: PathBuf,
        #[arg(long)]
        out: PathBuf,
        /// The day of the list
        #[arg(long, default_value = "2026-12-01")]
        date: chrono::NaiveDate,
        #[arg(long, default_value_t = 7)]
        seed: u64,
        #[arg(long, default_value_t = 0, value_name = "N")]
        closed: u64,
        #[arg(long, default_value_t = 0, value_name = "N")]
        restricted: u64,
        #[arg(long, default_value_t = 0, value_name = "N")]
        renamed: u64,
        #[arg(long, default_value_t = 0, value_name = "N")]
        moved: u64,
    },
    /// Write a bank's day as files: orders it got (pain.001), its reports (pain.002) and statement
    /// (camt.053); only with keys for development, because accounts stand in them
    #[command(
        before_help = "Example:  ansinh sandbox files --institution 970436 --date 2026-12-01 --out files/"
    )]
    Files {
        #[arg(long)]
        institution: Institution,
        #[arg(long)]
        date: chrono::NaiveDate,
        /// The folder to write into
        #[arg(long)]
        out: PathBuf,
    },
    /// Have a bank do otherwise than it should with what it hears from now on, until `none`
    #[command(
        before_help = "Example:  ansinh sandbox bank --institution 970436 --scenario silent --share-per-mille 50"
    )]
    Bank {
        #[arg(long)]
        institution: Institution,
        /// month-end, duplicates, contradicts, pays-twice, wrong-amount, silent, returns-late,
        /// offline, or none
        #[arg(long)]
        scenario: String,
        /// Which lines are hit
        #[arg(long, default_value_t = 7)]
        seed: u32,
        /// How many of a thousand; 20 where left out, of month-end 100
        #[arg(long, value_name = "K")]
        share_per_mille: Option<u16>,
    },
    /// Let the banks close their day and send statements
    #[command(before_help = "Example:  ansinh sandbox end-of-day --date 2026-12-01")]
    EndOfDay {
        #[arg(long)]
        date: chrono::NaiveDate,
    },
}

use chrono::NaiveDate;
use clap::{Subcommand, ValueEnum};
use domain::{Position, RunNo};

use super::Deciding;

/// What becomes of lines that no institution answers.
#[derive(Debug, Subcommand)]
pub(crate) enum Unknown {
    /// Lines without an answer: since when, how often their institution was asked, what it said
    #[command(before_help = "Example:  ansinh run unknown R000001")]
    Unknown {
        /// All runs where none is named
        runs: Vec<RunNo>,
        #[arg(long, default_value_t = 50)]
        limit: u32,
    },
    /// Say what became of a line on which its institution has been asked in vain; another officer
    /// decides
    #[command(
        before_help = "Example:  ansinh run settle-unknown R000001-07-0001-0042 --as credited \
                       --evidence 'NH xác nhận CV 12' --by le.binh\n          \
                       ansinh run settle-unknown R000001-07-0001-0042 --approve --by tran.chi"
    )]
    SettleUnknown {
        line: Position,
        /// What became of it
        #[arg(long = "as", value_enum, required_unless_present_any = ["approve", "refuse"])]
        settled_as: Option<End>,
        /// What that rests on: a letter, a statement
        #[arg(long, requires = "settled_as")]
        evidence: Option<String>,
        /// When the institution booked it; the run's business date where left out
        #[arg(long, requires = "settled_as")]
        booked_on: Option<NaiveDate>,
        /// Accept what another officer said of it
        #[arg(long, conflicts_with_all = ["settled_as", "refuse"])]
        approve: bool,
        /// Refuse what another officer said of it
        #[arg(long, conflicts_with = "settled_as", requires = "reason")]
        refuse: bool,
        #[arg(long, conflicts_with = "settled_as")]
        reason: Option<String>,
        #[command(flatten)]
        deciding: Deciding,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum End {
    Credited,
    Rejected,
}

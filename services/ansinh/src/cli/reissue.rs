//! Commands on what is paid again.

use std::path::PathBuf;

use clap::Subcommand;
use domain::{Period, Position, Programme, RunNo};

use super::By;

#[derive(Debug, Subcommand)]
pub(crate) enum Again {
    /// Open a run that pays again what the runs of a month have left unpaid, another way if there is one
    #[command(
        before_help = "Example:  ansinh run reissue --programme HTXH --period 2026-12 --by nguyen.an"
    )]
    Reissue {
        #[arg(long)]
        programme: Programme,
        #[arg(long)]
        period: Period,
        /// Only the lines in this file, one end-to-end id a row; they are paid again all or none
        #[arg(long, value_name = "FILE", conflicts_with = "from")]
        lines: Option<PathBuf>,
        /// Only what this run has left; may be given more than once
        #[arg(long, value_name = "RUN")]
        from: Vec<RunNo>,
        /// The day on which the banks are to book; today in Viet Nam
        #[arg(long)]
        business_date: Option<chrono::NaiveDate>,
        #[command(flatten)]
        by: By,
    },
    /// All attempts at paying what a line pays, the first one first
    #[command(before_help = "Example:  ansinh run lineage R000001-07-0001-0042")]
    Lineage { line: Position },
}

//! Commands on the registry of people and on what happens to them.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use domain::Programme;

#[derive(Debug, Subcommand)]
pub(crate) enum Registry {
    /// Print a file to fill in, with an example row for each programme
    #[command(before_help = "Example:  ansinh registry template --programme HTXH > people.csv")]
    Template {
        /// Only what this programme asks for
        #[arg(long)]
        programme: Option<Programme>,
    },
    /// Import people; each row is accepted, refused with its place, or a duplicate
    #[command(before_help = "Example:  ansinh registry import people.xlsx --report refused.xlsx")]
    Import(Intake),
}

#[derive(Debug, Subcommand)]
pub(crate) enum Events {
    /// Import what happened to people, or never did: event_id, citizen_number, kind, happened_on,
    /// revokes; where to somebody moved, province, commune
    #[command(before_help = "Example:  ansinh event import deaths.csv --report refused.csv")]
    Import(Intake),
}

/// A file of rows from outside.
#[derive(Debug, Args)]
pub(crate) struct Intake {
    /// CSV in UTF-8, or an Excel workbook
    pub file: PathBuf,
    /// Sheet of a workbook; its first one where left out
    #[arg(long)]
    pub sheet: Option<String>,
    /// Write the refused rows here, beside what is wrong with each; a new .csv or .xlsx
    #[arg(long, value_name = "OUT")]
    pub report: Option<PathBuf>,
    /// Report the other rows as well
    #[arg(long, requires = "report")]
    pub all: bool,
}

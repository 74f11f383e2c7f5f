//! Commands on when runs are due.

use chrono::{NaiveDate, NaiveTime};
use clap::Subcommand;
use domain::{Institution, Period, Programme};

use super::{By, Deciding};

#[derive(Debug, Subcommand)]
pub(crate) enum Schedule {
    /// Plan a programme's year, or what of it has changed and is still to come. Who plans it is
    /// the maker of its runs, so not who approves or releases them
    #[command(
        before_help = "Example:  ansinh schedule plan --programme HTXH --year 2027 --dry-run --by nguyen.an\n          \
                       ansinh schedule plan --programme HTXH --year 2027 --reason 'QĐ 12/2027' --by nguyen.an"
    )]
    Plan {
        #[arg(long)]
        programme: Programme,
        #[arg(long)]
        year: i32,
        /// Why what was planned before is planned anew
        #[arg(long)]
        reason: Option<String>,
        /// Only tell what would be planned
        #[arg(long)]
        dry_run: bool,
        #[command(flatten)]
        by: By,
    },
    /// A year as it is planned, and what became of it
    #[command(before_help = "Example:  ansinh schedule list --year 2027 --programme HTXH")]
    List {
        #[arg(long)]
        year: i32,
        #[arg(long)]
        programme: Option<Programme>,
    },
    /// What comes next
    #[command(before_help = "Example:  ansinh schedule next --limit 10")]
    Next {
        #[arg(long, default_value_t = 20)]
        limit: u32,
    },
    /// Who planned a period, when and why, and what became of it
    #[command(before_help = "Example:  ansinh schedule history --programme HTXH --period 2027-03")]
    History {
        #[arg(long)]
        programme: Programme,
        #[arg(long)]
        period: Period,
    },
    /// Deadlines that were missed
    #[command(before_help = "Example:  ansinh schedule alarms")]
    Alarms,
    /// What was decided about days, pay days and cut-offs; each waits for another officer
    #[command(subcommand)]
    Order(Orders),
    /// Let an order hold for what is planned from now on; not by who ordered it
    #[command(before_help = "Example:  ansinh schedule approve 3 --by le.binh")]
    Approve {
        order: i64,
        #[command(flatten)]
        deciding: Deciding,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Orders {
    /// All orders
    #[command(before_help = "Example:  ansinh schedule order list")]
    List,
    /// A day that is worked, or a day off
    #[command(
        before_help = "Example:  ansinh schedule order day 2027-02-13 --worked --reason 'TB 123/TB-BNV' --by nguyen.an"
    )]
    Day {
        day: NaiveDate,
        #[arg(long, conflicts_with = "off", required_unless_present = "off")]
        worked: bool,
        #[arg(long)]
        off: bool,
        #[arg(long)]
        reason: String,
        #[command(flatten)]
        by: By,
    },
    /// When a programme pays a period
    #[command(
        before_help = "Example:  ansinh schedule order pay-day 2027-04-26 --programme HTXH --period 2027-05 --reason 'CV 45/BNV' --by nguyen.an"
    )]
    PayDay {
        day: NaiveDate,
        #[arg(long)]
        programme: Programme,
        #[arg(long)]
        period: Period,
        #[arg(long)]
        reason: String,
        #[command(flatten)]
        by: By,
    },
    /// Until when an institution takes what it is to book on the same day
    #[command(
        before_help = "Example:  ansinh schedule order cut-off 14:30:00 --institution 970436 --from 2027-01-04 --reason 'PL 2 HĐ 7/2027' --by nguyen.an"
    )]
    CutOff {
        at: NaiveTime,
        #[arg(long)]
        institution: Institution,
        #[arg(long)]
        from: NaiveDate,
        #[arg(long)]
        reason: String,
        #[command(flatten)]
        by: By,
    },
}

//! Commands on files of banks.

use std::path::PathBuf;

use clap::Subcommand;

#[derive(Debug, Subcommand)]
pub(crate) enum Iso {
    /// What a file says: pain.001, pain.002, camt.029, camt.053, camt.054, camt.056 or MT940; accounts
    /// are masked and names are not shown
    #[command(before_help = "Example:  ansinh iso read statement.xml --limit 20")]
    Read {
        file: PathBuf,
        /// Print so many items; the whole file is read all the same
        #[arg(long, default_value_t = 50)]
        limit: usize,
    },
    /// Whether a file can be read and adds up; what is wrong has a code, line and column
    #[command(before_help = "Example:  ansinh iso validate statement.xml")]
    Validate { file: PathBuf },
}

//! Commands on the keys that personal data is sealed with.

use std::path::PathBuf;

use clap::{Args, Subcommand};

#[derive(Debug, Subcommand)]
pub(crate) enum KeyRing {
    /// Make keys for production in a new file that only its owner can read
    #[command(before_help = "Example:  ansinh keys generate --file /etc/ansinh/keys")]
    Generate(KeyFile),
    /// Add a new version to seal with; the former one still opens. Then start the services again
    #[command(before_help = "Example:  ansinh keys rotate --file /etc/ansinh/keys")]
    Rotate {
        #[command(flatten)]
        file: KeyFile,
        /// The key by which the state signs, in place of the one that seals
        #[arg(long)]
        signing: bool,
    },
    /// Purpose and versions of a file, never a key
    #[command(before_help = "Example:  ansinh keys show --file /etc/ansinh/keys")]
    Show(KeyFile),
    /// Let the state's services in at a NATS server of your own: the seed that they log in by, and the
    /// accounts that the server's configuration includes. Once, before services and banks
    #[command(before_help = "Example:  ansinh --home /etc/nats keys nats")]
    Nats,
    /// Count sealed values by the version they are sealed with; exit 8 where one is not held
    #[command(before_help = "Example:  ansinh keys status")]
    Status,
}

#[derive(Debug, Args)]
pub(crate) struct KeyFile {
    /// The key file
    #[arg(long, value_name = "F")]
    pub file: PathBuf,
}

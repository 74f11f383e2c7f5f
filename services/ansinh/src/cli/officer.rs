use std::path::PathBuf;

use clap::Subcommand;
use domain::Officer;

use super::By;

#[derive(Debug, Subcommand)]
pub(crate) enum Officers {
    /// Make an officer's key, and print what registers it: public key and proof
    #[command(before_help = "Example:  ansinh officer new-key le.binh")]
    #[command(name = "new-key")]
    New {
        owner: Officer,
        /// Where the private key goes; officers/<officer>.pem beside the servers where left out
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Say that a key is another officer's; a former one of theirs ends
    #[command(
        before_help = "Example:  ansinh officer new-key le.binh | xargs ansinh officer register-key le.binh --by pham.dung"
    )]
    #[command(name = "register-key")]
    Register {
        owner: Officer,
        /// Ed25519, in hex
        public_key: String,
        /// The owner's signature that the key is theirs, in hex
        proof: String,
        #[command(flatten)]
        by: By,
    },
    /// End an officer's key: lost, or its officer left
    #[command(
        before_help = "Example:  ansinh officer end-key le.binh --reason 'mất khoá' --by pham.dung"
    )]
    #[command(name = "end-key")]
    End {
        owner: Officer,
        #[arg(long)]
        reason: String,
        #[command(flatten)]
        by: By,
    },
}

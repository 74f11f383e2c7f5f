//! Commands on officers' keys, and how officers sign.

use std::path::PathBuf;

use approval::Kind;
use clap::{Args, Subcommand};
use domain::Officer;

use super::By;

/// With what, and in whose place.
#[derive(Debug, Clone, Args)]
pub(crate) struct Signing {
    /// The officer's private key; officers/<officer>.pem beside the servers where left out
    #[arg(long, value_name = "FILE")]
    pub key: Option<PathBuf>,
    /// The officer who has lent the right, where it is not one's own
    #[arg(long = "for", value_name = "OFFICER")]
    pub principal: Option<Officer>,
}

/// Who decides what another officer proposed, and with what they sign it.
#[derive(Debug, Args)]
pub(crate) struct Deciding {
    /// The officer's private key; officers/<officer>.pem beside the servers where left out
    #[arg(long, value_name = "FILE")]
    pub key: Option<PathBuf>,
    #[command(flatten)]
    pub by: By,
}

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
    /// What officers decided of what others proposed, the latest first; each signature verified
    /// anew, and each text held against what is stored; exit 8 where one does not stand
    #[command(before_help = "Example:  ansinh officer decisions --kind year_closing --output json")]
    Decisions {
        /// institution_limit, year_closing, schedule_order, settlement, organisation_key, law,
        /// case, review or appointment; all where left out
        #[arg(long)]
        kind: Option<Kind>,
        #[arg(long, default_value_t = 200)]
        limit: u32,
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

use chrono::{DateTime, Utc};
use clap::Subcommand;
use domain::Institution;
use messaging::Organisation;

use super::By;

#[derive(Debug, Subcommand)]
pub(crate) enum Bank {
    /// Messages between the state and a bank as they are kept, the newest last
    #[command(before_help = "Example:  ansinh bank messages --institution 970436 --verify")]
    Messages {
        #[arg(long)]
        institution: Institution,
        /// Only say whether every signature stands; exit 8 where one does not
        #[arg(long)]
        verify: bool,
        #[arg(long, default_value_t = 50)]
        limit: usize,
    },
    /// Messages in a bank's name that did not verify and had no effect, the newest first
    #[command(before_help = "Example:  ansinh bank refused --institution 970436")]
    Refused {
        #[arg(long)]
        institution: Institution,
        #[arg(long, default_value_t = 50)]
        limit: u32,
    },
    /// Public keys by which the state and banks sign
    #[command(before_help = "Example:  ansinh bank keys --organisation 970436")]
    Keys {
        /// `state`, or a bank's six digits
        #[arg(long)]
        organisation: Option<Organisation>,
    },
    /// Register a key by which an organisation is to sign; another officer confirms it
    #[command(
        name = "register-key",
        before_help = "Example:  ansinh bank register-key --organisation 970436 --public-key … --by le.an"
    )]
    RegisterKey {
        /// `state`, or a bank's six digits
        #[arg(long)]
        organisation: Organisation,
        /// Ed25519, in hex
        #[arg(long)]
        public_key: String,
        /// From when it holds; at once where left out
        #[arg(long)]
        valid_from: Option<DateTime<Utc>>,
        #[command(flatten)]
        by: By,
    },
    /// Confirm whose a registered key is; before that nothing signed by it stands
    #[command(
        name = "confirm-key",
        before_help = "Example:  ansinh bank confirm-key 12 --by pham.dung"
    )]
    ConfirmKey {
        key_no: i64,
        #[command(flatten)]
        by: By,
    },
    /// End a key; what was made before that stands
    #[command(
        name = "end-key",
        before_help = "Example:  ansinh bank end-key 12 --reason 'mất khoá' --by pham.dung"
    )]
    EndKey {
        key_no: i64,
        #[arg(long)]
        reason: String,
        /// From when on nothing is signed by it; at once where left out
        #[arg(long)]
        at: Option<DateTime<Utc>>,
        #[command(flatten)]
        by: By,
    },
}

use std::path::PathBuf;

use chrono::{DateTime, Utc};
use clap::{Args, Subcommand};
use domain::Institution;
use messaging::Organisation;

use super::{By, Deciding};

#[derive(Debug, Subcommand)]
pub(crate) enum Bank {
    /// Let a bank in: issue by what it logs in and signs, into a folder for the bank alone
    #[command(before_help = "Example:  ansinh bank add --institution 970436 --out vcb/ --by le.an")]
    Add(Issue),
    /// Issue a bank's next credentials; those that it has go on until they are revoked
    #[command(
        before_help = "Example:  ansinh bank rotate --institution 970436 --out vcb-2027/ --by le.an"
    )]
    Rotate(Issue),
    /// Take credentials back: who logged in by them is cut at once, and their signing key ends
    #[command(
        before_help = "Example:  ansinh bank revoke --institution 970436 --nkey U… --reason 'thay khoá' --by le.an"
    )]
    Revoke {
        #[arg(long)]
        institution: Institution,
        /// Which of the bank's; all where left out
        #[arg(long)]
        nkey: Option<String>,
        #[arg(long)]
        reason: String,
        #[command(flatten)]
        by: By,
    },
    /// Banks that may log in, and by which public keys
    #[command(before_help = "Example:  ansinh bank list")]
    List,
    /// Read a file of a bank that sends no messages, pain.002, camt.053 or MT940: it is signed with
    /// the key that stands for the bank and said as its messages; a file once
    #[command(
        before_help = "Example:  ansinh bank import day.xml --institution 970436 --key vcb/signing.key --by le.an"
    )]
    Import(Import),
    /// At a bank that takes files: hear what the state tells it and write its orders as pain.001, each
    /// once, until all that was said is there
    #[command(
        before_help = "Example:  ansinh bank receive --institution 970436 --credentials vcb/ \
                       --nats-url nats://127.0.0.1:4222 --debtor-account 3713.0.1 --out orders/"
    )]
    Receive(Receive),
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
        deciding: Deciding,
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

/// A file and in whose name it speaks.
#[derive(Debug, Args)]
pub(crate) struct Import {
    pub file: PathBuf,
    #[arg(long)]
    pub institution: Institution,
    /// The signing.key that `bank add` issued, kept by who reads the bank's files
    #[arg(long, value_name = "FILE")]
    pub key: PathBuf,
    #[command(flatten)]
    pub by: By,
}

/// Who hears, and what its files say of the state's side.
#[derive(Debug, Args)]
pub(crate) struct Receive {
    #[arg(long)]
    pub institution: Institution,
    /// The folder that `bank add` wrote: nats.nk, exchange.key, state.pub
    #[arg(long, value_name = "DIR")]
    pub credentials: PathBuf,
    #[arg(long, value_name = "URL")]
    pub nats_url: String,
    /// Where the files go; it remembers what was received
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// The state's account at the bank
    #[arg(long)]
    pub debtor_account: String,
    #[arg(long, default_value = "Kho bạc Nhà nước")]
    pub debtor: String,
    #[arg(long, default_value = "Bộ Nội vụ")]
    pub initiator: String,
    #[arg(long, default_value = "Chi trả an sinh xã hội")]
    pub remittance: String,
    /// How long what is missing is waited for
    #[arg(long, default_value_t = 60)]
    pub wait_seconds: u64,
}

/// What a bank gets.
#[derive(Debug, Args)]
pub(crate) struct Issue {
    #[arg(long)]
    pub institution: Institution,
    /// A folder for nats.nk, signing.key and exchange.key, which nobody but the bank keeps
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    #[command(flatten)]
    pub by: By,
}

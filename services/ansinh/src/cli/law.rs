//! Commands on the law and on who is owed what by it.

use std::path::PathBuf;
use std::str::FromStr;

use chrono::NaiveDate;
use clap::{Args, Subcommand, ValueEnum};
use domain::{Officer, Period, Position, Programme, Refusal};

#[derive(Debug, Subcommand)]
pub(crate) enum Programmes {
    /// Every programme of the law in force, with its versions
    #[command(before_help = "Example:  ansinh programme list\n          \
                             ansinh programme list --shipped --output json")]
    List {
        #[command(flatten)]
        which: WhichLaw,
    },
    /// A programme, or one version with its steps and tables
    #[command(before_help = "Example:  ansinh programme show HTXH\n          \
                             ansinh programme show HTXH/2025-07")]
    Show {
        /// A programme's code, or code and version
        #[arg(value_name = "CODE[/VERSION]")]
        rule: RuleName,
        #[command(flatten)]
        which: WhichLaw,
    },
    /// Read a folder as a law and tell every flaw with its place; exit 3 when there is one
    #[command(before_help = "Example:  ansinh programme validate programmes/")]
    Validate {
        /// Folder of programmes: *.toml and *.csv, one level deep
        #[arg(value_name = "DIR")]
        folder: PathBuf,
    },
    /// What a folder or a proposal changes in the law in force, and what it may not change
    #[command(
        before_help = "Example:  ansinh programme diff programmes/\n          \
                             ansinh programme diff --law 2"
    )]
    Diff {
        /// Folder of programmes
        #[arg(
            value_name = "DIR",
            required_unless_present = "law",
            conflicts_with = "law"
        )]
        folder: Option<PathBuf>,
        /// A law or proposal by its number, instead of a folder
        #[arg(long, value_name = "LAW")]
        law: Option<i64>,
    },
    /// Propose a folder as the next law; it holds when another officer has approved it
    #[command(
        before_help = "Example:  ansinh programme apply programmes/ --by nguyen.an \
                       --reason 'Nghị định 335/2026/NĐ-CP'"
    )]
    Apply {
        /// Folder of programmes, the whole law
        #[arg(value_name = "DIR")]
        folder: PathBuf,
        /// The person who proposes, e.g. nguyen.an
        #[arg(long, value_name = "OFFICER")]
        by: Officer,
        /// The decree or decision that the law follows
        #[arg(long, value_name = "TEXT")]
        reason: String,
    },
    /// Approve a proposal; not by who proposed it. Signed
    #[command(before_help = "Example:  ansinh programme approve 2 --by le.binh")]
    Approve {
        /// The number of the proposal
        law: i64,
        /// The officer's private key; officers/<officer>.pem beside the servers where left out
        #[arg(long, value_name = "FILE")]
        key: Option<PathBuf>,
        /// The person who approves, e.g. le.binh
        #[arg(long, value_name = "OFFICER")]
        by: Officer,
    },
    /// All laws and proposals: hash, maker, checker and times
    #[command(before_help = "Example:  ansinh programme laws")]
    Laws,
}

/// The law that is looked at: the one in force where nothing is said.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct WhichLaw {
    /// The law that this program ships; needs no database
    #[arg(long, conflicts_with = "law")]
    pub shipped: bool,
    /// A law or proposal by its number
    #[arg(long, value_name = "LAW")]
    pub law: Option<i64>,
}

/// A programme or one of its versions: `HTXH`, `HTXH/2025-07`.
#[derive(Debug, Clone)]
pub(crate) struct RuleName {
    pub programme: Programme,
    pub version: Option<String>,
}

impl FromStr for RuleName {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<RuleName, Refusal> {
        let (programme, version) = match text.split_once('/') {
            Some((programme, version)) => (programme, Some(version.to_owned())),
            None => (text, None),
        };
        Ok(RuleName {
            programme: programme.parse()?,
            version,
        })
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum Eligibility {
    /// Why a line pays what it pays, by the law that it was decided by
    #[command(before_help = "Example:  ansinh eligibility explain R000001-07-0001-0042 --lang en")]
    Explain {
        /// The line's end-to-end id
        line: Position,
        /// Language of the sentences
        #[arg(long, value_enum, default_value_t = Lang::Vi)]
        lang: Lang,
    },
    /// Decide everything again from what was frozen; exit 8 when a byte differs
    #[command(before_help = "Example:  ansinh eligibility recompute --workers 4 --seed 7")]
    Recompute {
        /// Partitions at the same time; the result does not depend on it
        #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u8).range(1..=16))]
        workers: u8,
        /// The order in which determinations are taken; the result does not depend on it
        #[arg(long, default_value_t = 7)]
        seed: u64,
    },
    /// People and đồng by change if a folder were the law; nothing is written
    #[command(
        before_help = "Example:  ansinh eligibility simulate --rules programmes/ --period 2026-12"
    )]
    Simulate {
        /// Folder of programmes: the draft of the law
        #[arg(long, value_name = "DIR")]
        rules: PathBuf,
        /// The month that is decided, e.g. 2026-12
        #[arg(long)]
        period: Period,
        /// The day as of which law and events are known; today in Viet Nam
        #[arg(long, value_name = "DATE")]
        known: Option<NaiveDate>,
        /// A row for each province too
        #[arg(long)]
        by_province: bool,
    },
}

/// The language of a text for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Lang {
    Vi,
    En,
}

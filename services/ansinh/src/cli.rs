#![expect(
    clippy::doc_markdown,
    reason = "these comments are the help that people read"
)]

mod account;
mod audit;
mod bank;
mod cash;
mod iso;
mod keys;
mod law;
mod ledger;
mod officer;
mod overpayment;
mod proposal;
mod recon;
mod registry;
mod reissue;
mod run;
mod sandbox;
mod schedule;
mod unknown;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand, ValueEnum};
use domain::Officer;

use crate::commands;
use crate::output::Failure;

pub(crate) use account::{Account, Authorities, LinkKind, Steps};
pub(crate) use audit::{Audit, Format, Method, Separator, Strata, Taken};
pub(crate) use bank::{Bank, Import, Issue, Receive};
pub(crate) use cash::{Cash, To};
pub(crate) use iso::Iso;
pub(crate) use keys::KeyRing;
pub(crate) use law::{Eligibility, Lang, Programmes, RuleName, WhichLaw};
pub(crate) use ledger::Ledger;
pub(crate) use officer::{Deciding, Officers, Signing};
pub(crate) use overpayment::Overpayment;
pub(crate) use proposal::{NewProposal, Proposals};
pub(crate) use recon::Recon;
pub(crate) use registry::{Events, Intake, Registry};
pub(crate) use reissue::Again;
pub(crate) use run::{Ordering, Run};
pub(crate) use sandbox::Sandbox;
pub(crate) use schedule::{Orders, Schedule};
pub(crate) use unknown::{End as UnknownEnd, Unknown};

/// Pays pensions and allowances, exactly once, and can prove it.
#[derive(Debug, Parser)]
#[command(
    name = "ansinh",
    version,
    before_help = "Example:  ansinh demo\n          ansinh up",
    after_help = "Exit codes: 0 done, 1 unexpected, 2 usage, 3 the input was refused, \
                  8 an invariant is broken"
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub command: Top,
    #[command(flatten)]
    pub shared: Shared,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct Shared {
    /// Folder of the embedded servers and keys
    #[arg(
        long,
        global = true,
        default_value = ".ansinh/home",
        value_name = "DIR"
    )]
    pub home: PathBuf,
    /// How results are printed
    #[arg(long, global = true, value_enum, default_value_t = Output::Table)]
    pub output: Output,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    Table,
    Json,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Top {
    /// Start services on the servers of DATABASE_URL and NATS_URL, or on running embedded ones
    #[command(before_help = "Example:  ansinh serve payments")]
    Serve {
        #[arg(value_enum)]
        service: ServiceName,
    },
    /// Start embedded servers, bring the schema up, and serve all
    #[command(before_help = "Example:  ansinh up")]
    Up,
    /// Bring the database's schema up
    #[command(before_help = "Example:  DATABASE_URL=postgres://… ansinh migrate")]
    Migrate,
    /// A month's payout from a registry file to a closed, balanced ledger
    #[command(before_help = "Example:  ansinh demo --people 20000")]
    Demo {
        #[arg(long, default_value_t = 20_000)]
        people: u64,
        #[arg(long, default_value_t = 7)]
        seed: u64,
        /// A checker in Python that the database is shown to at the end, as
        /// tests/checker/credits.py
        #[arg(long, value_name = "FILE")]
        checker: Option<PathBuf>,
    },
    /// Measure the chain, phase by phase, beside a yardstick of the same run
    #[command(before_help = "Example:  ansinh bench --people 100000")]
    Bench {
        #[arg(long, default_value_t = 100_000)]
        people: u64,
        #[arg(long, default_value_t = 7)]
        seed: u64,
        /// Only determine, people of mixed programmes
        #[arg(long, conflicts_with = "accounts")]
        determine: bool,
        /// Only link people to accounts and find where they are paid
        #[arg(long)]
        accounts: bool,
        /// Only match a day of the banks, with mistakes of every kind in it, so many lines
        #[arg(long, conflicts_with_all = ["determine", "accounts"])]
        reconcile: bool,
        /// Only how long one payment takes through the whole chain while nothing else is done
        #[arg(long, conflicts_with_all = ["determine", "accounts", "reconcile", "unsealed"])]
        latency: bool,
        /// Payments that are timed
        #[arg(long, requires = "latency", default_value_t = 200,
            value_parser = clap::value_parser!(u32).range(1..=800))]
        samples: u32,
        /// Pay a month before and after so many earlier runs are in the tables
        #[arg(long, conflicts_with_all = ["determine", "accounts", "reconcile", "latency"],
            value_parser = clap::value_parser!(u32).range(1..=432))]
        history_runs: Option<u32>,
        /// Lines of each earlier run; as many as there are, if not said
        #[arg(long, requires = "history_runs")]
        history_lines: Option<u64>,
        /// The chain without entering and sealing evidence: what both cost is the difference
        #[arg(long, conflicts_with_all = ["determine", "accounts", "reconcile", "history_runs"])]
        unsealed: bool,
    },
    /// The law as data: programmes, their versions, and who made them hold
    #[command(subcommand)]
    Programme(Programmes),
    /// The registry of people
    #[command(subcommand)]
    Registry(Registry),
    /// What happens in people's lives
    #[command(subcommand)]
    Event(Events),
    /// Who is owed what, and why
    #[command(subcommand)]
    Eligibility(Eligibility),
    /// Where people are paid
    #[command(subcommand)]
    Account(Account),
    /// Payout runs
    #[command(subcommand)]
    Run(Run),
    /// What one officer proposes and another decides: limits, and rights that are lent
    #[command(subcommand)]
    Proposal(Proposals),
    /// What was credited and is not owed: how it comes back
    #[command(subcommand)]
    Overpayment(Overpayment),
    /// What is paid in cash at communes
    #[command(subcommand)]
    Cash(Cash),
    /// When runs are due: the engine opens them, and tells of what was not done in time
    #[command(subcommand)]
    Schedule(Schedule),
    /// Evidence: the transparency log, proofs, verification
    #[command(subcommand)]
    Audit(Audit),
    /// What banks' statements say against what they were told and answered
    #[command(subcommand)]
    Recon(Recon),
    /// What the state and banks say to each other, and the keys by which they sign it
    #[command(subcommand)]
    Bank(Bank),
    /// The books
    #[command(subcommand)]
    Ledger(Ledger),
    /// Officers' keys, by which they approve and release
    #[command(subcommand)]
    Officer(Officers),
    /// Files that banks and the state send each other: ISO 20022 and MT940
    #[command(subcommand)]
    Iso(Iso),
    /// The keys that personal data is sealed with
    #[command(subcommand)]
    Keys(KeyRing),
    /// Recompute every invariant from the tables; exit 8 when one is broken
    #[command(before_help = "Example:  ansinh check")]
    Check,
    /// Which instance of each service does what, and since when
    #[command(before_help = "Example:  ansinh instances")]
    Instances,
    /// The outside world: people and banks that are made up
    #[command(subcommand)]
    Sandbox(Sandbox),
    /// Embedded servers
    #[command(subcommand)]
    Servers(Servers),
}

/// A service by the name under which it is started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ServiceName {
    Eligibility,
    Accounts,
    Payments,
    Reconciliation,
    Console,
    Sandbox,
    Audit,
    All,
}

#[derive(Debug, Args)]
pub(crate) struct By {
    /// The person who acts, e.g. nguyen.an
    #[arg(long, value_name = "OFFICER")]
    pub by: Officer,
    /// Repeat a command safely: the same key is answered once
    #[arg(long)]
    pub idempotency_key: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Servers {
    /// Run a command with DATABASE_URL and NATS_URL of fresh embedded servers
    #[command(before_help = "Example:  ansinh servers exec -- cargo test --workspace")]
    Exec {
        #[arg(trailing_var_arg = true, required = true)]
        command: Vec<String>,
    },
}

/// Reads the command line, does it, and says how it ended.
pub async fn run() -> ExitCode {
    let cli = Cli::parse();
    match commands::dispatch(cli).await {
        Ok(code) => code,
        Err(failure) => {
            failure.tell();
            failure.exit_code()
        }
    }
}

impl From<Failure> for ExitCode {
    fn from(failure: Failure) -> ExitCode {
        failure.exit_code()
    }
}

#![expect(
    clippy::doc_markdown,
    reason = "these comments are the help that people read"
)]

mod account;
mod bank;
mod iso;
mod keys;
mod law;
mod officer;
mod recon;
mod schedule;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand, ValueEnum};
use domain::{Institution, Money, Officer, Period, Position, Programme, Province, RunNo};
use payments::Guard;

use crate::commands;
use crate::output::Failure;

pub(crate) use account::{Account, Authorities, LinkKind, Steps};
pub(crate) use bank::{Bank, Issue};
pub(crate) use iso::Iso;
pub(crate) use keys::KeyRing;
pub(crate) use law::{Eligibility, Lang, Programmes, RuleName, WhichLaw};
pub(crate) use officer::Officers;
pub(crate) use recon::Recon;
pub(crate) use schedule::{Orders, Schedule};

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
    /// When runs are due: the engine opens them, and tells of what was not done in time
    #[command(subcommand)]
    Schedule(Schedule),
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
    All,
}

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
pub(crate) enum Run {
    /// Open a programme's run for a month
    #[command(
        before_help = "Example:  ansinh run open --programme HTXH --period 2026-12 --by nguyen.an"
    )]
    Open {
        #[arg(long)]
        programme: Programme,
        #[arg(long)]
        period: Period,
        /// The day as of which the law is known and banks book; today in Viet Nam
        #[arg(long)]
        business_date: Option<chrono::NaiveDate>,
        #[command(flatten)]
        by: By,
    },
    /// One run on a screen
    #[command(before_help = "Example:  ansinh run show R000001")]
    Show { run: RunNo },
    /// Follow a run until it is closed or waits for a person; Ctrl-C stops watching only
    #[command(before_help = "Example:  ansinh run watch R000001")]
    Watch { run: RunNo },
    /// Lines of a run in order
    #[command(before_help = "Example:  ansinh run lines R000001 --state returned --limit 20")]
    Lines {
        run: RunNo,
        /// planned, in_transit, credited, returned, held or unknown
        #[arg(long)]
        state: Option<String>,
        /// Continue behind this line
        #[arg(long)]
        after: Option<Position>,
        #[arg(long, default_value_t = 50)]
        limit: u32,
    },
    /// Lines that need a person
    #[command(before_help = "Example:  ansinh run exceptions R000001")]
    Exceptions { run: RunNo },
    /// Set a line aside before approval
    #[command(
        before_help = "Example:  ansinh run hold R000001-07-0001-0042 --reason 'báo tử' --by le.binh"
    )]
    Hold {
        line: Position,
        #[arg(long)]
        reason: String,
        #[command(flatten)]
        by: By,
    },
    /// End what holds a line before approval; not by who changed where it is paid
    #[command(
        before_help = "Example:  ansinh run free R000001-07-0001-0042 --reason 'đã xác minh' --by le.binh"
    )]
    Free {
        line: Position,
        #[arg(long)]
        reason: String,
        #[command(flatten)]
        by: By,
    },
    /// Approve exactly this count, sum and root; not by the maker, not twice by one person
    #[command(before_help = "Example:  ansinh run approve R000001 --by le.binh")]
    Approve {
        run: RunNo,
        /// What you saw; as the run stands now where left out
        #[arg(long, requires_all = ["lines", "total"])]
        root: Option<String>,
        #[arg(long)]
        lines: Option<i64>,
        #[arg(long)]
        total: Option<Money>,
        /// Why the run is right where a guard warns; once for each, e.g. many_stopped='rà soát'
        #[arg(long = "reason", value_name = "GUARD=REASON", value_parser = guard_reason)]
        reasons: Vec<(Guard, String)>,
        /// The officer's private key; officers/<officer>.pem beside the servers where left out
        #[arg(long, value_name = "FILE")]
        key: Option<PathBuf>,
        #[command(flatten)]
        by: By,
    },
    /// What a run does differently from the one before, and what its approver has to explain
    #[command(before_help = "Example:  ansinh run preview R000002")]
    Preview { run: RunNo },
    /// Who did what to a run, and whether what they signed stands
    #[command(before_help = "Example:  ansinh run acts R000001")]
    Acts { run: RunNo },
    /// Send a reserved run to the banks
    #[command(before_help = "Example:  ansinh run release R000001 --by tran.chi")]
    Release {
        run: RunNo,
        /// The officer's private key; officers/<officer>.pem beside the servers where left out
        #[arg(long, value_name = "FILE")]
        key: Option<PathBuf>,
        /// Why it goes out although its day is not worked or its cut-off is over
        #[arg(long, value_name = "REASON")]
        late: Option<String>,
        #[command(flatten)]
        by: By,
    },
    /// Close a run whose every line has an end
    #[command(before_help = "Example:  ansinh run close R000001 --by tran.chi")]
    Close {
        run: RunNo,
        #[command(flatten)]
        by: By,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Ledger {
    /// Every account with its turnover
    #[command(before_help = "Example:  ansinh ledger trial-balance")]
    TrialBalance,
    /// One account
    #[command(before_help = "Example:  ansinh ledger account 50-01-970436-00")]
    Account { number: ledger::AccountNo },
    /// One journal with its transfers
    #[command(before_help = "Example:  ansinh ledger journal 7/42")]
    Journal {
        /// Partition and number, e.g. 7/42
        place: String,
    },
    /// Record an appropriation
    #[command(
        before_help = "Example:  ansinh ledger appropriate --programme HTXH --year 2026 \
                       --amount 900000000000 --reference 'QĐ 100/2026' --by pham.dung"
    )]
    Appropriate {
        #[arg(long)]
        programme: Programme,
        /// For the province's own level, e.g. 01; the programme's own fund where it is not said
        #[arg(long)]
        province: Option<Province>,
        #[arg(long)]
        year: i16,
        #[arg(long)]
        amount: Money,
        #[arg(long)]
        reference: String,
        #[command(flatten)]
        by: By,
    },
}

/// `many_stopped=rà soát`
fn guard_reason(text: &str) -> Result<(Guard, String), String> {
    let (guard, reason) = text.split_once('=').ok_or("a reason is GUARD=REASON")?;
    let guard = serde_json::from_value(guard.into()).map_err(|it| it.to_string())?;
    Ok((guard, reason.to_owned()))
}

#[derive(Debug, Subcommand)]
pub(crate) enum Sandbox {
    /// Write made-up people and links that look like the nation
    #[command(before_help = "Example:  ansinh sandbox people --count 20000 --seed 7 --out people/")]
    People {
        #[arg(long, default_value_t = 20_000)]
        count: u64,
        #[arg(long, default_value_t = 7)]
        seed: u64,
        #[arg(long)]
        out: PathBuf,
        /// The month for which ages fit
        #[arg(long, default_value = "2026-12")]
        period: Period,
        /// Only this programme; may be repeated
        #[arg(long)]
        programme: Vec<Programme>,
    },
    /// Write a bank's own list of linked accounts, some of them closed, renamed or moved
    #[command(
        before_help = "Example:  ansinh sandbox bank-list --institution 970436 --links people/links.csv --out list.csv --closed 100"
    )]
    BankList {
        #[arg(long)]
        institution: Institution,
        /// The links that the bank knows, as `sandbox people` writes them
        #[arg(long, default_value = "people/links.csv")]
        links: PathBuf,
        #[arg(long)]
        out: PathBuf,
        /// The day of the list
        #[arg(long, default_value = "2026-12-01")]
        date: chrono::NaiveDate,
        #[arg(long, default_value_t = 7)]
        seed: u64,
        #[arg(long, default_value_t = 0, value_name = "N")]
        closed: u64,
        #[arg(long, default_value_t = 0, value_name = "N")]
        restricted: u64,
        #[arg(long, default_value_t = 0, value_name = "N")]
        renamed: u64,
        #[arg(long, default_value_t = 0, value_name = "N")]
        moved: u64,
    },
    /// Write a bank's day as files: orders it got (pain.001), its reports (pain.002) and statement
    /// (camt.053); only with keys for development, because accounts stand in them
    #[command(
        before_help = "Example:  ansinh sandbox files --institution 970436 --date 2026-12-01 --out files/"
    )]
    Files {
        #[arg(long)]
        institution: Institution,
        #[arg(long)]
        date: chrono::NaiveDate,
        /// The folder to write into
        #[arg(long)]
        out: PathBuf,
    },
    /// Let the banks close their day and send statements
    #[command(before_help = "Example:  ansinh sandbox end-of-day --date 2026-12-01")]
    EndOfDay {
        #[arg(long)]
        date: chrono::NaiveDate,
    },
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

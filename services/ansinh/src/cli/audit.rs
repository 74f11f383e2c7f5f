use std::path::PathBuf;

use chrono::NaiveDate;
use clap::{Args, Subcommand, ValueEnum};
use domain::{Officer, Position, RunNo};

use super::Output;

#[derive(Debug, Subcommand)]
pub(crate) enum Audit {
    /// Recompute all evidence from the tables and hold it against the log; exit 8 where something is not
    /// as it was recorded, 10 where not all was covered
    #[command(before_help = "Example:  ansinh audit verify --held checkpoint-2026-11-22")]
    Verify {
        /// A checkpoint that was kept elsewhere: the log has to go on from it
        #[arg(long, value_name = "FILE")]
        held: Vec<PathBuf>,
        /// Verifier key of a witness that has to have signed the published checkpoint
        #[arg(long, value_name = "KEY")]
        witness: Vec<String>,
    },
    /// Write what proves what was booked for a payment: one file, which needs nothing else
    #[command(before_help = "Example:  ansinh audit proof R000001-07-0001-0042 --out proof.json")]
    Proof {
        line: Position,
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
    /// Show one payment whole: why it is owed, who approved it, what the bank was told and said, what was
    /// booked, and what the log proves; exit 8 where a signature or a proof does not stand
    #[command(before_help = "Example:  ansinh audit payment R000001-07-0001-0042 --by kiemtoan.an")]
    Payment {
        line: Position,
        /// Who asks
        #[arg(long, value_name = "OFFICER")]
        by: Officer,
    },
    /// Write the evidence of a run as a folder that verifies itself offline (BagIt, Python)
    #[command(before_help = "Example:  ansinh audit pack R000001 --out pack/")]
    Pack {
        run: RunNo,
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
    },
    /// The time stamps of checkpoints (RFC 3161), the newest first
    #[command(before_help = "Example:  ansinh audit stamps")]
    Stamps,
    /// Ask one of the canned questions, as the auditors' role and on record; without one, list them
    #[command(
        before_help = "Example:  ansinh audit query Q10 --set province=79 -o xlsx --by kiemtoan.an"
    )]
    Query {
        /// Q01 to Q30
        question: Option<String>,
        /// A parameter of the question, name=value
        #[arg(long = "set", value_name = "NAME=VALUE")]
        set: Vec<String>,
        /// Show the question as it is asked, and do not ask it
        #[arg(long, requires = "question")]
        sql: bool,
        #[command(flatten)]
        taken: Taken,
        /// Who asks
        #[arg(long, value_name = "OFFICER", requires = "question")]
        by: Option<Officer>,
    },
    /// Let an auditor in with psql or any other client: a login that reads schema audit alone, each of whose
    /// statements the server logs
    #[command(
        before_help = "Example:  ansinh audit admit kiemtoan.an --reason 'QĐ 12/KTNN' --out kiemtoan.pgpass --by pham.dung"
    )]
    Admit {
        login: Officer,
        /// The last day, in Viet Nam; until dismissed, where none is said
        #[arg(long, value_name = "DATE")]
        until: Option<NaiveDate>,
        #[arg(long)]
        reason: String,
        /// Where the password is written (libpq's password file, mode 0600)
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
        /// Who lets them in: somebody else
        #[arg(long, value_name = "OFFICER")]
        by: Officer,
    },
    /// Let an auditor in no more; what they are asking ends
    #[command(
        before_help = "Example:  ansinh audit dismiss kiemtoan.an --reason 'hết đợt kiểm toán' --by pham.dung"
    )]
    Dismiss {
        login: Officer,
        #[arg(long)]
        reason: String,
        #[arg(long, value_name = "OFFICER")]
        by: Officer,
    },
    /// Who was let in and dismissed, by whom and why
    #[command(before_help = "Example:  ansinh audit auditors")]
    Auditors,
    /// Draw a sample of a run's payments, on record; the same seed draws the same one
    #[command(
        before_help = "Example:  ansinh audit sample R000001 --method mus --size 60 --seed 20261123 --by kiemtoan.an"
    )]
    Sample {
        run: RunNo,
        /// By đồng, each with the same chance, or by payments of each stratum
        #[arg(long, value_enum)]
        method: Method,
        /// Payments to draw: at most so many by đồng, exactly so many by strata
        #[arg(long, value_parser = clap::value_parser!(u32).range(1..=100_000))]
        size: u32,
        #[arg(long)]
        seed: u64,
        /// What makes a stratum
        #[arg(
            long,
            value_enum,
            value_name = "COLUMN",
            required_if_eq("method", "stratified")
        )]
        by_strata: Option<Strata>,
        #[command(flatten)]
        taken: Taken,
        /// Who draws
        #[arg(long, value_name = "OFFICER")]
        by: Officer,
    },
    /// Verify a proof with the log's public key alone, without database and secret; exit 8 where it does
    /// not hold
    #[command(
        name = "verify-proof",
        before_help = "Example:  ansinh audit verify-proof proof.json --log-key an-sinh/evidence+…"
    )]
    VerifyProof {
        file: PathBuf,
        /// As `audit key` printed it; not from whoever handed over the proof
        #[arg(long, value_name = "KEY")]
        log_key: String,
    },
    /// Write a lost log again from the database, into a folder that has none; exit 8 where that is not what
    /// was signed
    #[command(
        name = "restore-log",
        before_help = "Example:  ansinh audit restore-log"
    )]
    RestoreLog,
    /// The log's folder, and the public key by which it is verified
    #[command(before_help = "Example:  ansinh audit key")]
    Key,
}

/// How an answer is shown or taken away.
#[derive(Debug, Args)]
pub(crate) struct Taken {
    /// On the screen (the first rows), or all of it as a file with its manifest
    #[arg(short = 'o', long = "format", value_enum)]
    pub shape: Option<Shape>,
    /// Where the file goes [default: here]; csv unless another format is named
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Between the fields of CSV; Excel in Vietnamese expects a semicolon
    #[arg(long, value_enum, default_value_t = Separator::Comma)]
    pub separator: Separator,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Shape {
    Table,
    Json,
    Csv,
    Xlsx,
    Parquet,
}

/// The format of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Csv,
    Xlsx,
    Parquet,
}

impl Format {
    pub fn ending(self) -> &'static str {
        match self {
            Format::Csv => "csv",
            Format::Xlsx => "xlsx",
            Format::Parquet => "parquet",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Separator {
    Comma,
    Semicolon,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Method {
    /// Monetary units
    Mus,
    Stratified,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Strata {
    Province,
    Institution,
    Channel,
}

impl Taken {
    /// The file's format, where the answer goes into one; else how it is shown.
    pub fn file(&self, output: Output) -> Result<Format, Output> {
        match self.shape {
            Some(Shape::Csv) => Ok(Format::Csv),
            Some(Shape::Xlsx) => Ok(Format::Xlsx),
            Some(Shape::Parquet) => Ok(Format::Parquet),
            Some(Shape::Table) => Err(Output::Table),
            Some(Shape::Json) => Err(Output::Json),
            None if self.out.is_some() => Ok(Format::Csv),
            None => Err(output),
        }
    }
}

impl Strata {
    /// The column of the population.
    pub fn column(self) -> &'static str {
        match self {
            Strata::Province => "province",
            Strata::Institution => "institution",
            Strata::Channel => "channel",
        }
    }
}

use std::path::PathBuf;

use chrono::NaiveDate;
use clap::Subcommand;
use domain::{Officer, Position, RunNo};

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
    #[command(before_help = "Example:  ansinh audit query Q10 --set province=79 --by kiemtoan.an")]
    Query {
        /// Q01 to Q30
        question: Option<String>,
        /// A parameter of the question, name=value
        #[arg(long = "set", value_name = "NAME=VALUE")]
        set: Vec<String>,
        /// Show the question as it is asked, and do not ask it
        #[arg(long, requires = "question")]
        sql: bool,
        /// Write NAME.csv and NAME.manifest.json there, all rows; else the first rows are shown
        #[arg(long, value_name = "DIR")]
        out: Option<PathBuf>,
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

use chrono::NaiveDate;
use clap::Subcommand;
use domain::{Institution, Position};
use events::BreakKind;
use reconciliation::CaseNo;

use super::{By, Deciding};

#[derive(Debug, Subcommand)]
pub(crate) enum Recon {
    /// Breaks that are open, the oldest first
    #[command(before_help = "Example:  ansinh recon breaks --institution 970436 --kind fee_taken")]
    Breaks {
        #[arg(long)]
        institution: Option<Institution>,
        /// One of the 14 kinds, e.g. amount_differs
        #[arg(long, value_parser = kind)]
        kind: Option<BreakKind>,
        /// Closed ones as well
        #[arg(long)]
        all: bool,
        #[arg(long, default_value_t = 50)]
        limit: u32,
    },
    /// Open breaks by kind and age in days, and what only waits
    #[command(before_help = "Example:  ansinh recon ageing")]
    Ageing {
        #[arg(long)]
        institution: Option<Institution>,
    },
    /// One break: a case
    #[command(before_help = "Example:  ansinh recon show 970436-3-07-12")]
    Show { case: CaseNo },
    /// What instruction, result and statement say of a line
    #[command(before_help = "Example:  ansinh recon line R000001-07-0001-0042")]
    Line { line: Position },
    /// Propose to close a case on which no money hangs
    #[command(
        before_help = "Example:  ansinh recon resolve 970436-3-07-12 --reason 'NH xác nhận' --by le.an"
    )]
    Resolve {
        case: CaseNo,
        #[arg(long)]
        reason: String,
        #[command(flatten)]
        by: By,
    },
    /// Propose that a debit was a payment, or that it is offset by what came back
    #[command(
        before_help = "Example:  ansinh recon match 970436-3-07-12 --line R000001-07-0001-0042 \
                       --reason 'sai mã' --by le.an"
    )]
    Match {
        case: CaseNo,
        #[arg(long, required_unless_present = "against", conflicts_with = "against")]
        line: Option<Position>,
        /// The other case of an offset
        #[arg(long)]
        against: Option<CaseNo>,
        #[arg(long)]
        reason: String,
        #[command(flatten)]
        by: By,
    },
    /// Propose that a debit was several payments that add up to it
    #[command(
        before_help = "Example:  ansinh recon split 970436-3-07-12 --lines R000001-07-0001-0042 \
                       R000001-07-0001-0043 --reason 'gộp' --by le.an"
    )]
    Split {
        case: CaseNo,
        #[arg(long, required = true, num_args = 2..)]
        lines: Vec<Position>,
        #[arg(long)]
        reason: String,
        #[command(flatten)]
        by: By,
    },
    /// Propose that a payment that came back is owed to the person again; then run reissue
    #[command(
        before_help = "Example:  ansinh recon owed-again 970436-3-07-12 --reason 'tài khoản đã đóng' \
                       --by le.an"
    )]
    OwedAgain {
        case: CaseNo,
        #[arg(long)]
        reason: String,
        #[command(flatten)]
        by: By,
    },
    /// Propose to give up what a break has in suspense
    #[command(
        before_help = "Example:  ansinh recon write-off 970436-3-07-12 --reason 'QĐ 9/2026' --by le.an"
    )]
    WriteOff {
        case: CaseNo,
        #[arg(long)]
        reason: String,
        #[command(flatten)]
        by: By,
    },
    /// Accept or refuse a proposal of another officer
    #[command(before_help = "Example:  ansinh recon decide 1 --accept --by tran.binh")]
    Decide {
        proposal: i64,
        #[arg(long, required_unless_present = "refuse", conflicts_with = "refuse")]
        accept: bool,
        #[arg(long, requires = "reason")]
        refuse: bool,
        #[arg(long)]
        reason: Option<String>,
        #[command(flatten)]
        deciding: Deciding,
    },
    /// A bank's day: statements, what froze it, which rules decided
    #[command(before_help = "Example:  ansinh recon day --institution 970436 --date 2026-12-01")]
    Day {
        #[arg(long)]
        institution: Institution,
        #[arg(long)]
        date: NaiveDate,
    },
    /// Close a bank's day with a signed report; again it gives the same one
    #[command(
        before_help = "Example:  ansinh recon close-day --institution 970436 --date 2026-12-01 \
                       --by tran.chi"
    )]
    CloseDay {
        #[arg(long)]
        institution: Institution,
        #[arg(long)]
        date: NaiveDate,
        #[command(flatten)]
        by: By,
    },
    /// The report of a closed day, in Vietnamese and English; as JSON the very bytes that are signed
    #[command(before_help = "Example:  ansinh recon report --institution 970436 --date 2026-12-01")]
    Report {
        #[arg(long)]
        institution: Institution,
        #[arg(long)]
        date: NaiveDate,
    },
    /// Check hash, signature and chain of a bank's reports; exit 8 where one is not as it was signed
    #[command(before_help = "Example:  ansinh recon verify --institution 970436")]
    Verify {
        #[arg(long)]
        institution: Institution,
        /// The key that must have signed, in hex; the one beside each report where left out
        #[arg(long, value_name = "HEX")]
        public_key: Option<String>,
    },
    /// Go on with a day that a statement froze
    #[command(
        before_help = "Example:  ansinh recon thaw --institution 970436 --date 2026-12-01 \
                       --reason 'NH gửi lại' --by le.an"
    )]
    Thaw {
        #[arg(long)]
        institution: Institution,
        #[arg(long)]
        date: NaiveDate,
        #[arg(long)]
        reason: String,
        #[command(flatten)]
        by: By,
    },
}

fn kind(text: &str) -> Result<BreakKind, String> {
    let found = BreakKind::ALL.into_iter().find(|it| it.code() == text);
    found.ok_or_else(|| format!("one of {}", BreakKind::ALL.map(BreakKind::code).join(", ")))
}

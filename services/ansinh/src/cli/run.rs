use clap::{Args, Subcommand};
use domain::{Commune, Institution, Money, Period, Position, Programme, Province, RunNo};
use payments::{FundingOrder, Guard, Scope};

use super::{Again, By, Deciding, Signing, Unknown};

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
    /// The latest runs, and how long unfunded ones have waited for money
    #[command(before_help = "Example:  ansinh run list --state unfunded")]
    List {
        /// preparing, awaiting_approval, unfunded, approved, reserved, releasing, released or closed
        #[arg(long)]
        state: Option<payments::State>,
        #[arg(long, default_value_t = 50)]
        limit: u32,
    },
    /// Commit money that has come to an approved run that was short of it: all, or what fits
    #[command(
        before_help = "Example:  ansinh run fund R000001 --partial --order oldest_first --by pham.dung"
    )]
    Fund {
        run: RunNo,
        /// Only as many lines as the money goes for
        #[arg(long, requires = "order")]
        partial: bool,
        /// oldest_first, smallest_first, or province:01,79
        #[arg(long, requires = "partial", value_parser = funding_order)]
        order: Option<FundingOrder>,
        #[command(flatten)]
        by: By,
    },
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
        #[command(flatten)]
        signing: Signing,
        #[command(flatten)]
        by: By,
    },
    /// Do not approve, and say why; approvals given so far are void
    #[command(
        before_help = "Example:  ansinh run send-back R000001 --reason 'xem lại 12 người' --by le.binh"
    )]
    SendBack {
        run: RunNo,
        #[arg(long)]
        reason: String,
        #[command(flatten)]
        by: By,
    },
    /// Let a run that was sent back await approval again; not by who sent it back
    #[command(
        before_help = "Example:  ansinh run submit R000001 --reason 'đã giữ lại 2 người' --by nguyen.an"
    )]
    Submit {
        run: RunNo,
        #[arg(long)]
        reason: String,
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
        #[command(flatten)]
        signing: Signing,
        /// Why it goes out although its day is not worked or its cut-off is over
        #[arg(long, value_name = "REASON")]
        late: Option<String>,
        /// Only a pilot at first: chunks of at most so many lines, of as many institutions as fit
        #[arg(long, value_name = "LINES", conflicts_with = "waves")]
        first: Option<i64>,
        /// In waves of so many percent, e.g. 10,30,60; each after the first with `run continue`
        #[arg(long, value_delimiter = ',', value_name = "PERCENT")]
        waves: Option<Vec<i64>>,
        #[command(flatten)]
        by: By,
    },
    /// Let the next wave of a released run go out; not by its maker or who approved it
    #[command(before_help = "Example:  ansinh run continue R000001 --by tran.chi")]
    Continue {
        run: RunNo,
        #[command(flatten)]
        by: By,
    },
    /// From now on send nothing more of a run, to an institution, for a programme or a province
    #[command(
        before_help = "Example:  ansinh run pause --institution 970436 --reason 'sự cố' --by tran.chi"
    )]
    Pause(Ordering),
    /// Go on where it was paused; by another officer than who paused
    #[command(
        before_help = "Example:  ansinh run resume --institution 970436 --reason 'đã xử lý' --by vo.hoa"
    )]
    Resume(Ordering),
    /// Do not pay what is not out: its money goes back, its lines may be issued again; final
    #[command(
        before_help = "Example:  ansinh run stop R000001 --reason 'sai danh sách' --by tran.chi"
    )]
    Stop(Ordering),
    /// Set how many lines a minute an institution is sent; another officer approves it
    #[command(
        before_help = "Example:  ansinh run limit 970436 --lines-per-minute 60000 --reason 'CV 12' --by tran.chi"
    )]
    Limit {
        institution: Institution,
        #[arg(long)]
        lines_per_minute: i32,
        /// From when it holds; now where left out
        #[arg(long)]
        from: Option<chrono::DateTime<chrono::Utc>>,
        #[arg(long)]
        reason: String,
        #[command(flatten)]
        by: By,
    },
    /// Approve an institution's limit; not by who set it
    #[command(before_help = "Example:  ansinh run approve-limit 1 --by vo.hoa")]
    ApproveLimit {
        limit_no: i64,
        #[command(flatten)]
        deciding: Deciding,
    },
    #[command(flatten)]
    Again(Again),
    #[command(flatten)]
    Unknown(Unknown),
    /// Close a run whose every line has an end
    #[command(before_help = "Example:  ansinh run close R000001 --by tran.chi")]
    Close {
        run: RunNo,
        #[command(flatten)]
        by: By,
    },
}

/// What an order is about, and why it is given.
#[derive(Debug, Args)]
pub(crate) struct Ordering {
    #[command(flatten)]
    pub scope: Scoped,
    #[arg(long)]
    pub reason: String,
    #[command(flatten)]
    pub by: By,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct Scoped {
    run: Option<RunNo>,
    #[arg(long)]
    institution: Option<Institution>,
    #[arg(long)]
    programme: Option<Programme>,
    /// Lines of people whom this province pays
    #[arg(long)]
    province: Option<Province>,
    /// Cash at this commune, by its code
    #[arg(long)]
    commune: Option<Commune>,
}

impl Scoped {
    pub(crate) fn scope(&self) -> Option<Scope> {
        let of_run = self.run.map(Scope::Run);
        let of_institution = self.institution.map(Scope::Institution);
        let of_programme = self.programme.map(Scope::Programme);
        let of_province = self.province.map(Scope::Province);
        let of_commune = self.commune.map(Scope::Commune);
        of_run
            .or(of_institution)
            .or(of_programme)
            .or(of_province)
            .or(of_commune)
    }
}

/// `oldest_first`, `smallest_first`, `province:01,79`
fn funding_order(text: &str) -> Result<FundingOrder, String> {
    let known = || "an order is oldest_first, smallest_first or province:01,79".to_owned();
    match text {
        "oldest_first" => Ok(FundingOrder::OldestFirst),
        "smallest_first" => Ok(FundingOrder::SmallestFirst),
        _ => {
            let listed = text.strip_prefix("province:").ok_or_else(known)?.split(',');
            let provinces = listed.map(|it| it.parse().map_err(|_| known()));
            Ok(FundingOrder::Province {
                provinces: provinces.collect::<Result<_, _>>()?,
            })
        }
    }
}

/// `many_stopped=rà soát`
fn guard_reason(text: &str) -> Result<(Guard, String), String> {
    let (guard, reason) = text.split_once('=').ok_or("a reason is GUARD=REASON")?;
    let guard = serde_json::from_value(guard.into()).map_err(|it| it.to_string())?;
    Ok((guard, reason.to_owned()))
}

//! Commands on what one officer proposes and another decides.

use std::path::PathBuf;

use chrono::NaiveDate;
use clap::Subcommand;
use domain::{Money, Officer, Period, Position, Programme};
use events::ResultStatus;
use payments::Guard;

use super::By;

#[derive(Debug, Subcommand)]
pub(crate) enum Proposals {
    #[command(flatten)]
    New(NewProposal),
    /// What was proposed and what became of it, the latest first
    #[command(before_help = "Example:  ansinh proposal list")]
    List,
    /// Let it hold from now on; not by who proposed it or is concerned. Signed
    #[command(before_help = "Example:  ansinh proposal accept 3 --by tran.chi")]
    Accept {
        proposal: i64,
        /// The officer's private key; officers/<officer>.pem beside the servers where left out
        #[arg(long, value_name = "FILE")]
        key: Option<PathBuf>,
        #[command(flatten)]
        by: By,
    },
    /// Let it never hold, and say why. Signed
    #[command(
        before_help = "Example:  ansinh proposal refuse 3 --reason 'chưa đủ căn cứ' --by tran.chi"
    )]
    Refuse {
        proposal: i64,
        #[arg(long)]
        reason: String,
        /// The officer's private key; officers/<officer>.pem beside the servers where left out
        #[arg(long, value_name = "FILE")]
        key: Option<PathBuf>,
        #[command(flatten)]
        by: By,
    },
    /// End a lent right before its time
    #[command(before_help = "Example:  ansinh proposal end 3 --reason 'về sớm' --by le.binh")]
    End {
        proposal: i64,
        #[arg(long)]
        reason: String,
        #[command(flatten)]
        by: By,
    },
}

/// What another officer is to decide.
#[derive(Debug, Subcommand)]
pub(crate) enum NewProposal {
    /// Propose how many persons approve a run of this sum or more
    #[command(
        before_help = "Example:  ansinh proposal level 500000000000 2 --reason 'QĐ 12/2026' --by nguyen.an"
    )]
    Level {
        from_total: Money,
        approvals: i16,
        #[arg(long)]
        reason: String,
        #[command(flatten)]
        by: By,
    },
    /// Propose beyond what an approver writes a reason
    #[command(
        before_help = "Example:  ansinh proposal limit many_stopped 3 --reason 'QĐ 12/2026' --by nguyen.an"
    )]
    Limit {
        #[arg(value_parser = guard)]
        guard: Guard,
        limit: i64,
        /// Beyond what nobody approves, whatever the reason; nowhere where left out
        #[arg(long)]
        block: Option<i64>,
        #[arg(long)]
        reason: String,
        #[command(flatten)]
        by: By,
    },
    /// Propose what a programme is expected to cost in a month
    #[command(
        before_help = "Example:  ansinh proposal forecast --programme HTXH --period 2026-12 --total 540000000 --reason 'KH 2026' --by nguyen.an"
    )]
    Forecast {
        #[arg(long)]
        programme: Programme,
        #[arg(long)]
        period: Period,
        #[arg(long)]
        total: Money,
        #[arg(long)]
        reason: String,
        #[command(flatten)]
        by: By,
    },
    /// Propose that a line has ended as its institution said first, whatever it said later; it can be
    /// paid again then where it was rejected
    #[command(
        before_help = "Example:  ansinh proposal first-answer R000001-07-0001-0042 credited --basis 'CV 12/VCB' --reason 'đã đối chiếu' --by nguyen.an"
    )]
    FirstAnswer {
        line: Position,
        /// How it ended: credited or rejected
        #[arg(value_parser = end)]
        status: ResultStatus,
        /// The institution's document that says so
        #[arg(long)]
        basis: String,
        #[arg(long)]
        reason: String,
        #[command(flatten)]
        by: By,
    },
    /// Propose to lend one's right to approve and release, from the first day to the end of the last
    #[command(
        before_help = "Example:  ansinh proposal lend do.giang --from 2026-12-01 --to 2026-12-05 --reason 'nghỉ phép' --by le.binh"
    )]
    Lend {
        delegate: Officer,
        #[arg(long)]
        from: NaiveDate,
        #[arg(long)]
        to: NaiveDate,
        #[arg(long)]
        reason: String,
        #[command(flatten)]
        by: By,
    },
}

fn end(text: &str) -> Result<ResultStatus, String> {
    serde_json::from_value(text.into()).map_err(|it| it.to_string())
}

fn guard(text: &str) -> Result<Guard, String> {
    serde_json::from_value(text.into()).map_err(|it| it.to_string())
}

//! What the banks' statements say against what was instructed and what the banks answered.
//!
//! Owns schema `reconciliation`: instructions and results as they were told, a row for the
//! lines of a chunk, statements with their pages and entries, matches, breaks and refusals.
//!
//! Hears
//! * `bank.<code>.out` of each connected institution: the very instructions that the bank gets;
//! * `payments`: results that took effect (`results-applied.v1`), how clearing accounts stand
//!   (`clearing-told.v1`), and a run's ends (`run-closed.v1`);
//! * `bank.<code>.in.statement`: the pages of the bank's statements.
//!
//! Says `statement-matched.v1`, for each accepted statement once a partition, and
//! `breaks-resolved.v1`. Takes `reconciliation.do.propose`, `decide`, `thaw-day`, `close-day`. A statement that
//! does not add up is refused as a whole, leads to nothing and freezes the bank's day.

mod case;
mod closing;
mod command;
mod error;
mod handlers;
mod matching;
mod matter;
mod report;
mod rounds;
mod statement;
mod store;

use std::sync::Arc;
use std::time::Duration;

use domain::Institution;
use messaging::{Relay, Subscription, consume, serve};
use tokio::sync::Notify;

pub use case::{Age, CaseNo, LineState};
pub use closing::{
    Books, DayReport, Difference, Equation, Flow, InFlight, Named, OfTheDay, PURPOSE, Residuals,
    Stated, Sum,
};
pub use command::{CloseDay, Decide, Propose, ThawDay};
pub use error::Error;
pub use matter::matter;
pub use report::{
    AgeingRow, CaseFilter, CaseRow, CaseState, Day, FreezeRow, LineTold, RuleRow, SignedReport,
    StatementRow, Verification, Waiting, ageing, case, cases, day, line, report, verify,
};

use handlers::{InstructionsHeard, OnCommand, ResultsHeard, StatementsHeard};
use rounds::Rounds;

pub const SERVICE: &str = events::RECONCILIATION;

/// Starts listening, matching and telling; everything runs as tasks of `ctx` until it stops.
pub async fn start(ctx: &boot::Context) -> Result<(), Error> {
    let speaker = events::RECONCILIATION.to_owned();
    messaging::register(&ctx.pool, std::slice::from_ref(&speaker)).await?;
    let wires = ctx.wires();
    let news = Arc::new(Notify::new());
    for bank in Institution::connected() {
        let heard = InstructionsHeard {
            keys: ctx.keys.clone(),
            news: news.clone(),
        };
        let instructions = hears(events::bank_out(bank.institution));
        ctx.spawn("instructions", consume(wires.clone(), instructions, heard));
        let heard = StatementsHeard {
            institution: bank.institution,
            keys: ctx.keys.clone(),
            news: news.clone(),
        };
        let statements = hears(events::bank_in_statement(bank.institution));
        ctx.spawn("statements", consume(wires.clone(), statements, heard));
    }
    let results = hears(events::PAYMENTS.to_owned());
    let heard = ResultsHeard { news: news.clone() };
    ctx.spawn("results", consume(wires.clone(), results, heard));
    let grace = Duration::from_millis(ctx.settings.reconciliation.grace_ms);
    let rounds = Rounds::new(ctx.pool.clone(), grace, news);
    ctx.spawn("rounds", rounds.run(ctx.stop.clone()));
    ctx.spawn("relay", Relay::new(wires.clone(), vec![speaker]).run());
    let signer = ctx.keys.signer(PURPOSE);
    let handler = OnCommand {
        signer,
        signatures_required: ctx.settings.approval.signatures_required,
    };
    ctx.spawn("reconciliation commands", async move {
        if let Err(error) = serve(wires, SERVICE, handler).await {
            tracing::error!(error = %error, "Commands are not taken");
        }
    });
    Ok(())
}

fn hears(speaker: String) -> Subscription {
    Subscription {
        consumer: SERVICE,
        speaker,
    }
}

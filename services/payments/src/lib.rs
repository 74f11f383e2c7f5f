//! Runs, approvals, instructions to banks, results; the only writer of the ledger.
//!
//! Owns schemas `payments` and `ledger`. Hears accounts: `payees-resolved`, `part-resolved`,
//! `payees-withdrawn`; each bank: `results`; reconciliation: `statement-matched`. Takes `payments.do.appropriate`,
//! `open-run`, `hold-line`, `free-line`, `approve-run`, `release-run`, `release-late`, `close-run`, `plan-schedule`,
//! `order-schedule`, `approve-order`, `register-key`, `end-key`, `register-organisation-key`,
//! `confirm-organisation-key`, `end-organisation-key`. Says `run-opened`, `results-applied`, `run-closed`,
//! and to each bank `instructions`.

mod approval;
mod command;
mod error;
mod handlers;
mod holds;
mod line;
mod posting;
mod preview;
mod report;
mod result;
mod run;
mod schedule;
mod scheduler;
mod store;
mod withdrawal;
mod work;

pub use approval::{KeyStatement, SignedAct, Statement};
pub use command::{
    Appropriate, ApproveOrder, ApproveRun, CloseRun, ConfirmOrganisationKey, EndKey,
    EndOrganisationKey, FreeLine, HoldLine, OpenRun, OrderSchedule, Ordered, PlanSchedule,
    RegisterKey, RegisterOrganisationKey, ReleaseLate, ReleaseRun,
};
pub use error::Error;
pub use handlers::{approve_order, order_schedule, plan_schedule};
pub use line::{Line, LineLeaf};
pub use preview::{Bucket, Difference, Guard, Guarded};
pub use report::{
    ActRow, AlarmRow, ExceptionRow, HeldRow, InstitutionRow, LineRow, OrderRow, Preview,
    RunSummary, ScheduleRow, StepRow, acts, alarms, exceptions, institutions, lines, preview,
    run_summary, runs, schedule, schedule_next, schedule_orders, schedule_steps,
    unsound_signatures,
};
pub use result::{Found, Judgement, Standing, judge};
pub use run::{Action, State};
pub use schedule::{Moment, MomentState};
pub use scheduler::{Round, keep_schedule};

use domain::Institution;
use messaging::{Relay, Subscription, consume, serve};

pub const SERVICE: &str = "payments";

/// The one list of what payments hears, says, takes and does by itself.
pub async fn start(ctx: &boot::Context) -> Result<(), Error> {
    let mut speakers = vec![events::PAYMENTS.to_owned()];
    speakers.extend(Institution::connected().map(|it| events::bank_out(it.institution)));
    messaging::register(&ctx.pool, &speakers).await?;
    let wires = ctx.wires();
    let hears = |speaker: String| Subscription {
        consumer: SERVICE,
        speaker,
    };
    ctx.spawn("payments relay", Relay::new(wires.clone(), speakers).run());
    ctx.spawn(
        "payments hears accounts",
        consume(
            wires.clone(),
            hears(events::ACCOUNTS.to_owned()),
            handlers::OnAccounts,
        ),
    );
    ctx.spawn(
        "payments hears reconciliation",
        consume(
            wires.clone(),
            hears(events::RECONCILIATION.to_owned()),
            handlers::OnReconciliation,
        ),
    );
    for bank in Institution::connected() {
        let speaker = events::bank_in_results(bank.institution);
        let handler = handlers::OnBank {
            institution: bank.institution,
        };
        ctx.spawn(
            "payments hears a bank",
            consume(wires.clone(), hears(speaker), handler),
        );
    }
    let work = work::Work::default();
    for _ in 0..work::WORKERS {
        ctx.spawn(
            "reserve and release",
            work::reserve_and_release(ctx.clone(), work.clone()),
        );
    }
    ctx.spawn("overdue", work::watch_overdue(ctx.clone()));
    ctx.spawn("holds", holds::watch_holds(ctx.clone()));
    ctx.spawn("schedule", scheduler::watch_schedule(ctx.clone()));
    let approvals_required = ctx.settings.payments.approvals_required;
    let handler = handlers::OnCommand {
        approvals_required,
        signatures_required: ctx.settings.payments.signatures_required,
        work,
    };
    let commands = async move {
        if let Err(error) = serve(wires, SERVICE, handler).await {
            tracing::error!(error = %error, "Commands are not taken");
        }
    };
    ctx.spawn("payments commands", commands);
    Ok(())
}

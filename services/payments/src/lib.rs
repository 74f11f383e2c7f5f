//! Runs, approvals, instructions to banks, results; the only writer of the ledger.
//!
//! Owns schemas `payments` and `ledger`. Hears accounts: `payees-resolved`, `part-resolved`,
//! `payees-withdrawn`; each bank: `results`, `standings`; reconciliation: `statement-matched`,
//! `breaks-resolved`. Takes `payments.do.appropriate`,
//! `open-run`, `open-reissue`, `fund-run`, `close-year`, `approve-closing`, `hold-line`, `free-line`, `approve-run`,
//! `send-back-run`, `submit-run`, `release-run`, `release-late`, `release-in-waves`, `continue-run`, `pause`, `resume`,
//! `stop`, `limit-institution`, `approve-limit`, `take-cash`, `move-cash`, `cash-return`, `age-cash`, `settle-unknown`,
//! `decide-unknown`, `close-run`, `plan-schedule`, `order-schedule`, `approve-order`, `register-key`, `end-key`,
//! `register-organisation-key`, `confirm-organisation-key`, `end-organisation-key`, `propose`, `decide-proposal`,
//! `end-delegation`. Says `run-opened`, `reissues-opened`, `results-applied`,
//! `clearing-told`, `run-closed`, and to each bank `instructions` and `enquiries`.

mod breaker;
mod cash;
mod command;
mod enquiry;
mod error;
mod funding;
mod handlers;
mod holds;
mod line;
mod matter;
mod posting;
mod preview;
mod proposal;
mod recovery;
mod reissue;
mod release;
mod report;
mod result;
mod run;
mod schedule;
mod scheduler;
mod statement;
mod store;
mod unclaimed;
mod withdrawal;
mod work;
mod year_end;

pub use year_end::Surplus;

pub use cash::CashStatement;
pub use command::{
    AgeCash, Appropriate, ApproveClosing, ApproveLimit, ApproveOrder, ApproveRun, CashReturn,
    CashRow, CloseRun, CloseYear, ConfirmOrganisationKey, ContinueRun, DecideProposal,
    DecideUnknown, EndDelegation, EndKey, EndOrganisationKey, FreeLine, FundRun, HoldLine,
    LimitInstitution, MoveCash, OpenReissue, OpenRun, OrderRelease, OrderSchedule, Ordered,
    PlanSchedule, Propose, RegisterKey, RegisterOrganisationKey, ReleaseInWaves, ReleaseLate,
    ReleaseRun, SendBackRun, SettleUnknown, SubmitRun, TakeCash,
};
pub use error::Error;
pub use funding::{Fund, FundingOrder, Shortage};
pub use handlers::{
    OnCommand, approve_closing, approve_limit, approve_order, close_year, limit_institution,
    order_schedule, pause, plan_schedule, resume, stop,
};
pub use line::{Line, LineLeaf};
pub use matter::{matter, open_settlement};
pub use preview::{Bucket, Difference, Guard, Guarded};
pub use proposal::{Decision, Proposed};
pub use recovery::{Deduction, Instalment, Receipt, Way};
pub use release::{Scope, Waves};
pub use report::{
    ActRow, AlarmRow, AttemptRow, CashEntry, CashList, CashListQuery, ExceptionRow, HeldRow,
    InstalmentRow, InstitutionRow, LineRow, OrderRow, OverpaymentCase, OverpaymentFilter,
    OverpaymentRow, Preview, Progress, ProposalRow, RecoveredRow, RecoveryRow, RunRow, RunSummary,
    ScheduleRow, StepRow, UnknownRow, acts, alarms, cash_list, exceptions, institutions, lent_by,
    lineage, lines, overpayment, overpayments, preview, proposals, run_list, run_summary, runs,
    schedule, schedule_next, schedule_orders, schedule_steps, unknown, unsound_decisions,
    unsound_signatures,
};
pub use result::{Found, Judgement, Standing, judge};
pub use run::{Action, State};
pub use schedule::{Moment, MomentState};
pub use scheduler::{Round, keep_schedule};
pub use statement::{Delegation, SignedAct, Statement};
pub use work::Work;

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
        let speaker = events::bank_in_standings(bank.institution);
        let handler = handlers::OnStandings {
            institution: bank.institution,
        };
        ctx.spawn(
            "payments hears standings",
            consume(wires.clone(), hears(speaker), handler),
        );
    }
    let work = Work::default();
    for number in 0..work::WORKERS {
        ctx.spawn(
            "reserve and release",
            work::reserve_and_release(ctx.clone(), work.clone(), number == 0),
        );
    }
    ctx.spawn("overdue", work::watch_overdue(ctx.clone()));
    ctx.spawn("unknown", enquiry::watch_unknown(ctx.clone()));
    ctx.spawn("holds", holds::watch_holds(ctx.clone()));
    ctx.spawn("schedule", scheduler::watch_schedule(ctx.clone()));
    let approvals_required = ctx.settings.payments.approvals_required;
    let handler = OnCommand {
        approvals_required,
        signatures_required: ctx.settings.approval.signatures_required,
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

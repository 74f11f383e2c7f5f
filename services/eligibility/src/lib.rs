//! Who is owed what: persons, enrolments, rates, determinations.
//!
//! Owns schema `eligibility`. Hears payments: `run-opened`. Says: `persons-registered`,
//! `entitlements-determined`, `part-determined`.

mod determination;
mod error;
mod handlers;
mod import;
mod rate;
mod registry;
mod store;
mod work;

pub use determination::{Determination, Facts, NotOwed, Outcome, decide};
pub use error::Error;
pub use import::{TEMPLATE, import_registry};
pub use rate::{Rate, Rates};
pub use registry::{Category, Enrolment, HEADER, Household, Refusable, Registration};

use messaging::{Relay, Subscription, consume};

const SERVICE: &str = "eligibility";

/// The one list of what eligibility hears, says and does by itself.
pub async fn start(ctx: &boot::Context) -> Result<(), Error> {
    let speakers = vec![events::ELIGIBILITY.to_owned()];
    messaging::register(&ctx.pool, &speakers).await?;
    store::load_rates(&ctx.pool, &Rates::embedded()?).await?;
    let wires = ctx.wires();
    ctx.spawn(
        "eligibility relay",
        Relay::new(wires.clone(), speakers).run(),
    );
    let subscription = Subscription {
        consumer: SERVICE,
        speaker: events::PAYMENTS.to_owned(),
    };
    let work = work::Work::default();
    let handler = handlers::OnPayments { work: work.clone() };
    ctx.spawn(
        "eligibility hears payments",
        consume(wires, subscription, handler),
    );
    for _ in 0..work::WORKERS {
        ctx.spawn("determine", work::determine(ctx.clone(), work.clone()));
    }
    Ok(())
}

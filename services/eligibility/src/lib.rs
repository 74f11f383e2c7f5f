//! Who is owed what: persons, enrolments, rates, determinations.
//!
//! Owns schema `eligibility`. Hears payments: `run-opened`; the population register:
//! `life-events-told`. Says: `persons-registered`, `entitlements-determined`,
//! `entitlements-withdrawn`, `part-determined`.

mod arrears;
mod determination;
mod error;
mod explanation;
mod handlers;
mod import;
mod law;
mod life_event;
mod pace;
mod past;
mod recompute;
mod reconsider;
mod registry;
mod reseal;
mod residence;
mod simulation;
mod store;
mod work;

pub use arrears::{Correction, Obligated, corrections, obligated};
pub use determination::{
    Determination, Enrolled, FrozenInputs, Inputs, decide, inputs_json, overlapping, stored_inputs,
};
pub use error::Error;
pub use explanation::{Explained, explain_determination};
pub use import::{import_registry, write_mirror};
pub use law::{
    LawInForce, LawRecord, Laws, approve_law, broken_promises, files_of_law, law_hash,
    law_in_force, law_matter, list_laws, propose_law, provinces_with_local_levels, read_law,
    shipped_files,
};
pub use life_event::import_events;
pub use pace::{Pace, pace};
pub use recompute::{Difference, Recompute, Recomputed, recompute};
pub use registry::template;
pub use simulation::{Bucket, Simulation, Tally, simulate};
pub use store::{Progress, progress};

use messaging::{Relay, Subscription, consume};

const SERVICE: &str = "eligibility";

/// The one list of what eligibility hears, says and does by itself.
pub async fn start(ctx: &boot::Context) -> Result<(), Error> {
    let speakers = vec![events::ELIGIBILITY.to_owned()];
    messaging::register(&ctx.pool, &speakers).await?;
    law::ensure_shipped(&ctx.pool, chrono::Utc::now()).await?;
    let laws = Laws::default();
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
    let population = Subscription {
        consumer: SERVICE,
        speaker: events::POPULATION.to_owned(),
    };
    let hears_population = handlers::OnPopulation { laws: laws.clone() };
    ctx.spawn(
        "eligibility hears the population register",
        consume(wires.clone(), population, hears_population),
    );
    let handler = handlers::OnPayments {
        work: work.clone(),
        laws: laws.clone(),
    };
    ctx.spawn(
        "eligibility hears payments",
        consume(wires, subscription, handler),
    );
    let (pool, keys, stop) = (ctx.pool.clone(), ctx.keys.clone(), ctx.stop.clone());
    ctx.spawn(
        "reseal",
        privacy::reseal::<reseal::Persons>(pool, keys, stop),
    );
    for _ in 0..work::WORKERS {
        let determine = work::determine(ctx.clone(), laws.clone(), work.clone());
        ctx.spawn("determine", determine);
    }
    Ok(())
}

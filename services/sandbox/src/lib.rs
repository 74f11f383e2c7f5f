//! The outside world for demos, tests and banks' engineers: banks that pay, answer and state.
//!
//! Owns schema `sandbox`: each bank's own books, which An Sinh never reads, and
//! [`people`] with all that is made up about them.
//!
//! Hears `bank.<code>.out` of each connected institution, and the commands
//! `sandbox.do.end-of-day` with `{"date": "2026-12-01"}` and `sandbox.do.tell-life-events`, which
//! the population register tells on as `population.00.life-events-told.v1`.
//!
//! Says `bank.<code>.in.results.v1`, most lines at once and a few late and repeated, and at the end
//! of a day `bank.<code>.in.statement.v1`. What it says follows from the instructions and
//! `sandbox.seed` alone, so that two runs of the same world can be compared.

mod banks;
mod error;
mod former_number;
mod handlers;
pub mod people;
mod population;
mod statement;
mod store;
mod vneid;

use std::sync::Arc;
use std::time::Duration;

use domain::Institution;
use messaging::{Relay, Subscription, Wires, consume};
use privacy::Keys;
use tokio::time::sleep;

pub use error::Error;
pub use former_number::former_number;
pub use vneid::{Citizen, Level, Vneid, VneidError, built_in as citizens};

use banks::Bank;
use handlers::{InstructionsHeard, OnCommand};

const SERVICE: &str = "sandbox";
/// Wait before listening for commands again when NATS was away.
const RETRY: Duration = Duration::from_millis(250);

/// Opens all banks; everything runs as tasks of `ctx` until it stops.
pub async fn start(ctx: &boot::Context) -> Result<(), Error> {
    let speakers: Vec<String> = Institution::connected()
        .flat_map(|it| {
            let bank = it.institution;
            [
                events::bank_in_results(bank),
                events::bank_in_statement(bank),
            ]
        })
        .chain([events::POPULATION.to_owned()])
        .collect();
    messaging::register(&ctx.pool, &speakers).await?;
    let wires = ctx.wires();
    for it in Institution::connected() {
        let subscription = Subscription {
            consumer: SERVICE,
            speaker: events::bank_out(it.institution),
        };
        let heard = InstructionsHeard {
            bank: Bank {
                institution: it.institution,
                channel: it.channel,
                seed: ctx.settings.sandbox.seed,
            },
            delay: Duration::from_millis(ctx.settings.sandbox.delay_ms),
        };
        ctx.spawn("bank", consume(wires.clone(), subscription, heard));
    }
    let late = handlers::send_when_due(ctx.pool.clone(), ctx.stop.clone());
    ctx.spawn("late answers", late);
    ctx.spawn(
        "commands",
        take_commands(wires.clone(), Arc::clone(&ctx.keys)),
    );
    ctx.spawn("relay", Relay::new(wires, speakers).run());
    if ctx.settings.sandbox.vneid_listen.is_some() {
        let vneid = Vneid::bind(&ctx.settings.sandbox, Arc::clone(&ctx.keys)).await?;
        tracing::info!(
            issuer = vneid.issuer(),
            "Citizens log in at VNeID's stand-in"
        );
        ctx.spawn("vneid", vneid.serve(ctx.stop.clone()));
    }
    Ok(())
}

async fn take_commands(wires: Wires, keys: Arc<Keys>) {
    while !wires.stop.is_cancelled() {
        let served = messaging::serve(
            wires.clone(),
            SERVICE,
            OnCommand {
                keys: Arc::clone(&keys),
            },
        )
        .await;
        if let Err(error) = served {
            tracing::warn!(error = %error, "Listening for commands starts again");
        }
        tokio::select! {
            () = wires.stop.cancelled() => {}
            () = sleep(RETRY) => {}
        }
    }
}

//! Where each person is paid: links of people to accounts at banks and wallets.
//!
//! Owns schema `accounts`. Hears eligibility: `persons-registered`, `entitlements-determined`,
//! `part-determined`. Says: `payees-resolved`, `part-resolved`. A person without a link is paid in
//! cash: nobody is ever without a channel.

mod error;
mod handlers;
mod import;
mod link;
mod reseal;
mod store;

pub use error::Error;
pub use import::import_links;
pub use link::{Destination, HEADER, Link};

use messaging::{Relay, Subscription, consume};

pub const SERVICE: &str = "accounts";

/// The one list of what accounts hears and says.
pub async fn start(ctx: &boot::Context) -> Result<(), Error> {
    let speakers = vec![events::ACCOUNTS.to_owned()];
    messaging::register(&ctx.pool, &speakers).await?;
    let wires = ctx.wires();
    ctx.spawn("accounts relay", Relay::new(wires.clone(), speakers).run());
    let subscription = Subscription {
        consumer: SERVICE,
        speaker: events::ELIGIBILITY.to_owned(),
    };
    ctx.spawn(
        "accounts hears eligibility",
        consume(wires, subscription, handlers::OnEligibility),
    );
    let (pool, keys, stop) = (ctx.pool.clone(), ctx.keys.clone(), ctx.stop.clone());
    ctx.spawn(
        "reseal",
        privacy::reseal::<reseal::Persons>(pool, keys, stop),
    );
    Ok(())
}

//! The outside world for demos, tests and banks' engineers: banks that pay, answer and state, the
//! registers that tell of people and accounts, and VNeID.
//!
//! Owns schema `sandbox`: each bank's own books, which An Sinh never reads, and
//! [`people`] with all that is made up about them.
//!
//! Hears `bank.<code>.out` of each connected institution and, of those with accounts,
//! `bank.<code>.out.verification-requests`; and the commands `sandbox.do.end-of-day` with
//! `{"date": "2026-12-01"}`, `tell-life-events`, which the population register tells on as
//! `population.00.life-events-told.v1`, `tell-suspicions`, which the central bank tells on as
//! `centralbank.00.suspicions-told.v1`, `open-account` and `change-account`, which write a
//! bank's books of holders, and `set-scenario`, by which a bank does otherwise than it should.
//!
//! Says `bank.<code>.in.results.v1`, most lines at once and a few late and repeated, at the end
//! of a day `bank.<code>.in.statement.v2`, `bank.<code>.in.verifications.v1`, and where it is asked
//! about a payment the result again or `bank.<code>.in.standings.v1`. What it says
//! follows from what it hears, from its books and from `sandbox.seed` alone, so that two runs of
//! the same world can be compared.
//!
//! Serves VNeID's stand-in over HTTP where `sandbox.vneid_listen` says so ([`Vneid`]).
//!
//! # Test numbers of accounts
//!
//! An account that no bank was told to open is open, the asked person's, and answered at once. A
//! number of sixteen digits that begins with 9999 ends in two digits that say otherwise; the ten
//! between are free. Nobody made up by [`people`] has one.
//!
//! | ends in | the bank says |
//! |---|---|
//! | 01, 02, 03 | closed; restricted; no such account |
//! | 11, 12 | another citizen number is held; none is held |
//! | 13, 14 | the person's former nine digits are held ([`former_number`]); another's are |
//! | 21, 22, 23 | the name with one letter changed; another name; the given name first |
//! | 31, 32 | nothing, ever; nothing when asked for the first two times |
//! | 33 | the good answer after `sandbox.delay_ms` |
//! | 34, 35 | the good answer twice; the good answer and then its contrary |
//!
//! What the books have of an account goes before its number; how it is answered (31 to 35) does
//! not depend on the books.

pub mod bank_day;
mod bank_list;
mod banks;
mod central_bank;
mod enquiry;
mod error;
mod former_number;
mod handlers;
mod holders;
pub mod people;
mod population;
mod scenario;
mod statement;
mod store;
mod verification;
mod vneid;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use domain::{Channel, Institution};
use messaging::{
    Handler, Organisation, Relay, Signers, Subscription, Wires, consume, consume_as_bank,
};
use privacy::Keys;
use tokio::time::sleep;

pub use bank_list::{BankList, BankListError, Listed, write_bank_list};
pub use error::Error;
pub use former_number::former_number;
pub use scenario::{Deviation, Scenario, ScenarioKind};
pub use vneid::{Citizen, Level, Vneid, VneidError, built_in as citizens};

use banks::Bank;
use handlers::{InstructionsHeard, OnCommand};
use verification::VerificationsHeard;

const SERVICE: &str = "sandbox";
/// Wait before listening for commands again when NATS was away.
const RETRY: Duration = Duration::from_millis(250);

/// Opens all banks; everything runs as tasks of `ctx` until it stops.
pub async fn start(ctx: &boot::Context) -> Result<(), Error> {
    let speakers: Vec<String> = Institution::connected()
        .flat_map(|it| says(it.institution))
        .chain([
            events::POPULATION.to_owned(),
            events::CENTRAL_BANK.to_owned(),
        ])
        .collect();
    messaging::register(&ctx.pool, &speakers).await?;
    let wires = ctx.wires();
    let banks = connect_banks(ctx).await?;
    let signers = Arc::new(signers(&ctx.keys));
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
                key: ctx.keys.exchange(&it.institution.to_string()),
            },
            signers: Arc::clone(&signers),
            delay: Duration::from_millis(ctx.settings.sandbox.delay_ms),
        };
        listen(ctx, "bank", banks.get(&it.institution), subscription, heard);
        if it.channel != Channel::Cash {
            let subscription = Subscription {
                consumer: SERVICE,
                speaker: events::bank_out_verification_requests(it.institution),
            };
            let heard = VerificationsHeard {
                institution: it.institution,
                seed: ctx.settings.sandbox.seed,
                delay: Duration::from_millis(ctx.settings.sandbox.delay_ms),
                keys: Arc::clone(&ctx.keys),
                signers: Arc::clone(&signers),
            };
            let bank = banks.get(&it.institution);
            listen(ctx, "holders", bank, subscription, heard);
        }
    }
    let late = verification::send_late(ctx.pool.clone(), Arc::clone(&signers), ctx.stop.clone());
    ctx.spawn("late verifications", late);
    let late = handlers::send_when_due(ctx.pool.clone(), Arc::clone(&signers), ctx.stop.clone());
    ctx.spawn("late answers", late);
    ctx.spawn(
        "commands",
        take_commands(wires.clone(), Arc::clone(&ctx.keys), signers),
    );
    let mut relay = Relay::new(wires, speakers);
    for (institution, (nats, jetstream)) in banks {
        for speaker in says(institution) {
            relay = relay.through(speaker, nats.clone(), jetstream.clone());
        }
    }
    ctx.spawn("relay", relay.run());
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

/// A bank's own way to NATS.
type Connection = (async_nats::Client, async_nats::jetstream::Context);

/// What a bank says.
fn says(bank: Institution) -> [String; 4] {
    [
        events::bank_in_results(bank),
        events::bank_in_standings(bank),
        events::bank_in_statement(bank),
        events::bank_in_verifications(bank),
    ]
}

/// Each bank logs in as itself, where it has been given with what.
async fn connect_banks(
    ctx: &boot::Context,
) -> Result<BTreeMap<Institution, Connection>, boot::BootError> {
    let mut banks = BTreeMap::new();
    let settings = &ctx.settings;
    let (Some(folder), Some(url)) = (&settings.sandbox.banks_dir, &settings.nats.url) else {
        return Ok(banks);
    };
    for it in Institution::connected() {
        let bank = it.institution;
        let login = boot::nats::Login {
            nkey_file: Some(folder.join(bank.to_string()).join("nats.nk")),
            inbox_prefix: Some(format!("_INBOX_{bank}")),
        };
        let nats = boot::nats::connect(url, &login, &format!("bank_{bank}")).await?;
        let jetstream = boot::nats::jetstream(&nats);
        banks.insert(bank, (nats, jetstream));
    }
    Ok(banks)
}

/// Over the bank's own connection where it has one, else over ours.
fn listen<H: Handler<Error = Error>>(
    ctx: &boot::Context,
    name: &'static str,
    bank: Option<&Connection>,
    subscription: Subscription,
    heard: H,
) {
    let wires = ctx.wires();
    match bank.cloned() {
        Some((nats, jetstream)) => {
            let wires = Wires {
                nats,
                jetstream,
                ..wires
            };
            ctx.spawn(name, consume_as_bank(wires, subscription, heard));
        }
        None => ctx.spawn(name, consume(wires, subscription, heard)),
    }
}

/// The keys by which the banks sign what they say: made up, one of each bank's own, and the same
/// for the same keys of the installation.
pub fn signers(keys: &Keys) -> Signers {
    Institution::connected().fold(Signers::default(), |signers, it| {
        let key = keys.signer(&format!("organisation {}", it.institution));
        signers.with(Organisation::Institution(it.institution), key)
    })
}

async fn take_commands(wires: Wires, keys: Arc<Keys>, signers: Arc<Signers>) {
    while !wires.stop.is_cancelled() {
        let served = messaging::serve(
            wires.clone(),
            SERVICE,
            OnCommand {
                keys: Arc::clone(&keys),
                signers: Arc::clone(&signers),
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

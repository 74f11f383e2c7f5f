//! Where each person is paid: the national register of social-security accounts.
//!
//! Owns schema `accounts`. Hears eligibility: `persons-registered`, `entitlements-determined`,
//! `part-determined`, `entitlements-withdrawn`; payments: `reissues-opened`; each bank:
//! `verifications`; the central bank: `suspicions-told`. Takes `accounts.do.*` of citizens and officers and answers
//! `accounts.get.*`. Says `payees-resolved`, `part-resolved`, `payees-withdrawn`,
//! `links-changed`, and to each bank `verification-requests`. A person without an account is paid
//! in cash: nobody is ever without a channel.

mod authority;
mod bank_list;
mod change;
mod command;
mod destination;
mod error;
mod handlers;
mod import;
mod indicator;
mod link;
mod linking;
mod matter;
pub mod pace;
mod refusal;
mod reseal;
mod settings;
mod store;
mod subject_request;
mod verification;
mod work;

pub use authority::AuthorityKind;
pub use bank_list::{LIST_HEADER, ListReport, ListSums, import_bank_list};
pub use command::{
    AppointOfficer, ChangeAccount, CloseSession, DecideReview, EndAuthority, GrantAuthority, Mine,
    MyAccessLog, OpenSession, PaidAtQuery, Queue, RequestData, RequestLink, ShowPerson,
    ShowRequest, StepLink, StepRequest, Unlink, Unlogged,
};
pub use error::Error;
pub use import::{HEADER, LinkRow, import_links};
pub use indicator::{Indicator, Indicators, TARGETS, Target, permille};
pub use link::{InvalidTransition, Kind, LinkId, Signal, Source, State};
pub use matter::{appointment_matter, review_matter};
pub use refusal::RefusalCode;
pub use settings::Terms;
pub use store::{PaidAt, RequestRow, ReviewRow, Scope, StepRow};
pub use subject_request::RequestKind;

use std::sync::Arc;

use chrono::{DateTime, Utc};
use domain::Institution;
use identity::{Port, RelyingParty};
use messaging::{Relay, Subscription, answer, consume, serve};
use sqlx::PgPool;

pub const SERVICE: &str = "accounts";

/// The one list of what accounts hears, says, takes and does by itself.
pub async fn start(ctx: &boot::Context) -> Result<(), Error> {
    let mut speakers = vec![events::ACCOUNTS.to_owned()];
    let banks = Institution::connected().map(|it| it.institution);
    speakers.extend(banks.map(events::bank_out_verification_requests));
    messaging::register(&ctx.pool, &speakers).await?;
    let wires = ctx.wires();
    let terms = Terms::of(&ctx.settings);
    let hears = |speaker: String| Subscription {
        consumer: SERVICE,
        speaker,
    };
    ctx.spawn("accounts relay", Relay::new(wires.clone(), speakers).run());
    ctx.spawn(
        "accounts hears eligibility",
        consume(
            wires.clone(),
            hears(events::ELIGIBILITY.to_owned()),
            handlers::OnEligibility,
        ),
    );
    ctx.spawn(
        "accounts hears payments",
        consume(
            wires.clone(),
            hears(events::PAYMENTS.to_owned()),
            handlers::OnPayments,
        ),
    );
    let (pool, keys, stop) = (ctx.pool.clone(), ctx.keys.clone(), ctx.stop.clone());
    ctx.spawn(
        "reseal",
        privacy::reseal::<reseal::Persons>(pool, keys, stop),
    );
    ctx.spawn(
        "accounts hears the central bank",
        consume(
            wires.clone(),
            hears(events::CENTRAL_BANK.to_owned()),
            handlers::OnCentralBank { terms },
        ),
    );
    for bank in Institution::connected() {
        let institution = bank.institution;
        let handler = handlers::OnBank {
            institution,
            keys: Arc::clone(&ctx.keys),
            terms,
        };
        let speaker = events::bank_in_verifications(institution);
        ctx.spawn(
            "accounts hears a bank",
            consume(wires.clone(), hears(speaker), handler),
        );
    }
    ctx.spawn("accounts watches", work::watch(ctx.clone(), terms));
    take_and_tell(ctx, terms)
}

/// Commands of citizens and officers, and their questions.
fn take_and_tell(ctx: &boot::Context, terms: Terms) -> Result<(), Error> {
    let identity = identity_port(ctx)?;
    let commands = handlers::OnCommand {
        citizens: handlers::CitizenDoor {
            identity,
            keys: Arc::clone(&ctx.keys),
            terms,
        },
        officers: handlers::OfficerDoor {
            keys: Arc::clone(&ctx.keys),
            terms,
            signatures_required: ctx.settings.approval.signatures_required,
        },
    };
    let queries = handlers::OnQuery {
        keys: Arc::clone(&ctx.keys),
    };
    let (taking, telling) = (ctx.wires(), ctx.wires());
    ctx.spawn("accounts commands", async move {
        if let Err(error) = serve(taking, SERVICE, commands).await {
            tracing::error!(error = %error, "Commands are not taken");
        }
    });
    ctx.spawn("accounts queries", async move {
        if let Err(error) = answer(telling, SERVICE, queries).await {
            tracing::error!(error = %error, "Questions are not answered");
        }
    });
    Ok(())
}

/// VNeID, where one is set up: found at once where it can be, its keys kept fresh.
fn identity_port(ctx: &boot::Context) -> Result<Option<Arc<Port>>, Error> {
    let Some(issuer) = &ctx.settings.identity.issuer else {
        return Ok(None);
    };
    // Only whoever exchanges codes needs the client's secret.
    let party = RelyingParty::new(issuer, &ctx.settings.identity.client_id, None)?;
    let port = Arc::new(Port::new(party));
    let (kept, stop) = (Arc::clone(&port), ctx.stop.clone());
    ctx.spawn("accounts knows VNeID", async move {
        if let Err(error) = kept.provider().await {
            tracing::warn!(error = %error, "VNeID is looked for again at the next login");
        }
        kept.keep_fresh(stop).await;
    });
    Ok(Some(port))
}

/// The indicators of Decision 826/QĐ-TTg as they stand, by commune or by province.
///
/// # Errors
/// What the database says.
pub async fn indicators(pool: &PgPool, by_commune: bool) -> Result<Indicators, Error> {
    let mut tx = pool.begin().await?;
    store::set_scope(&mut tx, Scope::Nation).await?;
    let linked = store::linked(&mut tx).await?;
    let paid = store::paid(&mut tx).await?;
    tx.commit().await?;
    Ok(Indicators::of(&linked, &paid, by_commune))
}

/// Keeps indicators as those of the day and tells them; false where the day has its own already.
///
/// # Errors
/// What the database says.
pub async fn keep_indicators(
    pool: &PgPool,
    indicators: &Indicators,
    now: DateTime<Utc>,
) -> Result<bool, Error> {
    messaging::register(pool, &[events::ACCOUNTS.to_owned()]).await?;
    let taken_on = boot::clock::today_in_vietnam(now);
    let body = serde_json::to_value(indicators).expect("numbers serialize");
    let mut tx = pool.begin().await?;
    let kept = store::insert_indicators(&mut tx, taken_on, &body, now).await?;
    if kept {
        let told = indicators.told(taken_on);
        messaging::append(&mut tx, vec![events::Event::of(&told, now)], now).await?;
    }
    tx.commit().await?;
    Ok(kept)
}

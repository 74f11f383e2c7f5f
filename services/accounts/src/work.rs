use std::time::Duration;

use chrono::{DateTime, Utc};
use events::{Event, VerificationRequest};
use messaging::Signers;
use sqlx::PgConnection;
use tokio::time::sleep;

use crate::Error;
use crate::change::{Changes, Doing};
use crate::link::{Signal, State};
use crate::linking;
use crate::settings::Terms;
use crate::store::{self, Overdue, Scope};

/// Between two looks at what is due.
const POLL: Duration = Duration::from_secs(1);
/// Links that are looked at in one transaction.
const BATCH: i64 = 200;
/// The longest that a bank is left alone before it is asked once more.
const DOUBLINGS_MAX: u32 = 6;

/// Asks banks again that have not answered, and sees to it that reviews are not forgotten, until
/// the process stops.
pub(crate) async fn watch(ctx: boot::Context, terms: Terms) {
    loop {
        tokio::select! {
            () = ctx.stop.cancelled() => return,
            () = sleep(POLL) => {}
        }
        if let Err(error) = look(&ctx, terms, Utc::now()).await {
            tracing::warn!(error = %error, "What is due waits for the next look");
        }
    }
}

async fn look(ctx: &boot::Context, terms: Terms, now: DateTime<Utc>) -> Result<(), Error> {
    let mut tx = ctx.pool.begin().await?;
    store::set_scope(&mut tx, Scope::Nation).await?;
    let said = ask_again(&mut tx, terms, now).await?;
    let overdue = store::alarm_overdue_reviews(&mut tx, now, BATCH).await?;
    messaging::append_signed(&mut tx, &Signers::of_state(&ctx.keys), said, now).await?;
    tx.commit().await?;
    if overdue > 0 {
        tracing::warn!(
            overdue,
            "Reviews are past their deadline; the next channel pays"
        );
    }
    Ok(())
}

/// No answer is no answer: the bank is asked again in the same words, at growing intervals, and
/// when the link's time is up it expires. Nothing is concluded from silence.
async fn ask_again(
    tx: &mut PgConnection,
    terms: Terms,
    now: DateTime<Utc>,
) -> Result<Vec<Event>, Error> {
    let overdue = store::overdue(tx, now, BATCH).await?;
    let mut persons: Vec<_> = overdue.iter().map(|it| it.link.person_no).collect();
    persons.sort_by_key(|it| (it.part(), *it));
    persons.dedup();
    store::lock_persons(tx, &persons).await?;
    let mut links = store::links_of(tx, &persons).await?;
    let mut changes = Changes::new(now, terms);
    let mut said = Vec::new();
    for it in &overdue {
        let doubled = 2_i32.pow(u32::from(it.attempts.unsigned_abs()).min(DOUBLINGS_MAX));
        let next = now + terms.verification_sla * doubled;
        let link = links.iter_mut().find(|link| link.id == it.link);
        let waiting = link.filter(|link| link.state == State::Pending);
        if !store::ask_again(tx, it, next.max(now)).await? {
            continue;
        }
        match waiting {
            // It ended while the bank was silent: nothing is asked any more.
            None => {
                store::answer(tx, it.link, "moot", now).await?;
            }
            Some(link) if it.expires_at <= now => {
                let doing = Doing {
                    actor: "register",
                    valid_from: now,
                };
                changes.happen(link, Signal::GivenUp, doing)?;
                store::answer(tx, it.link, "expired", now).await?;
            }
            Some(_) => said.push(again(it, now)),
        }
    }
    said.extend(changes.write(tx).await?);
    Ok(said)
}

fn again(overdue: &Overdue, now: DateTime<Utc>) -> Event {
    let question = VerificationRequest {
        verification_id: overdue.link.to_string(),
        account: overdue.account_sealed.clone(),
        holder: overdue.holder_sealed.clone(),
        citizen_number: overdue.number_sealed.clone(),
    };
    linking::asked(
        overdue.institution,
        overdue.link,
        overdue.attempts + 1,
        question,
        now,
    )
}

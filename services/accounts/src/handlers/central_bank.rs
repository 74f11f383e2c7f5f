use chrono::{DateTime, Utc};
use domain::Part;
use events::{Envelope, HoldReason, SuspicionTold, SuspicionsTold};
use messaging::{Delivered, Handler};
use sqlx::PgConnection;

use crate::Error;
use crate::change;
use crate::link::LinkId;
use crate::settings::Terms;
use crate::store::{self, Scope};

/// The central bank's feed of accounts that it warns of.
pub(crate) struct OnCentralBank {
    pub terms: Terms,
}

impl Handler for OnCentralBank {
    type Error = Error;

    async fn apply(
        &self,
        tx: &mut PgConnection,
        _: Part,
        batch: &[Delivered],
        now: DateTime<Utc>,
    ) -> Result<(), Error> {
        store::set_scope(tx, Scope::Nation).await?;
        for event in batch {
            let envelope = Envelope::parse(&event.body)?;
            if envelope.is::<SuspicionsTold>() {
                on_suspicions_told(tx, &envelope.read()?, self.terms, now).await?;
            }
        }
        Ok(())
    }
}

/// What is paid to a suspected account waits until somebody has looked; what the feed takes back
/// is paid again. No benefit is lost either way: the obligation stays.
async fn on_suspicions_told(
    tx: &mut PgConnection,
    message: &SuspicionsTold,
    terms: Terms,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    let (cleared, raised): (Vec<&SuspicionTold>, Vec<&SuspicionTold>) =
        message.suspicions.iter().partition(|it| it.cleared);
    let accounts = store::insert_suspicions(tx, &raised, now).await?;
    let at = store::links_at(tx, &accounts).await?;
    let doubted: Vec<LinkId> = at.iter().map(|it| it.link).collect();
    let due = now + terms.review;
    change::hold(tx, &doubted, HoldReason::Suspicion, (due, now)).await?;

    let ids: Vec<&str> = cleared.iter().map(|it| &it.suspicion_id[..]).collect();
    let accounts = store::clear_suspicions(tx, &ids, now).await?;
    let at = store::links_at(tx, &accounts).await?;
    let freed: Vec<LinkId> = at.iter().map(|it| it.link).collect();
    for link in &freed {
        store::free_channel(tx, *link, HoldReason::Suspicion).await?;
    }
    let reason = "the central bank took its warning back";
    store::moot_reviews(tx, &freed, Some("suspicion"), reason, now).await
}

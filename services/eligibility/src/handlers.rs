use chrono::{DateTime, Utc};
use domain::Part;
use events::{Envelope, RunOpened};
use messaging::{Delivered, Handler};
use sqlx::PgConnection;

use crate::work::Work;
use crate::{Error, store};

pub(crate) struct OnPayments {
    pub work: Work,
}

impl Handler for OnPayments {
    type Error = Error;

    async fn apply(
        &self,
        tx: &mut PgConnection,
        _part: Part,
        batch: &[Delivered],
        now: DateTime<Utc>,
    ) -> Result<(), Error> {
        for event in batch {
            let envelope = Envelope::parse(&event.body)?;
            if envelope.is::<RunOpened>() {
                on_run_opened(tx, &envelope.read()?, now).await?;
                self.work.wake();
            }
        }
        Ok(())
    }
}

/// An opened run freezes its partition: whoever is enrolled now is determined, nobody later.
async fn on_run_opened(
    tx: &mut PgConnection,
    opened: &RunOpened,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    store::insert_freeze(tx, opened, messaging::current_trace(), now).await
}

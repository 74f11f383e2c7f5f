use std::collections::HashMap;

use chrono::{DateTime, Utc};
use domain::{Part, PersonNo};
use events::{
    EntitlementsDetermined, EntitlementsWithdrawn, Envelope, Event, PartDetermined, PartResolved,
    PayeeLine, PayeesResolved, PayeesWithdrawn, PersonsRegistered,
};
use messaging::{Delivered, Handler};
use sqlx::PgConnection;

use crate::link::Destination;
use crate::{Error, store};

pub(crate) struct OnEligibility;

impl Handler for OnEligibility {
    type Error = Error;

    async fn apply(
        &self,
        tx: &mut PgConnection,
        part: Part,
        batch: &[Delivered],
        now: DateTime<Utc>,
    ) -> Result<(), Error> {
        let mut said = Vec::new();
        for event in batch {
            let envelope = Envelope::parse(&event.body)?;
            if envelope.is::<PersonsRegistered>() {
                on_persons_registered(tx, &envelope.read()?).await?;
            } else if envelope.is::<EntitlementsDetermined>() {
                let resolved = on_entitlements_determined(tx, part, envelope.read()?).await?;
                said.push(Event::of(&resolved, now));
            } else if envelope.is::<PartDetermined>() {
                said.push(Event::of(&on_part_determined(&envelope.read()?), now));
            } else if envelope.is::<EntitlementsWithdrawn>() {
                let EntitlementsWithdrawn { part, lines } = envelope.read()?;
                said.push(Event::of(&PayeesWithdrawn { part, lines }, now));
            }
        }
        messaging::append(tx, said, now).await?;
        Ok(())
    }
}

/// People who can be linked from now on, by the blind index of their number.
async fn on_persons_registered(
    tx: &mut PgConnection,
    registered: &PersonsRegistered,
) -> Result<(), Error> {
    store::insert_persons(tx, registered).await
}

/// What is owed finds its way: the linked account, or cash.
async fn on_entitlements_determined(
    tx: &mut PgConnection,
    part: Part,
    determined: EntitlementsDetermined,
) -> Result<PayeesResolved, Error> {
    let mut persons: Vec<PersonNo> = determined.lines.iter().map(|it| it.person_no).collect();
    // Arrears stand beside the month's line of the same person.
    persons.dedup();
    let destinations: HashMap<PersonNo, Destination> = store::destinations(tx, part, &persons)
        .await?
        .into_iter()
        .collect();
    let mut lines = Vec::with_capacity(determined.lines.len());
    for line in determined.lines {
        let found = destinations.get(&line.person_no).cloned();
        let destination = found.ok_or(Error::PersonUnknown(line.person_no))?;
        lines.push(PayeeLine {
            line: line.line,
            person_no: line.person_no,
            determination_no: line.determination_no,
            amount: line.amount,
            local: line.local,
            province: line.province,
            rate_no: line.rate_no,
            period: line.period,
            channel: destination.channel,
            institution: destination.institution,
            account: destination.account,
            account_index: destination.account_index,
            holder: destination.holder,
            payee_no: None,
            hold: None,
            changed_by: Vec::new(),
        });
    }
    Ok(PayeesResolved {
        run_no: determined.run_no,
        part,
        chunk: determined.chunk,
        programme: determined.programme,
        period: determined.period,
        lines,
        total: determined.total,
    })
}

/// The control totals travel on, so that payments can hold what it got against them.
fn on_part_determined(determined: &PartDetermined) -> PartResolved {
    PartResolved {
        run_no: determined.run_no,
        part: determined.part,
        chunks: determined.chunks,
        lines: determined.lines,
        total: determined.total,
        not_owed: determined.not_owed,
    }
}

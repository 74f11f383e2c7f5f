//! The population register: what it tells of people.

use std::sync::Arc;

use chrono::NaiveDate;
use domain::{CitizenNumber, Commune, Part, Province};
use events::{LifeEventTold, LifeEventsTold};
use messaging::Problem;
use privacy::{Field, Keys};
use serde::Deserialize;

use crate::Error;

/// `{"message_id": "…", "events": [{"event_id": "…", "citizen_number": "…", "kind": "death",
/// "happened_on": "2026-11-20"}]}`
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Telling {
    message_id: String,
    events: Vec<Happened>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Happened {
    event_id: String,
    citizen_number: String,
    kind: String,
    happened_on: NaiveDate,
    /// Where somebody who moved lives now.
    province: Option<Province>,
    commune: Option<Commune>,
    #[serde(default)]
    revoked: bool,
}

/// Events of one message.
const EVENTS_MAX: usize = 1_000;

/// Reads what the register shall tell; numbers leave it only as their keyed index.
///
/// # Errors
/// `body_invalid` where it is none of that form, and the code of a number that is none.
pub(crate) fn telling(keys: &Arc<Keys>, body: &[u8]) -> Result<LifeEventsTold, Error> {
    let invalid = |_| {
        let detail = "the body is {\"message_id\": …, \"events\": [{\"event_id\", \"citizen_number\", \
                      \"kind\", \"happened_on\"}]}";
        Error::from(Problem::new(422, "body_invalid", detail))
    };
    let telling: Telling = serde_json::from_slice(body).map_err(invalid)?;
    if telling.events.is_empty() || telling.events.len() > EVENTS_MAX {
        let detail = format!("a message has 1 to {EVENTS_MAX} events");
        return Err(Problem::new(422, "body_invalid", detail).into());
    }
    let mut events = Vec::with_capacity(telling.events.len());
    for it in telling.events {
        let number: CitizenNumber = it
            .citizen_number
            .parse()
            .map_err(|it: domain::Refusal| Problem::new(422, it.code, it.sentence))?;
        events.push(LifeEventTold {
            event_id: it.event_id,
            citizen_index: keys.index(Field::CitizenNumber, number.expose()),
            kind: it.kind,
            happened_on: it.happened_on,
            province: it.province.map(String::from),
            commune: it.commune.map(String::from),
            revoked: it.revoked,
        });
    }
    Ok(LifeEventsTold {
        part: Part::ZERO,
        message_id: telling.message_id,
        events,
    })
}

use chrono::NaiveDate;
use domain::Part;
use privacy::BlindIndex;
use serde::{Deserialize, Serialize};

use crate::{Fact, POPULATION};

/// What the population register tells of people, by the blind index of their number.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct LifeEventsTold {
    /// Where the register puts the message; the people in it may be of any partition.
    pub part: Part,
    /// The register's own number of the message.
    pub message_id: String,
    pub events: Vec<LifeEventTold>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LifeEventTold {
    /// The register's own number of the event, for ever.
    pub event_id: String,
    /// Keyed blind index of the citizen number, hex.
    pub citizen_index: BlindIndex,
    /// `death`, `missing`, `moved`, `detained`, …
    pub kind: String,
    pub happened_on: NaiveDate,
    /// Where a person who `moved` lives from then on, where the register says so: the two-digit
    /// code. Kept as text, so that a code newer than the program spoils no other event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub province: Option<String>,
    /// The five-digit code of the commune within it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commune: Option<String>,
    /// The event with this number never was.
    #[serde(default)]
    pub revoked: bool,
}

impl Fact for LifeEventsTold {
    const NAME: &'static str = "life-events-told.v1";

    fn speaker(&self) -> String {
        POPULATION.to_owned()
    }

    fn part(&self) -> Part {
        self.part
    }

    fn key(&self) -> String {
        self.message_id.clone()
    }
}

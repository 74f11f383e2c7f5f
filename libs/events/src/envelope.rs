use std::borrow::Cow;

use chrono::{DateTime, SecondsFormat, Utc};
use domain::Part;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use uuid::Uuid;

/// The content type of structured-mode `CloudEvents` (`CloudEvents` JSON format, section 3).
pub const CONTENT_TYPE: &str = "application/cloudevents+json";

/// Derives event ids from business keys, so that a fact said twice has one id.
const NAMESPACE: Uuid = Uuid::from_u128(0x6f1e_5d0a_93c4_4b7e_8a52_1f0c_77d2_b9e4);

/// Something that happened, as one service tells the others.
pub trait Fact: Serialize + DeserializeOwned {
    /// Name and version in kebab case, e.g. `entitlements-determined.v1`.
    const NAME: &'static str;

    /// Whose outbox sequence the fact belongs to, e.g. `eligibility` or `bank.970436.out`.
    fn speaker(&self) -> String;

    /// The partition whose order the fact keeps.
    fn part(&self) -> Part;

    /// What the fact is about, unique within its name and speaker; the event id derives from it.
    fn key(&self) -> String;

    /// Services put the partition into the subject; banks see their own fixed subjects.
    fn subject(&self) -> String {
        format!("{}.{}.{}", self.speaker(), self.part(), Self::NAME)
    }
}

/// A fact made ready for the outbox.
#[derive(Debug, Clone)]
pub struct Event {
    pub id: Uuid,
    pub speaker: String,
    pub part: Part,
    pub subject: String,
    /// A whole `CloudEvent` in JSON.
    pub body: Vec<u8>,
}

/// A `CloudEvent` as it came in, its data not yet read.
#[derive(Debug, Deserialize)]
pub struct Envelope<'a> {
    #[serde(borrow)]
    pub specversion: Cow<'a, str>,
    pub id: Uuid,
    #[serde(borrow)]
    pub source: Cow<'a, str>,
    #[serde(rename = "type", borrow)]
    pub kind: Cow<'a, str>,
    pub time: DateTime<Utc>,
    #[serde(borrow)]
    pub data: &'a RawValue,
}

/// The bytes are no event that this version understands.
#[derive(Debug, thiserror::Error)]
#[error("malformed event: {0}")]
pub struct MalformedEvent(#[from] serde_json::Error);

#[derive(Serialize)]
struct Outgoing<'a, F> {
    specversion: &'static str,
    id: Uuid,
    source: String,
    #[serde(rename = "type")]
    kind: String,
    subject: String,
    time: String,
    datacontenttype: &'static str,
    data: &'a F,
}

impl Event {
    /// # Panics
    /// Never: facts hold only values that JSON can express.
    pub fn of<F: Fact>(fact: &F, now: DateTime<Utc>) -> Event {
        let (speaker, key) = (fact.speaker(), fact.key());
        let id = Uuid::new_v5(
            &NAMESPACE,
            format!("{speaker}/{}/{key}", F::NAME).as_bytes(),
        );
        let outgoing = Outgoing {
            specversion: "1.0",
            id,
            source: format!("/ansinh/{}", speaker.replace('.', "/")),
            kind: kind_of::<F>(),
            subject: key,
            time: now.to_rfc3339_opts(SecondsFormat::Millis, true),
            datacontenttype: "application/json",
            data: fact,
        };
        let body = serde_json::to_vec(&outgoing).expect("a fact serializes");
        Event {
            id,
            speaker,
            part: fact.part(),
            subject: fact.subject(),
            body,
        }
    }
}

impl<'a> Envelope<'a> {
    pub fn parse(body: &'a [u8]) -> Result<Envelope<'a>, MalformedEvent> {
        Ok(serde_json::from_slice(body)?)
    }

    pub fn is<F: Fact>(&self) -> bool {
        self.kind.strip_prefix("vn.ansinh.") == Some(F::NAME)
    }

    pub fn read<F: Fact>(&self) -> Result<F, MalformedEvent> {
        Ok(serde_json::from_str(self.data.get())?)
    }
}

/// Whether what has this subject tells such a fact.
pub fn tells<F: Fact>(subject: &str) -> bool {
    let before = subject.strip_suffix(F::NAME);
    before.is_some_and(|it| it.ends_with('.'))
}

fn kind_of<F: Fact>() -> String {
    format!("vn.ansinh.{}", F::NAME)
}

use std::collections::BTreeSet;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use domain::{Part, PersonNo, Refusal};
use events::{Envelope, LifeEventTold, LifeEventsTold, RunOpened, tells};
use messaging::{Delivered, Handler, Manner};
use rules::EventKind;
use sqlx::PgConnection;

use crate::law::Laws;
use crate::life_event::{Told, Word};
use crate::residence::Place;
use crate::store::Freeze;
use crate::work::{self, Work};
use crate::{Error, life_event, reconsider};

pub(crate) struct OnPayments {
    pub work: Work,
    pub laws: Laws,
}

impl Handler for OnPayments {
    type Error = Error;

    async fn apply(
        &self,
        tx: &mut PgConnection,
        part: Part,
        batch: &[Delivered],
        now: DateTime<Utc>,
    ) -> Result<(), Error> {
        self.apply_joined(tx, &[(part, batch)], now).await
    }

    async fn apply_joined(
        &self,
        tx: &mut PgConnection,
        joined: &[(Part, &[Delivered])],
        now: DateTime<Utc>,
    ) -> Result<(), Error> {
        // One run a partition at a time: the next is decided by what the one before has said.
        let mut rounds: Vec<Vec<RunOpened>> = Vec::new();
        for (_, batch) in joined {
            let mut round = 0;
            for event in *batch {
                let envelope = Envelope::parse(&event.body)?;
                if envelope.is::<RunOpened>() {
                    rounds.resize_with(rounds.len().max(round + 1), Vec::new);
                    rounds[round].push(envelope.read()?);
                    round += 1;
                }
            }
        }
        for opened in &rounds {
            on_runs_opened(tx, (&self.laws, &self.work), opened, now).await?;
        }
        Ok(())
    }

    fn applied(&self) {
        self.work.wake();
    }

    fn manner(&self, subject: &str, _: &[u8]) -> Manner {
        if tells::<RunOpened>(subject) {
            Manner::Joined
        } else {
            Manner::Later
        }
    }
}

pub(crate) struct OnPopulation {
    pub laws: Laws,
}

impl Handler for OnPopulation {
    type Error = Error;

    async fn apply(
        &self,
        tx: &mut PgConnection,
        _part: Part,
        batch: &[Delivered],
        now: DateTime<Utc>,
    ) -> Result<(), Error> {
        let mut news = BTreeSet::new();
        for event in batch {
            let envelope = Envelope::parse(&event.body)?;
            if envelope.is::<LifeEventsTold>() {
                news.extend(on_life_events_told(tx, envelope.read()?, now).await?);
            }
        }
        // Of all events at once: people are of any partition, and each is locked once, in order.
        let news: Vec<(Part, PersonNo)> = news.into_iter().collect();
        let law = self.laws.in_force(tx).await?;
        reconsider::people(tx, &law, &news, now).await
    }
}

/// What happened in lives is kept; gives back of whom something became known, whose obligations are to
/// be decided again.
async fn on_life_events_told(
    tx: &mut PgConnection,
    told: LifeEventsTold,
    now: DateTime<Utc>,
) -> Result<Vec<(Part, PersonNo)>, Error> {
    let source: Arc<str> = format!("population {}", told.message_id).into();
    let (mut words, mut strange) = (Vec::with_capacity(told.events.len()), 0_u64);
    for it in told.events {
        let word = match happened(&it) {
            _ if it.revoked => Word::Revoked,
            Ok(word) => word,
            // A new kind of event, or a new commune, is for a newer program; the register tells
            // it again then.
            Err(_) => {
                strange += 1;
                continue;
            }
        };
        words.push(Told {
            citizen_index: it.citizen_index,
            event_id: it.event_id,
            word,
            source: Arc::clone(&source),
        });
    }
    let recorded = life_event::record(tx, &words, now).await?;
    if recorded.unknown + recorded.differing + strange > 0 {
        let (unknown, differing) = (recorded.unknown, recorded.differing);
        tracing::warn!(
            unknown,
            differing,
            strange,
            "Life events that nothing came of"
        );
    }
    Ok(recorded.news)
}

fn happened(told: &LifeEventTold) -> Result<Word, Refusal> {
    let kind: EventKind = told.kind.parse()?;
    let commune = told.commune.as_deref().unwrap_or_default();
    let place = match &told.province {
        Some(province) if kind == EventKind::Moved => {
            Some(Place::read(province.parse()?, commune)?)
        }
        _ => None,
    };
    Ok(Word::Happened {
        kind,
        happened_on: told.happened_on,
        place,
    })
}

/// An opened run freezes its partitions: whoever is enrolled now is determined by the law of now,
/// nobody and nothing later.
async fn on_runs_opened(
    tx: &mut PgConnection,
    (laws, work): (&Laws, &Work),
    opened: &[RunOpened],
    now: DateTime<Utc>,
) -> Result<(), Error> {
    let law_no = laws.in_force(tx).await?.law_no;
    let trace = messaging::current_trace();
    let freezes = opened
        .iter()
        .map(|it| Freeze::of(it, law_no, trace.clone(), now));
    let freezes: Vec<Freeze> = freezes.collect();
    work::begin(tx, &freezes, (laws, work), now).await
}

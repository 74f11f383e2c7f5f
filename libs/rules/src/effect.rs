use std::fmt;
use std::str::FromStr;

use chrono::{Months, NaiveDate};
use domain::{Period, Refusal};

use crate::document::Keys;
use crate::{At, Text};

/// What can happen in a life that touches a programme.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EventKind {
    Death,
    Missing,
    Moved,
    Detained,
    Imprisoned,
    LeftIllegally,
    NotCollected,
    NotVerified,
    JobFound,
    ReportMissed,
    Refused,
    /// Ends a suspension, as does `Returned`.
    Resumed,
    Returned,
}

/// Something that happened; a revoked event is left out by the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LifeEvent {
    pub kind: EventKind,
    pub happened_on: NaiveDate,
    /// Before this day nobody could act on it.
    pub known_on: NaiveDate,
}

/// What a life event does to a programme.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Effect {
    pub event: EventKind,
    pub does: Does,
    /// From when it does so; a suspension ends by the same rule.
    pub from: Beginning,
    /// Whether the suspended months are owed once payment is resumed.
    pub back_pay: bool,
    pub legal_basis: String,
    pub sentence: Text,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Does {
    Stop,
    Suspend,
    /// Another place pays; what is owed does not change.
    Move,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Beginning {
    SameMonth,
    NextMonth,
}

const KINDS: [(&str, EventKind); 13] = [
    ("death", EventKind::Death),
    ("missing", EventKind::Missing),
    ("moved", EventKind::Moved),
    ("detained", EventKind::Detained),
    ("imprisoned", EventKind::Imprisoned),
    ("left_illegally", EventKind::LeftIllegally),
    ("not_collected", EventKind::NotCollected),
    ("not_verified", EventKind::NotVerified),
    ("job_found", EventKind::JobFound),
    ("report_missed", EventKind::ReportMissed),
    ("refused", EventKind::Refused),
    ("resumed", EventKind::Resumed),
    ("returned", EventKind::Returned),
];
const DOES: [(&str, Does); 3] = [
    ("stop", Does::Stop),
    ("suspend", Does::Suspend),
    ("move", Does::Move),
];
const BEGINNINGS: [(&str, Beginning); 2] = [
    ("same_month", Beginning::SameMonth),
    ("next_month", Beginning::NextMonth),
];

impl EventKind {
    pub const ALL: [EventKind; 13] = {
        let mut all = [EventKind::Death; 13];
        let mut index = 0;
        while index < all.len() {
            all[index] = KINDS[index].1;
            index += 1;
        }
        all
    };

    pub fn code(self) -> &'static str {
        let found = KINDS.iter().find(|(_, kind)| *kind == self);
        found.map_or("", |(code, _)| code)
    }

    /// Whether it ends a suspension.
    pub fn resumes(self) -> bool {
        matches!(self, EventKind::Resumed | EventKind::Returned)
    }
}

impl FromStr for EventKind {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<EventKind, Refusal> {
        let found = KINDS.iter().find(|(code, _)| *code == text);
        found.map(|(_, kind)| *kind).ok_or_else(|| {
            let codes = KINDS.map(|(code, _)| code).join(", ");
            Refusal::new("event_unknown", format!("a life event is one of {codes}"))
        })
    }
}

impl fmt::Display for EventKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl Effect {
    pub(crate) fn read(keys: &Keys<'_>) -> Option<Effect> {
        // The last two only end what others began.
        let event = keys.word("event", &KINDS[..KINDS.len() - 2]);
        let does = keys.word("does", &DOES);
        let from = keys.word("from", &BEGINNINGS);
        let back_pay = keys.flag("back_pay");
        let legal_basis = keys.text("legal_basis");
        let sentence = keys.both("sentence");
        keys.finish();
        Some(Effect {
            event: event?,
            does: does?,
            from: from?,
            back_pay,
            legal_basis: legal_basis?.to_owned(),
            sentence: sentence?,
        })
    }

    fn first_day(&self, happened_on: NaiveDate) -> NaiveDate {
        let month = Period::of(happened_on).first_day();
        match self.from {
            Beginning::SameMonth => month,
            Beginning::NextMonth => month
                .checked_add_months(Months::new(1))
                .expect("years stay in range"),
        }
    }
}

/// How a person stands in a programme in a period, by what happened and is known.
pub(crate) enum Standing<'a> {
    InPayment,
    /// The month was suspended, and is owed because payment was resumed.
    PaidBack(&'a LifeEvent),
    Stopped(&'a LifeEvent),
    Suspended(&'a LifeEvent),
}

/// A stop comes before a suspension; of several the one that happened first is named.
pub(crate) fn standing<'a>(effects: &[Effect], events: &'a [LifeEvent], at: At) -> Standing<'a> {
    let known = |it: &&LifeEvent| it.known_on <= at.known;
    let begun = |does: Does| {
        let mut begun: Vec<(&Effect, &LifeEvent)> = Vec::new();
        for event in events.iter().filter(known) {
            let effect = effects
                .iter()
                .find(|it| it.event == event.kind && it.does == does);
            let begins = |it: &&Effect| it.first_day(event.happened_on) <= at.period.first_day();
            begun.extend(effect.filter(begins).map(|it| (it, event)));
        }
        begun.sort_by_key(|(_, event)| (event.happened_on, event.kind));
        begun
    };
    if events.is_empty() {
        return Standing::InPayment;
    }
    if let Some((_, event)) = begun(Does::Stop).first() {
        return Standing::Stopped(event);
    }
    let mut paid_back = None;
    for (effect, event) in begun(Does::Suspend) {
        let end = events
            .iter()
            .filter(known)
            .filter(|it| it.kind.resumes() && it.happened_on >= event.happened_on)
            .map(|it| effect.first_day(it.happened_on))
            .min();
        match end {
            Some(end) if end <= at.period.first_day() => {}
            Some(_) if effect.back_pay => paid_back = paid_back.or(Some(event)),
            _ => return Standing::Suspended(event),
        }
    }
    paid_back.map_or(Standing::InPayment, Standing::PaidBack)
}

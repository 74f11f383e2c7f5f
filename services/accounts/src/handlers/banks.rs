use std::sync::Arc;

use chrono::{DateTime, Utc};
use domain::{Institution, Part, PersonNo};
use events::{Envelope, Verification, Verifications};
use messaging::{Delivered, Handler};
use privacy::{Field, Keys};
use sqlx::PgConnection;

use crate::Error;
use crate::change::{Changes, Doing};
use crate::link::{Kind, Link, LinkId, Signal, State, parted};
use crate::settings::Terms;
use crate::store::{self, Asked, Person, Refused, Scope};
use crate::verification::{Judgement, Told, judge};

/// A bank that says whose accounts are.
pub(crate) struct OnBank {
    pub institution: Institution,
    pub keys: Arc<Keys>,
    pub terms: Terms,
}

impl Handler for OnBank {
    type Error = Error;

    async fn apply(
        &self,
        tx: &mut PgConnection,
        part: Part,
        batch: &[Delivered],
        now: DateTime<Utc>,
    ) -> Result<(), Error> {
        store::set_scope(tx, Scope::Nation).await?;
        let mut said = Vec::new();
        for event in batch {
            let envelope = Envelope::parse(&event.body)?;
            if envelope.is::<Verifications>() {
                said.extend(
                    self.on_verifications(tx, part, &envelope.read()?, now)
                        .await?,
                );
            }
        }
        messaging::append(tx, said, now).await?;
        Ok(())
    }
}

impl OnBank {
    /// Each answer is held against what was asked; the first that can be read counts.
    async fn on_verifications(
        &self,
        tx: &mut PgConnection,
        part: Part,
        message: &Verifications,
        now: DateTime<Utc>,
    ) -> Result<Vec<events::Event>, Error> {
        let named = |it: &Verification| it.verification_id.parse::<LinkId>().ok();
        let ids: Vec<LinkId> = message.verifications.iter().filter_map(named).collect();
        let mut persons: Vec<PersonNo> = ids.iter().map(|it| it.person_no).collect();
        persons.sort();
        persons.dedup();
        let known = Known {
            persons: store::lock_persons(tx, &persons).await?,
            old_numbers: store::old_numbers_of(tx, &persons).await?,
            asked: store::asked(tx, &ids).await?,
        };
        let mut links = store::links_of(tx, &persons).await?;
        let mut changes = Changes::new(now, self.terms);
        let mut refused = Vec::new();
        for (entry, answer) in (1..).zip(&message.verifications) {
            let mut refuse = |code| {
                refused.push(Refused {
                    entry,
                    verification_id: answer.verification_id.chars().take(64).collect(),
                    code,
                });
            };
            let asked = match self.asked(part, answer, &known) {
                Ok(asked) => asked,
                Err(code) => {
                    refuse(code);
                    continue;
                }
            };
            let Some(told) = self.open(answer, asked.link, &known) else {
                refuse("answer_unreadable");
                continue;
            };
            let words = format!("{told:?}");
            if let Some(before) = &asked.answer {
                let code = repeated(before, &words);
                refuse(code);
                if code == "contradicting_answer" {
                    let subject = asked.link.to_string();
                    store::raise_alarm(tx, code, &subject, 1, now).await?;
                }
                continue;
            }
            if !store::answer(tx, asked.link, &words, now).await? {
                // The same message says it twice; the first has just counted.
                refuse("duplicate_answer");
                continue;
            }
            if !self
                .follow(tx, &mut links, asked.link, &told, &mut changes)
                .await?
            {
                refuse("late_answer");
            }
        }
        let of_message = (self.institution, part, &message.message_id[..]);
        store::insert_refused(tx, of_message, &refused, now).await?;
        changes.write(tx).await
    }

    /// The question that is answered, or why it is none of this bank's.
    fn asked<'a>(
        &self,
        part: Part,
        answer: &Verification,
        known: &'a Known,
    ) -> Result<&'a Asked, &'static str> {
        let id: Option<LinkId> = answer.verification_id.parse().ok();
        let asked = known.asked.iter().find(|it| Some(it.link) == id);
        let asked = asked.ok_or("verification_unknown")?;
        if asked.institution != self.institution {
            return Err("not_your_verification");
        }
        if asked.link.person_no.part() != part {
            return Err("wrong_partition");
        }
        Ok(asked)
    }

    /// What the bank said, in the clear for as long as it is judged. `None` where it does not open.
    fn open(&self, answer: &Verification, link: LinkId, known: &Known) -> Option<Told> {
        let exchange = self.keys.exchange(&self.institution.to_string());
        let context = answer.verification_id.as_bytes();
        let person = known
            .persons
            .iter()
            .find(|it| it.person_no == link.person_no)?;
        let place = person.person_no.0.to_be_bytes();
        let registered = self
            .keys
            .open(Field::PersonName, &place, &person.name_sealed);
        let registered = registered.ok()?;
        let name = match &answer.holder {
            None => None,
            Some(sealed) => {
                let found = exchange.open(Field::PersonName, context, sealed).ok()?;
                Some(names::compare(registered.expose(), found.expose()))
            }
        };
        let old_number_known = match &answer.old_number {
            None => false,
            Some(sealed) => {
                let number = exchange.open(Field::CitizenNumber, context, sealed).ok()?;
                let index = self.keys.index(Field::CitizenNumber, number.expose());
                known.old_numbers.contains(&(link.person_no, index))
            }
        };
        Some(Told {
            account: answer.account,
            identity: answer.identity,
            name,
            old_number_known,
        })
    }

    /// The link steps on by what the bank said. False where it no longer waits for an answer.
    async fn follow(
        &self,
        tx: &mut PgConnection,
        links: &mut [Link],
        id: LinkId,
        told: &Told,
        changes: &mut Changes,
    ) -> Result<bool, Error> {
        let actor = format!("bank:{}", self.institution);
        let doing = Doing {
            actor: &actor,
            valid_from: changes.now(),
        };
        let (asked, mut others) = parted(links, id);
        let Some(link) = asked.filter(|it| it.state == State::Pending) else {
            return Ok(false);
        };
        match judge(told) {
            Judgement::Refuse(code) => changes.happen(link, Signal::Refused(code), doing)?,
            Judgement::Review { kind, detail } => changes.review(kind, id, detail),
            Judgement::Confirm => {
                let rank = rank_of(tx, link).await?;
                changes.confirm(link, &mut others, rank, doing)?;
            }
        }
        Ok(true)
    }
}

/// What the register knows of those whom a message is about.
struct Known {
    persons: Vec<Person>,
    old_numbers: Vec<(PersonNo, privacy::BlindIndex)>,
    asked: Vec<Asked>,
}

/// A bank that repeats itself does no harm; one that contradicts itself is looked into.
fn repeated(before: &str, now: &str) -> &'static str {
    if before == now {
        "duplicate_answer"
    } else {
        "contradicting_answer"
    }
}

/// The social-security account is first; an account of a benefit takes the next free place.
pub(crate) async fn rank_of(tx: &mut PgConnection, link: &Link) -> Result<i16, Error> {
    if link.kind == Kind::Ssa {
        return Ok(1);
    }
    let taken = store::ranks_of(tx, link.id.person_no).await?;
    let own = taken.iter().find(|(_, it)| *it == link.id.link_no);
    let last = taken.iter().map(|(rank, _)| *rank).max().unwrap_or(1);
    Ok(own.map_or(last.max(1) + 1, |(rank, _)| *rank))
}

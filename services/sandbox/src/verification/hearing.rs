use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use domain::{Institution, Part, Refusal};
use events::{
    AccountAtBank, Envelope, Event, Verification, VerificationRequest, VerificationRequests,
    Verifications,
};
use messaging::{Delivered, Handler, Signers};
use privacy::{BlindIndex, ExchangeKey, Field, Keys, PrivacyError};
use sqlx::{PgConnection, PgPool};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::case::Case;
use super::{Answer, Asked, answer, contrary, presumed, store};
use crate::Error;
use crate::holders::{self, Holder};

/// Between two looks for late answers that are due.
const POLL: Duration = Duration::from_millis(200);
/// Characters of an id that a bank remembers.
const ID_MAX: usize = 100;
/// Times that a bank does not answer at first where it answers in the end.
const SILENCES: i32 = 2;

/// A bank's ear for questions about accounts.
pub(crate) struct VerificationsHeard {
    pub institution: Institution,
    pub seed: u64,
    /// How long the bank thinks about what it answers late.
    pub delay: Duration,
    pub keys: Arc<Keys>,
    pub signers: Arc<Signers>,
}

/// Why a request is answered nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unanswerable {
    Sealed,
    Value,
    Id,
}

/// The answers to one message, each kind in a message of its own.
#[derive(Default)]
struct Answers {
    at_once: Vec<Verification>,
    /// Repeats some of `at_once`.
    again: Vec<Verification>,
    /// Says the contrary of some of `at_once`.
    contrary: Vec<Verification>,
    late: Vec<Verification>,
}

impl Handler for VerificationsHeard {
    type Error = Error;

    async fn apply(
        &self,
        tx: &mut PgConnection,
        _: Part,
        batch: &[Delivered],
        now: DateTime<Utc>,
    ) -> Result<(), Error> {
        let mut said = Vec::new();
        for delivered in batch {
            let envelope = Envelope::parse(&delivered.body)?;
            if envelope.is::<VerificationRequests>() {
                said.extend(self.on_requests(tx, &envelope.read()?, now).await?);
            }
        }
        messaging::append_signed(tx, &self.signers, said, now).await?;
        Ok(())
    }
}

impl VerificationsHeard {
    /// What the bank says at once; what it says later is kept.
    async fn on_requests(
        &self,
        tx: &mut PgConnection,
        message: &VerificationRequests,
        now: DateTime<Utc>,
    ) -> Result<Vec<Event>, Error> {
        if message.institution != self.institution {
            return Err(Error::Instructions {
                message: message.message_id.clone(),
                detail: "it is for another bank",
            });
        }
        let key = self.keys.exchange(&self.institution.to_string());
        let asked = open(&key, message);
        let ids: Vec<&str> = asked.iter().map(|it| &it.verification_id[..]).collect();
        let times = store::count_asked(tx, self.institution, &ids).await?;
        let books = self.books(tx, &asked).await?;
        let mut answers = Answers::default();
        for it in &asked {
            let times = times.get(&it.verification_id).copied().unwrap_or(1);
            let holder = books.get(&self.index(it));
            answers.add(self, &key, it, holder, times);
        }
        let said = |suffix: &str, verifications: Vec<Verification>| {
            (!verifications.is_empty()).then(|| Verifications {
                institution: self.institution,
                part: message.part,
                message_id: format!("{}-{}{suffix}", self.institution, message.message_id),
                verifications,
            })
        };
        if let Some(late) = said("-late", answers.late) {
            let due_at = TimeDelta::from_std(self.delay).ok();
            let due_at = due_at.and_then(|it| now.checked_add_signed(it));
            let due_at = due_at.unwrap_or(DateTime::<Utc>::MAX_UTC);
            store::insert_late(tx, &late, due_at).await?;
        }
        let at_once = [
            said("", answers.at_once),
            said("-again", answers.again),
            said("-contrary", answers.contrary),
        ];
        let said = at_once.iter().flatten().map(|it| Event::of(it, now));
        Ok(said.collect())
    }

    /// What the bank has opened of the accounts that it is asked for.
    async fn books(
        &self,
        tx: &mut PgConnection,
        asked: &[Asked],
    ) -> Result<HashMap<BlindIndex, Holder>, Error> {
        let accounts: Vec<BlindIndex> = asked.iter().map(|it| self.index(it)).collect();
        let rows = holders::store::find(tx, self.institution, &accounts).await?;
        let books = rows.iter().map(|it| Ok((it.index(), it.open(&self.keys)?)));
        books.collect()
    }

    fn index(&self, asked: &Asked) -> BlindIndex {
        self.keys.index(Field::BankAccount, asked.account.expose())
    }
}

impl Answers {
    /// Answers one request in the way that its account's number says.
    fn add(
        &mut self,
        bank: &VerificationsHeard,
        key: &ExchangeKey,
        asked: &Asked,
        holder: Option<&Holder>,
        times: i32,
    ) {
        let good = match holder {
            Some(holder) => answer(asked, holder),
            None => answer(asked, &presumed(bank.institution, bank.seed, asked)),
        };
        let sealed = |it: &Answer| seal(key, &asked.verification_id, it);
        match Case::of(&asked.account) {
            Case::Silent => return,
            Case::SilentTwice if times <= SILENCES => return,
            Case::Late => {
                self.late.push(sealed(&good));
                return;
            }
            Case::Twice => self.again.push(sealed(&good)),
            Case::Contradicting => self.contrary.push(sealed(&contrary(&good, asked))),
            _ => {}
        }
        self.at_once.push(sealed(&good));
    }
}

/// Opens what can be opened, each id once; the rest is answered nothing.
fn open(key: &ExchangeKey, message: &VerificationRequests) -> Vec<Asked> {
    let mut asked: Vec<Asked> = Vec::with_capacity(message.requests.len());
    let mut ids = std::collections::HashSet::new();
    for (position, request) in message.requests.iter().enumerate() {
        match open_one(key, request) {
            Ok(it) => {
                if ids.insert(&request.verification_id) {
                    asked.push(it);
                }
            }
            Err(why) => tracing::warn!(
                institution = %message.institution, message = message.message_id, position,
                code = why.code(), "A bank was asked what it cannot read"
            ),
        }
    }
    asked
}

fn open_one(key: &ExchangeKey, request: &VerificationRequest) -> Result<Asked, Unanswerable> {
    let id = &request.verification_id;
    if id.is_empty() || id.chars().count() > ID_MAX {
        return Err(Unanswerable::Id);
    }
    let account = key.open(Field::BankAccount, id.as_bytes(), &request.account)?;
    let holder = key.open(Field::PersonName, id.as_bytes(), &request.holder)?;
    let number = key.open(Field::CitizenNumber, id.as_bytes(), &request.citizen_number)?;
    Ok(Asked {
        verification_id: id.clone(),
        account: account.expose().parse()?,
        holder: holder.expose().parse()?,
        citizen_number: number.expose().parse()?,
    })
}

fn seal(key: &ExchangeKey, verification_id: &str, answer: &Answer) -> Verification {
    let sealed = |field, it: &String| key.seal(field, verification_id.as_bytes(), it);
    let Answer {
        account, identity, ..
    } = *answer;
    debug_assert!(account != AccountAtBank::Unknown || identity.is_none());
    Verification {
        verification_id: verification_id.to_owned(),
        account,
        identity,
        holder: answer
            .holder
            .as_ref()
            .map(|it| sealed(Field::PersonName, it)),
        old_number: answer
            .old_number
            .as_ref()
            .map(|it| sealed(Field::CitizenNumber, it)),
    }
}

/// Sends late answers when they are due, until the process stops.
pub(crate) async fn send_late(pool: PgPool, signers: Arc<Signers>, stop: CancellationToken) {
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = sleep(POLL) => {}
        }
        if let Err(error) = send_due(&pool, &signers, Utc::now()).await {
            tracing::warn!(error = %error, "Late verifications wait for the next look");
        }
    }
}

async fn send_due(pool: &PgPool, signers: &Signers, now: DateTime<Utc>) -> Result<(), Error> {
    while store::is_any_due(pool, now).await? {
        let mut tx = pool.begin().await?;
        let due = store::take_due(&mut tx, now).await?;
        if due.is_empty() {
            return Ok(()); // another process has them in hand
        }
        let events = due.iter().map(|it| Event::of(it, now)).collect();
        messaging::append_signed(&mut tx, signers, events, now).await?;
        tx.commit().await?;
    }
    Ok(())
}

impl Unanswerable {
    fn code(self) -> &'static str {
        match self {
            Unanswerable::Sealed => "sealed_value_refused",
            Unanswerable::Value => "value_invalid",
            Unanswerable::Id => "verification_id_invalid",
        }
    }
}

impl From<PrivacyError> for Unanswerable {
    fn from(_: PrivacyError) -> Unanswerable {
        Unanswerable::Sealed
    }
}

impl From<Refusal> for Unanswerable {
    fn from(_: Refusal) -> Unanswerable {
        Unanswerable::Value
    }
}

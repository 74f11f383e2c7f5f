//! What an organisation signs of a message, and when a signature stands.

use std::collections::BTreeMap;
use std::fmt;

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use domain::Part;
use privacy::{Keys, Signer};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::Error;
use crate::organisation::{Organisation, Route};

/// How far a sender's clock may be ahead of ours.
const AHEAD_MAX: TimeDelta = TimeDelta::minutes(5);

/// What a signature covers, as text: the same bytes for whoever signs and whoever verifies.
///
/// The body stands in it by its hash, so that it is verified before anything reads it.
#[derive(Debug)]
pub(crate) struct MessageStatement<'a> {
    pub route: Route,
    pub speaker: &'a str,
    pub subject: &'a str,
    pub event_id: Uuid,
    pub part: Part,
    pub seq: i64,
    pub prev_hash: &'a [u8],
    pub created_at: DateTime<Utc>,
    pub body_sha256: [u8; 32],
}

impl fmt::Display for MessageStatement<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "An Sinh message 1")?;
        writeln!(f, "schema: {}", schema(self.subject))?;
        writeln!(f, "speaker: {}", self.speaker)?;
        writeln!(f, "sender: {}", self.route.sender)?;
        writeln!(f, "receiver: {}", self.route.receiver)?;
        writeln!(f, "id: {}", self.event_id)?;
        writeln!(f, "part: {}", self.part)?;
        writeln!(f, "seq: {}", self.seq)?;
        writeln!(f, "previous: {}", hex::encode(self.prev_hash))?;
        writeln!(f, "created: {}", created_text(self.created_at))?;
        writeln!(f, "body: {}", hex::encode(self.body_sha256))
    }
}

/// Type and version: the last two tokens of the subject, e.g. `results.v1`.
fn schema(subject: &str) -> &str {
    let mut dots = subject.rmatch_indices('.').map(|(at, _)| at);
    dots.nth(1).map_or(subject, |at| &subject[at + 1..])
}

/// The one spelling of a time of creation: UTC, microseconds.
pub(crate) fn created_text(created_at: DateTime<Utc>) -> String {
    created_at.to_rfc3339_opts(SecondsFormat::Micros, true)
}

/// `None` for any other spelling.
pub(crate) fn read_created(text: &str) -> Option<DateTime<Utc>> {
    let created_at = DateTime::parse_from_rfc3339(text).ok()?.to_utc();
    (created_text(created_at) == text).then_some(created_at)
}

pub(crate) fn body_sha256(body: &[u8]) -> [u8; 32] {
    Sha256::digest(body).into()
}

/// A detached Ed25519 signature over a [`MessageStatement`], by one of the sender's keys.
#[derive(Debug, Clone)]
pub(crate) struct Signature {
    pub key_no: i64,
    pub bytes: Vec<u8>,
}

/// A public key as its registration, confirmation and end say.
#[derive(Debug, Clone)]
pub(crate) struct OrganisationKey {
    pub key_no: i64,
    pub organisation: String,
    pub public_key: Vec<u8>,
    pub valid_from: DateTime<Utc>,
    pub is_confirmed: bool,
    pub ended_at: Option<DateTime<Utc>>,
}

/// Why a message is not taken for its sender's. The codes are stable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unverified {
    /// What is needed to rebuild the signed text is not there.
    HeaderInvalid,
    SignatureMissing,
    KeyUnknown,
    /// The key of an organisation that is not the sender.
    KeyOfAnother,
    KeyNotConfirmed,
    KeyNotYetValid,
    /// The message was made when the key had ended.
    KeyEnded,
    /// Made in the future.
    Stale,
    /// Another key, or a changed body or header.
    SignatureWrong,
    /// Signed, but it does not continue what the sender signed before.
    ChainBroken,
}

impl Unverified {
    pub fn code(self) -> &'static str {
        match self {
            Unverified::HeaderInvalid => "header_invalid",
            Unverified::SignatureMissing => "signature_missing",
            Unverified::KeyUnknown => "key_unknown",
            Unverified::KeyOfAnother => "key_of_another",
            Unverified::KeyNotConfirmed => "key_not_confirmed",
            Unverified::KeyNotYetValid => "key_not_yet_valid",
            Unverified::KeyEnded => "key_ended",
            Unverified::Stale => "stale",
            Unverified::SignatureWrong => "signature_wrong",
            Unverified::ChainBroken => "chain_broken",
        }
    }
}

/// Whether the signature stands, at any later time. What was made while its key was valid stands
/// for ever: a message may come again long after.
pub(crate) fn stands(
    statement: &MessageStatement<'_>,
    signature: &Signature,
    key: Option<&OrganisationKey>,
) -> Result<(), Unverified> {
    let key = key.ok_or(Unverified::KeyUnknown)?;
    if key.organisation != statement.route.sender.to_string() {
        return Err(Unverified::KeyOfAnother);
    }
    if !key.is_confirmed {
        return Err(Unverified::KeyNotConfirmed);
    }
    if statement.created_at < key.valid_from {
        return Err(Unverified::KeyNotYetValid);
    }
    if key.ended_at.is_some_and(|it| it <= statement.created_at) {
        return Err(Unverified::KeyEnded);
    }
    let text = statement.to_string();
    if !privacy::verifies(&key.public_key, text.as_bytes(), &signature.bytes) {
        return Err(Unverified::SignatureWrong);
    }
    Ok(())
}

/// Whether a message that just came is its sender's.
pub(crate) fn verify(
    statement: &MessageStatement<'_>,
    signature: &Signature,
    keys: &[OrganisationKey],
    now: DateTime<Utc>,
) -> Result<(), Unverified> {
    if statement.created_at - AHEAD_MAX > now {
        return Err(Unverified::Stale);
    }
    let key = keys.iter().find(|it| it.key_no == signature.key_no);
    stands(statement, signature, key)
}

/// The private keys by which a process speaks in the name of organisations.
#[derive(Debug, Clone, Default)]
pub struct Signers(BTreeMap<Organisation, Vec<Signer>>);

impl Signers {
    /// The state's own, of this installation.
    pub fn of_state(keys: &Keys) -> Signers {
        Signers(BTreeMap::from([(
            Organisation::State,
            keys.state_signers().to_vec(),
        )]))
    }

    /// One more key of an organisation. Which of them signs, their registration says.
    #[must_use]
    pub fn with(mut self, organisation: Organisation, signer: Signer) -> Signers {
        self.0.entry(organisation).or_default().push(signer);
        self
    }

    /// Public keys of all that is held.
    pub fn held(&self) -> impl Iterator<Item = (Organisation, Vec<u8>)> {
        let of_all = self.0.iter();
        of_all.flat_map(|(whose, keys)| keys.iter().map(|it| (*whose, it.public_key())))
    }

    /// Of what is held for these organisations.
    pub(crate) fn public_keys(&self, organisations: &[Organisation]) -> Vec<Vec<u8>> {
        let held = organisations.iter().filter_map(|it| self.0.get(it));
        held.flatten().map(Signer::public_key).collect()
    }

    /// The held key that its registration says is the one to sign with.
    pub(crate) fn chosen<'a>(
        &'a self,
        organisation: Organisation,
        key: Option<&(i64, Vec<u8>)>,
    ) -> Result<(i64, &'a Signer), Error> {
        let held = self.0.get(&organisation).into_iter().flatten();
        let chosen = key.and_then(|(key_no, public_key)| {
            let mut held = held;
            let signer = held.find(|it| it.public_key() == *public_key)?;
            Some((*key_no, signer))
        });
        chosen.ok_or(Error::NotSigned { organisation })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &[u8] = b"{\"n\":1}";

    fn created() -> DateTime<Utc> {
        "2026-12-01T08:30:00.123456Z".parse().unwrap()
    }

    fn statement(subject: &'static str) -> MessageStatement<'static> {
        MessageStatement {
            route: Route::of("bank.970436.in.results").unwrap(),
            speaker: "bank.970436.in.results",
            subject,
            event_id: Uuid::from_u128(7),
            part: Part::ZERO,
            seq: 12,
            prev_hash: &[0xab; 32],
            created_at: created(),
            body_sha256: body_sha256(BODY),
        }
    }

    fn key(organisation: &str, signer: &Signer) -> OrganisationKey {
        OrganisationKey {
            key_no: 3,
            organisation: organisation.to_owned(),
            public_key: signer.public_key(),
            valid_from: created(),
            is_confirmed: true,
            ended_at: None,
        }
    }

    fn signed(statement: &MessageStatement<'_>, signer: &Signer) -> Signature {
        Signature {
            key_no: 3,
            bytes: signer.sign(statement.to_string().as_bytes()),
        }
    }

    /// A change of a letter here makes every signature of every bank wrong.
    #[test]
    fn the_signed_text_is_the_one_that_banks_know() {
        let ab = "ab".repeat(32);
        assert_eq!(
            statement("bank.970436.in.results.v1").to_string(),
            format!(
                "An Sinh message 1\nschema: results.v1\nspeaker: bank.970436.in.results\n\
                 sender: 970436\nreceiver: state\nid: 00000000-0000-0000-0000-000000000007\n\
                 part: 00\nseq: 12\nprevious: {ab}\ncreated: 2026-12-01T08:30:00.123456Z\n\
                 body: {}\n",
                hex::encode(body_sha256(BODY))
            )
        );
    }

    #[test]
    fn a_signature_stands_under_the_senders_key_of_that_time_only() {
        let (own, other) = (Signer::new(&[1; 32]), Signer::new(&[2; 32]));
        let it = statement("bank.970436.in.results.v1");
        let signature = signed(&it, &own);
        let judged = |key: OrganisationKey| stands(&it, &signature, Some(&key));
        assert_eq!(judged(key("970436", &own)), Ok(()));
        assert_eq!(stands(&it, &signature, None), Err(Unverified::KeyUnknown));
        assert_eq!(
            judged(key("970415", &own)),
            Err(Unverified::KeyOfAnother),
            "the right key of another bank"
        );
        assert_eq!(
            judged(key("970436", &other)),
            Err(Unverified::SignatureWrong)
        );
        let second = TimeDelta::seconds(1);
        for (valid_from, is_confirmed, ended_at, expected) in [
            (created(), false, None, Err(Unverified::KeyNotConfirmed)),
            (
                created() + second,
                true,
                None,
                Err(Unverified::KeyNotYetValid),
            ),
            (created(), true, Some(created()), Err(Unverified::KeyEnded)),
            (created(), true, Some(created() + second), Ok(())),
        ] {
            let key = OrganisationKey {
                valid_from,
                is_confirmed,
                ended_at,
                ..key("970436", &own)
            };
            assert_eq!(judged(key), expected);
        }
    }

    #[test]
    fn whatever_is_changed_breaks_the_signature() {
        let own = Signer::new(&[1; 32]);
        let signature = signed(&statement("bank.970436.in.results.v1"), &own);
        let key = key("970436", &own);
        let changes: [fn(&mut MessageStatement<'_>); 8] = [
            |it| it.subject = "bank.970436.in.results.v2",
            |it| it.speaker = "bank.970436.in.statement",
            |it| it.event_id = Uuid::from_u128(8),
            |it| it.part = Part::all().nth(1).unwrap(),
            |it| it.seq = 13,
            |it| it.prev_hash = &[0xac; 32],
            |it| it.created_at += TimeDelta::microseconds(1),
            |it| it.body_sha256 = body_sha256(b"{\"n\":2}"),
        ];
        for (number, change) in changes.into_iter().enumerate() {
            let mut other = statement("bank.970436.in.results.v1");
            change(&mut other);
            let judged = stands(&other, &signature, Some(&key));
            assert_eq!(judged, Err(Unverified::SignatureWrong), "change {number}");
        }
    }

    #[test]
    fn only_the_future_is_stale() {
        let own = Signer::new(&[1; 32]);
        let it = statement("bank.970436.in.results.v1");
        let (signature, keys) = (signed(&it, &own), [key("970436", &own)]);
        let at = |now| verify(&it, &signature, &keys, now);
        assert_eq!(
            at(created() - TimeDelta::minutes(10)),
            Err(Unverified::Stale)
        );
        assert_eq!(at(created() - TimeDelta::minutes(5)), Ok(()));
        assert_eq!(at(created() + TimeDelta::days(400)), Ok(()), "driven again");
    }

    #[test]
    fn a_time_of_creation_has_one_spelling() {
        let text = created_text(created());
        assert_eq!(read_created(&text), Some(created()));
        for other in [
            "2026-12-01T08:30:00.1234567Z",
            "2026-12-01T08:30:00Z",
            "2026-12-01T15:30:00.123456+07:00",
            "yesterday",
        ] {
            assert_eq!(read_created(other), None, "{other}");
        }
    }
}

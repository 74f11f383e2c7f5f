use chrono::{DateTime, Utc};
use domain::{BankAccount, Channel, CitizenNumber, Institution, Officer, PersonNo};
use events::{Event, VerificationRequest, VerificationRequests};
use messaging::Problem;
use privacy::{Field, Keys};
use sqlx::PgConnection;

use crate::Error;
use crate::change::{Changes, Doing};
use crate::link::{Kind, Link, LinkId, Signal, Source, State};
use crate::settings::Terms;
use crate::store::{self, NewLink};

/// What somebody wants to be paid to.
#[derive(Debug)]
pub(crate) struct Wanted {
    pub person_no: PersonNo,
    pub kind: Kind,
    pub institution: Institution,
    pub channel: Channel,
    pub account: BankAccount,
    /// The bank is asked whether the account's holder has this number.
    pub citizen_number: CitizenNumber,
    pub source: Source,
    pub changed_by: Option<Officer>,
    pub basis: Option<String>,
}

/// A link is asked for, and its bank is asked whose the account is. Asked twice it is one link;
/// another account takes the place of one that still waits.
pub(crate) async fn request(
    tx: &mut PgConnection,
    keys: &Keys,
    terms: Terms,
    wanted: Wanted,
    now: DateTime<Utc>,
) -> Result<(LinkId, State, Vec<Event>), Error> {
    let person_no = wanted.person_no;
    let persons = store::lock_persons(tx, &[person_no]).await?;
    let person = persons.first().ok_or_else(person_unknown)?;
    let place = person_no.0.to_be_bytes();
    let name = keys.open(Field::PersonName, &place, &person.name_sealed)?;
    let account_index = keys.index(Field::BankAccount, wanted.account.expose());
    let mut links = store::links_of(tx, &[person_no]).await?;
    let same = |it: &&mut Link| {
        it.institution == wanted.institution
            && it.account_index == account_index
            && it.kind == wanted.kind
    };
    if let Some(link) = links
        .iter_mut()
        .filter(same)
        .find(|it| !it.state.is_ended())
    {
        return match link.state {
            State::Linked | State::Suspended(_) => Err(link_exists(link.id).into()),
            state => Ok((link.id, state, Vec::new())),
        };
    }
    let mut changes = Changes::new(now, terms);
    let actor = match &wanted.changed_by {
        Some(officer) => crate::change::officer_actor(officer),
        None => "citizen".to_owned(),
    };
    let doing = Doing {
        actor: &actor,
        valid_from: now,
    };
    let waits = |it: &&mut Link| {
        it.kind == wanted.kind && matches!(it.state, State::Requested | State::Pending)
    };
    for waiting in links.iter_mut().filter(waits) {
        changes.happen(waiting, Signal::Superseded, doing)?;
    }
    let id = LinkId {
        person_no,
        link_no: links.last().map_or(1, |it| it.id.link_no + 1),
    };
    let new = NewLink {
        id,
        kind: wanted.kind,
        channel: wanted.channel,
        institution: wanted.institution,
        account_sealed: keys.seal(Field::BankAccount, &place, wanted.account.expose()),
        account_index,
        holder_sealed: keys.seal(Field::PersonName, &place, name.expose()),
        source: wanted.source,
        changed_by: wanted.changed_by.clone(),
        basis: wanted.basis.clone(),
    };
    let mut link = begun(&new, now);
    changes.request(&mut link, &actor);
    changes.happen(&mut link, Signal::Asked, doing)?;
    store::insert_links(tx, &[new], now).await?;
    let question = question(keys, id, &wanted, name.expose());
    let times = (
        now + terms.verification_sla,
        now + terms.verification_expiry,
    );
    store::insert_verification(tx, id, wanted.institution, &question, times).await?;
    let mut said = changes.write(tx).await?;
    said.push(asked(wanted.institution, id, 1, question, now));
    Ok((id, link.state, said))
}

/// A link as it is before its first step.
pub(crate) fn begun(new: &NewLink, now: DateTime<Utc>) -> Link {
    Link {
        id: new.id,
        kind: new.kind,
        channel: new.channel,
        institution: new.institution,
        account_index: new.account_index,
        account_sealed: new.account_sealed.clone(),
        holder_sealed: new.holder_sealed.clone(),
        changed_by: new.changed_by.as_ref().map(|it| it.as_str().to_owned()),
        state: State::Requested,
        step: 0,
        since: now,
        first_linked_at: None,
    }
}

/// What the bank is asked, sealed for it alone.
fn question(keys: &Keys, id: LinkId, wanted: &Wanted, name: &str) -> VerificationRequest {
    let exchange = keys.exchange(&wanted.institution.to_string());
    let verification_id = id.to_string();
    let seal = |field, clear: &str| exchange.seal(field, verification_id.as_bytes(), clear);
    VerificationRequest {
        account: seal(Field::BankAccount, wanted.account.expose()),
        holder: seal(Field::PersonName, name),
        citizen_number: seal(Field::CitizenNumber, wanted.citizen_number.expose()),
        verification_id,
    }
}

/// The question as it goes out, for the first time or again.
pub(crate) fn asked(
    institution: Institution,
    id: LinkId,
    attempt: i16,
    question: VerificationRequest,
    now: DateTime<Utc>,
) -> Event {
    let message = VerificationRequests {
        institution,
        part: id.person_no.part(),
        message_id: format!("{id}-{attempt:02}"),
        requests: vec![question],
    };
    Event::of(&message, now)
}

/// A link ends by the will of the person, or of an officer.
pub(crate) async fn unlink(
    tx: &mut PgConnection,
    terms: Terms,
    id: LinkId,
    actor: &str,
    now: DateTime<Utc>,
) -> Result<(State, Vec<Event>), Error> {
    step(tx, terms, id, Signal::Removed, actor, now).await
}

/// One step of one link that neither begins a channel nor needs another link.
pub(crate) async fn step(
    tx: &mut PgConnection,
    terms: Terms,
    id: LinkId,
    signal: Signal,
    actor: &str,
    now: DateTime<Utc>,
) -> Result<(State, Vec<Event>), Error> {
    store::lock_persons(tx, &[id.person_no]).await?;
    let mut links = store::links_of(tx, &[id.person_no]).await?;
    let link = links.iter_mut().find(|it| it.id == id);
    let link = link.ok_or_else(|| link_unknown(id))?;
    let mut changes = Changes::new(now, terms);
    let doing = Doing {
        actor,
        valid_from: now,
    };
    changes.happen(link, signal, doing)?;
    let state = link.state;
    Ok((state, changes.write(tx).await?))
}

/// A link is paid to from now on: an officer has accepted what was near, or lifted a suspension.
pub(crate) async fn accept(
    tx: &mut PgConnection,
    terms: Terms,
    id: LinkId,
    actor: &str,
    now: DateTime<Utc>,
) -> Result<(State, Vec<Event>), Error> {
    store::lock_persons(tx, &[id.person_no]).await?;
    let mut links = store::links_of(tx, &[id.person_no]).await?;
    let at = links.iter().position(|it| it.id == id);
    let mut link = links.remove(at.ok_or_else(|| link_unknown(id))?);
    let rank = crate::handlers::rank_of(tx, &link).await?;
    let mut changes = Changes::new(now, terms);
    let doing = Doing {
        actor,
        valid_from: now,
    };
    let mut others: Vec<&mut Link> = links.iter_mut().collect();
    changes.confirm(&mut link, &mut others, rank, doing)?;
    Ok((link.state, changes.write(tx).await?))
}

pub(crate) fn person_unknown() -> Problem {
    let detail = "Không tìm thấy người này trong danh sách người hưởng";
    Problem::new(404, "person_unknown", detail)
}

pub(crate) fn link_unknown(id: LinkId) -> Problem {
    Problem::new(404, "link_unknown", format!("Không có liên kết {id}"))
}

fn link_exists(id: LinkId) -> Problem {
    let detail = format!("Tài khoản này đã được liên kết ({id})");
    Problem::new(409, "link_exists", detail)
}

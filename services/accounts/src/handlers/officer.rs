use std::sync::Arc;

use approval::Signing;
use chrono::{DateTime, Utc};
use domain::{CitizenNumber, Officer, PersonNo, Programme};
use events::HoldReason;
use messaging::{Problem, Signers};
use privacy::{Field, Keys};
use serde_json::{Value, json};
use sqlx::PgConnection;

use crate::Error;
use crate::authority::Authority;
use crate::change::{officer_actor, suspended_for};
use crate::command::{
    AppointOfficer, ChangeAccount, DecideReview, EndAuthority, GrantAuthority, StepLink,
    StepRequest,
};
use crate::link::{Link, Signal, Source, State, account_at};
use crate::linking::{self, Wanted};
use crate::matter;
use crate::refusal::RefusalCode;
use crate::settings::Terms;
use crate::store::{self, NewAuthority, ReviewRow, Scope};
use crate::subject_request::RequestKind;

/// What officers may do, each within the province that they are appointed to.
pub(crate) struct OfficerDoor {
    pub keys: Arc<Keys>,
    pub terms: Terms,
    /// Whether also those sign who have no key.
    pub signatures_required: bool,
}

impl OfficerDoor {
    /// The first officer of an installation appoints themselves to the nation; from then on only
    /// an officer of the nation appoints, and nobody themselves.
    pub async fn appoint(
        &self,
        tx: &mut PgConnection,
        command: AppointOfficer,
        now: DateTime<Utc>,
    ) -> Result<Value, Error> {
        let (by, appointed) = (&command.officer, &command.appointed);
        if store::any_officer(tx).await? {
            if store::scope_of(tx, by).await? != Some(Scope::Nation) {
                return Err(not_appointed(by).into());
            }
            if by == appointed {
                let detail = "Không ai tự bổ nhiệm chính mình";
                return Err(Problem::new(403, "same_person", detail).into());
            }
            let matter = matter::appointment_matter(tx, appointed, command.province).await?;
            let decision = matter.decision(true, None, by);
            let signing = self.signing(command.signature.as_deref());
            approval::decide(tx, &decision, signing, now).await?;
        } else if command.province.is_some() || by != appointed {
            let detail = "the first officer appoints themselves to the nation";
            return Err(Problem::new(409, "first_officer", detail).into());
        }
        store::appoint(tx, appointed, command.province, by, now).await?;
        Ok(json!({ "officer": appointed, "province": command.province }))
    }

    fn signing<'a>(&self, signature: Option<&'a str>) -> Signing<'a> {
        Signing {
            signature,
            is_required: self.signatures_required,
        }
    }

    /// An officer asks for a link in a person's name; the bank is asked as always, and the officer
    /// may not approve what is paid to it.
    pub async fn change_account(
        &self,
        tx: &mut PgConnection,
        command: ChangeAccount,
        now: DateTime<Utc>,
    ) -> Result<Value, Error> {
        let officer = command.officer;
        enter(tx, &officer).await?;
        let citizen_number: CitizenNumber = command.citizen_number.0.parse()?;
        reasoned(&command.basis)?;
        let person_no = person_with(tx, &self.keys, &citizen_number).await?;
        let account = account_at(&command.institution, &command.account_number.0);
        let (institution, channel, account) = account.map_err(|(_, it)| it)?;
        let wanted = Wanted {
            person_no,
            kind: command.kind,
            institution,
            channel,
            account,
            citizen_number,
            source: Source::Officer,
            changed_by: Some(officer.clone()),
            basis: Some(command.basis),
        };
        let requested = linking::request(tx, &self.keys, self.terms, wanted, now).await?;
        let (link, state, said) = requested;
        messaging::append_signed(tx, &Signers::of_state(&self.keys), said, now).await?;
        self.watch_velocity(tx, &officer, now).await?;
        Ok(json!({ "link": link, "state": state.as_str() }))
    }

    /// An officer who changes many accounts at once is looked at.
    async fn watch_velocity(
        &self,
        tx: &mut PgConnection,
        officer: &Officer,
        now: DateTime<Utc>,
    ) -> Result<(), Error> {
        let changes = store::changes_of(tx, officer, now).await?;
        if changes > self.terms.changes_an_hour_max {
            let subject = format!("{officer} {}", now.format("%Y-%m-%dT%H"));
            if store::raise_alarm(tx, "officer_velocity", &subject, 1, now).await? {
                tracing::warn!(%officer, changes, "An officer changes many accounts");
            }
        }
        Ok(())
    }

    pub async fn suspend(
        &self,
        tx: &mut PgConnection,
        command: StepLink,
        now: DateTime<Utc>,
    ) -> Result<Value, Error> {
        let signal = Signal::Suspended(RefusalCode::ReviewRefused);
        self.step(tx, command, signal, now).await
    }

    pub async fn end(
        &self,
        tx: &mut PgConnection,
        command: StepLink,
        now: DateTime<Utc>,
    ) -> Result<Value, Error> {
        self.step(tx, command, Signal::Removed, now).await
    }

    async fn step(
        &self,
        tx: &mut PgConnection,
        command: StepLink,
        signal: Signal,
        now: DateTime<Utc>,
    ) -> Result<Value, Error> {
        enter(tx, &command.officer).await?;
        reasoned(&command.reason)?;
        let actor = officer_actor(&command.officer);
        let id = command.link;
        let (state, said) = linking::step(tx, self.terms, id, signal, &actor, now).await?;
        messaging::append(tx, said, now).await?;
        Ok(json!({ "link": id, "state": state.as_str() }))
    }

    pub async fn resume(
        &self,
        tx: &mut PgConnection,
        command: StepLink,
        now: DateTime<Utc>,
    ) -> Result<Value, Error> {
        enter(tx, &command.officer).await?;
        reasoned(&command.reason)?;
        let persons = [command.link.person_no];
        store::lock_persons(tx, &persons).await?;
        let links = store::links_of(tx, &persons).await?;
        let link = links.iter().find(|it| it.id == command.link);
        let link = link.ok_or_else(|| linking::link_unknown(command.link))?;
        not_by_who_asked(&command.officer, link)?;
        // What a bank has not confirmed is not resumed, and a closed account is linked anew.
        let resumable = matches!(
            link.state,
            State::Suspended(code) if code != RefusalCode::AccountClosed
        );
        if !resumable || store::is_in_review(tx, link.id).await? {
            let (id, is) = (link.id, link.state.as_str());
            let detail = format!("{id} is {is} and cannot be resumed");
            return Err(Problem::new(409, "illegal_transition", detail).into());
        }
        let actor = officer_actor(&command.officer);
        let (state, said) = linking::accept(tx, self.terms, command.link, &actor, now).await?;
        messaging::append(tx, said, now).await?;
        Ok(json!({ "link": command.link, "state": state.as_str() }))
    }

    /// What was near, or doubtful, is decided by a person, who is not the one that asked for it.
    pub async fn decide_review(
        &self,
        tx: &mut PgConnection,
        command: DecideReview,
        now: DateTime<Utc>,
    ) -> Result<Value, Error> {
        let officer = &command.officer;
        enter(tx, officer).await?;
        reasoned(&command.reason)?;
        let review = store::review(tx, command.review).await?;
        let review = review.ok_or_else(|| review_unknown(command.review))?;
        let persons = [review.link.person_no];
        store::lock_persons(tx, &persons).await?;
        let links = store::links_of(tx, &persons).await?;
        let link = links.iter().find(|it| it.id == review.link);
        let link = link.ok_or_else(|| linking::link_unknown(review.link))?;
        not_by_who_asked(officer, link)?;
        let matter = matter::of_review(&review, link);
        let decision = matter.decision(command.accept, Some(&command.reason), officer);
        let signing = self.signing(command.signature.as_deref());
        if review.decision.is_some() {
            return Err(review_decided(command.review).into());
        }
        approval::decide(tx, &decision, signing, now).await?;
        let decision = if command.accept { "accept" } else { "refuse" };
        let by = Some(officer.as_str());
        if !store::decide_review(tx, review.review_no, decision, by, &command.reason, now).await? {
            return Err(review_decided(command.review).into());
        }
        let actor = officer_actor(officer);
        let state = self
            .follow(tx, &review, command.accept, &actor, now)
            .await?;
        Ok(json!({ "review": review.review_no, "decision": decision, "state": state }))
    }

    /// What follows for the link from a decision about it.
    async fn follow(
        &self,
        tx: &mut PgConnection,
        review: &ReviewRow,
        accept: bool,
        actor: &str,
        now: DateTime<Utc>,
    ) -> Result<&'static str, Error> {
        let (id, terms) = (review.link, self.terms);
        let waits = matches!(&review.kind[..], "name" | "old_number");
        let resumes = matches!(&review.kind[..], "account_restricted" | "renamed");
        let (state, said) = match (waits, resumes, accept) {
            (true, _, true) | (_, true, true) => linking::accept(tx, terms, id, actor, now).await?,
            (true, _, false) => {
                let signal = Signal::Refused(RefusalCode::ReviewRefused);
                linking::step(tx, terms, id, signal, actor, now).await?
            }
            (_, true, false) => linking::step(tx, terms, id, Signal::Removed, actor, now).await?,
            (false, false, true) => {
                let reason = hold_reason(&review.kind);
                store::free_channel(tx, id, reason).await?;
                return Ok("linked");
            }
            (false, false, false) => {
                let signal = Signal::Suspended(suspended_for(&review.kind));
                linking::step(tx, terms, id, signal, actor, now).await?
            }
        };
        messaging::append(tx, said, now).await?;
        Ok(state.as_str())
    }

    /// Somebody else is paid for the person, who stays the one that is owed.
    pub async fn grant_authority(
        &self,
        tx: &mut PgConnection,
        command: GrantAuthority,
        now: DateTime<Utc>,
    ) -> Result<Value, Error> {
        enter(tx, &command.officer).await?;
        reasoned(&command.proof)?;
        command
            .kind
            .may_hold(command.valid_from, command.valid_to)?;
        if command.person == command.payee {
            let detail = "a person needs no authority for themselves";
            return Err(Problem::new(422, "payee_is_person", detail).into());
        }
        let mut both = [command.person, command.payee];
        both.sort_by_key(|it| (it.part(), *it));
        if store::lock_persons(tx, &both).await?.len() < both.len() {
            return Err(linking::person_unknown().into());
        }
        let (_, last) = store::authority_numbers(tx, command.person).await?;
        let number = last + 1;
        let programmes = command.programmes.iter().copied();
        let granted = NewAuthority {
            person_no: command.person,
            authority: Authority {
                payee_no: command.payee,
                programmes: programmes.map(Programme::number).collect(),
                amount_max: command.amount_max,
            },
            kind: command.kind,
            proof: command.proof,
            valid_from: command.valid_from,
            valid_to: command.valid_to,
            granted_by: command.officer,
        };
        store::insert_authority(tx, number, &granted, now).await?;
        Ok(json!({ "person": command.person, "authority": number }))
    }

    pub async fn end_authority(
        &self,
        tx: &mut PgConnection,
        command: EndAuthority,
        now: DateTime<Utc>,
    ) -> Result<Value, Error> {
        enter(tx, &command.officer).await?;
        reasoned(&command.reason)?;
        if store::lock_persons(tx, &[command.person]).await?.is_empty() {
            return Err(linking::person_unknown().into());
        }
        let (current, _) = store::authority_numbers(tx, command.person).await?;
        let ended = match current {
            None => false,
            Some(number) => {
                let which = (command.person, number);
                let (day, by) = (command.ends_on, &command.officer);
                store::end_authority(tx, which, day, &command.reason, by, now).await?
            }
        };
        if ended {
            return Ok(json!({ "person": command.person, "ends_on": command.ends_on }));
        }
        let detail = "nobody has an authority for this person that could end";
        Err(Problem::new(409, "authority_none", detail).into())
    }

    /// What becomes of what somebody asked of their data, step by step.
    pub async fn step_request(
        &self,
        tx: &mut PgConnection,
        command: StepRequest,
        now: DateTime<Utc>,
    ) -> Result<Value, Error> {
        enter(tx, &command.officer).await?;
        reasoned(&command.reason)?;
        let found = store::requests(tx, None, Some(command.request), 1).await?;
        let request = found.first().ok_or_else(|| {
            let detail = format!("there is no request {}", command.request);
            Problem::new(404, "request_unknown", detail)
        })?;
        // Two officers at once are told apart by the step's number.
        store::lock_persons(tx, &[request.person_no]).await?;
        let kind = RequestKind::read(&request.kind);
        let allowed = match (&request.state[..], &command.state[..]) {
            ("received", "acknowledged" | "answered" | "refused")
            | ("acknowledged" | "extended", "answered" | "refused") => true,
            ("received" | "acknowledged", "extended") => !request.extended,
            _ => false,
        };
        if !allowed {
            let (is, wanted) = (&request.state, &command.state);
            let detail = format!("a request that is {is} cannot be {wanted}");
            return Err(Problem::new(409, "illegal_transition", detail).into());
        }
        let until = kind.filter(|_| command.state == "extended");
        let answer_by = until.map(|it| it.extended(request.answer_by));
        let step = (request.request_no, request.steps + 1);
        let (state, reason) = (&command.state, &command.reason);
        store::insert_request_step(tx, step, state, answer_by, &command.officer, reason, now)
            .await?;
        Ok(json!({
            "request_no": request.request_no,
            "state": state,
            "answer_by": answer_by.unwrap_or(request.answer_by),
        }))
    }
}

/// From here on the transaction sees what the officer may see.
pub(crate) async fn enter(tx: &mut PgConnection, officer: &Officer) -> Result<Scope, Error> {
    let scope = store::scope_of(tx, officer).await?;
    let scope = scope.ok_or_else(|| not_appointed(officer))?;
    store::set_scope(tx, scope).await?;
    Ok(scope)
}

/// The person with the number, as far as the transaction may see them.
pub(crate) async fn person_with(
    tx: &mut PgConnection,
    keys: &Keys,
    number: &CitizenNumber,
) -> Result<PersonNo, Error> {
    let index = keys.index(Field::CitizenNumber, number.expose());
    let found = store::persons_by_index(tx, &[&index.as_bytes()[..]]).await?;
    let found = found.first().map(|(_, person_no)| *person_no);
    Ok(found.ok_or_else(linking::person_unknown)?)
}

/// Who asked for a link decides nothing about it.
fn not_by_who_asked(officer: &Officer, link: &Link) -> Result<(), Error> {
    if link.changed_by.as_deref() != Some(officer.as_str()) {
        return Ok(());
    }
    let detail = format!("{officer} asked for this link and may not decide about it");
    Err(Problem::new(403, "same_person", detail).into())
}

fn hold_reason(kind: &str) -> HoldReason {
    match kind {
        "shared_account" => HoldReason::SharedAccount,
        _ => HoldReason::Suspicion,
    }
}

fn not_appointed(officer: &Officer) -> Problem {
    let detail = format!("{officer} is not appointed for this");
    Problem::new(403, "officer_not_appointed", detail)
}

fn review_decided(number: i64) -> Problem {
    let detail = format!("review {number} is decided already");
    Problem::new(409, "review_decided", detail)
}

fn review_unknown(number: i64) -> Problem {
    Problem::new(
        404,
        "review_unknown",
        format!("there is no review {number}"),
    )
}

/// A reason is words, and short enough to be read.
fn reasoned(reason: &str) -> Result<(), Error> {
    if (3..=300).contains(&reason.trim().chars().count()) {
        return Ok(());
    }
    let detail = "a reason of 3 to 300 characters is needed";
    Err(Problem::new(422, "reason_missing", detail).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_words() {
        for (reason, is) in [("", false), ("  a ", false), ("đơn số 7", true)] {
            assert_eq!(reasoned(reason).is_ok(), is, "{reason:?}");
        }
        assert!(reasoned(&"x".repeat(301)).is_err());
    }
}

use approval::KeyStatement;
use chrono::{DateTime, Utc};
use messaging::{NewKey, Problem};
use serde_json::{Value, json};
use sqlx::PgConnection;

use crate::Error;
use crate::command::{
    ConfirmOrganisationKey, EndKey, EndOrganisationKey, RegisterKey, RegisterOrganisationKey,
};
use crate::matter::{self, decide};

/// A key becomes the one by which its officer signs, in the place of a former one. Its officer has
/// shown to hold it; another one has seen whose it is.
pub(super) async fn on_register_key(
    tx: &mut PgConnection,
    command: RegisterKey,
    now: DateTime<Utc>,
) -> Result<Value, Error> {
    let RegisterKey {
        officer,
        owner,
        public_key,
        proof,
    } = command;
    if officer == owner {
        let detail = format!("{owner} registers no key of their own; another officer does");
        return Err(Problem::new(403, "same_person", detail).into());
    }
    let statement = KeyStatement {
        officer: owner.clone(),
        public_key,
    };
    let key = statement.proven(&proof)?;
    let former = approval::key_of(tx, &owner).await?;
    if !approval::insert_key(tx, (&owner, &key), &officer, now).await? {
        let detail = "the key is registered already; a key is used once";
        return Err(Problem::new(409, "key_known", detail).into());
    }
    if let Some(former) = former {
        approval::end_key(tx, former.key_no, (&officer, "replaced"), now).await?;
    }
    Ok(json!({ "officer": owner, "public_key": statement.public_key }))
}

/// A key that is lost, or of somebody who left: by whoever notices, also its officer.
pub(super) async fn on_end_key(
    tx: &mut PgConnection,
    command: EndKey,
    now: DateTime<Utc>,
) -> Result<Value, Error> {
    if command.reason.trim().is_empty() {
        return Err(Problem::new(422, "reason_missing", "a key ends for a reason").into());
    }
    let key = approval::key_of(tx, &command.owner).await?;
    let key = key.ok_or_else(|| {
        let detail = format!("no key of {} is registered", command.owner);
        Problem::new(404, "key_unknown", detail)
    })?;
    approval::end_key(tx, key.key_no, (&command.officer, &command.reason), now).await?;
    Ok(json!({ "officer": command.owner, "ended": hex::encode(key.public_key) }))
}

/// A key by which an organisation is to sign what it says, the state's or a bank's.
pub(super) async fn on_register_organisation_key(
    tx: &mut PgConnection,
    command: RegisterOrganisationKey,
    now: DateTime<Utc>,
) -> Result<Value, Error> {
    let organisation = command.organisation.parse();
    let organisation = organisation
        .map_err(|it: domain::Refusal| Problem::new(422, it.code, it.sentence.clone()))?;
    let key = NewKey {
        organisation,
        // What is no hex has no length either.
        public_key: hex::decode(&command.public_key).unwrap_or_default(),
        valid_from: command.valid_from.unwrap_or(now),
    };
    let key_no = messaging::register_key(tx, &key, &command.officer, now).await?;
    Ok(json!({
        "key_no": key_no, "organisation": organisation.to_string(),
        "public_key": command.public_key, "valid_from": key.valid_from,
    }))
}

pub(super) async fn on_confirm_organisation_key(
    tx: &mut PgConnection,
    command: ConfirmOrganisationKey,
    must_sign: bool,
    now: DateTime<Utc>,
) -> Result<Value, Error> {
    let ConfirmOrganisationKey {
        officer,
        key_no,
        signature,
    } = command;
    let known = messaging::organisation_key(tx, key_no).await?;
    let confirmed = messaging::confirm_key(tx, key_no, &officer, now).await?;
    // Confirmed twice is confirmed once, by whoever came first.
    if let Some(known) = known.filter(|it| it.confirmed_by.is_none()) {
        let decision = matter::of_organisation_key(&known)?.decision(true, None, &officer);
        decide(tx, &decision, (signature.as_deref(), must_sign), now).await?;
    }
    Ok(json!(confirmed))
}

pub(super) async fn on_end_organisation_key(
    tx: &mut PgConnection,
    command: EndOrganisationKey,
    now: DateTime<Utc>,
) -> Result<Value, Error> {
    let ended_at = command.ended_at.unwrap_or(now);
    let why = (&command.officer, &command.reason[..]);
    Ok(json!(
        messaging::end_key(tx, command.key_no, ended_at, why, now).await?
    ))
}

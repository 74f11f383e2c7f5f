use std::sync::Arc;

use chrono::{DateTime, Utc};
use domain::CitizenNumber;
use domain::PersonNo;
use identity::{Citizen, Port};
use messaging::{Problem, Signers};
use names::Verdict;
use privacy::{Access, Field, Keys, Purpose, Role};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use sqlx::PgConnection;

use crate::command::{CloseSession, OpenSession, RequestData, RequestLink, Unlink};
use crate::link::{Kind, LinkId, Source, account_at};
use crate::linking::{self, Wanted};
use crate::settings::Terms;
use crate::store::{self, Scope};
use crate::{Error, SERVICE};

/// What citizens may do, each for themselves.
///
/// The register trusts no door: the identity provider's signature is verified here.
pub(crate) struct CitizenDoor {
    /// VNeID; none where none is set up.
    pub identity: Option<Arc<Port>>,
    pub keys: Arc<Keys>,
    pub terms: Terms,
}

/// Characters of what a person writes with a request.
const DETAIL_MAX: usize = 2_000;

/// Characters of a session's token: 32 bytes as base64url, or more.
const SESSION_LENGTH_MIN: usize = 43;

impl CitizenDoor {
    /// A proof of identity opens one session of the person whom it names.
    pub async fn open_session(
        &self,
        tx: &mut PgConnection,
        command: OpenSession,
        now: DateTime<Utc>,
    ) -> Result<Value, Error> {
        let citizen = self.shown(&command, now).await?;
        if command.session.0.len() < SESSION_LENGTH_MIN {
            let detail = "a session is at least 32 random bytes as base64url";
            return Err(Problem::new(422, "session_invalid", detail).into());
        }
        if !store::use_token(tx, &hash(&command.id_token.0), now).await? {
            let detail = "Phiên đăng nhập này đã được dùng. Vui lòng đăng nhập lại bằng VNeID.";
            return Err(Problem::new(401, "identity_token_used", detail).into());
        }
        let person_no = self.person_of(tx, &citizen).await?;
        if let Some(old) = &citizen.old_number {
            let index = self.keys.index(Field::CitizenNumber, old.expose());
            store::insert_old_number(tx, person_no, index, now).await?;
        }
        let place = person_no.0.to_be_bytes();
        let number = citizen.number.expose();
        let sealed = self.keys.seal(Field::CitizenNumber, &place, number);
        let expires_at = now + self.terms.session;
        let hash = hash(&command.session.0);
        store::insert_session(tx, &hash, (person_no, &sealed), expires_at, now).await?;
        Ok(json!({ "expires_at": expires_at }))
    }

    /// Who the identity provider says it is. Its keys are at hand, but for a change of keys.
    async fn shown(&self, command: &OpenSession, now: DateTime<Utc>) -> Result<Citizen, Problem> {
        let refused = |it: identity::Error| Problem::new(it.status(), it.code(), it.vietnamese());
        let none = || refused(identity::Error::Settings("none are set".to_owned()));
        let port = self.identity.as_ref().ok_or_else(none)?;
        let provider = port.provider().await.map_err(refused)?;
        let citizen = provider
            .verify_fresh(&command.id_token.0, &command.nonce.0, now)
            .await;
        citizen.map_err(refused)
    }

    /// The person of the register with the number that was shown, whose name and day of birth
    /// must be the ones that were shown too.
    async fn person_of(&self, tx: &mut PgConnection, citizen: &Citizen) -> Result<PersonNo, Error> {
        let index = self
            .keys
            .index(Field::CitizenNumber, citizen.number.expose());
        let found = store::persons_by_index(tx, &[&index.as_bytes()[..]]).await?;
        let (_, person_no) = found.first().ok_or_else(linking::person_unknown)?;
        let person = store::person(tx, *person_no).await?;
        let person = person.ok_or_else(linking::person_unknown)?;
        let place = person_no.0.to_be_bytes();
        let name = self
            .keys
            .open(Field::PersonName, &place, &person.name_sealed)?;
        let same_name =
            names::compare(name.expose(), citizen.name.expose()).verdict == Verdict::Same;
        // Papers that know the year alone say no more than the year.
        let shown = citizen.birth_date.to_iso();
        let same_birth = person.birth_date.as_ref().is_none_or(|it| {
            let known = it.len().min(shown.len());
            it.get(..known) == shown.get(..known)
        });
        if same_name && same_birth {
            return Ok(*person_no);
        }
        let detail = "Họ tên hoặc ngày sinh trên VNeID khác với danh sách người hưởng. \
                      Vui lòng liên hệ Ủy ban nhân dân cấp xã.";
        Err(Problem::new(409, "identity_differs", detail).into())
    }

    pub async fn close_session(
        &self,
        tx: &mut PgConnection,
        command: CloseSession,
        now: DateTime<Utc>,
    ) -> Result<Value, Error> {
        store::close_session(tx, &hash(&command.session.0), now).await?;
        Ok(json!({ "closed": true }))
    }

    pub async fn request_link(
        &self,
        tx: &mut PgConnection,
        command: RequestLink,
        now: DateTime<Utc>,
    ) -> Result<Value, Error> {
        let (person_no, sealed) = session(tx, &command.session.0, now).await?;
        let account = account_at(&command.institution, &command.account_number.0);
        let (institution, channel, account) = account.map_err(|(_, it)| it)?;
        let place = person_no.0.to_be_bytes();
        let number = self.keys.open(Field::CitizenNumber, &place, &sealed)?;
        let citizen_number: CitizenNumber = number.expose().parse()?;
        let wanted = Wanted {
            person_no,
            kind: Kind::Ssa,
            institution,
            channel,
            account,
            citizen_number,
            source: Source::Citizen,
            changed_by: None,
            basis: None,
        };
        let requested = linking::request(tx, &self.keys, self.terms, wanted, now).await?;
        let (link, state, said) = requested;
        messaging::append_signed(tx, &Signers::of_state(&self.keys), said, now).await?;
        Ok(json!({ "link": link, "state": state.as_str() }))
    }

    pub async fn unlink(
        &self,
        tx: &mut PgConnection,
        command: Unlink,
        now: DateTime<Utc>,
    ) -> Result<Value, Error> {
        let (person_no, _) = session(tx, &command.session.0, now).await?;
        let link = own(person_no, command.link)?;
        let (state, said) = linking::unlink(tx, self.terms, link, "citizen", now).await?;
        messaging::append(tx, said, now).await?;
        Ok(json!({ "link": link, "state": state.as_str() }))
    }

    pub async fn request_data(
        &self,
        tx: &mut PgConnection,
        command: RequestData,
        now: DateTime<Utc>,
    ) -> Result<Value, Error> {
        let (person_no, _) = session(tx, &command.session.0, now).await?;
        let received_on = boot::clock::today_in_vietnam(now);
        let deadlines = command.kind.deadlines(received_on)?;
        let place = person_no.0.to_be_bytes();
        let detail = command.detail.filter(|it| !it.0.is_empty());
        if detail
            .as_ref()
            .is_some_and(|it| it.0.chars().count() > DETAIL_MAX)
        {
            let detail = format!("Nội dung dài quá {DETAIL_MAX} ký tự.");
            return Err(Problem::new(422, "detail_too_long", detail).into());
        }
        let detail = detail.map(|it| self.keys.seal(Field::Statement, &place, &it.0));
        let kind = (command.kind.as_str(), detail.as_ref());
        let request_no =
            store::insert_request(tx, person_no, kind, received_on, deadlines, now).await?;
        Ok(json!({
            "request_no": request_no,
            "acknowledge_by": deadlines.acknowledge_by,
            "answer_by": deadlines.answer_by,
        }))
    }
}

/// Whose open session this is. The look itself is logged as the person's own.
pub(crate) async fn session(
    tx: &mut PgConnection,
    session: &str,
    now: DateTime<Utc>,
) -> Result<(PersonNo, privacy::Sealed), Error> {
    store::set_scope(tx, Scope::Nation).await?;
    let found = store::session(tx, &hash(session), now).await?;
    found.ok_or_else(|| {
        let detail = "Phiên làm việc đã hết hạn. Vui lòng đăng nhập lại bằng VNeID.";
        Problem::new(401, "session_expired", detail).into()
    })
}

/// A citizen reads their own data, which is logged like any other look.
pub(crate) async fn own_access(
    tx: &mut PgConnection,
    person_no: PersonNo,
    fields: &[Field],
    now: DateTime<Utc>,
) -> Result<privacy::Granted, Error> {
    let actor = format!("person-{}", person_no.0);
    let access = Access {
        actor: &actor,
        role: Role::Citizen,
        purpose: Purpose::OwnData,
        case_ref: None,
        person_no,
        fields,
        unmasked: false,
    };
    Ok(privacy::record(tx, &access, SERVICE, now).await?)
}

/// A link of somebody else does not exist for who asks.
fn own(person_no: PersonNo, link: LinkId) -> Result<LinkId, Error> {
    if link.person_no == person_no {
        return Ok(link);
    }
    Err(linking::link_unknown(link).into())
}

fn hash(text: &str) -> [u8; 32] {
    Sha256::digest(text).into()
}

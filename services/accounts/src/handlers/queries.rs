use std::sync::Arc;

use chrono::{DateTime, Utc};
use domain::PersonNo;
use messaging::{Problem, Query, QueryHandler};
use privacy::{Access, Account, Field, Granted, Keys, Masked, Name, Purpose, Role};
use serde_json::{Value, json};
use sqlx::PgConnection;

use super::citizen::{own_access, session};
use super::commands::body;
use super::officer::{enter, person_with};
use crate::command::{Mine, MyAccessLog, PaidAtQuery, Queue, ShowPerson, ShowRequest};
use crate::destination::Candidate;
use crate::link::Link;
use crate::refusal::RefusalCode;
use crate::store::{self, RequestRow, ReviewRow, Scope};
use crate::{Error, SERVICE, linking};

/// Answers the questions `accounts.get.*`. Whoever sees a person is in that person's log.
pub(crate) struct OnQuery {
    pub keys: Arc<Keys>,
}

/// Rows of a page.
const PAGE: u32 = 50;

impl QueryHandler for OnQuery {
    type Error = Error;

    async fn answer(
        &self,
        tx: &mut PgConnection,
        query: &Query,
        now: DateTime<Utc>,
    ) -> Result<Value, Error> {
        store::set_scope(tx, Scope::Nation).await?;
        match &query.name[..] {
            "my-links" => self.my_links(tx, body(&query.body)?, now).await,
            "my-access-log" => my_access_log(tx, body(&query.body)?, now).await,
            "my-requests" => my_requests(tx, body(&query.body)?, now).await,
            "person" => self.person(tx, body(&query.body)?, now).await,
            "paid-at" => paid_at(tx, body(&query.body)?, now).await,
            "reviews" => reviews(tx, body(&query.body)?).await,
            "requests" => requests(tx, body(&query.body)?).await,
            "request" => self.request(tx, body(&query.body)?, now).await,
            _ => {
                let detail = format!("accounts knows no question {}", query.name);
                Err(Problem::new(404, "query_unknown", detail).into())
            }
        }
    }
}

impl OnQuery {
    async fn my_links(
        &self,
        tx: &mut PgConnection,
        query: Mine,
        now: DateTime<Utc>,
    ) -> Result<Value, Error> {
        let (person_no, _) = session(tx, &query.session.0, now).await?;
        let granted = own_access(tx, person_no, &[Field::BankAccount], now).await?;
        let links = store::links_of(tx, &[person_no]).await?;
        let channels = store::channels_of(tx, person_no.part(), &[person_no]).await?;
        let candidates = channels.get(&person_no).map(|it| &it.candidates[..]);
        let candidates = candidates.unwrap_or_default();
        let shown: Result<Vec<Value>, Error> = links
            .iter()
            .map(|it| self.link(it, candidates, &granted))
            .collect();
        // Cash needs no link, and nobody is without it.
        Ok(json!({ "links": shown?, "then": ["cash"] }))
    }

    /// A link as its owner, or an officer without need of more, sees it.
    fn link(
        &self,
        link: &Link,
        candidates: &[Candidate],
        granted: &Granted,
    ) -> Result<Value, Error> {
        let place = link.id.person_no.0.to_be_bytes();
        let account: Masked<Account> = granted.mask(&self.keys, &place, &link.account_sealed)?;
        let active = candidates.iter().find(|it| {
            it.account_index == link.account_index && it.institution == link.institution
        });
        let name = link.institution.info().map(|it| it.name);
        Ok(json!({
            "link": link.id,
            "kind": link.kind,
            "institution": link.institution,
            "institution_name": name,
            "account": account,
            "state": link.state.as_str(),
            "code": link.state.code().map(RefusalCode::as_str),
            "sentence": link.state.sentence_vi(),
            "since": link.since,
            "payable_from": active.and_then(|it| it.payable_from),
        }))
    }

    /// A person's page: masked, or in the clear for a purpose; logged in either case.
    async fn person(
        &self,
        tx: &mut PgConnection,
        query: ShowPerson,
        now: DateTime<Utc>,
    ) -> Result<Value, Error> {
        enter(tx, &query.officer).await?;
        let purpose = Purpose::from_code(&query.purpose).ok_or_else(|| {
            let known = Purpose::ALL.map(Purpose::code).join(", ");
            Problem::new(
                422,
                "purpose_unknown",
                format!("a purpose is one of {known}"),
            )
        })?;
        let person_no = self.found(tx, &query).await?;
        let fields = [Field::PersonName, Field::BankAccount];
        let access = Access {
            actor: query.officer.as_str(),
            role: Role::Officer,
            purpose,
            case_ref: query.case_ref.as_deref(),
            person_no,
            fields: &fields,
            unmasked: query.unmask,
        };
        let granted = privacy::record(tx, &access, SERVICE, now).await?;
        let person = store::person(tx, person_no).await?;
        let person = person.ok_or_else(linking::person_unknown)?;
        let place = person_no.0.to_be_bytes();
        let name: Masked<Name> = granted.mask(&self.keys, &place, &person.name_sealed)?;
        let links = store::links_of(tx, &[person_no]).await?;
        let channels = store::channels_of(tx, person_no.part(), &[person_no]).await?;
        let candidates = channels.get(&person_no).map(|it| &it.candidates[..]);
        let mut shown = Vec::with_capacity(links.len());
        for link in &links {
            let mut row = self.link(link, candidates.unwrap_or_default(), &granted)?;
            row["changed_by"] = json!(link.changed_by);
            if query.unmask {
                let field = Field::BankAccount;
                let clear = granted.open(&self.keys, field, &place, &link.account_sealed)?;
                row["account"] = json!(clear.expose());
            }
            shown.push(row);
        }
        let name = if query.unmask {
            name.unmask(&granted)?.to_owned()
        } else {
            name.to_string()
        };
        let steps = store::steps_of(tx, person_no).await?;
        let history = steps.iter().map(|it| {
            json!({
                "link": it.link, "kind": it.kind, "institution": it.institution,
                "step": it.step, "state": it.state, "code": it.code, "actor": it.actor,
                "valid_from": it.valid_from, "recorded_at": it.recorded_at,
            })
        });
        Ok(json!({
            "person": person_no,
            "name": name,
            "province": person.province,
            "links": shown,
            "history": history.collect::<Vec<Value>>(),
            "access": granted.entry_no(),
        }))
    }

    /// A request with what the person wrote.
    async fn request(
        &self,
        tx: &mut PgConnection,
        query: ShowRequest,
        now: DateTime<Utc>,
    ) -> Result<Value, Error> {
        enter(tx, &query.officer).await?;
        let found = store::requests(tx, None, Some(query.request), 1).await?;
        let row = found.first().ok_or_else(|| {
            let detail = format!("there is no request {}", query.request);
            Problem::new(404, "request_unknown", detail)
        })?;
        let access = Access {
            actor: query.officer.as_str(),
            role: Role::Officer,
            purpose: Purpose::DataSubjectRequest,
            case_ref: None,
            person_no: row.person_no,
            fields: &[Field::Statement],
            unmasked: true,
        };
        let granted = privacy::record(tx, &access, SERVICE, now).await?;
        let place = row.person_no.0.to_be_bytes();
        let open = |it| granted.open(&self.keys, Field::Statement, &place, it);
        let detail = row.detail_sealed.as_ref().map(open).transpose()?;
        let mut told = request(row);
        told["person"] = json!(row.person_no);
        told["detail"] = json!(detail.as_ref().map(privacy::Secret::expose));
        Ok(told)
    }

    async fn found(&self, tx: &mut PgConnection, query: &ShowPerson) -> Result<PersonNo, Error> {
        match (&query.citizen_number, query.person) {
            (Some(number), None) => person_with(tx, &self.keys, &number.0.parse()?).await,
            (None, Some(person_no)) => match store::person(tx, person_no).await? {
                Some(person) => Ok(person.person_no),
                None => Err(linking::person_unknown().into()),
            },
            _ => {
                let detail = "a person is named by a citizen number or by the register's number";
                Err(Problem::new(422, "person_unclear", detail).into())
            }
        }
    }
}

async fn my_access_log(
    tx: &mut PgConnection,
    query: MyAccessLog,
    now: DateTime<Utc>,
) -> Result<Value, Error> {
    let (person_no, _) = session(tx, &query.session.0, now).await?;
    let rows = privacy::accesses_of(tx, person_no, query.before, PAGE).await?;
    let whole = rows.len() == PAGE as usize;
    let next = rows.last().filter(|_| whole).map(|it| it.entry_no);
    let entries = rows.iter().map(|it| {
        json!({
            "entry": it.entry_no,
            "at": it.recorded_at,
            "role": it.role.code(),
            "role_vi": it.role.vi(),
            "actor": it.actor,
            "purpose": it.purpose.code(),
            "purpose_vi": it.purpose.vi(),
            "fields": it.fields.iter().map(|it| it.name()).collect::<Vec<&str>>(),
            "unmasked": it.unmasked,
        })
    });
    Ok(json!({ "entries": entries.collect::<Vec<Value>>(), "next": next }))
}

async fn my_requests(
    tx: &mut PgConnection,
    query: Mine,
    now: DateTime<Utc>,
) -> Result<Value, Error> {
    let (person_no, _) = session(tx, &query.session.0, now).await?;
    let rows = store::requests(tx, Some(person_no), None, i64::from(PAGE)).await?;
    Ok(json!({ "requests": rows.iter().map(request).collect::<Vec<Value>>() }))
}

/// What the register knew, or knows, of where somebody was paid.
async fn paid_at(
    tx: &mut PgConnection,
    query: PaidAtQuery,
    now: DateTime<Utc>,
) -> Result<Value, Error> {
    enter(tx, &query.officer).await?;
    let access = Access {
        actor: query.officer.as_str(),
        role: Role::Officer,
        purpose: Purpose::PaymentEnquiry,
        case_ref: None,
        person_no: query.person,
        fields: &[],
        unmasked: false,
    };
    if store::person(tx, query.person).await?.is_none() {
        return Err(linking::person_unknown().into());
    }
    privacy::record(tx, &access, SERVICE, now).await?;
    let known = query.known.unwrap_or(now);
    let paid = store::paid_at(tx, query.person, query.about, known).await?;
    Ok(match paid {
        None => json!({ "person": query.person, "channel": "cash" }),
        Some(it) => json!({
            "person": query.person, "link": it.link, "kind": it.kind, "channel": it.channel,
            "institution": it.institution, "since": it.since, "recorded_at": it.recorded_at,
        }),
    })
}

async fn reviews(tx: &mut PgConnection, query: Queue) -> Result<Value, Error> {
    enter(tx, &query.officer).await?;
    let rows = store::open_reviews_page(tx, None, i64::from(PAGE)).await?;
    Ok(json!({ "reviews": rows.iter().map(review).collect::<Vec<Value>>() }))
}

async fn requests(tx: &mut PgConnection, query: Queue) -> Result<Value, Error> {
    enter(tx, &query.officer).await?;
    let rows = store::requests(tx, None, None, i64::from(PAGE)).await?;
    Ok(json!({ "requests": rows.iter().map(request).collect::<Vec<Value>>() }))
}

fn review(row: &ReviewRow) -> Value {
    json!({
        "review": row.review_no, "kind": row.kind, "link": row.link, "detail": row.detail,
        "opened_at": row.opened_at, "due_at": row.due_at,
    })
}

fn request(row: &RequestRow) -> Value {
    json!({
        "request_no": row.request_no, "kind": row.kind, "received_on": row.received_on,
        "acknowledge_by": row.acknowledge_by, "answer_by": row.answer_by, "state": row.state,
    })
}

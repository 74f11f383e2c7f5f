//! What the door asks of accounts, and what it is answered. The register decides; the door carries.

use std::fmt;
use std::str::FromStr;

use async_nats::Client;
use chrono::{DateTime, NaiveDate, Utc};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::refusal::{Reason, Refusal, not_understood};
use crate::session::Session;

const SERVICE: &str = "accounts";

/// What accounts calls a thing: a number or a word. The door hands it back as it came.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub(crate) enum Reference {
    Number(i64),
    Word(String),
}

/// Where a person is paid, in the order in which it is tried.
#[derive(Serialize, Deserialize, ToSchema)]
pub(crate) struct Links {
    pub links: Vec<Link>,
    /// Where the money goes when no link can be used.
    #[serde(default)]
    pub then: Value,
}

#[derive(Serialize, Deserialize, ToSchema)]
pub(crate) struct Link {
    pub link: Reference,
    /// `ssa` or `benefit_account`.
    pub kind: String,
    /// BIN of the institution.
    pub institution: Value,
    pub institution_name: String,
    /// Masked: the last four digits.
    #[schema(example = "•••• 6789")]
    pub account: String,
    /// `requested`, `pending`, `linked`, `refused`, `expired`, `suspended`, `replaced` or `unlinked`.
    pub state: String,
    /// Why, for what did not go well: a stable code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// The same as a Vietnamese sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sentence: Option<String>,
    pub since: DateTime<Utc>,
    /// From when money is sent to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payable_from: Option<DateTime<Utc>>,
}

/// A wish to be paid at an account of one's own.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct LinkRequest {
    /// BIN of the institution.
    #[schema(example = "970436", max_length = 20)]
    pub institution: String,
    #[schema(max_length = 40)]
    pub account_number: String,
}

/// Where a link stands after what was asked.
#[derive(Serialize, Deserialize, ToSchema)]
pub(crate) struct LinkState {
    pub link: Reference,
    pub state: String,
}

/// Who looked at a person's data, the latest first.
#[derive(Serialize, Deserialize, ToSchema)]
pub(crate) struct AccessLog {
    pub entries: Vec<Access>,
    /// `before` of the next page; absent on the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<Reference>,
}

#[derive(Serialize, Deserialize, ToSchema)]
pub(crate) struct Access {
    pub entry: Reference,
    pub at: DateTime<Utc>,
    pub role: String,
    pub actor: String,
    pub purpose: String,
    /// The purpose as a Vietnamese sentence.
    pub purpose_vi: String,
    pub fields: Vec<String>,
    /// Whether it was seen in full.
    pub unmasked: bool,
}

/// What a person may ask for about their data (Law 91/2025/QH15, Article 4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RequestKind {
    View,
    Copy,
    Correct,
    Restrict,
    Object,
    Withdraw,
    Delete,
}

#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct DataRequest {
    pub kind: RequestKind,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 2000)]
    pub detail: Option<String>,
}

/// A request that was taken, and until when it is dealt with.
#[derive(Serialize, Deserialize, ToSchema)]
pub(crate) struct Receipt {
    pub request_no: Reference,
    /// The law counts days.
    pub acknowledge_by: NaiveDate,
    pub answer_by: NaiveDate,
}

#[derive(Serialize, Deserialize, ToSchema)]
pub(crate) struct DataRequests {
    pub requests: Vec<AskedRequest>,
}

#[derive(Serialize, Deserialize, ToSchema)]
pub(crate) struct AskedRequest {
    pub request_no: Reference,
    pub kind: RequestKind,
    pub state: String,
    pub received_on: NaiveDate,
    /// The law counts days.
    pub acknowledge_by: NaiveDate,
    pub answer_by: NaiveDate,
    /// What was answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<String>,
}

#[derive(Deserialize)]
struct Opened {
    expires_at: DateTime<Utc>,
}

/// Accounts, asked for one citizen.
#[derive(Debug, Clone)]
pub(crate) struct Accounts {
    nats: Client,
}

impl Accounts {
    pub(crate) fn new(nats: Client) -> Accounts {
        Accounts { nats }
    }

    /// Opens a session for whom the ID token names; says until when it lasts.
    pub(crate) async fn open_session(
        &self,
        session: &Session,
        id_token: &str,
        nonce: &str,
    ) -> Result<DateTime<Utc>, Refusal> {
        let body = json!({"session": session.expose(), "id_token": id_token, "nonce": nonce});
        let opened: Opened = self
            .ask("open-session", &session.key("open"), &body)
            .await?;
        Ok(opened.expires_at)
    }

    pub(crate) async fn close_session(&self, session: &Session) -> Result<(), Refusal> {
        let body = json!({"session": session.expose()});
        let key = session.key("close");
        let _: Value = self.ask("close-session", &key, &body).await?;
        Ok(())
    }

    pub(crate) async fn links(&self, session: &Session) -> Result<Links, Refusal> {
        self.inquire("my-links", &json!({"session": session.expose()}))
            .await
    }

    pub(crate) async fn request_link(
        &self,
        session: &Session,
        key: &str,
        wish: &LinkRequest,
    ) -> Result<LinkState, Refusal> {
        bounded(&wish.institution, 20)?;
        bounded(&wish.account_number, 40)?;
        let body = json!({
            "session": session.expose(),
            "institution": wish.institution,
            "account_number": wish.account_number,
        });
        self.ask("request-link", &session.key(key), &body).await
    }

    pub(crate) async fn unlink(
        &self,
        session: &Session,
        key: &str,
        link: &Reference,
    ) -> Result<LinkState, Refusal> {
        let body = json!({"session": session.expose(), "link": link});
        self.ask("unlink", &session.key(key), &body).await
    }

    pub(crate) async fn access_log(
        &self,
        session: &Session,
        before: Option<&Reference>,
    ) -> Result<AccessLog, Refusal> {
        let mut body = json!({"session": session.expose()});
        if let Some(before) = before {
            body["before"] = json!(before);
        }
        self.inquire("my-access-log", &body).await
    }

    pub(crate) async fn requests(&self, session: &Session) -> Result<DataRequests, Refusal> {
        self.inquire("my-requests", &json!({"session": session.expose()}))
            .await
    }

    pub(crate) async fn request_data(
        &self,
        session: &Session,
        key: &str,
        request: &DataRequest,
    ) -> Result<Receipt, Refusal> {
        let mut body = json!({"session": session.expose(), "kind": request.kind});
        if let Some(detail) = &request.detail {
            bounded(detail, 2000)?;
            body["detail"] = json!(detail);
        }
        self.ask("request-data", &session.key(key), &body).await
    }

    async fn ask<T: DeserializeOwned>(
        &self,
        command: &str,
        key: &str,
        body: &Value,
    ) -> Result<T, Refusal> {
        understood(messaging::ask(&self.nats, SERVICE, command, key, body).await?)
    }

    async fn inquire<T: DeserializeOwned>(&self, query: &str, body: &Value) -> Result<T, Refusal> {
        understood(messaging::inquire(&self.nats, SERVICE, query, body).await?)
    }
}

fn understood<T: DeserializeOwned>(answer: Value) -> Result<T, Refusal> {
    serde_json::from_value(answer).map_err(|it| not_understood(&it))
}

fn bounded(text: &str, characters_max: usize) -> Result<(), Refusal> {
    let bounded = (1..=characters_max).contains(&text.chars().count());
    bounded.then_some(()).ok_or(Reason::Invalid.into())
}

/// From a path or a query: digits are a number, letters and digits with `-` and `_` a word.
impl FromStr for Reference {
    type Err = Reason;

    fn from_str(text: &str) -> Result<Reference, Reason> {
        if let Ok(number) = text.parse() {
            return Ok(Reference::Number(number));
        }
        let plain = |it: u8| it.is_ascii_alphanumeric() || it == b'-' || it == b'_';
        if (1..=64).contains(&text.len()) && text.bytes().all(plain) {
            return Ok(Reference::Word(text.to_owned()));
        }
        Err(Reason::NotFound)
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reference::Number(it) => it.fmt(f),
            Reference::Word(it) => it.fmt(f),
        }
    }
}

//! A citizen's pages, made here and complete without a script.

use askama::Template;
use axum::Form;
use axum::extract::rejection::{FormRejection, QueryRejection};
use axum::extract::{FromRequest, Path, Query, Request, State};
use axum::http::header::CONTENT_LANGUAGE;
use axum::response::{Html, IntoResponse, Redirect, Response};
use domain::{Channel, Institution, InstitutionInfo};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use uuid::Uuid;

use crate::accounts::{
    AccessLog, DataRequest, DataRequests, Link, LinkRequest, Links, Reference, RequestKind,
};
use crate::door::Served;
use crate::language::Language;
use crate::refusal::{Reason, Refusal};
use crate::session::Session;
use crate::words;

#[derive(Template)]
#[template(path = "welcome.html")]
struct Welcome;

#[derive(Template)]
#[template(path = "home.html")]
struct Home {
    links: Links,
    log: AccessLog,
    requests: DataRequests,
    institutions: Vec<&'static InstitutionInfo>,
    form_token: String,
    /// One for each form of the page: sent twice, it is done once.
    keys: [String; 3],
    done: Option<&'static str>,
}

#[derive(Template)]
#[template(path = "access_log.html")]
struct Log {
    log: AccessLog,
}

/// A refusal as a page.
#[derive(Template)]
#[template(path = "refusal.html")]
pub(crate) struct RefusalPage<'a> {
    sentence: String,
    code: &'a str,
    request_id: &'a str,
    login: bool,
}

/// What was done just now; anything else says nothing.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct Done {
    done: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct Before {
    before: Option<String>,
}

/// A form of a page of ours, refused without the parser's words.
pub(crate) struct Sent<T>(T);

#[derive(Deserialize)]
pub(crate) struct LinkForm {
    form_token: String,
    key: String,
    institution: String,
    account_number: String,
}

#[derive(Deserialize)]
pub(crate) struct UnlinkForm {
    form_token: String,
    key: String,
}

#[derive(Deserialize)]
pub(crate) struct RequestForm {
    form_token: String,
    key: String,
    kind: RequestKind,
    #[serde(default)]
    detail: String,
}

pub(crate) async fn home(
    State(Served(door)): State<Served>,
    session: Option<Session>,
    done: Result<Query<Done>, QueryRejection>,
) -> Result<Response, Refusal> {
    let Some(session) = session else {
        return Ok(shown(&Welcome));
    };
    let (links, log, requests) = tokio::try_join!(
        door.accounts.links(&session),
        door.accounts.access_log(&session, None),
        door.accounts.requests(&session),
    )?;
    let Query(done) = done.unwrap_or_default();
    Ok(shown(&Home {
        links,
        log,
        requests,
        institutions: Institution::connected()
            .filter(|it| it.channel != Channel::Cash)
            .collect(),
        form_token: session.form_token(),
        keys: std::array::from_fn(|_| Uuid::now_v7().to_string()),
        done: match &done.done[..] {
            "link" => Some("Đã gửi yêu cầu liên kết. Ngân hàng sẽ xác nhận chủ tài khoản."),
            "unlink" => Some("Đã hủy liên kết tài khoản."),
            "request" => Some("Đã nhận yêu cầu về dữ liệu của bạn."),
            _ => None,
        },
    }))
}

pub(crate) async fn access_log(
    State(Served(door)): State<Served>,
    session: Session,
    page: Result<Query<Before>, QueryRejection>,
) -> Result<Response, Refusal> {
    let Query(page) = page.unwrap_or_default();
    let before = page.before.map(|it| it.parse::<Reference>()).transpose()?;
    let log = door.accounts.access_log(&session, before.as_ref()).await?;
    Ok(shown(&Log { log }))
}

pub(crate) async fn request_link(
    State(Served(door)): State<Served>,
    session: Session,
    Sent(form): Sent<LinkForm>,
) -> Result<Redirect, Refusal> {
    session.check_form_token(&form.form_token)?;
    let wish = LinkRequest {
        institution: form.institution,
        // As people write it.
        account_number: form.account_number.replace(' ', ""),
    };
    door.accounts
        .request_link(&session, &form.key, &wish)
        .await?;
    Ok(Redirect::to("/citizen?done=link"))
}

pub(crate) async fn unlink(
    State(Served(door)): State<Served>,
    session: Session,
    Path(link): Path<String>,
    Sent(form): Sent<UnlinkForm>,
) -> Result<Redirect, Refusal> {
    session.check_form_token(&form.form_token)?;
    let link: Reference = link.parse()?;
    door.accounts.unlink(&session, &form.key, &link).await?;
    Ok(Redirect::to("/citizen?done=unlink"))
}

pub(crate) async fn request_data(
    State(Served(door)): State<Served>,
    session: Session,
    Sent(form): Sent<RequestForm>,
) -> Result<Redirect, Refusal> {
    session.check_form_token(&form.form_token)?;
    let detail = form.detail.trim();
    let request = DataRequest {
        kind: form.kind,
        detail: (!detail.is_empty()).then(|| detail.to_owned()),
    };
    door.accounts
        .request_data(&session, &form.key, &request)
        .await?;
    Ok(Redirect::to("/citizen?done=request"))
}

impl Home {
    /// The account that the next money goes to.
    fn used(&self) -> Option<&Link> {
        self.links.links.iter().find(|it| it.state == "linked")
    }
}

impl<'a> RefusalPage<'a> {
    pub(crate) fn new(refusal: &'a Refusal, request_id: &'a str) -> RefusalPage<'a> {
        RefusalPage {
            sentence: refusal.sentence(Language::Vietnamese),
            code: refusal.code(),
            request_id,
            login: matches!(refusal.status().as_u16(), 401)
                || matches!(
                    refusal,
                    Refusal::Own(Reason::LoginLost | Reason::LoginDenied)
                ),
        }
    }
}

impl<T: DeserializeOwned> FromRequest<Served> for Sent<T> {
    type Rejection = Refusal;

    async fn from_request(request: Request, door: &Served) -> Result<Self, Refusal> {
        match Form::<T>::from_request(request, door).await {
            Ok(Form(form)) => Ok(Sent(form)),
            Err(FormRejection::FailedToDeserializeFormBody(_)) => Err(Reason::Invalid.into()),
            Err(other) => Err(Refusal::of_status(other.status())),
        }
    }
}

fn shown(page: &impl Template) -> Response {
    let page = page.render().expect("a page of ours renders");
    ([(CONTENT_LANGUAGE, "vi")], Html(page)).into_response()
}

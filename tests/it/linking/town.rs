//! A world whose citizens log in to VNeID's stand-in and ask for accounts.

use std::sync::Arc;

use accounts::{
    AppointOfficer, ChangeAccount, Kind, LinkId, Mine, OpenSession, RequestLink, Unlogged,
};
use anyhow::{Context, bail};
use boot::Settings;
use chrono::Datelike;
use messaging::{CommandError, Problem};
use privacy::Keys;
use sandbox::{Citizen, Vneid};
use serde::Serialize;
use serde_json::{Value, to_value};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::vneid;
use crate::world::{REGISTRY_HEADER, World, officer};

/// Decides; and asks for accounts, where nobody has to decide about them.
pub const REGISTRAR: &str = "nguyen.quan";
/// Asks for accounts.
pub const CLERK: &str = "le.an";

pub struct Town {
    pub world: World,
    pub issuer: String,
    stop: CancellationToken,
    vneid: JoinHandle<()>,
}

impl Town {
    /// All citizens of the stand-in are pensioners of Hà Nội, and an officer of the nation is there.
    pub async fn new(change: impl FnOnce(&mut Settings)) -> anyhow::Result<Town> {
        let home = std::env::temp_dir().join(format!("ansinh_town_{}", Uuid::now_v7().simple()));
        std::fs::create_dir_all(&home)?;
        let keys = Arc::new(Keys::generate_development(&home.join("keys"))?);
        let bound = Vneid::bind(&boot::settings::Sandbox::default(), keys).await?;
        std::fs::remove_dir_all(&home)?;
        let issuer = bound.issuer().to_owned();
        let stop = CancellationToken::new();
        let vneid = tokio::spawn(bound.serve(stop.clone()));
        let known_as = issuer.clone();
        let world = World::with(move |settings| {
            settings.identity.issuer = Some(known_as);
            change(settings);
        })
        .await?;
        let rows: String = sandbox::citizens().iter().map(|it| row(it, "01")).collect();
        let report = world.register(REGISTRY_HEADER.to_owned() + &rows).await?;
        assert_eq!(report.sums.refused.rows, 0, "{:?}", report.refusals);
        let town = Town {
            world,
            issuer,
            stop,
            vneid,
        };
        town.appoint(REGISTRAR, None, REGISTRAR).await?;
        town.appoint(CLERK, None, REGISTRAR).await?;
        Ok(town)
    }

    pub async fn appoint(
        &self,
        appointed: &str,
        province: Option<&str>,
        by: &str,
    ) -> anyhow::Result<Value> {
        let body = AppointOfficer {
            officer: officer(by),
            appointed: officer(appointed),
            province: province.map(str::parse).transpose()?,
            signature: None,
        };
        self.ask("appoint-officer", &body).await
    }

    /// A citizen logs in with a client library of others; gives back the session's token.
    pub async fn log_in(&self, name: &str) -> anyhow::Result<String> {
        let (id_token, nonce) = vneid::log_in(&self.issuer, name).await?;
        let session = new_session();
        self.ask("open-session", &opening(&session, &id_token, &nonce))
            .await?;
        Ok(session)
    }

    /// Asks for a link; gives back its name.
    pub async fn request(
        &self,
        session: &str,
        institution: &str,
        account: &str,
    ) -> anyhow::Result<LinkId> {
        let asked = self
            .ask("request-link", &requesting(session, institution, account))
            .await?;
        Ok(asked["link"].as_str().context("a link")?.parse()?)
    }

    /// An officer asks for a link in a citizen's name.
    pub async fn change(
        &self,
        by: &str,
        citizen: &Citizen,
        (kind, institution, account): (Kind, &str, &str),
    ) -> anyhow::Result<LinkId> {
        let body = changing(by, citizen, (kind, institution, account));
        let asked = self.ask("change-account", &body).await?;
        Ok(asked["link"].as_str().context("a link")?.parse()?)
    }

    pub async fn ask(&self, command: &str, body: &impl Serialize) -> anyhow::Result<Value> {
        let key = Uuid::now_v7().to_string();
        let body = self.world.signed(command, to_value(body)?).await?;
        Ok(messaging::ask(&self.world.nats, "accounts", command, &key, &body).await?)
    }

    pub async fn refused(&self, command: &str, body: &impl Serialize) -> anyhow::Result<Problem> {
        match self.ask(command, body).await {
            Ok(answer) => bail!("{command} was done: {answer}"),
            Err(error) => problem(error),
        }
    }

    pub async fn inquire(&self, query: &str, body: &impl Serialize) -> anyhow::Result<Value> {
        Ok(messaging::inquire(&self.world.nats, "accounts", query, body).await?)
    }

    pub async fn unanswered(&self, query: &str, body: &impl Serialize) -> anyhow::Result<Problem> {
        match self.inquire(query, body).await {
            Ok(answer) => bail!("{query} was answered: {answer}"),
            Err(error) => problem(error),
        }
    }

    /// A link as the citizen sees it.
    pub async fn seen(&self, session: &str, link: LinkId) -> anyhow::Result<Value> {
        let body = Mine {
            session: Unlogged(session.to_owned()),
        };
        let told = self.inquire("my-links", &body).await?;
        let links = told["links"].as_array().context("links")?;
        let name = link.to_string();
        let found = links.iter().find(|it| it["link"] == name.as_str());
        found.cloned().with_context(|| format!("no {link}"))
    }

    pub async fn until_link(&self, link: LinkId, state: &str) -> anyhow::Result<()> {
        let what = format!("{link} is {state}");
        self.world
            .until(&what, async || Ok(self.state(link).await? == state))
            .await
    }

    pub async fn state(&self, link: LinkId) -> anyhow::Result<String> {
        let state: String = sqlx::query_scalar(
            "SELECT state FROM accounts.link_steps WHERE person_no = $1 AND link_no = $2
            ORDER BY step DESC LIMIT 1",
        )
        .bind(link.person_no.0)
        .bind(link.link_no)
        .fetch_one(&self.world.pool)
        .await?;
        Ok(state)
    }

    pub async fn close(self) -> anyhow::Result<()> {
        self.stop.cancel();
        self.vneid.await?;
        self.world.close().await
    }
}

/// A registry row of a retired citizen.
pub fn row(citizen: &Citizen, province: &str) -> String {
    let (number, name) = (citizen.number.expose(), citizen.name.expose());
    let day = citizen.birth.date();
    let born = if citizen.birth.is_year_only() {
        day.year().to_string()
    } else {
        day.format("%d/%m/%Y").to_string()
    };
    let male = (number.as_bytes()[3] - b'0').is_multiple_of(2);
    let sex = if male { "nam" } else { "nữ" };
    format!("{number},{name},{born},{sex},{province},LUONG_HUU,5000000,,\n")
}

pub fn opening(session: &str, id_token: &str, nonce: &str) -> OpenSession {
    OpenSession {
        session: Unlogged(session.to_owned()),
        id_token: Unlogged(id_token.to_owned()),
        nonce: Unlogged(nonce.to_owned()),
    }
}

pub fn requesting(session: &str, institution: &str, account: &str) -> RequestLink {
    RequestLink {
        session: Unlogged(session.to_owned()),
        institution: institution.to_owned(),
        account_number: Unlogged(account.to_owned()),
    }
}

pub fn changing(
    by: &str,
    citizen: &Citizen,
    (kind, institution, account): (Kind, &str, &str),
) -> ChangeAccount {
    ChangeAccount {
        officer: officer(by),
        citizen_number: Unlogged(citizen.number.expose().to_owned()),
        kind,
        institution: institution.to_owned(),
        account_number: Unlogged(account.to_owned()),
        basis: "Đơn 12/2026".to_owned(),
    }
}

pub fn new_session() -> String {
    format!("{}{}", Uuid::now_v7().simple(), Uuid::now_v7().simple())
}

fn problem(error: anyhow::Error) -> anyhow::Result<Problem> {
    match error.downcast::<CommandError>()? {
        CommandError::Refused(problem) => Ok(problem),
        other => Err(other.into()),
    }
}

//! The door, with a browser in front of it, an identity provider beside it, and somebody behind it
//! who answers as accounts does.

mod api;
pub mod forms;
mod login;
#[cfg(test)]
#[path = "../../libs/identity/tests/it/provider.rs"]
#[expect(dead_code, reason = "the provider can do more than these tests need")]
mod provider;
mod quiet;
mod register;

use std::sync::Arc;

use anyhow::Context;
use boot::{Doorway, Health, Settings};
use identity::{IdentityProvider, RelyingParty};
use reqwest::header::{HeaderMap, LOCATION, ORIGIN, SET_COOKIE};
use reqwest::redirect::Policy;
use reqwest::{Method, RequestBuilder, Response};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::ground::Ground;
use provider::{CLIENT, Provider};
use register::Register;

/// A door that is open, and all that it needs.
struct World {
    ground: Ground,
    provider: Provider,
    register: Register,
    doorway: Doorway,
    door: String,
}

/// A browser with its own cookies, which follows no redirect unless it is told to.
pub struct Browser {
    pub client: reqwest::Client,
    door: String,
}

impl World {
    async fn new() -> anyhow::Result<World> {
        World::with(|_| {}).await
    }

    async fn with(change: impl FnOnce(&mut Settings)) -> anyhow::Result<World> {
        let ground = Ground::new().await?;
        let provider = Provider::start().await;
        let party = RelyingParty::new(&provider.issuer, CLIENT, None)?;
        let nats = ground.target().nats().await?;
        let register = Register::play(nats, IdentityProvider::discover(&party).await?).await?;
        let mut settings = ground.settings();
        settings.console.listen = Some("127.0.0.1:0".parse()?);
        settings.console.requests_per_minute = 10_000;
        settings.identity.issuer = Some(provider.issuer.clone());
        change(&mut settings);
        let (health, stop) = (Health::default(), CancellationToken::new());
        let doorway = Doorway::connect("console", Arc::new(settings), &health, stop).await?;
        let door = console::start(&doorway).await?;
        Ok(World {
            ground,
            provider,
            register,
            doorway,
            door: format!("http://{door}"),
        })
    }

    fn browser(&self) -> anyhow::Result<Browser> {
        Browser::new(&self.door)
    }

    async fn close(self) -> anyhow::Result<()> {
        self.doorway.shutdown().await;
        self.register.stop();
        self.ground.clear().await
    }
}

impl Browser {
    pub fn new(door: &str) -> anyhow::Result<Browser> {
        let client = reqwest::Client::builder()
            .cookie_store(true)
            .redirect(Policy::none());
        Ok(Browser {
            client: client.build()?,
            door: door.to_owned(),
        })
    }

    /// As a browser sends it from a page of the door.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.foreign(method, path);
        request.header(ORIGIN, &self.door)
    }

    /// The same without a word about where it comes from.
    fn foreign(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{path}", self.door))
    }

    pub async fn get(&self, path: &str) -> anyhow::Result<Response> {
        Ok(self.foreign(Method::GET, path).send().await?)
    }

    pub async fn page(&self, path: &str) -> anyhow::Result<String> {
        Ok(self.get(path).await?.text().await?)
    }

    /// Goes to VNeID and comes back, up to the answer of the callback.
    async fn come_back(&self) -> anyhow::Result<Response> {
        let at_vneid = self.get("/citizen/login").await?;
        let callback = self.client.get(location(&at_vneid)?).send().await?;
        Ok(self.client.get(location(&callback)?).send().await?)
    }

    async fn log_in(&self) -> anyhow::Result<Response> {
        let answer = self.come_back().await?;
        anyhow::ensure!(location(&answer)? == "/citizen", "{}", answer.status());
        Ok(answer)
    }
}

pub fn location(answer: &Response) -> anyhow::Result<&str> {
    let to = answer.headers().get(LOCATION);
    let to = to.with_context(|| format!("no redirect but {}", answer.status()))?;
    Ok(to.to_str()?)
}

/// The `Set-Cookie` of this name.
fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let set = headers.get_all(SET_COOKIE).iter();
    set.filter_map(|it| it.to_str().ok())
        .find(|it| it.starts_with(&format!("{name}=")))
}

/// Status and problem, which it must be.
pub async fn problem(answer: Response) -> anyhow::Result<(u16, Value)> {
    let status = answer.status().as_u16();
    let kind = answer.headers()["content-type"].clone();
    anyhow::ensure!(kind == "application/problem+json", "{status} {kind:?}");
    let id = answer.headers()["x-request-id"].to_str()?.to_owned();
    let problem: Value = answer.json().await?;
    anyhow::ensure!(problem["status"] == status, "{problem}");
    anyhow::ensure!(problem["money_moved"] == false, "{problem}");
    anyhow::ensure!(problem["request_id"] == id, "{problem}");
    Ok((status, problem))
}

//! What the door's own process writes down while a citizen is served.

use std::time::Duration;

use anyhow::{Context, ensure};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

use super::{Browser, World, cookie, problem};
use crate::ground::Ground;
use crate::processes::{Process, Processes};

const START_MAX: Duration = Duration::from_secs(20);

const FILTER: &str = "debug,console=trace,identity=trace,messaging=trace,boot=trace";
const ACCOUNT: &str = "77003100445566";

/// Where the process says that it serves.
async fn address(ground: &Ground) -> anyhow::Result<String> {
    let log = ground.home.join("console.log");
    let told = timeout(START_MAX, async {
        loop {
            for line in std::fs::read_to_string(&log).unwrap_or_default().lines() {
                let line: Value = serde_json::from_str(line).unwrap_or_default();
                if let Some(address) = line["address"].as_str() {
                    return address.to_owned();
                }
            }
            sleep(Duration::from_millis(20)).await;
        }
    });
    let told = told.await.context("the door opens in time")?;
    Ok(format!("http://{told}"))
}

/// Comes in, asks for things, and does each of them wrong, with something of somebody in it. Gives
/// back the secrets of the session.
async fn use_the_door(world: &World, browser: &Browser) -> anyhow::Result<[String; 2]> {
    let answer = browser.log_in().await?;
    let set = cookie(answer.headers(), "ansinh_session").context("a session")?;
    let session = set
        .split([';', '='])
        .nth(1)
        .context("its value")?
        .to_owned();
    let page = browser.page("/citizen").await?;
    let token = super::forms::hidden(&page, "form_token").to_owned();
    let wish = json!({"institution": "970436", "account_number": ACCOUNT});
    let link = browser
        .request(Method::POST, "/v1/citizen/links")
        .json(&wish);
    let link = link.header("Idempotency-Key", "chim-hot").send().await?;
    ensure!(link.status() == 202, "{}", link.status());
    for body in [
        format!("{{\"kind\": \"{ACCOUNT}\"}}"),
        ACCOUNT.to_owned(),
        format!("{{\"{ACCOUNT}\": 1}}"),
    ] {
        let ask = browser.request(Method::POST, "/v1/citizen/requests");
        let ask = ask
            .header("Idempotency-Key", "k")
            .header("content-type", "application/json");
        problem(ask.body(body).send().await?).await?;
    }
    for path in [
        format!("/citizen/callback?code={ACCOUNT}&state={ACCOUNT}"),
        format!("/citizen/{ACCOUNT}"),
        format!("/v1/citizen/access-log?before={ACCOUNT}&x=1"),
    ] {
        browser.get(&path).await?;
    }
    world.provider.mood().claims = json!({"citizen_number": ACCOUNT});
    browser.come_back().await?;
    Ok([session, token])
}

#[tokio::test]
async fn nothing_of_a_citizen_is_in_the_log() -> anyhow::Result<()> {
    let world = World::new().await?;
    let settings = [
        // The door has no database.
        ("DATABASE_URL", ""),
        ("ANSINH_CONSOLE__LISTEN", "127.0.0.1:0"),
        ("ANSINH_IDENTITY__ISSUER", &world.provider.issuer),
        ("ANSINH_LOG__FILTER", FILTER),
    ];
    let process = Process::start(&world.ground, "console", &settings)?;
    let browser = Browser::new(&address(&world.ground).await?)?;
    let secrets = use_the_door(&world, &browser).await?;
    let logins = world.register.asked("open-session");
    let logins = logins
        .iter()
        .flat_map(|it| [&it.body["nonce"], &it.body["id_token"]]);
    let logins: Vec<String> = logins
        .filter_map(|it| Some(it.as_str()?.to_owned()))
        .collect();
    ensure!(
        logins.len() == 4,
        "a login that was believed and one that was not"
    );

    Processes(vec![process]).stop().await?;
    let log = std::fs::read_to_string(world.ground.home.join("console.log"))?;
    ensure!(log.contains("\"route\":\"/v1/citizen/links\""), "{log}");
    ensure!(log.contains("\"level\":\"debug\""), "it said little: {log}");
    let words = [
        ACCOUNT,
        "001148000123",
        "012345678",
        "Mai",
        "chim-hot",
        "1948-05-12",
    ];
    let words = words.map(str::to_owned).into_iter();
    for word in words.chain(secrets).chain(logins) {
        let seen = log.lines().find(|it| it.contains(&word));
        ensure!(seen.is_none(), "{word} is in the log: {seen:?}");
    }
    world.close().await
}

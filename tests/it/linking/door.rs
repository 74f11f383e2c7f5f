//! From the browser to the bank and back: the door, VNeID, the register, a bank, nobody played.

use std::sync::Arc;

use accounts::ShowPerson;
use boot::{Doorway, Health};
use domain::PersonNo;
use reqwest::Method;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::town::{REGISTRAR, Town};
use super::{BANK, MAU};
use crate::console::forms::hidden;
use crate::console::{Browser, location, problem};
use crate::world::officer;

/// The door of a town.
async fn open(town: &Town) -> anyhow::Result<(Doorway, String)> {
    let mut settings = (*town.world.target.settings).clone();
    settings.console.listen = Some("127.0.0.1:0".parse()?);
    settings.console.requests_per_minute = 10_000;
    let (health, stop) = (Health::default(), CancellationToken::new());
    let doorway = Doorway::connect("console", Arc::new(settings), &health, stop).await?;
    let address = console::start(&doorway).await?;
    Ok((doorway, format!("http://{address}")))
}

/// Logs in as the citizen whose label has the words, on VNeID's own page.
async fn log_in(browser: &Browser, name: &str) -> anyhow::Result<()> {
    let at_vneid = browser.get("/citizen/login").await?;
    let url = location(&at_vneid)?.to_owned();
    let page = browser.client.get(&url).send().await?.text().await?;
    let (_, form) = page.split_once("action=\"/login\"").expect("a form");
    let (before, _) = form.split_once(name).expect("the citizen is on the page");
    let (_, input) = before.rsplit_once("<input ").expect("each has a button");
    let (_, value) = input.split_once("value=\"").expect("a value");
    let citizen = value.split('"').next().unwrap_or_default();
    let fields = [
        ("request", hidden(form, "request")),
        ("issued_at", hidden(form, "issued_at")),
        ("csrf", hidden(form, "csrf")),
        ("citizen", citizen),
        ("action", "allow"),
    ];
    // As a browser reads what stands in an attribute.
    let fields = fields.map(|(name, it)| (name, it.replace("&amp;", "&").replace("&#39;", "'")));
    let origin = url.split_once("/authorize").expect("the endpoint").0;
    let sent = browser.client.post(format!("{origin}/login"));
    let chosen = sent.form(&fields).send().await?;
    let back = browser.client.get(location(&chosen)?).send().await?;
    assert_eq!(location(&back)?, "/citizen");
    Ok(())
}

async fn told(browser: &Browser, path: &str) -> anyhow::Result<Value> {
    Ok(browser.get(path).await?.json().await?)
}

fn post(browser: &Browser, path: &str, body: &Value) -> reqwest::RequestBuilder {
    let key = uuid::Uuid::now_v7().to_string();
    let request = browser.request(Method::POST, path).json(body);
    request.header("Idempotency-Key", key)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_citizen_comes_in_links_an_account_and_sees_who_looked() -> anyhow::Result<()> {
    let town = Town::new(|_| {}).await?;
    let (doorway, door) = open(&town).await?;
    let browser = Browser::new(&door)?;
    log_in(&browser, MAU).await?;
    let wish = json!({ "institution": BANK, "account_number": "0011004555001" });
    let answer = post(&browser, "/v1/citizen/links", &wish).send().await?;
    assert!(answer.status().is_success(), "{}", answer.status());
    let asked: Value = answer.json().await?;
    let link = asked["link"].as_str().expect("a link").to_owned();
    town.until_link(link.parse()?, "linked").await?;
    let links = told(&browser, "/v1/citizen/links").await?;
    assert_eq!(links["links"][0]["state"], "linked", "{links}");
    assert_eq!(links["links"][0]["account"], "•••• 5001");
    let again = post(&browser, "/v1/citizen/links", &wish).send().await?;
    let (status, refused) = problem(again).await?;
    assert_eq!((status, &refused["code"]), (409, &json!("link_exists")));
    assert!(
        refused["detail"]
            .as_str()
            .is_some_and(|it| it.contains("đã được liên kết"))
    );

    let look = ShowPerson {
        officer: officer(REGISTRAR),
        citizen_number: None,
        person: Some(PersonNo(1)),
        purpose: "complaint".to_owned(),
        case_ref: Some("KN-2026/7".to_owned()),
        unmask: true,
    };
    let seen = town.inquire("person", &look).await?;
    assert_eq!(seen["links"][0]["account"], "0011004555001");
    let log = told(&browser, "/v1/citizen/access-log").await?;
    let entries = log["entries"].as_array().expect("entries");
    let of_officer = entries.iter().find(|it| it["actor"] == REGISTRAR);
    let of_officer = of_officer.expect("the officer's look is in it");
    assert_eq!(of_officer["purpose_vi"], "Giải quyết khiếu nại.");
    assert_eq!(of_officer["unmasked"], true);
    assert!(entries.iter().any(|it| it["role"] == "citizen"), "{log}");

    let wish = json!({ "kind": "correct", "detail": "Ngày sinh của tôi ghi sai" });
    let receipt = post(&browser, "/v1/citizen/requests", &wish).send().await?;
    assert!(receipt.status().is_success(), "{}", receipt.status());
    let requests = told(&browser, "/v1/citizen/requests").await?;
    assert_eq!(requests["requests"][0]["kind"], "correct", "{requests}");
    let page = browser.page("/citizen").await?;
    for word in ["•••• 5001", "Giải quyết khiếu nại.", "Trang của tôi</h1>"] {
        assert!(page.contains(word), "{word}: {page}");
    }
    assert!(!page.contains("0011004555001"), "masked on the page");

    let ended = browser.request(Method::DELETE, &format!("/v1/citizen/links/{link}"));
    let key = uuid::Uuid::now_v7().to_string();
    let ended = ended.header("Idempotency-Key", key).send().await?;
    assert!(ended.status().is_success(), "{}", ended.status());
    assert_eq!(town.state(link.parse()?).await?, "unlinked");
    let leave = [("form_token", hidden(&page, "form_token"))];
    browser
        .request(Method::POST, "/citizen/logout")
        .form(&leave)
        .send()
        .await?;
    let (status, _) = problem(browser.get("/v1/citizen/links").await?).await?;
    assert_eq!(status, 401);
    doorway.shutdown().await;
    town.close().await
}

//! `/v1/citizen` as a program meets it.

use messaging::Problem;
use reqwest::Method;
use serde_json::{Value, json};

use super::{World, problem};

const KEY: &str = "Idempotency-Key";

#[tokio::test]
async fn a_link_is_asked_for_once_under_its_key() -> anyhow::Result<()> {
    let world = World::new().await?;
    let browser = world.browser()?;
    browser.log_in().await?;
    let wish = json!({"institution": "970436", "account_number": "0071001236789"});
    let post = || {
        browser
            .request(Method::POST, "/v1/citizen/links")
            .json(&wish)
    };
    let (status, refused) = problem(post().send().await?).await?;
    assert_eq!(
        (status, &refused["code"]),
        (400, &json!("idempotency_key_missing"))
    );
    assert_eq!(world.register.asked("request-link").len(), 0);
    for key in ["k".repeat(201), "khóa".to_owned(), String::new()] {
        let answer = post().header(KEY, key).send().await?;
        assert_eq!(problem(answer).await?.0, 400);
    }

    for _ in 0..2 {
        let answer = post().header(KEY, "wish-1").send().await?;
        assert_eq!(answer.status(), 202);
        assert_eq!(
            answer.json::<Value>().await?,
            json!({"link": 1, "state": "pending"})
        );
    }
    assert_eq!(world.register.memory().links.len(), 1);
    // Somebody else's key of the same letters is another key.
    let other = world.browser()?;
    other.log_in().await?;
    let theirs = other.request(Method::POST, "/v1/citizen/links").json(&wish);
    assert_eq!(theirs.header(KEY, "wish-1").send().await?.status(), 202);
    assert_eq!(world.register.memory().links.len(), 2);

    let links: Value = browser.get("/v1/citizen/links").await?.json().await?;
    assert_eq!(links["links"][0]["account"], "•••• 6789");
    assert_eq!(links["then"], json!(["cash"]));
    let ended = browser
        .request(Method::DELETE, "/v1/citizen/links/1")
        .send()
        .await?;
    assert_eq!(
        ended.json::<Value>().await?,
        json!({"link": 1, "state": "unlinked"})
    );
    let (status, refused) = problem(
        browser
            .request(Method::DELETE, "/v1/citizen/links/9")
            .send()
            .await?,
    )
    .await?;
    assert_eq!((status, &refused["code"]), (404, &json!("link_unknown")));
    world.close().await
}

#[tokio::test]
async fn log_and_requests_are_told_page_by_page() -> anyhow::Result<()> {
    let world = World::new().await?;
    let browser = world.browser()?;
    browser.log_in().await?;
    let log: Value = browser.get("/v1/citizen/access-log").await?.json().await?;
    assert_eq!(
        (&log["entries"][0]["entry"], &log["next"]),
        (&json!(99), &json!(99))
    );
    let log: Value = browser
        .get("/v1/citizen/access-log?before=99")
        .await?
        .json()
        .await?;
    assert_eq!(log["entries"][0]["entry"], 98);
    for bad in [
        "before=%27%20OR%201=1",
        "before=",
        "after=1",
        "before=1&before=2",
    ] {
        let answer = browser
            .get(&format!("/v1/citizen/access-log?{bad}"))
            .await?;
        assert_eq!(
            problem(answer).await?.1["code"],
            "request_malformed",
            "{bad}"
        );
    }
    let ask = browser.request(Method::POST, "/v1/citizen/requests");
    let ask = ask.header(KEY, "ask-1").json(&json!({"kind": "copy"}));
    let answer = ask.send().await?;
    assert_eq!(answer.status(), 202);
    assert_eq!(answer.json::<Value>().await?["request_no"], 7);
    let requests: Value = browser.get("/v1/citizen/requests").await?.json().await?;
    assert_eq!(requests["requests"][0]["kind"], "copy");
    world.close().await
}

#[tokio::test]
async fn what_the_register_refuses_is_passed_on_whole() -> anyhow::Result<()> {
    let world = World::new().await?;
    let browser = world.browser()?;
    browser.log_in().await?;
    let sentence = "Bạn vừa đổi tài khoản; có thể đổi lại sau 72 giờ.";
    let told = Problem::new(409, "link_cooling_off", sentence).allowing(["view", "unlink"]);
    world.register.memory().refusal = Some(told.clone());
    let (status, passed) = problem(browser.get("/v1/citizen/links").await?).await?;
    assert_eq!(status, 409);
    assert_eq!(passed["type"], told.kind);
    assert_eq!(passed["title"], told.title);
    assert_eq!(passed["code"], told.code);
    assert_eq!(passed["detail"], sentence);
    assert_eq!(passed["allowed_actions"], json!(["view", "unlink"]));
    // On a page the same is a sentence for a person.
    world.register.memory().refusal = Some(told);
    let page = browser.get("/citizen").await?;
    assert_eq!(page.status(), 409);
    assert!(page.text().await?.contains(sentence));
    world.close().await
}

#[tokio::test]
async fn what_is_not_served_is_a_problem_with_a_code() -> anyhow::Result<()> {
    let world = World::new().await?;
    let browser = world.browser()?;
    browser.log_in().await?;
    let post = |body: String, kind: &str| {
        let request = browser.request(Method::POST, "/v1/citizen/requests");
        request
            .header(KEY, "k")
            .header("content-type", kind)
            .body(body)
    };
    let get = |path| browser.foreign(Method::GET, path);
    let json = "application/json";
    let long = json!({"kind": "view", "detail": "x".repeat(2001)}).to_string();
    for (request, status, code) in [
        (get("/v1/citizen/nothing"), 404, "not_found"),
        (get("/nowhere"), 404, "not_found"),
        (get("/../etc/passwd"), 404, "not_found"),
        (
            browser.request(Method::PUT, "/v1/citizen/links"),
            405,
            "method_not_allowed",
        ),
        (
            browser.request(Method::DELETE, "/v1/citizen/links/%2e%2e%2f"),
            404,
            "not_found",
        ),
        (post("x".repeat(40_000), json), 413, "body_too_large"),
        (
            post("kind=view".to_owned(), "application/x-www-form-urlencoded"),
            415,
            "media_type_unsupported",
        ),
        (post("{".to_owned(), json), 400, "request_malformed"),
        (post("{}".to_owned(), json), 422, "request_invalid"),
        (
            post("{\"kind\": \"steal\"}".to_owned(), json),
            422,
            "request_invalid",
        ),
        (
            post("{\"kind\": \"view\", \"admin\": true}".to_owned(), json),
            422,
            "request_invalid",
        ),
        (post(long, json), 422, "request_invalid"),
    ] {
        let answer = request.send().await?;
        let headers = answer.headers().clone();
        let (told, refused) = problem(answer).await?;
        assert_eq!(
            (told, &refused["code"]),
            (status, &json!(code)),
            "{refused}"
        );
        assert_eq!(headers["content-language"], "vi", "{code}");
        assert_eq!(headers["cache-control"], "no-store", "{code}");
        assert_eq!(headers["x-content-type-options"], "nosniff", "{code}");
        assert_eq!(refused["type"], format!("urn:ansinh:problem:{code}"));
    }
    assert_eq!(world.register.asked("request-data").len(), 0);
    let english = get("/nowhere").header("accept-language", "en-GB,vi;q=0.5");
    let answer = english.send().await?;
    assert_eq!(answer.headers()["content-language"], "en");
    assert_eq!(problem(answer).await?.1["detail"], "There is nothing here.");
    world.close().await
}

#[tokio::test]
async fn a_request_from_another_site_changes_nothing() -> anyhow::Result<()> {
    let world = World::new().await?;
    let browser = world.browser()?;
    browser.log_in().await?;
    let wish = json!({"institution": "970436", "account_number": "1"});
    for (name, value) in [
        ("origin", "https://evil.example"),
        ("origin", "null"),
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
        ("x-nothing", "said"),
    ] {
        let request = browser.foreign(Method::POST, "/v1/citizen/links");
        let request = request.header(KEY, "k").header(name, value).json(&wish);
        let (status, refused) = problem(request.send().await?).await?;
        assert_eq!(
            (status, &refused["code"]),
            (403, &json!("cross_origin_refused")),
            "{value}"
        );
    }
    let request = browser
        .foreign(Method::DELETE, "/v1/citizen/links/1")
        .send()
        .await?;
    assert_eq!(problem(request).await?.0, 403);
    assert_eq!(world.register.asked("request-link").len(), 0);
    assert_eq!(world.register.asked("unlink").len(), 0);
    world.close().await
}

#[tokio::test]
async fn a_caller_who_asks_too_often_waits_and_nobody_else_does() -> anyhow::Result<()> {
    let few = |settings: &mut boot::Settings| {
        settings.console.requests_per_minute = 5;
        settings.console.proxies = 1;
    };
    let world = World::with(few).await?;
    let browser = world.browser()?;
    let get = |caller: &str| {
        let request = browser.foreign(Method::GET, "/v1/openapi.json");
        request
            .header("x-forwarded-for", format!("203.0.113.9, {caller}"))
            .send()
    };
    for _ in 0..5 {
        assert_eq!(get("192.0.2.1").await?.status(), 200);
    }
    let answer = get("192.0.2.1").await?;
    let wait: u64 = answer.headers()["retry-after"].to_str()?.parse()?;
    assert!((1..=13).contains(&wait), "{wait}");
    assert_eq!(problem(answer).await?.1["code"], "too_many_requests");
    assert_eq!(get("192.0.2.2").await?.status(), 200);
    world.close().await
}

#[tokio::test]
async fn the_document_says_what_is_served() -> anyhow::Result<()> {
    let world = World::new().await?;
    let browser = world.browser()?;
    let document: Value = browser.get("/v1/openapi.json").await?.json().await?;
    let paths = document["paths"].as_object().expect("paths");
    let told: Vec<String> = paths
        .iter()
        .flat_map(|(path, methods)| {
            let methods = methods.as_object().into_iter().flatten();
            methods.map(move |(method, _)| format!("{method} {path}"))
        })
        .collect();
    assert_eq!(
        told,
        [
            "get /v1/citizen/access-log",
            "get /v1/citizen/links",
            "post /v1/citizen/links",
            "delete /v1/citizen/links/{link}",
            "get /v1/citizen/requests",
            "post /v1/citizen/requests",
        ]
    );
    // Each of them is there, and asks who it is.
    for it in told {
        let (method, path) = it.split_once(' ').expect("two words");
        let method = method.to_uppercase().parse()?;
        let answer = browser
            .request(method, &path.replace("{link}", "1"))
            .send()
            .await?;
        assert_eq!(problem(answer).await?.1["code"], "session_missing", "{it}");
        let path = &document["paths"][path][it.split(' ').next().unwrap_or_default()];
        for status in ["401", "429"] {
            let content = &path["responses"][status]["content"];
            assert!(
                content["application/problem+json"].is_object(),
                "{it} {status}"
            );
        }
    }
    world.close().await
}

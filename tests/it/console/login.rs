//! Coming in through VNeID, and going.

use std::sync::Arc;

use chrono::{TimeDelta, Utc};
use reqwest::Method;
use serde_json::json;

use super::{Browser, World, cookie, location, problem};

/// What the browser holds as its session.
fn session_of(answer: &reqwest::Response) -> String {
    let set = cookie(answer.headers(), "ansinh_session").expect("a session is set");
    let (pair, _) = set.split_once(';').expect("a cookie has attributes");
    pair.trim_start_matches("ansinh_session=").to_owned()
}

#[tokio::test]
async fn a_citizen_logs_in_sees_their_page_and_leaves() -> anyhow::Result<()> {
    let world = World::new().await?;
    let browser = world.browser()?;
    let before = browser.page("/citizen").await?;
    assert!(before.contains("href=\"/citizen/login\""), "{before}");
    assert!(!before.contains("Trang của tôi</h1>"), "{before}");

    let answer = browser.log_in().await?;
    let set = cookie(answer.headers(), "ansinh_session").expect("a session is set");
    assert!(set.contains("; HttpOnly; SameSite=Lax; Max-Age=8"), "{set}");
    let forgotten = cookie(answer.headers(), "ansinh_login").expect("the login is forgotten");
    assert!(forgotten.contains("Max-Age=0"), "{forgotten}");
    let page = browser.page("/citizen").await?;
    for word in [
        "Trang của tôi</h1>",
        "nhận tiền mặt tại điểm chi trả",
        "Tra soát khoản chi trả",
    ] {
        assert!(page.contains(word), "{word}: {page}");
    }

    let session = session_of(&answer);
    assert!(world.register.memory().sessions.contains_key(&session));
    let token = super::forms::hidden(&page, "form_token");
    let leave = browser.request(Method::POST, "/citizen/logout");
    let left = leave.form(&[("form_token", token)]).send().await?;
    assert_eq!(location(&left)?, "/citizen");
    let ended = cookie(left.headers(), "ansinh_session").expect("the session is forgotten");
    assert!(ended.contains("Max-Age=0"), "{ended}");
    assert!(world.register.memory().sessions.is_empty());
    assert!(browser.page("/citizen").await?.contains("/citizen/login"));
    world.close().await
}

#[tokio::test]
async fn each_login_is_a_new_session_and_ends_the_one_before() -> anyhow::Result<()> {
    let world = World::new().await?;
    let browser = world.browser()?;
    let first = session_of(&browser.log_in().await?);
    let second = session_of(&browser.log_in().await?);
    assert_ne!(first, second);
    let sessions: Vec<String> = world.register.memory().sessions.keys().cloned().collect();
    assert_eq!(sessions, [second]);
    world.close().await
}

#[tokio::test]
async fn a_login_ends_only_where_it_began_and_only_once() -> anyhow::Result<()> {
    let world = World::new().await?;
    let (mai, thief) = (world.browser()?, world.browser()?);
    let at_vneid = mai.get("/citizen/login").await?;
    let callback = mai.client.get(location(&at_vneid)?).send().await?;
    let callback = location(&callback)?.to_owned();
    let go = async |browser: &Browser, url: &str| {
        let answer = browser.client.get(url).send().await?;
        let status = answer.status().as_u16();
        anyhow::Ok((status, answer.text().await?))
    };
    // In a browser that began nothing, and in one that began another login.
    let (status, page) = go(&thief, &callback).await?;
    assert_eq!(status, 400);
    assert!(page.contains("<code>login_lost</code>"), "{page}");
    thief.get("/citizen/login").await?;
    assert_eq!(go(&thief, &callback).await?.0, 400);
    assert_eq!(world.register.asked("open-session").len(), 0);

    assert_eq!(go(&mai, &callback).await?.0, 303);
    // The browser has forgotten the login, so going back and forward does nothing.
    assert_eq!(go(&mai, &callback).await?.0, 400);
    assert_eq!(world.register.asked("open-session").len(), 1);
    world.close().await
}

#[tokio::test]
async fn what_comes_back_from_elsewhere_opens_nothing() -> anyhow::Result<()> {
    let world = World::new().await?;
    for (change, status, code) in [
        (("state=", "state=x"), 400, "login_lost"),
        (("iss=http", "iss=https"), 400, "login_lost"),
        (
            ("code=", "error=access_denied&ignored="),
            403,
            "login_denied",
        ),
        (("code=", "ignored="), 400, "login_lost"),
        (("code=", "code=x"), 401, "identity_code_refused"),
    ] {
        let browser = world.browser()?;
        let at_vneid = browser.get("/citizen/login").await?;
        let callback = browser.client.get(location(&at_vneid)?).send().await?;
        let changed = location(&callback)?.replacen(change.0, change.1, 1);
        let answer = browser.client.get(changed).send().await?;
        assert_eq!(answer.status(), status, "{change:?}");
        assert!(cookie(answer.headers(), "ansinh_session").is_none());
        let forgotten = cookie(answer.headers(), "ansinh_login").expect("it is used up");
        assert!(forgotten.contains("Max-Age=0"), "{forgotten}");
        let page = answer.text().await?;
        assert!(page.contains(&format!("<code>{code}</code>")), "{page}");
    }
    assert_eq!(world.register.asked("open-session").len(), 0);
    world.close().await
}

/// The door hands the token on as it came; who may come in is the register's word.
#[tokio::test]
async fn whom_the_register_does_not_believe_gets_no_session() -> anyhow::Result<()> {
    let world = World::new().await?;
    for (claims, status, code) in [
        (
            json!({"acr": "urn:vneid:level:1"}),
            403,
            "identity_level_too_low",
        ),
        (
            json!({"aud": "another-client"}),
            401,
            "identity_token_invalid",
        ),
        (json!({"nonce": "another"}), 401, "identity_token_invalid"),
        (
            json!({"citizen_number": "1"}),
            401,
            "identity_claims_invalid",
        ),
    ] {
        world.provider.mood().claims = claims.clone();
        let answer = world.browser()?.come_back().await?;
        assert_eq!(answer.status(), status, "{claims}");
        let set = cookie(answer.headers(), "ansinh_session");
        assert!(set.is_none_or(|it| it.contains("Max-Age=0")), "{set:?}");
        let page = answer.text().await?;
        assert!(page.contains(&format!("<code>{code}</code>")), "{page}");
    }
    assert!(world.register.memory().sessions.is_empty());
    world.close().await
}

#[tokio::test]
async fn a_session_that_has_ended_is_said_to_have_ended_and_is_forgotten() -> anyhow::Result<()> {
    let world = World::new().await?;
    let browser = world.browser()?;
    browser.log_in().await?;
    let past = Utc::now() - TimeDelta::seconds(1);
    for until in world.register.memory().sessions.values_mut() {
        *until = past;
    }
    let page = browser.get("/citizen").await?;
    assert_eq!(page.status(), 401);
    assert!(page.text().await?.contains("/citizen/login"));
    // The cookie is gone with it.
    let (status, refused) = problem(browser.get("/v1/citizen/links").await?).await?;
    assert_eq!((status, &refused["code"]), (401, &json!("session_missing")));
    assert_eq!(refused["allowed_actions"], json!(["login"]));
    world.close().await
}

#[tokio::test]
async fn without_vneid_or_accounts_a_citizen_is_told_to_come_again() -> anyhow::Result<()> {
    let world = World::new().await?;
    let browser = world.browser()?;
    browser.log_in().await?;
    world.register.stop();
    // The subscriptions go with the task, and nobody else answers.
    let answer = loop {
        let answer = browser.get("/v1/citizen/links").await?;
        if answer.status() == 503 {
            break answer;
        }
    };
    assert_eq!(answer.headers()["retry-after"], "5");
    let (_, refused) = problem(answer).await?;
    assert_eq!(refused["code"], "accounts_unavailable");
    world.close().await?;

    let world =
        World::with(|it| it.identity.issuer = Some("http://127.0.0.1:1".to_owned())).await?;
    let answer = world.browser()?.get("/citizen/login").await?;
    assert_eq!(answer.status(), 503);
    let page = answer.text().await?;
    assert!(page.contains("chưa kết nối được với VNeID"), "{page}");
    world.close().await
}

#[tokio::test]
async fn over_https_cookies_belong_to_this_host_alone() -> anyhow::Result<()> {
    let public = "https://ansinh.example.vn";
    let world = World::with(|it| it.console.public_url = Some(public.to_owned())).await?;
    let answer = world.browser()?.get("/citizen/login").await?;
    let set = cookie(answer.headers(), "__Host-ansinh_login").expect("a login begins");
    assert!(
        set.contains("Secure") && set.contains("HttpOnly") && set.contains("Path=/"),
        "{set}"
    );
    let way_back = "redirect_uri=https%3A%2F%2Fansinh.example.vn%2Fcitizen%2Fcallback";
    assert!(location(&answer)?.contains(way_back));
    assert_eq!(
        answer.headers()["strict-transport-security"],
        "max-age=31536000"
    );
    world.close().await
}

#[tokio::test]
async fn a_login_that_begins_at_one_door_ends_at_another_with_the_same_key() -> anyhow::Result<()> {
    let public = "http://127.0.0.1:9";
    let world = World::with(|it| it.console.public_url = Some(public.to_owned())).await?;
    let key_file = world.ground.home.join("cookie-key");
    std::fs::write(&key_file, format!("{}\n", "5a".repeat(64)))?;
    let mut settings = (*world.doorway.settings).clone();
    let stranger = &world.door;
    settings.console.cookie_key_file = Some(key_file.clone());
    let mut doors = Vec::new();
    for _ in 0..2 {
        let mut doorway = world.doorway.clone();
        doorway.settings = Arc::new(settings.clone());
        doors.push(format!("http://{}", console::start(&doorway).await?));
    }
    for (door, status) in [(&doors[1], 303), (stranger, 400)] {
        let browser = Browser::new(&doors[0])?;
        let at_vneid = browser.get("/citizen/login").await?;
        let callback = browser.client.get(location(&at_vneid)?).send().await?;
        let there = location(&callback)?.replacen(public, door, 1);
        assert_eq!(browser.client.get(there).send().await?.status(), status);
    }
    for bad in ["5a", "not hex", ""] {
        std::fs::write(&key_file, bad)?;
        let mut doorway = world.doorway.clone();
        doorway.settings = Arc::new(settings.clone());
        let refused = console::start(&doorway)
            .await
            .expect_err("a short key is refused");
        assert_eq!(
            refused.to_string(),
            "console.cookie_key_file holds 64 bytes in hex, and nothing else"
        );
    }
    world.close().await
}

//! The pages, used without a script.

use reqwest::Method;
use serde_json::json;

use super::{Browser, World, location};

/// The value of the first hidden field of this name.
pub fn hidden<'a>(page: &'a str, name: &str) -> &'a str {
    let field = format!("name=\"{name}\" value=\"");
    let (_, rest) = page.split_once(&field).expect("the page has the field");
    rest.split_once('"').expect("a value ends").0
}

async fn send(
    browser: &Browser,
    path: &str,
    fields: &[(&str, &str)],
) -> anyhow::Result<reqwest::Response> {
    Ok(browser
        .request(Method::POST, path)
        .form(fields)
        .send()
        .await?)
}

#[tokio::test]
async fn a_citizen_links_and_unlinks_an_account() -> anyhow::Result<()> {
    let world = World::new().await?;
    let browser = world.browser()?;
    browser.log_in().await?;
    let page = browser.page("/citizen").await?;
    assert!(
        page.contains("<option value=\"970436\">Vietcombank</option>"),
        "{page}"
    );
    assert!(!page.contains("VNPost"), "cash is nothing to link");
    let fields = [
        ("form_token", hidden(&page, "form_token")),
        ("key", hidden(&page, "key")),
        ("institution", "970436"),
        ("account_number", "0071 0012 36789"),
    ];
    let sent = send(&browser, "/citizen/links", &fields).await?;
    assert_eq!(location(&sent)?, "/citizen?done=link");
    // A double click, or the back button: the same form again.
    send(&browser, "/citizen/links", &fields).await?;
    let asked = world.register.asked("request-link");
    assert_eq!(asked[0].key, asked[1].key);
    assert_eq!(asked[0].body["account_number"], "0071001236789");
    assert_eq!(world.register.memory().links.len(), 1);

    let page = browser.page("/citizen?done=link").await?;
    for word in [
        "•••• 6789",
        "Đang chờ ngân hàng xác nhận",
        "Đã gửi yêu cầu liên kết.",
    ] {
        assert!(page.contains(word), "{word}: {page}");
    }
    assert!(
        page.contains("01/12/2026 lúc 00:05"),
        "the day in Viet Nam: {page}"
    );
    world.register.memory().links[0]["state"] = json!("linked");
    let page = browser.page("/citizen").await?;
    assert!(
        page.contains("<p class=\"used\"><strong>Vietcombank</strong>"),
        "{page}"
    );

    let fields = [
        ("form_token", hidden(&page, "form_token")),
        ("key", "key-2"),
    ];
    let sent = send(&browser, "/citizen/links/1/unlink", &fields).await?;
    assert_eq!(location(&sent)?, "/citizen?done=unlink");
    assert!(
        browser
            .page("/citizen")
            .await?
            .contains("Bạn chưa có tài khoản nào đã liên kết")
    );
    world.close().await
}

#[tokio::test]
async fn a_citizen_asks_about_their_data_and_reads_who_saw_it() -> anyhow::Result<()> {
    let world = World::new().await?;
    let browser = world.browser()?;
    browser.log_in().await?;
    let page = browser.page("/citizen").await?;
    let token = hidden(&page, "form_token");
    for (detail, expected) in [
        (" Họ tên sai dấu ", json!("Họ tên sai dấu")),
        ("  ", json!(null)),
    ] {
        let key = detail.len().to_string();
        let fields = [
            ("form_token", token),
            ("key", &key),
            ("kind", "correct"),
            ("detail", detail),
        ];
        let sent = send(&browser, "/citizen/requests", &fields).await?;
        assert_eq!(location(&sent)?, "/citizen?done=request");
        let asked = world.register.asked("request-data");
        let body = &asked.last().expect("it was asked").body;
        assert_eq!(
            (&body["kind"], &body["detail"]),
            (&json!("correct"), &expected)
        );
    }
    let page = browser.page("/citizen").await?;
    assert!(
        page.contains("<dt>Trả lời trước</dt><dd>11/12/2026</dd>"),
        "{page}"
    );
    assert!(
        page.contains("họ và tên, số tài khoản") && page.contains("xem đầy đủ, không che"),
        "{page}"
    );
    let page = browser.page("/citizen/access-log?before=99").await?;
    assert!(page.contains("/citizen/access-log?before=98"), "{page}");
    world.close().await
}

#[tokio::test]
async fn a_form_of_another_page_does_nothing() -> anyhow::Result<()> {
    let world = World::new().await?;
    let (mai, nam) = (world.browser()?, world.browser()?);
    mai.log_in().await?;
    nam.log_in().await?;
    let mine = mai.page("/citizen").await?;
    let yours = nam.page("/citizen").await?;
    let forms = [
        (
            "/citizen/links",
            vec![("institution", "970436"), ("account_number", "1")],
        ),
        ("/citizen/links/1/unlink", vec![]),
        ("/citizen/requests", vec![("kind", "delete")]),
        ("/citizen/logout", vec![]),
    ];
    for (path, fields) in &forms {
        let with = |token| {
            let mut all = vec![("form_token", token), ("key", "key-1")];
            all.extend(fields);
            all
        };
        // With the token of somebody else's page, or a made-up one.
        for token in [hidden(&yours, "form_token"), "", "x"] {
            let answer = send(&mai, path, &with(token)).await?;
            assert_eq!(answer.status(), 403, "{path}");
            assert!(answer.text().await?.contains("<code>form_expired</code>"));
        }
        // With the right one, from a page that is not ours, or that says nothing of itself.
        let right = with(hidden(&mine, "form_token"));
        let silent = mai.foreign(Method::POST, path).form(&right);
        let other = silent.try_clone().expect("a form can be sent twice");
        for foreign in [silent, other.header("origin", "https://evil.example")] {
            let answer = foreign.send().await?;
            assert_eq!(answer.status(), 403, "{path}");
            assert!(
                answer
                    .text()
                    .await?
                    .contains("<code>cross_origin_refused</code>")
            );
        }
    }
    for command in ["request-link", "unlink", "request-data", "close-session"] {
        assert_eq!(world.register.asked(command).len(), 0, "{command}");
    }
    world.close().await
}

#[tokio::test]
async fn what_others_wrote_is_text_on_a_page() -> anyhow::Result<()> {
    let world = World::new().await?;
    let browser = world.browser()?;
    browser.log_in().await?;
    world.register.memory().links.push(json!({
        "link": "a-1", "kind": "ssa", "institution": 970_436, "account": "•••• 6789",
        "institution_name": "<script>alert(1)</script>", "state": "refused", "code": "name_far",
        "sentence": "\"><img src=x onerror=alert(1)>", "since": "2026-11-30T17:05:00Z",
    }));
    let answer = browser.get("/citizen").await?;
    let policy = answer.headers()["content-security-policy"]
        .to_str()?
        .to_owned();
    assert!(
        policy.starts_with("default-src 'none';") && !policy.contains("unsafe"),
        "{policy}"
    );
    let page = answer.text().await?;
    assert!(
        !page.contains("<script") && !page.contains("<img"),
        "{page}"
    );
    for inline in [" style=", "<style", " onclick=", "javascript:"] {
        assert!(!page.contains(inline), "{inline}");
    }
    world.close().await
}

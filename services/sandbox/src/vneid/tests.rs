use std::sync::atomic::{AtomicU32, Ordering};

use axum::body::Body;
use axum::http::{HeaderMap, header};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use boot::settings::VneidClient;
use serde_json::Value;
use tower::ServiceExt;
use url::form_urlencoded;

use super::*;

const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
const BACK: &str = "http://127.0.0.1:4000/callback?from=vneid";
const SECRET: &str = "a secret: of & no < importance";

struct Answer {
    status: u16,
    headers: HeaderMap,
    text: String,
}

impl Answer {
    fn header(&self, name: header::HeaderName) -> &str {
        self.headers.get(name).map_or("", |it| it.to_str().unwrap())
    }

    /// A parameter that the browser takes to the client.
    fn told(&self, name: &str) -> Option<String> {
        assert_eq!(self.status, 302, "{}", self.text);
        let location = Url::parse(self.header(header::LOCATION)).unwrap();
        assert!(location.as_str().starts_with(BACK), "{location}");
        let told = |wanted: &str| {
            let found = location.query_pairs().find(|(it, _)| it == wanted);
            found.map(|(_, value)| value.into_owned())
        };
        assert_eq!(told("iss").unwrap(), "http://vneid.example");
        assert_eq!(told("state").as_deref(), Some("s&t"));
        told(name)
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap()
    }

    fn hidden(&self, name: &str) -> String {
        let start = format!("type=\"hidden\" name=\"{name}\" value=\"");
        let rest = self.text.split(&start[..]).nth(1).expect("a hidden field");
        rest.split('"').next().unwrap().replace("&amp;", "&")
    }
}

/// A provider with a public and a confidential client.
async fn provider() -> Router {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let file = std::env::temp_dir().join(format!("vneid-keys-{}-{number}", std::process::id()));
    let keys = Keys::generate(&file).unwrap();
    std::fs::remove_file(&file).unwrap();
    let client = |id: &str, secret: Option<&str>| VneidClient {
        client_id: id.to_owned(),
        redirect_uris: vec!["http://127.0.0.1/callback?from=vneid".to_owned()],
        secret: secret.map(str::to_owned),
    };
    let settings = Sandbox {
        vneid_issuer: Some("http://vneid.example".to_owned()),
        vneid_clients: vec![client("public", None), client("console", Some(SECRET))],
        ..Sandbox::default()
    };
    let vneid = Vneid::bind(&settings, Arc::new(keys)).await.unwrap();
    router(vneid.provider)
}

async fn send(router: &Router, request: axum::http::request::Builder, body: String) -> Answer {
    let request = request.body(Body::from(body)).unwrap();
    let response = router.clone().oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let bytes = axum::body::to_bytes(body, 1 << 20).await.unwrap();
    Answer {
        status: parts.status.as_u16(),
        headers: parts.headers,
        text: String::from_utf8(bytes.to_vec()).unwrap(),
    }
}

fn form(fields: &[(&str, &str)]) -> String {
    let mut form = form_urlencoded::Serializer::new(String::new());
    form.extend_pairs(fields).finish()
}

fn asking(client: &str) -> String {
    form(&[
        ("client_id", client),
        ("redirect_uri", BACK),
        ("response_type", "code"),
        ("scope", "openid citizen"),
        ("state", "s&t"),
        ("nonce", "n"),
        ("code_challenge", CHALLENGE),
        ("code_challenge_method", "S256"),
    ])
}

async fn page(router: &Router, client: &str) -> Answer {
    let uri = format!("/authorize?{}", asking(client));
    send(router, Request::get(uri), String::new()).await
}

/// Sends the page's form as its browser does, with these changes.
async fn choose(router: &Router, page: &Answer, cookie: &str, changes: &[(&str, &str)]) -> Answer {
    let hidden = ["request", "issued_at", "csrf"].map(|it| (it, page.hidden(it)));
    let mut fields: Vec<(&str, &str)> =
        hidden.iter().map(|(it, value)| (*it, &value[..])).collect();
    fields.extend([("citizen", "0"), ("action", "allow")]);
    for (name, value) in changes {
        fields.retain(|(it, _)| it != name);
        fields.push((name, value));
    }
    let request = Request::post("/login").header(header::COOKIE, cookie);
    send(router, request, form(&fields)).await
}

fn cookie(page: &Answer) -> String {
    let cookie = page.header(header::SET_COOKIE);
    cookie.split(';').next().unwrap().to_owned()
}

async fn code(router: &Router, client: &str) -> String {
    let page = page(router, client).await;
    let chosen = choose(router, &page, &cookie(&page), &[]).await;
    chosen.told("code").expect("a code")
}

async fn token(router: &Router, header: Option<String>, fields: &[(&str, &str)]) -> Answer {
    let form_type = "application/x-www-form-urlencoded; charset=UTF-8";
    let mut request = Request::post("/token").header(header::CONTENT_TYPE, form_type);
    if let Some(header) = header {
        request = request.header(header::AUTHORIZATION, header);
    }
    let mut all = vec![
        ("grant_type", "authorization_code"),
        ("redirect_uri", BACK),
        ("code_verifier", VERIFIER),
    ];
    for (name, value) in fields {
        all.retain(|(it, _)| it != name);
        all.push((name, value));
    }
    send(router, request, form(&all)).await
}

#[tokio::test]
async fn a_form_is_taken_only_from_the_browser_that_it_was_shown_in() {
    let router = provider().await;
    let shown = page(&router, "public").await;
    let ours = cookie(&shown);
    assert!(
        shown
            .header(header::SET_COOKIE)
            .contains("HttpOnly; SameSite=Lax")
    );
    assert!(
        shown
            .header(header::CONTENT_SECURITY_POLICY)
            .contains("http://127.0.0.1:4000")
    );

    for (cookie, changes) in [
        ("", &[][..]),
        ("vneid_browser=", &[]),
        ("vneid_browser=another", &[]),
        (&ours, &[("csrf", "AAAA")]),
        (&ours, &[("issued_at", "1")]),
    ] {
        let refused = choose(&router, &shown, cookie, changes).await;
        assert_eq!(refused.status, 403, "{cookie} {changes:?}");
        assert!(refused.headers.get(header::LOCATION).is_none());
    }
    // Another request than the one that was shown, however well formed.
    let other = asking("console");
    let refused = choose(&router, &shown, &ours, &[("request", &other)]).await;
    assert_eq!(refused.status, 403);
    let nobody = choose(&router, &shown, &ours, &[("citizen", "99")]).await;
    assert_eq!(nobody.status, 400);

    let denied = choose(&router, &shown, &ours, &[("action", "deny")]).await;
    assert_eq!(denied.told("error").as_deref(), Some("access_denied"));
    let allowed = choose(&router, &shown, &ours, &[]).await;
    assert!(allowed.told("code").is_some());
}

#[tokio::test]
async fn a_request_may_come_by_form_and_its_page_searches() {
    let router = provider().await;
    let body = asking("public") + "&q=ni%C3%AA";
    let shown = send(&router, Request::post("/authorize"), body).await;
    assert_eq!(shown.status, 200);
    assert!(shown.text.contains("H&#39; Mẫu Niê") && !shown.text.contains("Nguyễn Thị Mẫu"));
    assert!(shown.text.contains("<html lang=\"vi\">"));
    let chosen = choose(&router, &shown, &cookie(&shown), &[("citizen", "2")]).await;
    assert!(chosen.told("code").is_some());
}

#[tokio::test]
async fn a_confidential_client_proves_itself_by_header_or_body_and_not_at_all_is_refused() {
    let router = provider().await;
    let encoded = |it: &str| form_urlencoded::byte_serialize(it.as_bytes()).collect::<String>();
    let basic = |secret: &str| {
        let text = format!("console:{}", encoded(secret));
        Some(format!("Basic {}", STANDARD.encode(text)))
    };
    let first = code(&router, "console").await;
    let refused = token(&router, basic("wrong"), &[("code", &first)]).await;
    assert_eq!(
        (refused.status, &refused.json()["error"]),
        (401, &"invalid_client".into())
    );
    assert!(
        refused
            .header(header::WWW_AUTHENTICATE)
            .starts_with("Basic")
    );
    // Who did not prove itself has spent nothing.
    let taken = token(&router, basic(SECRET), &[("code", &first)]).await;
    assert_eq!(taken.status, 200, "{}", taken.text);
    assert_eq!(taken.header(header::CACHE_CONTROL), "no-store");

    let second = code(&router, "console").await;
    let named = ("client_id", "console");
    let refused = token(&router, None, &[named, ("code", &second)]).await;
    assert_eq!(
        (refused.status, &refused.json()["error"]),
        (401, &"invalid_client".into())
    );
    let taken = token(
        &router,
        None,
        &[named, ("client_secret", SECRET), ("code", &second)],
    )
    .await;
    assert_eq!(taken.status, 200, "{}", taken.text);
}

#[tokio::test]
async fn the_token_endpoint_says_what_is_wrong() {
    let router = provider().await;
    let public = ("client_id", "public");
    let code = code(&router, "public").await;
    let ours = ("code", &code[..]);
    for (fields, error) in [
        (vec![public, ours, ("grant_type", "")], "invalid_request"),
        (
            vec![public, ours, ("grant_type", "password")],
            "unsupported_grant_type",
        ),
        (vec![public, ours, ("redirect_uri", "")], "invalid_request"),
        (vec![public, ours, ("code_verifier", "")], "invalid_request"),
        (
            vec![public, ours, ("code_verifier", "short")],
            "invalid_request",
        ),
        (vec![public], "invalid_request"),
        (vec![public, ("code", "guessed")], "invalid_grant"),
        (vec![("client_id", "nobody"), ours], "invalid_client"),
    ] {
        let refused = token(&router, None, &fields).await;
        assert_eq!(refused.json()["error"], error, "{fields:?}");
        let status = if error == "invalid_client" { 401 } else { 400 };
        assert_eq!(refused.status, status);
        assert_eq!(refused.header(header::CACHE_CONTROL), "no-store");
    }
    let plain = Request::post("/token").header(header::CONTENT_TYPE, "text/plain");
    let refused = send(&router, plain, form(&[public, ours])).await;
    assert_eq!(refused.json()["error"], "invalid_request");
    let long = "x".repeat(BODY_MAX + 1);
    assert_eq!(
        token(&router, None, &[public, ("code", &long)])
            .await
            .status,
        413
    );
    // None of that was a try at the code.
    assert_eq!(token(&router, None, &[public, ours]).await.status, 200);
}

#[tokio::test]
async fn a_citizen_has_another_pseudonym_with_each_client() {
    let router = provider().await;
    let mut subjects = Vec::new();
    for fields in [
        vec![("client_id", "public")],
        vec![("client_id", "public")],
        vec![("client_id", "console"), ("client_secret", SECRET)],
    ] {
        let code = code(&router, fields[0].1).await;
        let answer = token(&router, None, &[&fields[..], &[("code", &code)]].concat()).await;
        let token = answer.json()["access_token"].as_str().unwrap().to_owned();
        let bearer = format!("Bearer {token}");
        let asked = Request::post("/userinfo").header(header::AUTHORIZATION, bearer);
        let told = send(&router, asked, String::new()).await.json();
        assert_eq!(told["citizen_number"], "001148003117");
        subjects.push(told["sub"].as_str().unwrap().to_owned());
    }
    assert_eq!(subjects[0], subjects[1]);
    assert_ne!(subjects[0], subjects[2]);
    let unknown = Request::get("/userinfo").header(header::AUTHORIZATION, "Bearer guessed");
    let unknown = send(&router, unknown, String::new()).await;
    assert_eq!(unknown.status, 401);
    assert!(
        unknown
            .header(header::WWW_AUTHENTICATE)
            .contains("invalid_token")
    );
}

#[tokio::test]
async fn it_is_not_served_to_a_network_and_its_issuer_is_a_plain_origin() {
    let file = std::env::temp_dir().join(format!("vneid-keys-{}-bind", std::process::id()));
    let keys = Arc::new(Keys::generate(&file).unwrap());
    std::fs::remove_file(&file).unwrap();
    let exposed = Sandbox {
        vneid_listen: Some("0.0.0.0:0".parse().unwrap()),
        ..Sandbox::default()
    };
    let refused = Vneid::bind(&exposed, keys.clone()).await;
    assert!(matches!(refused, Err(VneidError::Exposed(_))));
    for issuer in [
        "vneid",
        "http://vneid.example/",
        "https://vneid.example/x",
        "ftp://x",
    ] {
        let settings = Sandbox {
            vneid_issuer: Some(issuer.to_owned()),
            ..Sandbox::default()
        };
        let refused = Vneid::bind(&settings, keys.clone()).await;
        assert!(matches!(refused, Err(VneidError::Issuer)), "{issuer}");
    }
}

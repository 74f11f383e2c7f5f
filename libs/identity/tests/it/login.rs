//! The code flow as a browser and a service go through it.

use std::collections::HashMap;

use chrono::Utc;
use identity::{Error, IdentityProvider, Login, Port, RelyingParty, Url};

use serde_json::json;

use crate::provider::{CLIENT, Provider};

fn redirect() -> Url {
    "https://ansinh.example.vn/citizen/callback"
        .parse()
        .unwrap()
}

pub async fn found(provider: &Provider) -> IdentityProvider {
    let party = RelyingParty::new(&provider.issuer, CLIENT, None).unwrap();
    IdentityProvider::discover(&party).await.unwrap()
}

fn asked(url: &Url) -> HashMap<String, String> {
    url.query_pairs().into_owned().collect()
}

/// What a browser does: goes where the login sends it, and says with which code it comes back.
async fn browse(login: &Login) -> String {
    let policy = reqwest::redirect::Policy::none();
    let browser = reqwest::Client::builder().redirect(policy).build().unwrap();
    let answer = browser.get(login.url.clone()).send().await.unwrap();
    let back = Url::parse(answer.headers()["location"].to_str().unwrap()).unwrap();
    let told = asked(&back);
    assert_eq!(told["state"], login.state);
    told["code"].clone()
}

#[tokio::test]
async fn a_login_says_who_it_is() {
    let provider = Provider::start().await;
    let vneid = found(&provider).await;
    let login = vneid.begin(&redirect());
    let code = browse(&login).await;
    let token = vneid
        .exchange(&code, &login.code_verifier, &redirect())
        .await
        .unwrap();
    let citizen = vneid.verify(&token, &login.nonce, Utc::now()).unwrap();
    assert_eq!(citizen.number.expose(), "001148000123");
    assert_eq!(citizen.name.expose(), "Nguyễn Thị Mai");
    assert_eq!(citizen.birth_date, "12/05/1948".parse().unwrap());
    assert_eq!(citizen.old_number.unwrap().expose(), "012345678");
    assert_eq!(citizen.level, 2);
}

#[tokio::test]
async fn a_login_asks_for_level_two_and_binds_the_code_to_who_asked() {
    let provider = Provider::start().await;
    let vneid = found(&provider).await;
    let (login, other) = (vneid.begin(&redirect()), vneid.begin(&redirect()));
    let told = asked(&login.url);
    assert_eq!(told["response_type"], "code");
    assert_eq!(told["client_id"], CLIENT);
    assert_eq!(told["scope"], "openid citizen");
    assert_eq!(told["acr_values"], "urn:vneid:level:2");
    assert_eq!(told["max_age"], "900");
    assert_eq!(told["code_challenge_method"], "S256");
    assert_eq!(told["redirect_uri"], redirect().as_str());
    assert!(!login.url.as_str().contains(&login.code_verifier));
    assert_ne!(login.state, other.state);
    assert_ne!(login.nonce, other.nonce);
    assert_ne!(login.code_verifier, other.code_verifier);

    let code = browse(&login).await;
    let stolen = vneid
        .exchange(&code, &other.code_verifier, &redirect())
        .await;
    assert_eq!(stolen, Err(Error::CodeRefused));
}

#[tokio::test]
async fn a_code_is_good_once() {
    let provider = Provider::start().await;
    let vneid = found(&provider).await;
    let login = vneid.begin(&redirect());
    let code = browse(&login).await;
    let back = redirect();
    let exchange = || vneid.exchange(&code, &login.code_verifier, &back);
    assert!(exchange().await.is_ok());
    assert_eq!(exchange().await, Err(Error::CodeRefused));
}

#[tokio::test]
async fn a_new_key_is_fetched_when_it_is_first_seen_and_an_old_one_forgotten() {
    let provider = Provider::start().await;
    let vneid = found(&provider).await;
    let now = Utc::now();
    let old = provider.token(&provider.claims("n", now.timestamp()));
    assert!(vneid.verify(&old, "n", now).is_ok());
    let new_key = std::sync::Arc::new(crate::provider::Key::eddsa());
    provider.mood().keys = vec![("key-2".to_owned(), new_key)];
    let token = provider.token(&provider.claims("n", now.timestamp()));
    assert_eq!(vneid.verify(&token, "n", now), Err(Error::KeyUnknown));
    assert!(vneid.verify_fresh(&token, "n", now).await.is_ok());
    assert_eq!(vneid.verify(&old, "n", now), Err(Error::KeyUnknown));
}

#[tokio::test]
async fn made_up_key_ids_do_not_make_us_ask_without_end() {
    let provider = Provider::start().await;
    let vneid = found(&provider).await;
    let now = Utc::now();
    let claims = provider.claims("n", now.timestamp());
    let (_, key) = provider.mood().keys[0].clone();
    for number in 0..20 {
        let header = json!({"alg": "ES256", "kid": format!("made-up-{number}")});
        let token = key.token(&header, &claims);
        let verified = vneid.verify_fresh(&token, "n", now).await;
        assert_eq!(verified, Err(Error::KeyUnknown));
    }
    assert_eq!(
        provider.mood().key_fetches,
        2,
        "once at discovery, once at the first"
    );
}

#[tokio::test]
async fn an_empty_key_set_leaves_the_keys_as_they_were() {
    let provider = Provider::start().await;
    let vneid = found(&provider).await;
    let now = Utc::now();
    let token = provider.token(&provider.claims("n", now.timestamp()));
    provider.mood().keys.clear();
    let refreshed = vneid.refresh().await.unwrap_err();
    assert_eq!(
        (refreshed.code(), refreshed.status()),
        ("identity_provider_unavailable", 503)
    );
    assert!(vneid.verify(&token, "n", now).is_ok());
}

#[tokio::test]
async fn a_provider_that_names_another_issuer_is_not_ours() {
    let provider = Provider::start().await;
    let issuer = provider.issuer.replace("127.0.0.1", "localhost");
    let party = RelyingParty::new(&issuer, CLIENT, None).unwrap();
    let found = IdentityProvider::discover(&party).await;
    let Err(Error::ProviderUnavailable(sentence)) = found else {
        panic!("{found:?}");
    };
    assert_eq!(sentence, "its metadata names another issuer");
}

#[tokio::test]
async fn metadata_leads_nowhere_unsafe_and_is_not_read_without_end() {
    for (metadata, expected) in [
        (
            json!({"authorization_endpoint": "http://vneid.example.vn/authorize"}),
            "its authorization endpoint is not https",
        ),
        (
            json!({"jwks_uri": "http://vneid.example.vn/keys"}),
            "the provider names an address that is not https",
        ),
        (
            json!({"filler": "x".repeat(300_000)}),
            "the answer is longer than 262144 bytes",
        ),
        (
            json!({"jwks_uri": null}),
            "its metadata is not understood at jwks_uri",
        ),
    ] {
        let provider = Provider::start().await;
        provider.mood().metadata = metadata;
        let party = RelyingParty::new(&provider.issuer, CLIENT, None).unwrap();
        let error = IdentityProvider::discover(&party).await.unwrap_err();
        assert_eq!(error, Error::ProviderUnavailable(expected.to_owned()));
    }
    let provider = Provider::start().await;
    provider.mood().metadata = json!({"token_endpoint": "http://vneid.example.vn/token"});
    let vneid = found(&provider).await;
    let sent = vneid.exchange("code", "verifier", &redirect()).await;
    let sentence = "the provider names an address that is not https".to_owned();
    assert_eq!(sent, Err(Error::ProviderUnavailable(sentence)));
}

#[tokio::test]
async fn who_starts_before_the_provider_is_told_so_and_finds_it_later() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let nobody = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let port = Port::new(RelyingParty::new(&nobody, CLIENT, None).unwrap());
    for _ in 0..2 {
        let error = port.provider().await.unwrap_err();
        assert_eq!(error.code(), "identity_provider_unavailable");
    }
    let provider = Provider::start().await;
    let port = Port::new(RelyingParty::new(&provider.issuer, CLIENT, None).unwrap());
    assert_eq!(port.provider().await.unwrap().issuer(), provider.issuer);
}

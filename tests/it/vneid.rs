//! A login at VNeID's stand-in with a client library of other people in another language.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, ensure};
use boot::settings::Sandbox;
use privacy::Keys;
use sandbox::Vneid;
use serde_json::Value;
use tokio::process::Command;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

const LOGIN_MAX: Duration = Duration::from_mins(1);

/// What the client found to hold, in its order.
const SENTENCES: [&str; 12] = [
    "the provider is discovered",
    "a citizen logs in; the library verified signature, issuer, audience, time and nonce",
    "at_hash binds the access token",
    "the claims of scope citizen stand in the ID token and at userinfo",
    "a citizen keeps the pseudonym, and another has another",
    "a citizen of level 1 says so",
    "a wrong verifier is refused and spends the code",
    "a code that is used again is refused and takes its token back",
    "nobody is sent to a foreign redirect URI",
    "without PKCE by S256 nobody logs in",
    "refusals are told to the client, and the issuer of an answer is checked",
    "an ID token of another algorithm or content does not verify",
];

/// Where `deploy/setup --for-tests` puts the library.
fn library() -> anyhow::Result<PathBuf> {
    let library = "../.ansinh/openid-client/node_modules/openid-client/build/index.js";
    let library = Path::new(env!("CARGO_MANIFEST_DIR")).join(library);
    library
        .canonicalize()
        .context("openid-client is not there; `deploy/setup --for-tests` installs it")
}

/// What the foreign client says; with a name, only the proof of that citizen's identity.
async fn run_client(issuer: &str, of: Option<&str>) -> anyhow::Result<String> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("it/vneid/login.mjs");
    let mut client = Command::new("node");
    client
        .arg(script)
        .env("OPENID_CLIENT", library()?)
        .env("VNEID_ISSUER", issuer)
        .stdin(Stdio::null())
        .kill_on_drop(true);
    if let Some(name) = of {
        client.env("VNEID_TOKEN_OF", name);
    }
    let client = timeout(LOGIN_MAX, client.output()).await?;
    let client = client.context("node runs")?;
    let (said, errors) = (
        String::from_utf8(client.stdout)?,
        String::from_utf8_lossy(&client.stderr).into_owned(),
    );
    ensure!(client.status.success(), "{said}\n{errors}");
    Ok(said)
}

/// A citizen logs in with the foreign client: the ID token, and the nonce that it was asked for.
pub async fn log_in(issuer: &str, name: &str) -> anyhow::Result<(String, String)> {
    let said = run_client(issuer, Some(name)).await?;
    let proof: Value = serde_json::from_str(said.lines().last().unwrap_or_default())?;
    let text = |field: &str| proof[field].as_str().map(str::to_owned);
    let (id_token, nonce) = (text("id_token"), text("nonce"));
    id_token.zip(nonce).context("a token and its nonce")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certified_client_of_others_logs_in_and_what_must_not_work_does_not() -> anyhow::Result<()>
{
    let home = std::env::temp_dir().join(format!("ansinh_vneid_{}", Uuid::now_v7().simple()));
    std::fs::create_dir_all(&home)?;
    let keys = Arc::new(Keys::generate(&home.join("keys"))?);
    let vneid = Vneid::bind(&Sandbox::default(), keys).await?;
    let issuer = vneid.issuer().to_owned();
    let stop = CancellationToken::new();
    let serving = tokio::spawn(vneid.serve(stop.clone()));

    let said = run_client(&issuer, None).await?;
    assert_eq!(said.lines().collect::<Vec<_>>(), SENTENCES);

    stop.cancel();
    serving.await?;
    std::fs::remove_dir_all(&home)?;
    Ok(())
}

//! The connection to NATS, and what its server must promise.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use async_nats::jetstream::{self, ContextBuilder};
use async_nats::{Client, ConnectErrorKind, ConnectOptions, Event};
use serde::Deserialize;
use tokio::time::{Instant, sleep};
use zeroize::Zeroizing;

use crate::settings::mask_url;
use crate::{BootError, tls};

/// How long the first connection is tried for; later ones are tried for ever.
const FIRST_CONNECT_TIMEOUT: Duration = Duration::from_secs(20);

/// Between two attempts at most.
const RECONNECT_DELAY_MAX: Duration = Duration::from_secs(1);

/// A half-open connection is found out after two of these.
const PING_INTERVAL: Duration = Duration::from_secs(5);

/// How long JetStream may take to acknowledge a message or to answer a question.
const JETSTREAM_TIMEOUT: Duration = Duration::from_secs(5);

/// Messages that may wait for their acknowledgement at the same time.
const ACKS_IN_FLIGHT_MAX: usize = 512;

/// Longer than a file with a seed and a few empty lines.
const SEED_BYTES_MAX: usize = 256;

/// How long the monitoring page may take.
const MONITOR_TIMEOUT: Duration = Duration::from_secs(5);

/// How long subscriptions may take to be emptied before the process goes.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(5);

/// As whom a client logs in.
#[derive(Debug, Clone, Default)]
pub struct Login {
    /// Holds the seed of an nkey, of which the server knows the public half. Nobody where absent.
    pub nkey_file: Option<PathBuf>,
    /// Where answers come to, for who may hear nothing else.
    pub inbox_prefix: Option<String>,
}

/// A client that comes back by itself after every cut. Its state changes are logged.
///
/// # Errors
///
/// [`BootError::Nats`], at once for wrong credentials or a wrong URL, after 20 seconds for a
/// server that is not there.
pub async fn connect(url: &str, login: &Login, name: &str) -> Result<Client, BootError> {
    connect_within(FIRST_CONNECT_TIMEOUT, url, login, name).await
}

/// JetStream over a connection, with bounds on what may wait.
pub fn jetstream(client: &Client) -> jetstream::Context {
    ContextBuilder::new()
        .timeout(JETSTREAM_TIMEOUT)
        .max_ack_inflight(ACKS_IN_FLIGHT_MAX)
        .build(client.clone())
}

async fn connect_within(
    timeout: Duration,
    url: &str,
    login: &Login,
    name: &str,
) -> Result<Client, BootError> {
    tls::choose_crypto();
    let seed = login.nkey_file.as_deref().map(read_seed).transpose()?;
    let servers: Vec<&str> = url.split(',').map(str::trim).collect();
    let deadline = Instant::now() + timeout;
    let mut attempt = 0;
    loop {
        let mut options = options(name);
        if let Some(seed) = &seed {
            options = options.nkey(seed.to_string());
        }
        if let Some(prefix) = &login.inbox_prefix {
            options = options.custom_inbox_prefix(prefix);
        }
        let error = match options.connect(&servers).await {
            Ok(client) => return Ok(client),
            Err(error) => error,
        };
        let hopeless = matches!(
            error.kind(),
            ConnectErrorKind::ServerParse
                | ConnectErrorKind::Authentication
                | ConnectErrorKind::AuthorizationViolation
        );
        let delay = reconnect_delay(attempt);
        if hopeless || Instant::now() + delay > deadline {
            return Err(BootError::Nats(format!("{}: {error}", mask_url(url))));
        }
        tracing::warn!(%error, "NATS is not there yet");
        sleep(delay).await;
        attempt += 1;
    }
}

/// The seed in a file that only its owner can read.
fn read_seed(file: &Path) -> Result<Zeroizing<String>, BootError> {
    let failed = |what: &str| BootError::Nats(format!("nkey file {}: {what}", file.display()));
    let mut opened = File::open(file).map_err(|it| failed(&it.to_string()))?;
    let metadata = opened.metadata().map_err(|it| failed(&it.to_string()))?;
    if metadata.permissions().mode() & 0o077 != 0 {
        return Err(failed("it is open to others (chmod 600)"));
    }
    let mut text = Zeroizing::new(String::with_capacity(SEED_BYTES_MAX));
    let mut opened = opened.by_ref().take(SEED_BYTES_MAX as u64);
    opened
        .read_to_string(&mut text)
        .map_err(|it| failed(&it.to_string()))?;
    let seed = Zeroizing::new(text.trim().to_owned());
    if !seed.starts_with("SU") {
        return Err(failed("it holds no seed of a user"));
    }
    Ok(seed)
}

fn options(name: &str) -> ConnectOptions {
    ConnectOptions::new()
        .name(name)
        .max_reconnects(None)
        .reconnect_delay_callback(reconnect_delay)
        .ping_interval(PING_INTERVAL)
        .event_callback(|event| async move { tell(&event) })
}

/// 50 ms, doubled at each attempt, up to a second.
fn reconnect_delay(attempt: usize) -> Duration {
    let doublings = u32::try_from(attempt.min(5)).unwrap_or(5);
    (Duration::from_millis(50) * 2_u32.pow(doublings)).min(RECONNECT_DELAY_MAX)
}

fn tell(event: &Event) {
    match event {
        Event::Connected | Event::Draining | Event::Closed => {
            tracing::info!("NATS connection: {event}");
        }
        Event::ServerError(_) | Event::ClientError(_) => {
            tracing::error!("NATS connection: {event}");
        }
        _ => tracing::warn!("NATS connection: {event}"),
    }
}

#[derive(Deserialize)]
struct Jetstream {
    server_id: String,
    config: Option<JetstreamConfig>,
}

#[derive(Deserialize)]
struct JetstreamConfig {
    /// Left out by the server when it is false.
    #[serde(default)]
    sync_always: bool,
}

/// Refuses a server whose JetStream acknowledges before it has written to disk; also where it is
/// any of a cluster, whose addresses are separated by commas. One that does not answer is not
/// waited for, as long as another does: a cluster without one of its servers goes on.
///
/// Only the server's monitoring page tells (`GET /jsz`, `config.sync_always`; `/varz` keeps what it
/// knew when it was first asked). Without its address nothing can be known, and a warning says so.
///
/// # Errors
///
/// [`BootError::UnsafeNats`] when one does, [`BootError::Nats`] when no page can be read.
pub async fn refuse_unsafe_server(
    client: &Client,
    monitor_url: Option<&str>,
) -> Result<(), BootError> {
    let Some(monitor_url) = monitor_url else {
        tracing::warn!(
            "nats.monitor_url is not set: whether JetStream writes to disk before it acknowledges \
             was not checked"
        );
        return Ok(());
    };
    let checked = check_each(monitor_url).await?;
    let connected_to = client.server_info().server_id;
    if !checked.contains(&connected_to) {
        tracing::warn!(
            connected_to,
            ?checked,
            "nats.monitor_url belongs to another server than the one connected to"
        );
    }
    Ok(())
}

/// The servers that answered, each of which is safe.
async fn check_each(monitor_urls: &str) -> Result<Vec<String>, BootError> {
    let mut checked = Vec::new();
    let mut silent = None;
    for url in monitor_urls.split(',').map(str::trim) {
        match fetch_jetstream(url).await {
            Ok(jetstream) if jetstream.keeps_what_it_acknowledges() => {
                checked.push(jetstream.server_id);
            }
            Ok(_) => {
                let place = mask_url(url);
                return Err(BootError::UnsafeNats(format!(
                    "jetstream.sync_interval must be always at {place}"
                )));
            }
            Err(error) => {
                tracing::warn!(%error, "Whether a server of NATS writes to disk was not checked");
                silent = Some(error);
            }
        }
    }
    match silent {
        Some(error) if checked.is_empty() => Err(error),
        _ => Ok(checked),
    }
}

async fn fetch_jetstream(monitor_url: &str) -> Result<Jetstream, BootError> {
    tls::choose_crypto();
    let failed = |it: reqwest::Error| {
        let place = mask_url(monitor_url);
        BootError::Nats(format!("monitoring page {place}: {}", it.without_url()))
    };
    let client = reqwest::Client::builder()
        .timeout(MONITOR_TIMEOUT)
        .build()
        .map_err(failed)?;
    let page = format!("{}/jsz", monitor_url.trim_end_matches('/'));
    let answer = client.get(page).send().await.map_err(failed)?;
    let answer = answer.error_for_status().map_err(failed)?;
    answer.json().await.map_err(failed)
}

impl Jetstream {
    fn keeps_what_it_acknowledges(&self) -> bool {
        self.config.as_ref().is_some_and(|it| it.sync_always)
    }
}

/// Empties the subscriptions, sends what is buffered and closes, within a bound.
pub(crate) async fn drain(client: &Client) {
    let closed = async {
        if client.drain().await.is_err() {
            return; // closed already
        }
        // A closed client refuses to flush; that is the only sign it gives.
        while client.flush().await.is_ok() {
            sleep(Duration::from_millis(20)).await;
        }
    };
    if tokio::time::timeout(DRAIN_TIMEOUT, closed).await.is_err() {
        tracing::warn!("NATS did not take the last messages in time");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keeps(page: &str) -> bool {
        let page: Jetstream = serde_json::from_str(page).unwrap();
        page.keeps_what_it_acknowledges()
    }

    #[test]
    fn only_a_server_that_says_it_always_syncs_is_safe() {
        assert!(keeps(
            r#"{"server_id":"N","config":{"sync_interval":120000000000,"sync_always":true,"strict":true},"streams":0}"#
        ));
        assert!(!keeps(
            r#"{"server_id":"N","config":{"sync_interval":120000000000,"strict":true}}"#
        ));
        assert!(!keeps(
            r#"{"server_id":"N","config":{"sync_always":false}}"#
        ));
        assert!(!keeps(r#"{"server_id":"N"}"#));
    }

    #[test]
    fn attempts_are_never_more_than_a_second_apart() {
        assert_eq!(reconnect_delay(0), Duration::from_millis(50));
        assert_eq!(reconnect_delay(3), Duration::from_millis(400));
        assert_eq!(reconnect_delay(5), RECONNECT_DELAY_MAX);
        assert_eq!(reconnect_delay(usize::MAX), RECONNECT_DELAY_MAX);
    }

    #[tokio::test]
    async fn a_server_that_is_not_there_is_given_up_in_time_without_its_secrets() {
        let start = Instant::now();
        let url = "nats://ansinh:hunter2@127.0.0.1:1";
        let error = connect_within(Duration::from_millis(300), url, &Login::default(), "test")
            .await
            .unwrap_err()
            .to_string();
        assert!(start.elapsed() < Duration::from_secs(2));
        assert!(!error.contains("hunter2"), "{error}");
        assert!(error.contains("127.0.0.1:1"), "{error}");
    }
}

//! What a supervisor asks a process, and how the process answers when it may not go on.

use std::net::TcpListener;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};

use crate::ground::Ground;
use crate::processes::{Process, Processes};

const ANSWER_MAX: Duration = Duration::from_secs(5);
const READY_MAX: Duration = Duration::from_mins(1);
/// How long a supervisor waits before it kills.
const STOP_MAX: Duration = Duration::from_secs(20);

/// The health port of a process that the test starts.
pub struct Port(String);

impl Port {
    /// One that is free now. The process tells nobody which port it took, so it must be told.
    pub fn free() -> anyhow::Result<Port> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        Ok(Port(listener.local_addr()?.to_string()))
    }

    /// `ANSINH_HTTP__LISTEN` of the process.
    pub fn address(&self) -> &str {
        &self.0
    }

    /// Status and body of a page.
    pub async fn get(&self, page: &str) -> anyhow::Result<(u16, String)> {
        let answer = timeout(ANSWER_MAX, async {
            let mut stream = TcpStream::connect(&self.0).await?;
            let request = format!("GET {page} HTTP/1.0\r\nHost: {}\r\n\r\n", self.0);
            stream.write_all(request.as_bytes()).await?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await?;
            anyhow::Ok(answer)
        });
        let answer = answer
            .await
            .with_context(|| format!("no answer to {page}"))??;
        let (head, body) = answer.split_once("\r\n\r\n").context("an answer of HTTP")?;
        let status = head.split(' ').nth(1).context("a status line")?;
        Ok((status.parse()?, body.to_owned()))
    }

    /// Waits for an answer of `/readyz` and gives back its checks.
    pub async fn until_ready_says(&self, status: u16) -> anyhow::Result<Vec<Value>> {
        let (begun, mut last) = (Instant::now(), String::new());
        while begun.elapsed() < READY_MAX {
            match self.get("/readyz").await {
                Ok((found, body)) if found == status => {
                    let said: Value = serde_json::from_str(&body)?;
                    ensure!(said["ready"] == (status == 200), "{said}");
                    return Ok(said["checks"].as_array().context("checks")?.clone());
                }
                Ok((found, body)) => last = format!("{found} {body}"),
                Err(error) => last = format!("{error:#}"),
            }
            sleep(Duration::from_millis(50)).await;
        }
        bail!("/readyz is not {status} in time: {last}")
    }
}

/// Names of the checks that are well, or of those that are not.
fn named(checks: &[Value], well: bool) -> Vec<&str> {
    let found = checks.iter().filter(|it| it["ok"] == well);
    found.filter_map(|it| it["name"].as_str()).collect()
}

/// SIGTERM; the process ends well, and in time.
async fn stop(process: Process) -> anyhow::Result<()> {
    let begun = Instant::now();
    Processes(vec![process]).stop().await?;
    ensure!(
        begun.elapsed() < STOP_MAX,
        "stopped after {:?}",
        begun.elapsed()
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_is_ready_only_while_it_can_work() -> anyhow::Result<()> {
    let mut ground = Ground::new().await?;
    let port = Port::free()?;
    let listen = [("ANSINH_HTTP__LISTEN", port.address())];
    let process = Process::start(&ground, "payments", &listen)?;

    let all = ["payments.database", "payments.nats", "payments.relay"];
    assert_eq!(named(&port.until_ready_says(200).await?, true), all);
    assert_eq!(port.get("/healthz").await?, (200, "ok\n".to_owned()));
    let (status, metrics) = port.get("/metrics").await?;
    assert_eq!(status, 200);
    assert!(
        metrics.contains("service_name=\"ansinh-payments\""),
        "{metrics}"
    );
    assert_eq!(port.get("/secrets").await?.0, 404);

    ground.nats.kill().await?;
    let checks = port.until_ready_says(503).await?;
    assert_eq!(named(&checks, false), ["payments.nats"]);
    assert_eq!(
        named(&checks, true),
        ["payments.database", "payments.relay"]
    );
    let reason = checks.iter().find_map(|it| it["reason"].as_str());
    assert!(reason.is_some_and(|it| !it.is_empty()), "{checks:?}");
    assert_eq!(port.get("/healthz").await?, (200, "ok\n".to_owned()));

    ground.nats.restart().await?;
    assert_eq!(named(&port.until_ready_says(200).await?, true), all);
    stop(process).await?;
    port.get("/healthz").await.unwrap_err();
    ground.clear().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_stops_in_time_though_its_servers_are_away() -> anyhow::Result<()> {
    let mut ground = Ground::new().await?;
    let port = Port::free()?;
    let listen = [("ANSINH_HTTP__LISTEN", port.address())];
    let process = Process::start(&ground, "all", &listen)?;
    let checks = port.until_ready_says(200).await?;
    assert_eq!(
        named(&checks, true).len(),
        2 * crate::processes::SERVICES.len() + crate::processes::SPEAKING.len()
    );
    ground.nats.kill().await?;
    port.until_ready_says(503).await?;
    stop(process).await?;
    ground.clear().await
}

use std::time::{Duration, Instant};

use boot::{Health, health};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

async fn get(url: String) -> anyhow::Result<(u16, String)> {
    let answer = reqwest::get(url).await?;
    Ok((answer.status().as_u16(), answer.text().await?))
}

/// The HTTP client of these tests wants a TLS provider even for plain HTTP.
fn choose_crypto() {
    // Another test of this process may have been first.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

#[tokio::test]
async fn a_process_says_that_it_lives_whether_it_can_work_and_what_it_counts() -> anyhow::Result<()>
{
    choose_crypto();
    let health = Health::default();
    let metrics = prometheus::Registry::new();
    let counter = prometheus::IntCounter::new("ansinh_test_total", "A test")?;
    metrics.register(Box::new(counter.clone()))?;
    counter.inc();
    let listener = health::bind("127.0.0.1:0".parse()?).await?;
    let base = format!("http://{}", listener.local_addr()?);
    let stop = CancellationToken::new();
    let serving = tokio::spawn(health.clone().serve(listener, metrics, stop.clone()));

    assert_eq!(
        get(format!("{base}/healthz")).await?,
        (200, "ok\n".to_owned())
    );
    let (status, _) = get(format!("{base}/readyz")).await?;
    assert_eq!(status, 503, "a process without checks is still starting");

    health.register("nats", || async { Ok(()) });
    let (status, body) = get(format!("{base}/readyz")).await?;
    assert_eq!(status, 200);
    assert_eq!(
        serde_json::from_str::<Value>(&body)?,
        json!({"ready": true, "checks": [{"name": "nats", "ok": true}]})
    );

    health.register("database", || async {
        Err("connection refused".to_owned())
    });
    let (status, body) = get(format!("{base}/readyz")).await?;
    assert_eq!(status, 503);
    assert_eq!(
        serde_json::from_str::<Value>(&body)?,
        json!({"ready": false, "checks": [
            {"name": "database", "ok": false, "reason": "connection refused"},
            {"name": "nats", "ok": true},
        ]})
    );

    let (status, body) = get(format!("{base}/metrics")).await?;
    assert_eq!(status, 200);
    assert!(body.contains("ansinh_test_total 1"), "{body}");

    stop.cancel();
    tokio::time::timeout(Duration::from_secs(6), serving).await???;
    Ok(())
}

#[tokio::test]
async fn checks_that_hang_fail_together_after_two_seconds() {
    let health = Health::default();
    for name in ["one", "two", "three"] {
        health.register(name, std::future::pending);
    }
    let start = Instant::now();
    let readiness = health.readiness().await;
    assert!(start.elapsed() < Duration::from_secs(3));
    assert!(!readiness.ready);
    for check in readiness.checks {
        assert_eq!(check.reason.as_deref(), Some("no answer within 2 s"));
    }
}

#[tokio::test]
async fn a_port_that_is_taken_is_named() -> anyhow::Result<()> {
    let taken = health::bind("127.0.0.1:0".parse()?).await?;
    let address = taken.local_addr()?;
    let error = health::bind(address).await.unwrap_err().to_string();
    assert!(error.contains(&address.to_string()), "{error}");
    Ok(())
}

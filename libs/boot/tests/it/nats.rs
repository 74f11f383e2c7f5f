use boot::{BootError, nats};

use crate::stub::Stub;
use crate::{login, required};

#[tokio::test]
async fn a_client_connects_under_its_name() -> anyhow::Result<()> {
    let client = nats::connect(&required("NATS_URL"), &login(), "ansinh_test").await?;
    let mut heard = client.subscribe("boot.test.connects").await?;
    client.publish("boot.test.connects", "here".into()).await?;
    let message = futures::StreamExt::next(&mut heard).await.unwrap();
    assert_eq!(&message.payload[..], b"here");
    nats::refuse_unsafe_server(&client, None).await?; // unknown is warned about, not refused
    Ok(())
}

#[tokio::test]
async fn a_server_that_syncs_later_is_refused() -> anyhow::Result<()> {
    let client = nats::connect(&required("NATS_URL"), &login(), "ansinh_test").await?;
    let hasty =
        Stub::start(r#"{"server_id":"N","config":{"sync_interval":120000000000,"strict":true}}"#)
            .await?;
    let error = nats::refuse_unsafe_server(&client, Some(&hasty.url()))
        .await
        .unwrap_err();
    assert!(matches!(error, BootError::UnsafeNats(_)), "{error}");

    let safe = Stub::start(
        r#"{"server_id":"N","config":{"sync_interval":120000000000,"sync_always":true,"strict":true}}"#,
    )
    .await?;
    nats::refuse_unsafe_server(&client, Some(&safe.url())).await?;
    Ok(())
}

#[tokio::test]
async fn each_server_of_a_cluster_is_checked_and_one_may_be_away() -> anyhow::Result<()> {
    let client = nats::connect(&required("NATS_URL"), &login(), "ansinh_test").await?;
    let safe = Stub::start(r#"{"server_id":"N","config":{"sync_always":true}}"#).await?;
    let hasty = Stub::start(r#"{"server_id":"M","config":{"sync_always":false}}"#).await?;
    let away = "http://127.0.0.1:1";
    let both = format!("{away}, {}", safe.url());
    nats::refuse_unsafe_server(&client, Some(&both)).await?;
    let one_hasty = format!("{},{}", safe.url(), hasty.url());
    let error = nats::refuse_unsafe_server(&client, Some(&one_hasty)).await;
    let error = error.unwrap_err();
    assert!(matches!(error, BootError::UnsafeNats(_)), "{error}");
    Ok(())
}

#[tokio::test]
async fn a_monitoring_page_that_cannot_be_read_is_an_error() -> anyhow::Result<()> {
    let client = nats::connect(&required("NATS_URL"), &login(), "ansinh_test").await?;
    let other = Stub::start("<html>").await?;
    for url in ["http://127.0.0.1:1".to_owned(), other.url()] {
        let error = nats::refuse_unsafe_server(&client, Some(&url))
            .await
            .unwrap_err();
        assert!(matches!(error, BootError::Nats(_)), "{error}");
    }
    Ok(())
}

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use boot::{BootError, Context, Health, Settings, database, nats, shutdown};
use privacy::Keys;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{ConnectOptions, PgPool};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::{login, required};

/// A key file of this test's own, gone with it.
struct KeyFile(PathBuf);

impl KeyFile {
    fn new(name: &str) -> KeyFile {
        let name = format!("boot-keys-{}-{name}", std::process::id());
        KeyFile(std::env::temp_dir().join(name))
    }
}

impl Drop for KeyFile {
    fn drop(&mut self) {
        std::fs::remove_file(&self.0).expect("the test made its key file");
    }
}

/// A context on real servers that are taken as they are.
async fn context(connect: &PgConnectOptions, key_file: &KeyFile) -> anyhow::Result<Context> {
    let url = connect.to_url_lossy().to_string();
    let client = nats::connect(&required("NATS_URL"), &login(), "ansinh_boot").await?;
    Ok(Context {
        service: "boot",
        pool: database::connect(&url, None, 2).await?,
        jetstream: async_nats::jetstream::new(client.clone()),
        nats: client,
        keys: Arc::new(Keys::generate_development(&key_file.0)?),
        settings: Arc::default(),
        database_url: url.into(),
        stop: CancellationToken::new(),
        tasks: TaskTracker::new(),
        health: Health::default(),
        leases: messaging::Leases::new("boot"),
    })
}

#[sqlx::test(migrations = false)]
async fn a_service_is_connected_with_its_own_role_or_not_at_all(
    _: PgPoolOptions,
    connect: PgConnectOptions,
) -> anyhow::Result<()> {
    let admin = PgPool::connect_with(connect.clone()).await?;
    sqlx::raw_sql("DROP ROLE IF EXISTS ansinh_boot; CREATE ROLE ansinh_boot")
        .execute(&admin)
        .await?;
    let key_file = KeyFile::new("connect");
    Keys::generate(&key_file.0)?;
    let mut settings = Settings::default();
    settings.database.url = Some(connect.to_url_lossy().to_string());
    settings.nats.url = Some(required("NATS_URL"));
    settings.nats.nkey_file = login().nkey_file;
    settings.keys.file = Some(key_file.0.clone());

    let health = Health::default();
    let stop = CancellationToken::new();
    let connected = Context::connect("boot", Arc::new(settings), health.clone(), stop).await;
    match (connected, database::refuse_unsafe_server(&admin).await) {
        (Ok(context), Ok(())) => {
            let user: String = sqlx::query_scalar("SELECT current_user::text")
                .fetch_one(&context.pool)
                .await?;
            assert_eq!(user, "ansinh_boot");
            let readiness = health.readiness().await;
            let names: Vec<_> = readiness.checks.iter().map(|it| it.name.as_str()).collect();
            assert_eq!(names, ["boot.database", "boot.nats"]);
            assert!(readiness.ready, "{readiness:?}");

            let mut held = Vec::new();
            while held.len() < 4 {
                held.push(context.pool.acquire().await?);
            }
            assert!(health.readiness().await.ready, "a busy pool is not broken");
            drop(held);
            context.shutdown().await;
            assert!(!health.readiness().await.ready);
        }
        // A test server that runs without fsync, for speed, is refused like any other.
        (Err(BootError::UnsafeDatabase(_)), Err(BootError::UnsafeDatabase(_))) => {}
        (connected, safe) => panic!("{connected:?}, although the server is {safe:?}"),
    }
    sqlx::raw_sql("DROP ROLE ansinh_boot")
        .execute(&admin)
        .await?;
    Ok(())
}

#[tokio::test]
async fn a_setting_that_is_missing_is_named() {
    let error = Context::connect(
        "boot",
        Arc::default(),
        Health::default(),
        CancellationToken::new(),
    )
    .await
    .unwrap_err();
    assert_eq!(
        error.to_string(),
        "settings: database.url is missing (set it in ansinh.toml or as DATABASE_URL)"
    );
}

#[sqlx::test(migrations = false)]
async fn a_stop_lets_a_task_finish_the_transaction_in_hand(
    _: PgPoolOptions,
    connect: PgConnectOptions,
) -> anyhow::Result<()> {
    let key_file = KeyFile::new("stop");
    let context = context(&connect, &key_file).await?;
    sqlx::raw_sql("CREATE TABLE done (at int)")
        .execute(&context.pool)
        .await?;
    let finished = Arc::new(AtomicBool::new(false));
    let (pool, stop, flag) = (context.pool.clone(), context.stop.clone(), finished.clone());
    context.spawn("worker", async move {
        let mut tx = pool.begin().await.unwrap();
        sqlx::raw_sql("INSERT INTO done VALUES (1)")
            .execute(&mut *tx)
            .await
            .unwrap();
        stop.cancelled().await;
        tokio::time::sleep(Duration::from_millis(200)).await;
        tx.commit().await.unwrap();
        tokio::time::sleep(Duration::from_millis(200)).await;
        flag.store(true, Ordering::SeqCst);
    });
    tokio::time::sleep(Duration::from_millis(100)).await;
    let start = Instant::now();
    context.shutdown().await;
    assert!(start.elapsed() < Duration::from_secs(5));
    assert!(finished.load(Ordering::SeqCst));
    assert!(context.pool.is_closed());
    assert!(context.nats.publish("x", "".into()).await.is_err());

    let pool = PgPool::connect_with(connect).await?;
    let done: i64 = sqlx::query_scalar("SELECT count(*) FROM done")
        .fetch_one(&pool)
        .await?;
    assert_eq!(done, 1);
    Ok(())
}

#[sqlx::test(migrations = false)]
async fn a_task_that_panics_stops_the_others(
    _: PgPoolOptions,
    connect: PgConnectOptions,
) -> anyhow::Result<()> {
    let key_file = KeyFile::new("panic");
    let context = context(&connect, &key_file).await?;
    let stopped = Arc::new(AtomicBool::new(false));
    let (stop, seen) = (context.stop.clone(), stopped.clone());
    context.spawn("bystander", async move {
        stop.cancelled().await;
        seen.store(true, Ordering::SeqCst);
    });
    assert!(!shutdown::task_panicked());
    context.spawn("culprit", async { panic!("on purpose") });
    tokio::time::timeout(Duration::from_secs(5), context.stop.cancelled()).await?;
    context.shutdown().await;
    assert!(stopped.load(Ordering::SeqCst));
    assert!(shutdown::task_panicked());
    Ok(())
}

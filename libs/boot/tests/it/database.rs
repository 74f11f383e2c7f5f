use std::time::{Duration, Instant};

use boot::{BootError, database};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{ConnectOptions, Connection, PgConnection, PgPool};
use tokio::time::{sleep, timeout};
use uuid::Uuid;

use crate::slow_line;

/// How long the line holds back an answer, so that a call of one round trip takes as long.
const DELAY: Duration = Duration::from_millis(150);

const ROUNDS: i64 = 3;

/// The URL of the database that this test has to itself.
fn url(connect: &PgConnectOptions) -> String {
    connect.to_url_lossy().to_string()
}

/// The same database through another port of this machine, also where its own way is a socket.
fn url_through(connect: &PgConnectOptions, port: u16) -> String {
    let whole = url(connect);
    let (login, place) = whole.rsplit_once('@').expect("a URL with a login");
    let (_, database) = place.split_once('/').expect("a URL with a database");
    format!("{login}@127.0.0.1:{port}/{database}")
}

/// Cuts a `begin()` off, `cut` after its call and while its answer is under way, then writes a row on the
/// same connection without a transaction. Returns how many of the acknowledged rows are there in the end.
async fn rows_kept_after_cut_off_begins(
    pool: PgPool,
    cut: Duration,
    direct: &PgConnectOptions,
) -> anyhow::Result<i64> {
    for round in 0..ROUNDS {
        sleep(DELAY * 3).await; // the connection is back in the pool
        let begin = timeout(cut, pool.begin()).await;
        assert!(begin.is_err(), "the begin was not cut off");
        sleep(DELAY * 3).await; // the answer arrives, and nobody waits for it
        sqlx::query("INSERT INTO written (round) VALUES ($1)")
            .bind(round)
            .execute(&pool)
            .await?; // acknowledged
        // What any later user of the connection may do.
        let mut connection = pool.acquire().await?;
        sqlx::raw_sql("ROLLBACK").execute(&mut *connection).await?;
    }
    pool.close().await;
    let mut direct = PgConnection::connect_with(direct).await?;
    let kept = sqlx::query_scalar("SELECT count(*) FROM written")
        .fetch_one(&mut direct)
        .await?;
    Ok(kept)
}

async fn prepare(connect: &PgConnectOptions) -> anyhow::Result<u16> {
    let mut direct = PgConnection::connect_with(connect).await?;
    sqlx::raw_sql("CREATE TABLE written (round bigint)")
        .execute(&mut direct)
        .await?;
    slow_line::open(connect.get_host().to_owned(), connect.get_port(), DELAY).await
}

#[sqlx::test(migrations = false)]
async fn an_acknowledged_row_survives_a_begin_that_was_cut_off(
    _: PgPoolOptions,
    connect: PgConnectOptions,
) -> anyhow::Result<()> {
    let port = prepare(&connect).await?;
    let guarded = database::connect(&url_through(&connect, port), None, 1).await?;
    // Getting the connection takes no round trip: the cut is amid that of the BEGIN.
    let kept = rows_kept_after_cut_off_begins(guarded, DELAY / 2, &connect).await?;
    assert_eq!(kept, ROUNDS);
    Ok(())
}

/// The fault that the guard is there for. When this fails, sqlx has mended it and the guard in
/// `boot::database::connect` can go.
#[sqlx::test(migrations = false)]
async fn without_the_guard_the_row_is_lost(
    _: PgPoolOptions,
    connect: PgConnectOptions,
) -> anyhow::Result<()> {
    let port = prepare(&connect).await?;
    let plain = PgPoolOptions::new()
        .max_connections(1)
        .connect(&url_through(&connect, port))
        .await?;
    // One round trip to get the connection, one for the BEGIN: the cut is amid the second.
    let kept = rows_kept_after_cut_off_begins(plain, DELAY * 3 / 2, &connect).await?;
    assert_eq!(kept, 0);
    Ok(())
}

#[sqlx::test(migrations = false)]
async fn a_transaction_that_failed_is_not_handed_on(
    _: PgPoolOptions,
    connect: PgConnectOptions,
) -> anyhow::Result<()> {
    let pool = database::connect(&url(&connect), None, 1).await?;
    let mut connection = pool.acquire().await?;
    sqlx::raw_sql("BEGIN").execute(&mut *connection).await?;
    sqlx::raw_sql("SELECT 1 / 0")
        .execute(&mut *connection)
        .await
        .unwrap_err();
    drop(connection);
    let one: i32 = sqlx::query_scalar("SELECT 1").fetch_one(&pool).await?;
    assert_eq!(one, 1);
    Ok(())
}

#[sqlx::test(migrations = false)]
async fn sessions_are_bounded_and_take_their_role(
    _: PgPoolOptions,
    connect: PgConnectOptions,
) -> anyhow::Result<()> {
    let role = "pg_read_all_data"; // there in every cluster
    let pool = database::connect(&url(&connect), Some(role), 2).await?;
    for (setting, expected) in [
        ("role", role),
        ("application_name", role),
        ("lock_timeout", "10s"),
        ("idle_in_transaction_session_timeout", "1min"),
        ("statement_timeout", "2min"),
    ] {
        let found: String = sqlx::query_scalar("SELECT current_setting($1)")
            .bind(setting)
            .fetch_one(&pool)
            .await?;
        assert_eq!(found, expected, "{setting}");
    }
    let user: String = sqlx::query_scalar("SELECT current_user::text")
        .fetch_one(&pool)
        .await?;
    assert_eq!(user, role);
    let number = Uuid::now_v7();
    let instance = database::connect_instance(&url(&connect), (role, number), 1).await?;
    for (setting, expected) in [
        ("application_name", format!("{role} {number}")),
        ("idle_in_transaction_session_timeout", "5s".to_owned()),
    ] {
        let found: String = sqlx::query_scalar("SELECT current_setting($1)")
            .bind(setting)
            .fetch_one(&instance)
            .await?;
        assert_eq!(found, expected, "{setting}");
    }
    Ok(())
}

#[sqlx::test(migrations = false)]
async fn a_role_that_is_not_there_is_named_at_once(
    _: PgPoolOptions,
    connect: PgConnectOptions,
) -> anyhow::Result<()> {
    let start = Instant::now();
    let error = database::connect(&url(&connect), Some("ansinh_nobody"), 1)
        .await
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("\"ansinh_nobody\" does not exist"),
        "{error}"
    );
    assert!(start.elapsed() < Duration::from_secs(3));
    Ok(())
}

#[sqlx::test(migrations = false)]
async fn a_server_that_acknowledges_too_early_is_refused(
    _: PgPoolOptions,
    connect: PgConnectOptions,
) -> anyhow::Result<()> {
    for commit in ["off", "local"] {
        let hasty = connect.clone().options([("synchronous_commit", commit)]);
        let pool = PgPool::connect_with(hasty).await?;
        let error = database::refuse_unsafe_server(&pool).await.unwrap_err();
        assert!(matches!(error, BootError::UnsafeDatabase(_)), "{error}");
        let expected = format!("synchronous_commit is {commit}, must be on");
        assert!(error.to_string().contains(&expected), "{error}");
    }
    Ok(())
}

#[sqlx::test(migrations = false)]
async fn the_guard_costs_a_borrower_nothing_and_a_trial_one_round_trip(
    _: PgPoolOptions,
    connect: PgConnectOptions,
) -> anyhow::Result<()> {
    let port = prepare(&connect).await?;
    let pool = database::connect(&url_through(&connect, port), None, 1).await?;
    let mut took = Vec::new();
    // Each time it comes back in two round trips. Unused for over a second it is tried.
    for pause in [DELAY * 4, Duration::from_secs(1) + DELAY * 4] {
        drop(pool.acquire().await?);
        sleep(pause).await;
        let start = Instant::now();
        drop(pool.acquire().await?);
        took.push(start.elapsed());
        sleep(DELAY * 4).await;
    }
    assert!(took[0] < DELAY / 2, "{took:?}");
    assert!(took[1] >= DELAY && took[1] < DELAY * 2, "{took:?}");
    Ok(())
}

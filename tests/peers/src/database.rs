use std::str::FromStr;

use anyhow::Context;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{AssertSqlSafe, Connection, PgConnection, PgPool};

/// A new database on the server of `url`; what an earlier run has left is dropped.
pub async fn fresh(url: &str, name: &str) -> anyhow::Result<String> {
    let mut owner = PgConnection::connect_with(&PgConnectOptions::from_str(url)?).await?;
    for statement in ["DROP DATABASE IF EXISTS", "CREATE DATABASE"] {
        let statement = format!("{statement} {name}");
        sqlx::raw_sql(AssertSqlSafe(statement))
            .execute(&mut owner)
            .await?;
    }
    sqlx::raw_sql("CHECKPOINT").execute(&mut owner).await?;
    owner.close().await?;
    let (path, way) = url.split_once('?').unwrap_or((url, ""));
    let (server, _) = path.rsplit_once('/').context("a URL of a database")?;
    let mark = if way.is_empty() { "" } else { "?" };
    Ok(format!("{server}/{name}{mark}{way}"))
}

pub async fn pool(url: &str) -> anyhow::Result<PgPool> {
    let connections = u32::from(crate::CONNECTIONS.unsigned_abs());
    let pool = PgPoolOptions::new().max_connections(connections);
    Ok(pool.connect(url).await?)
}

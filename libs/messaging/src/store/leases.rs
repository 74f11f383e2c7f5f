//! Which instance does what.

use std::collections::BTreeMap;
use std::time::Duration;

use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use crate::Error;

/// How a unit stands for one instance.
#[derive(Debug)]
pub(crate) struct Standing {
    pub unit: String,
    /// Where it is ours.
    pub epoch: Option<i64>,
    /// Nobody alive has it.
    pub is_free: bool,
}

/// A unit, and who has it.
#[derive(Debug, Clone, serde::Serialize)]
pub struct LeaseRow {
    pub unit: String,
    pub service: Option<String>,
    pub instance: Option<Uuid>,
    pub epoch: i64,
    pub taken_at: chrono::DateTime<chrono::Utc>,
    /// Whether it is worked on.
    pub is_held: bool,
}

/// From now on this session speaks for an instance, and its end is the instance's.
pub(crate) async fn lock_session(connection: &mut PgConnection) -> Result<(), Error> {
    sqlx::query!("SELECT messaging.lock_session()")
        .fetch_one(connection)
        .await?;
    Ok(())
}

/// Says that an instance is alive for `life` from now, and gives back the groups of all that are, ours
/// included.
pub(crate) async fn announce(
    connection: &mut PgConnection,
    (instance, service): (Uuid, &str),
    groups: &[String],
    life: Duration,
) -> Result<Vec<(Uuid, Vec<String>)>, Error> {
    let rows = sqlx::query!(
        r#"
        WITH ours AS (
            INSERT INTO messaging.instances (instance, service, groups, session, expires_at)
            VALUES ($1, $2, $3, pg_backend_pid(),
                clock_timestamp() + $4::bigint * interval '1 ms')
            ON CONFLICT (instance) DO UPDATE
            SET groups = excluded.groups, session = excluded.session,
                expires_at = excluded.expires_at
        )
        SELECT i.instance, i.groups FROM messaging.instances i
        WHERE i.service = $2 AND i.instance <> $1 AND messaging.is_alive(i)
        "#,
        instance,
        service,
        groups,
        milliseconds(life),
    )
    .fetch_all(connection)
    .await?;
    let others = rows.into_iter().map(|it| (it.instance, it.groups));
    Ok(others.chain([(instance, groups.to_vec())]).collect())
}

/// How units stand, in their order.
pub(crate) async fn standings(
    connection: &mut PgConnection,
    instance: Uuid,
    units: &[String],
) -> Result<Vec<Standing>, Error> {
    Ok(sqlx::query_as!(
        Standing,
        r#"
        SELECT w.unit AS "unit!", CASE WHEN l.owner = $1 THEN l.epoch END AS epoch,
            l.owner IS NULL OR l.owner <> $1 AND NOT EXISTS (
                SELECT FROM messaging.instances i
                WHERE i.instance = l.owner AND messaging.is_alive(i)) AS "is_free!"
        FROM unnest($2::text[]) AS w (unit) LEFT JOIN messaging.leases l ON l.unit = w.unit
        ORDER BY w.unit
        "#,
        instance,
        units,
    )
    .fetch_all(connection)
    .await?)
}

/// Takes those of the units that nobody alive has by now; gives back which, each with its epoch.
pub(crate) async fn take_leases(
    connection: &mut PgConnection,
    instance: Uuid,
    units: &[String],
) -> Result<BTreeMap<String, i64>, Error> {
    let rows = sqlx::query!(
        r#"
        INSERT INTO messaging.leases AS l (unit, owner, epoch, taken_at)
        SELECT unit, $1, 1, clock_timestamp() FROM unnest($2::text[]) AS unit ORDER BY unit
        ON CONFLICT (unit) DO UPDATE
        SET owner = excluded.owner, epoch = l.epoch + 1, taken_at = excluded.taken_at
        WHERE l.owner IS NULL OR NOT EXISTS (
            SELECT FROM messaging.instances i
            WHERE i.instance = l.owner AND messaging.is_alive(i))
        RETURNING unit, epoch
        "#,
        instance,
        units,
    )
    .fetch_all(connection)
    .await?;
    Ok(rows.into_iter().map(|it| (it.unit, it.epoch)).collect())
}

/// What was somebody else's by then stays theirs.
pub(crate) async fn give_back_leases(
    connection: &mut PgConnection,
    instance: Uuid,
    units: &[String],
) -> Result<(), Error> {
    sqlx::query!(
        "UPDATE messaging.leases SET owner = NULL WHERE owner = $1 AND unit = ANY ($2)",
        instance,
        units,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Gives back all and is gone.
pub(crate) async fn leave(connection: &mut PgConnection, instance: Uuid) -> Result<(), Error> {
    sqlx::query!(
        "UPDATE messaging.leases SET owner = NULL WHERE owner = $1",
        instance,
    )
    .execute(&mut *connection)
    .await?;
    sqlx::query!(
        "DELETE FROM messaging.instances WHERE instance = $1",
        instance,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// The instances of a service that have said nothing for `patience` longer than they might.
pub(crate) async fn dead(
    connection: &mut PgConnection,
    service: &str,
    patience: Duration,
) -> Result<Vec<Uuid>, Error> {
    Ok(sqlx::query_scalar!(
        r#"
        SELECT instance FROM messaging.instances
        WHERE service = $1 AND expires_at < clock_timestamp() - $2::bigint * interval '1 ms'
        "#,
        service,
        milliseconds(patience),
    )
    .fetch_all(connection)
    .await?)
}

/// Takes their locks from the dead, and forgets them; gives back how many sessions that ended. Who
/// was only asleep says that it lives when it wakes.
pub(crate) async fn bury(connection: &mut PgConnection, dead: &[Uuid]) -> Result<i64, Error> {
    let ended = sqlx::query_scalar!(r#"SELECT messaging.end_sessions($1) AS "ended!""#, dead,)
        .fetch_one(&mut *connection)
        .await?;
    sqlx::query!(
        r#"
        DELETE FROM messaging.instances i
        WHERE i.instance = ANY ($1) AND NOT messaging.is_alive(i)
        "#,
        dead,
    )
    .execute(connection)
    .await?;
    Ok(ended)
}

/// Every unit that anybody ever did, and who does it now.
///
/// # Errors
/// What the database says.
pub async fn leases(pool: &PgPool) -> Result<Vec<LeaseRow>, Error> {
    Ok(sqlx::query_as!(
        LeaseRow,
        r#"
        SELECT l.unit, i.service AS "service?", l.owner AS instance, l.epoch, l.taken_at,
            coalesce(messaging.is_alive(i), false) AS "is_held!"
        FROM messaging.leases l LEFT JOIN messaging.instances i ON i.instance = l.owner
        ORDER BY l.unit
        "#
    )
    .fetch_all(pool)
    .await?)
}

fn milliseconds(it: Duration) -> i64 {
    i64::try_from(it.as_millis()).unwrap_or(i64::MAX)
}

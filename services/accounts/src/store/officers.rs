use chrono::{DateTime, TimeDelta, Utc};
use domain::{Officer, Province};
use sqlx::PgConnection;

use super::Scope;
use crate::Error;

/// What an officer may see; `None` for one whom nobody has appointed.
pub(crate) async fn scope_of(
    tx: &mut PgConnection,
    officer: &Officer,
) -> Result<Option<Scope>, Error> {
    let row = sqlx::query!(
        "SELECT province FROM accounts.officers WHERE officer = $1",
        officer.as_str(),
    )
    .fetch_optional(tx)
    .await?;
    Ok(row.map(|it| match it.province {
        None => Scope::Nation,
        Some(number) => Scope::Province(
            format!("{number:02}")
                .parse()
                .expect("officers are appointed to provinces that there are"),
        ),
    }))
}

/// Since when the officer may see what they may; `None` for one whom nobody has appointed.
pub(crate) async fn appointed_at(
    tx: &mut PgConnection,
    officer: &Officer,
) -> Result<Option<DateTime<Utc>>, Error> {
    Ok(sqlx::query_scalar!(
        "SELECT appointed_at FROM accounts.officers WHERE officer = $1",
        officer.as_str(),
    )
    .fetch_optional(tx)
    .await?)
}

/// Whether there is any officer: the first one is appointed by the installation itself.
pub(crate) async fn any_officer(tx: &mut PgConnection) -> Result<bool, Error> {
    Ok(
        sqlx::query_scalar!(r#"SELECT EXISTS (SELECT FROM accounts.officers) AS "any!""#)
            .fetch_one(tx)
            .await?,
    )
}

pub(crate) async fn appoint(
    tx: &mut PgConnection,
    officer: &Officer,
    province: Option<Province>,
    by: &Officer,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    sqlx::query!(
        r#"
        INSERT INTO accounts.officers (officer, province, appointed_by, appointed_at)
        VALUES ($1, $2, $3, $4)
        ON CONFLICT (officer) DO UPDATE SET province = excluded.province,
            appointed_by = excluded.appointed_by, appointed_at = excluded.appointed_at
        "#,
        officer.as_str(),
        province.map(Province::number),
        by.as_str(),
        now,
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// How many accounts an officer has changed within the last hour.
pub(crate) async fn changes_of(
    tx: &mut PgConnection,
    officer: &Officer,
    now: DateTime<Utc>,
) -> Result<i64, Error> {
    Ok(sqlx::query_scalar!(
        r#"
        SELECT count(*) AS "count!" FROM accounts.links
        WHERE changed_by = $1 AND requested_at > $2
        "#,
        officer.as_str(),
        now - TimeDelta::hours(1),
    )
    .fetch_one(tx)
    .await?)
}

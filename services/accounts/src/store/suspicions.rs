use chrono::{DateTime, NaiveDate, Utc};
use events::SuspicionTold;
use privacy::BlindIndex;
use sqlx::PgConnection;

use super::index_of;
use crate::Error;

/// Keeps warnings; gives back the accounts of those that are new.
pub(crate) async fn insert_suspicions(
    tx: &mut PgConnection,
    told: &[&SuspicionTold],
    now: DateTime<Utc>,
) -> Result<Vec<BlindIndex>, Error> {
    let ids: Vec<&str> = told.iter().map(|it| &it.suspicion_id[..]).collect();
    let institutions: Vec<i32> = told.iter().map(|it| it.institution.number()).collect();
    let accounts: Vec<&[u8]> = told
        .iter()
        .map(|it| &it.account_index.as_bytes()[..])
        .collect();
    let kinds: Vec<&str> = told.iter().map(|it| &it.kind[..]).collect();
    let days: Vec<NaiveDate> = told.iter().map(|it| it.raised_on).collect();
    let rows = sqlx::query_scalar!(
        r#"
        INSERT INTO accounts.suspicions
            (suspicion_id, institution, account_index, kind, raised_on, recorded_at)
        SELECT n.*, $6 FROM unnest($1::text[], $2::int[], $3::bytea[], $4::text[], $5::date[]) AS n
        ON CONFLICT DO NOTHING RETURNING account_index
        "#,
        &ids as &[&str],
        &institutions,
        &accounts as &[&[u8]],
        &kinds as &[&str],
        &days,
        now,
    )
    .fetch_all(tx)
    .await?;
    Ok(rows.iter().map(|it| index_of(it)).collect())
}

/// Withdraws warnings; gives back the accounts that none is left of.
pub(crate) async fn clear_suspicions(
    tx: &mut PgConnection,
    ids: &[&str],
    now: DateTime<Utc>,
) -> Result<Vec<BlindIndex>, Error> {
    let cleared = sqlx::query_scalar!(
        r#"
        UPDATE accounts.suspicions SET cleared_at = $2
        WHERE suspicion_id = ANY($1) AND cleared_at IS NULL RETURNING account_index
        "#,
        ids as &[&str],
        now,
    )
    .fetch_all(&mut *tx)
    .await?;
    let accounts: Vec<BlindIndex> = cleared.iter().map(|it| index_of(it)).collect();
    let left = suspected(tx, &accounts).await?;
    Ok(accounts
        .into_iter()
        .filter(|it| !left.contains(it))
        .collect())
}

/// Which of these accounts the central bank warns of now.
pub(crate) async fn suspected(
    tx: &mut PgConnection,
    accounts: &[BlindIndex],
) -> Result<Vec<BlindIndex>, Error> {
    let indexes: Vec<&[u8]> = accounts.iter().map(|it| &it.as_bytes()[..]).collect();
    let rows = sqlx::query_scalar!(
        r#"
        SELECT DISTINCT account_index FROM accounts.suspicions
        WHERE account_index = ANY($1) AND cleared_at IS NULL
        "#,
        &indexes as &[&[u8]],
    )
    .fetch_all(tx)
    .await?;
    Ok(rows.iter().map(|it| index_of(it)).collect())
}

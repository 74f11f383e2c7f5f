use chrono::{DateTime, NaiveDate, Utc};
use domain::Institution;
use events::SuspicionTold;
use privacy::BlindIndex;
use sqlx::PgConnection;

use super::index_of;
use crate::Error;

/// An account: numbers of two banks may be alike, and then are two accounts.
pub(crate) type AccountKey = (Institution, BlindIndex);

/// Keeps warnings; gives back the accounts of those that are new.
pub(crate) async fn insert_suspicions(
    tx: &mut PgConnection,
    told: &[&SuspicionTold],
    now: DateTime<Utc>,
) -> Result<Vec<AccountKey>, Error> {
    let ids: Vec<&str> = told.iter().map(|it| &it.suspicion_id[..]).collect();
    let institutions: Vec<i32> = told.iter().map(|it| it.institution.number()).collect();
    let accounts: Vec<&[u8]> = told
        .iter()
        .map(|it| &it.account_index.as_bytes()[..])
        .collect();
    let kinds: Vec<&str> = told.iter().map(|it| &it.kind[..]).collect();
    let days: Vec<NaiveDate> = told.iter().map(|it| it.raised_on).collect();
    let rows = sqlx::query!(
        r#"
        INSERT INTO accounts.suspicions
            (suspicion_id, institution, account_index, kind, raised_on, recorded_at)
        SELECT n.*, $6 FROM unnest($1::text[], $2::int[], $3::bytea[], $4::text[], $5::date[]) AS n
        ON CONFLICT DO NOTHING
        RETURNING institution AS "institution: Institution", account_index
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
    Ok(rows
        .into_iter()
        .map(|it| (it.institution, index_of(&it.account_index)))
        .collect())
}

/// Withdraws warnings; gives back the accounts that none is left of.
pub(crate) async fn clear_suspicions(
    tx: &mut PgConnection,
    ids: &[&str],
    now: DateTime<Utc>,
) -> Result<Vec<AccountKey>, Error> {
    let cleared = sqlx::query!(
        r#"
        UPDATE accounts.suspicions SET cleared_at = $2
        WHERE suspicion_id = ANY($1) AND cleared_at IS NULL
        RETURNING institution AS "institution: Institution", account_index
        "#,
        ids as &[&str],
        now,
    )
    .fetch_all(&mut *tx)
    .await?;
    let accounts: Vec<AccountKey> = cleared
        .into_iter()
        .map(|it| (it.institution, index_of(&it.account_index)))
        .collect();
    let left = suspected(tx, &accounts).await?;
    Ok(accounts
        .into_iter()
        .filter(|it| !left.contains(it))
        .collect())
}

/// Which of these accounts the central bank warns of now.
pub(crate) async fn suspected(
    tx: &mut PgConnection,
    accounts: &[AccountKey],
) -> Result<Vec<AccountKey>, Error> {
    let (institutions, indexes) = columns(accounts);
    let rows = sqlx::query!(
        r#"
        SELECT DISTINCT s.institution AS "institution: Institution", s.account_index
        FROM unnest($1::int[], $2::bytea[]) AS k (institution, account_index)
        JOIN accounts.suspicions s USING (institution, account_index)
        WHERE s.cleared_at IS NULL
        "#,
        &institutions,
        &indexes as &[&[u8]],
    )
    .fetch_all(tx)
    .await?;
    Ok(rows
        .into_iter()
        .map(|it| (it.institution, index_of(&it.account_index)))
        .collect())
}

/// Accounts as the columns of two array parameters.
pub(super) fn columns(accounts: &[AccountKey]) -> (Vec<i32>, Vec<&[u8]>) {
    let institutions = accounts.iter().map(|(it, _)| it.number()).collect();
    let indexes = accounts.iter().map(|(_, it)| &it.as_bytes()[..]).collect();
    (institutions, indexes)
}

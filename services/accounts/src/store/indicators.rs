use chrono::{DateTime, NaiveDate, Utc};
use serde_json::Value;
use sqlx::PgConnection;

use crate::Error;
use crate::indicator::{Linked, Paid};

/// People of the register and those with a social-security account, by where they live.
pub(crate) async fn linked(tx: &mut PgConnection) -> Result<Vec<Linked>, Error> {
    Ok(sqlx::query_as!(
        Linked,
        r#"
        SELECT coalesce(p.province, 0)::smallint AS "province!",
            coalesce(p.commune, 0) AS "commune!", count(*) AS "people!",
            count(c.person_no) AS "linked!"
        FROM accounts.persons p
        LEFT JOIN accounts.channels c
            ON c.part = p.part AND c.person_no = p.person_no AND c.rank = 1
        GROUP BY 1, 2 ORDER BY 1, 2
        "#
    )
    .fetch_all(tx)
    .await?)
}

/// How the recipients of the last run of each programme were paid, by where they live. A month's
/// own line counts its person once; arrears beside it do not.
pub(crate) async fn paid(tx: &mut PgConnection) -> Result<Vec<Paid>, Error> {
    Ok(sqlx::query_as!(
        Paid,
        r#"
        WITH latest AS (
            SELECT DISTINCT ON (programme) run_no FROM accounts.runs
            ORDER BY programme, period DESC, run_no DESC
        )
        SELECT coalesce(p.province, 0)::smallint AS "province!",
            coalesce(p.commune, 0) AS "commune!", count(*) AS "recipients!",
            count(*) FILTER (WHERE w.means = 'ssa') AS "by_ssa!",
            count(*) FILTER (WHERE w.means = 'cash') AS "by_cash!"
        FROM latest JOIN accounts.ways w USING (run_no)
        JOIN accounts.persons p USING (part, person_no)
        WHERE w.determination_no = 1
        GROUP BY 1, 2 ORDER BY 1, 2
        "#
    )
    .fetch_all(tx)
    .await?)
}

/// Keeps what was told on a day; the first telling stands.
pub(crate) async fn insert_indicators(
    tx: &mut PgConnection,
    taken_on: NaiveDate,
    body: &Value,
    now: DateTime<Utc>,
) -> Result<bool, Error> {
    let inserted = sqlx::query!(
        r#"
        INSERT INTO accounts.indicators (taken_on, body, recorded_at) VALUES ($1, $2, $3)
        ON CONFLICT DO NOTHING
        "#,
        taken_on,
        body,
        now,
    )
    .execute(tx)
    .await?;
    Ok(inserted.rows_affected() == 1)
}

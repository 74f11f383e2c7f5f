use chrono::{DateTime, NaiveDate, Utc};
use domain::Institution;
use sqlx::PgConnection;

use crate::Error;
use crate::command::ThawDay;
use crate::statement::{Header, RefusalCode};

/// Freezes a bank's day because of a page; page 0 stands for the whole statement.
pub(crate) async fn freeze(
    tx: &mut PgConnection,
    (institution, date): (Institution, NaiveDate),
    (statement_no, page): (i64, i32),
    code: RefusalCode,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    sqlx::query!(
        r#"
        INSERT INTO reconciliation.freezes (institution, date, statement_no, page, code, frozen_at)
        VALUES ($1, $2, $3, $4, $5, $6)
        "#,
        institution.number(),
        date,
        statement_no,
        page,
        code as RefusalCode,
        now,
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// A right statement of the day goes on with it.
pub(crate) async fn thaw_by_statement(
    tx: &mut PgConnection,
    header: &Header,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    sqlx::query!(
        r#"
        INSERT INTO reconciliation.thaws (freeze_no, statement_no, thawed_at)
        SELECT f.freeze_no, $3, $4 FROM reconciliation.freezes f
        LEFT JOIN reconciliation.thaws t USING (freeze_no)
        WHERE f.institution = $1 AND f.date = $2 AND t.freeze_no IS NULL
        "#,
        header.institution.number(),
        header.date,
        header.statement_no,
        now,
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Ends all freezes of the day; gives back how many.
pub(crate) async fn thaw_by_officer(
    tx: &mut PgConnection,
    command: &ThawDay,
    now: DateTime<Utc>,
) -> Result<u64, Error> {
    let thawed = sqlx::query!(
        r#"
        INSERT INTO reconciliation.thaws (freeze_no, officer, reason, thawed_at)
        SELECT f.freeze_no, $3, $4, $5 FROM reconciliation.freezes f
        LEFT JOIN reconciliation.thaws t USING (freeze_no)
        WHERE f.institution = $1 AND f.date = $2 AND t.freeze_no IS NULL
        "#,
        command.institution.number(),
        command.date,
        command.officer.as_str(),
        command.reason.trim(),
        now,
    )
    .execute(tx)
    .await?;
    Ok(thawed.rows_affected())
}

//! Officers who changed where people are paid, and so neither approve nor release.

use chrono::{DateTime, Utc};
use domain::{Officer, Position, RunNo};
use sqlx::PgConnection;

use crate::Error;

/// Remembers who changed where these lines are paid; the partition must not be prepared yet.
pub(crate) async fn insert_editors(
    tx: &mut PgConnection,
    editors: &[(Position, Officer)],
) -> Result<(), Error> {
    let mut copied = bulk::Rows::into(
        "COPY payments.editors (run_no, part, chunk, line, officer) FROM STDIN (FORMAT binary)",
        5,
    );
    for (at, officer) in editors {
        copied
            .row()
            .with(at.run.0)
            .with(at.part.number())
            .with(at.chunk.0)
            .with(at.line.0)
            .with(officer.as_str())
            .end();
    }
    copied.send(tx).await?;
    Ok(())
}

/// Each editor has acted on the run from now on. Who opened it has so already; one who approved it
/// before would break the unique index, and nothing of the run goes on.
pub(super) async fn record_edits(
    tx: &mut PgConnection,
    run_no: RunNo,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    sqlx::query!(
        r#"
        INSERT INTO payments.acts (run_no, officer, act, lines, total, acted_at)
        SELECT DISTINCT $1::bigint, e.officer, 'edit', 0, 0, $2::timestamptz FROM payments.editors e
        WHERE e.run_no = $1 AND NOT EXISTS (SELECT FROM payments.acts a
            WHERE (a.run_no, a.officer, a.act) = (e.run_no, e.officer, 'open')
                AND a.voided_at IS NULL)
        "#,
        run_no.0,
        now,
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Whether the officer changed where the line is paid.
pub(crate) async fn is_editor(
    tx: &mut PgConnection,
    line: Position,
    officer: &Officer,
) -> Result<bool, Error> {
    Ok(sqlx::query_scalar!(
        r#"
        SELECT EXISTS (SELECT FROM payments.editors WHERE run_no = $1 AND part = $2 AND chunk = $3
            AND line = $4 AND officer = $5) AS "is!"
        "#,
        line.run.0,
        line.part.number(),
        line.chunk.0,
        line.line.0,
        officer.as_str(),
    )
    .fetch_one(tx)
    .await?)
}

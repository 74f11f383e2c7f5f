//! What officers say became of unknown lines.

use chrono::{DateTime, NaiveDate, Utc};
use domain::{ChunkNo, LineNo, Money, Officer, Part, Position, RunNo};
use events::ResultStatus;
use messaging::Problem;
use sqlx::PgConnection;

use crate::Error;
use crate::command::{DecideUnknown, SettleUnknown};

/// What an officer says became of a line.
#[derive(Debug)]
pub(crate) struct Settlement {
    pub settlement_no: i64,
    pub line: Position,
    pub amount: Money,
    pub settled_as: ResultStatus,
    pub booked_on: NaiveDate,
    pub evidence: String,
    pub officer: Officer,
}

/// When the institution is asked again about an unknown line.
#[derive(Debug)]
pub(crate) struct EnquiryOpen {
    pub enquire_at: Option<DateTime<Utc>>,
    pub business_date: NaiveDate,
}

/// `None` where the line is not unknown.
pub(crate) async fn enquiry_open(
    tx: &mut PgConnection,
    line: Position,
) -> Result<Option<EnquiryOpen>, Error> {
    Ok(sqlx::query_as!(
        EnquiryOpen,
        r#"
        SELECT x.enquire_at, r.business_date
        FROM payments.exceptions x JOIN payments.runs r USING (run_no)
        WHERE x.run_no = $1 AND x.part = $2 AND x.chunk = $3 AND x.line = $4
            AND x.kind = 'unknown' AND x.resolved_at IS NULL
        "#,
        line.run.0,
        line.part.number(),
        line.chunk.0,
        line.line.0,
    )
    .fetch_optional(tx)
    .await?)
}

pub(crate) async fn open_settlement(
    tx: &mut PgConnection,
    line: Position,
) -> Result<Option<Settlement>, Error> {
    let number = sqlx::query_scalar!(
        r#"
        SELECT s.settlement_no
        FROM payments.settlements s LEFT JOIN payments.settlement_decisions d USING (settlement_no)
        WHERE s.run_no = $1 AND s.part = $2 AND s.chunk = $3 AND s.line = $4
            AND d.settlement_no IS NULL
        ORDER BY s.settlement_no LIMIT 1
        "#,
        line.run.0,
        line.part.number(),
        line.chunk.0,
        line.line.0,
    )
    .fetch_optional(&mut *tx)
    .await?;
    match number {
        Some(number) => Ok(Some(settlement(tx, number).await?)),
        None => Ok(None),
    }
}

/// Decided or not.
pub(crate) async fn settlement(
    tx: &mut PgConnection,
    settlement_no: i64,
) -> Result<Settlement, Error> {
    let row = sqlx::query!(
        r#"
        SELECT s.run_no AS "run: RunNo", s.part AS "part: Part", s.chunk AS "chunk: ChunkNo",
            s.line AS "line: LineNo", l.amount AS "amount: Money",
            s.settled_as AS "settled_as: ResultStatus", s.booked_on, s.evidence,
            s.officer AS "officer: Officer"
        FROM payments.settlements s JOIN payments.lines l USING (run_no, part, chunk, line)
        WHERE s.settlement_no = $1
        "#,
        settlement_no,
    )
    .fetch_optional(tx)
    .await?;
    let detail = format!("there is no settlement {settlement_no}");
    let it = row.ok_or_else(|| Problem::new(404, "settlement_unknown", detail))?;
    Ok(Settlement {
        settlement_no,
        line: Position {
            run: it.run,
            part: it.part,
            chunk: it.chunk,
            line: it.line,
        },
        amount: it.amount,
        settled_as: it.settled_as,
        booked_on: it.booked_on,
        evidence: it.evidence,
        officer: it.officer,
    })
}

pub(crate) async fn insert_settlement(
    tx: &mut PgConnection,
    command: &SettleUnknown,
    booked_on: NaiveDate,
    now: DateTime<Utc>,
) -> Result<i64, Error> {
    let line = command.line;
    Ok(sqlx::query_scalar!(
        r#"
        INSERT INTO payments.settlements (run_no, part, chunk, line, settled_as, booked_on,
            evidence, officer, proposed_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) RETURNING settlement_no
        "#,
        line.run.0,
        line.part.number(),
        line.chunk.0,
        line.line.0,
        command.settled_as as ResultStatus,
        booked_on,
        command.evidence.trim(),
        command.officer.as_str(),
        now,
    )
    .fetch_one(tx)
    .await?)
}

pub(crate) async fn insert_settlement_decision(
    tx: &mut PgConnection,
    settlement: &Settlement,
    command: &DecideUnknown,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    sqlx::query!(
        r#"
        INSERT INTO payments.settlement_decisions (settlement_no, proposed_by, officer, accepted,
            reason, decided_at)
        VALUES ($1, $2, $3, $4, $5, $6)
        "#,
        settlement.settlement_no,
        settlement.officer.as_str(),
        command.officer.as_str(),
        command.accept,
        command.reason.as_deref().map(str::trim),
        now,
    )
    .execute(tx)
    .await?;
    Ok(())
}

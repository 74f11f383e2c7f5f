//! SQL of one payment's whole story: the auditors' views, with the rights of their role.

use chrono::{DateTime, NaiveDate, Utc};
use domain::{Money, Period, PersonNo, Position};
use serde::Serialize;
use sqlx::PgConnection;

#[derive(Debug, Serialize)]
pub(super) struct PaymentRow {
    pub programme: i16,
    pub period: Period,
    pub person_no: PersonNo,
    pub determination_no: i16,
    pub amount: Money,
    pub deducted: Money,
    pub province: i16,
    pub institution: i32,
    pub channel: String,
    pub account_ref: Option<String>,
    pub state: String,
    pub reason: Option<String>,
    pub booked_on: Option<NaiveDate>,
    pub bank_ref: Option<String>,
    pub released_at: Option<DateTime<Utc>>,
    pub statement_no: Option<i64>,
    pub is_matched: bool,
}

pub(super) async fn payment(
    tx: &mut PgConnection,
    at: Position,
) -> Result<Option<PaymentRow>, sqlx::Error> {
    sqlx::query_as!(
        PaymentRow,
        r#"
        SELECT programme AS "programme!", period AS "period!: Period",
            person_no AS "person_no!: PersonNo", determination_no AS "determination_no!",
            amount AS "amount!: Money", deducted AS "deducted!: Money", province AS "province!",
            institution AS "institution!", channel AS "channel!", account_ref, state AS "state!",
            reason, booked_on, bank_ref, released_at, statement_no,
            is_matched AS "is_matched!"
        FROM audit.payments WHERE (run_no, part, chunk, line) = ($1, $2, $3, $4)
        "#,
        at.run.0,
        at.part.number(),
        at.chunk.0,
        at.line.0,
    )
    .fetch_optional(tx)
    .await
}

#[derive(Debug, Serialize)]
pub(super) struct MessageRow {
    pub subject: String,
    pub part: i16,
    pub seq: i64,
    pub created_at: DateTime<Utc>,
    pub signed_by: String,
    pub body_sha256: String,
}

pub(super) async fn messages(
    tx: &mut PgConnection,
    at: Position,
) -> Result<Vec<MessageRow>, sqlx::Error> {
    sqlx::query_as!(
        MessageRow,
        r#"
        SELECT subject AS "subject!", part AS "part!", seq AS "seq!", created_at AS "created_at!",
            signed_by AS "signed_by!", body_sha256 AS "body_sha256!"
        FROM audit.messages_of($1)
        "#,
        at.to_string(),
    )
    .fetch_all(tx)
    .await
}

#[derive(Debug, Serialize)]
pub(super) struct TransferRow {
    pub journal: String,
    pub kind: String,
    pub recorded_at: DateTime<Utc>,
    pub debit: String,
    pub debit_no: i64,
    pub credit: String,
    pub credit_no: i64,
    pub amount: Money,
}

pub(super) async fn transfers(
    tx: &mut PgConnection,
    at: Position,
) -> Result<Vec<TransferRow>, sqlx::Error> {
    sqlx::query_as!(
        TransferRow,
        r#"
        SELECT journal AS "journal!", kind AS "kind!", recorded_at AS "recorded_at!",
            debit AS "debit!", debit_no AS "debit_no!", credit AS "credit!",
            credit_no AS "credit_no!", amount AS "amount!: Money"
        FROM audit.transfers
        WHERE (run_no, part, chunk, chunk_line) = ($1, $2, $3, $4) ORDER BY recorded_at, journal, line
        "#,
        at.run.0,
        at.part.number(),
        at.chunk.0,
        at.line.0,
    )
    .fetch_all(tx)
    .await
}

#[derive(Debug, Serialize)]
pub(super) struct BreakRow {
    pub kind: String,
    pub amount: Money,
    pub stated_on: NaiveDate,
    pub how: Option<String>,
    pub proposed_by: Option<String>,
    pub decided_by: Option<String>,
    pub reason: Option<String>,
}

pub(super) async fn breaks(
    tx: &mut PgConnection,
    at: Position,
) -> Result<Vec<BreakRow>, sqlx::Error> {
    sqlx::query_as!(
        BreakRow,
        r#"
        SELECT kind AS "kind!", amount AS "amount!: Money", stated_on AS "stated_on!", how,
            proposed_by, decided_by, reason
        FROM audit.breaks WHERE line_id = $1 ORDER BY stated_on, break_no
        "#,
        at.to_string(),
    )
    .fetch_all(tx)
    .await
}

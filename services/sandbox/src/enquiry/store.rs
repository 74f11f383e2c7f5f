//! SQL of enquiries: what the bank's books have of the lines.

use std::collections::HashMap;

use domain::{ChunkNo, EndToEndId, LineNo, Money, RunNo};
use events::Enquiries;
use sqlx::PgConnection;

use super::Booked;
use crate::Error;
use crate::banks::Status;

pub(super) async fn booked(
    tx: &mut PgConnection,
    message: &Enquiries,
) -> Result<HashMap<EndToEndId, Booked>, Error> {
    let ids = || message.lines.iter().map(|it| it.end_to_end_id);
    let runs: Vec<i64> = ids().map(|it| it.run.0).collect();
    let chunks: Vec<i32> = ids().map(|it| it.chunk.0).collect();
    let lines: Vec<i32> = ids().map(|it| it.line.0).collect();
    let rows = sqlx::query!(
        r#"
        SELECT e.run_no AS "run: RunNo", e.chunk AS "chunk: ChunkNo", e.line AS "line: LineNo",
            e.amount AS "amount: Money", e.status AS "status: Status", e.reason, e.bank_ref, e.vague
        FROM unnest($3::bigint[], $4::integer[], $5::integer[]) AS k (run_no, chunk, line)
        JOIN sandbox.entries e ON (e.run_no, e.chunk, e.line) = (k.run_no, k.chunk, k.line)
        WHERE e.institution = $1 AND e.part = $2
        "#,
        message.institution.number(),
        message.part.number(),
        &runs,
        &chunks,
        &lines,
    )
    .fetch_all(tx)
    .await?;
    let booked = rows.into_iter().map(|it| {
        let id = EndToEndId {
            run: it.run,
            part: message.part,
            chunk: it.chunk,
            line: it.line,
        };
        let booked = Booked {
            amount: it.amount,
            status: it.status,
            reason: it.reason,
            bank_ref: it.bank_ref,
            vague: it.vague,
        };
        (id, booked)
    });
    Ok(booked.collect())
}

use domain::{Institution, Money, Position, RunNo};
use events::{ResultStatus, ResultsApplied};
use sqlx::PgConnection;

use crate::Error;

/// An instructed line as it is kept.
pub(crate) struct Instructed {
    pub position: Position,
    pub amount: Money,
    pub account_index: Option<Vec<u8>>,
}

/// Keeps lines of one institution; what is there already is left alone.
pub(crate) async fn insert_instructions(
    tx: &mut PgConnection,
    institution: Institution,
    lines: &[Instructed],
) -> Result<(), Error> {
    let mut copied = bulk::Rows::into(
        "COPY reconciliation.instructions (run_no, part, chunk, line, institution, amount,
            account_index) FROM STDIN (FORMAT binary)",
        7,
    );
    for line in lines {
        let at = line.position;
        copied
            .row()
            .with(at.run.0)
            .with(at.part.number())
            .with(at.chunk.0)
            .with(at.line.0)
            .with(institution.number())
            .with(line.amount)
            .with(line.account_index.as_deref())
            .end();
    }
    copied.send(tx).await?;
    let mut named: Vec<i64> = lines.iter().map(|it| it.position.run.0).collect();
    named.sort_unstable();
    named.dedup();
    sqlx::query!(
        r#"
        INSERT INTO reconciliation.runs (run_no) SELECT unnest($1::bigint[])
        ON CONFLICT DO NOTHING
        "#,
        &named,
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Nothing of a closed run can be missing.
pub(crate) async fn close_run(tx: &mut PgConnection, run_no: RunNo) -> Result<(), Error> {
    sqlx::query!(
        "UPDATE reconciliation.runs SET closed = true WHERE run_no = $1",
        run_no.0
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Keeps results that took effect; what is there already is left alone.
pub(crate) async fn insert_results(
    tx: &mut PgConnection,
    results: &ResultsApplied,
) -> Result<(), Error> {
    let mut copied = bulk::Rows::into(
        "COPY reconciliation.results (run_no, part, chunk, line, institution, status, amount,
            booked_on) FROM STDIN (FORMAT binary)",
        8,
    );
    for line in &results.lines {
        let status = match line.status {
            ResultStatus::Credited => "credited",
            ResultStatus::Rejected => "rejected",
        };
        copied
            .row()
            .with(line.run_no.0)
            .with(results.part.number())
            .with(line.chunk.0)
            .with(line.line.0)
            .with(results.institution.number())
            .with(status)
            .with(line.amount)
            .with(line.booked_on)
            .end();
    }
    copied.send(tx).await?;
    Ok(())
}

use domain::{Institution, Money, Position, RunNo};
use events::ResultsApplied;
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
        copied
            .row()
            .with(line.run_no.0)
            .with(results.part.number())
            .with(line.chunk.0)
            .with(line.line.0)
            .with(results.institution.number())
            .with(line.status)
            .with(line.amount)
            .with(line.booked_on)
            .end();
    }
    copied.send(tx).await?;
    insert_contradictions(tx, results).await
}

/// Keeps what the bank said against what is known; the first word of a line is enough.
async fn insert_contradictions(
    tx: &mut PgConnection,
    results: &ResultsApplied,
) -> Result<(), Error> {
    let refused = &results.refused;
    let at = || refused.iter().map(|it| it.end_to_end_id);
    let runs: Vec<i64> = at().map(|it| it.run.0).collect();
    let chunks: Vec<i32> = at().map(|it| it.chunk.0).collect();
    let lines: Vec<i32> = at().map(|it| it.line.0).collect();
    let codes: Vec<String> = refused.iter().map(|it| it.code.clone()).collect();
    let amounts: Vec<Money> = refused.iter().map(|it| it.amount).collect();
    sqlx::query!(
        r#"
        INSERT INTO reconciliation.contradictions (run_no, part, chunk, line, institution, code,
            amount)
        SELECT c.run_no, $6, c.chunk, c.line, $7, c.code, c.amount
        FROM unnest($1::bigint[], $2::integer[], $3::integer[], $4::text[], $5::numeric[])
            AS c (run_no, chunk, line, code, amount)
        ON CONFLICT DO NOTHING
        "#,
        &runs,
        &chunks,
        &lines,
        &codes,
        &amounts as &[Money],
        results.part.number(),
        results.institution.number(),
    )
    .execute(tx)
    .await?;
    Ok(())
}

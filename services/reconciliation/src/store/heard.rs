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
    let runs: Vec<i64> = lines.iter().map(|it| it.position.run.0).collect();
    let parts: Vec<i16> = lines.iter().map(|it| it.position.part.number()).collect();
    let chunks: Vec<i32> = lines.iter().map(|it| it.position.chunk.0).collect();
    let numbers: Vec<i32> = lines.iter().map(|it| it.position.line.0).collect();
    let amounts: Vec<Money> = lines.iter().map(|it| it.amount).collect();
    let indexes: Vec<Option<&[u8]>> = lines.iter().map(|it| it.account_index.as_deref()).collect();
    sqlx::query!(
        r#"
        INSERT INTO reconciliation.instructions
            (run_no, part, chunk, line, institution, amount, account_index)
        SELECT l.run_no, l.part, l.chunk, l.line, $7, l.amount, l.account_index
        FROM unnest($1::bigint[], $2::smallint[], $3::integer[], $4::integer[], $5::numeric[],
            $6::bytea[]) AS l (run_no, part, chunk, line, amount, account_index)
        ON CONFLICT DO NOTHING
        "#,
        &runs,
        &parts,
        &chunks,
        &numbers,
        &amounts as &[Money],
        &indexes as &[Option<&[u8]>],
        institution.number(),
    )
    .execute(&mut *tx)
    .await?;
    let mut named = runs;
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
    let lines = &results.lines;
    let runs: Vec<i64> = lines.iter().map(|it| it.run_no.0).collect();
    let chunks: Vec<i32> = lines.iter().map(|it| it.chunk.0).collect();
    let numbers: Vec<i32> = lines.iter().map(|it| it.line.0).collect();
    let credited: Vec<bool> = lines
        .iter()
        .map(|it| it.status == ResultStatus::Credited)
        .collect();
    let amounts: Vec<Money> = lines.iter().map(|it| it.amount).collect();
    let booked: Vec<chrono::NaiveDate> = lines.iter().map(|it| it.booked_on).collect();
    sqlx::query!(
        r#"
        INSERT INTO reconciliation.results
            (run_no, part, chunk, line, institution, status, amount, booked_on)
        SELECT l.run_no, $7, l.chunk, l.line, $8,
            CASE WHEN l.credited THEN 'credited' ELSE 'rejected' END, l.amount, l.booked_on
        FROM unnest($1::bigint[], $2::integer[], $3::integer[], $4::boolean[], $5::numeric[],
            $6::date[]) AS l (run_no, chunk, line, credited, amount, booked_on)
        ON CONFLICT DO NOTHING
        "#,
        &runs,
        &chunks,
        &numbers,
        &credited,
        &amounts as &[Money],
        &booked,
        results.part.number(),
        results.institution.number(),
    )
    .execute(tx)
    .await?;
    Ok(())
}

use domain::{Institution, Money, Position, RunNo};
use events::{ClearingTold, ResultsApplied};
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
    .execute(&mut *tx)
    .await?;
    count_instructed(tx, institution, lines).await
}

async fn count_instructed(
    tx: &mut PgConnection,
    institution: Institution,
    lines: &[Instructed],
) -> Result<(), Error> {
    let parts: Vec<i16> = lines.iter().map(|it| it.position.part.number()).collect();
    let amounts: Vec<Money> = lines.iter().map(|it| it.amount).collect();
    let runs: Vec<i64> = lines.iter().map(|it| it.position.run.0).collect();
    let chunks: Vec<i32> = lines.iter().map(|it| it.position.chunk.0).collect();
    sqlx::query!(
        r#"
        INSERT INTO reconciliation.chunks (institution, part, run_no, chunk)
        SELECT DISTINCT $1::integer, c.*
        FROM unnest($2::smallint[], $3::bigint[], $4::integer[]) AS c
        ON CONFLICT DO NOTHING
        "#,
        institution.number(),
        &parts,
        &runs,
        &chunks,
    )
    .execute(&mut *tx)
    .await?;
    sqlx::query!(
        r#"
        INSERT INTO reconciliation.tallies AS t
            (institution, part, instructed_lines, instructed_total)
        SELECT $1, part, count(*), sum(amount)
        FROM unnest($2::smallint[], $3::numeric[]) AS l (part, amount) GROUP BY part ORDER BY part
        ON CONFLICT (institution, part) DO UPDATE
        SET instructed_lines = t.instructed_lines + excluded.instructed_lines,
            instructed_total = t.instructed_total + excluded.instructed_total
        "#,
        institution.number(),
        &parts,
        &amounts as &[Money],
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
    let amounts = results.lines.iter().map(|it| it.amount);
    sqlx::query!(
        r#"
        INSERT INTO reconciliation.tallies AS t (institution, part, answered_lines, answered_total)
        VALUES ($1, $2, $3, $4)
        ON CONFLICT (institution, part) DO UPDATE
        SET answered_lines = t.answered_lines + excluded.answered_lines,
            answered_total = t.answered_total + excluded.answered_total
        "#,
        results.institution.number(),
        results.part.number(),
        i64::try_from(results.lines.len()).expect("a message fits in memory"),
        Money::sum(amounts) as Money,
    )
    .execute(&mut *tx)
    .await?;
    insert_contradictions(tx, results).await
}

/// Keeps how the clearing accounts stand, beside what the institution had answered by then.
pub(crate) async fn insert_clearing(
    tx: &mut PgConnection,
    told: &ClearingTold,
) -> Result<(), Error> {
    sqlx::query!(
        r#"
        INSERT INTO reconciliation.clearings (institution, part, after, released, in_transit,
            unknown, settled, suspense_debits, suspense_credits, answered)
        SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, coalesce((
            SELECT answered_total FROM reconciliation.tallies
            WHERE institution = $1 AND part = $2), 0)
        "#,
        told.institution.number(),
        told.part.number(),
        told.after,
        told.released as Money,
        told.in_transit as Money,
        told.unknown as Money,
        told.settled as Money,
        told.suspense_debits as Money,
        told.suspense_credits as Money,
    )
    .execute(tx)
    .await?;
    Ok(())
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

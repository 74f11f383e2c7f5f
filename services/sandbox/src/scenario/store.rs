//! SQL of scenarios, and of what they make banks book beside a line's own entry.

use chrono::{DateTime, Utc};
use domain::{ChunkNo, Institution, LineNo, Money, Part, RunNo};
use events::{EntryKind, Instructions};
use sqlx::PgConnection;

use super::{Scenario, ScenarioKind};
use crate::Error;
use crate::banks::Movement;
use crate::statement::Paid;

pub(crate) async fn set_scenario(
    tx: &mut PgConnection,
    institution: Institution,
    scenario: Option<Scenario>,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    sqlx::query!(
        r#"
        INSERT INTO sandbox.scenarios (institution, scenario, seed, share_per_mille, set_at)
        VALUES ($1, $2, $3, $4, $5)
        ON CONFLICT (institution) DO UPDATE
        SET scenario = excluded.scenario, seed = excluded.seed,
            share_per_mille = excluded.share_per_mille, set_at = excluded.set_at
        "#,
        institution.number(),
        scenario.map(|it| it.kind) as Option<ScenarioKind>,
        scenario.map(|it| i64::from(it.seed)),
        scenario.and_then(|it| i16::try_from(it.share_per_mille).ok()),
        now,
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// What is in force at a bank; `None` where it does as it should.
pub(crate) async fn scenario(
    tx: &mut PgConnection,
    institution: Institution,
) -> Result<Option<Scenario>, Error> {
    let row = sqlx::query!(
        r#"
        SELECT scenario AS "kind!: ScenarioKind", seed AS "seed!",
            share_per_mille AS "share_per_mille!"
        FROM sandbox.scenarios WHERE institution = $1 AND scenario IS NOT NULL
        "#,
        institution.number(),
    )
    .fetch_optional(tx)
    .await?;
    Ok(row.map(|it| Scenario {
        kind: it.kind,
        seed: u32::try_from(it.seed).expect("the schema keeps seeds within 32 bits"),
        share_per_mille: it.share_per_mille.unsigned_abs(),
    }))
}

pub(crate) async fn insert_movements(
    tx: &mut PgConnection,
    message: &Instructions,
    movements: &[Movement],
) -> Result<(), Error> {
    if movements.is_empty() {
        return Ok(());
    }
    let lines: Vec<i32> = movements.iter().map(|it| it.line.0).collect();
    let kinds: Vec<EntryKind> = movements.iter().map(|it| it.kind).collect();
    let amounts: Vec<Money> = movements.iter().map(|it| it.amount).collect();
    let refs: Vec<String> = movements.iter().map(|it| it.bank_ref.clone()).collect();
    sqlx::query!(
        r#"
        INSERT INTO sandbox.movements (institution, part, run_no, chunk, line, entry_kind, amount,
            bank_ref)
        SELECT $1, $2, $3, $4, m.*
        FROM unnest($5::integer[], $6::text[], $7::numeric[], $8::text[]) AS m
        "#,
        message.institution.number(),
        message.part.number(),
        message.run_no.0,
        message.chunk.0,
        &lines,
        &kinds as &[EntryKind],
        &amounts as &[Money],
        &refs,
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Puts on this statement what none has shown yet: what was paid again, and what comes back of
/// lines that an earlier one showed. In the order of partitions.
pub(crate) async fn claim_movements(
    tx: &mut PgConnection,
    institution: Institution,
    statement_no: i64,
) -> Result<Vec<(Part, Paid)>, Error> {
    let rows = sqlx::query!(
        r#"
        WITH claimed AS (
            UPDATE sandbox.movements m SET statement_no = $2::bigint
            FROM sandbox.funds f
            WHERE m.institution = $1 AND m.statement_no IS NULL
                AND (f.institution, f.part, f.run_no, f.chunk)
                    = (m.institution, m.part, m.run_no, m.chunk)
                AND f.statement_no <= CASE m.entry_kind WHEN 'return' THEN $2::bigint - 1 ELSE $2 END
            RETURNING m.*
        )
        SELECT m.part AS "part: Part", m.run_no AS "run_no: RunNo", m.chunk AS "chunk: ChunkNo",
            m.line AS "line: LineNo", m.amount AS "amount: Money", m.bank_ref,
            m.entry_kind AS "kind: EntryKind", e.account_sealed AS "account: Vec<u8>"
        FROM claimed m JOIN sandbox.entries e USING (institution, part, run_no, chunk, line)
        ORDER BY m.part, m.run_no, m.chunk, m.line
        "#,
        institution.number(),
        statement_no,
    )
    .fetch_all(tx)
    .await?;
    let paid = rows.into_iter().map(|it| {
        let paid = Paid {
            run_no: it.run_no,
            chunk: it.chunk,
            line: it.line,
            amount: it.amount,
            account: it.account,
            bank_ref: it.bank_ref,
            kind: it.kind,
        };
        (it.part, paid)
    });
    Ok(paid.collect())
}

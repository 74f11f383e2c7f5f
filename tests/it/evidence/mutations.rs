//! Changes drawn by chance, at any place of records and log: each is found.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::{Context, ensure};
use proof::Log;
use sqlx::{Connection, PgConnection};

use super::{Copy, files_under, keeping, log_of, sealed_month};
use crate::chance::Chance;

const SEED: u64 = 826;
/// How many in a run of the tests; `EVIDENCE_MUTATIONS=10000` asks for more.
const USUAL: u64 = 100;

/// What is evident, or keeps what is.
const TABLES: [&str; 23] = [
    "ledger.journals",
    "ledger.transfers",
    "ledger.balances",
    "ledger.heads",
    "payments.acts",
    "approval.officer_keys",
    "approval.decisions",
    "eligibility.laws",
    "eligibility.law_files",
    "audit.queries",
    "privacy.access_log",
    "messaging.organisation_keys",
    "messaging.organisation_key_confirmations",
    "messaging.received",
    "proof.entries",
    "proof.leaves",
    "proof.checkpoints",
    "proof.sealed",
    "proof.heads",
    "payments.proposals",
    "payments.proposal_decisions",
    "reconciliation.decisions",
    "reconciliation.closings",
];

/// When something was noted down beside the evidence: not evidence itself.
const BESIDE: [&str; 3] = [
    "proof.entries.recorded_at",
    "proof.checkpoints.sealed_at",
    "ledger.balances.normal",
];

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_changed_by_chance_is_found() -> anyhow::Result<()> {
    let wanted = std::env::var("EVIDENCE_MUTATIONS").ok();
    let wanted = wanted.map_or(Ok(USUAL), |it| it.parse())?;
    let ground = sealed_month().await?.end().await?;
    let (log, key) = log_of(&ground)?;
    let key = key.verifier_key();
    let copy = Copy::of(&ground).await?;
    let held = keeping(&log.checkpoint()?.context("published")?);
    let mut connection = copy.pool.acquire().await?;
    let mut chance = Chance::seeded(SEED);
    let mut found: BTreeMap<String, u64> = BTreeMap::new();
    let mut made = 0;
    while made < wanted {
        let mut tx = connection.begin().await?;
        sqlx::raw_sql("SET LOCAL session_replication_role = replica")
            .execute(&mut *tx)
            .await?;
        let kind = chance.below(100);
        let undo = match kind {
            0..75 => row(&mut tx, &mut chance).await?.map(|it| (it, None)),
            75..85 => swapped(&mut tx, &mut chance).await?.map(|it| (it, None)),
            _ => Some(file(&log, &mut chance)?),
        };
        let Some((what, undo)) = undo else { continue };
        let told = proof::verify_in(&mut tx, &log, &key, &held).await;
        // What cannot even be read is found as well.
        let is_found = told.as_ref().is_ok_and(|it| it.tampered > 0);
        if let Some((path, bytes)) = undo {
            std::fs::write(path, bytes)?;
        }
        ensure!(
            is_found,
            "seed {SEED}, {made}: {what} is not found: {told:?}"
        );
        tx.rollback().await?;
        *found
            .entry(what.split(' ').next().unwrap_or_default().to_owned())
            .or_default() += 1;
        made += 1;
    }
    let mut tx = connection.begin().await?;
    let clean = proof::verify_in(&mut tx, &log, &key, &held).await?;
    assert_eq!(
        (clean.tampered, &clean.incomplete),
        (0, &Vec::new()),
        "{clean:?}"
    );
    tx.rollback().await?;
    println!("{made} changes, {made} found: {found:?}");
    drop(connection);
    copy.drop().await?;
    ground.clear().await
}

/// Changes a value of a row, or removes the row; `None` where the drawn one cannot be.
async fn row(tx: &mut PgConnection, chance: &mut Chance) -> anyhow::Result<Option<String>> {
    let table = TABLES[usize::try_from(chance.below(TABLES.len() as u64))?];
    let columns: Vec<(String, String)> = sqlx::query_as(
        "SELECT column_name::text, data_type::text FROM information_schema.columns
        WHERE table_schema || '.' || table_name = $1 ORDER BY ordinal_position",
    )
    .bind(table)
    .fetch_all(&mut *tx)
    .await?;
    let (column, kind) = &columns[usize::try_from(chance.below(columns.len() as u64))?];
    let draw = chance.below(1 << 30);
    let row = format!(
        "ctid = (SELECT ctid FROM {table} WHERE {column} IS NOT NULL
            ORDER BY md5(ctid::text || '{draw}') LIMIT 1)"
    );
    let (what, sql) = if draw.is_multiple_of(7) {
        (
            format!("removed {table}"),
            format!("DELETE FROM {table} WHERE {row}"),
        )
    } else {
        if BESIDE.contains(&&format!("{table}.{column}")[..]) {
            return Ok(None);
        }
        let Some(other) = other_value(column, kind, draw) else {
            return Ok(None);
        };
        let sql = format!("UPDATE {table} SET {column} = {other} WHERE {row}");
        (format!("changed {table}.{column}"), sql)
    };
    let mut tried = tx.begin().await?;
    match sqlx::raw_sql(sqlx::AssertSqlSafe(sql))
        .execute(&mut *tried)
        .await
    {
        Ok(done) if done.rows_affected() == 1 => {
            tried.commit().await?;
            Ok(Some(what))
        }
        // There is no such row, or a constraint that holds for owners too.
        _ => Ok(None),
    }
}

fn other_value(column: &str, kind: &str, draw: u64) -> Option<String> {
    let at = format!("({draw} % octet_length({column}))");
    Some(match kind {
        "bigint" | "integer" | "smallint" | "numeric" | "date" => format!("{column} + 1"),
        "text" => format!("{column} || 'x'"),
        "bytea" => format!("set_byte({column}, {at}, get_byte({column}, {at}) # 1)"),
        "timestamp with time zone" => format!("{column} + interval '1 microsecond'"),
        "boolean" => format!("NOT {column}"),
        "jsonb" => format!("{column} || '{{\"x\": 1}}'"),
        "uuid" => "gen_random_uuid()".to_owned(),
        "ARRAY" => format!("array_append({column}, 'x')"),
        _ => return None,
    })
}

/// Two leaves, or two journals, in each other's place; or the last leaves dropped.
async fn swapped(tx: &mut PgConnection, chance: &mut Chance) -> anyhow::Result<Option<String>> {
    let draw = chance.below(1 << 30);
    let (what, sql) = match draw % 3 {
        0 => ("swapped leaves", format!(
            "CREATE TEMP TABLE two ON COMMIT DROP AS SELECT row_number() OVER () AS n, * FROM (
                SELECT * FROM proof.leaves ORDER BY md5(index::text || '{draw}') LIMIT 2) t;
            DELETE FROM proof.leaves l USING two WHERE l.index = two.index;
            INSERT INTO proof.leaves SELECT o.index, t.lane, t.seq FROM two t JOIN two o ON o.n <> t.n"
        )),
        1 => ("swapped journals", format!(
            "CREATE TEMP TABLE two ON COMMIT DROP AS SELECT row_number() OVER () AS n, * FROM (
                SELECT * FROM ledger.journals WHERE part = (SELECT part FROM ledger.journals
                    GROUP BY part HAVING count(*) > 1 ORDER BY md5(part::text || '{draw}') LIMIT 1)
                ORDER BY md5(seq::text || '{draw}') LIMIT 2) t;
            UPDATE ledger.journals j SET reference = j.reference || '~', root = o.root, total = o.total
            FROM two t JOIN two o ON o.n <> t.n WHERE (j.part, j.seq) = (t.part, t.seq)"
        )),
        _ => ("dropped tail", format!(
            "DELETE FROM proof.leaves WHERE index >= (SELECT max(index) FROM proof.leaves) - {}",
            draw % 5
        )),
    };
    let mut tried = tx.begin().await?;
    match sqlx::raw_sql(sqlx::AssertSqlSafe(sql))
        .execute(&mut *tried)
        .await
    {
        Ok(_) => {
            tried.commit().await?;
            Ok(Some(what.to_owned()))
        }
        Err(_) => Ok(None),
    }
}

/// A byte of the log's files, or the file itself; with what it was before.
type Changed = (String, Option<(PathBuf, Vec<u8>)>);

fn file(log: &Log, chance: &mut Chance) -> anyhow::Result<Changed> {
    let size = log.checkpoint()?.context("published")?;
    let size: u64 = size.lines().nth(1).context("a size")?.parse()?;
    let mut files = files_under(&log.folder().join("tile"))?;
    // Partial tiles of smaller sizes are history.
    let last = format!("/{}", size % 256);
    files.retain(|it| {
        let name = it.display().to_string();
        !name.contains(".p/") || name.ends_with(&last)
    });
    files.push(log.folder().join("checkpoint"));
    let path = files[usize::try_from(chance.below(files.len() as u64))?].clone();
    let bytes = std::fs::read(&path)?;
    let mut spoilt = bytes.clone();
    let at = usize::try_from(chance.below(bytes.len() as u64))?;
    match chance.below(4) {
        0 => spoilt.truncate(at),
        1 => spoilt.insert(at, b'0'),
        _ => spoilt[at] ^= 1 << chance.below(8),
    }
    std::fs::write(&path, spoilt)?;
    let name = path.file_name().map(|it| it.to_string_lossy().into_owned());
    let what = format!("file {}", name.unwrap_or_default());
    Ok((what, Some((path, bytes))))
}

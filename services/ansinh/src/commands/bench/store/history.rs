//! Earlier runs, made of the rows of a run that was paid, with earlier numbers and earlier months.

use chrono::{DateTime, NaiveDate, Utc};
use domain::{Institution, RunNo};
use sqlx::{AssertSqlSafe, PgPool};

/// Where the rows that earlier runs are made of lie meanwhile.
const SCHEMA: &str = "bench_history";

/// What of a paid run goes into each earlier one.
#[derive(Debug, Clone, Copy)]
enum Of {
    /// All rows: they stand for chunks, partitions, messages or the run itself.
    Run,
    /// Those of the people who are kept.
    Person,
    /// Those of kept people's lines, by the column of the line's number.
    Line(&'static str),
    /// All rows, in whose arrays are only kept people's lines: by those of the lines' numbers, and beside
    /// them.
    Lines(&'static [&'static str]),
    /// What was said, from when the run was opened.
    Said,
}

/// The tables that a run fills by the chunk or by the line, parents first. Left out are those with a row
/// or a few a run, the banks' own, and evidence, which nobody enters here.
const TABLES: [(&str, Of); 25] = [
    ("payments.runs", Of::Run),
    ("payments.run_parts", Of::Run),
    ("payments.chunks", Of::Run),
    ("payments.lines", Of::Person),
    ("payments.obligations", Of::Person),
    ("payments.results", Of::Line("line")),
    ("payments.tallies", Of::Run),
    ("payments.answers", Of::Run),
    ("payments.result_refusals", Of::Run),
    ("ledger.journals", Of::Run),
    ("ledger.transfers", Of::Line("chunk_line")),
    ("eligibility.determinations", Of::Person),
    ("eligibility.freezes", Of::Run),
    ("accounts.runs", Of::Run),
    ("accounts.ways", Of::Person),
    ("reconciliation.runs", Of::Run),
    (
        "reconciliation.instructed_chunks",
        Of::Lines(&["lines", "amounts", "account_indexes"]),
    ),
    (
        "reconciliation.answered_chunks",
        Of::Lines(&["lines", "amounts"]),
    ),
    ("reconciliation.chunks", Of::Run),
    ("reconciliation.pages", Of::Run),
    ("reconciliation.entries", Of::Line("line")),
    ("reconciliation.matched_parts", Of::Run),
    ("reconciliation.matches", Of::Line("line")),
    ("messaging.outbox", Of::Said),
    ("messaging.received", Of::Run),
];

/// A column's value so many runs and months (`$1`) before the one that `t` is of; `None` where it is the
/// same. `$2` is the earlier run's number, `$3` how it and the later one are written.
fn earlier(table: &str, column: &str) -> Option<&'static str> {
    Some(match (table, column) {
        (_, "run_no") => "$2",
        ("payments.runs", "compared_with") => "NULL",
        (_, "period" | "business_date" | "date" | "booked_on") => {
            "(t.{} - make_interval(months => $1::integer))::date"
        }
        // Sequences go on from where they are, so what was before them has numbers below.
        (_, "seq") => "t.seq - $1 * 10000000",
        (_, "statement_no") => "t.statement_no - $1",
        (_, "event_id") => "gen_random_uuid()",
        (_, "reference" | "message_id" | "end_to_end_id") => "replace(t.{}, $3[1], $3[2])",
        _ => return None,
    })
}

/// The rows of the only run so far, of the first people that have so many lines, set aside; gives back how
/// many lines they have.
pub(in super::super) async fn set_aside(
    owner: &PgPool,
    run: RunNo,
    (since, lines): (DateTime<Utc>, u64),
) -> anyhow::Result<u64> {
    let begin = format!(
        "CREATE SCHEMA {SCHEMA};
        CREATE TABLE {SCHEMA}.kept AS SELECT part, chunk, line, person_no FROM payments.lines
            WHERE run_no = {} ORDER BY person_no LIMIT {lines};
        CREATE INDEX ON {SCHEMA}.kept (part, chunk, line);
        CREATE INDEX ON {SCHEMA}.kept (person_no);
        ANALYZE {SCHEMA}.kept",
        run.0,
    );
    sqlx::raw_sql(AssertSqlSafe(begin)).execute(owner).await?;
    for (table, of) in TABLES {
        let kept = match of {
            Of::Run if table == "ledger.journals" => format!("t.run_no = {}", run.0),
            Of::Run | Of::Lines(_) => "true".to_owned(),
            Of::Person => format!("t.person_no IN (SELECT person_no FROM {SCHEMA}.kept)"),
            Of::Line(line) => format!(
                "(t.part, t.chunk, t.{line}) IN (SELECT part, chunk, line FROM {SCHEMA}.kept)"
            ),
            Of::Said => format!("t.recorded_at >= '{}'", since.to_rfc3339()),
        };
        let name = set_aside_name(table);
        let copy = format!("CREATE TABLE {name} AS SELECT t.* FROM {table} t WHERE {kept}");
        sqlx::raw_sql(AssertSqlSafe(copy)).execute(owner).await?;
        if let Of::Lines(arrays) = of {
            let leave = leaving(&name, arrays);
            sqlx::raw_sql(AssertSqlSafe(leave)).execute(owner).await?;
        }
    }
    let kept: i64 =
        sqlx::query_scalar(AssertSqlSafe(format!("SELECT count(*) FROM {SCHEMA}.kept")))
            .fetch_one(owner)
            .await?;
    Ok(kept.unsigned_abs())
}

/// What leaves only kept people's lines in the arrays of rows that are set aside, the first of which has
/// the lines' numbers; rows without any go.
fn leaving(name: &str, arrays: &[&str]) -> String {
    let each = |form: &str| {
        let columns: Vec<String> = arrays.iter().map(|it| form.replace("{}", it)).collect();
        columns.join(", ")
    };
    let line = arrays[0];
    format!(
        "UPDATE {name} t SET ({}) = (
            SELECT {} FROM unnest({}) AS u ({})
            JOIN {SCHEMA}.kept k ON (k.part, k.chunk, k.line) = (t.part, t.chunk, u.{line}));
        DELETE FROM {name} WHERE {line} IS NULL",
        each("{}"),
        each(&format!("array_agg(u.{{}} ORDER BY u.{line})")),
        each("t.{}"),
        each("{}"),
    )
}

fn set_aside_name(table: &str) -> String {
    format!("{SCHEMA}.{}", table.replace('.', "_"))
}

/// The next run has the number after so many earlier ones, and so has each bank's next statement; what was
/// said and booked before the beginning has numbers below one.
pub(in super::super) async fn make_room(
    owner: &PgPool,
    (runs, day): (u32, NaiveDate),
) -> anyhow::Result<()> {
    let first = i64::from(runs) + 1;
    let make = format!(
        "ALTER TABLE payments.runs ALTER COLUMN run_no RESTART WITH {first};
        ALTER TABLE messaging.outbox DROP CONSTRAINT outbox_seq_check;
        ALTER TABLE ledger.journals DROP CONSTRAINT journals_seq_check"
    );
    sqlx::raw_sql(AssertSqlSafe(make)).execute(owner).await?;
    let banks = Institution::connected().map(|it| it.institution.number());
    let banks: Vec<i32> = banks.collect();
    sqlx::query(
        "INSERT INTO reconciliation.statements (institution, statement_no, date, pages, opening, received,
            debits, entries_count, closing, state, received_at)
        SELECT bank, no, ($3 - make_interval(months => $2 + 1 - no))::date, 0, 0, 0, 0, 0, 0, 'matched', now()
        FROM unnest($1) AS bank, generate_series(1, $2) AS no",
    )
    .bind(&banks)
    .bind(i32::try_from(runs)?)
    .bind(day)
    .execute(owner)
    .await?;
    sqlx::query(
        "INSERT INTO sandbox.statements (institution, statement_no, date, closing)
        SELECT institution, statement_no, date, closing FROM reconciliation.statements
        WHERE statement_no = $1",
    )
    .bind(i64::from(runs))
    .execute(owner)
    .await?;
    Ok(())
}

/// Makes the runs before `run`, the oldest first, of what was set aside of it; gives back how many rows.
pub(in super::super) async fn fill(
    owner: &PgPool,
    run: RunNo,
    runs: u32,
    mut told: impl FnMut(u32),
) -> anyhow::Result<u64> {
    let mut statements = Vec::new();
    for (table, _) in TABLES {
        statements.push(insertion(owner, table).await?);
    }
    let mut rows = 0;
    for back in (1..=runs).rev() {
        let earlier = RunNo(run.0 - i64::from(back));
        let written = [run.to_string(), earlier.to_string()];
        let mut tx = owner.begin().await?;
        for statement in &statements {
            let inserted = sqlx::query(AssertSqlSafe(statement.clone()))
                .bind(i64::from(back))
                .bind(earlier.0)
                .bind(&written[..])
                .execute(&mut *tx)
                .await?;
            rows += inserted.rows_affected();
        }
        tx.commit().await?;
        told(runs - back + 1);
    }
    let drop = format!("DROP SCHEMA {SCHEMA} CASCADE");
    sqlx::raw_sql(AssertSqlSafe(drop)).execute(owner).await?;
    Ok(rows)
}

/// All columns that are not the database's to fill.
async fn insertion(owner: &PgPool, table: &str) -> anyhow::Result<String> {
    let columns: Vec<String> = sqlx::query_scalar(
        "SELECT attname::text FROM pg_attribute
        WHERE attrelid = $1::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = ''
            AND (attidentity = '' OR attname = 'run_no')
        ORDER BY attnum",
    )
    .bind(table)
    .fetch_all(owner)
    .await?;
    let values = columns.iter().map(|column| match earlier(table, column) {
        Some(value) => value.replace("{}", column),
        None => format!("t.{column}"),
    });
    let values: Vec<String> = values.collect();
    Ok(format!(
        "WITH asked AS (SELECT $1::bigint, $2::bigint, $3::text[])
        INSERT INTO {table} ({}) OVERRIDING SYSTEM VALUE SELECT {} FROM {} t, asked",
        columns.join(", "),
        values.join(", "),
        set_aside_name(table),
    ))
}

//! Answers to canned questions, read with the rights of the auditors' role and as the database types
//! them. The statements are files of the program; what an auditor gives is bound.

use anyhow::Context;
use futures::TryStreamExt;
use sqlx::postgres::{PgArguments, PgRow};
use sqlx::query::Query;
use sqlx::{
    AssertSqlSafe, Column as _, Executor, PgConnection, PgPool, PgTransaction, Postgres, Row,
    SqlSafeStr, Statement, TypeInfo,
};

use super::super::export::{AMOUNT, Cell, Column, Kind, Totals};
use super::super::question::{Question, Value};

/// One moment of the database for all that is asked within.
pub(in super::super) async fn as_auditor(pool: &PgPool) -> anyhow::Result<PgTransaction<'static>> {
    let mut tx = pool
        .begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        .await?;
    sqlx::raw_sql("SET LOCAL ROLE ansinh_auditor")
        .execute(&mut *tx)
        .await?;
    Ok(tx)
}

/// The question's columns as the database types them. A `numeric` has its fraction only in the values.
pub(in super::super) async fn columns(
    tx: &mut PgConnection,
    question: &Question,
) -> anyhow::Result<Vec<Column>> {
    let named: Vec<String> = question
        .columns
        .iter()
        .map(|it| format!("q.{it}"))
        .collect();
    let sql = format!("SELECT {} FROM ({}) q", named.join(", "), question.sql);
    let statement = tx.prepare(AssertSqlSafe(sql).into_sql_str()).await?;
    let described = statement.columns().iter();
    Ok(described
        .map(|it| Column {
            name: it.name().to_owned(),
            kind: match it.type_info().name() {
                "INT2" | "INT4" | "INT8" => Kind::Whole,
                "NUMERIC" => Kind::Decimal { scale: 0 },
                "DATE" => Kind::Date,
                "TIMESTAMPTZ" => Kind::Time,
                "BOOL" => Kind::Truth,
                _ => Kind::Text,
            },
        })
        .collect())
}

/// Rows, the sum of `amount`, and of each `numeric` whether it has fractions: those without are whole.
pub(in super::super) async fn totals(
    tx: &mut PgConnection,
    question: &Question,
    values: &[Value],
) -> anyhow::Result<Totals> {
    let mut columns = columns(tx, question).await?;
    let mut asked = vec!["count(*)".to_owned()];
    let has_amount = columns.iter().any(|it| it.name == AMOUNT);
    asked.push(if has_amount {
        format!("coalesce(sum(q.{AMOUNT}), 0)::numeric")
    } else {
        "NULL::numeric".to_owned()
    });
    let is_numeric = |it: &&mut Column| matches!(it.kind, Kind::Decimal { .. });
    let numerics = columns.iter_mut().filter(is_numeric);
    asked.extend(numerics.map(|it| format!("coalesce(max(scale(q.{})), 0)", it.name)));
    let sql = format!("SELECT {} FROM ({}) q", asked.join(", "), question.sql);
    let row = bound(&sql, values).fetch_one(tx).await?;
    for (at, column) in columns.iter_mut().filter(is_numeric).enumerate() {
        let scale: i32 = row.try_get(at + 2)?;
        column.kind = match u32::try_from(scale)? {
            0 => Kind::Whole,
            scale => Kind::Decimal { scale },
        };
    }
    Ok(Totals {
        rows: row.try_get::<i64, _>(0)?.unsigned_abs(),
        sum: row.try_get(1)?,
        columns,
    })
}

/// Hands over one row after the other as they arrive.
pub(in super::super) async fn rows(
    tx: &mut PgConnection,
    (question, columns): (&Question, &[Column]),
    values: &[Value],
    mut take: impl FnMut(Vec<Cell>) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let read: Vec<String> = columns.iter().map(as_read).collect();
    let sql = format!("SELECT {} FROM ({}) q", read.join(", "), question.sql);
    let mut rows = bound(&sql, values).fetch(tx);
    while let Some(row) = rows.try_next().await? {
        let cells = (0..).zip(columns).map(|(at, it)| cell(&row, at, it));
        take(cells.collect::<anyhow::Result<_>>()?)?;
    }
    Ok(())
}

/// Integers come at one width, and what has no type of ours as its text.
fn as_read(column: &Column) -> String {
    let name = &column.name;
    match column.kind {
        Kind::Whole | Kind::Decimal { .. } => format!("q.{name}::numeric"),
        Kind::Text => format!("q.{name}::text"),
        Kind::Date | Kind::Time | Kind::Truth => format!("q.{name}"),
    }
}

fn cell(row: &PgRow, at: usize, column: &Column) -> anyhow::Result<Cell> {
    let cell = match column.kind {
        Kind::Whole | Kind::Decimal { .. } => {
            row.try_get(at).map(|it: Option<_>| it.map(Cell::Decimal))
        }
        Kind::Text => row.try_get(at).map(|it: Option<_>| it.map(Cell::Text)),
        Kind::Date => row.try_get(at).map(|it: Option<_>| it.map(Cell::Date)),
        Kind::Time => row.try_get(at).map(|it: Option<_>| it.map(Cell::Time)),
        Kind::Truth => row.try_get(at).map(|it: Option<_>| it.map(Cell::Truth)),
    };
    let cell = cell.with_context(|| format!("column {}", column.name))?;
    Ok(cell.unwrap_or(Cell::Nothing))
}

fn bound<'q>(sql: &str, values: &'q [Value]) -> Query<'q, Postgres, PgArguments> {
    let mut asked = sqlx::query(AssertSqlSafe(sql.to_owned()));
    for value in values {
        asked = match value {
            Value::SmallInt(it) => asked.bind(*it),
            Value::Integer(it) => asked.bind(*it),
            Value::BigInt(it) => asked.bind(*it),
            Value::Date(it) => asked.bind(*it),
            Value::Text(it) => asked.bind(it.as_deref()),
        };
    }
    asked
}

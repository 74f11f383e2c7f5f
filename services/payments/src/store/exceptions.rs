//! What stands open about lines until somebody has dealt with it.

use chrono::{DateTime, Utc};
use domain::{Money, Part, PersonNo, Position};
use rust_decimal::Decimal;
use sqlx::PgConnection;

use super::Columns;
use crate::Error;

/// Opens an exception of one kind for each line; one that is open already stays as it is.
pub(super) async fn insert_exceptions(
    tx: &mut PgConnection,
    part: Part,
    (kind, detail): (&str, &str),
    lines: &[(Position, PersonNo, Money)],
    now: DateTime<Utc>,
) -> Result<(), Error> {
    let columns = Columns::of(lines.iter().map(|(position, ..)| position));
    let persons: Vec<i64> = lines.iter().map(|(_, person_no, _)| person_no.0).collect();
    let amounts: Vec<Decimal> = lines.iter().map(|(.., amount)| amount.decimal()).collect();
    sqlx::query!(
        r#"
        INSERT INTO payments.exceptions
            (part, kind, detail, opened_at, run_no, chunk, line, person_no, amount)
        SELECT $1, $2, $3, $4, x.*
        FROM unnest($5::bigint[], $6::int[], $7::int[], $8::bigint[], $9::numeric[]) AS x
        ON CONFLICT DO NOTHING
        "#,
        part.number(),
        kind,
        detail,
        now,
        &columns.run_nos,
        &columns.chunks,
        &columns.lines,
        &persons,
        &amounts,
    )
    .execute(tx)
    .await?;
    Ok(())
}
